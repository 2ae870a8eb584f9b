"""One goal in memory and the only way to change it: record events, then fold them.

Holds the lock that makes "append, then fold" one step, so that memory is never ahead of the journal but for looks that
changed nothing; those are folded at once, gathered, and journalled in bulk (SEMANTICS §7).
"""

import contextlib
import math
from collections.abc import Callable, Sequence

import anyio
import msgspec
import structlog

from kazid.core import lowering
from kazid.core.cadence import schedule
from kazid.core.decision import Decision
from kazid.core.errors import Conflict, JournalUnavailable
from kazid.core.event import ActEnded, Event, PredicateObserved, SnapshotTaken, SteadyObserved, SteadyTick
from kazid.core.fold import Folded, advance, fold
from kazid.core.goal import Goal
from kazid.core.ids import AttemptId, GoalUid, Offset, Seq
from kazid.core.instant import Now
from kazid.core.progress import Progress
from kazid.core.stuck import normalise
from kazid.core.verdict import Status, Verdict
from kazid.core.worktree import placed
from kazid.ports.clock import Clock
from kazid.ports.faults import fault_point
from kazid.ports.journal import GoalHeader, Journal, Receipt
from kazid.runtime.health import Health
from kazid.runtime.pushes import Pushes
from kazid.runtime.wakeup import Change, Wakeup

log = structlog.get_logger(__name__)

TICKS_MAX = 64
TICK_AGE_S_MAX = 60.0
"""Steady looks become one event at the next transition, at this many, or after this long (SEMANTICS §7)."""
TICK_GRID_S = 1.0
"""They are journalled on whole seconds: one commit for all goals that are due, where each had one of its own."""
UNSAVED_MAX = 256
"""Looks kept while the disk refuses writes; the oldest are dropped beyond it."""
SNAPSHOT_EVERY = 256
"""Events between snapshots, so that a start folds a bounded tail."""


class GoalState:
    """A goal, its progress and its place in the journal. One per incarnation; shared by its task and the API."""

    __slots__ = (
        "_clock",
        "_health",
        "_journal",
        "_lock",
        "_on_commit",
        "_pending",
        "_since_snapshot",
        "_unsaved_first",
        "change",
        "decision",
        "goal",
        "header",
        "is_urgent",
        "progress",
        "pushes",
        "reopens_workspace",
        "seq",
        "uid",
        "unsealed",
        "wakeup",
    )

    def __init__(
        self,
        *,
        header: GoalHeader,
        journal: Journal,
        clock: Clock,
        health: Health,
        on_commit: Callable[[Offset], None],
    ) -> None:
        self.uid: GoalUid = header.uid
        self.header = header
        self.goal: Goal | None = None
        self.progress = Progress()
        self.seq: Seq = Seq(0)
        self.decision: Decision | None = None
        self.wakeup = Wakeup()
        self.change = Change()
        self.is_urgent = False
        """A client waits: the first look after a start is not delayed."""
        self.reopens_workspace = False
        """A person resumed what had stopped for its workspace: the folder that is there now is the one they mean."""
        self.unsealed = 0
        """How often in a row a proposal could not be sealed."""
        self.pushes: Pushes | None = None
        """What is watched for it, while it has a task."""
        self._journal = journal
        self._clock = clock
        self._health = health
        self._on_commit = on_commit
        self._lock = anyio.Lock(fast_acquire=True)
        self._pending: list[tuple[PredicateObserved, bool]] | None = None
        """Looks not journalled yet, each with whether it changed nothing. None when empty: most goals, mostly."""
        self._unsaved_first: Event | None = None
        """Folded when the disk refused it; the next append begins with it."""
        self._since_snapshot = 0

    @property
    def spec(self) -> Goal:
        """The goal; every recorded incarnation has one."""
        assert self.goal is not None, "an incarnation begins with goal.applied"
        return self.goal

    @property
    def governed(self) -> Goal:
        """The goal at the level that it may act at now (`core/lowering.py`)."""
        return lowering.effective(self.spec, self.progress)

    @property
    def placed(self) -> Goal:
        """The goal in the tree where its code is judged now."""
        return placed(self.spec, self.progress.worktree)

    def acting(self, rung: str) -> Goal:
        """The goal in the tree where an act on this rung works: an agent's own, and the workspace for all others."""
        return self.placed if rung.startswith("harness:") else self.spec

    async def load(self) -> Now | None:
        """Fold what the journal has, and say when it last changed."""
        folded = Folded(None, Progress())
        after = Seq(max(0, self.header.snapshot_seq - 1))
        last: Now | None = None
        while records := await self._journal.read(self.uid, after_seq=after):
            for record in records:
                assert record.seq == after + 1, "no gap in an incarnation's events"
                folded = fold(folded, record.event, at=record.at)
                after = record.seq
                last = record.at
        self.goal, self.progress, self.seq = folded.goal, folded.progress, after
        self._since_snapshot = self.seq - self.header.snapshot_seq
        return last

    async def _reread(self) -> None:
        """Fold the journal again in place of what is in memory; looks that were not journalled are looked at again."""
        unknown = await self._journal.read(self.uid, after_seq=self.seq, limit=1)
        await self.load()
        self._pending = None
        unsaved, self._unsaved_first = self._unsaved_first, None
        if unsaved is not None and not (unknown and unknown[0].event == unsaved):
            self.take_over_unsaved(unsaved)
        self.change.bump()
        self.wakeup.set()

    async def text_of(self, attempt_id: AttemptId) -> str:
        """What an agent ended this attempt with, as far back as the journal is kept; empty where it said nothing."""
        after, said = Seq(max(0, self.header.snapshot_seq - SNAPSHOT_EVERY)), ""
        while records := await self._journal.read(self.uid, after_seq=after):
            after = records[-1].seq
            for record in records:
                if isinstance(record.event, ActEnded) and record.event.attempt_id == attempt_id:
                    said = record.event.text or ""
        return said

    async def tell(self, events: Sequence[Event]) -> None:
        """Make events durable that nothing hangs on; a disk that refuses them is the health's to tell."""
        if events:
            with contextlib.suppress(JournalUnavailable):
                await self.record(*events)

    async def record(
        self,
        *events: Event,
        header: GoalHeader | None = None,
        idempotency_key: str | None = None,
        is_urgent: bool = False,
        only_if: Callable[[Progress, Now], bool] | None = None,
    ) -> bool:
        """Make events durable and fold them; False, and nothing written, when `only_if` no longer holds.

        `only_if` is asked when it is this append's turn, with the time that the events are recorded at, and again by
        the caller's next try when memory turned out to be behind the journal. Raises JournalUnavailable (the health
        is told; nothing of `events` is in memory, and the next append finds out if the disk has them all the same),
        Conflict (another incarnation has the name).
        """
        async with self._lock:
            now = self._clock.now()
            if only_if is not None and not only_if(self.progress, now):
                return False
            batch: list[Event] = [*self._gathered(), *events]
            if not batch:
                return True
            if header is not None:
                header = msgspec.structs.replace(header, snapshot_seq=self.header.snapshot_seq)
            if not await self._append(
                batch, now, header=header, idempotency_key=idempotency_key, is_urgent=is_urgent
            ):
                if only_if is not None:
                    return False
                raise JournalUnavailable("the journal was ahead; the state was read again, try again")
            self._pending = self._unsaved_first = None
            folded = Folded(self.goal, self.progress)
            for event in events:
                folded = fold(folded, event, at=now)
            self.goal, self.progress = folded.goal, folded.progress
            await self._maybe_snapshot(now)
        self.change.bump()
        return True

    async def note(self, observed: PredicateObserved) -> None:
        """Fold a look at once; journal it now when it changed something, else with the next bulk."""
        async with self._lock:
            goal = self.spec
            if observed.predicate_id not in goal.predicate_ids:
                return
            before = self.progress
            is_steady = _is_steady(before, observed)
            self.progress = advance(goal, before, observed, at=self._clock.now())
            pending = self._pending if self._pending is not None else []
            pending.append((observed, is_steady))
            del pending[:-UNSAVED_MAX]
            self._pending = pending
        if not is_steady:
            await self._flush_quietly()
            self.change.bump()

    def next_look_s(self, now: Now) -> float | None:
        """When the next look falls due, in boot seconds."""
        return schedule(self.spec, self.progress, now).next_s

    def take_over_unsaved(self, event: Event) -> None:
        """Fold an event that the disk refused at start-up; the next append begins with it, so that a replay sees it."""
        folded = fold(Folded(self.goal, self.progress), event, at=self._clock.now())
        self.progress = folded.progress
        self._unsaved_first = event

    def flush_due_s(self) -> float | None:
        """When gathered looks must be journalled, in boot seconds; None when there are none."""
        if not self._pending:
            return None
        if len(self._pending) >= TICKS_MAX:
            return 0.0
        due_s = self._pending[0][0].ended_s + TICK_AGE_S_MAX
        return math.floor(due_s / TICK_GRID_S) * TICK_GRID_S

    async def flush(self) -> None:
        """Journal gathered looks now. Raises JournalUnavailable; they are kept then."""
        await self.record()

    async def flush_at_end(self) -> None:
        """The last words of the goal's task; on a disk that refuses them its last looks are looked at again."""
        try:
            await self.flush()
        except JournalUnavailable:
            log.warning("shutdown.unsaved", goal_id=self.spec.id)

    async def _flush_quietly(self) -> None:
        try:
            await self.record()
        except JournalUnavailable:
            return  # kept in memory; health knows, and the next append carries them

    async def _append(
        self,
        batch: Sequence[Event],
        now: Now,
        *,
        header: GoalHeader | None = None,
        idempotency_key: str | None = None,
        is_urgent: bool = False,
    ) -> bool:
        """Append; False when the journal was ahead of memory, which was read again then, and nothing was written."""
        receipt: Receipt | None = None
        try:
            with anyio.CancelScope(shield=True):
                receipt = await self._journal.append(
                    self.uid,
                    batch,
                    at=now,
                    expected_seq=self.seq,
                    header=header,
                    idempotency_key=idempotency_key,
                    is_urgent=is_urgent,
                )
        except JournalUnavailable as error:
            self._health.report_disk_error(str(error))
            raise
        except Conflict as error:
            if error.uid != self.uid:
                raise
            # An append that was given up on was stored after all: memory is behind, and only the journal knows.
            log.warning(
                "state.reread", uid=self.uid, expected_seq=error.expected_seq, actual_seq=error.actual_seq
            )
            await self._reread()
            return False
        assert receipt is not None, "a shield is left only by its own end"
        await fault_point("events.appended")
        self._health.report_disk_ok()
        assert receipt.seq == self.seq + len(batch), "the journal numbers events without a gap"
        self.seq = receipt.seq
        self._on_commit(receipt.offset)
        if header is not None:
            self.header = header
        self._since_snapshot += len(batch)
        return True

    async def _maybe_snapshot(self, now: Now) -> None:
        """A fresh starting point for the fold, every `SNAPSHOT_EVERY` events."""
        if self._since_snapshot < SNAPSHOT_EVERY or self.goal is None:
            return
        await fault_point("snapshot.due")
        header = msgspec.structs.replace(self.header, snapshot_seq=Seq(self.seq + 1))
        snapshot = SnapshotTaken(progress=msgspec.Raw(msgspec.json.encode(self.progress)), goal=self.goal)
        try:
            if await self._append([snapshot], now, header=header):
                self._since_snapshot = 0
        except JournalUnavailable:
            return  # the next append tries again

    def _gathered(self) -> list[Event]:
        """Pending looks as events: runs of steady ones in bulk, transitions one by one."""
        events: list[Event] = [] if self._unsaved_first is None else [self._unsaved_first]
        run: list[PredicateObserved] = []
        for observed, is_steady in self._pending or ():
            if is_steady and (not run or run[0].generation == observed.generation):
                run.append(observed)
                continue
            events.extend(self._bulk(run))
            run = [observed] if is_steady else []
            if not is_steady:
                events.append(observed)
        events.extend(self._bulk(run))
        return events

    def _bulk(self, run: Sequence[PredicateObserved]) -> list[Event]:
        if not run:
            return []
        base_s = run[0].started_s
        index = {p.id: i for i, p in enumerate(self.spec.predicates)}
        ticks = tuple(
            SteadyTick(
                predicate=index[o.predicate_id],
                after_us=round((o.started_s - base_s) * 1e6),
                took_us=round((o.ended_s - o.started_s) * 1e6),
            )
            for o in run
            if o.predicate_id in index
        )
        return [SteadyObserved(base_s=base_s, ticks=ticks, generation=run[0].generation)] if ticks else []


def _is_steady(progress: Progress, observed: PredicateObserved) -> bool:
    """True when a look says what the one before it said, so that its time is all there is to keep."""
    state = progress.predicate(observed.predicate_id)
    before, after = state.verdict, observed.verdict
    if before is None or state.is_stale or state.tree != observed.tree:
        return False
    if before.status is not after.status or before.reason != after.reason:
        return False
    if observed.seal is not None:
        return False
    if before.baseline != after.baseline:
        return False  # the bar moved: what it is now must be in the journal
    if after.carry is not None and after.carry != state.carry:
        return False
    if after.status is Status.FAIL and progress.episode is not None:
        return _text(before) == _text(after)
    return True


def _text(verdict: Verdict) -> str:
    return normalise(f"{verdict.detail} {verdict.evidence}")
