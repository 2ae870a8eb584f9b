"""Where output goes: text for people, whole documents for programs, and nothing that could steer a terminal.

Whatever came from the daemon may hold what an agent or a service printed, so control characters never reach a
terminal. Colour only on a terminal, and not where NO_COLOR is set.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

WIDTH_ELSEWHERE = 160
"""Where there is no terminal to ask: long enough to grep, bounded all the same."""
WIDTH_MIN = 40

COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "dim": "2", "bold": "1"}

ESCAPE, BELL = "\x1b", "\x07"
STRING_OPENERS = ("]", "P", "X", "^", "_")
"""Behind ESC: a window title and the like, up to BEL or another ESC."""
INTERMEDIATES = "".join(map(chr, range(0x20, 0x30)))
PARAMETERS = "".join(map(chr, range(0x20, 0x40)))

_BIDI = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_HIDDEN = dict.fromkeys((*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), *_BIDI))
"""C0 without tab and newline, DEL, C1, and what turns the direction of text."""


class Terminal:
    """One output stream of this process."""

    def __init__(self, stream: "TextIO | None", environment: "dict[str, str] | None" = None) -> None:
        """Write to `stream`; None (a closed descriptor) swallows everything."""
        variables = os.environ if environment is None else environment
        self._stream = stream
        self.is_terminal = stream is not None and stream.isatty()
        self.takes_sequences = self.is_terminal and variables.get("TERM", "") not in ("", "dumb")
        """It can move its cursor: an editor's shell or a serial console would print the sequences as text."""
        self.has_colour = self.takes_sequences and not variables.get("NO_COLOR")

    @property
    def width(self) -> int:
        """Columns, asked each time, for a window may change."""
        return self._size()[0]

    @property
    def height(self) -> int:
        """Lines."""
        return self._size()[1]

    def _size(self) -> tuple[int, int]:
        if self.is_terminal and self._stream is not None:
            try:
                size = os.get_terminal_size(self._stream.fileno())
            except (OSError, ValueError):
                return 80, 24
            if size.columns and size.lines:
                return max(WIDTH_MIN, size.columns), size.lines
            return 80, 24
        return WIDTH_ELSEWHERE, 10_000

    def paint(self, text: str, colour: str) -> str:
        """The text in this colour, where there is colour."""
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self.has_colour and colour else text

    def line(self, text: str = "") -> None:
        """Write one line, at once: somebody may be reading along."""
        if self._stream is not None:
            self._stream.write(text + "\n")
            self._stream.flush()

    def lines(self, texts: "Iterable[str]") -> None:
        """Write several lines in one go."""
        if self._stream is not None:
            self._stream.write("".join(text + "\n" for text in texts))
            self._stream.flush()

    def text(self, text: str) -> None:
        """Write text as it is, without ending the line."""
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()

    def raw(self, content: bytes) -> None:
        """Write bytes of a JSON document as they are."""
        if self._stream is not None:
            self._stream.flush()
            self._stream.buffer.write(content)
            self._stream.buffer.flush()

    def document(self, content: bytes) -> None:
        """Write one JSON document, given as UTF-8, and end its line."""
        self.raw(content.strip() + b"\n")


def standard_output() -> Terminal:
    """This process's stdout. Characters that its encoding lacks become `?` instead of an exception."""
    return Terminal(_replacing(sys.stdout))


def standard_error() -> Terminal:
    """This process's stderr, for logs and progress."""
    return Terminal(_replacing(sys.stderr))


def _replacing(stream: "TextIO | None") -> "TextIO | None":
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return stream


def plain(text: str) -> str:
    """The text without anything a terminal would obey; tabs and line ends stay, escape sequences go whole."""
    if text.isprintable():
        return text
    if ESCAPE in text:
        text = _without_sequences(text)
    return text.replace("\r\n", "\n").translate(_HIDDEN)


def _without_sequences(text: str) -> str:
    """The text without escape sequences (ECMA-48). By hand, for `re` alone costs half an interpreter's start."""
    first, *pieces = text.split(ESCAPE)
    kept = [first]
    for piece in pieces:
        if piece.startswith(STRING_OPENERS):
            bell = piece.find(BELL)
            end = bell + 1 if bell >= 0 else len(piece)
        else:
            parameters = PARAMETERS if piece.startswith("[") else INTERMEDIATES
            position = 1 if piece.startswith("[") else 0
            while position < len(piece) and piece[position] in parameters:
                position += 1
            end = position + 1
        kept.append(piece[end:])
    return "".join(kept)


def one_line(text: object) -> str:
    """The text as one line: control characters gone, every run of blanks a single one."""
    return " ".join(plain(text if isinstance(text, str) else str(text)).split())


def clip(text: str, width: int) -> str:
    """At most `width` characters, with an ellipsis where something was cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
