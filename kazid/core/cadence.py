"""When each predicate is to be looked at next. Pure: no timers, only times.

Sits before observe. Rules of SEMANTICS §2: the interval with its jitter; a quick re-check while a red is unconfirmed
or a green not yet trusted; at once after an act, a request or a restart; backoff while it cannot be looked at.
"""

from collections.abc import Sequence

import msgspec

from kazid.core import flake
from kazid.core.goal import Cadence, Goal, Predicate
from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.core.jitter import INTERVAL_SPREAD, fraction, spread_interval_s
from kazid.core.progress import Desired, PredicateState, Progress
from kazid.core.status import FINISHED, GoalStatus
from kazid.core.vector import causal_floor_s
from kazid.core.verdict import Status
from kazid.core.withheld import may_be_seen_looking

ERROR_BASE_S = 5.0
ERROR_CAP_S = 300.0
SPREAD_S_MAX = 30.0
"""After a daemon start first looks are spread over min(interval, this)."""
TREE_LOOKS_MAX = 2
"""A tree that changes with every look is acted on after this many (SEMANTICS §2)."""
TREE_POLL_S = 30.0
"""How often a standing goal's workspace is compared with the tree its code verdicts saw."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What is due now, and when the next look falls due (None: only an event brings one)."""

    due: Sequence[PredicateId]
    next_s: float | None


def schedule(goal: Goal, progress: Progress, now: Now) -> Schedule:
    """Which predicates to look at now, in vector order."""
    if not is_observing(goal, progress):
        return Schedule(due=(), next_s=None)
    due: list[PredicateId] = []
    next_s: float | None = None
    for predicate in goal.predicates:
        if not may_be_looked_at(predicate, progress):
            continue
        at_s = next_look_s(goal, predicate, progress)
        if at_s is None:
            continue
        if at_s <= now.boot_s:
            due.append(predicate.id)
        elif next_s is None or at_s < next_s:
            next_s = at_s
    return Schedule(due=due, next_s=next_s)


def may_be_looked_at(predicate: Predicate, progress: Progress) -> bool:
    """While an act runs only live predicates are, and while an agent works nothing that is held out."""
    if progress.act is not None and not predicate.live:
        return False
    return not may_be_seen_looking(predicate, progress)


def is_observing(goal: Goal, progress: Progress) -> bool:
    """False for a goal that looks no more: stopped, deleted, parked, or a finished one-shot goal."""
    if progress.desired in (Desired.STOPPED, Desired.DELETED) or progress.status is GoalStatus.PARKED:
        return False
    return goal.standing or progress.status not in FINISHED


def next_look_s(goal: Goal, predicate: Predicate, progress: Progress) -> float | None:
    """When this predicate is next due, in boot seconds; 0 means at once, None that only an event brings it."""
    state = progress.predicate(predicate.id)
    if state.verdict is None or state.is_stale or state.generation != progress.generation:
        return 0.0
    if state.started_s < causal_floor_s(progress):
        return 0.0
    cadence = predicate.cadence
    interval_s = None
    if cadence.interval_s is not None:
        spread_s = spread_interval_s(cadence.interval_s, goal.owner, goal.id, predicate.id, state.looks)
        interval_s = state.started_s + spread_s
    if state.is_quarantined:
        poll_s = state.started_s + flake.POLL_S
        is_slow = flake.is_hopeless(state) and state.quarantine_passes == 0
        return interval_s if interval_s is not None and is_slow else poll_s
    match state.verdict.status:
        case Status.FAIL if state.reruns_left > 0:
            return state.ended_s
        case Status.PASS if state.passes < cadence.recover:
            return _sooner(state.counted_s + cadence.recheck_s, interval_s)
        case Status.FAIL if state.fails < cadence.confirm:
            return _sooner(state.counted_s + cadence.recheck_s, interval_s)
        case Status.ERROR | Status.UNKNOWN:
            return _sooner(state.ended_s + _error_delay_s(state), interval_s)
        case _:
            return interval_s


def polls_tree(goal: Goal, progress: Progress) -> bool:
    """Whether the tree is watched. Not while an act changes it: what is due then is due when it ended."""
    is_about_tree = goal.standing and goal.workspace is not None and goal.has_code_predicates
    return is_about_tree and progress.act is None


def first_look_spread_s(goal: Goal) -> float:
    """How long after a daemon start the first look of an untroubled goal waits, so that not all look at once."""
    intervals = [p.cadence.interval_s for p in goal.predicates if p.cadence.interval_s is not None]
    return min([SPREAD_S_MAX, *intervals]) * fraction(goal.owner, goal.id, "first look")


def spacing_s(cadence: Cadence) -> float:
    """How far apart two looks must begin to count as two in a row; what asks for more looks confirms nothing sooner."""
    if cadence.interval_s is None:
        return cadence.recheck_s
    return min(cadence.recheck_s, cadence.interval_s * (1 - INTERVAL_SPREAD))


def _error_delay_s(state: PredicateState) -> float:
    return min(ERROR_CAP_S, ERROR_BASE_S * 2.0 ** min(max(state.errors - 1, 0), 10))


def _sooner(at_s: float, other_s: float | None) -> float:
    return at_s if other_s is None else min(at_s, other_s)
