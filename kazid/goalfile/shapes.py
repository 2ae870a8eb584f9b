"""Whether an authored value has the shape its key demands, in words a person can act on.

One test per `KeyType`, nothing about particular keys. TOML's traps are here: true is no integer, 5.0 is no integer, a
string of digits is neither, and no duration or count is so large that a timer or a clock could not hold it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeGuard

from kazid.core.duration import duration_s
from kazid.goalfile.document import is_list, is_table
from kazid.goalfile.problems import quoted
from kazid.ports.catalog import KeyType

INTEGER_DIGITS_MAX = 30
"""Beyond what any counter reaches, and still exact in JSON and a float without overflow."""


def mismatch(value: object, key_type: KeyType) -> str | None:
    """What is wrong with a value of this type, as the end of a sentence; None when it fits."""
    if _FITS[key_type](value):
        return None
    return f"must be {_NAMES.get(key_type) or _with_article(key_type.value)}, not {shown(value)}"


def misfits(value: object, key_type: KeyType) -> Iterator[tuple[str | int, str]]:
    """What is wrong with each entry of a list or a table that is one as it should be, by index or key."""
    if key_type not in _ENTRY_TYPES:
        return
    entries: Iterable[tuple[str | int, object]] = ()
    if key_type is KeyType.STRING_TABLE and is_table(value):
        entries = value.items()
    elif key_type is not KeyType.STRING_TABLE and is_list(value):
        entries = enumerate(value)
    for key, entry in entries:
        wrong = mismatch(entry, _ENTRY_TYPES[key_type])
        if wrong is not None:
            yield key, wrong


def is_number(value: object) -> TypeGuard[int | float]:
    """True for integers and finite floats; never for booleans."""
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def is_integer(value: object) -> TypeGuard[int]:
    """True for integers of a size that a program can count to; never for booleans."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**INTEGER_DIGITS_MAX


def shown(value: object) -> str:
    """An authored value in an error: as TOML where it is short, else in words."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case int() if abs(value) >= 10**INTEGER_DIGITS_MAX:
            return "an integer of that size"
        case int() | float():
            return str(value)
        case dict():
            return "a table"
        case list():
            return "a list" if value else "an empty list"
        case _:
            return "a date or time"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_filled(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_list_of(element: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: is_list(value) and all(element(v) for v in value)


_is_texts = _is_list_of(_is_text)

_FITS: Mapping[KeyType, Callable[[object], bool]] = {
    KeyType.STRING: _is_text,
    KeyType.NON_EMPTY_STRING: _is_filled,
    KeyType.INTEGER: is_integer,
    KeyType.POSITIVE_INTEGER: lambda v: is_integer(v) and v > 0,
    KeyType.NON_NEGATIVE_INTEGER: lambda v: is_integer(v) and v >= 0,
    KeyType.NUMBER: is_number,
    KeyType.POSITIVE_NUMBER: lambda v: is_number(v) and v > 0,
    KeyType.FRACTION: lambda v: is_number(v) and 0 <= v <= 1,
    KeyType.DURATION: lambda v: duration_s(v) is not None,
    KeyType.BOOLEAN: lambda v: isinstance(v, bool),
    KeyType.STRING_LIST: _is_texts,
    KeyType.INTEGER_LIST: _is_list_of(is_integer),
    KeyType.STRING_TABLE: lambda v: is_table(v) and all(_is_text(x) for x in v.values()),
    KeyType.TABLE: is_table,
    KeyType.TABLE_LIST: _is_list_of(is_table),
    KeyType.STRING_OR_STRING_LIST: lambda v: _is_text(v) or _is_texts(v),
    KeyType.NUMBER_OR_STRING: lambda v: is_number(v) or _is_filled(v),
    KeyType.ANY: lambda _: True,
}
assert _FITS.keys() == set(KeyType), "every key type has a test"

_ENTRY_TYPES: Mapping[KeyType, KeyType] = {
    KeyType.STRING_LIST: KeyType.STRING,
    KeyType.INTEGER_LIST: KeyType.INTEGER,
    KeyType.STRING_TABLE: KeyType.STRING,
    KeyType.TABLE_LIST: KeyType.TABLE,
    KeyType.STRING_OR_STRING_LIST: KeyType.STRING,
}
"""What the entries of lists and tables have to be."""

_NAMES: Mapping[KeyType, str] = {
    KeyType.DURATION: 'a duration such as "30s" (ms s m h d) or a number of seconds, above 0 and at most a year',
    KeyType.BOOLEAN: "true or false",
    KeyType.STRING_TABLE: "a table whose values are strings",
}


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
