"""The TOML of a goal-file: bytes in, values with their places out, or the one problem that keeps it from parsing.

Knows nothing of goals. Bounds what a hostile or mistaken file can cost before anybody looks at its content.
"""

import datetime as dt
import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import TypeGuard

import msgspec
import tomli

from kazid.core.errors import GoalFileError, Problem
from kazid.core.json import Json
from kazid.goalfile.positions import Path, Positions
from kazid.goalfile.problems import Problems

GOAL_FILE_BYTES_MAX = 1024 * 1024
"""As much as the API takes; the shared goal-files stay below 7 kB."""
NESTING_MAX = 32
"""Tables in tables. The deepest documented key has five levels; JSON encoders recurse."""

_HINTS = {
    "Cannot overwrite": "this key is there already",
    "Cannot declare": "this table is there already",
    "Duplicate inline": "this key is there already",
    "Invalid value": "strings stand in quotes",
    "Unescaped": "write it in single quotes, or double the backslash",
}
"""What a parser's message mostly means."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed goal-file. `values` are TOML's own: dates are dates, integers have no bound."""

    values: Mapping[str, object]
    positions: Positions
    sha256: str


def parse(text: str | bytes) -> Document:
    """The values of a TOML text. Raises GoalFileError with one problem, and its line, when it has none."""
    content, decoded = _decoded(text)
    values = _values(decoded)
    _check_nesting(values)
    positions = Positions(decoded)
    _check_characters(values, positions)
    return Document(values=values, positions=positions, sha256=hashlib.sha256(content).hexdigest())


def to_json(value: object) -> Json:
    """A TOML value as JSON: dates and times as ISO text, infinities and NaN as words."""
    if is_table(value):
        return {k: to_json(v) for k, v in value.items()}
    if is_list(value):
        return [to_json(v) for v in value]
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            raise AssertionError(f"TOML has no {type(value).__name__}")


def is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    """True for a TOML table."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """True for a TOML array."""
    return isinstance(value, list)


def _decoded(text: str | bytes) -> tuple[bytes, str]:
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if len(content) > GOAL_FILE_BYTES_MAX:
        raise _unreadable(f"a goal-file has at most {GOAL_FILE_BYTES_MAX} bytes, this one {len(content)}")
    try:
        decoded = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(f"not UTF-8: byte 0x{content[error.start]:02x}", line=line) from None
    if decoded.startswith("\ufeff"):
        raise _unreadable("starts with a byte order mark", hint="save the file as UTF-8 without a BOM")
    return content, decoded


def _values(decoded: str) -> Mapping[str, object]:
    try:
        return tomli.loads(decoded)
    except tomli.TOMLDecodeError as error:
        hint = next((hint for said, hint in _HINTS.items() if error.msg.startswith(said)), None)
        raise _unreadable(f"malformed TOML: {error.msg}", line=error.lineno, hint=hint) from None
    except (ValueError, RecursionError) as error:
        # tomli lets these two through: an integer beyond what Python converts, and arrays nested without end.
        raise _unreadable(f"malformed TOML: {error}") from None


def _check_nesting(values: Mapping[str, object]) -> None:
    level: list[object] = [values]
    for _ in range(NESTING_MAX):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise _unreadable(f"tables and arrays are nested more than {NESTING_MAX} levels deep")


def _children(value: object) -> list[object]:
    if is_table(value):
        return list(value.values())
    return value if is_list(value) else []


def _check_characters(values: Mapping[str, object], positions: Positions) -> None:
    """No NUL anywhere: no command, path or database takes one."""
    problems = Problems(positions)
    for path, text in _texts(values, ()):
        if "\0" in text:
            problems.add(path, "contains a NUL character")
    problems.raise_any()


def _texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Every string below a value, keys included, with its path."""
    if isinstance(value, str):
        yield path, value
    elif is_table(value):
        for key, child in value.items():
            yield path, key
            yield from _texts(child, (*path, key))
    elif is_list(value):
        for index, child in enumerate(value):
            yield from _texts(child, (*path, index))


def _unreadable(message: str, *, line: int = 1, hint: str | None = None) -> GoalFileError:
    return GoalFileError([Problem(message=message, line=line, hint=hint)])
