"""What there is: the tables of providers and harnesses, built in or of plugins, in one screen. Only `main` reads it."""

from collections.abc import Mapping
from types import MappingProxyType

from kazid.harnesses.builtin import BUILTIN as HARNESSES
from kazid.harnesses.prompt import build_prompt
from kazid.named_kinds import named_kinds
from kazid.plugins import Plugins, find_plugins
from kazid.ports.catalog import KindSpec
from kazid.ports.harness import Harness
from kazid.ports.provider import Provider
from kazid.providers.builtin import BUILTIN as PROVIDERS
from kazid.providers.catalog import KINDS, BuiltinCatalog
from kazid.providers.operations import OPERATIONS_ON_THE_NETWORK
from kazid.settings import Settings

NETWORK_KINDS = frozenset({"http_probe", "metrics"}) | OPERATIONS_ON_THE_NETWORK
"""Kinds that hold a network slot while they look; the others hold a process slot."""

__all__ = [
    "NETWORK_KINDS",
    "Kinds",
    "build_prompt",
    "builtin_harnesses",
    "builtin_providers",
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


class Kinds:
    """The `Catalog` of this daemon: what is built in, what plugins add, and what the settings name."""

    def __init__(self, plugins: Plugins, settings: Settings) -> None:
        """Raises StartRefused where the settings name what cannot be."""
        self.plugins = plugins
        self._fixed = BuiltinCatalog(plugins.kinds).kinds()
        self._kinds = self._with_named(settings)

    def kinds(self) -> Mapping[str, KindSpec]:
        """Every kind by its authored name."""
        return self._kinds

    def take(self, settings: Settings) -> None:
        """From now on, the names of these settings. Raises StartRefused, and then nothing changed."""
        self._kinds = self._with_named(settings)

    def _with_named(self, settings: Settings) -> Mapping[str, KindSpec]:
        return MappingProxyType({**self._fixed, **named_kinds(settings.kind, self._fixed)})
