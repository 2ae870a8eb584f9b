"""The daemon's scratch folder below the system's temporary one: what a look or a trial needs and nobody keeps.

One folder per daemon, named by state and pid, 0700 and ours. A lock on the folder itself says that its daemon lives, in
whatever pid namespace; the kernel lets go of it at kill -9, and systemd-tmpfiles leaves a locked folder alone. What
daemons of the same state left behind is swept at start, behind everybody's back.
"""

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PREFIX = "kazi-"
LEFT_MAX = 1000
"""Folders that one start sweeps; more than this, and the next start goes on."""


class Scratch:
    """One folder for one daemon, made when it is first asked for, and again when somebody removed it."""

    def __init__(self, *, state_id: str, below: str | None = None) -> None:
        self._below = Path(below or tempfile.gettempdir())
        self._prefix = f"{PREFIX}{state_id}-"
        self._path = self._below / f"{self._prefix}{os.getpid()}"
        self._lock: int | None = None
        self._guard = threading.Lock()

    def folder(self) -> str | None:
        """Where to put things; None where there can be no such folder, and the system's own has to do."""
        with self._guard:
            try:
                if self._lock is None or not _is_the_same(self._lock, self._path):
                    self._make()
            except OSError:
                return None
            return str(self._path)

    def sweep(self) -> None:
        """Begin to remove what no living daemon of this state has; returns at once."""
        threading.Thread(target=self.sweep_now, name="scratch-sweep", daemon=True).start()

    def sweep_now(self) -> None:
        """Remove it."""
        with suppress(OSError):
            left = [entry for entry in os.scandir(self._below) if entry.name.startswith(self._prefix)]
            for entry in left[:LEFT_MAX]:
                if entry.name != self._path.name:
                    _remove_dead(Path(entry.path))

    def close(self) -> None:
        """Remove our own: a clean end leaves nothing."""
        with self._guard:
            if self._lock is not None:
                remove_tree(self._path)
                os.close(self._lock)
                self._lock = None

    def _make(self) -> None:
        """A fresh folder, locked. One of our name is from a former life with our pid: set aside for the sweep."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if os.path.lexists(self._path):
            os.rename(self._path, f"{self._path}.{secrets.token_hex(4)}")
        os.mkdir(self._path, 0o700)
        self._lock = _locked(self._path)


def remove_tree(path: Path) -> None:
    """Remove a folder of ours with all that is in it, whatever its modes (a module cache is read-only throughout)."""

    def insist(function: Callable[..., object], name: str, _: object) -> None:
        with suppress(OSError):
            for each in (os.path.dirname(name), name):
                if not os.path.islink(each):
                    os.chmod(each, 0o700)
            if function in (os.open, os.scandir, os.listdir):
                shutil.rmtree(name, ignore_errors=True)
            else:
                function(name)

    shutil.rmtree(path, onerror=insist)  # pyright: ignore[reportDeprecated] - 3.11 has no onexc


def _remove_dead(path: Path) -> None:
    """Remove the folder unless somebody else's it is, or its daemon lives."""
    with suppress(OSError):
        info = os.lstat(path)
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
            return
        lock = _locked(path)
        try:
            remove_tree(path)
        finally:
            os.close(lock)


def _locked(path: Path) -> int:
    """A descriptor of the folder that holds its lock. Raises OSError where it is somebody's, or no folder of ours."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        info = os.fstat(fd)
        if info.st_uid != os.geteuid():
            raise PermissionError(f"{path} belongs to uid {info.st_uid}")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def _is_the_same(fd: int, path: Path) -> bool:
    try:
        here, there = os.fstat(fd), os.lstat(path)
    except OSError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
