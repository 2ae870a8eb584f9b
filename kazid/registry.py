"""What is built in: the tables of providers and harnesses, in one screen. Only `main` reads it."""

from collections.abc import Mapping

from kazid.harnesses.builtin import BUILTIN as HARNESSES
from kazid.harnesses.prompt import build_prompt
from kazid.ports.catalog import Catalog
from kazid.ports.harness import Harness
from kazid.ports.provider import Provider
from kazid.providers.builtin import BUILTIN as PROVIDERS
from kazid.providers.catalog import BuiltinCatalog

NETWORK_KINDS = frozenset({"http_probe"})
"""Kinds that hold a network slot while they look; the others hold a process slot."""

__all__ = ["NETWORK_KINDS", "build_prompt", "builtin_catalog", "builtin_harnesses", "builtin_providers"]


def builtin_providers() -> Mapping[str, Provider]:
    """One provider per built kind."""
    return {name: make() for name, make in PROVIDERS.items()}


def builtin_harnesses() -> Mapping[str, Harness]:
    """One harness per built agent CLI."""
    return HARNESSES


def builtin_catalog() -> Catalog:
    """Every documented kind, built or not."""
    return BuiltinCatalog()
