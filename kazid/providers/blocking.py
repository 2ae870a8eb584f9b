"""Work that may block (a disk, a network file system) in a thread, with a deadline that always holds.

A thread cannot be killed. At the deadline it is left behind and told so by `Stop`: work that loops looks there, and
what hangs in the kernel ends when the kernel lets go. The threads of one kind are bounded by a limiter of its own, so
that a dead file system holds up nobody but those who look at it.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

THREADS_MAX = 16

_Answer = TypeVar("_Answer")


class Stop:
    """Set when nobody waits for the work any more."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def is_set(self) -> bool:
        """True when the work should end."""
        return self._event.is_set()

    def set(self) -> None:
        """Tell the work to end."""
        self._event.set()


async def in_thread(
    work: Callable[[Stop], _Answer], *, deadline_s: float, limiter: anyio.CapacityLimiter
) -> _Answer | None:
    """What the work returned, or None when it did not end in time."""
    stop = Stop()
    try:
        with anyio.move_on_after(max(0.0, deadline_s)):
            return await anyio.to_thread.run_sync(lambda: work(stop), abandon_on_cancel=True, limiter=limiter)
        return None
    finally:
        stop.set()
