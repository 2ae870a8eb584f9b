"""Bounded logs of one attempt on disk, readable while they are written.

Stdlib only. Each stream keeps its head (half of the bound) and its tail as a ring of two segments (a quarter each); file
names carry the position, so a reader needs no index: `stdout.head`, `stdout.seg-K`. Offsets are of the redacted stream.
"""

import os
from collections.abc import Callable

OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
LINE_BYTES_MAX = 64 * 1024
"""A longer line is redacted and written in pieces, cut where a word ends."""


class LogWriter:
    """Writes one stream: line by line through the redaction, head first, then the ring. Never raises for the disk."""

    def __init__(self, folder: str, stream: str, *, bytes_max: int, redact: Callable[[bytes], bytes]) -> None:
        self._folder, self._stream, self._redact = folder, stream, redact
        self._head_max, self._segment_max = bytes_max // 2, max(1, bytes_max // 4)
        self._partial = b""
        self._is_in_key = False
        self._offset = 0
        self._fd: int | None = None
        self._open_name = ""
        self.bytes_total = 0
        """Raw bytes that came in."""
        self.bytes_dropped = 0
        """Bytes the disk refused."""

    def feed(self, data: bytes) -> None:
        """Take raw output; whole lines go on, the last partial one waits for its end or `flush`."""
        self.bytes_total += len(data)
        data = self._partial + data
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) > LINE_BYTES_MAX:
            end = max(data.rfind(b" ", 0, LINE_BYTES_MAX), data.rfind(b'"', 0, LINE_BYTES_MAX)) + 1 or LINE_BYTES_MAX
        self._partial = data[end:]
        if end:
            self._write(self._clean(data[:end]))

    def flush(self) -> None:
        """Write the partial line too."""
        if self._partial:
            data, self._partial = self._partial, b""
            self._write(self._clean(data))

    @property
    def has_partial(self) -> bool:
        """True while a line without an end waits."""
        return bool(self._partial)

    def close(self) -> None:
        """Flush and let go of the file."""
        self.flush()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _clean(self, data: bytes) -> bytes:
        """Redacted; the lines of a private key are left out though they come one by one."""
        if b"PRIVATE KEY-----" not in data and not self._is_in_key:
            return self._redact(data)
        kept = []
        for line in data.splitlines(keepends=True):
            if b"-----BEGIN" in line and b"PRIVATE KEY-----" in line:
                self._is_in_key = True
                kept.append(b"[redacted:private-key]\n")
            if not self._is_in_key:
                kept.append(self._redact(line))
            if b"-----END" in line and b"PRIVATE KEY-----" in line:
                self._is_in_key = False
        return b"".join(kept)

    def _write(self, data: bytes) -> None:
        while data:
            name, room = self._place()
            piece, data = data[:room], data[room:]
            try:
                fd = self._file(name)
                written = 0
                while written < len(piece):
                    written += os.write(fd, piece[written:])
            except OSError:
                self.bytes_dropped += len(piece)
            self._offset += len(piece)

    def _place(self) -> tuple[str, int]:
        """The file for the present offset, and how much of it is free."""
        if self._offset < self._head_max:
            return f"{self._stream}.head", self._head_max - self._offset
        index, within = divmod(self._offset - self._head_max, self._segment_max)
        return f"{self._stream}.seg-{index}", self._segment_max - within

    def _file(self, name: str) -> int:
        if self._fd is not None and self._open_name == name:
            return self._fd
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._fd = os.open(os.path.join(self._folder, name), OPEN_FLAGS, 0o600)
        self._open_name = name
        if ".seg-" in name:
            self._unlink_old(int(name.rpartition("-")[2]) - 2)
        return self._fd

    def _unlink_old(self, index: int) -> None:
        if index >= 0:
            try:
                os.unlink(os.path.join(self._folder, f"{self._stream}.seg-{index}"))
            except OSError:
                return


def read_log(
    folder: str, stream: str, offset: int, *, bytes_max: int, limit: int = 1024 * 1024
) -> tuple[bytes, int, int]:
    """(bytes, next offset, bytes omitted before them) from a stream offset; empty bytes at the present end.

    `bytes_max` is the bound the log was written with. Works while the log is being written and its ring turns.
    """
    head_max, segment_max = bytes_max // 2, max(1, bytes_max // 4)
    if offset < head_max:
        data = _read(os.path.join(folder, f"{stream}.head"), offset, limit)
        if data:
            return data, offset + len(data), 0
        if not _segments(folder, stream):
            return b"", offset, 0
        offset = max(offset, head_max)
    for _ in range(3):  # the ring may turn between listing and opening
        segments = _segments(folder, stream)
        if not segments:
            return b"", offset, 0
        oldest = head_max + segments[0] * segment_max
        omitted = max(0, oldest - offset)
        start = max(offset, oldest)
        index, within = divmod(start - head_max, segment_max)
        data = _read(os.path.join(folder, f"{stream}.seg-{index}"), within, limit)
        if data:
            return data, start + len(data), omitted
        if index >= segments[-1] or not omitted:
            return b"", start, omitted
    return b"", offset, 0


def _segments(folder: str, stream: str) -> list[int]:
    prefix = f"{stream}.seg-"
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(int(n[len(prefix) :]) for n in names if n.startswith(prefix) and n[len(prefix) :].isdigit())


def _read(path: str, offset: int, limit: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(fd, limit, offset)
    finally:
        os.close(fd)
