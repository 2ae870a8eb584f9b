"""Where each key of a TOML document stands: a scan for key and table lines, because tomli gives values without places.

Only ever sees text that tomli accepted, so it checks nothing and skips values as fast as their quoting allows. A path
is the keys and 0-based array indexes that lead to a value, the same for `[a.b]`, `a.b = 1` and `a = { b = 1 }`.
"""

import bisect
import re
from typing import TypeAlias

import tomli

Path: TypeAlias = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\]+|\\.)*"')
_LITERAL = re.compile(r"'[^']*'")
_BASIC_MULTILINE = re.compile(r'"""(?:[^"\\]+|\\.|"(?!""))*"""(?:""?)?', re.DOTALL)
_LITERAL_MULTILINE = re.compile(r"'''.*?'''(?:''?)?", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]*")


class Positions:
    """The line of every key, table and array element of one document."""

    def __init__(self, text: str) -> None:
        self._lines = _Scan(text).run()

    def line_of(self, path: Path) -> int:
        """The 1-based line of the value at this path, or of the nearest table around it that is written down."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return line
        return 1


class _Scan:
    """One pass over one text. `at` only ever grows."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self._lines: dict[Path, int] = {}
        self._table_array_lengths: dict[Path, int] = {}

    def run(self) -> dict[Path, int]:
        """Path -> line, for the whole text."""
        table: Path = ()
        while True:
            self._skip(_VOID)
            if self._at >= len(self._text):
                return self._lines
            if self._text.startswith("[[", self._at):
                table = self._array_header()
            elif self._text[self._at] == "[":
                table = self._table_header()
            else:
                self._pair(table)

    def _table_header(self) -> Path:
        start = self._at
        self._at += 1
        keys = self._keys()
        self._at += 1
        path = self._resolved(keys)
        self._note_all(path, start)
        return path

    def _array_header(self) -> Path:
        start = self._at
        self._at += 2
        keys = self._keys()
        self._at += 2
        array = (*self._resolved(keys[:-1]), keys[-1])
        length = self._table_array_lengths.get(array, 0)
        self._table_array_lengths[array] = length + 1
        path = (*array, length)
        self._note_all(path, start)
        return path

    def _resolved(self, keys: list[str]) -> Path:
        """Header keys as a path: a name of an array of tables means its last element."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            length = self._table_array_lengths.get(path)
            if length is not None:
                path = (*path, length - 1)
        return path

    def _pair(self, table: Path) -> None:
        start = self._at
        path = (*table, *self._keys())
        self._at += 1  # the equals sign
        self._note_all(path, start)
        self._value(path)

    def _keys(self) -> list[str]:
        """A dotted key. Leaves `at` on whatever follows it: `=` or `]`."""
        keys: list[str] = []
        while True:
            self._skip(_BLANK)
            keys.append(self._simple_key())
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _simple_key(self) -> str:
        match self._text[self._at]:
            case '"':
                quoted = self._take(_BASIC)
                return next(iter(tomli.loads(f"{quoted} = 0"))) if "\\" in quoted else quoted[1:-1]
            case "'":
                return self._take(_LITERAL)[1:-1]
            case _:
                return self._take(_BARE_KEY)

    def _value(self, path: Path) -> None:
        self._skip(_BLANK)
        match self._text[self._at]:
            case '"':
                multiline = self._text.startswith('"""', self._at)
                self._skip(_BASIC_MULTILINE if multiline else _BASIC)
            case "'":
                multiline = self._text.startswith("'''", self._at)
                self._skip(_LITERAL_MULTILINE if multiline else _LITERAL)
            case "[":
                self._elements(path)
            case "{":
                self._inline_table(path)
            case _:
                self._skip(_SCALAR)

    def _elements(self, path: Path) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip_separators()
            if self._text[self._at] == "]":
                self._at += 1
                return
            element = (*path, index)
            self._note(element, self._at)
            self._value(element)
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while True:
            self._skip_separators()
            if self._text[self._at] == "}":
                self._at += 1
                return
            self._pair(path)

    def _skip_separators(self) -> None:
        self._skip(_VOID)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_VOID)

    def _note_all(self, path: Path, start: int) -> None:
        """Record a path; tables it makes on the way are recorded where they are first mentioned."""
        for length in range(1, len(path) + 1):
            self._note(path[:length], start)

    def _note(self, path: Path, start: int) -> None:
        self._lines.setdefault(path, bisect.bisect_right(self._starts, start))

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, "tomli accepted this text"
        self._at = match.end()
        return match.group()
