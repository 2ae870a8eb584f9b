"""Files that users name, read by the daemon: regular ones, and a bounded part of them."""

import errno
import hashlib
import os
import stat

SOURCE_BYTES_MAX = 1_000_000


def file_sha256(path: str) -> str | None:
    """The hash of its content; None where it cannot be read."""
    try:
        return hashlib.sha256(_read_regular(path)).hexdigest()
    except OSError:
        return None


def read_source(path: str) -> str:
    """A file a goal-file refers to (gherkin features), bounded. Raises OSError and UnicodeDecodeError."""
    return _read_regular(path).decode()


def _read_regular(path: str) -> bytes:
    """The first megabyte of a regular file; a FIFO or a device that a user named must not hold the daemon."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return file.read(SOURCE_BYTES_MAX)
