"""How long a look rests whose owner has more of them waiting, so that the many keep the loop from nobody else. Pure.

Where looks queue, the processor is the bound, and whatever else is ready (a `status`, another owner's repair) stands in
line behind all of them. So while there is more than one owner, looks that queue leave the loop idle for a share of
the time: they rest longer while it is busier than that, and shorter again while it is not (as TCP finds its rate).
"""

BUSY_MAX = 0.5
"""Of the loop's time: a `status` takes several passes of the loop, and each waits for all that is ready."""
SAMPLE_S = 0.1
REST_S_MIN, REST_S_MAX = 0.002, 1.0
LONGER, SHORTER = 1.5, 0.8


def next_rest_s(rest_s: float, *, busy: float, elapsed_s: float) -> float:
    """The next rest, from the last one and the share of the time since in which the loop was busy."""
    if busy > BUSY_MAX:
        return min(REST_S_MAX, max(REST_S_MIN, rest_s * LONGER))
    rest_s *= SHORTER ** (elapsed_s / SAMPLE_S)
    return rest_s if rest_s >= REST_S_MIN else 0.0
