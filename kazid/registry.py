"""What there is: the tables of providers and harnesses, built in or of plugins, in one screen. Only `main` reads it."""

from collections.abc import Mapping

from kazid.harnesses.builtin import BUILTIN as HARNESSES
from kazid.harnesses.prompt import build_prompt
from kazid.plugins import Plugins, find_plugins
from kazid.ports.catalog import Catalog
from kazid.ports.harness import Harness
from kazid.ports.provider import Provider
from kazid.providers.builtin import BUILTIN as PROVIDERS
from kazid.providers.catalog import KINDS, BuiltinCatalog

NETWORK_KINDS = frozenset({"http_probe", "port_closed", "tcp"})
"""Kinds that hold a network slot while they look; the others hold a process slot."""

__all__ = [
    "NETWORK_KINDS",
    "Plugins",
    "build_prompt",
    "builtin_harnesses",
    "builtin_providers",
    "catalog_with",
    "installed_plugins",
]


def builtin_providers() -> Mapping[str, Provider]:
    """One provider per built kind."""
    return {name: make() for name, make in PROVIDERS.items()}


def builtin_harnesses() -> Mapping[str, Harness]:
    """One harness per built agent CLI."""
    return HARNESSES


def installed_plugins() -> Plugins:
    """The kinds of other packages; looked for once."""
    return find_plugins(KINDS.keys())


def catalog_with(plugins: Plugins) -> Catalog:
    """Every documented kind, built or not, and those of plugins."""
    return BuiltinCatalog(plugins.kinds)
