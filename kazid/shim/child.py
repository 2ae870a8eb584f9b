"""Starting the command of an attempt: a session of its own, clean signals, three descriptors, and nothing else.

The command dies with the shim (PDEATHSIG), from its first moment: a shim that is killed leaves no command that goes on
without deadlines, and none that recovery could miss. Why an exec failed comes back through a pipe that exec closes.
Knows no deadlines.
"""

import ctypes
import errno
import os
import signal
from collections.abc import Mapping, Sequence

from kazid.shim.bounds import Bounds, bounds_of

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_EXEC_FAILED = 127

_prctl = ctypes.CDLL(None).prctl
_prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)


def become_subreaper() -> None:
    """Let orphans below this process become its children: nothing leaves the tree."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def close_on_exec() -> None:
    """Keep whatever was inherited, the daemon's done pipe too, from the child."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                pass  # the descriptor of the listing itself


def original_environment() -> dict[bytes, bytes]:
    """The environment this process was started with. Python adds LC_CTYPE to its own in the C locale."""
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return dict(os.environb)
    found: dict[bytes, bytes] = {}
    for entry in entries:
        name, sign, value = entry.partition(b"=")
        if sign and name:
            found.setdefault(name, value)
    return found


class Child:
    """The command, forked. `pid` may be waited for; `why_not_started` is known once it ended."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[bytes, bytes],
        stdin_fd: int,
        stdout_fd: int,
        stderr_fd: int,
        limits: Mapping[str, int],
        group: "str | None" = None,
    ) -> None:
        """Fork. Raises OSError (no process, no descriptor); then nothing was started."""
        self._status_fd, status_fd = os.pipe2(os.O_CLOEXEC)
        shim_pid = os.getpid()
        bounds = bounds_of(limits, group=group)
        everything = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.pid = os.fork()
            if self.pid == 0:
                _become(argv, cwd, env, (stdin_fd, stdout_fd, stderr_fd), status_fd, shim_pid, bounds)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, everything)
            os.close(status_fd)
        self._argv, self._cwd = argv, cwd

    def why_not_started(self) -> str | None:
        """Why there was no exec, None when there was. Ask once, after the child ended."""
        try:
            said = os.read(self._status_fd, 64).decode()
        finally:
            os.close(self._status_fd)
        if not said:
            return None
        step, _, number = said.partition(" ")
        name = errno.errorcode.get(int(number), number)
        said = os.strerror(int(number)).lower()
        if step == "limits":
            return f"cannot be limited: {name} ({said})"
        if step == "cwd":
            return f"cannot enter the folder: {name} ({said}): {self._cwd}"
        command = os.path.join(self._cwd, self._argv[0])
        if name == "ENOENT" and "/" in self._argv[0] and os.path.exists(command):
            said = "its interpreter is missing"
        return f"exec failed: {name} ({said}): {self._argv[0]}"


def _become(
    argv: Sequence[str],
    cwd: str,
    env: Mapping[bytes, bytes],
    fds: tuple[int, int, int],
    status_fd: int,
    shim_pid: int,
    bounds: Bounds,
) -> None:
    """In the child: turn into the command. Never returns."""
    step = "start"
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != shim_pid:
            return  # the shim died before it could be noticed
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
        for number in signal.valid_signals():
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass  # KILL and STOP
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        step = "limits"
        bounds.apply()
        step = "cwd"
        os.chdir(_bytes(cwd))
        step = "exec"
        _exec([_bytes(argument) for argument in argv], env)
    except OSError as error:
        os.write(status_fd, f"{step} {error.errno or 0}".encode())
    finally:
        os._exit(_EXEC_FAILED)


def _exec(argv: list[bytes], env: Mapping[bytes, bytes]) -> None:
    """Replace this process; a bare name is looked for on the child's own PATH. Raises OSError."""
    if b"/" in argv[0]:
        os.execve(argv[0], argv, env)
    failure: OSError = FileNotFoundError(errno.ENOENT, "not on PATH")
    for folder in env.get(b"PATH", b"/usr/bin:/bin").split(b":"):
        try:
            os.execve(os.path.join(folder or b".", argv[0]), argv, env)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                failure = error
    raise failure


def _bytes(text: str) -> bytes:
    """JSON carries text; the file system is UTF-8 here, whatever the locale of the attempt says."""
    return text.encode("utf-8", "surrogateescape")
