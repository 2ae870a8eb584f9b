"""What a value of an answer has to be: equal to something, or what a table of conditions says.

`"ok"` means equal; `{contains = "x"}`, `{pass_when = ">= 3"}`, `{exists = false}`, `{equals = {…}}` say it by name, and
all conditions of a table have to hold. Pure; used for JSON and for headers.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from typing_extensions import TypeIs

from kazid.core.json import Json
from kazid.providers.pass_when import parse_pass_when

CONDITIONS = ("contains", "equals", "exists", "pass_when")


class Missing:
    """There is no such value. `why` is in words."""

    def __init__(self, why: str) -> None:
        self.why = why


def problems_of(expected: Json) -> Iterator[str]:
    """What is wrong with an authored expectation, each as the end of a sentence about its key."""
    if not isinstance(expected, Mapping):
        return
    if not expected:
        yield f"must name at least one of {', '.join(CONDITIONS)}"
    for name, value in expected.items():
        match name:
            case "equals":
                pass
            case "contains" if not isinstance(value, (str, int, float)):
                yield "contains must be a string, a number or a boolean"
            case "contains":
                pass
            case "exists" if not isinstance(value, bool):
                yield "exists must be true or false"
            case "exists":
                pass
            case "pass_when" if not isinstance(value, str) or parse_pass_when(value) is None:
                yield 'pass_when must be a comparison such as ">= 90" or "== 0"'
            case "pass_when":
                pass
            case _:
                yield f'has an unknown condition "{name[:40]}"; known: {", ".join(CONDITIONS)}'


def objection(expected: Json, actual: "Json | Missing") -> str | None:
    """Return why a value is not as expected, in words, or None."""
    if not isinstance(expected, Mapping):
        expected = {"equals": expected}
    if isinstance(actual, Missing):
        return None if expected == {"exists": False} else actual.why
    return next((said for name, value in expected.items() if (said := _broken(name, value, actual))), None)


def is_same(expected: Json, actual: Json) -> bool:
    """True when both are the same JSON value: 1 is 1.0, and neither is true."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(is_same(v, actual[k]) for k, v in expected.items())
    if _is_list(expected) and _is_list(actual):
        return len(expected) == len(actual) and all(map(is_same, expected, actual))
    return expected == actual


def _broken(name: str, value: Json, actual: Json) -> str | None:
    match name:
        case "equals":
            return None if is_same(value, actual) else "is another value"
        case "exists":
            return None if value else "is there and should not be"
        case "contains":
            return None if _contains(actual, value) else "does not contain it"
        case "pass_when":
            condition, number = parse_pass_when(str(value)), _number(actual)
            if condition is None or number is None:
                return "is no number"
            return None if condition.holds(number) else f"is not {value}"
        case _:
            return f"has an unknown condition {name}"


def _contains(actual: Json, value: Json) -> bool:
    if isinstance(actual, str):
        return isinstance(value, str) and value in actual
    if isinstance(actual, Mapping):
        return isinstance(value, str) and value in actual
    return _is_list(actual) and any(is_same(value, each) for each in actual)


def _number(actual: Json) -> float | None:
    """A number, a list as its length, or a text that is a number, as headers are."""
    match actual:
        case bool():
            return None
        case int() | float():
            return actual if math.isfinite(actual) else None
        case str():
            try:
                found = float(actual)
            except ValueError:
                return None
            return found if math.isfinite(found) else None
        case _ if _is_list(actual):
            return len(actual)
        case _:
            return None


def _is_list(value: Json) -> TypeIs[Sequence[Json]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
