"""Room kept back for the day the disk is full: a file of real blocks beside the database.

Unlinking it makes room for the few events a person needs recorded then (stop, suspend). Until it is back, nothing else
may be appended: the room it made is not for the events that filled the disk. Blocking; runs in the writer's thread.
"""

import errno
import os

RESERVE_BYTES = 1024 * 1024
"""Room for some hundred urgent events: each costs a handful of 4 KiB pages in the write-ahead log."""

_OWNER_ONLY = 0o600


class Reserve:
    """The reserve file of one database."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._is_held = False

    def ensure(self) -> None:
        """Hold the reserve, making it again when it was spent. Raises OSError when there is no room for it."""
        if self._is_held:
            return
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _OWNER_ONLY)
        try:
            _fill(descriptor)
        except OSError:
            # part of a reserve is no reserve, and the blocks it got are the last ones there are
            os.unlink(self.path)
            raise
        finally:
            os.close(descriptor)
        self._is_held = True

    def spend(self) -> None:
        """Give the blocks back to the file system. Harmless when they are spent already."""
        self._is_held = False
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return


def _fill(descriptor: int) -> None:
    """Blocks for the whole file; a sparse file would reserve nothing."""
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        # not every C library falls back to writing where the file system cannot preallocate
        with open(descriptor, "wb", closefd=False) as file:
            file.write(bytes(RESERVE_BYTES))
