"""Which records of a register count, and how old a date in one is. Pure.

A condition is `column operator value`: `status != closed`, `severity in high|critical`, `owner is empty`, `score >= 7`.
Numbers are compared as numbers, everything else as text; ISO dates compare rightly as text.
"""

import datetime as dt
import enum
import re
from collections.abc import Mapping

import msgspec

from kazid.core.json import Json

_CONDITION = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>|\bnot in\b|\bin\b|\bis\b)\s*(.*?)\s*")
_QUOTED = re.compile(r"\"(.*)\"|'(.*)'")
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?")
DAY_S = 86_400.0


class Operator(enum.Enum):
    """How a field is compared."""

    EQUAL = "=="
    UNEQUAL = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    IN = "in"
    NOT_IN = "not in"
    IS = "is"


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of one column."""

    column: str
    operator: Operator
    value: str

    def holds(self, values: Mapping[str, Json]) -> bool:
        """Whether the record is one of those."""
        field = text_of(values.get(self.column))
        match self.operator:
            case Operator.IN | Operator.NOT_IN:
                is_in = field in [part.strip() for part in self.value.split("|")]
                return is_in is (self.operator is Operator.IN)
            case Operator.IS:
                return (field == "") is (self.value == "empty")
            case Operator.EQUAL:
                return _compared(field, self.value) == 0
            case Operator.UNEQUAL:
                return _compared(field, self.value) != 0
            case Operator.BELOW:
                return field != "" and _compared(field, self.value) < 0
            case Operator.AT_MOST:
                return field != "" and _compared(field, self.value) <= 0
            case Operator.ABOVE:
                return field != "" and _compared(field, self.value) > 0
            case Operator.AT_LEAST:
                return field != "" and _compared(field, self.value) >= 0


def condition_of(text: str) -> Condition | None:
    """The condition this text is; None when it is none."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        return None
    operator, value = Operator(found[2]), found[3]
    if operator is Operator.IS and value not in ("empty", "set"):
        return None
    if (quoted := _QUOTED.fullmatch(value)) is not None:
        value = quoted[1] if quoted[1] is not None else quoted[2]
    elif not value:
        return None
    return Condition(column=found[1], operator=operator, value=value)


def text_of(value: Json) -> str:
    """A field as it is compared and shown: absent is empty, booleans as TOML and JSON write them."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case str():
            return value.strip()
        case _:
            return str(value)


def date_s(value: Json, *, ends_day: bool = False) -> float | None:
    """Wall seconds of an ISO date or time, or of seconds since 1970; None when it is none.

    Without a zone it is UTC. A day without a time is its beginning, or its end where it is a day something is due.
    """
    text = text_of(value)
    if _NUMBER.fullmatch(text) and float(text) >= 100_000_000:
        return float(text)
    try:
        when = dt.datetime.fromisoformat(text)
        moment = when if when.tzinfo is not None else when.replace(tzinfo=dt.UTC)
        wall_s = moment.timestamp()
    except (ValueError, OverflowError):
        return None
    return wall_s + DAY_S if ends_day and len(text) <= len("2026-01-01") else wall_s


def _compared(field: str, value: str) -> int:
    """Below, at or above zero, as numbers where both are."""
    if _NUMBER.fullmatch(field) and _NUMBER.fullmatch(value):
        left, right = float(field), float(value)
        return (left > right) - (left < right)
    return (field > value) - (field < value)
