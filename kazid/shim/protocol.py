"""The files through which daemon and shim speak, version 1. Stdlib only, used by both.

    request.json   written by the daemon before it starts the shim
    claim          linked by the shim before it runs anything, or by recovery to revoke: whoever links first wins
    result.json    written by the shim, durably, when the attempt is over

The claim is flocked by the shim for its whole life, so a claim without a lock is a dead shim. Nothing here starts or
ends a process, and nothing secret is in any of these files: secrets are in the shim's environment only.
"""

import fcntl
import json
import os
import stat
from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes as long to import as all the rest of the shim
    from typing import Any

VERSION = 1
REQUEST, CLAIM, RESULT, PROMPT = "request.json", "claim", "result.json", "prompt"
MARKER = "KAZI_ATTEMPT"
"""The variable that names the attempt in the environment of everything it starts."""

STDOUT, STDERR = "stdout", "stderr"
STREAMS = (STDOUT, STDERR)

NEVER_STARTED, ENDED, KILLED, RUNNING = "never_started", "ended", "killed", "running"
"""What recovery finds; exactly one of them."""

EXITED, SIGNALED, CANCELLED, NOT_STARTED = "exited", "signaled", "cancelled", "not_started"
IDLE_TIMEOUT, TOTAL_TIMEOUT, ORPHANED = "idle_timeout", "total_timeout", "orphaned"
"""How an attempt ended, in `ended` of the result; NEVER_STARTED too, for a request this shim cannot read."""

RECORD_BYTES_MAX = 8 * 1024 * 1024
"""An argv is 2 MiB at most on Linux by default; JSON escapes take the rest."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def open_regular(path: str) -> int:
    """A descriptor to read a regular file with. Raises OSError, also where the name is a link, a pipe or a folder."""
    fd = os.open(path, _READ)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"not a regular file: {path}")
    return fd


def write_durably(folder: str, name: str, record: "Mapping[str, Any]") -> None:
    """Replace a JSON file atomically and make it durable. Raises OSError (a full disk); then the old one is left."""
    temporary = os.path.join(folder, f".{name}.{os.getpid()}")
    fd = os.open(temporary, _CREATE, 0o600)
    try:
        try:
            _write(fd, record)
        finally:
            os.close(fd)
        os.rename(temporary, os.path.join(folder, name))
    except OSError:
        _unlink(temporary)
        raise
    sync_folder(folder)


def read_record(folder: str, name: str) -> "dict[str, Any] | None":
    """A JSON object, None when the file is not there or not one."""
    try:
        fd = open_regular(os.path.join(folder, name))
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        try:
            record: dict[str, Any] | int = json.loads(file.read(RECORD_BYTES_MAX))
        except (ValueError, OSError, RecursionError):
            return None
    return record if isinstance(record, dict) else None


def sync_folder(folder: str) -> None:
    """Make renames and links in it durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def claim(folder: str, record: "Mapping[str, Any]") -> int | None:
    """Link the claim with this content, locked from its first moment; the lock's fd, None when somebody was first.

    Durable on return: after a power failure a claim that was lost would read as never started. Raises OSError.
    """
    temporary = os.path.join(folder, f".claim.{os.getpid()}.{os.urandom(4).hex()}")
    fd = os.open(temporary, _CREATE | os.O_EXCL, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        _write(fd, record)
        os.link(temporary, os.path.join(folder, CLAIM))
        sync_folder(folder)
    except FileExistsError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    finally:
        _unlink(temporary)
    return fd


def revoke_or_inspect(folder: str) -> "tuple[str, dict[str, Any] | None]":
    """What became of an attempt whose daemon died: (never_started | ended | killed | running, record).

    Takes the claim where nobody has, so that a shim that starts later runs nothing. The record is the result for
    `ended`, the claim (pid, start_time, boot_id) for `running` and `killed`. `ended` comes before `running`: the shim
    of a product writes its result and stays. Raises OSError when the disk refuses.
    """
    if not os.path.isdir(folder):
        return NEVER_STARTED, None
    if not os.path.lexists(os.path.join(folder, CLAIM)):
        fd = claim(folder, {"version": VERSION, "revoked": True})
        if fd is not None:
            os.close(fd)
            return NEVER_STARTED, None
    claimed = read_record(folder, CLAIM)
    if claimed is not None and claimed.get("revoked"):
        return NEVER_STARTED, None
    result = read_record(folder, RESULT)
    if result is not None:
        return ENDED, result
    if is_locked(folder):
        return RUNNING, claimed
    result = read_record(folder, RESULT)  # it may have been written just before the lock went
    return (ENDED, result) if result is not None else (KILLED, claimed)


def is_locked(folder: str) -> bool:
    """True while the shim that claimed this attempt lives.

    The lock is asked for shared: two that ask see the shim, not each other.
    """
    try:
        fd = open_regular(os.path.join(folder, CLAIM))
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _write(fd: int, record: "Mapping[str, Any]") -> None:
    data = json.dumps(record).encode()
    while data:
        data = data[os.write(fd, data) :]
    os.fsync(fd)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # a leftover name harms nobody, and goes with its folder
