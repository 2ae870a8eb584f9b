"""Every predicate kind this daemon knows, built or documented, by its authored name.

The one place that lists them; `main` hands it to whoever takes a `ports.catalog.Catalog`. A kind becomes real when its
provider exists and its `KindSpec` says `built = True`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kazid.ports.catalog import KindSpec
from kazid.providers.kinds import (
    behaviour_kinds,
    browser_kinds,
    command_kinds,
    live_kinds,
    measure_kinds,
    newcomer_kinds,
    operation_kinds,
    register_kinds,
    repository_kinds,
)

KINDS: Mapping[str, KindSpec] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            *command_kinds.KINDS,
            *live_kinds.KINDS,
            *browser_kinds.KINDS,
            *measure_kinds.KINDS,
            *repository_kinds.KINDS,
            *behaviour_kinds.KINDS,
            *operation_kinds.KINDS,
            *register_kinds.KINDS,
            *newcomer_kinds.KINDS,
        )
    }
)

assert len(KINDS) == 27 + len(operation_kinds.KINDS) + len(register_kinds.KINDS) + len(
    newcomer_kinds.KINDS
), "no name twice; 3 are made by the daemon"


class BuiltinCatalog:
    """The `Catalog` of the kinds above, and of those that plugins add."""

    def __init__(self, more: Mapping[str, KindSpec] | None = None) -> None:
        assert not (more and more.keys() & KINDS.keys()), "what is built in is replaced by nobody"
        self._kinds = MappingProxyType({**KINDS, **(more or {})})

    def kinds(self) -> Mapping[str, KindSpec]:
        """Every kind by its authored name."""
        return self._kinds


BUILTIN_CATALOG = BuiltinCatalog()
