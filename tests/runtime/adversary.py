"""A hostile world for the runtime: seeded scheduling, a disk and a runner that do as a script says, and real crashes.

A crash here is a kill -9: what is durable at that moment is all that the next daemon finds, and the dead daemon's
tasks, which have to be unwound, touch neither the journal nor the world any more.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import trio
import trio._core._run as trio_run
from trio.testing import MockClock

from kazid.adapters.memory.runner import ScriptedAttempt, ScriptedRunner
from kazid.core.event import Event
from kazid.core.ids import AttemptId, GoalUid
from kazid.ports.runner import AttemptOrder, AttemptResult
from tests.runtime.house import Daemon, House

STEPS_AT_ONE_MOMENT_MAX = 400_000
"""Task steps without virtual time passing: beyond it something spins, and the clock would stand still for ever."""


class Spun(AssertionError):
    """Tasks ran and ran, and no time passed."""


class _SpinGuard(trio.abc.Instrument):
    def __init__(self) -> None:
        self.steps = 0
        self.at_s = -1.0
        self.scope: trio.CancelScope | None = None
        self.has_spun = False

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        now_s = trio.current_time()
        if now_s != self.at_s:
            self.at_s, self.steps = now_s, 0
            return
        self.steps += 1
        if self.steps > STEPS_AT_ONE_MOMENT_MAX and self.scope is not None and not self.has_spun:
            self.has_spun = True
            self.scope.cancel()


def run_seeded(story: Callable[[], Awaitable[Any]], *, seed: int) -> Any:
    """Run on trio's virtual clock with the scheduler's dice seeded; raises Spun when time stands still."""
    guard = _SpinGuard()

    async def guarded() -> Any:
        with trio.CancelScope() as guard.scope:
            return await story()
        raise Spun(f"seed {seed}: {STEPS_AT_ONE_MOMENT_MAX} steps at {trio.current_time():.3f} s")

    allowed, dice = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True
    trio_run._r.seed(seed)
    try:
        return trio.run(guarded, clock=MockClock(autojump_threshold=0), instruments=[guard])
    finally:
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = allowed
        trio_run._r.setstate(dice)


class _Nothing:
    """What a dead daemon is given instead of an attempt."""

    async def wait(self) -> AttemptResult:
        await anyio.lowlevel.checkpoint()
        return AttemptResult(ending="never_started", reason="the daemon is dead")

    async def cancel(self) -> None:
        await anyio.lowlevel.checkpoint()

    def pids(self) -> Sequence[int]:
        return ()


class HostileRunner:
    """The runner as one daemon sees it: starts and answers take their time, and a dead daemon starts nothing."""

    def __init__(self, runner: ScriptedRunner, delay: Callable[[str], Awaitable[None]]) -> None:
        self.runner = runner
        self.is_dead = False
        self.on_start: Callable[[AttemptOrder], None] | None = None
        self._delay = delay

    async def start(self, order: AttemptOrder) -> ScriptedAttempt | _Nothing:
        await self._delay("start")
        if self.is_dead:
            return _Nothing()
        if self.on_start is not None:
            self.on_start(order)
        attempt = await self.runner.start(order)
        await self._delay("started")
        return attempt

    async def recover(self, uid: GoalUid, attempt_id: AttemptId) -> ScriptedAttempt | _Nothing:
        await self._delay("recover")
        if self.is_dead:
            return _Nothing()
        return await self.runner.recover(uid, attempt_id)

    async def read_log(self, uid: GoalUid, attempt_id: AttemptId, **keys: Any) -> tuple[bytes, int, int]:
        await self._delay("read_log")
        return await self.runner.read_log(uid, attempt_id, **keys)


async def no_delay(_: str) -> None:
    """The world answers at once."""


class HostileHouse(House):
    """A house whose daemons can be killed at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.delay: Callable[[str], Awaitable[None]] = no_delay
        self.daemons: list[Daemon] = []

    @asynccontextmanager
    async def life(self, prepare: Callable[["Life"], None] | None = None) -> AsyncIterator["Life"]:
        """One life of a daemon: ended by `kill` (and then what is not durable is lost), else by a shutdown.

        `prepare` is called before anything of it runs.
        """
        daemon = Daemon(self)
        runner = HostileRunner(self.runner, self.delay)
        daemon.executor._runner = runner  # type: ignore[assignment]
        life = Life(self, daemon, runner)
        self.daemons.append(daemon)
        has_started = False
        with anyio.CancelScope() as life.scope:
            if prepare is not None:
                prepare(life)
            async with anyio.create_task_group() as group:
                await group.start(daemon.goals.run)
                await group.start(daemon.lease_keeper.run)
                await group.start(daemon.pulse.run)
                has_started = True
                try:
                    yield life
                finally:
                    daemon.world.ends_attempts = not runner.is_dead and life.ends_attempts
                    daemon.service.stop_streams()
                    group.cancel_scope.cancel()
        if not has_started:
            yield life  # killed while it started; `life.runner.is_dead` says so


class Life:
    """A running daemon, and the way to kill it."""

    def __init__(self, house: HostileHouse, daemon: Daemon, runner: HostileRunner) -> None:
        self.house = house
        self.daemon = daemon
        self.runner = runner
        self.service = daemon.service
        self.scope: anyio.CancelScope | None = None
        self.ends_attempts = True
        self.died = anyio.Event()

    def kill(self) -> None:
        """kill -9: what is durable now stays, and nothing this daemon still does has an effect."""
        if self.runner.is_dead:
            return
        dead, self.house.journal = self.house.journal, self.house.journal.snapshot()
        self.house.journal.before_append, dead.before_append = dead.before_append, None
        self.house.journal.after_append, dead.after_append = dead.after_append, None
        dead.fail_with(None)
        self.runner.is_dead = True
        self.daemon.world.ends_attempts = False
        self.died.set()
        assert self.scope is not None
        self.scope.cancel()


def crash_at(
    life: Life, number: int, *, is_stored: bool
) -> Callable[[GoalUid, Sequence[Event]], Awaitable[None]]:
    """A journal hook that kills the daemon at the nth append from now, before or after it is durable."""
    count = 0

    async def hook(uid: GoalUid, events: Sequence[Event]) -> None:
        nonlocal count
        count += 1
        if count == number:
            life.kill()

    journal = life.house.journal
    if is_stored:
        journal.after_append = hook
    else:
        journal.before_append = hook
    return hook


def dice_of(seed: int) -> random.Random:
    """The world's own dice, apart from the scheduler's."""
    return random.Random(seed * 7919 + 17)
