"""What stands for all goals, in a stream of its own: the freeze, and the incident of common cause.

The freeze is durable first, then matched goal by goal, and acknowledged when nothing older runs. Each goal's task
matches its goal with it at the start of every turn, before it decides, so a crash half-way through the goals, a goal
applied meanwhile and a disk that failed in between all end the same way: no goal acts past a freeze it has not
journalled. The incident is `runtime/governor.py`'s; here it is folded and recorded.
"""

from collections.abc import Callable, Mapping, Sequence

import anyio
import structlog

from kazid.core.common_incident import OpenIncident, incident_after
from kazid.core.errors import Conflict, JournalUnavailable
from kazid.core.event import (
    BY_EXPIRY,
    AuditPruned,
    Event,
    FleetFrozen,
    FleetThawed,
    GoalFrozen,
    GoalThawed,
    SpendingCarried,
)
from kazid.core.fleet import FLEET_UID, frozen_after
from kazid.core.goal import Goal
from kazid.core.ids import Epoch, GoalId, GoalUid, Offset, Owner, Seq
from kazid.core.instant import shift_s
from kazid.core.owner_budget import entries_of, kept_after
from kazid.core.progress import Desired, Frozen, Progress
from kazid.core.window import DAY_S, Ledger
from kazid.ports.clock import Clock
from kazid.ports.journal import GoalHeader, Journal, Receipt
from kazid.runtime.health import Health
from kazid.runtime.state import GoalState
from kazid.runtime.wakeup import Wakeup

log = structlog.get_logger(__name__)

HEADER = GoalHeader(uid=FLEET_UID, owner=Owner(""), id=GoalId(""), is_deleted=False)
"""Keeps the stream from being taken for a forgotten goal's; no goal has an empty name."""
TRIES_MAX = 3


class Fleet:
    """What stands for all goals, as the journal has it."""

    def __init__(
        self, *, journal: Journal, clock: Clock, health: Health, on_commit: Callable[[Offset], None]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._health = health
        self._on_commit = on_commit
        self._lock = anyio.Lock()
        self._seq = Seq(0)
        self._frozen: Frozen | None = None
        self._lapsed = 0
        """The number of a freeze whose time was over: it never comes back, whatever the wall clock does."""
        self.incident: OpenIncident | None = None
        """The incident that stands, as the journal has it."""
        self.kept_spending: Mapping[str, SpendingCarried] = {}
        """What agents of deleted goals cost of late, by uid."""
        self.changed = Wakeup()
        """For the one task that keeps it (`runtime/fleet_keeper.py`): there is something new."""

    @property
    def frozen(self) -> Frozen | None:
        """The freeze in force now."""
        frozen = self._frozen
        if frozen is None or frozen.number == self._lapsed:
            return None
        if not frozen.holds_at(self._clock.now().wall_s):
            self._lapsed = frozen.number
            self.changed.set()
            return None
        return frozen

    async def load(self) -> None:
        """Fold what the journal has beyond what is in memory."""
        now = self._clock.now()
        while records := await self._journal.read(FLEET_UID, after_seq=self._seq):
            for record in records:
                self._frozen = frozen_after(self._frozen, record)
                at_s = record.at.boot_s + shift_s(record.at, now)
                self.incident = incident_after(self.incident, record.event, seq=record.seq, at_s=at_s)
                if isinstance(record.event, SpendingCarried):
                    self.kept_spending = kept_after(self.kept_spending, record.event, now.wall_s)
                self._seq = record.seq
            self.changed.set()

    async def freeze(
        self, *, reason: str, for_s: float | None, by: str, idempotency_key: str | None = None
    ) -> None:
        """Make it durable; from here on no goal starts an act. Raises JournalUnavailable."""
        until_wall_s = None if for_s is None else self._clock.now().wall_s + for_s
        frozen = FleetFrozen(reason=reason, by=by, until_wall_s=until_wall_s)
        await self._record(lambda: (frozen,), idempotency_key, is_urgent=True)
        log.info("fleet.frozen", reason=reason, by=by, for_s=for_s)

    async def thaw(self, *, reason: str, by: str, idempotency_key: str | None = None) -> bool:
        """End it; goals that are suspended by themselves stay so. False: none stood. Raises JournalUnavailable."""
        thawed = FleetThawed(by=by, reason=reason)
        stood: list[bool] = []

        def ended() -> Sequence[Event]:
            stood.append(self.frozen is not None)
            return (thawed,)

        await self._record(ended, idempotency_key, is_urgent=True)
        log.info("fleet.thawed", by=by)
        return not stood or any(stood)  # a second request under the same key is answered as the first was

    @property
    def has_lapsed(self) -> bool:
        """Whether the end of a freeze by its time is still to be recorded."""
        return self._frozen is not None and self.frozen is None

    def lapses_in_s(self) -> float | None:
        """How long the freeze that stands still holds by itself; None: no freeze, or until thaw."""
        frozen = self.frozen
        if frozen is None or frozen.until_wall_s is None:
            return None
        return max(0.0, frozen.until_wall_s - self._clock.now().wall_s)

    async def lapse(self) -> None:
        """Record that the freeze ended by its time; nothing when it stands, or ended. Raises JournalUnavailable."""
        ended = FleetThawed(by=BY_EXPIRY, reason="its time is over")
        if await self._record(lambda: (ended,) if self.has_lapsed else ()):
            log.info("fleet.thawed", by=BY_EXPIRY)

    async def record_incident(self, events: Callable[[], Sequence[Event]]) -> Sequence[Event]:
        """Record what follows from the incident as it stands by then. Raises JournalUnavailable."""
        return await self._record(events)

    async def keep_spending(self, goal: Goal, uid: GoalUid, ledger: Ledger) -> None:
        """Record what a goal that is about to be forgotten has cost in the last day. Raises JournalUnavailable."""
        since_wall_s = self._clock.now().wall_s - DAY_S
        spent = [
            e for e in entries_of(ledger, goal.budget, starts_at_wall_s=None) if e.at_wall_s > since_wall_s
        ]
        kept = SpendingCarried(uid=uid, owner=goal.owner, spent=spent)
        if spent:
            await self._record(lambda: () if uid in self.kept_spending else (kept,))

    async def record_pruned(self, event: AuditPruned) -> None:
        """Record that the audit trail is about to lose its beginning. Raises JournalUnavailable."""
        await self._record(lambda: (event,))

    async def _record(
        self,
        events_due: Callable[[], Sequence[Event]],
        idempotency_key: str | None = None,
        *,
        is_urgent: bool = False,
    ) -> Sequence[Event]:
        """Make durable and fold what is due when it is this one's turn; what that was."""
        async with self._lock:
            for _ in range(TRIES_MAX):
                await self.load()  # an append that was given up on may have been stored all the same
                if idempotency_key is not None and await self._journal.find_key(idempotency_key) is not None:
                    return ()
                events = events_due()
                if not events:
                    return ()
                receipt: Receipt | None = None
                try:
                    with anyio.CancelScope(shield=True):
                        receipt = await self._journal.append(
                            FLEET_UID,
                            events,
                            at=self._clock.now(),
                            expected_seq=self._seq,
                            header=HEADER,
                            idempotency_key=idempotency_key,
                            is_urgent=is_urgent,
                        )
                        await self.load()
                except JournalUnavailable as error:
                    self._health.report_disk_error(str(error))
                    raise
                except Conflict:
                    continue
                assert receipt is not None, "a shield is left only by its own end"
                self._health.report_disk_ok()
                self._on_commit(receipt.offset)
                return events
            raise JournalUnavailable("the fleet's stream moved on; try again")

    def is_matched(self, progress: Progress) -> bool:
        """True when this goal's fold has what stands for all."""
        return _number(progress.frozen) == _number(self.frozen)

    async def match(self, state: GoalState) -> None:
        """Journal for one goal what stands for all; without a disk the next turn does, and no act comes before it."""
        while not self.is_matched(state.progress) and state.progress.desired is not Desired.DELETED:
            seen = (state.progress.epoch, state.progress.frozen)
            event = self.event_for(state.progress)
            try:
                await state.record(
                    event,
                    is_urgent=True,
                    only_if=lambda p, _, seen=seen: (p.epoch, p.frozen) == seen,  # type: ignore[misc]
                )
            except JournalUnavailable:
                return

    def event_for(self, progress: Progress) -> GoalFrozen | GoalThawed:
        """What brings a goal in line with the fleet."""
        frozen = self.frozen
        if frozen is None:
            assert progress.frozen is not None, "only what differs is matched"
            return GoalThawed(number=progress.frozen.number)
        return GoalFrozen(
            epoch=Epoch(progress.epoch + 1),
            number=frozen.number,
            reason=frozen.reason,
            until_wall_s=frozen.until_wall_s,
        )

    async def settle(
        self, states: Sequence[GoalState], *, has_task: Callable[[GoalState], bool], poll_s: float
    ) -> None:
        """Return when every goal with a task has matched and nothing fenced runs; the caller sets the bound."""
        for state in states:
            while self.is_unsettled(state, has_task=has_task):
                version = state.change.version
                with anyio.move_on_after(poll_s):
                    await state.change.wait_beyond(version)

    def is_unsettled(self, state: GoalState, *, has_task: Callable[[GoalState], bool]) -> bool:
        """True while it may still be about to act, or an executor of an older epoch is not verified gone."""
        progress = state.progress
        act = progress.act
        if act is not None and (act.epoch < progress.epoch or not progress.may_act):
            return True
        return has_task(state) and progress.desired is not Desired.DELETED and not self.is_matched(progress)


def _number(frozen: Frozen | None) -> int | None:
    return None if frozen is None else frozen.number
