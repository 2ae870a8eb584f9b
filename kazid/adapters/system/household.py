"""The daemon's own files: state folder, lock, socket, start record. Everything that must be race-free at start.

The lock on the state folder decides who the daemon is; the lock beside the socket decides who may bind it (an existing
socket is never unlinked while somebody listens). Each refusal is one line that says what to do.
"""

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path

import msgspec

from kazid.core.errors import StartRefused
from kazid.wire.paths import socket_lock

SOCKET_PATH_BYTES_MAX = 107
FAILED_STARTS_MAX = 3
FAILED_STARTS_WINDOW_S = 300.0
BACKLOG = 1024
STARTS_KEPT = 16


def make_state_dir(path: str) -> Path:
    """The state folder, 0700, ours. Raises StartRefused."""
    folder = Path(path)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.stat()
        if not stat.S_ISDIR(info.st_mode):
            raise StartRefused(f"state folder {path} is not a folder")
        if info.st_uid != os.geteuid():
            raise StartRefused(
                f"state folder {path} belongs to uid {info.st_uid}, not to us ({os.geteuid()})"
            )
        folder.chmod(0o700)
    except OSError as error:
        raise StartRefused(f"cannot use state folder {path}: {error.strerror}") from error
    return folder.resolve()


class StateLock:
    """Held for the life of the daemon: one daemon per state folder."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "kazid.lock"
        self._fd = _lock(self._path, busy=f"another kazid uses {state_dir}")
        _write_pid(self._fd)

    def release(self) -> None:
        """Let the next daemon in."""
        os.close(self._fd)


class ApiSocket:
    """A Unix socket bound by us: 0600 from its first moment, bound anew where its name is gone, unlinked when we go."""

    def __init__(self, path: str) -> None:
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
            raise StartRefused(
                f"socket path is {len(os.fsencode(path))} bytes, the kernel takes {SOCKET_PATH_BYTES_MAX}: {path}; "
                "choose a shorter one with --socket or KAZI_SOCKET"
            )
        self.path = path
        folder = Path(path).parent
        try:
            if not folder.exists():
                folder.mkdir(mode=0o700, parents=True)
            self._lock_fd = _lock(Path(socket_lock(path)), busy=f"another kazid listens on {path}")
            _write_pid(self._lock_fd)
            self.socket = self._bind()
        except OSError as error:
            raise StartRefused(f"cannot listen on {path}: {error.strerror}") from error
        self._bound = _identity(path)

    def listen_again(self) -> socket.socket | None:
        """A new listening socket where the name no longer leads to the last one, else None.

        A user's runtime folder is removed with all that is in it when their last session ends, and comes back empty.
        Raises: StartRefused (the name is somebody else's now, or cannot be made: ask again later).
        """
        if self._is_ours():
            return None
        lock = socket_lock(self.path)
        try:
            Path(self.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _identity(lock) != _identity(self._lock_fd):
                lock_fd = _lock(Path(lock), busy=f"another kazid listens on {self.path}")
                _write_pid(lock_fd)
                os.close(self._lock_fd)
                self._lock_fd = lock_fd
            self.socket = self._bind()
        except OSError as error:
            raise StartRefused(f"cannot listen on {self.path}: {error.strerror}") from error
        self._bound = _identity(self.path)
        return self.socket

    def _is_ours(self) -> bool:
        return self._bound is not None and _identity(self.path) == self._bound

    def _bind(self) -> socket.socket:
        if _somebody_listens(self.path):
            raise StartRefused(f"somebody else listens on {self.path}; stop it or choose another --socket")
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(self.path).st_mode):
                raise StartRefused(f"{self.path} exists and is not a socket")
            Path(self.path).unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        old_umask = os.umask(0o177)
        try:
            listener.bind(self.path)
        finally:
            os.umask(old_umask)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return listener

    def close(self) -> None:
        """Stop listening and leave nothing behind."""
        self.socket.close()
        if self._is_ours():
            with contextlib.suppress(OSError):
                Path(self.path).unlink()
        os.close(self._lock_fd)


def _identity(place: str | int) -> tuple[int, int] | None:
    """Device and inode of what has that name, a link itself, or is open there; None where nothing is."""
    try:
        info = os.fstat(place) if isinstance(place, int) else os.lstat(place)
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _lock(path: Path, *, busy: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise StartRefused(f"cannot open lock {path}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
        os.close(fd)
        raise StartRefused(f"{busy}{f' (pid {holder})' if holder else ''}") from None
    return fd


def _write_pid(fd: int) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)


def _somebody_listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            return True  # its backlog is full: somebody who is busy, or stopped
        except OSError:
            return False
        return True


class StartEntry(msgspec.Struct):
    """One start: when, and how far it came (`starting`, `ready`, `failed`, `lived`)."""

    at: float
    state: str


class StartRecord:
    """How recent starts ended, so that a daemon that keeps failing by itself starts degraded (SEMANTICS §7).

    Counts starts that ended by a recorded exception or before READY; an end after READY that left no record (kill -9,
    power) never counts. A start that lived, or stopped as asked, forgets the failures.
    """

    def __init__(self, state_dir: Path, *, now_wall_s: float) -> None:
        self._path = state_dir / "starts.json"
        self._starts = [s for s in _read_starts(self._path) if now_wall_s - s.at < FAILED_STARTS_WINDOW_S]
        self.failed = sum(1 for s in self._starts if s.state in ("starting", "failed"))
        self._starts.append(StartEntry(now_wall_s, "starting"))
        self._write()

    @property
    def is_failing(self) -> bool:
        """Three starts in five minutes failed by themselves."""
        return self.failed >= FAILED_STARTS_MAX

    def mark(self, state: str) -> None:
        """`ready`, `failed`, or `lived` (forgets what was before)."""
        if state == "lived":
            self._starts = self._starts[-1:]
        self._starts[-1].state = state
        self._write()

    def _write(self) -> None:
        temporary = self._path.with_suffix(".tmp")
        try:
            temporary.write_bytes(msgspec.json.encode(self._starts[-STARTS_KEPT:]))
            temporary.replace(self._path)
        except OSError:
            return  # a full disk is reported by the journal; this record only guards against our own failures


def _read_starts(path: Path) -> list[StartEntry]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[StartEntry])
    except (OSError, msgspec.MsgspecError):
        return []  # a torn or foreign record counts no failures: degraded mode must not start by accident
