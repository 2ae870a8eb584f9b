"""Who may act on which red: remedies in file order, then the agent, then a person (SEMANTICS §3).

Pure. Answers with the act that may start now, or with what holds it; `decide` turns that into a decision.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from kazid.core import (
    autonomy,
    backoff,
    fight,
    ladder,
    landing,
    oscillation,
    refusal,
    routing,
    stuck,
    withheld,
)
from kazid.core.decision import Conclude, Guard
from kazid.core.delivery import LANDED, ROLLBACK
from kazid.core.goal import Assignment, Goal, HarnessChoice, Mode, Predicate, Remedy
from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.core.level import Risk
from kazid.core.progress import Progress
from kazid.core.status import Cause
from kazid.core.vector import Reading, VerdictVector
from kazid.core.verdict import Status

DELIVERY = "delivery"
"""The guard of a red that waits for something lower: the code, the landing, the deploy, or a needed group."""
HALF_OPEN_S = 3600.0
"""After the last attempt a standing goal tries one remedy an hour (SEMANTICS §4)."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One rung with the slice it would serve."""

    rung: str
    predicates: Sequence[PredicateId]
    title: str
    half_open: bool = False
    opened_s: float = 0.0
    """When the wait before it was over: its reds are looked at once more after that."""
    assignment: Assignment | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What could be done: the first choice that may start now, the guards of those that may not yet, and the reds
    that nobody may repair any more (`spent`: executors existed and are used up; `orphaned`: nobody ever could)."""

    choice: Choice | None
    guards: Sequence[Guard]
    spent: Sequence[PredicateId]
    orphaned: Sequence[PredicateId]
    is_dispatch: bool = False
    """Nothing but a dispatch comes next, now or when its backoff is over."""
    end: Conclude | None = None
    """How it ends where nobody but landing or deploying could go on, and that is used up."""


def remedy_rung(index: int) -> str:
    """The name of a remedy's rung, e.g. `remedy:0`."""
    return f"remedy:{index}"


def remedy_of(goal: Goal, rung: str) -> Remedy:
    """The remedy behind a rung name."""
    return goal.remedies[int(rung.removeprefix("remedy:"))]


def actionable(goal: Goal, vector: VerdictVector) -> tuple[PredicateId, ...]:
    """Reds, and errors that some remedy may act on (`on_error = true`), but for what waits for something lower."""
    waits = landing.waiting(goal, vector)
    grouped = {p for p, why in waits.items() if "group" in why}
    return tuple(
        r.predicate_id
        for r in vector.readings
        if (r.predicate_id not in waits and r.is_red)
        or (r.predicate_id not in grouped and _has_remedy(goal, r))
    )


def agent_may(goal: Goal, predicate: Predicate) -> bool:
    """Whether the goal's agent may work on this predicate: code always, live only when named, accepted or deployed."""
    if goal.harness is None or predicate.id in landing.own_predicates(goal):
        return False
    if not autonomy.may_try(goal, Risk.CODE, predicate.id):
        return False
    if not predicate.live:
        return True
    is_accepted = goal.mode is Mode.CREATE and predicate.acceptance
    return predicate.id in goal.harness.predicates or is_accepted or landing.may_mend_live(goal, predicate)


def agents_of(goal: Goal) -> list[HarnessChoice]:
    """Every agent that this goal may send, each once, as it would be started; models left aside."""
    mine = [p.id for p in goal.predicates if agent_may(goal, p)]
    sent = {a.harness: a for a in (routing.assigned(goal, p) for p in mine)}
    return [routing.choice_of(goal, assignment) for assignment in sent.values()]


def _has_remedy(goal: Goal, reading: Reading) -> bool:
    """Whether a remedy may act on it now, whatever lower step does not hold."""
    may = [r for r in goal.remedies if r.on_error or reading.is_red]
    return (reading.is_red or reading.is_error) and any(_covers(goal, r, reading.predicate_id) for r in may)


def _covers(goal: Goal, remedy: Remedy, predicate_id: PredicateId) -> bool:
    """What landing and deploying are for is a remedy's only by name; what is only observed is nobody's."""
    if not autonomy.may_try(goal, remedy.risk, predicate_id):
        return False
    is_own = predicate_id in landing.own_predicates(goal)
    return predicate_id in remedy.predicates if is_own else remedy.covers(predicate_id)


def next_slice(goal: Goal, vector: VerdictVector) -> tuple[PredicateId, ...]:
    """What an agent would be sent for now, leaving aside whatever holds it; empty: nothing is red that it may mend."""
    if landing.is_in_conflict(goal, vector):
        return (LANDED,)
    eligible = [
        p for p in actionable(goal, vector) if vector.reading(p).is_red and agent_may(goal, goal.predicate(p))
    ]
    return _slice(goal, vector, eligible) if eligible else ()


def assigned_now(goal: Goal, progress: Progress, predicate_id: PredicateId) -> Assignment:
    """Who would be sent to this predicate now."""
    return routing.assigned(goal, predicate_id, step=ladder.step_of(progress.episode, goal))


def options(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Options:
    """What may be done about the present reds."""
    episode = progress.episode
    assert episode is not None, "reds are acted on within an episode"
    fought = fight.contested(progress, vector, now)
    left = [p for p in actionable(goal, vector) if p not in fought]
    unbegun = landing.unbegun(goal, progress)
    if unbegun is not None and progress.predicate(LANDED).verdict is None:
        return _unbegun(unbegun)
    waits = landing.waiting(goal, vector)
    step = landing.next_step(goal, progress, vector, [p for p in left if p not in waits])
    is_conflict = landing.is_in_conflict(goal, vector)
    if step is not None and (step.rung == ROLLBACK or _is_rolled_back(step) or is_conflict):
        return _delivery(goal, progress, vector, step, now)
    guards: list[Guard] = []
    spent: list[PredicateId] = []
    for index, remedy in enumerate(goal.remedies):
        matched = [p for p in left if _remedy_takes(goal, remedy, p, vector)]
        if not matched:
            continue
        if episode.attempts.get(remedy_rung(index), 0) >= remedy.attempts:
            spent.extend(p for p in matched if p not in spent)
            continue
        ready, held = _split_by_backoff(goal, progress, matched, now)
        if ready:
            return Options(
                choice=Choice(rung=remedy_rung(index), predicates=tuple(ready), title=_title(remedy)),
                guards=guards,
                spent=(),
                orphaned=(),
            )
        guards.extend(held)
        left = [p for p in left if p not in matched]
        spent = [p for p in spent if p not in matched]
    guards.extend(
        Guard(name=DELIVERY, reason=why, predicates=(p,))
        for p, why in waits.items()
        if vector.reading(p).is_red
    )
    own = landing.own_predicates(goal)
    left = [p for p in left if p not in waits and p not in own]
    if unbegun is not None and left:
        return replace(_unbegun(unbegun), guards=(*guards, *_unbegun(unbegun).guards))
    if step is None or left:
        spent = [p for p in spent if p not in waits]
        return _agent_options(goal, progress, vector, left, guards, spent, now)
    possible = _delivery(goal, progress, vector, step, now)
    return replace(possible, guards=(*guards, *possible.guards))


def _unbegun(why: str) -> Options:
    guard = Guard(name=DELIVERY, reason=why, predicates=(LANDED,))
    return Options(choice=None, guards=(guard,), spent=(), orphaned=())


def _is_rolled_back(step: landing.Step) -> bool:
    return step.end is not None and step.end.cause is Cause.ROLLED_BACK


def _delivery(goal: Goal, progress: Progress, vector: VerdictVector, step: landing.Step, now: Now) -> Options:
    """Landing, deploying or rolling back as the one choice, when its backoff is over; or its end."""
    if step.end is not None:
        return Options(choice=None, guards=(), spent=(), orphaned=(), end=step.end)
    ready, held = _split_by_backoff(goal, progress, step.predicates, now)
    if step.rung != ROLLBACK and held:
        ready = []  # it serves all of them with one act
    choice = Choice(rung=step.rung, predicates=tuple(ready), title=step.title) if ready else None
    layer = landing.lowest_red_layer(goal, vector)
    if held and layer is not None:
        why = layer.verdict.detail or layer.verdict.reason or layer.verdict.status.value
        reason = f"the lowest red layer is {layer.predicate_id}: {why}"
        held = [Guard(name=DELIVERY, reason=reason, predicates=(layer.predicate_id,)), *held]
    is_dispatch = step.rung.startswith("harness:")
    return Options(choice=choice, guards=tuple(held), spent=(), orphaned=(), is_dispatch=is_dispatch)


def half_open(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Choice | Guard | None:
    """The hourly retry of a standing goal whose remedies are used up; a guard while the hour runs."""
    episode = progress.episode
    assert episode is not None, "a retry belongs to the episode that is stuck"
    since_s = episode.opened_s if progress.last_act_ended_s is None else progress.last_act_ended_s
    due_s = since_s + HALF_OPEN_S
    reds = actionable(goal, vector)
    for index, remedy in enumerate(goal.remedies):
        matched = tuple(p for p in reds if _remedy_takes(goal, remedy, p, vector))
        if not matched:
            continue
        if now.boot_s >= due_s:
            return Choice(
                rung=remedy_rung(index),
                predicates=matched,
                title=_title(remedy),
                half_open=True,
                opened_s=due_s,
            )
        return Guard(name="half_open", reason="one retry an hour", until_s=due_s, predicates=matched)
    return None


def _agent_options(
    goal: Goal,
    progress: Progress,
    vector: VerdictVector,
    left: Sequence[PredicateId],
    guards: list[Guard],
    spent: Sequence[PredicateId],
    now: Now,
) -> Options:
    possible = [p for p in left if vector.reading(p).is_red and agent_may(goal, goal.predicate(p))]
    shut = refusal.refused(progress)
    eligible = [p for p in possible if assigned_now(goal, progress, p).harness not in shut]
    assert progress.episode is not None, "an agent is sent within an episode"
    is_damped = oscillation.is_thrash(progress.episode, vector.reds)
    factor = oscillation.DAMPED if is_damped else 1.0
    ready, held = _split_by_backoff(goal, progress, eligible, now, factor=factor)
    if ready and not vector.is_complete and not withheld.visible(goal, ready):
        reason = "an agent is told what it may see first, and not all of that is known yet"
        wait = Guard(name="observe", reason=reason, predicates=tuple(ready))
        return Options(choice=None, guards=[*guards, *held, wait], spent=(), orphaned=())
    if ready:
        target = _slice(goal, vector, ready)[: 1 if is_damped else None]
        sent = assigned_now(goal, progress, target[0])
        opened_s = max(_opens_s(goal, progress, p, now, factor=factor) for p in target) if is_damped else 0.0
        choice = Choice(
            rung=f"harness:{sent.harness}",
            predicates=target,
            title=f"{sent.harness} on {withheld.named(goal, target)}",
            opened_s=opened_s,
            assignment=sent,
        )
        return Options(choice=choice, guards=guards, spent=(), orphaned=(), is_dispatch=True)
    others = [p for p in left if p not in possible]
    kept = [p for p in possible if p not in eligible]
    shut_out = [refusal.guard(shut, kept)] if kept else []
    if kept and not (guards or held):
        return Options(choice=None, guards=(), spent=(), orphaned=(), end=refusal.end(shut))
    return Options(
        choice=None,
        guards=[*guards, *held, *shut_out],
        spent=tuple(p for p in others if p in spent),
        orphaned=tuple(p for p in others if p not in spent),
        is_dispatch=bool(held) and not guards,
    )


def _remedy_takes(goal: Goal, remedy: Remedy, predicate_id: PredicateId, vector: VerdictVector) -> bool:
    if not _covers(goal, remedy, predicate_id):
        return False
    return remedy.on_error or vector.reading(predicate_id).verdict.status is Status.FAIL


def _split_by_backoff(
    goal: Goal,
    progress: Progress,
    predicates: Sequence[PredicateId],
    now: Now,
    *,
    factor: float = 1.0,
) -> tuple[list[PredicateId], list[Guard]]:
    """The predicates whose backoff is over, and a guard for each of the others."""
    ready: list[PredicateId] = []
    guards: list[Guard] = []
    for predicate_id in predicates:
        state = progress.predicate(predicate_id)
        next_s = _opens_s(goal, progress, predicate_id, now, factor=factor)
        if next_s <= now.boot_s:
            ready.append(predicate_id)
        else:
            acts = "1 act" if state.backoff_n == 1 else f"{state.backoff_n} acts"
            reason = f"backoff after {acts} without a lasting green"
            guards.append(Guard(name="backoff", reason=reason, until_s=next_s, predicates=(predicate_id,)))
    return ready, guards


def _opens_s(goal: Goal, progress: Progress, predicate_id: PredicateId, now: Now, *, factor: float) -> float:
    """When the backoff of this predicate is over; a damped dispatch waits longer."""
    state = progress.predicate(predicate_id)
    next_s = backoff.next_attempt_s(goal.predicate(predicate_id), state, now_s=now.boot_s)
    ended_s = state.last_act_ended_s
    return next_s if ended_s is None else ended_s + factor * (next_s - ended_s)


def _slice(goal: Goal, vector: VerdictVector, reds: Sequence[PredicateId]) -> tuple[PredicateId, ...]:
    """One failing predicate, or those that share its group, evidence and agent: the smallest change is asked for.

    What is held out is nobody's slice while anything else is: of it an agent is told only that something does not hold.
    """
    reds = withheld.visible(goal, reds) or reds
    first = goal.predicate(reds[0])
    if first.group is None:
        return (first.id,)
    why, sent = stuck.evidence_text(vector.reading(first.id).verdict), routing.assigned(goal, first.id)
    return tuple(
        p
        for p in reds
        if goal.predicate(p).group == first.group
        and stuck.evidence_text(vector.reading(p).verdict) == why
        and routing.assigned(goal, p) == sent
    )


def _title(remedy: Remedy) -> str:
    return " ".join((remedy.cmd, *remedy.args))[:120]
