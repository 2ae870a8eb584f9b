"""Exclusive leases on workspaces: acts of two goals never work in one tree.

Contract: a tree and a tree nested in it conflict; acquiring what one holds already succeeds; only the holder releases,
so a stale release cannot free another's lease; a release wakes whoever waits.
"""

from typing import Protocol


class Leases(Protocol):
    """Who may act where. Adapter: memory (one daemon); a shared store comes with more than one machine."""

    def acquire(self, *, tree: str, holder: str) -> str | None:
        """Take the lease on a folder tree; None when taken, else the REF of who holds it (or a part of it)."""
        ...

    def release(self, *, tree: str, holder: str) -> None:
        """Give it back and wake waiters. Harmless when it is not held by `holder`."""
        ...

    async def wait_released(self) -> None:
        """Return after the next release of any lease."""
        ...
