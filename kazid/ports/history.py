"""Reading what happened in a stretch of time, of some types only, without holding anybody up.

Contract: `offset_at` is the newest event before a moment, by the wall clock that events were recorded with; `happened`
looks at no more than HISTORY_OFFSETS_MAX offsets at a time and says how far it came.
"""

from collections.abc import Sequence
from typing import Protocol

from kazid.core.event import Event, Recorded
from kazid.core.ids import Offset

HISTORY_OFFSETS_MAX = 20_000
"""Offsets looked at in one visit: some ten milliseconds of the reader."""


class History(Protocol):
    """Adapter: sqlite."""

    async def offset_at(self, wall_s: float) -> Offset:
        """The newest event before this moment; 0 when there is none. Raises JournalUnavailable."""
        ...

    async def happened(
        self, kinds: Sequence[type[Event]], *, after: Offset
    ) -> tuple[Sequence[Recorded], Offset]:
        """Events of these kinds beyond a place, and how far they were looked for; the place again at the end."""
        ...
