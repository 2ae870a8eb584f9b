"""How long a predicate is left alone after acts that did not mend it.

5 s · 2ⁿ with a cap of 5 minutes and full jitter, per predicate (SEMANTICS §4; the cap and the shape are Argo CD's, the
reset rule is ours: theirs broke three times). `n` counts acts that no verified green followed, plus verified repairs
beyond the third in 10 minutes, so that a crash loop slows down and a single crash is repaired at once. `n` returns to 0
only after a green that lasted.
"""

from kazid.core.goal import Predicate
from kazid.core.jitter import fraction
from kazid.core.progress import PredicateState

BASE_S = 5.0
CAP_S = 300.0
EXPONENT_MAX = 12
"""Beyond it the cap holds anyway; it bounds 2ⁿ."""
REPAIRS_FREE = 3
REPAIR_WINDOW_S = 600.0
REPAIRS_KEPT = 16
"""More repairs than this in the window all mean the cap."""
STABLE_GREEN_S = 60.0

assert BASE_S * 2**EXPONENT_MAX > CAP_S


def crash_loops(state: PredicateState, *, now_s: float) -> int:
    """Verified repairs beyond the third in the last 10 minutes."""
    recent = sum(1 for at_s in state.repairs_s if at_s > now_s - REPAIR_WINDOW_S)
    return max(0, recent - REPAIRS_FREE)


def exponent(state: PredicateState, *, now_s: float) -> int:
    """The n of 5 s · 2ⁿ; 0 means the next act need not wait."""
    loops = crash_loops(state, now_s=now_s)
    if state.acts == 0 and loops == 0:
        return 0
    return state.backoff_n + loops


def delay_s(predicate: Predicate, state: PredicateState, *, now_s: float) -> float:
    """How long after the last act on this predicate the next one may start. 0: at once."""
    n = exponent(state, now_s=now_s)
    if n == 0:
        return 0.0
    ceiling_s = min(CAP_S, BASE_S * 2.0 ** min(n, EXPONENT_MAX))
    return ceiling_s * fraction(predicate.id, n, state.last_act_ended_s)


def next_attempt_s(predicate: Predicate, state: PredicateState, *, now_s: float) -> float:
    """The earliest boot time of the next act on this predicate. The one place that computes it."""
    if state.last_act_ended_s is None:
        return 0.0
    # Counted as of the last act or repair: what was announced then stays announced, though repairs leave the window.
    counted_s = min(now_s, max(state.last_act_ended_s, *state.repairs_s[-1:], 0.0))
    return state.last_act_ended_s + delay_s(predicate, state, now_s=counted_s)


def stable_after_s(predicate: Predicate, state: PredicateState) -> float:
    """How long a green must last before failures and repairs are forgotten."""
    return max(2 * (predicate.cadence.interval_s or 0.0), state.last_delay_s, STABLE_GREEN_S)
