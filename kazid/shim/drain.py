"""One pipe of an attempt, read into its log: the writer never waits for long, and memory stays bounded.

Until the head of the log is full, lines are written as they come. After that they wait for the next flush, and of what
came since the last one only as much is redacted and kept as a segment holds: a flood costs reading it, and little more.
"""

import fcntl
import os
import time
from collections.abc import Sequence

from kazid.shim.lines import OVERLAP_BYTES, LineRedactor, find_cut
from kazid.shim.logs import BoundedLog

READ_BYTES = 256 * 1024
FLUSH_S = 0.2
"""A line that has not ended, and what waits behind a full head, is seen by a follower after this long."""

FLUSH_SHARE = 5
"""In a flood of what is costly to redact, flushes are as much rarer: at most a fifth of the time is spent in them."""

KEPT_BYTES_MAX = 1024 * 1024
"""Kept of a flood at one flush: redacting it takes some 50 ms, in which nothing else is attended to."""

_LINE_SEARCH_BYTES = 64 * 1024


class Drain:
    """Reads one pipe. `due_s` says when `flush` is wanted, None for not at all."""

    def __init__(self, fd: int, log: BoundedLog, secrets: Sequence[str]) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.log = log
        self.due_s: float | None = None
        self.bytes_total = 0
        """Raw bytes that came in."""
        self._redactor = LineRedactor(secrets)
        self._waiting = bytearray()
        self._pause_s = FLUSH_S
        self._is_wide = False
        self._kept_max = min(max(log.segment_bytes, READ_BYTES), KEPT_BYTES_MAX)

    @property
    def is_open(self) -> bool:
        """True until the end of the stream was read."""
        return self.fd >= 0

    def read(self, now_s: float) -> int:
        """Take what the pipe holds, at most READ_BYTES; how many bytes came. At the end of the stream, finish."""
        if not self.is_open:
            return 0
        try:
            data = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return 0
        if not data:
            self.close()
            return 0
        self.bytes_total += len(data)
        if self.log.is_head_full:
            self._widen()
            self._waiting += data
            if len(self._waiting) > 2 * self._kept_max:
                self._shed()
        else:
            self.log.write(self._redactor.feed(data))
        if self.due_s is None:
            self.due_s = now_s + self._pause_s
        return len(data)

    def flush(self) -> None:
        """Write what waits, and of a line without an end what is safe."""
        started_s = time.monotonic()
        self.due_s = None
        if len(self._waiting) > self._kept_max:
            self._shed()
        self.log.write(self._redactor.feed(bytes(self._waiting)) + self._redactor.flush())
        self._waiting.clear()
        self._pause_s = max(FLUSH_S, FLUSH_SHARE * (time.monotonic() - started_s))

    def close(self) -> None:
        """Write the rest and let go of pipe and log."""
        if self.is_open:
            self.flush()
            self.log.write(self._redactor.finish())
            self.log.close()
            os.close(self.fd)
            self.fd = -1

    def _widen(self) -> None:
        """Make the pipe of a stream that has much to say larger: fewer and longer reads."""
        if not self._is_wide:
            self._is_wide = True
            try:
                fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, READ_BYTES)
            except OSError:
                return  # the user's share of pipe memory is used up

    def _shed(self) -> None:
        """Drop the oldest of what waits, cut at a line end, or else where no secret lies across the cut."""
        at = self._cut_at(len(self._waiting) - self._kept_max)
        dropped = bytes(self._waiting[:at])
        del self._waiting[:at]
        shown, lost = self._redactor.skip(dropped)
        if at is None:
            self._redactor.swallow()
        self.log.write(shown)
        self.log.omit(lost)

    def _cut_at(self, low: int) -> int | None:
        line_end = self._waiting.find(b"\n", low, low + _LINE_SEARCH_BYTES)
        if line_end >= 0:
            return line_end + 1
        start = max(0, low - OVERLAP_BYTES)
        window = bytes(self._waiting[start : low + 2 * OVERLAP_BYTES])
        cut = find_cut(window, low - start, low - start + OVERLAP_BYTES, self._redactor.secrets)
        return None if cut is None else start + cut
