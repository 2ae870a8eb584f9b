"""What must hold whatever happens, judged from the journal and the world alone.

No code of the daemon's rules is used here.

`Oracle` reads every event as it becomes durable and every executor as it starts, and raises at the first thing that
must not be. What it knows of each goal is `account.py`, and what was really up when is `truth.py`.
"""

import bisect
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kazid.adapters.memory.clock import MemoryClock
from kazid.adapters.memory.journal import MemoryJournal, _recorded
from kazid.adapters.memory.runner import ScriptedRunner
from kazid.core.approval_event import ApprovalEvent, AutonomyLowered
from kazid.core.event import (
    ActDeferred,
    ActEnded,
    ActIntended,
    ClockStepped,
    EpisodeClosed,
    EpisodeOpened,
    FleetFrozen,
    FleetThawed,
    GoalApplied,
    GoalDeleted,
    GoalFrozen,
    GoalParked,
    GoalResumed,
    GoalStopped,
    GoalSuspended,
    GoalThawed,
    IncidentCanaryFailed,
    IncidentCanaryNamed,
    IncidentClosed,
    IncidentOpened,
    IncidentReleased,
    LookDeferred,
    PredicateObserved,
    ReconcileRequested,
    Recorded,
    SpendingCarried,
    StatusChanged,
    SteadyObserved,
    TaskRecovered,
    WorktreeCreated,
    WorktreeDelivered,
    WorktreeRemoved,
)
from kazid.core.fleet import FLEET_UID
from kazid.core.goal import Goal
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Status
from kazid.ports.runner import AttemptOrder
from tests.simulation.account import TOGETHER_S, Account, Seen, Storm
from tests.simulation.truth import MS, Truth

PACE_WINDOW_S = 600.0
ACTS_PER_WINDOW_MAX = 16
"""On one predicate. A crash loop at the backoff of SEMANTICS §4 has some 10; without any it has 20 and more."""
TOGETHER_MIN = 5
TOGETHER_SHARE = 0.3
"""Of all goals; the active ones among them are fewer."""
PUT_BACK_MIN = 4
"""Before a goal may be contested; the fifth may be a fall at the calm end."""
NOT_FROZEN = -math.inf
KEEPS_ITS_WORD = (SteadyObserved, StatusChanged, ActDeferred, LookDeferred, EpisodeOpened, ActIntended)
"""Events that shorten no wait that was announced."""
OPENS_BY_TIME = ("backoff", "half_open")


class Broken(BaseException):
    """Something that must not be, is. No `Exception`: the daemon's guards must not take it for a crash of theirs."""


class Oracle:
    """Judges one house over all its daemons."""

    def __init__(self, clock: MemoryClock, runner: ScriptedRunner, truth: Truth) -> None:
        self.accounts: dict[str, Account] = {}
        self.fenced: dict[str, int] = {}
        """Per incarnation: no executor of an older epoch than this lives or starts."""
        self.quiet: dict[str, float | None] = {}
        """Incarnations acknowledged as suspended, stopped or deleted, with the wall time at which that ends."""
        self.events_seen = 0
        self.offset = 0
        self.flaky: set[str] = set()
        """Checks that fail now and then for no reason."""
        self.fleet_seq = 0
        self.fleet_last: Any = None
        self.frozen_until_wall_s: float | None = NOT_FROZEN
        """After a freeze was acknowledged: until when no goal acts (None: until a thaw)."""
        self.digest = hashlib.sha256()
        self.canaries: dict[str, bytes] = {}
        """What may be in no sink, by what it is."""
        self.first: Broken | None = None
        self.starts = 0
        self.started: set[str] = set()
        self.deferred: dict[str, int] = {}
        """How often an act had to wait, by for what."""
        self.announcements = 0
        self.in_trees: dict[str, list[Any]] = {}
        """By attempt: whose, in which trees, from when until when (None: it is not over)."""
        self.put_back: dict[str, int] = {}
        """How often somebody really put back what was fixed."""
        self.storm: Storm | None = None
        self.incidents: dict[str, int] = {}
        """How often what happened to one."""
        self.lowered = 0
        """How often an agent that did harm was."""
        self.ends: dict[str, int] = {}
        """How often a goal's status had which cause."""
        self.acts_in_window_max = 0
        self._clock = clock
        self._runner = runner
        self._truth = truth

    # --- the journal --------------------------------------------------------------------------------------------------

    def absorb(self, journal: MemoryJournal) -> None:
        """Everything that became durable since the last time."""
        start = bisect.bisect_right(journal._events, self.offset, key=lambda row: row.offset)
        for row in journal._events[start:]:
            self.offset = row.offset
            self.events_seen += 1
            self.digest.update(f"{row.uid} {row.seq} {row.at.boot_s:.6f} ".encode() + row.body)
            self._guard(lambda row=row: self._take(_recorded(row)))
            for name, text in self.canaries.items():
                if text in row.body:
                    raise self.broken(f"{name} is in the journal: {row.body[:400]!r}")

    def broken(self, what: str) -> Broken:
        """The first thing that must not be; kept, for what raises in a task may be taken for a crash of that task."""
        self.first = self.first or Broken(what)
        return self.first

    def check(self) -> None:
        """Raise what was found wherever it was found."""
        if self.first is not None:
            raise self.first

    def _guard(self, take: Callable[[], None]) -> None:
        """An error of the oracle's own is as loud as what it looks for."""
        try:
            take()
        except Exception as error:
            raise self.broken(f"the oracle itself: {type(error).__name__}: {error}") from error

    def _take(self, record: Recorded) -> None:
        if record.uid == FLEET_UID:
            self.fleet_seq += 1
            self._demand(record.seq == self.fleet_seq, record, "a gap in seq")
            self._fleet(record)
            return
        account = self.accounts.setdefault(record.uid, Account())
        account.seq += 1
        self._demand(record.seq == account.seq, record, "a gap in seq")
        self._demand(
            account.goal is not None or isinstance(record.event, GoalApplied), record, "no goal.applied first"
        )
        at_s = record.at.boot_s
        if not isinstance(record.event, KEEPS_ITS_WORD):
            account.announced = {}
        match record.event:
            case GoalApplied() as event:
                is_newer = event.generation != account.generation
                self._demand(account.desired != "deleted", record, "applied after its deletion")
                account.goal, account.generation, account.epoch = event.goal, event.generation, event.epoch
                account.spec_sha256 = event.spec_sha256
                if is_newer or event.fresh:
                    account.opened_s = account.wanted_s = None
                account.asked_s = at_s
                if is_newer or event.fresh:
                    account.acted_s.clear()
                    for seen in account.seen.values():
                        seen.in_a_row = 0
                    account.act_floor_s = at_s
                    account.status = GoalStatus.OBSERVING
                    if event.fresh or account.desired != "suspended":
                        account.desired = "active"
            case GoalSuspended() as event:
                self._fence(account, "suspended", event.epoch, record)
                if record.uid in self.quiet and account.desired == "suspended":
                    self.quiet[record.uid] = event.until_wall_s  # the last suspension's end counts
            case GoalFrozen() as event:
                self._demand(event.epoch > account.epoch, record, "a fence that does not raise the epoch")
                account.epoch, account.is_frozen = event.epoch, True
            case GoalThawed():
                account.is_frozen = False
                account.act_floor_s = account.asked_s = at_s
                self.frozen_until_wall_s = NOT_FROZEN  # expired; a clock set back does not bring it back
            case GoalStopped() as event:
                self._fence(account, "stopped", event.epoch, record)
            case GoalDeleted() as event:
                self._fence(account, "deleted", event.epoch, record)
            case EpisodeClosed():
                account.opened_s = account.wanted_s = None
            case EpisodeOpened():
                account.opened_s, account.wanted_s = at_s, None
                account.iterations = account.dispatches = account.tokens = 0
                account.cost_usd = 0.0
            case GoalResumed() as event:
                if event.by == "expiry":
                    until_wall_s = self.quiet.get(record.uid, -math.inf)
                    has_expired = until_wall_s is not None and record.at.wall_s >= until_wall_s - MS
                    self._demand(has_expired, record, f"a suspension until {until_wall_s} expired")
                    self.quiet.pop(record.uid, None)  # over, even when the wall clock is set back behind it
                account.desired = "active"
                account.acted_s.clear()
                account.act_floor_s = account.asked_s = at_s
                account.status = GoalStatus.OBSERVING
            case ApprovalEvent():
                account.petitions.take(record.event)
                why = account.harm.take(record.event)
                self._demand(why is None, record, f"a lowering that is none: {why}")
                if isinstance(record.event, AutonomyLowered):
                    self.lowered += 1
            case ReconcileRequested():
                account.asked_s = at_s
            case TaskRecovered() | ClockStepped():
                account.wanted_s = None
                account.forget_looks(at_s)
                account.act_floor_s = at_s
            case ActDeferred() as event:
                account.act_floor_s = at_s
                if event.waits_for == "governor" and account.wanted_s is None:
                    account.wanted_s = at_s
                self.deferred[event.waits_for] = self.deferred.get(event.waits_for, 0) + 1
            case LookDeferred() as event:
                what = "discarded" if event.was_discarded else "held"
                self.deferred[f"look_{what}"] = self.deferred.get(f"look_{what}", 0) + 1
            case WorktreeCreated() as event:
                account.worktree = event.worktree.folder
            case WorktreeDelivered() as event:
                assert account.goal is not None
                why = account.harm.why_not_delivered(account.goal, event)
                self._demand(why is None, record, f"delivered above its level: {why}")
                account.worktree = None
            case WorktreeRemoved():
                account.worktree = None
            case PredicateObserved() as event:
                self._looked(
                    account, record, event.predicate_id, event.verdict.status, event.started_s, event.ended_s,
                    event.generation,
                )  # fmt: skip
            case SteadyObserved() as event:
                assert account.goal is not None
                for tick in event.ticks:
                    predicate = account.goal.predicates[tick.predicate]
                    started_s = event.base_s + tick.after_us / 1e6
                    seen = account.seen.get(predicate.id)
                    if seen is not None and seen.status is not None:
                        ended_s = started_s + tick.took_us / 1e6
                        self._looked(
                            account, record, predicate.id, seen.status, started_s, ended_s, event.generation
                        )
            case ActIntended() as event:
                self._intended(account, record, event)
            case ActEnded() as event:
                self._demand(event.attempt_id in account.attempts, record, "an end without an intent")
                self._demand(event.attempt_id not in account.ended, record, "an attempt ended twice")
                account.ended.add(event.attempt_id)
                self.in_trees[event.attempt_id][3] = min(event.ended_s, at_s)
                if event.ending == "never_started":
                    del self.in_trees[event.attempt_id]  # nobody was in them
                account.charge(event)
                account.petitions.take(event)
                account.act = None
                account.act_ended_s = event.ended_s
                for seen in account.seen.values():
                    seen.in_a_row = 0
            case StatusChanged() as event:
                self._changed(account, record, event)
            case GoalParked():
                self._demand(account.act is None, record, "parked with an act unresolved")
                account.status = GoalStatus.PARKED
            case _:
                pass

    def _fleet(self, record: Recorded) -> None:
        """What concerns all goals."""
        match record.event:
            case FleetFrozen() as event:
                self.fleet_last = event
                # The last freeze's end counts, where it is a longer one; where none stands, it is not acknowledged yet.
                until_wall_s = self.frozen_until_wall_s
                stands = until_wall_s is None or record.at.wall_s < until_wall_s
                self.frozen_until_wall_s = event.until_wall_s if stands else NOT_FROZEN
            case FleetThawed() as event:
                has_end = (
                    isinstance(self.fleet_last, FleetFrozen) and self.fleet_last.until_wall_s is not None
                )
                self._demand(event.by != "expiry" or has_end, record, "a freeze without an end expired")
                self.fleet_last = event
                self.frozen_until_wall_s = NOT_FROZEN
            case SpendingCarried():
                pass
            case _ as event:
                self._incident(record, event)

    def _incident(self, record: Recorded, event: Any) -> None:
        name = type(event).__name__
        self.incidents[name] = self.incidents.get(name, 0) + 1
        storm = self.storm
        if isinstance(event, IncidentOpened):
            self._demand(storm is None, record, "two incidents at a time")
            under_way = {uid for uid in event.acting if self.accounts[uid].act is None}
            self.storm = Storm(record.at.boot_s, under_way)
            return
        if storm is None:
            raise self.broken(f"{name} without an incident")
        match event:
            case IncidentCanaryNamed():
                self._demand(storm.canary is None and not storm.is_proved, record, "two canaries")
                storm.canary = event.uid
            case IncidentCanaryFailed():
                self._demand(storm.canary == event.uid, record, "another canary failed")
                storm.canary = None
            case IncidentReleased():
                self._demand(storm.is_proved or event.proof is not None, record, "released without a proof")
                if storm.canary is not None and storm.canary != event.proof:
                    storm.free.add(storm.canary)  # its act may be on its way
                storm.is_proved, storm.canary = True, None
                storm.free.update(event.uids)
            case IncidentClosed():
                self.storm = None
                for account in self.accounts.values():
                    account.wanted_s = None  # whoever wants to act again is counted anew

    def _together(self, record: Recorded, account: Account) -> None:
        """While an incident stands only who was let go acts; and many that turned red together are one."""
        storm, now_s = self.storm, record.at.boot_s
        if storm is None:
            others = [a for a in self.accounts.values() if a is not account and a.is_in_trouble(now_s)]
            known = sum(1 for a in self.accounts.values() if a.desired != "deleted")
            is_one = len(others) >= TOGETHER_MIN and len(others) > TOGETHER_SHARE * known
            is_part = (
                account.green_sha256 == account.spec_sha256 and (account.opened_s or 0.0) > now_s - TOGETHER_S
            )
            self._demand(
                not (is_one and is_part), record, f"{len(others)} more turned red with it, and no incident"
            )
            return
        opened_s = account.opened_s
        is_part = opened_s is not None and opened_s > storm.opened_s - TOGETHER_S
        if not is_part or account.green_sha256 != account.spec_sha256:
            return
        if record.uid in storm.allowed:
            storm.allowed.discard(record.uid)
            return
        is_free = record.uid == storm.canary or record.uid in storm.free
        self._demand(is_free, record, f"it acts during an incident; the canary is {storm.canary}")

    def _fence(self, account: Account, desired: str, epoch: int, record: Recorded) -> None:
        order = ["active", "suspended", "stopped", "deleted"]
        self._demand(epoch > account.epoch, record, "a fence that does not raise the epoch")
        self._demand(account.desired != "deleted", record, "a change after its deletion")
        account.desired = max(account.desired, desired, key=order.index)
        account.epoch = epoch

    def _looked(
        self,
        account: Account,
        record: Recorded,
        predicate_id: str,
        status: Status,
        started_s: float,
        ended_s: float,
        generation: int,
    ) -> None:
        assert account.goal is not None
        if predicate_id not in account.goal.predicate_ids:
            return
        is_honest = status is Status.PASS or predicate_id not in self.flaky
        if status in (Status.PASS, Status.FAIL) and is_honest:
            is_up = status is Status.PASS
            self._demand(
                self._truth.was(predicate_id, is_up, at_s=ended_s), record, f"{predicate_id} was not {status.value}"
            )  # fmt: skip
        if generation == account.generation:
            self._beside(account, record, predicate_id, started_s, ended_s)
        predicate = account.goal.predicate(predicate_id)  # type: ignore[arg-type]
        cadence = predicate.cadence
        gap_s = cadence.recheck_s
        if cadence.interval_s is not None:
            gap_s = min(gap_s, 0.9 * cadence.interval_s)
        account.seen.setdefault(predicate_id, Seen()).look(
            status,
            started_s,
            generation=generation,
            is_current=generation == account.generation,
            floor_s=account.act_ended_s,
            gap_s=gap_s,
        )

    def _beside(
        self, account: Account, record: Recorded, predicate_id: str, since_s: float, until_s: float
    ) -> None:
        """A code verdict is of a tree that nobody else acted in while it was taken."""
        assert account.goal is not None
        predicate = account.goal.predicate(predicate_id)  # type: ignore[arg-type]
        tree = account.worktree or account.goal.workspace
        if predicate.live or tree is None:
            return
        for attempt_id, (uid, trees, began_s, ended_s) in self.in_trees.items():
            is_meanwhile = began_s < until_s - MS and (ended_s is None or ended_s > since_s + MS)
            is_there = attempt_id in self.started  # an intent whose answer was lost has nobody in its trees
            if uid != record.uid and is_there and is_meanwhile and _overlap((tree,), trees) is not None:
                what = f"{predicate_id} was judged from {since_s:.3f} to {until_s:.3f}"
                self._demand(False, record, f"{what}, and {attempt_id} of {uid} acted in {tree}")

    def _intended(self, account: Account, record: Recorded, event: ActIntended) -> None:
        assert account.goal is not None
        self._demand(account.act is None, record, "two acts at a time")
        self._demand(event.epoch == account.epoch, record, "an intent of another epoch")
        self._demand(event.generation == account.generation, record, "an intent of another generation")
        self._demand(account.desired == "active", record, f"an intent while {account.desired}")
        self._demand(not account.is_frozen, record, "an intent while all is frozen")
        self._demand(account.status is not GoalStatus.PARKED, record, "an intent while parked")
        account.act = account.attempts[event.attempt_id] = event
        self.in_trees[event.attempt_id] = [record.uid, event.trees or (), record.at.boot_s, None]
        now_s = record.at.boot_s
        for predicate_id in event.predicates:
            why = account.why_not(account.goal.predicate(predicate_id), Status.FAIL, now_s)
            floor_s = account.act_floor_s
            if why is None and account.seen[predicate_id].started_s < floor_s - MS:
                why = f"seen before what it waited for opened, at {floor_s:.3f}"
            self._demand(why is None, record, f"an act on {predicate_id}: {why}")
            said_s = account.announced.pop(predicate_id, 0.0)
            self._demand(
                now_s >= said_s - MS, record, f"explain said that {predicate_id} waits until {said_s:.3f}"
            )

        why = account.petitions.why_not(
            account.goal, event, spec_sha256=account.spec_sha256, wall_s=record.at.wall_s
        )
        self._demand(why is None, record, f"an act without its approval chain: {why}")
        why = account.harm.why_not(account.goal, event, own_tree=account.worktree)
        self._demand(why is None, record, f"an act above its level: {why}")
        if event.rung.startswith("harness:"):
            account.harm.sent(event)
        self._together(record, account)
        if account.wanted_s is None:
            account.wanted_s = now_s
        self._budgeted(account, record, event)
        for predicate_id in event.predicates:
            acted_s = account.acted_s.setdefault(predicate_id, [])
            acted_s[:] = [at_s for at_s in acted_s if 0 <= now_s - at_s <= PACE_WINDOW_S] + [now_s]
            self.acts_in_window_max = max(self.acts_in_window_max, len(acted_s))
            self._demand(
                len(acted_s) <= ACTS_PER_WINDOW_MAX,
                record,
                f"{len(acted_s)} acts on {predicate_id} in {PACE_WINDOW_S:g} s: nothing backs off",
            )

    def _budgeted(self, account: Account, record: Recorded, event: ActIntended) -> None:
        """What has been spent leaves room for it, and it is reserved: so never more than one reservation above."""
        assert account.goal is not None
        budget = account.goal.budget
        ceilings: list[tuple[str, float, float | None]] = [
            ("iterations", account.iterations, budget.iterations_max)
        ]
        if event.rung.startswith("harness:"):
            self._demand(budget.dispatches_max is not None, record, "a dispatch without a ceiling")
            ceilings += [
                ("dispatches", account.dispatches, budget.dispatches_max),
                ("tokens", account.tokens, budget.tokens_max),
                ("dollars", round(account.cost_usd, 6), budget.cost_usd_max),
            ]
            self._reserved(account, record, event)
            ceilings += account.of_the_window(record.at.wall_s)
            account.spent[event.attempt_id] = [
                record.at.wall_s,
                event.tokens_reserved or 0,
                event.cost_usd_reserved or 0.0,
            ]
            account.dispatches += 1
        account.iterations += 1
        for what, spent, limit in ceilings:
            self._demand(limit is None or spent < limit, record, f"{spent} {what} were spent of {limit}")

    def _reserved(self, account: Account, record: Recorded, event: ActIntended) -> None:
        """Whatever has a ceiling is set aside before it is spent."""
        assert account.goal is not None
        budget = account.goal.budget
        window = budget.window
        has_tokens = budget.tokens_max is not None or (window is not None and window.tokens_max is not None)
        has_dollars = budget.cost_usd_max is not None or (
            window is not None and window.cost_usd_max is not None
        )
        self._demand(not has_tokens or (event.tokens_reserved or 0) > 0, record, "no reservation of tokens")
        self._demand(
            not has_dollars or (event.cost_usd_reserved or 0.0) > 0, record, "no reservation of dollars"
        )

    def _changed(self, account: Account, record: Recorded, event: StatusChanged) -> None:
        assert account.goal is not None
        account.status = event.status
        if event.cause is not None:
            self.ends[event.cause.value] = self.ends.get(event.cause.value, 0) + 1
        if event.status in (GoalStatus.HOLDING, GoalStatus.CONVERGED, GoalStatus.VACUOUS):
            self._demand(account.act is None, record, f"{event.status.value} while an act runs")
            self._demand(account.desired == "active", record, f"{event.status.value} while {account.desired}")
            if event.status is not GoalStatus.VACUOUS:
                account.green_sha256 = account.spec_sha256
            for predicate in account.goal.predicates:
                why = account.why_not(predicate, Status.PASS, record.at.boot_s)
                self._demand(why is None, record, f"{event.status.value}, but {predicate.id}: {why}")

        if event.status is GoalStatus.CONTESTED:
            times = max(self.put_back.get(predicate.id, 0) for predicate in account.goal.predicates)
            self._demand(times >= PUT_BACK_MIN, record, f"contested, and it was put back {times} times")
        if event.cause in (Cause.BUDGET_EXHAUSTED, Cause.WINDOW_EXHAUSTED, Cause.NO_PROGRESS):
            for predicate in account.goal.predicates:
                seen = account.seen.get(predicate.id)
                is_final = seen is not None and seen.started_s >= account.act_ended_s - MS
                self._demand(
                    is_final, record, f"{event.status.value}, and {predicate.id} was not looked at again"
                )

    # --- executors ----------------------------------------------------------------------------------------------------

    def starting(self, order: AttemptOrder) -> None:
        """An executor is about to start."""
        self.starts += 1
        self.started.add(order.attempt_id)
        account = self.accounts.get(order.uid)
        intent = None if account is None else account.attempts.get(order.attempt_id)
        if account is None or intent is None:
            raise self.broken(f"{order.attempt_id} starts without a durable intent")
        if order.attempt_id in account.ended:
            raise self.broken(f"{order.attempt_id} starts after its end was recorded")
        if intent.epoch < self.fenced.get(order.uid, 0):
            raise self.broken(
                f"{order.attempt_id} of epoch {intent.epoch} starts behind an acknowledged fence"
            )
        if self.is_quiet(order.uid):
            raise self.broken(
                f"{order.attempt_id} starts although {order.uid} was acknowledged as not acting"
            )
        for live in self._runner.live_now:
            if live.uid == order.uid:
                raise self.broken(f"{order.attempt_id} starts beside {live.attempt_id} of the same goal")
            shared = _overlap(self._trees(live), self._trees(order))
            if shared is not None:
                raise self.broken(f"{order.attempt_id} and {live.attempt_id} both work in {shared}")

    def acknowledged(self, uid: str, epoch: int) -> None:
        """A fence was acknowledged: nothing older lives."""
        self.fenced[uid] = max(epoch, self.fenced.get(uid, 0))
        for live in self._runner.live_now:
            intent = self.accounts[live.uid].attempts.get(live.attempt_id) if live.uid == uid else None
            if intent is not None and intent.epoch < epoch:
                raise self.broken(f"acknowledged while {live.attempt_id} of epoch {intent.epoch} lives")

    def promised(self, uid: str, epoch: int, generation: int) -> None:
        """A client was answered with this: it is in the journal, and stays there."""
        account = self.accounts.get(uid)
        if account is None or (account.epoch, account.generation) < (epoch, generation):
            raise self.broken(
                f"{uid}: epoch {epoch}, generation {generation} was answered and is not durable"
            )

    def shown_green(self, uid: str, goal: Goal, now_s: float) -> None:
        """Somebody is shown `holding`: everything really was up since the last act, as lately as a look may be old."""
        account = self.accounts[uid]
        for predicate in goal.predicates:  # as shown: a newer spec may be durable already, and not known yet
            cadence = predicate.cadence
            oldest_s = (
                0.0 if cadence.interval_s is None else now_s - 2 * cadence.interval_s - cadence.deadline_s
            )
            since_s = max(account.act_ended_s, oldest_s)
            if not self._truth.was_ever_up(predicate.id, since_s=since_s, until_s=now_s):
                raise self.broken(
                    f"{uid} is shown as holding, and {predicate.id} was down since {since_s:.3f}"
                )

    def explained(self, view: Any) -> None:
        """Somebody is told what holds this goal: something does, or it is green; and nobody acts before its time."""
        is_done = view.status in (GoalStatus.CONVERGED, GoalStatus.HOLDING)
        if view.decision == "Hold" and not is_done and not view.guards:
            raise self.broken(f"{view.uid} is {view.status.value} and names no guard: {view.reason}")
        account = self.accounts.get(view.uid)
        if account is None or account.seq != view.seq:
            return
        timed = [g for g in view.guards if g.name in OPENS_BY_TIME and g.until_s is not None]
        account.announced = {p: g.until_s for g in timed for p in g.predicates}
        self.announcements += len(account.announced)

    def acknowledged_freeze(self) -> None:
        """Nobody acts any more, unless somebody thawed meanwhile."""
        if isinstance(self.fleet_last, FleetFrozen):
            self.frozen_until_wall_s = self.fleet_last.until_wall_s

    def is_quiet(self, uid: str) -> bool:
        until_wall_s = self.frozen_until_wall_s
        if until_wall_s is None or self._clock.now().wall_s < until_wall_s:
            return True
        if uid not in self.quiet:
            return False
        until_wall_s = self.quiet[uid]
        return until_wall_s is None or self._clock.now().wall_s < until_wall_s

    def check_quiet(self) -> None:
        """Nothing of a goal that was acknowledged as not acting lives."""
        for live in self._runner.live_now:
            if self.is_quiet(live.uid):
                raise self.broken(
                    f"{live.attempt_id} lives although {live.uid} was acknowledged as not acting"
                )

    def _trees(self, order: AttemptOrder) -> Sequence[str]:
        account = self.accounts.get(order.uid)
        intent = None if account is None else account.attempts.get(order.attempt_id)
        return () if intent is None or intent.trees is None else intent.trees

    def unresolved(self) -> list[str]:
        """Attempts with an intent and no end."""
        return [a for account in self.accounts.values() for a in account.attempts if a not in account.ended]

    def _demand(self, holds: bool, record: Recorded, what: str) -> None:
        if not holds:
            raise self.broken(
                f"{record.uid} seq {record.seq} at {record.at.boot_s:.3f} {_said(record.event)}: {what}"
            )


def _said(event: Any) -> str:
    about = [str(getattr(event, key)) for key in ("status", "attempt_id") if hasattr(event, key)]
    return f"{type(event).__name__}({', '.join(about)})"


def _overlap(one: Iterable[str], two: Iterable[str]) -> str | None:
    for a in one:
        for b in two:
            if (a + "/").startswith(b + "/") or (b + "/").startswith(a + "/"):
                return f"{a} and {b}"
    return None
