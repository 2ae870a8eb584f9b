"""Waiting until what is written next has another time of change than what is there, by whole seconds.

Python knows the source of a .pyc by its size and the second of its change (PEP 3147). A file that is checked out,
looked at and mended within one second keeps the .pyc of what it was, and every later look runs that.
"""

import contextlib
import math
import os
import time
from collections.abc import Collection

import anyio
import anyio.to_thread

TICK_S = 0.02
"""The kernel dates files by a clock that steps with its tick: a little after a second began, they are dated before."""


async def later_second(top: str, names: Collection[str]) -> None:
    """Return when none of these files was changed in the present second. A time in the future is nobody's."""
    newest = await anyio.to_thread.run_sync(_newest, top, names)
    wait_s = math.floor(newest) + 1 + TICK_S - time.time()
    if 0 < wait_s <= 1 + TICK_S:
        await anyio.sleep(wait_s)


def _newest(top: str, names: Collection[str]) -> float:
    now_s, newest = time.time(), 0.0
    for name in names:
        with contextlib.suppress(OSError):
            changed = os.lstat(os.path.join(top, name)).st_mtime
            newest = max(newest, changed if changed <= now_s else 0.0)
    return newest
