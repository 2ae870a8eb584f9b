"""Time as decisions see it: two clocks read at one moment.

Boot time (it counts suspend, and never steps) for backoff, budgets, deadlines and freshness; wall time for windows,
expiries and people (SEMANTICS §7). Stored boot times are shifted by the fold when the daemon or the machine restarts.
"""

import msgspec

GRID_DIGITS = 6
GRID_S = 10.0**-GRID_DIGITS
CLOCK_STEP_S = 1.0
"""A divergence of the two clocks beyond this is a `clock.stepped` event: everything is stale (SEMANTICS §7)."""


class Now(msgspec.Struct, frozen=True):
    """One reading of both clocks. `boot_id` names the boot that `boot_s` counts from."""

    boot_s: float
    wall_s: float
    boot_id: str = ""


def on_grid_s(time_s: float) -> float:
    """The time in whole microseconds: what a look is timed in, so that the journal's deltas give it back exactly."""
    return round(time_s, GRID_DIGITS)


def next_on_grid_s(time_s: float) -> float:
    """The first whole microsecond that is not before this time: a look never counts as older than it is asked to be."""
    near_s = on_grid_s(time_s)
    return near_s if near_s >= time_s else on_grid_s(near_s + GRID_S)


def divergence_s(earlier: Now, later: Now) -> float:
    """How far the wall clock stepped between two readings of one boot: positive when it jumped ahead."""
    return (later.wall_s - earlier.wall_s) - (later.boot_s - earlier.boot_s)


def shift_s(earlier: Now, later: Now) -> float:
    """What to add to boot times stored at `earlier` so that they mean the same moments in `later`'s boot.

    Zero within one boot; across a reboot the wall clock is the only thread between the two.
    """
    if earlier.boot_id == later.boot_id:
        return 0.0
    return (later.boot_s - later.wall_s) - (earlier.boot_s - earlier.wall_s)
