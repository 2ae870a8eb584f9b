"""A duration as people write it, in seconds: `"30s"`, `"1.5m"`, `"500ms"`, or a bare number of seconds."""

import math
import re
from collections.abc import Mapping

DURATION_S_MAX = 366 * 86_400.0
"""A year: no interval, deadline or window of a goal is longer, and every clock can add it."""
UNIT_S: Mapping[str, float] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


def duration_s(value: object) -> float | None:
    """Seconds, more than none and at most a year; None when it is no duration."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        seconds = float(match[1]) * UNIT_S[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            return None
    else:
        return None
    return seconds if math.isfinite(seconds) and 0 < seconds <= DURATION_S_MAX else None
