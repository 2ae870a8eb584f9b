"""How many pushes came since the start, by what they came from, for whoever looks at the daemon from outside.

A push is coalesced when a look is owed already: it adds nothing but its count. `runtime/pushes.py` counts, `GET
/metrics` shows. Kept in memory only, like every counter there.
"""

from collections.abc import Mapping

import msgspec

from kazid.core.watch import Source, kind_of


class PushCount(msgspec.Struct, frozen=True, kw_only=True):
    """Pushes of one kind of source."""

    received: int = 0
    coalesced: int = 0


class PushCounts:
    """One per daemon."""

    def __init__(self) -> None:
        self._by_source: dict[str, PushCount] = {}

    def count(self, source: Source, *, coalesced: bool) -> None:
        """One more."""
        kind = kind_of(source)
        known = self._by_source.get(kind, PushCount())
        self._by_source[kind] = PushCount(
            received=known.received + 1, coalesced=known.coalesced + int(coalesced)
        )

    @property
    def by_source(self) -> Mapping[str, PushCount]:
        """As of now, by kind of source; a kind that never pushed is not there."""
        return dict(self._by_source)
