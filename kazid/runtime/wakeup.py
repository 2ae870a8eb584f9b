"""A coalescing signal without payload: level-triggered, so a lost or doubled wake-up changes nothing.

The first step of the turn. Whoever wakes a goal says only "look again"; what to do is decided from state. The idle case
allocates nothing, because ten thousand goals sleep at once.
"""

import anyio
import anyio.lowlevel


class Wakeup:
    """Set by anyone, waited for by one task."""

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._event: anyio.Event | None = None

    def set(self) -> None:
        """Wake the waiter, or make the next wait return at once."""
        self._is_set = True
        if self._event is not None:
            self._event.set()

    async def wait(self, timeout_s: float | None) -> None:
        """Return when set since the last wait, or after `timeout_s` (None: no limit)."""
        if not self._is_set:
            self._event = anyio.Event()
            try:
                if timeout_s is None:
                    await self._event.wait()
                elif timeout_s > 0:
                    with anyio.move_on_after(timeout_s):
                        await self._event.wait()
            finally:
                self._event = None
        else:
            await anyio.lowlevel.checkpoint()
        self._is_set = False


class Change:
    """A version that watchers wait on: each sees that something changed, never how often."""

    __slots__ = ("_event", "version")

    def __init__(self) -> None:
        self.version = 0
        self._event: anyio.Event | None = None

    def bump(self) -> None:
        """Something changed: every waiter returns."""
        self.version += 1
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait_beyond(self, version: int) -> None:
        """Return once the version differs from the one the caller knows."""
        while self.version == version:
            if self._event is None:
                self._event = anyio.Event()
            await self._event.wait()
