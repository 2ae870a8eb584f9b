"""Telling readers that the journal grew. Carries no events: readers page from their own offset, so none is lost.

A slow reader costs nothing here; it reads the journal when it comes back (DESIGN §6: no gap and no duplicate).
"""

from kazid.core.ids import Offset
from kazid.runtime.wakeup import Change


class Broadcaster:
    """The newest offset, and a way to wait for a newer one."""

    def __init__(self) -> None:
        self.head = Offset(0)
        self._change = Change()

    def committed(self, offset: Offset) -> None:
        """The journal acknowledged an append up to this offset."""
        if offset > self.head:
            self.head = offset
            self._change.bump()

    def wake(self) -> None:
        """Let every waiter look around (shutdown)."""
        self._change.bump()

    async def wait_beyond(self, offset: Offset) -> None:
        """Return once the head is beyond `offset`, or after `wake`."""
        version = self._change.version
        if self.head > offset:
            return
        await self._change.wait_beyond(version)
