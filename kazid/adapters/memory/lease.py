"""Leases of one daemon: who acts in which folder tree, kept in memory because they end with the process.

Trees are compared part by part, so that `/srv/app` and `/srv/app-2` have nothing to do with each other. Paths are taken
as they are: whoever resolved the workspace resolved its symlinks.
"""

from pathlib import PurePosixPath

import anyio


class MemoryLeases:
    """No lease is held at the start."""

    def __init__(self) -> None:
        self._holders: dict[PurePosixPath, str] = {}
        self._released = anyio.Event()

    def acquire(self, *, tree: str, holder: str) -> str | None:
        """See the port."""
        other = self.blocker(tree=tree, holder=holder)
        if other is None:
            self._holders[_path(tree)] = holder
        return other

    def blocker(self, *, tree: str, holder: str) -> str | None:
        """See the port."""
        path = _path(tree)
        for held, other in self._holders.items():
            if other != holder and (path.is_relative_to(held) or held.is_relative_to(path)):
                return other
        return None

    def release(self, *, tree: str, holder: str) -> None:
        """See the port."""
        path = _path(tree)
        if self._holders.get(path) != holder:
            return
        del self._holders[path]
        self._released.set()

    async def wait_released(self) -> None:
        """See the port. A release that nobody waited for ends the next wait at once, so that none is missed."""
        released = self._released
        await released.wait()
        if self._released is released:
            self._released = anyio.Event()


def _path(tree: str) -> PurePosixPath:
    path = PurePosixPath(tree)
    assert path.is_absolute(), "a workspace is an absolute path"
    assert ".." not in path.parts, "a workspace is a resolved path"
    return path
