"""Taking away what holds a goal, guard by guard, in its folded state: the counterpart of `explain` for tests."""

from msgspec.structs import replace

from kazid.core import approval, tree_wait
from kazid.core.decision import Guard
from kazid.core.event import GoalResumed
from kazid.core.fold import Folded, fold
from kazid.core.goal import Goal
from kazid.core.instant import Now
from kazid.core.plan import Yes
from kazid.core.progress import Desired, PredicateState, Progress
from kazid.core.rungs import HALF_OPEN_S
from kazid.core.verdict import passed


def lifted(goal: Goal, progress: Progress, guard: Guard, now: Now) -> Progress:
    """The state in which this guard no longer holds, and nothing else is different."""
    match guard.name:
        case "suspended":
            return replace(progress, desired=Desired.ACTIVE, suspend_reason=None, suspend_until_wall_s=None)
        case "frozen":
            return replace(progress, frozen=None)
        case "backoff":
            return _each(progress, guard, backoff_n=0, last_act_ended_s=None, last_delay_s=0.0, repairs_s=())
        case "confirm":
            return _confirmed(goal, progress, guard)
        case "recover" | "error" | "observe" | "final":
            return _each(progress, guard, **_green(goal, progress, now))
        case "half_open":
            return replace(progress, last_act_ended_s=now.boot_s - HALF_OPEN_S)
        case "window":
            return replace(progress, spent=())
        case "person":
            resumed = GoalResumed(reason="lifted", by="ada")
            return fold(Folded(goal, progress), resumed, at=now).progress
        case approval.GUARD:
            people = tuple(Yes(by=f"p{uid}", uid=uid) for uid in range(2001, 2011))
            said = {gate: replace(asked, given=people) for gate, asked in progress.approvals.items()}
            return replace(progress, approvals=said)
        case tree_wait.GUARD:  # of the looks that wait for another goal's act, and of an act that does
            waits = progress.deferred
            is_deferred = waits is not None and waits.waits_for == guard.name
            return replace(progress, tree_wait=None, deferred=None if is_deferred else waits)
        case _:
            assert progress.deferred is not None, f"nobody knows how to lift {guard}"
            assert guard.name == progress.deferred.waits_for
            return replace(progress, deferred=None)


def _each(progress: Progress, guard: Guard, **fields: object) -> Progress:
    named = {p: replace(progress.predicate(p), **fields) for p in guard.predicates}
    return replace(progress, predicates={**progress.predicates, **named})


def _confirmed(goal: Goal, progress: Progress, guard: Guard) -> Progress:
    states: dict[str, PredicateState] = {}
    for predicate_id in guard.predicates:
        confirm = goal.predicate(predicate_id).cadence.confirm
        states[predicate_id] = replace(progress.predicate(predicate_id), fails=confirm, reruns_left=0)
    return replace(progress, predicates={**progress.predicates, **states})


def _green(goal: Goal, progress: Progress, now: Now) -> dict[str, object]:
    return {
        "verdict": passed(),
        "started_s": now.boot_s,
        "ended_s": now.boot_s,
        "generation": progress.generation,
        "looks": 1,
        "passes": 99,
        "fails": 0,
        "is_stale": False,
        "is_quarantined": False,
        "reruns_left": 0,
        "unsettled_since_s": None,
        "unsettled_looks": 0,
    }
