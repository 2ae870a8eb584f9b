"""Which way each key of a goal is the looser one: more of it, less, an entry added, a word nearer to the loose end.

Data, and one comparison that reads it. What a new generation loosens is `core/loosening.py`'s to say, and whose yes
that takes; a key whose loose way depends on what it is compared with is `CHANGED`: different, and nobody can tell.
A test holds these tables against the fields there are, so that a new key is put somewhere.
"""

import enum
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias, assert_never, cast

import msgspec

from kazid.core.duration import duration_s
from kazid.core.json import Json

NAMED_MAX = 3
"""Entries of a list that are named; of more the rest is counted."""
WORD_CHARS_MAX = 60


class Way(enum.Enum):
    """What makes the key looser."""

    RAISED = "raised"
    """More of it; none is more than any number."""
    LOWERED = "lowered"
    """Less of it; none is less than any number."""
    ADDED = "added"
    REMOVED = "removed"
    WITHIN = "within"
    """Of the places that a change has to stay in: none named is everywhere."""
    TURNED_ON = "turned on"
    TURNED_OFF = "turned off"
    CHANGED = "changed"
    """Nobody can tell which way is looser."""
    FREE = "free"
    """Neither way is."""


Words: TypeAlias = tuple[str, ...]
"""The words that the key takes, loosest first."""
Key: TypeAlias = tuple[str, Way | Words]
"""How people spell it, and its looser way."""


class Looser(msgspec.Struct, frozen=True, kw_only=True):
    """One key that is, or may be, looser. `is_certain`: its way is known; else it is only different."""

    key: str
    what: str
    is_certain: bool = True


BUDGET: Mapping[str, Key] = {
    "iterations_max": ("max_iterations", Way.RAISED),
    "wall_clock_s_max": ("max_wall_clock_ms", Way.RAISED),
    "tokens_max": ("max_tokens", Way.RAISED),
    "dispatches_max": ("max_dispatches", Way.RAISED),
    "dispatches_per_day_max": ("max_dispatches_per_day", Way.RAISED),
    "cost_usd_max": ("max_cost_usd", Way.RAISED),
    "cached_read_weight": ("cached_read_weight", Way.LOWERED),
    "tokens_per_dispatch": ("tokens_per_dispatch", Way.CHANGED),
    "cost_usd_per_dispatch": ("cost_usd_per_dispatch", Way.CHANGED),
}
BUDGET_WINDOW: Mapping[str, Key] = {
    "per_s": ("per", Way.LOWERED),
    "dispatches_max": ("max_dispatches", Way.RAISED),
    "tokens_max": ("max_tokens", Way.RAISED),
    "cost_usd_max": ("max_cost_usd", Way.RAISED),
}
SCOPE: Mapping[str, Key] = {
    "workspace": ("workspace", Way.CHANGED),
    "repo": ("repo", Way.FREE),
    "paths": ("paths", Way.CHANGED),
    "write_paths": ("write_paths", Way.WITHIN),
    "deny": ("deny", Way.REMOVED),
    "owns": ("owns", Way.CHANGED),
    "on_overlap": ("on_overlap", ("serialise", "refuse")),
    "on_outside": ("on_outside", ("revert", "reject")),
    "files_max": ("max_files", Way.RAISED),
    "lines_max": ("max_lines", Way.RAISED),
}
ISOLATION: Mapping[str, Key] = {
    "mode": ("mode", ("in_place", "worktree")),
    "setup": ("setup", Way.CHANGED),
    "setup_timeout_s": ("setup_timeout", Way.FREE),
    "dirty": ("dirty", ("ignore", "refuse")),
}
SANDBOX: Mapping[str, Key] = {
    "mode": ("mode", ("none", "worktree", "strict")),
    "network": ("network", ("open", "ports", "off")),
    "ports": ("allow_ports", Way.ADDED),
    "reads": ("reads", Way.ADDED),
    "writes": ("writes", Way.ADDED),
}
LIMITS: Mapping[str, Key] = {
    "cpu": ("cpu", Way.RAISED),
    "memory_bytes": ("memory", Way.RAISED),
    "pids": ("pids", Way.RAISED),
    "files": ("files", Way.RAISED),
}
HARNESS: Mapping[str, Key] = {
    "id": ("id", Way.CHANGED),
    "model": ("model", Way.CHANGED),
    "command": ("command", Way.CHANGED),
    "effort": ("effort", Way.CHANGED),
    "permission_mode": ("permission_mode", Way.CHANGED),
    "allowed_tools": ("allowed_tools", Way.CHANGED),
    "predicates": ("for", Way.ADDED),
    "env": ("env", Way.CHANGED),
    "secrets": ("env (secrets)", Way.CHANGED),
    "idle_timeout_s": ("idle_timeout", Way.FREE),
    "total_timeout_s": ("timeout", Way.RAISED),
    "orientation": ("orientation", Way.FREE),
}
CADENCE: Mapping[str, Key] = {
    "interval_s": ("interval", Way.RAISED),
    "deadline_s": ("timeout", Way.RAISED),
    "confirm": ("confirm", Way.RAISED),
    "recover": ("recover", Way.LOWERED),
    "recheck_s": ("recheck", Way.FREE),
}
PREDICATE: Mapping[str, Key] = {
    "provider": ("provider", Way.CHANGED),
    "kind": ("kind", Way.CHANGED),
    "live": ("live", Way.CHANGED),
    "guard": ("guard", Way.TURNED_OFF),
    "acceptance": ("acceptance", Way.TURNED_OFF),
    "held_out": ("held_out", Way.TURNED_OFF),
    "on_unknown": ("on_unknown", ("waive", "block")),
    "description": ("description", Way.FREE),
    "group": ("group", Way.FREE),
    "wake": ("wake", Way.FREE),
    "playbook": ("playbook", Way.FREE),
}
GOAL: Mapping[str, Key] = {
    "name": ("name", Way.FREE),
    "description": ("description", Way.FREE),
    "mode": ("mode", Way.CHANGED),
    "standing": ("standing", Way.TURNED_OFF),
    "workspace": ("workspace", Way.CHANGED),
    "groups": ("group", Way.CHANGED),
    "labels": ("labels", Way.CHANGED),
    "depends_on": ("depends_on", Way.REMOVED),
    "path": ("PATH", Way.FREE),
    "source_path": ("its file", Way.FREE),
    "source_sha256": ("its file", Way.FREE),
    "integration": ("integration", Way.CHANGED),
    "deploy": ("deploy", Way.CHANGED),
    "routes": ("route", Way.CHANGED),
    "escalation": ("escalation", Way.CHANGED),
}

OPTIONS: Mapping[str, Way] = {
    "allowed_regression": Way.RAISED,
    "project_allowed_regression": Way.RAISED,
    "timeout_ms": Way.RAISED,
    "samples": Way.LOWERED,
    "exclude": Way.ADDED,
    "allow_list": Way.ADDED,
    "pass_codes": Way.ADDED,
    "tls_verify": Way.TURNED_OFF,
    "silence_is_closed": Way.TURNED_ON,
}
"""Of options of predicates, besides `…_max`, `max_…`, `…_min` and `min_…`, which say it themselves."""
OPTIONS_OF_KINDS: Mapping[tuple[str, str], Way] = {
    ("mutation", "threshold"): Way.LOWERED,
    ("visual", "threshold"): Way.RAISED,
}
UNWRITTEN: Mapping[str, Json] = {
    "allowed_regression": 0,
    "project_allowed_regression": 0,
    "samples": 1,
    "count_min": 1,
    "days_left_min": 14,
    "min_bytes": 1024,
    "min_distinct_bytes": 16,
    "min_records": 1,
    "max_5xx": 0,
    "threshold": 0.01,
    "tls_verify": True,
    "silence_is_closed": False,
}
"""What an option means that is not there, where that is neither none nor without end."""


def compared(old: object, new: object, keys: Mapping[str, Key], *, table: str = "") -> Iterator[Looser]:
    """Each key of these two values that is looser, or may be."""
    for field, (name, way) in keys.items():
        shown = f"{table}.{name}" if table else name
        found = looser(getattr(old, field), getattr(new, field), way, key=shown)
        if found is not None:
            yield found


def options(
    old: Mapping[str, Json], new: Mapping[str, Json], *, provider: str, shows_values: bool = True
) -> Iterator[Looser]:
    """Likewise of the options of one predicate."""
    for name in sorted({*old, *new}):
        way = way_of_option(provider, name)
        unwritten = UNWRITTEN.get(name)
        one, other = old.get(name, unwritten), new.get(name, unwritten)
        if name == "timeout_ms" and (one is None or other is None):
            way = Way.CHANGED  # what is not written is the kind's own deadline
        found = looser(one, other, way, key=name)
        if found is not None:
            what = found.what if shows_values else "an option"
            yield Looser(key=found.key if shows_values else "option", what=what, is_certain=found.is_certain)


def way_of_option(provider: str, name: str) -> Way:
    """The looser way of an option."""
    found = OPTIONS_OF_KINDS.get((provider, name), OPTIONS.get(name))
    if found is not None:
        return found
    if name.endswith("_max") or name.startswith("max_"):
        return Way.RAISED
    return Way.LOWERED if name.endswith("_min") or name.startswith("min_") else Way.CHANGED


def looser(old: object, new: object, way: Way | Words, *, key: str) -> Looser | None:
    """What is looser about a key that was `old` and is `new`; None: nothing is."""
    if _same(old, new):
        return None
    if not isinstance(way, Way):
        is_looser = way.index(str(new)) < way.index(str(old))
        return Looser(key=key, what=f"{key} {old} -> {new}") if is_looser else None
    match way:
        case Way.FREE:
            return None
        case Way.CHANGED:
            return _changed(key)
        case Way.RAISED | Way.LOWERED:
            return _numbers(old, new, way, key=key)
        case Way.TURNED_ON | Way.TURNED_OFF:
            return Looser(key=key, what=f"{key} {way.value}") if bool(new) is (way is Way.TURNED_ON) else None
        case Way.ADDED | Way.REMOVED:
            before, after = _entries(old), _entries(new)
            beyond = [e for e in after if e not in before] if way is Way.ADDED else _gone(before, after)
            return Looser(key=key, what=f"{key}: {_named(beyond)} {way.value}") if beyond else None
        case Way.WITHIN:
            return _places(_entries(old), _entries(new), key=key)
        case _:
            assert_never(way)


def _same(old: object, new: object) -> bool:
    """Lists and tuples of the same entries are the same; True is no 1."""
    return msgspec.json.encode(old, order="deterministic") == msgspec.json.encode(new, order="deterministic")


def _changed(key: str) -> Looser:
    return Looser(key=key, what=f"{key} changed", is_certain=False)


def _numbers(old: object, new: object, way: Way, *, key: str) -> Looser | None:
    """None is no bound at all, so it is the loosest."""
    before, after = _number(old), _number(new)
    if (old is not None and before is None) or (new is not None and after is None):
        return _changed(key)
    if before is None or (after is not None and (after <= before if way is Way.RAISED else after >= before)):
        return None
    return Looser(key=key, what=f"{key} {_shown(old)} -> {'none' if new is None else _shown(new)}")


def _number(value: object) -> float | None:
    return duration_s(value) if isinstance(value, str) else _plain(value)


def _plain(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:WORD_CHARS_MAX]


def _entries(value: object) -> Sequence[object]:
    return (
        cast("Sequence[object]", value)
        if isinstance(value, list | tuple)
        else ()
        if value is None
        else (value,)
    )


def _gone(before: Collection[object], after: Collection[object]) -> list[object]:
    return [entry for entry in before if entry not in after]


def _places(old: Sequence[object], new: Sequence[object], *, key: str) -> Looser | None:
    if not old:
        return None
    if not new:
        return Looser(key=key, what=f"{key}: everywhere")
    beyond = [entry for entry in new if entry not in old]
    return Looser(key=key, what=f"{key}: {_named(beyond)} added") if beyond else None


def _named(entries: Sequence[object]) -> str:
    shown = ", ".join(str(entry)[:WORD_CHARS_MAX] for entry in entries[:NAMED_MAX])
    more = len(entries) - NAMED_MAX
    return f"{shown} and {more} more" if more > 0 else shown
