"""Redaction of a stream that comes in pieces: nothing is let out before its line, or enough of it, is known.

Whole lines are redacted as soon as they end. Of a line without an end, `flush` lets out what stands before its last
blank, and remembers it, so that the rest is still redacted with its beginning in view. A line beyond LINE_BYTES_MAX is
cut where cutting changes nothing in what is redacted. Knows no files and no clock.
"""

from collections.abc import Sequence

from kazid.shim.redaction import end_of_key, ends_inside_key, redact

LINE_BYTES_MAX = 64 * 1024
OVERLAP_BYTES = 4 * 1024
"""Looked at beyond a cut, to see whether a secret begins before it and ends after it."""

_CUTS_MAX = 8
_BLANKS = (b" ", b"\t", b"\r")
_DELIMITERS = b" \t\r\n\"',;:{}[]()<>"
_WORD_BYTES = bytes(set(range(256)) - set(_DELIMITERS))
_CUT_MARK = b"[redacted:cut]"


class LineRedactor:
    """One stream. `feed` and `flush` return what may be written; `finish` the rest."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self.secrets = [value.encode("utf-8", "surrogateescape").decode("latin-1") for value in secrets]
        """As they are looked for: UTF-8 read as Latin-1, so that any bytes are text."""
        known = [value.encode("latin-1") for value in self.secrets]
        self._secret_bytes = [value for value in known if any(blank in value for blank in _BLANKS)]
        """Those that a blank may be inside of."""
        self._line = b""
        self._shown = b""
        """What `flush` let out of the line so far."""
        self._is_in_key = False
        self._is_swallowing = False
        """True after a cut through a secret: the rest of it is dropped up to the next delimiter."""

    def feed(self, data: bytes) -> bytes:
        """Take output as it was read; return the lines that are complete now."""
        if self._is_swallowing:
            rest = data.lstrip(_WORD_BYTES)
            if not rest:
                return b""
            self._is_swallowing = False
            data = rest
        data = self._line + data
        end = data.rfind(b"\n") + 1
        done: list[bytes] = []
        if end:
            done.append(self._let_out(data[:end]))
        self._line = data[end:]
        while len(self._line) > LINE_BYTES_MAX + OVERLAP_BYTES:
            done.append(self._cut())
        return b"".join(done)

    def flush(self) -> bytes:
        """Return what may be shown of a line that has not ended: up to its last blank, which no later byte changes."""
        safe = self._line[: self._safe_end()]
        text, _ = self._redacted(safe, self._is_in_key)
        if len(text) <= len(self._shown) or not text.startswith(self._shown):
            return b""
        news, self._shown = text[len(self._shown) :], text
        return news

    def finish(self) -> bytes:
        """Return the rest; the stream has ended."""
        rest, self._line = self._line, b""
        return self._let_out(rest)

    def skip(self, dropped: bytes) -> tuple[bytes, int]:
        """Leave out a part of the stream; return what is still shown of the line before it, and how many bytes are not.

        The last word of that line may be the first half of a secret, so it goes too.
        """
        shown = self.flush()
        lost = len(self._line) - self._safe_end()
        text = (self._line + dropped).decode("latin-1")
        self._line, self._shown, self._is_swallowing = b"", b"", False
        self._is_in_key = _key_state(text, self._is_in_key)
        return shown, lost + len(dropped)

    def swallow(self) -> None:
        """Drop what comes up to the next delimiter: it may be the second half of a secret."""
        self._is_swallowing = True

    def _let_out(self, lines: bytes) -> bytes:
        """Whole lines, without what was shown of the first of them already."""
        text, self._is_in_key = self._redacted(lines, self._is_in_key)
        shown, self._shown = self._shown, b""
        if text.startswith(shown):
            return text[len(shown) :]
        same = next((i for i, (a, b) in enumerate(zip(text, shown, strict=False)) if a != b), len(text))
        return text[same:]

    def _cut(self) -> bytes:
        """Let out the first part of a very long line."""
        window = self._line[: LINE_BYTES_MAX + OVERLAP_BYTES]
        at: int | None = LINE_BYTES_MAX
        if not self._is_in_key:
            if not self._shown and _redact(window, self.secrets) == window:
                self._line = self._line[at:]
                return window[:at]  # as it is, which costs a quarter of what comes below
            at = find_cut(window, LINE_BYTES_MAX - OVERLAP_BYTES, LINE_BYTES_MAX, self.secrets)
        if at is not None:
            self._line = self._line[at:]
            return self._let_out(window[:at])
        # One secret after the other, or a single huge one: it ends somewhere behind.
        rest = self._line[len(window) :].lstrip(_WORD_BYTES)
        self._line, self._is_swallowing = rest, not rest
        return self._let_out(window) + _CUT_MARK

    def _safe_end(self) -> int:
        """Where the last blank of the line ends, or a known secret with blanks in it may have begun before."""
        line = self._line
        end = max(line.rfind(blank) for blank in _BLANKS) + 1
        for secret in self._secret_bytes:
            for length in range(min(len(secret) - 1, len(line)), 0, -1):
                if line.endswith(secret[:length]):
                    end = min(end, len(line) - length)
                    break
        return end

    def _redacted(self, data: bytes, is_in_key: bool) -> tuple[bytes, bool]:
        """The data redacted, and whether a private key goes on after it."""
        text = data.decode("latin-1")
        if is_in_key:
            end = end_of_key(text)
            if end is None:
                return b"", True
            text = text[end:]
        return redact(text, self.secrets).encode("latin-1"), ends_inside_key(text)


def find_cut(window: bytes, low: int, high: int, secrets: Sequence[str]) -> int | None:
    """Where the window may be cut between `low` and `high` so that both parts are redacted as the whole is.

    Delimiters from the end, and `high` itself for text that has none; None where a secret lies across all of them.
    """
    whole = _redact(window, secrets)
    if whole == window:
        return high  # nothing is redacted in it, so nothing lies across
    for at in [*_delimiters(window, low, high), high]:
        if _redact(window[:at], secrets) + _redact(window[at:], secrets) == whole:
            return at
    return None


def _delimiters(window: bytes, low: int, high: int) -> list[int]:
    """Behind which bytes, the last few of them."""
    return [low + at + 1 for at, byte in enumerate(window[low:high]) if byte in _DELIMITERS][
        : -_CUTS_MAX - 1 : -1
    ]


def _redact(data: bytes, secrets: Sequence[str]) -> bytes:
    return redact(data.decode("latin-1"), secrets).encode("latin-1")


def _key_state(text: str, is_in_key: bool) -> bool:
    """Whether a private key goes on after this text."""
    if is_in_key:
        end = end_of_key(text)
        if end is None:
            return True
        text = text[end:]
    return ends_inside_key(text)
