"""Everything that holds a goal, not only what is met first: what `explain` lists.

There is no second account of the rules: `decide` is asked, what it names is taken away, and it is asked again, until it
would act, would end, or names only what nothing but an event opens. So what explain lists and what decides cannot
differ: a guard that is not listed never blocks, and what is left after the last of them opened is a look. Pure.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from kazid.core import tree_wait
from kazid.core.decide import decide
from kazid.core.decision import Decision, Guard, Hold, Look, OpenEpisode
from kazid.core.event import EpisodeOpened
from kazid.core.fold import advance
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.core.progress import Desired, PredicateState, Progress
from kazid.core.rungs import HALF_OPEN_S
from kazid.core.vector import VerdictVector
from kazid.core.verdict import Status

LAYERS_MAX = 12
"""Fences, an episode, confirmation, a wait, backoff and the hour: each is met once, some for several predicates."""


def guards_of(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> tuple[Guard, ...]:
    """All guards in the order in which `decide` meets them; empty when the goal may act, or has nothing to do."""
    decision = decide(goal, progress, vector, now)
    found: list[Guard] = []
    for _ in range(LAYERS_MAX):
        if isinstance(decision, OpenEpisode):
            opened = EpisodeOpened(number=progress.episodes + 1, red=decision.red)
            progress = advance(goal, progress, opened, at=now)
            decision = decide(goal, progress, vector, now)
            continue
        met = _met(decision)
        found.extend(g for g in met if g not in found)
        before = (progress, vector)
        for guard in met:
            progress, vector = without(guard, goal, progress, vector, now)
        if not met or (progress, vector) == before:
            break
        decision = decide(goal, progress, vector, now)
    return tuple(found)


def without(
    guard: Guard, goal: Goal, progress: Progress, vector: VerdictVector, now: Now
) -> tuple[Progress, VerdictVector]:
    """The goal as it would be if this guard had opened; unchanged where only a look or a person can tell."""
    deferred = progress.deferred
    match guard.name:
        case "frozen":
            progress = replace(progress, frozen=None)
        case "suspended":
            progress = replace(
                progress, desired=Desired.ACTIVE, suspend_reason=None, suspend_until_wall_s=None
            )
        case "window":
            progress = replace(progress, spent=())
        case "backoff":
            states = {p: _unhurried(progress.predicate(p)) for p in guard.predicates}
            progress = replace(progress, predicates={**progress.predicates, **states})
        case "half_open":
            progress = replace(progress, last_act_ended_s=now.boot_s - HALF_OPEN_S)
        case "confirm":
            vector = _settled(vector, guard.predicates, Status.FAIL)
        case "recover":
            vector = _settled(vector, guard.predicates, Status.PASS)
        case name if deferred is not None and name == deferred.waits_for:
            progress = replace(progress, deferred=None)
        case tree_wait.GUARD:
            progress = replace(progress, tree_wait=None)
        case _:
            pass
    return progress, vector


def _met(decision: Decision) -> Sequence[Guard]:
    """What this decision names as holding it."""
    if isinstance(decision, Look):
        return decision.hold.guards
    return decision.guards if isinstance(decision, Hold) else ()


def _unhurried(state: PredicateState) -> PredicateState:
    """As if nothing had been tried on it."""
    return replace(state, acts=0, backoff_n=0, repairs_s=())


def _settled(vector: VerdictVector, predicate_ids: Sequence[PredicateId], status: Status) -> VerdictVector:
    return VerdictVector(
        [
            replace(r, is_settled=True)
            if r.predicate_id in predicate_ids and r.verdict.status is status
            else r
            for r in vector.readings
        ]
    )
