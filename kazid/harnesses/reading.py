"""Reading what an agent printed: JSON among noise, and single values of the type they should have. Pure.

Every reader of this folder is made of these. Nothing here raises on any text: what is torn, too deep or of another
type is as if it had not been printed, and absent stays absent.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

import msgspec

from kazid.core.event import Usage
from kazid.core.json import Json, JsonObject

ERROR_CHARS_MAX = 2000
"""Of what an agent says went wrong."""
TEXT_CHARS_MAX = 100_000
"""Of an answer that was printed in pieces."""
TOOLS_MAX = 50
"""Different tools that are counted by name."""

VALUES_TRIED_MAX = 50
"""Lines at which the last value may begin: decoding from each costs the rest of the text."""

EMPTY: JsonObject = {}


def objects(stdout: str) -> Iterator[JsonObject]:
    """Every line that is a JSON object, in order; what is torn or is not JSON is skipped."""
    for line in stdout.split("\n"):
        found = _object(line)
        if found is not None:
            yield found


def objects_from_the_end(stdout: str) -> Iterator[JsonObject]:
    """The same, last first, without reading what is not asked for."""
    end = len(stdout)
    while end > 0:
        start = stdout.rfind("\n", 0, end) + 1
        found = _object(stdout[start:end])
        end = start - 1
        if found is not None:
            yield found


def last_value(stdout: str, opening: str) -> Json:
    """The last JSON value over several lines that begins a line with `opening` (`{` or `[`); None without one."""
    starts = [0] if stdout.startswith(opening) else []
    position = stdout.find(f"\n{opening}")
    while position >= 0:
        starts.append(position + 1)
        position = stdout.find(f"\n{opening}", position + 1)
    for start in reversed(starts[-VALUES_TRIED_MAX:]):
        end = stdout.rfind("}" if opening == "{" else "]") + 1
        if end > start:
            try:
                value: Json = msgspec.json.decode(stdout[start:end])
            except (msgspec.DecodeError, RecursionError):
                continue
            return value
    return None


def _object(line: str) -> JsonObject | None:
    line = line.strip()
    if not line.startswith("{") or not line.endswith("}"):
        return None
    try:
        return msgspec.json.decode(line, type=dict[str, Json])
    except (msgspec.DecodeError, RecursionError):
        return None


def at(value: Json, *keys: str) -> Json:
    """The value at this path of nested objects; None where there is none."""
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def table(value: Json) -> JsonObject:
    """The object, empty when it is none."""
    return value if isinstance(value, Mapping) else EMPTY


def is_list(value: Json) -> TypeGuard[Sequence[Json]]:
    """True for a JSON array."""
    return isinstance(value, list)


def items(value: Json) -> Sequence[Json]:
    """The array, empty when it is none."""
    return value if is_list(value) else ()


def text(value: Json) -> str | None:
    """A text with something in it."""
    return value if isinstance(value, str) and value else None


def count(value: Json) -> int | None:
    """A whole number that can be a count."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def amount(value: Json) -> float | None:
    """A number that can be a sum of money."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return float(value)


def total(counts: Sequence[int | None]) -> int | None:
    """The sum of what was reported; None when nothing was."""
    known = [c for c in counts if c is not None]
    return sum(known) if known else None


def known(usage: Usage) -> Usage | None:
    """None instead of a usage in which nothing was reported."""
    return None if usage == Usage() else usage


def tallied(names: Iterator[str | None]) -> Mapping[str, int]:
    """How often each tool was called."""
    tally: dict[str, int] = {}
    for name in names:
        if name is not None and (name in tally or len(tally) < TOOLS_MAX):
            tally[name] = tally.get(name, 0) + 1
    return tally
