"""Exclusive leases on workspaces: acts of two goals never work in one tree, and looks learn who acted beside them.

Contract: a tree and a tree nested in it conflict; acquiring what one holds already succeeds; only the holder releases,
so a stale release cannot free another's lease; a release wakes whoever waits; asking who blocks takes nothing and wakes
nobody. A holder is one incarnation of a goal: two of one name are two holders.

Paths are compared part by part, as far as is known by the folder that they lead to: `identify` finds that out.

A watch on a tree tells who else had a lease on it, or on a tree nested in it or around it, at any moment since the look
began; what its own holder does is no disturbance. A watch that keeps acts out blocks others until it ends, and its end
wakes whoever waits.
"""

from contextlib import AbstractContextManager
from typing import Protocol


class Watch(Protocol):
    """One look at a tree, while it lasts."""

    disturbed_by: str | None
    """Who else acted there since the look began, the first of them."""

    def begin(self) -> None:
        """The look begins: from now on who acts disturbs it; also who acts already."""
        ...

    async def until_free(self) -> None:
        """Return when nobody else acts there."""
        ...


class Leases(Protocol):
    """Who may act where. Adapter: memory (one daemon); a shared store comes with more than one machine."""

    async def identify(self, tree: str) -> None:
        """Find out which folder a path leads to, so that another path to it conflicts. Bounded; never raises."""
        ...

    def acquire(self, *, tree: str, holder: str) -> str | None:
        """Take the lease on a folder tree; None when taken, else who holds it (or a part of it)."""
        ...

    def blocker(self, *, tree: str, holder: str) -> str | None:
        """Who would keep `holder` from taking the lease now; None when nobody would."""
        ...

    def acting(self, *, tree: str, holder: str) -> str | None:
        """Who else holds the lease on the tree, on one in it or around it; a look that keeps acts out is no act."""
        ...

    def watch(self, *, tree: str, holder: str, keeps_out: bool) -> AbstractContextManager[Watch]:
        """A look of `holder` at the tree, until the context is left."""
        ...

    def release(self, *, tree: str, holder: str) -> None:
        """Give it back and wake waiters. Harmless when it is not held by `holder`."""
        ...

    async def wait_released(self) -> None:
        """Return after the next release of any lease."""
        ...
