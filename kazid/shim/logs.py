"""Bounded logs of one attempt on disk, readable while they are written.

A stream keeps its head (half of the bound) and its tail as a ring of two segments (a quarter each). Each file is named
by the offset of its first byte, `stdout.0`, `stdout.2097152`, and is only ever appended to: what is missing between two
names was omitted, and a reader needs no index and no lock. Offsets are of the redacted stream, and go on over what was
omitted. Takes bytes that are redacted already (kazid/shim/lines.py); never raises for the disk.
"""

import os
import time

from kazid.shim.protocol import open_regular

SEGMENTS_KEPT = 2
RETRY_S = 1.0
"""A disk that refused is asked again after this long; what comes in between is omitted, and the attempt goes on."""

READ_BYTES_MAX = 1024 * 1024
_LOOKS_MAX = 8
"""How often a reader looks again because the ring turned under it; it turns far more slowly than a look takes."""

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class BoundedLog:
    """Writes one stream."""

    def __init__(self, folder: str, stream: str, *, bytes_max: int) -> None:
        self._folder, self._stream = folder, stream
        self.segment_bytes = max(1024, bytes_max // 4)
        self._offset = 0
        self._segments: list[str] = []
        """The files of the ring, oldest first; the head is not among them."""
        self._fd = -1
        self._room = 0
        self._is_head_open = True
        self._refused_s: float | None = None
        self.dropped_bytes = 0
        """What the disk refused."""

    @property
    def is_head_full(self) -> bool:
        """True once what is written may be omitted again."""
        return not self._is_head_open or (self._room == 0 and self._offset > 0)

    def write(self, data: bytes) -> None:
        """Append; what does not fit the disk is dropped and counted."""
        beyond = len(data) - self._room - SEGMENTS_KEPT * self.segment_bytes
        if self.is_head_full and beyond > 0:
            self.omit(beyond)
            data = data[beyond:]
        while data:
            if self._room == 0 and not self._open_next():
                self._drop(len(data))
                return
            written = self._append(data[: self._room])
            self._offset += written
            self._room -= written
            data = data[written:]
            if written == 0:
                self._drop(len(data))
                return

    def omit(self, count: int) -> None:
        """Pass over bytes that were not kept: the next file begins behind them."""
        if count > 0:
            self._close_file()
            self._offset += count

    def close(self) -> None:
        """Let go of the file; nothing is written after this."""
        self._close_file()

    def _open_next(self) -> bool:
        """Begin the next file, the head first; False while the disk refuses."""
        if self._refused_s is not None and time.monotonic() - self._refused_s < RETRY_S:
            return False
        is_head = self._is_head_open and self._offset == 0
        if self._fd >= 0 or not is_head:
            self._close_file()
        while len(self._segments) >= SEGMENTS_KEPT:
            self._unlink(self._segments.pop(0))
        name = os.path.join(self._folder, f"{self._stream}.{self._offset}")
        try:
            self._fd = os.open(name, _FLAGS, 0o600)
        except OSError:
            self._refused_s = time.monotonic()
            return False
        self._room = self.segment_bytes * (2 if is_head else 1)
        if not is_head:
            self._segments.append(name)
        self._refused_s = None
        return True

    def _append(self, data: bytes) -> int:
        """Write as much as the disk takes; 0 when it takes nothing."""
        try:
            return os.write(self._fd, data)
        except OSError:
            return 0

    def _drop(self, count: int) -> None:
        """Count what the disk refused, and leave no empty file: the next try takes another name."""
        self._refused_s = time.monotonic() if self._refused_s is None else self._refused_s
        self.dropped_bytes += count
        if self._fd >= 0 and os.fstat(self._fd).st_size == 0:
            if self._segments:
                self._unlink(self._segments.pop())
            else:
                self._unlink(os.path.join(self._folder, f"{self._stream}.0"))
        self.omit(count)

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._room = -1, 0
        self._is_head_open = False

    def _unlink(self, name: str) -> None:
        try:
            os.unlink(name)
        except OSError:
            return  # the folder may be gone; what is in it is bounded all the same


def read_log(
    folder: str, stream: str, offset: int, *, bytes_max: int = READ_BYTES_MAX
) -> tuple[bytes, int, int]:
    """(at most `bytes_max` bytes, next offset, bytes omitted before them) from an offset of the stream.

    Never across a gap: read on from the next offset until no bytes come, then the present end is reached. Works while
    the log is written and its ring turns. Raises nothing; a log that is not there is empty.
    """
    for _ in range(_LOOKS_MAX):
        starts = _starts(folder, stream)
        at = max((start for start in starts if start <= offset), default=None)
        later = min((start for start in starts if start > offset), default=None)
        data = b"" if at is None else _read(folder, stream, at, offset - at, bytes_max)
        if data is None:
            continue
        if data:
            return data, offset + len(data), 0
        if later is None:
            return b"", offset, 0
        # The list came first: as it names a later file, the one before was complete, and what lies between was omitted.
        data = _read(folder, stream, later, 0, bytes_max)
        if data is not None:
            return (data, later + len(data), later - offset) if data else (b"", offset, 0)
    return b"", offset, 0


def _starts(folder: str, stream: str) -> list[int]:
    prefix = f"{stream}."
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [
        int(name[len(prefix) :])
        for name in names
        if name.startswith(prefix) and name[len(prefix) :].isdecimal()
    ]


def _read(folder: str, stream: str, start: int, within: int, count: int) -> bytes | None:
    """Bytes of one file; None when it is gone."""
    try:
        fd = open_regular(os.path.join(folder, f"{stream}.{start}"))
    except OSError:
        return None
    try:
        return os.pread(fd, count, within)
    except OSError:
        return None
    finally:
        os.close(fd)
