"""The one task of what concerns all goals: it ends a freeze whose time is over, and moves the incident on.

Asleep while neither stands. What it records is durable first; who waits is woken then. A disk that refuses is tried
again: until it takes writes nobody acts anyway.
"""

from collections.abc import Awaitable, Callable

import structlog

from kazid.core.errors import JournalUnavailable
from kazid.runtime.fleet import Fleet
from kazid.runtime.governor import Governor

log = structlog.get_logger(__name__)

DISK_RETRY_S = 2.0
FREEZE_CHECKED_S = 5.0
"""A freeze ends by the wall clock, which may be set; so its end is looked for this often at least."""
PAUSE_S_MIN = 0.05


class FleetKeeper:
    """Runs beside the goals' tasks, for as long as they."""

    def __init__(self, *, fleet: Fleet, governor: Governor, wake_all: Callable[[], Awaitable[None]]) -> None:
        self._fleet = fleet
        self._governor = governor
        self._wake_all = wake_all

    async def run(self) -> None:
        """Keep until cancelled."""
        self._governor.resume()
        while True:
            try:
                if self._fleet.has_lapsed:
                    await self._fleet.lapse()
                    await self._wake_all()
                await self._governor.keep()
                pause_s = self._pause_s()
            except JournalUnavailable as error:
                log.warning("fleet.unsaved", reason=str(error))
                pause_s = DISK_RETRY_S
            await self._fleet.changed.wait(pause_s)

    def _pause_s(self) -> float | None:
        lapses_in_s = self._fleet.lapses_in_s()
        pauses = [
            None if lapses_in_s is None else min(FREEZE_CHECKED_S, lapses_in_s),
            self._governor.kept_every_s(),
        ]
        known = [pause_s for pause_s in pauses if pause_s is not None]
        return max(PAUSE_S_MIN, min(known)) if known else None
