"""Everything wrong with one goal-file, gathered while it is read: each problem with its line, key and likely meaning.

Reading never stops at a problem; whoever finds one adds it and goes on with what is left. Nothing here decides what is
wrong.
"""

import difflib
import re
from collections.abc import Collection

from kazid.core.errors import GoalFileError, Problem
from kazid.goalfile.positions import Path, Positions

PROBLEMS_MAX = 200
"""More are counted, not listed: enough for any file a person wrote, and it bounds the work on one that nobody did."""
NAME_CHARS_MAX = 64
"""Longer words are not compared with known ones: difflib is quadratic, and no known word is half as long."""
LISTED_MAX = 30
QUOTED_CHARS_MAX = 40

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Problems:
    """Collects problems of one document."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._found: list[Problem] = []
        self._keys: set[str] = set()
        self._count = 0

    @property
    def count(self) -> int:
        """How many problems were found so far."""
        return self._count

    @property
    def is_full(self) -> bool:
        """True when further problems are only counted."""
        return len(self._found) >= PROBLEMS_MAX

    def add(self, path: Path, message: str, hint: str | None = None) -> None:
        """Record what is wrong at this path."""
        self._record(line=self._positions.line_of(path), key=key_of(path) or None, message=message, hint=hint)

    def add_unknown(
        self, path: Path, what: str, word: str, known: Collection[str], *, label: str = "declared"
    ) -> None:
        """Record a name that stands for nothing: what is known instead, and what was probably meant."""
        if self.is_full:  # comparing with every known name is what costs
            self.add(path, what)
        else:
            message = f"{what} {quoted(word)}; {label}: {listed(known)}"
            self.add(path, message, hint=did_you_mean(word, known))

    def add_option(self, option: str, message: str, hint: str | None = None) -> None:
        """Record what is wrong with something said beside the file, e.g. `--harness`."""
        self._record(line=None, key=option, message=message, hint=hint)

    def has(self, path: Path) -> bool:
        """True when something is wrong with exactly this key."""
        return key_of(path) in self._keys

    def located(self, path: Path, message: str) -> Problem:
        """A problem at this path that is not one of this file's: it loads all the same."""
        return Problem(
            message=printable(message), line=self._positions.line_of(path), key=key_of(path) or None
        )

    def in_order(self) -> tuple[Problem, ...]:
        """All recorded problems, those of the file by line, the others first."""
        found = sorted(self._found, key=lambda p: p.line or 0)
        if self._count > len(found):
            found.append(Problem(message=f"{self._count - len(found)} more problems are not listed"))
        return tuple(found)

    def raise_any(self) -> None:
        """Raises GoalFileError with every problem, when there is one."""
        if self._found:
            raise GoalFileError(self.in_order())

    def _record(self, *, line: int | None, key: str | None, message: str, hint: str | None) -> None:
        self._count += 1
        self._keys.add(key or "")
        if not self.is_full:
            hint = None if hint is None else printable(hint)
            self._found.append(Problem(message=printable(message), line=line, key=key, hint=hint))


def key_of(path: Path) -> str:
    """A path as people write it, e.g. `predicate[2].cmd`: the second predicate, counted from one."""
    key = ""
    for part in path:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else part
    return printable(key)


def has_control_characters(text: str) -> bool:
    """True when a text would disturb a terminal or a log line."""
    return _CONTROL.search(text) is not None


def printable(text: str) -> str:
    """The text on one line that no terminal obeys: control characters are written out."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """A hint naming the closest known word; None when nothing is close."""
    close = closest(word, known)
    return None if close is None else f'did you mean "{close}"?'


def closest(word: str, known: Collection[str]) -> str | None:
    """The known word that this one was probably meant to be."""
    if len(word) > NAME_CHARS_MAX:
        return None
    by_lower = {k.lower(): k for k in known}
    found = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def quoted(text: str) -> str:
    """A text in double quotes, cut where it is long."""
    return f'"{text}"' if len(text) <= QUOTED_CHARS_MAX else f'"{text[:QUOTED_CHARS_MAX]}…"'


def listed(known: Collection[str]) -> str:
    """Known words for an error: sorted, each in double quotes, or the word none."""
    words = sorted(known)
    shown = ", ".join(f'"{w}"' for w in words[:LISTED_MAX])
    more = len(words) - LISTED_MAX
    return (f"{shown} and {more} more" if more > 0 else shown) or "none"
