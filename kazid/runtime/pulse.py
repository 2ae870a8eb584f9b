"""The daemon's own heartbeat: is the scheduler alive, is the disk, did a clock step?

Feeds the service manager's watchdog only after a real scheduler tick and a store write that succeeded, or that failed
with a disk error already reported as `degraded` (issue, kazid). A daemon that hangs is restarted; one on a full disk
is not, because a restart would not help it.
"""

from collections.abc import Callable, Coroutine

import anyio
import structlog
from anyio.abc import TaskStatus

from kazid.core.errors import JournalUnavailable
from kazid.core.instant import CLOCK_STEP_S, divergence_s
from kazid.ports.clock import Clock
from kazid.ports.journal import Journal
from kazid.runtime.goals import Goals
from kazid.runtime.health import Health

log = structlog.get_logger(__name__)

TICK_S = 1.0
STALLED_S = 10.0
"""A tick that comes so much late: nobody looked at anything meanwhile, and what was seen before is no news."""
WRITE_CHECK_S = 10.0
DEGRADED_CHECK_S = 2.0
HOUSEKEEPING_S = 60.0
START_LIVED_S = 60.0
"""A start that lives this long was not a failed start."""


class Pulse:
    """Ticks once a second; everything slower hangs on its ticks."""

    def __init__(
        self,
        *,
        clock: Clock,
        journal: Journal,
        health: Health,
        goals: Goals,
        feed_watchdog: Callable[[], None],
        keep_house: Callable[[], Coroutine[None, None, None]],
        start_lived: Callable[[], None],
        watchdog_s: float | None = None,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._health = health
        self._goals = goals
        self._feed_watchdog = feed_watchdog
        self._keep_house = keep_house
        self._start_lived = start_lived
        self._write_check_s = WRITE_CHECK_S if watchdog_s is None else min(WRITE_CHECK_S, watchdog_s / 3)

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Tick until cancelled."""
        started_s = self._clock.now().boot_s
        next_write_s = next_house_s = started_s
        has_lived = False
        async with anyio.create_task_group() as group:
            await group.start(self._watch_clock)
            task_status.started()
            while True:
                now = self._clock.now()
                if now.boot_s >= next_write_s:
                    await self._check_disk()
                    next_write_s = now.boot_s + (
                        WRITE_CHECK_S if self._health.degraded is None else DEGRADED_CHECK_S
                    )
                if now.boot_s >= next_house_s:
                    next_house_s = now.boot_s + HOUSEKEEPING_S
                    group.start_soon(self._keep_house)
                if not has_lived and now.boot_s - started_s >= START_LIVED_S:
                    has_lived = True
                    self._health.report_start_lived()
                    self._start_lived()
                await anyio.sleep(TICK_S)

    async def _watch_clock(self, *, task_status: TaskStatus[None]) -> None:
        """See a clock that stepped and a daemon that did not run.

        A task of its own: what the disk takes is no stall, and a stall during a look at the disk is one.
        """
        seen = self._clock.now()
        task_status.started()
        while True:
            slept_s = self._clock.now().boot_s
            await anyio.sleep(TICK_S)
            now = self._clock.now()
            late_s = now.boot_s - slept_s - TICK_S
            stepped_s = divergence_s(seen, now)
            seen = now
            if abs(stepped_s) > CLOCK_STEP_S or late_s > STALLED_S:
                await self._goals.clock_stepped(stepped_s, stalled_s=late_s)

    async def _check_disk(self) -> None:
        """Prove that the store takes a write; whatever it says is reported before the watchdog is fed."""
        was_degraded = self._health.degraded is not None
        try:
            await self._journal.check_writable()
        except JournalUnavailable as error:
            self._health.report_disk_error(str(error))
        else:
            self._health.report_disk_ok()
        self._feed_watchdog()
        if was_degraded and self._health.degraded is None:
            await self._goals.wake_all()
