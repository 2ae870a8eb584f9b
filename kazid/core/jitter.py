"""Spread without randomness: a fraction that looks random and is the same at every replay.

Intervals and backoff need spread so that a thousand goals do not wake together; a hash of who and how often gives
it, and keeps `decide` a function of its arguments.
"""

import zlib

INTERVAL_SPREAD = 0.1
"""Intervals vary by ±10 % (SEMANTICS §2)."""


def fraction(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but `parts`."""
    return zlib.crc32("\x1f".join(map(str, parts)).encode()) / 2**32


def spread_interval_s(interval_s: float, *parts: object) -> float:
    """The interval with its ±10 %."""
    return interval_s * (1 + INTERVAL_SPREAD * (2 * fraction(*parts) - 1))
