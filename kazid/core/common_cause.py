"""Many goals that turn red together have one cause, and mending each of them is a storm, not a repair.

More than 30 % of the active goals, and at least five, with an episode that opened in the last two minutes: fixing
stops, one of them tries (the canary), and once its repair is verified the rest follow, twice as many at each step. A
canary that fails is followed by the next after a backoff. Who waits is the runtime's; the numbers are here. Pure.
"""

from collections.abc import Collection

from kazid.core.backoff import BASE_S, CAP_S, EXPONENT_MAX

WINDOW_S = 120.0
"""Episodes that opened within it may have one cause (SEMANTICS §4)."""
SHARE_MIN = 0.3
"""More than this share of the active goals."""
GOALS_MIN = 5
SHARING_MIN = 2
"""So many red goals that share a red `depends_on` have it as their cause."""
RAMP_S = 10.0
"""Between two steps of the release, each twice as large as the one before."""
RAMP_STEPS_MAX = 20
DEPENDENCY_PATIENCE_S = 600.0
"""What waits for a red dependency tries by itself after so long: two that wait for each other must not for ever."""


def is_common(opened_s: Collection[float], *, active: int, now_s: float) -> bool:
    """Whether episodes that opened then, among so many active goals, have one cause."""
    recent = sum(1 for at_s in opened_s if at_s > now_s - WINDOW_S)
    return recent >= GOALS_MIN and recent > SHARE_MIN * active


def canary_delay_s(failures: int) -> float:
    """How long after a canary that failed the next one tries."""
    return min(CAP_S, BASE_S * 2.0 ** min(failures, EXPONENT_MAX))


def released(*, since_s: float, now_s: float) -> int:
    """How many of those that wait may act, so long after a canary's repair was verified: 1, 3, 7, 15, …"""
    steps = min(RAMP_STEPS_MAX, int(max(0.0, now_s - since_s) / RAMP_S) + 1)
    return int(2**steps - 1)
