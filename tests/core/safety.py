"""What must hold for every decision, whatever came before: the rules nobody may break, checked from outside.

Where it can, a check reads the journal and not the fold, so that a mistake in the fold does not excuse itself.
"""

from typing import assert_never

from kazid.core import approval, autonomy, backoff, fight, lowering
from kazid.core.cadence import spacing_s
from kazid.core.decision import (
    Act,
    Cancel,
    CloseEpisode,
    Conclude,
    Decision,
    Hold,
    Look,
    Lower,
    OpenEpisode,
    Resume,
    StepUp,
)
from kazid.core.delivery import ROLLBACK
from kazid.core.event import ActEnded, PredicateObserved
from kazid.core.goal import Goal, Predicate
from kazid.core.level import Level
from kazid.core.progress import Desired
from kazid.core.rungs import agent_may, remedy_of
from kazid.core.status import FINISHED, LEFT_BY_GREEN, STOPPED_ACTING, GoalStatus
from kazid.core.verdict import Status, unknown
from tests.played import Played

GREEN_ENDS = {GoalStatus.CONVERGED, GoalStatus.HOLDING, GoalStatus.VACUOUS}


def check_safe(play: Played, decision: Decision) -> None:
    """Raise AssertionError where the decision breaks a rule."""
    match decision:
        case Act():
            _check_act(play, decision)
        case Conclude():
            _check_conclude(play, decision)
        case Hold():
            _check_hold(play, decision)
        case Look():
            assert decision.predicates
            assert play.progress.act is None
            _check_hold(play, decision.hold)
        case Cancel():
            assert play.progress.act is not None
            assert decision.attempt_id == play.progress.act.attempt_id
        case OpenEpisode():
            assert play.progress.episode is None
            assert play.progress.act is None
            assert decision.red or not play.goal.standing or play.goal.remedies
        case CloseEpisode():
            assert play.goal.standing
            assert play.progress.episode is not None
            _check_all_green(play)
        case StepUp():
            assert play.goal.escalation is not None
            assert play.progress.act is None
            assert play.progress.episode is not None
            assert decision.step == play.progress.episode.ladder.step + 1, "no rung is left out"
        case Lower():
            assert decision.attempt > play.progress.blamed, "harm is charged once"
            assert play.progress.act is None
        case Resume():
            assert play.progress.act is None
            assert play.progress.desired in (Desired.SUSPENDED, Desired.ACTIVE)
        case _:
            assert_never(decision)


def _check_level(goal: Goal, act: Act) -> None:
    """Whatever was lowered since: nothing is done above the level that is left."""
    if act.rung == ROLLBACK:
        return
    level = approval.level_of(goal, act.rung)
    assert (
        level is not Level.OBSERVE or autonomy.level_of(goal, act.rung, act.predicates) is not Level.OBSERVE
    )
    if not act.rung.startswith("harness:"):
        assert level is not Level.PROPOSE, "what is proposed is not done"
        assert level is not Level.APPROVE or act.plans, "what takes a yes has one"


def _check_act(play: Played, act: Act) -> None:
    goal, progress, vector, now = play.goal, play.progress, play.vector, play.now
    _check_level(lowering.effective(goal, progress), act)
    episode = progress.episode
    assert progress.act is None, "one act at a time"
    assert progress.desired is Desired.ACTIVE, "nothing is done that nobody wants"
    assert progress.deferred is None, "it waits for somebody"
    assert episode is not None, "an act belongs to an episode"
    assert progress.status not in (GoalStatus.PARKED, GoalStatus.TAMPERED, GoalStatus.FAILED)
    assert progress.status is not GoalStatus.OVER_BUDGET
    fought = fight.contested(progress, vector, now)
    assert not fought or not set(act.predicates) <= set(fought), (
        "only another fault than the contested is fixed"
    )
    assert goal.standing or progress.status not in FINISHED, "finished is finished"
    assert act.half_open == (progress.status is GoalStatus.STUCK), "a stuck goal acts half-open only"
    assert act.predicates
    assert set(act.predicates) <= set(goal.predicate_ids)
    budget = goal.budget
    assert budget.iterations_max is None or episode.iterations < budget.iterations_max
    assert budget.tokens_max is None or (episode.tokens or 0) < budget.tokens_max
    for predicate_id in act.predicates:
        predicate, reading, state = (
            goal.predicate(predicate_id),
            vector.reading(predicate_id),
            progress.predicate(predicate_id),
        )
        assert reading.is_fresh
        assert reading.is_causal
        assert state.started_s >= progress.act_floor_s, "no act on a red from before a wait"
        assert backoff.next_attempt_s(predicate, state, now_s=now.boot_s) <= now.boot_s
        if act.rung.startswith("harness:"):
            assert reading.is_red, "only a red is agent work"
            assert agent_may(goal, predicate)
        else:
            remedy = remedy_of(goal, act.rung)
            assert remedy.covers(predicate_id)
            assert reading.is_red or (remedy.on_error and reading.is_error)
        if reading.is_red:
            assert row_in_journal(play, predicate, Status.FAIL) >= predicate.cadence.confirm
    if act.rung.startswith("harness:"):
        assert goal.harness is not None
        assert not act.half_open
        groups = {goal.predicate(p).group for p in act.predicates}
        assert len(act.predicates) == 1 or (len(groups) == 1 and groups != {None}), "one slice"
        assert budget.dispatches_max is None or episode.dispatches < budget.dispatches_max
    elif not act.half_open:
        assert episode.attempts.get(act.rung, 0) < remedy_of(goal, act.rung).attempts


def _check_conclude(play: Played, end: Conclude) -> None:
    assert play.progress.act is None
    assert play.progress.desired is Desired.ACTIVE
    if end.status in GREEN_ENDS:
        _check_all_green(play)
        assert (end.status is GoalStatus.HOLDING) is play.goal.standing
        left = play.progress.status
        assert left not in STOPPED_ACTING or left in LEFT_BY_GREEN
        return
    assert end.status in STOPPED_ACTING
    assert end.cause is not None
    assert end.reason
    assert play.goal.standing or play.progress.status not in FINISHED
    assert not play.vector.is_satisfied, "the terminal verdict is true at the time it is given"
    for reading in play.vector.readings:
        assert reading.is_fresh, "a stop rests on a look"
        assert reading.is_causal


def _check_hold(play: Played, hold: Hold) -> None:
    assert hold.until_s is None or hold.until_s > play.now.boot_s, "a time in the past makes the loop spin"
    for guard in hold.guards:
        assert guard.until_s is None or guard.until_s > play.now.boot_s
    if hold.status is GoalStatus.HOLDING:
        _check_all_green(play)
    if hold.status in (GoalStatus.CONVERGED, GoalStatus.VACUOUS):
        assert play.progress.status is hold.status
    if play.progress.act is not None:
        assert hold.status is GoalStatus.ACTING


def _check_all_green(play: Played) -> None:
    assert play.goal.predicates, "an empty vector is never satisfied"
    assert any(r.verdict.status is Status.PASS for r in play.vector.readings), "waivers alone hold nothing"
    for predicate, reading in zip(play.goal.predicates, play.vector.readings, strict=True):
        said = play.state(predicate.id).verdict
        if predicate.on_unknown == "waive" and said == unknown("not_applicable"):
            assert reading.is_fresh
            assert reading.is_causal
            continue
        assert reading.verdict.status is Status.PASS
        assert reading.is_fresh
        assert reading.is_causal
        assert reading.is_settled
        assert row_in_journal(play, predicate, Status.PASS) >= predicate.cadence.recover


def row_in_journal(play: Played, predicate: Predicate, status: Status) -> int:
    """How many looks in a row said so: of this generation, begun since the last act, and `recheck` apart."""
    ended_s = play.progress.last_act_ended_s
    apart_s = spacing_s(predicate.cadence)
    count = 0
    later_s: float | None = None
    for record in reversed(play.records):
        event = record.event
        if record.at.boot_id != play.now.boot_id or isinstance(event, ActEnded):
            break
        if not isinstance(event, PredicateObserved) or event.predicate_id != predicate.id:
            continue
        if event.verdict.status in (Status.ERROR, Status.UNKNOWN):
            continue
        is_other = event.verdict.status is not status or event.generation != play.progress.generation
        if is_other or (ended_s is not None and event.started_s < ended_s):
            break
        if later_s is None or event.started_s <= later_s - apart_s + 1e-6:
            count += 1
            later_s = event.started_s
    return count
