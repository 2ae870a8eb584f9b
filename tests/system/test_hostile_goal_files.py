"""Every key of a goal-file with every wrong type: each is named with its line, and none is taken for something else."""

import datetime as dt
import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from tests.system.hostile_lab import Lab, lab, only_lab
from tests.system.house import ROOT

__all__ = ["lab", "only_lab"]

WRONG: Mapping[str, Any] = {
    "boolean": True,
    "integer": 7,
    "float": -1.5,
    "string": "text",
    "strings": ["text"],
    "integers": [7],
    "tables": [{"a": 7}],
    "table": {"a": 7},
    "date": dt.date(2026, 1, 2),
}
DURATIONS = ("interval", "recheck", "timeout", "idle_timeout")
"""Keys that are written as strings, and may be a number of seconds as well."""
NUMBERS = ("max_cost_usd", "cached_read_weight")
"""Keys written with a point that may be written without."""

Path_ = tuple[str | int, ...]


def test_a_wrong_type_in_any_key_is_422_and_names_the_key_and_its_line(lab: Lab):
    sound = tomllib.loads((ROOT / "config" / "goals" / "every-table.goal.toml").read_text())
    assert _submitted(lab, _toml(sound)[0], "/v1/lint")[1]["problems"] == [], "the example loads"
    tried = 0
    with lab.others_go_on():
        for path, value in _every_value(sound):
            for kind, wrong in WRONG.items():
                if _may_be(path, value, wrong):
                    continue
                text, lines = _toml(_with(sound, path, wrong))
                status, problem = _submitted(lab, text, "/v1/goals")
                what = f"{_key(path)} as {kind}: {problem}"
                assert (status, problem["type"]) == (422, "goal_file"), what
                named = [p for p in problem["problems"] if _is_about(p, _key(path))]
                assert named, what
                assert {p["line"] for p in named} <= _lines_at(lines, path), what
                assert all(p["message"] for p in problem["problems"]), what
                tried += 1
    assert tried > 500
    assert [
        row["goal_id"] for row in lab.ask("GET", "/v1/goals").json["goals"] if row["goal_id"] not in lab.kept
    ] == []


def test_wrong_types_in_all_keys_are_all_named_at_once(lab: Lab):
    sound = tomllib.loads((ROOT / "config" / "goals" / "every-table.goal.toml").read_text())
    broken, expected = sound, []
    for path, value in _every_value(sound):
        is_leaf = not (isinstance(value, dict) or (isinstance(value, list) and isinstance(value[0], dict)))
        if is_leaf and path[0] != "metadata" and path[-1] != "provider":
            wrong = next(w for w in WRONG.values() if not _may_be(path, value, w))
            broken = _with(broken, path, wrong)
            expected.append(_key(path))
    with lab.others_go_on():
        status, problem = _submitted(lab, _toml(broken)[0], "/v1/goals")
    assert status == 422
    missing = [key for key in expected if not any(_is_about(p, key) for p in problem["problems"])]
    assert missing == []
    assert len(expected) > 70


def _submitted(lab: Lab, text: str, target: str) -> tuple[int, dict[str, Any]]:
    request = {"goal_file": text, "source_path": "/srv/goal.toml"}
    answer = lab.ask("POST", target, request)
    return answer.status, answer.json


def _every_value(table: Mapping[str, Any], path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Each table and each key in it."""
    for key, value in table.items():
        yield (*path, key), value
        if isinstance(value, dict):
            yield from _every_value(value, (*path, key))
        elif isinstance(value, list) and isinstance(value[0], dict):
            for number, entry in enumerate(value):
                yield (*path, key, number), entry
                yield from _every_value(entry, (*path, key, number))


def _may_be(path: Path_, value: Any, wrong: Any) -> bool:
    """True where it is no wrong type: what metadata holds is anybody's, and two kinds of keys take more than one."""
    if path[0] == "metadata":
        return len(path) > 1 or isinstance(wrong, dict)
    if isinstance(value, list) and isinstance(wrong, list):
        return type(value[0]) is type(wrong[0]) and not isinstance(value[0], dict)
    if path[-1] in DURATIONS:
        return isinstance(wrong, str) or (isinstance(wrong, int) and not isinstance(wrong, bool))
    if path[-1] in NUMBERS:
        return isinstance(wrong, int | float) and not isinstance(wrong, bool)
    return type(value) is type(wrong) and not isinstance(value, dict)


def _with(table: Any, path: Path_, value: Any) -> Any:
    """The document with one value replaced."""
    key, *deeper = path
    new = value if not deeper else _with(table[key], tuple(deeper), value)
    if isinstance(table, list):
        return [*table[:key], new, *table[key + 1 :]]
    return {**table, key: new}


def _key(path: Path_) -> str:
    """As problems write it: predicate[2].cmd."""
    key = ""
    for part in path:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def _is_about(problem: Mapping[str, Any], key: str) -> bool:
    named = problem.get("key") or ""
    return named == key or named.startswith((f"{key}.", f"{key}["))


def _lines_at(lines: Mapping[str, int], path: Path_) -> set[int]:
    """Where the key, or what it became, stands: its own line or those below it; of an inline table, the table's."""
    key = _key(path)
    found = {line for name, line in lines.items() if name == key or name.startswith((f"{key}.", f"{key}["))}
    return found or _lines_at(lines, path[:-1])


def _toml(document: Mapping[str, Any]) -> tuple[str, dict[str, int]]:
    """The document as TOML of one key a line, and on which line each key stands."""
    text: list[str] = []
    lines: dict[str, int] = {}

    def pairs(table: Mapping[str, Any], prefix: str) -> None:
        for key, value in table.items():
            text.append(f"{key} = {_inline(value)}")
            lines[f"{prefix}{key}"] = len(text)

    tables = {k: v for k, v in document.items() if isinstance(v, dict)}
    arrays = {
        k: v for k, v in document.items() if isinstance(v, list) and v and all(isinstance(e, dict) for e in v)
    }
    pairs({k: v for k, v in document.items() if k not in tables and k not in arrays}, "")
    for name, table in tables.items():
        text.append(f"[{name}]")
        lines[name] = len(text)
        pairs(table, f"{name}.")
    for name, entries in arrays.items():
        for number, entry in enumerate(entries, 1):
            text.append(f"[[{name}]]")
            lines[f"{name}[{number}]"] = len(text)
            pairs(entry, f"{name}[{number}].")
    return "\n".join(text) + "\n", lines


def _inline(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value)
        case dt.date():
            return value.isoformat()
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items()) + "}"
        case _:
            return str(value)
