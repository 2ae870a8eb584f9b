"""Restart intensity as a pure function. Source: add_restart/3 in OTP supervisor.erl. Knows no tasks and no clock.

It counts bugs (crashes of a goal's own task). Backoff, in `core/backoff.py`, counts a world that will not be fixed; the
two never share a counter.
"""

from collections.abc import Sequence

import msgspec

RESTARTS_MAX = 4
PERIOD_S = 60.0
"""The fifth crash within a minute parks the goal (DESIGN §4)."""


class Restart(msgspec.Struct, frozen=True):
    """Start the child again; `recent` goes into the next call."""

    recent: Sequence[float]


class GiveUp(msgspec.Struct, frozen=True):
    """Too many crashes within the period."""

    crashes: int


def on_crash(
    recent: Sequence[float], *, now_s: float, restarts_max: int = RESTARTS_MAX, period_s: float = PERIOD_S
) -> Restart | GiveUp:
    """Whether a child that crashed at `now_s`, after crashes at `recent`, is started again."""
    within = (*(at for at in recent if at > now_s - period_s), now_s)
    if len(within) > restarts_max:
        return GiveUp(crashes=len(within))
    return Restart(recent=within)
