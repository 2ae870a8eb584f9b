"""The tables of a goal-file apart from its predicates, read key by key, with what one key alone cannot tell checked."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.window import WINDOW_S_MAX
from kazid.goalfile import vocabulary
from kazid.goalfile.document import is_table
from kazid.goalfile.groups import Groups, read_groups
from kazid.goalfile.positions import Path
from kazid.goalfile.predicates import check_id
from kazid.goalfile.problems import Problems, listed
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Fields, Table, read_table, read_tables

_LABEL_KEY = re.compile(r"[^\s=,]+")
_CLAIM = re.compile(r"(path|unit|url|repo):.+")
_ROLES: Mapping[str, Fields] = {"fixer": vocabulary.FIXER_ROLE, "demonstrator": vocabulary.DEMONSTRATOR_ROLE}
_BESIDES: Mapping[str, Sequence[str]] = {
    "enforcement": ("guard", "roles"),
    "budget": ("window",),
    "deploy": ("env", "layer"),
}


class Sections(msgspec.Struct, frozen=True, kw_only=True):
    """Every table with its sound keys. A table that is not authored is there and empty."""

    top: Table
    tables: Mapping[str, Table]
    remedies: Sequence[Table]
    routes: Sequence[Table]
    captures: Sequence[Table]
    approvals: Sequence[Table]
    guards: Sequence[Table]
    window: Table
    groups: Groups


def read_sections(values: Mapping[str, object], problems: Problems, *, base: Path) -> Sections:
    """All tables; each problem in them is recorded and what is wrong is left out."""
    known = [*vocabulary.TABLES, *vocabulary.ARRAYS, "predicate"]
    top = read_table(values, vocabulary.TOP, problems, path=base, what="goal-file", also=known)
    tables = {
        name: _read_plain(name, fields, values, problems, base=base)
        for name, fields in vocabulary.TABLES.items()
    }
    remedies, routes, captures, approvals = (
        read_tables(values.get(name), vocabulary.ARRAYS[name], problems, path=(*base, name), name=name)
        for name in ("remedy", "route", "capture", "approval")
    )
    sections = Sections(
        top=top,
        tables=tables,
        remedies=remedies,
        routes=routes,
        captures=captures,
        approvals=approvals,
        guards=_read_guards(values.get("enforcement"), problems, path=(*base, "enforcement")),
        window=_read_window(values.get("budget"), problems, path=(*base, "budget", "window")),
        groups=read_groups(values.get("group"), problems, path=(*base, "group")),
    )
    _check_top(top, problems)
    _check_scope(tables["scope"], problems)
    _check_escalation(tables["escalation"], problems)
    _check_unique(sections.captures, "name", problems, what="capture name")
    _check_unique(sections.guards, "id", problems, what="enforcement guard id")
    return sections


def _read_plain(
    name: str, fields: Fields, values: Mapping[str, object], problems: Problems, *, base: Path
) -> Table:
    path = (*base, name)
    if name not in values:
        return Table({}, path=path)
    return read_table(values[name], fields, problems, path=path, what=name, also=_BESIDES.get(name, ()))


def _read_guards(raw: object, problems: Problems, *, path: Path) -> list[Table]:
    """The guards of `[enforcement]`; its roles are checked on the way."""
    if not is_table(raw):
        return []
    if "roles" in raw:
        roles_path = (*path, "roles")
        roles = read_table(
            raw["roles"], {}, problems, path=roles_path, what="enforcement.roles", also=list(_ROLES)
        )
        if roles.is_authored and is_table(raw["roles"]):
            for name, fields in _ROLES.items():
                if name in raw["roles"]:
                    what = f"enforcement.roles.{name}"
                    read_table(raw["roles"][name], fields, problems, path=(*roles_path, name), what=what)
    guard_path = (*path, "guard")
    return read_tables(
        raw.get("guard"), vocabulary.ENFORCEMENT_GUARD, problems, path=guard_path, name="enforcement.guard"
    )


def _read_window(raw: object, problems: Problems, *, path: Path) -> Table:
    """`[budget.window]`, empty where there is none."""
    if not is_table(raw) or "window" not in raw:
        return Table({}, path=path)
    window = read_table(raw["window"], vocabulary.BUDGET_WINDOW, problems, path=path, what="budget.window")
    per_s = window.seconds("per")
    if per_s is not None and per_s > WINDOW_S_MAX:
        problems.add((*path, "per"), "budget.window: per is 31 days at most", hint='write per = "24h"')
    limits = [key for key in vocabulary.BUDGET_WINDOW if key != "per"]
    if per_s is not None and not any(window.has(key) for key in limits):
        problems.add(path, f"budget.window limits nothing: give it one of {listed(limits)}")
    return window


def _check_top(top: Table, problems: Problems) -> None:
    goal_id = top.text("id")
    if goal_id is not None:
        check_id(goal_id, problems, path=(*top.path, "id"), what="id")
    for key in top.text_table("labels"):
        if not _LABEL_KEY.fullmatch(key):
            message = f"labels: {shown(key)} cannot be selected: a label has no space, comma or equals sign"
            problems.add((*top.path, "labels", key), message)
    for index, ref in enumerate(top.texts("depends_on")):
        path = (*top.path, "depends_on", index)
        if not ref.strip():
            problems.add(path, "depends_on names a goal by its REF, not by an empty string")
        elif ref == goal_id:
            problems.add(path, "a goal cannot depend on itself")


def _check_scope(scope: Table, problems: Problems) -> None:
    for index, claim in enumerate(scope.texts("owns")):
        if not _CLAIM.fullmatch(claim):
            message = f'scope.owns: {shown(claim)} must begin with "path:", "unit:", "url:" or "repo:"'
            problems.add((*scope.path, "owns", index), message)


def _check_escalation(escalation: Table, problems: Problems) -> None:
    path = (*escalation.path, "ladder")
    if escalation.has("ladder") and not escalation.texts("ladder"):
        problems.add(path, "escalation.ladder must name at least one model")
    for index, model in enumerate(escalation.texts("ladder")):
        if not model:
            problems.add((*path, index), "escalation.ladder: a model's name must not be empty")


def _check_unique(tables: Sequence[Table], key: str, problems: Problems, *, what: str) -> None:
    seen: set[str] = set()
    for table in tables:
        name = table.text(key)
        if name is not None and name in seen:
            problems.add((*table.path, key), f"duplicate {what} {shown(name)}")
        seen.add(name or "")
