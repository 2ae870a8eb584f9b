"""Leases of one daemon: who acts in which folder tree, kept in memory because they end with the process.

Trees are compared part by part, so that `/srv/app` and `/srv/app-2` have nothing to do with each other. Paths are taken
as they are: whoever resolved the workspace resolved its symlinks.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import PurePosixPath

import anyio


class _Watch:
    """See `ports/lease.py`."""

    def __init__(self, leases: "MemoryLeases", path: PurePosixPath, holder: str, *, keeps_out: bool) -> None:
        self._leases = leases
        self.path = path
        self.holder = holder
        self.keeps_out = keeps_out
        self.disturbed_by: str | None = None
        self.has_begun = False
        self.changed = anyio.Event()

    def begin(self) -> None:
        """See the port."""
        self.has_begun = True
        self.disturbed_by = self._leases.acting(tree=str(self.path), holder=self.holder)

    async def until_free(self) -> None:
        """See the port."""
        while self._leases.acting(tree=str(self.path), holder=self.holder) is not None:
            self.changed = anyio.Event()
            await self.changed.wait()


class MemoryLeases:
    """No lease is held at the start."""

    def __init__(self) -> None:
        self._holders: dict[PurePosixPath, str] = {}
        self._released = anyio.Event()
        self._watches: list[_Watch] = []

    def acquire(self, *, tree: str, holder: str) -> str | None:
        """See the port."""
        other = self.acting(tree=tree, holder=holder)
        if other is None:
            path = _path(tree)
            self._holders[path] = holder
            for watch in self._watches:
                if watch.has_begun and watch.holder != holder and _conflict(path, watch.path):
                    watch.disturbed_by = watch.disturbed_by or holder
        return other

    def blocker(self, *, tree: str, holder: str) -> str | None:
        """See the port."""
        other = self.acting(tree=tree, holder=holder)
        if other is not None:
            return other
        path = _path(tree)
        looks = (w for w in self._watches if w.keeps_out and w.holder != holder)
        return next((w.holder for w in looks if _conflict(path, w.path)), None)

    def acting(self, *, tree: str, holder: str) -> str | None:
        """See the port."""
        path = _path(tree)
        others = (other for held, other in self._holders.items() if other != holder and _conflict(path, held))
        return next(others, None)

    @contextmanager
    def watch(self, *, tree: str, holder: str, keeps_out: bool) -> Generator[_Watch]:
        """See the port."""
        watch = _Watch(self, _path(tree), holder, keeps_out=keeps_out)
        self._watches.append(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)
            if keeps_out:
                self._released.set()

    def release(self, *, tree: str, holder: str) -> None:
        """See the port."""
        path = _path(tree)
        if self._holders.get(path) != holder:
            return
        del self._holders[path]
        self._released.set()
        for watch in self._watches:
            watch.changed.set()

    async def wait_released(self) -> None:
        """See the port. A release that nobody waited for ends the next wait at once, so that none is missed."""
        released = self._released
        await released.wait()
        if self._released is released:
            self._released = anyio.Event()


def _conflict(one: PurePosixPath, two: PurePosixPath) -> bool:
    return one.is_relative_to(two) or two.is_relative_to(one)


def _path(tree: str) -> PurePosixPath:
    path = PurePosixPath(tree)
    assert path.is_absolute(), "a workspace is an absolute path"
    assert ".." not in path.parts, "a workspace is a resolved path"
    return path
