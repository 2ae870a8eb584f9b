"""Files by inotify, processes by pidfd, units by what systemd keeps of them in /run: one epoll, one task, no thread.

A thread is taken only while a path is traced, since a file system may hang. A path whose parts came, went or were
replaced is traced again; one that lies below a folder that was moved as a whole is found again at the next `watch`.
Units: systemd links /run/systemd/units/invocation:UNIT while a unit that runs something is up, and removes it when it
is down (unit_export_state_files and unit_notify in its source), so no bus is needed, and no right to one.
"""

import os
import select
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, assert_never

import anyio
import anyio.to_thread
import structlog
from anyio.abc import TaskGroup, TaskStatus

from kazid.adapters.system.inotify import (
    GONE,
    IGNORED,
    OVERFLOW,
    STRUCTURE,
    Event,
    Inotify,
    Point,
    Traced,
    trace,
)
from kazid.core.watch import (
    FileSource,
    HookSource,
    PidFileSource,
    ProcessSource,
    Source,
    UnitSource,
)
from kazid.ports.watcher import WatchKey

log = structlog.get_logger(__name__)

KERNEL_WATCHES_MAX = 16_384
"""Of the daemon: two to four for each watched path, 1 KB of kernel memory each."""
PROCESSES_MAX = 4096
"""A descriptor each."""
THREADS_MAX = 8
TRACE_S_MAX = 2.0
"""A path on a file system that hangs is given up, and polled."""
GATHER_S = 0.005
"""After each reading: a writer's thousand lines are one event by then, because the kernel joins equal neighbours."""
RETRACE_PAUSE_S = 0.05
PID_FILE_BYTES_MAX = 64
PID_MAX = 4_194_304
SYSTEMD_RUNS = "/run/systemd/system"
NO_SYSTEMD = "systemd does not run here"
TOO_MANY = "too many watches; it is polled"

_Answer = TypeVar("_Answer")


class _Watched:
    """What one key watches."""

    def __init__(self, wake: Callable[[Source], None]) -> None:
        self.wake = wake
        self.points: dict[Source, tuple[Point, ...]] = {}
        self.pids: dict[Source, int] = {}
        self.ended: dict[Source, int] = {}
        """Processes whose end was told: it is told once."""
        self.problems: dict[Source, str] = {}


class SystemWatcher:
    """The port on Linux. Runs as a child of the daemon; before that, and after, it watches and tells nothing."""

    def __init__(self, *, units: str = "/run/systemd/units", systemd_runs: str = SYSTEMD_RUNS) -> None:
        self._units = units
        self._has_systemd = os.path.isdir(systemd_runs)
        self._epoll = select.epoll()
        self._inotify: Inotify | None = None
        self._keys: dict[WatchKey, _Watched] = {}
        self._users: dict[int, dict[tuple[WatchKey, Source], set[str | None]]] = {}
        """Who needs which name of a kernel watch."""
        self._processes: dict[int, tuple[int, set[tuple[WatchKey, Source]]]] = {}
        """By pid: its descriptor, and who waits for its end."""
        self._pid_of: dict[int, int] = {}
        self._limiter: anyio.CapacityLimiter | None = None
        self._tracing = 0
        self._tracing_lock = threading.Lock()
        self._retraced: dict[WatchKey, set[Source]] = {}
        self._group: TaskGroup | None = None

    # --- the port ---------------------------------------------------------------------------------------------

    async def watch(
        self, key: WatchKey, sources: Sequence[Source], wake: Callable[[Source], None]
    ) -> Mapping[Source, str]:
        """See the port."""
        watched = self._keys.get(key)
        if watched is None:
            watched = self._keys[key] = _Watched(wake)
        watched.wake = wake
        for source in {*watched.points, *watched.pids, *watched.ended, *watched.problems} - set(sources):
            self._forget(key, watched, source)
        for source in sources:
            await self._arm(key, watched, source)
        self._sweep()
        return dict(watched.problems)

    def drop(self, key: WatchKey) -> None:
        """See the port."""
        watched = self._keys.pop(key, None)
        self._retraced.pop(key, None)
        if watched is None:
            return
        for source in {*watched.points, *watched.pids}:
            self._forget(key, watched, source)
        self._sweep()

    @property
    def counts(self) -> tuple[int, int]:
        """Kernel watches and processes held now."""
        return len(self._users), len(self._processes)

    # --- arming -----------------------------------------------------------------------------------------------

    async def _arm(self, key: WatchKey, watched: _Watched, source: Source) -> None:
        """Watch one source as it is now; what cannot be watched is noted."""
        problem = ""
        match source:
            case FileSource():
                problem = await self._arm_path(key, watched, source, source.path)
            case PidFileSource():
                problem = await self._arm_path(key, watched, source, source.path)
                pid = await self._in_thread(partial(_pid_in, source.path))
                if self._keys.get(key) is watched:
                    problem = self._arm_process(key, watched, source, pid) or problem
            case ProcessSource():
                problem = self._arm_process(key, watched, source, source.pid)
            case UnitSource():
                problem = NO_SYSTEMD
                if self._has_systemd:
                    problem = await self._arm_path(key, watched, source, self._link_of(source))
            case HookSource():
                return
            case _:
                assert_never(source)
        if problem:
            watched.problems[source] = problem
        else:
            watched.problems.pop(source, None)

    def _link_of(self, source: UnitSource) -> str:
        folder = self._units
        if source.user:
            folder = f"/run/user/{os.geteuid()}/systemd/units"
        return f"{folder}/invocation:{source.unit}"

    async def _arm_path(self, key: WatchKey, watched: _Watched, source: Source, path: str) -> str:
        if len(self._users) >= KERNEL_WATCHES_MAX:
            return TOO_MANY
        if self._inotify is None:
            try:
                self._inotify = Inotify()
            except OSError as error:
                return f"inotify: {error.strerror}"
            self._epoll.register(self._inotify.descriptor, select.EPOLLIN)
        traced = await self._in_thread(partial(self._trace, self._inotify, path))
        if traced is None:
            return f"{path}: not looked through in {TRACE_S_MAX:g} s"
        if self._keys.get(key) is not watched:
            return ""  # dropped meanwhile
        self._use(key, watched, source, traced.points)
        return traced.problem

    def _trace(self, inotify: Inotify, path: str) -> Traced:
        """In a thread. While one runs no kernel watch is removed: it may be the one it was just given."""
        with self._tracing_lock:
            self._tracing += 1
        try:
            return trace(inotify, path)
        finally:
            with self._tracing_lock:
                self._tracing -= 1

    async def _in_thread(self, work: Callable[[], _Answer]) -> _Answer | None:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(THREADS_MAX)
        with anyio.move_on_after(TRACE_S_MAX):
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._limiter)
        return None

    def _arm_process(self, key: WatchKey, watched: _Watched, source: Source, pid: int | None) -> str:
        held = watched.pids.get(source)
        if pid == held or (pid is not None and watched.ended.get(source) == pid):
            return ""
        self._release(key, watched, source)
        if pid is None:
            watched.ended.pop(source, None)
            return ""
        if pid not in self._processes:
            if len(self._processes) >= PROCESSES_MAX:
                return TOO_MANY
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                watched.ended[source] = pid
                watched.wake(source)
                return ""
            except OSError as error:
                return f"process {pid}: {error.strerror}"
            self._processes[pid] = (descriptor, set())
            self._pid_of[descriptor] = pid
            self._epoll.register(descriptor, select.EPOLLIN)
        self._processes[pid][1].add((key, source))
        watched.pids[source] = pid
        watched.ended.pop(source, None)
        return ""

    # --- who uses what ----------------------------------------------------------------------------------------

    def _use(self, key: WatchKey, watched: _Watched, source: Source, points: tuple[Point, ...]) -> None:
        self._unuse(key, watched, source)
        for point in points:
            self._users.setdefault(point.watch, {}).setdefault((key, source), set()).add(point.name)
        watched.points[source] = points

    def _unuse(self, key: WatchKey, watched: _Watched, source: Source) -> None:
        for point in watched.points.pop(source, ()):
            users = self._users.get(point.watch)
            if users is not None:
                users.pop((key, source), None)

    def _release(self, key: WatchKey, watched: _Watched, source: Source) -> None:
        """The source waits for no process any more."""
        pid = watched.pids.pop(source, None)
        if pid is None or pid not in self._processes:
            return
        descriptor, waiting = self._processes[pid]
        waiting.discard((key, source))
        if not waiting:
            self._close_process(pid, descriptor)

    def _close_process(self, pid: int, descriptor: int) -> None:
        self._epoll.unregister(descriptor)
        os.close(descriptor)
        del self._processes[pid], self._pid_of[descriptor]

    def _forget(self, key: WatchKey, watched: _Watched, source: Source) -> None:
        self._unuse(key, watched, source)
        self._release(key, watched, source)
        watched.ended.pop(source, None)
        watched.problems.pop(source, None)

    def _sweep(self) -> None:
        """Give back kernel watches that nobody needs."""
        with self._tracing_lock:
            if self._tracing or self._inotify is None:
                return
            for number in [number for number, users in self._users.items() if not users]:
                self._inotify.remove(number)
                del self._users[number]

    # --- telling ----------------------------------------------------------------------------------------------

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Tell what happens until cancelled."""
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                task_status.started()
                while True:
                    await anyio.wait_readable(self._epoll.fileno())
                    self._tell()
                    await anyio.sleep(GATHER_S)
        finally:
            self._group = None
            self._close()

    def _tell(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            pid = self._pid_of.get(descriptor)
            if pid is not None:
                self._tell_end(pid)
            elif self._inotify is not None and descriptor == self._inotify.descriptor:
                self._tell_events(self._inotify.read())

    def _tell_end(self, pid: int) -> None:
        descriptor, waiting = self._processes[pid]
        self._close_process(pid, descriptor)
        for key, source in waiting:
            watched = self._keys[key]
            watched.pids.pop(source, None)
            watched.ended[source] = pid
            watched.wake(source)

    def _tell_events(self, events: Iterable[Event]) -> None:
        changed: dict[tuple[WatchKey, Source], bool] = {}
        for event in events:
            if event.mask & OVERFLOW:
                log.warning("watcher.overflowed")
                changed |= {user: True for users in self._users.values() for user in users}
                continue
            users = self._users.get(event.watch)
            if users is None:
                continue
            is_of_all = bool(event.mask & GONE)
            for user, names in users.items():
                if is_of_all or None in names or event.name in names:
                    is_structural = bool(event.mask & STRUCTURE) or isinstance(user[1], PidFileSource)
                    changed[user] = changed.get(user, False) or is_structural
            if event.mask & IGNORED:
                del self._users[event.watch]
        for (key, source), is_structural in changed.items():
            watched = self._keys.get(key)
            if watched is None:
                continue
            watched.wake(source)
            if is_structural:
                self._retrace(key, source)

    def _retrace(self, key: WatchKey, source: Source) -> None:
        """Soon, and once for many events."""
        waiting = self._retraced.get(key)
        if waiting is not None:
            waiting.add(source)
        elif self._group is not None:
            self._retraced[key] = {source}
            self._group.start_soon(self._trace_again, key)

    async def _trace_again(self, key: WatchKey) -> None:
        """Find what the names lead to now. What changed between the event and here is told once more."""
        waiting = self._retraced[key]
        while waiting and (watched := self._keys.get(key)) is not None:
            source = waiting.pop()
            before = self._state_of(watched, source)
            await self._arm(key, watched, source)
            if self._keys.get(key) is watched and before != self._state_of(watched, source):
                watched.wake(source)
                waiting.add(source)
                await anyio.sleep(RETRACE_PAUSE_S)
        if self._retraced.get(key) is waiting:
            del self._retraced[key]
        self._sweep()

    @staticmethod
    def _state_of(watched: _Watched, source: Source) -> tuple[object, object, object]:
        return watched.points.get(source), watched.pids.get(source), watched.ended.get(source)

    def _close(self) -> None:
        for pid, (descriptor, _) in list(self._processes.items()):
            self._close_process(pid, descriptor)
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
        self._epoll.close()


def _pid_in(path: str) -> int | None:
    """The process id in the first line of a file; blocks."""
    try:
        with Path(path).open("rb") as file:
            words = file.read(PID_FILE_BYTES_MAX).split(b"\n", 1)[0].split()
    except (OSError, ValueError):
        return None
    if len(words) != 1 or not words[0].isdigit():
        return None
    pid = int(words[0])
    return pid if 0 < pid <= PID_MAX else None
