"""What is kept of a stream: its head and its tail, never more than the bound, whatever is printed.

Bytes go in as they are read; one redacted text comes out. Nothing here reads or waits.
"""

from collections.abc import Iterable, Iterator

from kazid.ports.commands import Output
from kazid.shim.redaction import redact

CUT_BYTES_MAX = 4096
"""How far a cut is moved to a line end, or else a word end: a secret cut in two is one no pattern recognises."""

REDACT_BLOCK_CHARS = 256 * 1024
"""Redacted at a time: some 10 ms."""

KEY_CHARS_MAX = 16 * 1024

_WORD_ENDS = (b" ", b"\t", b'"', b"'", b",")


class Capture:
    """Head and tail of one stream. Holds at most 1.5 times `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        assert bytes_max >= 2, "a capture keeps a head and a tail"
        self._head_max = bytes_max // 2
        self._tail_max = bytes_max - self._head_max
        self._head = bytearray()
        self._tail = bytearray()
        self.bytes_total = 0

    @property
    def is_over(self) -> bool:
        """True once something had to be dropped."""
        return self.bytes_total > self._head_max + self._tail_max

    def feed(self, chunk: bytes) -> None:
        """Take what was read, and drop from the middle what is beyond the bound."""
        self.bytes_total += len(chunk)
        room = self._head_max - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        self._tail += chunk
        if len(self._tail) > 2 * self._tail_max:
            del self._tail[: -self._tail_max]

    def content(self) -> bytes:
        """Return the kept bytes with nothing in between: whole unless `is_over`."""
        return bytes(self._head + self._tail[-self._tail_max :])

    def shrink(self, bytes_max: int) -> None:
        """Keep no more than this, had it been the bound from the start; bytes that are dropped stay dropped."""
        content = self.content()
        if len(content) <= bytes_max:
            return
        self._head_max = bytes_max // 2
        self._tail_max = bytes_max - self._head_max
        self._head, self._tail = bytearray(content[: self._head_max]), bytearray(content[-self._tail_max :])

    def output(self, secrets: Iterable[str] = ()) -> Output:
        """Return the text, redacted; where something was dropped, a line between head and tail says how much."""
        if not self.is_over:
            return Output(text=_text(self.content(), secrets), bytes_total=self.bytes_total)
        secrets = tuple(secrets)
        head = _to_last_line_end(bytes(self._head))
        tail = _from_first_line_end(bytes(self._tail[-self._tail_max :]))
        dropped = self.bytes_total - len(head) - len(tail)
        text = f"{_text(head, secrets)}\n[… {dropped} bytes left out …]\n{_text(tail, secrets)}"
        return Output(text=text, bytes_total=self.bytes_total, truncated=True)


def _text(content: bytes, secrets: Iterable[str]) -> str:
    """Decode and redact, block by block: one substitution over megabytes would hold up every thread meanwhile."""
    text = content.decode("utf-8", errors="replace")
    if len(text) <= REDACT_BLOCK_CHARS:
        return redact(text, secrets)
    return "".join(redact(block, secrets) for block in _blocks(text))


def _blocks(text: str) -> Iterator[str]:
    """Yield the text in blocks that end at line ends, and never inside a key that has its lines between two marks."""
    start = 0
    while start < len(text):
        end = _line_end(text, start + REDACT_BLOCK_CHARS)
        if text.rfind("-----BEGIN", start, end) > text.rfind("-----END", start, end):
            key_end = text.find("-----END", end, end + KEY_CHARS_MAX)
            end = _line_end(text, key_end) if key_end >= 0 else end
        yield text[start:end]
        start = end


def _line_end(text: str, start: int) -> int:
    return text.find("\n", start) + 1 or len(text)


def _to_last_line_end(head: bytes) -> bytes:
    lowest = max(0, len(head) - CUT_BYTES_MAX)
    end = head.rfind(b"\n", lowest)
    if end < 0:
        end = max(head.rfind(mark, lowest) for mark in _WORD_ENDS)
    return head if end < 0 else head[:end]


def _from_first_line_end(tail: bytes) -> bytes:
    start = tail.find(b"\n", 0, CUT_BYTES_MAX)
    if start < 0:
        start = min((at for mark in _WORD_ENDS if (at := tail.find(mark, 0, CUT_BYTES_MAX)) >= 0), default=-1)
    return tail if start < 0 else tail[start + 1 :]
