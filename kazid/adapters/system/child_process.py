"""One child process from its start to its verified end: bounded output, one deadline, nothing left behind.

The commands of checks and the git function run on it; executor attempts do not, their parent is the shim.

It uses Popen and a pidfd instead of `anyio.open_process`, for three things the latter cannot do: the exit is seen
while a grandchild still holds the pipes; the group is killed while the zombie still keeps its number from being given
to somebody else; and no child watcher has to be installed. It also costs the loop a quarter less
(reference/feasibility.md, section 2) and is the same on every anyio backend.
"""

import fcntl
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

import anyio
import anyio.to_thread

from kazid.adapters.system.capture import Capture
from kazid.shim.proctree import descendants, is_alive, marked, signal_process, start_time

STRAGGLER_GRACE_S = 0.5
"""How long a process that holds a pipe after the command ended may still print."""

KILL_S = 5.0
"""How long an end may take that has to be verified; a process in uninterruptible sleep takes any time it likes."""

END_S = KILL_S + 1.0
"""For whoever awaits `end` in a `finally`, shielded: it is over before."""

_KILL_POLL_S = 0.01
_READ_BYTES = 64 * 1024
_FLOOD_READ_BYTES = 1024 * 1024
_FLOOD_PAUSE_S = 0.002
"""Beyond the bound a stream is only drained, so that its writer can end: in big gulps with pauses, 0.5 GB/s at most."""


class ChildProcess:
    """Use once: `start` and `attend` inside a deadline, and `end` in a `finally` whatever became of them."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        marker: tuple[str, str],
        stdout: Capture,
        stderr: Capture | None,
        stdin: bytes | None = None,
    ) -> None:
        assert os.path.isabs(cwd), "a relative folder would be one of the daemon's"
        assert env.get(marker[0]) == marker[1], "what is not marked cannot be found again"
        self.stdout = stdout
        self.stderr = stderr
        self.has_exited = False
        """True when the command ended by itself, in time."""
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.survivors: tuple[int, ...] = ()
        """Processes that were still there after KILL_S."""
        self._argv = tuple(argv)
        self._cwd = cwd
        self._env = env
        self._marker = marker
        self._stdin = stdin
        self._popen: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._pipes: dict[int, Capture] = {}
        self._has_closed_pipes = False
        self._is_reaped = False

    @property
    def has_started(self) -> bool:
        """True once there is a process."""
        return self._popen is not None

    def start(self) -> None:
        """Start it in a session of its own. Raises OSError or ValueError; then nothing runs, and `end` cleans up."""
        assert self._popen is None, "a child process is used once"
        ends = [self._pipe_into(self.stdout)]
        try:
            ends.append(subprocess.STDOUT if self.stderr is None else self._pipe_into(self.stderr))
            ends.append(subprocess.DEVNULL if self._stdin is None else _file_of(self._stdin))
            self._popen = subprocess.Popen(
                self._argv,
                stdin=ends[2],
                stdout=ends[0],
                stderr=ends[1],
                cwd=self._cwd,
                env=self._env,
                start_new_session=True,
            )
        finally:
            for end in ends:
                if end >= 0:
                    os.close(end)
        self._pidfd = os.pidfd_open(self._popen.pid)

    async def attend(self) -> None:
        """Return once it exited and its pipes are closed, or STRAGGLER_GRACE_S after it exited."""
        async with anyio.create_task_group() as readers:
            for pipe, capture in self._pipes.items():
                readers.start_soon(_drain, pipe, capture)
            await anyio.wait_readable(self._pidfd)
            self.has_exited = True
            readers.cancel_scope.deadline = anyio.current_time() + STRAGGLER_GRACE_S
        self._has_closed_pipes = not readers.cancel_scope.cancelled_caught

    async def end(self) -> None:
        """Leave nothing behind: kill what still runs, reap, close. Shielded, and bounded by KILL_S."""
        try:
            if self._popen is not None:
                if not (self.has_exited and self._has_closed_pipes):
                    await self._kill_tree(self._popen)
                self._kill_group(self._popen)
                self._reap(self._popen)
                _drain_rest(self._pipes)
        finally:
            for descriptor in (*self._pipes, self._pidfd):
                if descriptor >= 0:
                    os.close(descriptor)
            self._pipes, self._pidfd = {}, -1

    def _pipe_into(self, capture: Capture) -> int:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        self._pipes[read_end] = capture
        return write_end

    async def _kill_tree(self, popen: "subprocess.Popen[bytes]") -> None:
        """Kill the group, all descendants and all that carry the marker, again until nobody is found."""
        known: dict[int, int] = {}
        self.survivors = (popen.pid,)
        # A thread of its own: an end must not wait for threads that are busy with what it is to end.
        thread = anyio.CapacityLimiter(1)
        with anyio.move_on_after(KILL_S, shield=True):
            while self.survivors:
                self.survivors = await anyio.to_thread.run_sync(
                    _kill_round, popen.pid, self._marker, known, limiter=thread, abandon_on_cancel=True
                )
                if self.survivors:
                    await anyio.sleep(_KILL_POLL_S)

    def _kill_group(self, popen: "subprocess.Popen[bytes]") -> None:
        """Kill what is left of the group. Its leader is not reaped yet, so the number still means this group."""
        assert not self._is_reaped, "a reaped leader's number may be anybody's"
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)

    def _reap(self, popen: "subprocess.Popen[bytes]") -> None:
        """Take the exit status. Popen would answer 0 where somebody else took it, and a 0 is a green."""
        with suppress(ChildProcessError):
            ended = os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOHANG)
            if ended is None:
                return  # cannot be killed; Popen polls it whenever the next child is started
            if ended.si_code == os.CLD_EXITED:
                self.exit_code = ended.si_status
            else:
                self.signal = ended.si_status
        self._is_reaped = True
        popen.returncode = self.exit_code if self.exit_code is not None else -(self.signal or 0)


def _file_of(content: bytes) -> int:
    """A descriptor of a file with this content: unlike a pipe it waits for no reader."""
    descriptor = os.memfd_create("stdin")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


async def _drain(pipe: int, capture: Capture) -> None:
    """Read to the end of the stream; what is beyond the bound is read too, or its writer would never end."""
    size = _READ_BYTES
    while True:
        await anyio.wait_readable(pipe)
        with suppress(BlockingIOError):
            chunk = os.read(pipe, size)
            if not chunk:
                return
            capture.feed(chunk)
        if capture.is_over:
            if size != _FLOOD_READ_BYTES:
                size = _FLOOD_READ_BYTES
                with suppress(OSError):
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)
            await anyio.sleep(_FLOOD_PAUSE_S)


def _drain_rest(pipes: Mapping[int, Capture]) -> None:
    """Take what was printed and not yet read: never more than a pipe holds, however fast somebody writes."""
    for pipe, capture in pipes.items():
        with suppress(BlockingIOError):
            if chunk := os.read(pipe, _FLOOD_READ_BYTES):
                capture.feed(chunk)


def _kill_round(root: int, marker: tuple[str, str], known: dict[int, int]) -> tuple[int, ...]:
    """Kill whom this round finds, and return who was alive. `known` grows: who was seen once is not lost again."""
    with suppress(OSError):  # out of descriptors: the group is killed all the same
        for pid in {*descendants(root), *marked(*marker)} - {os.getpid()}:
            started = start_time(pid)
            if started is not None:
                known.setdefault(pid, started)
    alive = tuple(pid for pid, started in known.items() if is_alive(pid, started))
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(root, signal.SIGKILL)
    for pid in alive:
        signal_process(pid, signal.SIGKILL, known[pid])
    return tuple({*alive, root}) if is_alive(root) else alive
