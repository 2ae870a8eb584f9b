"""The JSONPath subset of goal-files: `$`, then any of `.key` and `[index]`, to one value and to one number.

A list counts as its length; strings, booleans, null and objects are no numbers (reference 3.3).
"""

import math
import re
from collections.abc import Mapping

import msgspec

from kazid.core.json import Json

_PATH = re.compile(r"\$(?:\.[^.\[\]]+|\[[0-9]+\])*")
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")


class PathProblem(msgspec.Struct, frozen=True):
    """Why a path leads to no number: a reason for rules, a sentence for people."""

    reason: str
    detail: str


def is_path(path: str) -> bool:
    """True when the text is a path of this subset."""
    return _PATH.fullmatch(path) is not None


def value_at(document: Json, path: str) -> Json | PathProblem:
    """Return what the path leads to in parsed JSON, or why it leads nowhere."""
    if not is_path(path):
        return PathProblem("invalid_path", f"not a path: {path} (it looks like $.key[0].key)")
    here = document
    for step in _STEP.finditer(path):
        key, index = step[1], step[2]
        match here:
            case Mapping() if key is not None:
                if key not in here:
                    return PathProblem("path_missing", f"{path}: no key {key!r}")
                here = here[key]
            case list() if index is not None:
                if len(index) > 18 or int(index) >= len(here):
                    return PathProblem("path_index_out_of_range", f"{path}: {len(here)} items, no [{index}]")
                here = here[int(index)]
            case _:
                return PathProblem("path_missing", f"{path}: {step[0]} of {_kind(here)}")
    return here


def number_at(document: Json, path: str) -> float | PathProblem:
    """Return the number a path leads to, a list as its length, or why there is none."""
    found = value_at(document, path)
    match found:
        case PathProblem():
            return found
        case bool():
            return PathProblem("not_a_number", f"{path} is {str(found).lower()}")
        case int():
            return found
        case float() if math.isfinite(found):
            return found
        case list():
            return len(found)
        case _:
            return PathProblem("not_a_number", f"{path} is {_kind(found)}")


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case list():
            return "a list"
        case _:
            return f"{value}"
