"""The decision of one turn: total, pure, exhaustive. Start reading here.

    wake-up -> observe -> fold -> DECIDE -> journal -> act

`decide` sees the goal, the fold of its events, the verdict vector at `now` and nothing else. The order of the rules is
the order of the functions below. When several ends are due in one turn it is: converged by the final observation, then
over_budget, then stuck; the others are named in the reason (SEMANTICS §4). The rules themselves are modules of
their own: vector, rungs, backoff, budget, window, stuck.
"""

from collections.abc import Sequence
from typing import assert_never

from kazid.core import (
    approval,
    autonomy,
    backoff,
    budget,
    fight,
    ladder,
    lowering,
    oscillation,
    patience,
    placement,
    quota,
    seal,
    stuck,
    tree_wait,
    waiver,
    window,
)
from kazid.core.cadence import next_look_s
from kazid.core.decision import (
    Act,
    Cancel,
    CloseEpisode,
    Conclude,
    Decision,
    Guard,
    Hold,
    Look,
    OpenEpisode,
    Resume,
    StepUp,
)
from kazid.core.delivery import ROLLBACK
from kazid.core.event import BY_EXPIRY, BY_WINDOW
from kazid.core.fleet import fence_reason, fences
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.core.level import Level
from kazid.core.progress import Desired, Episode, Progress
from kazid.core.rungs import (
    DELIVERY,
    Choice,
    Options,
    actionable,
    assigned_now,
    half_open,
    next_slice,
    options,
)
from kazid.core.status import FINISHED, LEFT_BY_GREEN, STOPPED_ACTING, Cause, GoalStatus
from kazid.core.vector import Reading, VerdictVector
from kazid.core.verdict import Status

RETRIED_HOURLY = (Cause.NO_PROGRESS, Cause.OSCILLATING)
"""What a standing goal's remedies try again once an hour."""

ONLY_WITHOUT_CHANGE = (Cause.PERMISSION_DENIED, Cause.PROMPT_UNSEEN, Cause.PARKED_ON_BACKGROUND)
"""What ends the dispatches only where the last one changed nothing that matters."""


def decide(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Decision:
    """What to do next, given all that is known. Never a `Hold` where something may be done."""
    assert len(vector.readings) == len(goal.predicates), "one reading for each predicate"
    if progress.act is not None:
        return _while_acting(goal, progress, now)
    charged = lowering.owed(progress)
    if charged is not None:
        return charged
    goal = lowering.effective(goal, progress)
    if not progress.may_act:
        return _while_not_wanted(goal, progress, vector, now)
    if not goal.standing and progress.status in FINISHED:
        return _stay(progress)
    if progress.status is GoalStatus.PARKED:
        return _stay(progress)
    broken = seal.broken(progress)
    if broken is not None and progress.status is not GoalStatus.TAMPERED:
        return Conclude(status=GoalStatus.TAMPERED, cause=broken.cause, reason=broken.reason)
    if vector.is_satisfied and (progress.status not in STOPPED_ACTING or progress.status in LEFT_BY_GREEN):
        return _satisfied(goal, progress, vector, now)
    if progress.status in STOPPED_ACTING:
        return _while_stopped(goal, progress, vector, now)
    return _unsatisfied(goal, progress, vector, now)


def _while_acting(goal: Goal, progress: Progress, now: Now) -> Decision:
    """An act is under way: only the fence and the wall clock may end it."""
    act = progress.act
    assert act is not None
    if act.epoch < progress.epoch or not progress.may_act:
        return Cancel(attempt_id=act.attempt_id, reason="fenced")
    broken = seal.broken(progress)
    if broken is not None:
        return Cancel(attempt_id=act.attempt_id, reason=f"tampered: {broken.reason}")
    episode = progress.episode
    if episode is not None:
        over = budget.clock_exceeded(goal.budget, episode, now_s=now.boot_s)
        if over is not None:
            return Cancel(attempt_id=act.attempt_id, reason=f"over budget: {over.detail}")
    deadline_s = budget.clock_deadline_s(goal.budget, episode)
    guard = Guard(
        name="act", reason=f"attempt {act.number} is running: {act.title}", predicates=act.predicates
    )
    return Hold(
        status=GoalStatus.ACTING,
        reason=f"attempt {act.number}: {act.title}",
        guards=(guard,),
        until_s=deadline_s,
    )


def _while_not_wanted(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Decision:
    """Suspended, frozen, stopped or deleted: no act, whatever is red."""
    if progress.desired not in (Desired.ACTIVE, Desired.SUSPENDED):
        guard = Guard(name="stopped", reason="stopped; apply it again to revive it")
        return Hold(status=GoalStatus.STOPPED, reason="stopped", guards=(guard,))
    until_wall_s = progress.suspend_until_wall_s
    if progress.desired is Desired.SUSPENDED and until_wall_s is not None and now.wall_s >= until_wall_s:
        return Resume(reason="the suspension expired", by=BY_EXPIRY)
    # A stop stays one beneath a suspension, so that nobody leaves it by being suspended.
    is_stop = progress.status in (STOPPED_ACTING if goal.standing else FINISHED)
    guards = fences(progress, vector, now)
    return Hold(
        status=progress.status if is_stop else GoalStatus.SUSPENDED,
        cause=progress.cause if is_stop else None,
        reason=fence_reason(progress),
        guards=guards,
        until_s=min((g.until_s for g in guards if g.until_s is not None), default=None),
    )


def _stay(progress: Progress) -> Hold:
    """Nothing more will be done; unless it converged, only a person can change that."""
    guard = Guard(name="person", reason=progress.reason or progress.status.value)
    guards = () if progress.status is GoalStatus.CONVERGED else (guard,)
    return Hold(status=progress.status, cause=progress.cause, reason=progress.reason, guards=guards)


def _satisfied(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Decision:
    """All green, fresh and causal, but for what is waived: the only way to converge."""
    if placement.is_undelivered(goal, progress):
        asked = approval.before_delivery(goal, progress, now)
        if not isinstance(asked, approval.Cleared):
            return asked
    proof = {r.predicate_id: "waived" if r.is_waived else "pass" for r in vector.readings}
    reason = waiver.beside("all predicates hold", waived=len(vector.waived))
    if goal.standing:
        if progress.episode is not None:
            return CloseEpisode()
        if progress.status is not GoalStatus.HOLDING:
            return Conclude(status=GoalStatus.HOLDING, reason=reason, proof=proof)
        return Hold(status=GoalStatus.HOLDING, reason=reason)
    episode = progress.episode
    is_earned = progress.was_red or (episode is not None and episode.iterations > 0)
    if not is_earned and progress.converged_sha256 != progress.spec_sha256:
        return Conclude(
            status=GoalStatus.VACUOUS,
            cause=Cause.VACUOUS,
            reason="every predicate passed before any work: it shows nothing; use --check to only look",
            proof=proof,
        )
    return Conclude(status=GoalStatus.CONVERGED, reason=reason, proof=proof)


def _while_stopped(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Decision:
    """A standing goal that stopped acting: it looks on; a green, a person or the half-open hour ends it."""
    stay = _stay(progress)
    if progress.cause is Cause.WINDOW_EXHAUSTED:
        renewal_wall_s = window.renews_wall_s(goal.budget, progress.spent, now.wall_s)
        if renewal_wall_s is None:
            return Resume(reason="the budget window renewed", by=BY_WINDOW)
        until_s = now.boot_s + (renewal_wall_s - now.wall_s)
        return _staying(stay, Guard(name="window", reason="the budget window renews", until_s=until_s))
    others = [p for p in actionable(goal, vector) if p not in fight.contested(progress, vector, now)]
    if progress.status is GoalStatus.CONTESTED and progress.episode is not None and others:
        return _unsatisfied(goal, progress, vector, now)  # a different fault is still fixed
    if progress.cause not in RETRIED_HOURLY or progress.episode is None:
        return stay
    retry = half_open(goal, progress, vector, now)
    match retry:
        case Choice():
            return _act_on(goal, progress, vector, retry, now)
        case Guard():
            return _staying(stay, retry)
        case None:
            return stay


def _staying(stay: Hold, until: Guard) -> Hold:
    return Hold(
        status=stay.status,
        cause=stay.cause,
        reason=stay.reason,
        guards=(*stay.guards, until),
        until_s=until.until_s,
    )


def _unsatisfied(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Decision:
    """Something is not green: act if there is a settled red somebody may repair, else look on or stop."""
    reds = actionable(goal, vector)
    episode = progress.episode
    if episode is None and (reds or not goal.standing):
        return OpenEpisode(red=vector.reds)
    if episode is None:
        wedged = patience.wedged(goal, progress, vector, now)
        if wedged is not None:
            return Conclude(status=GoalStatus.STUCK, cause=wedged.cause, reason=wedged.reason)
        return _watching(goal, progress, vector, now, guards=())
    over = budget.exceeded(goal.budget, episode, now_s=now.boot_s)
    if over is not None and (reds or episode.iterations > 0 or over.ceiling is budget.Ceiling.WALL_CLOCK):
        if not vector.is_complete:
            return _watching(goal, progress, vector, now, guards=(_final_guard(over, vector),))
        return _over_budget(over, vector, also=_repairing(goal, progress, vector, now))
    return _repairing(goal, progress, vector, now)


def _over_budget(over: budget.Exceeded, vector: VerdictVector, *, also: Decision | None) -> Conclude:
    """The end by a ceiling; another end that is due in the same turn is named."""
    reason = over.detail
    if isinstance(also, Conclude):
        reason = f"{reason}; also {also.status.value}: {also.reason}"
    is_window = over.ceiling is budget.Ceiling.WINDOW
    cause = Cause.WINDOW_EXHAUSTED if is_window else Cause.BUDGET_EXHAUSTED
    return Conclude(status=GoalStatus.OVER_BUDGET, cause=cause, reason=reason, proof=_proof(vector))


def _repairing(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Decision:
    """Within the budget: the rung that may act now, what holds it, or why nobody can."""
    wedged = patience.wedged(goal, progress, vector, now)
    if not actionable(goal, vector):
        if wedged is not None:
            return Conclude(
                status=GoalStatus.STUCK, cause=wedged.cause, reason=wedged.reason, proof=_proof(vector)
            )
        return _watching(goal, progress, vector, now, guards=())
    fought = fight.contested(progress, vector, now)
    if fought and set(actionable(goal, vector)) <= set(fought):
        return _contested(progress, vector, fought, now)
    possible = options(goal, progress, vector, now)
    if possible.is_dispatch:
        end = _end_of_rung(goal, progress, vector, possible, now)
        if end is not None and vector.is_complete:
            return end
        if end is not None:
            return _watching(goal, progress, vector, now, guards=(_incomplete_guard(vector),))
    if possible.choice is not None:
        return _act_on(goal, progress, vector, possible.choice, now)
    if possible.end is not None and vector.is_complete:
        return possible.end
    if possible.end is not None:
        return _watching(goal, progress, vector, now, guards=(_incomplete_guard(vector),))
    if wedged is not None and possible.guards and all(g.name == DELIVERY for g in possible.guards):
        return Conclude(
            status=GoalStatus.STUCK, cause=wedged.cause, reason=wedged.reason, proof=_proof(vector)
        )
    if possible.guards:
        return _watching(goal, progress, vector, now, guards=possible.guards)
    return _nobody_left(goal, progress, vector, possible, now)


def _contested(
    progress: Progress, vector: VerdictVector, fought: Sequence[PredicateId], now: Now
) -> Decision:
    """Only what somebody keeps putting back is left to fix: nobody does."""
    return Conclude(
        status=GoalStatus.CONTESTED,
        cause=Cause.CONTESTED,
        reason=fight.sentence(progress, fought, now),
        proof=_proof(vector),
    )


def _end_of_rung(
    goal: Goal, progress: Progress, vector: VerdictVector, possible: Options, now: Now
) -> Conclude | StepUp | None:
    """Why this agent is not sent again: the end, or the next model of the ladder; None when it may be."""
    assert progress.episode is not None
    end = _end_of_dispatches(goal, progress, vector, now)
    target = next_slice(goal, vector) if possible.choice is None else possible.choice.predicates
    sent = assigned_now(goal, progress, target[0]) if target else None
    return ladder.end_of_rung(goal, progress.episode, sent, end)


def _end_of_dispatches(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Conclude | None:
    """Why there is no next dispatch, None when there may be one; no backoff is waited out to learn it."""
    assert progress.episode is not None
    fingerprint = stuck.fingerprint(progress, vector)
    pointless = stuck.is_stuck(progress.episode, fingerprint, score=stuck.score(progress))
    end = _hopeless_agent(progress.episode, fingerprint)
    count = oscillation.returns(progress.episode, vector.reds)
    if end is None and count >= oscillation.RETURNS_MAX:
        reason = f"the failing set {', '.join(vector.reds)} was left and came back {count} times"
        end = Conclude(status=GoalStatus.STUCK, cause=Cause.OSCILLATING, reason=reason, proof=_proof(vector))
    if end is None and pointless is not None:
        thrash = oscillation.traded(progress.episode, vector)
        end = Conclude(
            status=GoalStatus.STUCK,
            cause=Cause.NO_PROGRESS if thrash is None else Cause.OSCILLATING,
            reason=pointless if thrash is None else f"{thrash}; {pointless}",
            proof=_proof(vector),
        )
    over = budget.dispatches_exceeded(goal.budget, progress, now)
    return end if over is None else _over_budget(over, vector, also=end)


def _hopeless_agent(episode: Episode, fingerprint: str) -> Conclude | None:
    """The last dispatch ended as another one would: no such program, or denied and nothing changed."""
    last = next((a for a in reversed(episode.acts) if a.rung.startswith("harness:")), None)
    if last is None or last.cause is None:
        return None
    if last.cause in quota.TURNED_AWAY:
        return None  # a limit ends by itself, and whoever is not logged in is not sent (`core/refusal.py`)
    if last.cause in ONLY_WITHOUT_CHANGE and fingerprint not in episode.fingerprints:
        return None
    return Conclude(status=GoalStatus.STUCK, cause=last.cause, reason=last.reason or last.cause.value)


def _act_on(goal: Goal, progress: Progress, vector: VerdictVector, choice: Choice, now: Now) -> Decision:
    """Act, but only on a red seen since the last wait: what waited is looked at again first (SEMANTICS §2)."""
    level = autonomy.level_of(goal, choice.rung, choice.predicates)
    if level is Level.OBSERVE and choice.rung != ROLLBACK:
        return _only_observed(choice.predicates, vector)
    if progress.deferred is not None:
        waits = progress.deferred
        until_s = None if waits.until_wall_s is None else now.boot_s + (waits.until_wall_s - now.wall_s)
        guard = Guard(
            name=waits.waits_for,
            reason=f"held by {waits.holder}",
            until_s=until_s,
            predicates=choice.predicates,
        )
        return Hold(
            status=GoalStatus.WAITING, reason=f"waits for {waits.waits_for}: {waits.holder}", guards=(guard,)
        )
    old = tuple(p for p in choice.predicates if _waited_since(goal, progress, choice, p, now))
    if old:
        reason = "looking again before acting: the red is from before a wait"
        guard = Guard(name="observe", reason=reason, predicates=old)
        status = tree_wait.status_of(progress.tree_wait, old, _status_of_trouble(progress))
        hold = Hold(status=status, cause=progress.cause, reason=reason, guards=_looks_held(progress, guard))
        return Look(predicates=old, reason=reason, hold=hold)
    act = Act(
        rung=choice.rung,
        predicates=choice.predicates,
        title=choice.title,
        fingerprint=stuck.fingerprint(progress, vector),
        half_open=choice.half_open,
        assignment=choice.assignment,
    )
    return approval.before(goal, progress, act, now)


def _waited_since(
    goal: Goal, progress: Progress, choice: Choice, predicate_id: PredicateId, now: Now
) -> bool:
    """True when the last look started before the last thing the act waited for had opened."""
    state = progress.predicate(predicate_id)
    opened_s = backoff.next_attempt_s(goal.predicate(predicate_id), state, now_s=now.boot_s)
    if opened_s == (state.last_act_ended_s or 0.0):
        opened_s = 0.0
    return state.started_s < max(opened_s, choice.opened_s, progress.act_floor_s)


def _nobody_left(
    goal: Goal, progress: Progress, vector: VerdictVector, possible: Options, now: Now
) -> Decision:
    """Reds that no executor may or can repair any more."""
    if not vector.is_complete:
        return _watching(goal, progress, vector, now, guards=(_incomplete_guard(vector),))
    if possible.spent:
        acts = () if progress.episode is None else progress.episode.acts
        tries = ", ".join(f"{a.title} ({a.ending}{_code(a.exit_code)})" for a in acts)
        reason = f"every attempt is used and {', '.join(possible.spent)} still fails; tried: {tries}"
        return Conclude(status=GoalStatus.STUCK, cause=Cause.NO_PROGRESS, reason=reason, proof=_proof(vector))
    observed = [p for p in possible.orphaned if autonomy.is_observed(goal, p)]
    if observed:
        return _only_observed(observed, vector)
    reason = f"nobody may repair {', '.join(possible.orphaned)}: no remedy covers it and no agent may"
    return Conclude(status=GoalStatus.STUCK, cause=Cause.NO_EXECUTOR, reason=reason, proof=_proof(vector))


def _only_observed(predicates: Sequence[PredicateId], vector: VerdictVector) -> Conclude:
    """All that the goal may do about these is to say so."""
    reason = f"{', '.join(predicates)} is reported and not acted on: [autonomy] says observe"
    return Conclude(status=GoalStatus.STUCK, cause=Cause.OBSERVE_ONLY, reason=reason, proof=_proof(vector))


def _code(exit_code: int | None) -> str:
    return "" if exit_code is None else f" {exit_code}"


def _watching(
    goal: Goal, progress: Progress, vector: VerdictVector, now: Now, *, guards: Sequence[Guard]
) -> Hold:
    """Nothing may be done yet: what is looked at, when next, and what else holds it."""
    looks = [*guards]
    for predicate, reading in zip(goal.predicates, vector.readings, strict=True):
        if reading.is_green or reading.is_red or reading.is_waived:
            continue
        at_s = next_look_s(goal, predicate, progress)
        until_s = None if at_s is None or at_s <= now.boot_s else at_s
        name, why = _look_guard(reading)
        guard = Guard(name=name, reason=why, until_s=until_s, predicates=(predicate.id,))
        looks.extend(_looks_held(progress, guard))
    deadline_s = budget.clock_deadline_s(goal.budget, progress.episode)
    untils = [g.until_s for g in looks if g.until_s is not None]
    if deadline_s is not None and deadline_s > now.boot_s:
        untils.append(deadline_s)
    reason = "; ".join(dict.fromkeys(f"{', '.join(g.predicates)}: {g.reason}" for g in looks)) or None
    status = _status_of_trouble(progress)
    if status is GoalStatus.OBSERVING and any(g.name in ("confirm", "backoff") for g in looks):
        status = GoalStatus.ACTING
    unseen = [p for g in looks for p in g.predicates]
    status = tree_wait.status_of(progress.tree_wait, unseen, status)
    return Hold(status=status, reason=reason, guards=tuple(looks), until_s=min(untils, default=None))


def _looks_held(progress: Progress, guard: Guard) -> tuple[Guard, ...]:
    """This guard of looks; before it who acts in the tree, where that is what they wait for."""
    wait = progress.tree_wait
    held = tuple(p for p in guard.predicates if tree_wait.holds(wait, p))
    if wait is None or not held:
        return (guard,)
    return (Guard(name=tree_wait.GUARD, reason=tree_wait.reason(wait), predicates=held), guard)


def _look_guard(reading: Reading) -> tuple[str, str]:
    if reading.is_settled and not reading.is_causal:
        return "observe", "seen before the last act or request to look: it is looked at again"
    match reading.verdict.status:
        case Status.FAIL:
            return "confirm", "one red is not enough: it is confirmed before acting"
        case Status.PASS:
            return "recover", "one green is not enough: it is looked at again"
        case Status.ERROR:
            return "error", f"could not look: {reading.verdict.reason}"
        case Status.UNKNOWN:
            return "observe", f"no verdict: {reading.verdict.reason}"
        case _:
            assert_never(reading.verdict.status)


def _status_of_trouble(progress: Progress) -> GoalStatus:
    """Confirm, backoff and half-open waits are `acting`; before the first red it is `observing`."""
    if progress.status in STOPPED_ACTING:
        return progress.status
    episode = progress.episode
    if episode is not None and (episode.was_red or episode.iterations > 0):
        return GoalStatus.ACTING
    return GoalStatus.OBSERVING


def _final_guard(over: budget.Exceeded, vector: VerdictVector) -> Guard:
    return Guard(name="final", reason=f"{over.detail}; a last look decides", predicates=_unseen(vector))


def _incomplete_guard(vector: VerdictVector) -> Guard:
    return Guard(name="observe", reason="a last look at everything decides", predicates=_unseen(vector))


def _unseen(vector: VerdictVector) -> tuple[PredicateId, ...]:
    return tuple(r.predicate_id for r in vector.readings if not (r.is_fresh and r.is_causal and r.is_settled))


def _proof(vector: VerdictVector) -> dict[PredicateId, str]:
    return {r.predicate_id: r.verdict.status.value for r in vector.readings}
