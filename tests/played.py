"""A player of short stories: `Played` is one goal in virtual time.

Boot time is the story's own clock, in seconds from 0; wall time runs beside it. It folds events as the journal would
and decides as the reconciler would, with no task, clock or disk in between.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kazid.core.approval import asked_for, is_met
from kazid.core.approval_event import ApprovalGranted
from kazid.core.cadence import schedule
from kazid.core.decide import decide
from kazid.core.decision import (
    Act,
    Ask,
    Cancel,
    CloseEpisode,
    Conclude,
    Decision,
    Guard,
    Hold,
    Look,
    Lower,
    OpenEpisode,
    Resume,
    StepUp,
    Void,
)
from kazid.core.event import (
    ActDeferred,
    ActEnded,
    ActIntended,
    ClockStepped,
    EpisodeClosed,
    EpisodeOpened,
    Event,
    GoalDeleted,
    GoalParked,
    GoalResumed,
    GoalStopped,
    GoalSuspended,
    ReconcileRequested,
    Recorded,
    StatusChanged,
    TaskRecovered,
    Usage,
)
from kazid.core.fold import Folded, fold
from kazid.core.goal import Goal
from kazid.core.ids import AttemptId, Epoch, Generation, Offset, PredicateId, Seq, TreeHash
from kazid.core.instant import Now
from kazid.core.plan import Asked, Yes
from kazid.core.progress import Episode, PredicateState, Progress
from kazid.core.status import Cause, GoalStatus
from kazid.core.steps import event_of
from kazid.core.vector import VerdictVector, assess
from kazid.core.verdict import Status, Verdict
from tests.builders import WALL_0, goal_applied, predicate_observed

STEPS_PER_TURN_MAX = 16
"""The reconciler's own figure: more decisions than this in one turn are a bug in the rules."""


class Played:
    """One goal, its events and its decisions in virtual time.

    `decide` only asks; `turn` also does what the reconciler does at once (episodes, statuses, expiries) and gives back
    the decision that waits for the world: Hold, Look, Act or Cancel.
    """

    def __init__(self, goal: Goal, *, at: float = 0.0) -> None:
        self.now = Now(boot_s=at, wall_s=WALL_0 + at, boot_id="boot-1")
        self.folded = Folded(None, Progress())
        self.records: list[Recorded] = []
        self.on_decision: Callable[[Played, Decision], None] | None = None
        """Called with every decision of a turn, before it is done."""
        self.record(goal_applied(goal))

    # --- what there is ---

    @property
    def goal(self) -> Goal:
        assert self.folded.goal is not None
        return self.folded.goal

    @property
    def progress(self) -> Progress:
        return self.folded.progress

    @property
    def vector(self) -> VerdictVector:
        return assess(self.goal, self.progress, self.now)

    @property
    def status(self) -> GoalStatus:
        return self.progress.status

    @property
    def cause(self) -> Cause | None:
        return self.progress.cause

    @property
    def episode(self) -> Episode:
        assert self.progress.episode is not None, "no episode is open"
        return self.progress.episode

    @property
    def due(self) -> tuple[PredicateId, ...]:
        """What the cadence wants to be looked at now."""
        return tuple(schedule(self.goal, self.progress, self.now).due)

    def state(self, predicate_id: str) -> PredicateState:
        return self.progress.predicate(PredicateId(predicate_id))

    # --- time and events ---

    def at(self, boot_s: float) -> "Played":
        """Let time pass until this moment."""
        assert boot_s >= self.now.boot_s, "time does not run backwards"
        return self.advance(boot_s - self.now.boot_s)

    def advance(self, by_s: float) -> "Played":
        self.now = replace(self.now, boot_s=self.now.boot_s + by_s, wall_s=self.now.wall_s + by_s)
        return self

    def record(self, event: Event) -> "Played":
        number = len(self.records) + 1
        self.records.append(
            Recorded(offset=Offset(number), uid="u1", seq=Seq(number), at=self.now, event=event)
        )
        self.folded = fold(self.folded, event, at=self.now)
        return self

    def look(
        self,
        predicate_id: str,
        verdict: Verdict,
        *,
        at: float | None = None,
        took_s: float = 0.0,
        tree: str | None = None,
        has_reruns: bool = True,
    ) -> "Played":
        """Look at one predicate: from now, or `at`, for `took_s`. Re-runs that a red of code owes say the same."""
        if at is not None:
            self.at(at)
        started_s = self.now.boot_s
        self.advance(took_s)
        look = predicate_observed(
            predicate_id,
            verdict,
            at=started_s,
            ended_s=self.now.boot_s,
            generation=self.progress.generation,
            tree=None if tree is None else TreeHash(tree),
        )
        self.record(look)
        while has_reruns and verdict.status is Status.FAIL and self.state(predicate_id).reruns_left:
            self.record(look)
        return self

    def looks(self, *verdicts: Verdict, of: str | None = None, every: float = 2.0) -> "Played":
        """Several looks at one predicate (the only one, unless named), the first now."""
        predicate_id = of or self.goal.predicates[0].id
        for position, verdict in enumerate(verdicts):
            if position:
                self.advance(every)
            self.look(predicate_id, verdict)
        return self

    def reapply(self, goal: Goal, *, generation: int | None = None, fresh: bool = False) -> "Played":
        """Apply a spec: in place, unless `generation` names a newer one."""
        newer = generation is not None and generation > self.progress.generation
        return self.record(
            goal_applied(
                goal,
                generation=Generation(generation or self.progress.generation),
                epoch=Epoch(self.progress.epoch + newer),
                fresh=fresh,
            )
        )

    def suspend(self, *, for_s: float | None = None, reason: str = "maintenance") -> "Played":
        until_wall_s = None if for_s is None else self.now.wall_s + for_s
        epoch = Epoch(self.progress.epoch + 1)
        return self.record(GoalSuspended(epoch=epoch, reason=reason, by="ada", until_wall_s=until_wall_s))

    def resume(self, *, by: str = "ada") -> "Played":
        return self.record(GoalResumed(reason="it was fixed by hand", by=by))

    def stop(self) -> "Played":
        return self.record(GoalStopped(epoch=Epoch(self.progress.epoch + 1), by="ada"))

    def delete(self) -> "Played":
        return self.record(GoalDeleted(epoch=Epoch(self.progress.epoch + 1), by="ada"))

    def park(self) -> "Played":
        return self.record(GoalParked(traceback="Traceback\nValueError: a bug", reason="ValueError: a bug"))

    def reconcile(self) -> "Played":
        return self.record(ReconcileRequested(by="ada"))

    def step_clock(self, by_s: float) -> "Played":
        """The wall clock jumps."""
        self.now = replace(self.now, wall_s=self.now.wall_s + by_s)
        return self.record(ClockStepped(delta_s=by_s))

    def restart_daemon(self, *, down_s: float = 0.0, boot_s: float | None = None) -> "Played":
        """The daemon was away for `down_s`; with `boot_s` the machine rebooted and counts from there."""
        self.advance(down_s)
        shift_s = 0.0
        if boot_s is not None:
            shift_s = boot_s - self.now.boot_s
            self.now = replace(self.now, boot_s=boot_s, boot_id=self.now.boot_id + "'")
        return self.record(TaskRecovered(shift_s=shift_s, down_s=down_s, executor_uid=990))

    # --- what people say ---

    def asked(self) -> Asked:
        """The request that still needs somebody."""
        return next(a for a in self.progress.approvals.values() if not is_met(self.goal, a))

    def approve(self, by: str = "pia", *, uid: int = 2001, plan: str | None = None) -> "Played":
        """A yes, recorded as the verb records it; who may is its own test."""
        name = self.asked().sha256 if plan is None else plan
        asked = asked_for(self.progress, name)
        assert asked is not None, "a request stands"
        with_this = replace(asked, given=(*asked.given, Yes(by=by, uid=uid)))
        self.advance(0.5)
        return self.record(
            ApprovalGranted(
                gate=asked.plan.gate,
                plan_sha256=name,
                by=by,
                by_uid=uid,
                is_enough=is_met(self.goal, with_this),
            )
        )

    # --- deciding and acting ---

    def decide(self) -> Decision:
        """What decide says now; nothing is recorded."""
        return decide(self.goal, self.progress, self.vector, self.now)

    def turn(self) -> Hold | Look | Act | Cancel:
        """One turn of the reconciler, without its looks and acts."""
        for _ in range(STEPS_PER_TURN_MAX):
            decision = self.decide()
            if self.on_decision is not None:
                self.on_decision(self, decision)
            match decision:
                case OpenEpisode():
                    self.record(EpisodeOpened(number=self.progress.episodes + 1, red=decision.red))
                case CloseEpisode():
                    duration_s = self.now.boot_s - self.episode.opened_s
                    self.record(EpisodeClosed(number=self.episode.number, duration_s=duration_s))
                case Conclude(status=status, cause=cause, reason=reason):
                    self.record(
                        StatusChanged(status=status, cause=cause, reason=reason, proof=decision.proof)
                    )
                case Resume():
                    self.record(GoalResumed(reason=decision.reason, by=decision.by))
                case StepUp() | Ask() | Void() | Lower():
                    self.record(event_of(decision, self.progress))
                case Hold():
                    self._show(decision)
                    return decision
                case Look():
                    self._show(decision.hold)
                    return decision
                case Act() | Cancel():
                    return decision
        raise AssertionError(f"the turn does not end: {self.decide()}")

    def _show(self, hold: Hold) -> None:
        if (hold.status, hold.cause) != (self.progress.status, self.progress.cause):
            self.record(StatusChanged(status=hold.status, cause=hold.cause, reason=hold.reason))

    def act_intended(self, *, tokens_reserved: int | None = None) -> Act:
        """The turn ends in an act, and its intent is journalled."""
        decision = self.turn()
        assert isinstance(decision, Act), f"an act was due, not {decision}"
        self.record(
            ActIntended(
                attempt_id=AttemptId(f"a{self.progress.acts + 1}"),
                rung=decision.rung,
                predicates=decision.predicates,
                epoch=self.progress.epoch,
                generation=self.progress.generation,
                fingerprint=decision.fingerprint,
                number=self.progress.acts + 1,
                title=decision.title,
                half_open=decision.half_open,
                assignment=decision.assignment,
                plans=decision.plans,
                approved_by=decision.approved_by,
                tokens_reserved=tokens_reserved,
            )
        )
        return decision

    def act_ended(
        self,
        *,
        after: float = 0.0,
        ending: str = "exited",
        exit_code: int | None = 0,
        usage: Usage | None = None,
        tokens: int | None = None,
        cause: Cause | None = None,
    ) -> "Played":
        """The running act ends, `after` so long."""
        act = self.progress.act
        assert act is not None, "no act is running"
        self.turn()
        self.advance(after)
        return self.record(
            ActEnded(
                attempt_id=act.attempt_id,
                ending=ending,
                ended_s=self.now.boot_s,
                exit_code=exit_code if ending == "exited" else None,
                usage=usage,
                tokens_charged=tokens,
                cause=cause,
            )
        )

    def acted(self, **ended: Any) -> Act:
        """An act was due, ran and ended."""
        act = self.act_intended()
        self.act_ended(**ended)
        return act

    def act_deferred(self, *, waits_for: str = "lease", holder: str = "ada/other") -> "Played":
        return self.record(ActDeferred(waits_for=waits_for, holder=holder))

    def held(self) -> Hold:
        """The turn ends in a Hold."""
        decision = self.turn()
        assert isinstance(decision, Hold), f"a hold was due, not {decision}"
        return decision

    def guard(self, name: str) -> Guard:
        """The turn ends in a Hold that names this guard."""
        hold = self.held()
        found = [g for g in hold.guards if g.name == name]
        assert found, f"no guard {name!r} among {hold.guards}"
        return found[0]
