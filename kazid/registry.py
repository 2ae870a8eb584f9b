"""What there is: the tables of providers and harnesses, built in or of plugins, in one screen. Only `main` reads it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from kazid.core.errors import StartRefused
from kazid.defaults import check_routes
from kazid.harness_listing import listed
from kazid.harness_plugins import find_harnesses
from kazid.harnesses.builtin import BUILTIN as HARNESSES
from kazid.harnesses.profile import Profile
from kazid.harnesses.prompt import build_prompt
from kazid.named_harnesses import named_harnesses
from kazid.named_kinds import named_kinds
from kazid.plugins import Plugins, find_plugins
from kazid.ports.catalog import KindSpec
from kazid.ports.harness import ListedHarness
from kazid.ports.provider import Provider
from kazid.providers.builtin import BUILTIN as PROVIDERS
from kazid.providers.builtin import end_idle_browser
from kazid.providers.catalog import KINDS, BuiltinCatalog
from kazid.providers.operations import OPERATIONS_ON_THE_NETWORK
from kazid.settings import Settings

NETWORK_KINDS = frozenset({"http_probe", "metrics"}) | OPERATIONS_ON_THE_NETWORK
"""Kinds that hold a network slot while they look; the others hold a process slot."""

__all__ = [
    "NETWORK_KINDS",
    "Harnesses",
    "Kinds",
    "build_prompt",
    "builtin_providers",
    "end_idle_browser",
    "installed_plugins",
]


def builtin_providers() -> Mapping[str, Provider]:
    """One provider per built kind."""
    return {name: make() for name, make in PROVIDERS.items()}


class Harnesses:
    """The agents of this daemon: what is built in, what plugins add, and what the settings declare."""

    def __init__(self, settings: Settings) -> None:
        """Raises StartRefused where the settings declare what cannot be."""
        self._fixed = {**HARNESSES, **find_harnesses(HARNESSES.keys())}
        self._named = self._with_named(settings)
        self.profiles: Mapping[str, Profile] = MappingProxyType(self._named)
        """A view that follows what is taken."""

    def take(self, settings: Settings) -> None:
        """From now on, the agents of these settings. Raises StartRefused, and then nothing changed."""
        named = self._with_named(settings)
        self._named.clear()
        self._named.update(named)

    def listed(self, *, default: str) -> Sequence[ListedHarness]:
        """All of them, as people see them."""
        return listed(self.profiles.values(), default=default)

    def _with_named(self, settings: Settings) -> dict[str, Profile]:
        profiles = {**self._fixed, **named_harnesses(settings.harnesses, self._fixed)}
        default = settings.harness.default
        if default not in profiles:
            raise StartRefused(f'settings: harness.default: there is no harness "{default}"')
        check_routes(settings, profiles)
        return profiles


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
