"""The set of goals and their tasks: what should run, runs; what crashes too often is parked; the others never notice.

One_for_one: each goal has a child of its own. Also the one place that knows every goal by name, live or finished.
"""

import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import anyio
import anyio.lowlevel
import structlog
from anyio.abc import TaskGroup, TaskStatus

from kazid.core.bundling import parked_bundle
from kazid.core.cadence import is_observing
from kazid.core.errors import JournalUnavailable, first_leaf
from kazid.core.event import ClockStepped, Event, GoalParked, TaskRecovered
from kazid.core.fleet import FLEET_UID
from kazid.core.ids import GoalId, GoalUid, Owner, Seq
from kazid.core.instant import Now, shift_s
from kazid.core.progress import Desired, Progress
from kazid.ports.clock import Clock
from kazid.ports.faults import fault_point
from kazid.ports.journal import GoalHeader, Journal
from kazid.runtime.broadcast import Broadcaster
from kazid.runtime.executor import WAITS_FOR_LEASE
from kazid.runtime.fleet_keeper import FleetKeeper
from kazid.runtime.health import Health
from kazid.runtime.placing import finish
from kazid.runtime.reconciler import Reconciler
from kazid.runtime.state import GoalState
from kazid.runtime.supervisor import run_transient
from kazid.runtime.wakeup import Change
from kazid.runtime.world import World

log = structlog.get_logger(__name__)

TRACEBACK_CHARS_MAX = 8000
RETRY_S = 1.0
"""After a disk that refused."""
LOADS_AT_ONCE = 64
WAKES_AT_ONCE = 16
"""Who is woken takes a turn of some 0.3 ms: between so many everybody else has one, who asks for a status too."""
PARK_RETRY_S = 10.0
"""Between tries to end what a goal left running that cannot be parked before that is done."""


class Goals:
    """Every incarnation that is not forgotten, by uid and by name."""

    def __init__(
        self, *, journal: Journal, clock: Clock, health: Health, world: World, broadcaster: Broadcaster
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._health = health
        self._world = world
        self._broadcaster = broadcaster
        self._states: dict[GoalUid, GoalState] = {}
        self._by_name: dict[tuple[Owner, GoalId], GoalState] = {}
        self._running: set[GoalUid] = set()
        self._group: TaskGroup | None = None
        self.change = Change()
        """Bumped when the set of goals changes."""
        self.restarts_total = 0
        world.governor.attach(everyone=self.everyone, by_uid=self.by_uid, find=self.find)
        world.executor.attach(self._wake_one)

    def __iter__(self) -> Iterator[GoalState]:
        """Goals that are not deleted, by name."""
        states = [self._by_name[name] for name in sorted(self._by_name)]
        return iter([state for state in states if state.progress.desired is not Desired.DELETED])

    def find(self, owner: Owner, goal_id: GoalId) -> GoalState | None:
        """The live incarnation of that name; one that was deleted has no name any more."""
        state = self._by_name.get((owner, goal_id))
        if state is not None and state.progress.desired is Desired.DELETED:
            self.unname(state)
            return None
        return state

    def everyone(self) -> Iterator[GoalState]:
        """Every incarnation still known: also those deleted whose executor is not gone yet."""
        return iter(list(self._states.values()))

    def by_uid(self, uid: GoalUid) -> GoalState | None:
        """Any incarnation still known."""
        return self._states.get(uid)

    def new_state(self, header: GoalHeader) -> GoalState:
        """A goal that is about to be recorded for the first time; `add` makes it known."""
        return GoalState(
            header=header,
            journal=self._journal,
            clock=self._clock,
            health=self._health,
            on_commit=self._broadcaster.committed,
        )

    def add(self, state: GoalState) -> None:
        """Make a recorded goal known and run it."""
        self._states[state.uid] = state
        self._by_name[state.header.owner, state.header.id] = state
        self.change.bump()
        self.ensure_running(state)

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Load every goal, run their tasks, and stay until cancelled."""
        await self._load()
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                for state in list(self._states.values()):
                    self.ensure_running(state, is_restart=True)
                keeper = FleetKeeper(
                    fleet=self._world.fleet, governor=self._world.governor, wake_all=self.wake_all
                )
                group.start_soon(keeper.run)
                task_status.started()
                await anyio.sleep_forever()
            finally:
                self._group = None

    def ensure_running(self, state: GoalState, *, is_restart: bool = False) -> None:
        """Start the goal's task where it should have one and has none; wake it where it has."""
        if state.uid in self._running:
            state.wakeup.set()
            return
        if self._group is None or not _should_run(state):
            return
        self._running.add(state.uid)
        self._group.start_soon(self._run_child, state, is_restart)

    def is_running(self, state: GoalState) -> bool:
        """True while the goal has a task."""
        return state.uid in self._running

    def _wake_one(self, uid: GoalUid) -> None:
        state = self._states.get(uid)
        if state is not None:
            state.wakeup.set()

    async def wake_all(self) -> None:
        """Every goal decides again."""
        await _wake(list(self._states.values()))

    async def wake_deferred(self) -> None:
        """A lease was given back: whoever waits for one decides again. Whose turn a slot is, the executor tells."""
        await _wake([state for state in self._states.values() if _waits_for_lease(state.progress)])

    async def keep_house(self, *, events_kept: int) -> None:
        """Drop history beyond what is kept, never what the fold still needs."""
        for state in list(self._states.values()):
            before = min(state.header.snapshot_seq, state.seq - events_kept)
            if before > 1:
                try:
                    await self._journal.discard_before(state.uid, seq=Seq(before))
                except JournalUnavailable:
                    return

    async def clock_stepped(self, delta_s: float, *, stalled_s: float = 0.0) -> None:
        """Everything is stale and is looked at again."""
        log.warning("clock.stepped", delta_s=round(delta_s, 3), stalled_s=round(stalled_s, 3))
        for state in list(self._states.values()):
            if state.uid in self._running:
                try:
                    await state.record(ClockStepped(delta_s=delta_s, stalled_s=stalled_s))
                except JournalUnavailable:
                    continue
                state.wakeup.set()

    async def _load(self) -> None:
        await self._world.fleet.load()
        headers = [h for h in await self._journal.headers() if h.uid != FLEET_UID]
        self._broadcaster.committed(await self._journal.head())
        limiter = anyio.CapacityLimiter(LOADS_AT_ONCE)

        async def load(header: GoalHeader) -> None:
            async with limiter:
                await self._load_one(header)

        async with anyio.create_task_group() as group:
            for header in headers:
                group.start_soon(load, header)
        live = {s.uid: tree for s in self._states.values() if (tree := s.progress.worktree) is not None}
        await self._world.places.sweep(live)
        for state in list(self._states.values()):
            if not _should_run(state):
                await finish(state, self._world)
        log.info("goals.loaded", goals=len(self._by_name), unresolved=len(self._states) - len(self._by_name))

    async def _load_one(self, header: GoalHeader) -> None:
        state = self.new_state(header)
        last = await state.load()
        await fault_point("goal.loaded")
        if last is None:
            return
        # By its events, too: a disk may have kept the event and said no, and then nobody wrote it into the header.
        is_deleted = header.is_deleted or state.progress.desired is Desired.DELETED
        if _should_run(state):
            await self._recovered(state, last)
        elif is_deleted:
            if await self._spending_kept(state):
                await self._forget_header(header)
            return
        if state.progress.act is not None:
            # Before anybody acts: what a dead daemon started holds its trees, whoever's task turns first.
            self._world.executor.adopt(state.uid, state.acting(state.progress.act.rung), state.progress.act)
        self._states[state.uid] = state
        if not is_deleted:
            self._by_name[header.owner, header.id] = state

    async def _recovered(self, state: GoalState, last: Now) -> None:
        now = self._clock.now()
        event = TaskRecovered(
            shift_s=shift_s(last, now),
            down_s=max(0.0, now.wall_s - last.wall_s),
            taken_over_s=now.boot_s,
            executor_uid=self._world.approvers.executor_uid,
        )
        try:
            await state.record(event)
        except JournalUnavailable:
            log.warning("goal.recovered_in_memory", goal_id=state.spec.id)
            state.take_over_unsaved(event)

    async def _run_child(self, state: GoalState, is_restart: bool) -> None:
        """The child guard around one goal's task."""
        try:
            while _should_run(state):
                crash = await run_transient(
                    f"goal:{state.header.owner}/{state.header.id}",
                    partial(self._reconcile, state, is_restart),
                    clock=self._clock,
                    on_restart=self._count_restart,
                )
                if crash is not None:
                    await self._park(state, crash.error)
                is_restart = False
        finally:
            self._running.discard(state.uid)
        if state.progress.desired is Desired.DELETED and state.progress.act is None:
            await self._forget(state)

    async def _reconcile(self, state: GoalState, is_daemon_restart: bool, is_task_restart: bool) -> None:
        reconciler = Reconciler(state, self._world, is_restart=is_daemon_restart or is_task_restart)
        try:
            await reconciler.run()
        finally:
            if state.pushes is not None:
                state.pushes.drop()

    def _count_restart(self) -> None:
        self.restarts_total += 1

    async def _park(self, state: GoalState, error: BaseException) -> None:
        """Out of the way, with its traceback, and with nothing of it left running."""
        name = f"goal:{state.header.owner}/{state.header.id} (parking)"
        end_act = partial(self._end_act, state)
        text = "".join(traceback.format_exception(error))[-TRACEBACK_CHARS_MAX:]
        parked = GoalParked(traceback=text, reason=_sentence(error))
        is_parked = False
        while not is_parked:
            crash = await run_transient(name, end_act, clock=self._clock, on_restart=self._count_restart)
            if crash is not None:
                await anyio.sleep(PARK_RETRY_S)
                continue
            self._world.executor.release(state.uid)
            bundle = parked_bundle(state.spec, state.progress, parked.reason, self._clock.now())
            is_parked = await self._record_until_saved(state, (parked, bundle), lambda p: p.act is None)

    async def _end_act(self, state: GoalState, is_retry: bool) -> None:
        """End what a parked goal left running; at a retry unread, for reading it may be what crashes."""
        act, executor = state.progress.act, self._world.executor
        if act is None:
            return
        attempt = await executor.recover(state.uid, act.attempt_id)
        await attempt.cancel()
        result = await attempt.wait()
        now = self._clock.now()
        if is_retry:
            ended = executor.ended_unread(state.spec, act, result, now)
        else:
            ended = await executor.ended(state.uid, state.spec, act, result, now)
        await self._record_until_saved(
            state, (ended,), lambda p: p.act is not None and p.act.attempt_id == act.attempt_id
        )

    async def _record_until_saved(
        self, state: GoalState, events: Sequence[Event], is_due: Callable[[Progress], bool]
    ) -> bool:
        """Record them once, however long the disk takes; False when it is not due any more."""
        while is_due(state.progress):
            try:
                if await state.record(*events, only_if=lambda p, _: is_due(p)):
                    return True
            except JournalUnavailable:
                await anyio.sleep(RETRY_S)
        return False

    async def retire(self, state: GoalState) -> None:
        """Forget a deleted goal that has no task; the others' tasks do it themselves when their executor is gone."""
        if state.uid not in self._running and state.progress.act is None:
            await self._forget(state)

    async def discover(self, owner: Owner, goal_id: GoalId) -> None:
        """Make known what the journal has under that name and memory has not: its creation was stored unanswered."""
        for header in await self._journal.headers():
            is_it = (header.owner, header.id) == (owner, goal_id) and not header.is_deleted
            if is_it and header.uid not in self._states:
                await self._load_one(header)
                state = self._states.get(header.uid)
                if state is not None:
                    self.change.bump()
                    self.ensure_running(state)

    async def _forget(self, state: GoalState) -> None:
        """A deleted goal with nothing left to resolve."""
        if self._states.pop(state.uid, None) is None:
            return
        self.unname(state)
        if (tree := state.progress.worktree) is not None:
            await self._world.places.remove(state.uid, tree, has_landed=False)
        await fault_point("goal.forgotten")
        if not await self._spending_kept(state):
            return
        await self._forget_header(state.header)

    async def _spending_kept(self, state: GoalState) -> bool:
        """False when the disk took no note of what it cost: then the next start forgets it, and notes that first."""
        try:
            await self._world.fleet.keep_spending(state.spec, state.uid, state.progress.spent)
        except JournalUnavailable:
            log.warning("goal.unforgotten", goal_id=state.spec.id)
            return False
        return True

    async def _forget_header(self, header: GoalHeader) -> None:
        try:
            await self._journal.forget(header.uid)
        except JournalUnavailable:
            log.warning("goal.unforgotten", goal_id=header.id)  # the next start forgets it

    def unname(self, state: GoalState) -> None:
        """A deleted goal frees its name at once; its task goes on until its executor is gone."""
        if self._by_name.get((state.header.owner, state.header.id)) is state:
            del self._by_name[state.header.owner, state.header.id]
        self.change.bump()


def _should_run(state: GoalState) -> bool:
    """A goal has a task while it looks or an act of it is unresolved."""
    if state.goal is None:
        return False
    return state.progress.act is not None or is_observing(state.goal, state.progress)


def _waits_for_lease(progress: Progress) -> bool:
    deferred = progress.deferred
    return progress.tree_wait is not None or (deferred is not None and deferred.waits_for == WAITS_FOR_LEASE)


async def _wake(states: Sequence[GoalState]) -> None:
    for number, state in enumerate(states, start=1):
        state.wakeup.set()
        if number % WAKES_AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()


def _sentence(error: BaseException) -> str:
    """The exception in one line."""
    leaf = first_leaf(error)
    return f"{type(leaf).__name__}: {leaf}"
