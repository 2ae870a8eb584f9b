"""Leases of one daemon: who acts in which folder tree, kept in memory because they end with the process.

Trees are compared part by part, so that `/srv/app` and `/srv/app-2` have nothing to do with each other. A link is
followed when a goal is looked at, by a thread and not for ever: the folder may lie on a server that does not answer.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import PurePosixPath

import anyio
import anyio.to_thread

IDENTIFIED_S = 60.0
"""So long a path is taken to lead where it led: who moves a link that goals work behind is noticed within it."""
IDENTIFY_S = 2.0
"""After that a path stands for itself, as before anything was known."""
PATHS_MAX = 100_000
THREADS = 8


class _Place:
    """Where a path led, and when that was asked."""

    def __init__(self, path: PurePosixPath, asked_s: float) -> None:
        self.path = path
        self.asked_s = asked_s


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
    """No lease is held at the start. `real`: where a path leads, asked in a thread; None: each stands for itself."""

    def __init__(self, *, real: Callable[[str], str] | None = None) -> None:
        self._real = real
        self._places: dict[PurePosixPath, _Place] = {}
        self._threads = anyio.CapacityLimiter(THREADS) if real is not None else None
        self._holders: dict[PurePosixPath, str] = {}
        self._released = anyio.Event()
        self._watches: list[_Watch] = []

    async def identify(self, tree: str) -> None:
        """See the port."""
        if self._real is None:
            return
        path, now_s = _path(tree), anyio.current_time()
        place = self._places.get(path)
        if place is not None and now_s - place.asked_s < IDENTIFIED_S:
            return
        while len(self._places) >= PATHS_MAX:
            del self._places[next(iter(self._places))]
        # Noted before it is asked: one folder that does not answer is asked once in a while, however many looks come.
        place = self._places[path] = _Place(path if place is None else place.path, now_s)
        with anyio.move_on_after(IDENTIFY_S):
            try:
                found = await anyio.to_thread.run_sync(
                    self._real, tree, abandon_on_cancel=True, limiter=self._threads
                )
            except OSError:
                return
            place.path = _path(found)

    def acquire(self, *, tree: str, holder: str) -> str | None:
        """See the port."""
        other = self.acting(tree=tree, holder=holder)
        if other is None:
            path = _path(tree)
            self._holders[path] = holder
            for watch in self._watches:
                if watch.has_begun and watch.holder != holder and self._conflict(path, watch.path):
                    watch.disturbed_by = watch.disturbed_by or holder
        return other

    def blocker(self, *, tree: str, holder: str) -> str | None:
        """See the port."""
        other = self.acting(tree=tree, holder=holder)
        if other is not None:
            return other
        path = _path(tree)
        looks = (w for w in self._watches if w.keeps_out and w.holder != holder)
        return next((w.holder for w in looks if self._conflict(path, w.path)), None)

    def acting(self, *, tree: str, holder: str) -> str | None:
        """See the port."""
        path = _path(tree)
        others = (
            other for held, other in self._holders.items() if other != holder and self._conflict(path, held)
        )
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

    def _conflict(self, one: PurePosixPath, two: PurePosixPath) -> bool:
        one, two = self._leads_to(one), self._leads_to(two)
        return one.is_relative_to(two) or two.is_relative_to(one)

    def _leads_to(self, path: PurePosixPath) -> PurePosixPath:
        place = self._places.get(path)
        return path if place is None else place.path


def _path(tree: str) -> PurePosixPath:
    path = PurePosixPath(tree)
    assert path.is_absolute(), "a workspace is an absolute path"
    assert ".." not in path.parts, "a workspace is a resolved path"
    return path
