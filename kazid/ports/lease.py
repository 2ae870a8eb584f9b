"""Exclusive leases on workspaces: acts of two goals never work in one tree.

Contract: a tree and a tree nested in it conflict; acquiring what one holds already succeeds; only the holder releases,
so a stale release cannot free another's lease; a release wakes whoever waits; asking who blocks takes nothing and wakes
nobody. A holder is one incarnation of a goal: two of one name are two holders.
"""

from typing import Protocol


class Leases(Protocol):
    """Who may act where. Adapter: memory (one daemon); a shared store comes with more than one machine."""

    def acquire(self, *, tree: str, holder: str) -> str | None:
        """Take the lease on a folder tree; None when taken, else who holds it (or a part of it)."""
        ...

    def blocker(self, *, tree: str, holder: str) -> str | None:
        """Who would keep `holder` from taking the lease now; None when nobody would."""
        ...

    def release(self, *, tree: str, holder: str) -> None:
        """Give it back and wake waiters. Harmless when it is not held by `holder`."""
        ...

    async def wait_released(self) -> None:
        """Return after the next release of any lease."""
        ...
