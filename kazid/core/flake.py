"""A red of code that cannot be trusted: looked at again at once, and set aside when the same code passes after all.

A code predicate that *turns* red (the first look counts) is re-run up to twice; any pass among them quarantines it. In
quarantine it is `unknown`: no work for an agent and never green, so it blocks convergence; it is polled for real, comes
back after three passes in a row, and ends the goal when nothing else is left and three looks brought it nowhere
(SEMANTICS §2; the predecessor counted a quarantined predicate as converged). Live predicates have `confirm` and
`recover` instead. All of it is state that the fold keeps, so re-runs are ordinary looks. Pure.
"""

from msgspec.structs import replace

from kazid.core.goal import Predicate
from kazid.core.progress import PredicateState
from kazid.core.verdict import Status, Verdict, unknown

RERUNS = 2
"""After the look that found it red."""
REHABILITATION_PASSES = 3
"""In a row, the one that quarantined it not among them."""
LOOKS_MAX = 3
"""In quarantine with nothing else left to do, before the goal ends."""
POLL_S = 30.0
"""Until it is back; what is hopeless in a standing goal goes on at its interval until it passes."""
REASON = "quarantined"


def looked(predicate: Predicate, old: PredicateState, state: PredicateState) -> PredicateState:
    """The state after a look that counts: of this generation, and begun after the last act ended.

    `old` is before the look, `state` after it. Errors and unknowns say nothing of flakiness and change nothing here.
    """
    if predicate.live:
        return state
    assert state.verdict is not None, "a look has a verdict"
    match state.verdict.status:
        case Status.PASS if old.is_quarantined:
            return _in_quarantine(replace(state, quarantine_passes=old.quarantine_passes + 1))
        case Status.FAIL if old.is_quarantined:
            return _in_quarantine(replace(state, quarantine_passes=0))
        case Status.PASS if old.reruns_left > 0:
            return replace(
                state,
                is_quarantined=True,
                quarantine_passes=0,
                quarantine_looks=0,
                reruns_left=0,
                was_red=False,
            )
        case Status.PASS:
            return replace(state, was_red=False)
        case Status.FAIL if old.reruns_left > 0:
            return replace(state, reruns_left=old.reruns_left - 1)
        case Status.FAIL if not old.was_red:
            return replace(state, reruns_left=RERUNS, was_red=True)
        case _:
            return state


def _in_quarantine(state: PredicateState) -> PredicateState:
    if state.quarantine_passes >= REHABILITATION_PASSES:
        return replace(state, is_quarantined=False, quarantine_passes=0, quarantine_looks=0, was_red=False)
    return replace(state, quarantine_looks=state.quarantine_looks + 1)


def act_ended(state: PredicateState) -> PredicateState:
    """After an act: what was red is new code now, so no re-run is owed, and quarantine starts counting anew."""
    return replace(state, reruns_left=0, quarantine_looks=0)


def forgotten(state: PredicateState) -> PredicateState:
    """Another spec, or fresh counters: the next red is the first."""
    return replace(
        state, reruns_left=0, was_red=False, is_quarantined=False, quarantine_passes=0, quarantine_looks=0
    )


def verdict_in_quarantine(state: PredicateState) -> Verdict:
    """What a quarantined predicate says, whatever its last look found."""
    return unknown(
        REASON,
        f"it failed and passed on the same code; {state.quarantine_passes} of {REHABILITATION_PASSES} passes in a row",
    )


def is_hopeless(state: PredicateState) -> bool:
    """Quarantined, and enough looks with nothing else left brought it nowhere."""
    return state.is_quarantined and state.quarantine_looks >= LOOKS_MAX
