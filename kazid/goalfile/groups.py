"""`[[group]]`: normalised ids, and references that lead somewhere and never in a circle.

An id is normalised once. The predecessor did it twice with the duplicate check in between, so that two groups could end
with one id; here "identity_and_access" is `identity-and-access`, and two spellings of one id are a problem.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.goal import Group
from kazid.goalfile import vocabulary
from kazid.goalfile.positions import Path
from kazid.goalfile.problems import Problems
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Table, read_tables

CYCLES_MAX = 20
"""Told at once; each costs a walk along all of its members."""

_NOT_ID = re.compile(r"[^a-z0-9]+")
_AND = re.compile(r"\band\b")


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """The declared groups with where each stands."""

    groups: Sequence[Group]
    tables: Mapping[str, Table]

    def extended_by(self, group: Group) -> "Groups":
        """These and one more, unless its id is already there."""
        if group.id in {g.id for g in self.groups}:
            return self
        return Groups(groups=(*self.groups, group), tables=self.tables)


def normalised(name: str) -> str:
    """Lower case, `&` and the word `and` dropped, all else outside a-z 0-9 joined by one dash."""
    words = _AND.sub(" ", name.lower().replace("&", " "))
    return _NOT_ID.sub("-", words).strip("-")


def read_groups(raw: object, problems: Problems, *, path: Path) -> Groups:
    """The declared groups; their references are checked by `check_references` once all are known."""
    groups: list[Group] = []
    tables: dict[str, Table] = {}
    for table in read_tables(raw, vocabulary.GROUP, problems, path=path, name="group"):
        authored = table.text("id")
        if authored is None:
            continue
        group_id = normalised(authored)
        if not group_id:
            problems.add(
                (*table.path, "id"), f"group id {shown(authored)} has no letter or digit left when normalised"
            )
        elif group_id in tables:
            spelled = "" if authored == group_id else f" (written {shown(authored)})"
            problems.add((*table.path, "id"), f'duplicate group id "{group_id}"{spelled}')
        else:
            tables[group_id] = table
            groups.append(_group(group_id, authored, table))
    return Groups(groups=groups, tables=tables)


def check_references(groups: Groups, problems: Problems) -> None:
    """Parents and needs are declared, no group needs itself, and neither relation runs in a circle."""
    by_id = {g.id: g for g in groups.groups}
    for group in groups.groups:
        table = groups.tables.get(group.id)
        if table is None:
            continue
        if group.parent is not None and group.parent not in by_id:
            problems.add_unknown(
                (*table.path, "parent"), f'group "{group.id}": unknown parent', group.parent, by_id
            )
        for index, need in enumerate(group.needs):
            path = (*table.path, "needs", index)
            if need == group.id:
                problems.add(path, f'group "{group.id}" needs itself')
            elif need not in by_id:
                problems.add_unknown(path, f'group "{group.id}": needs unknown group', need, by_id)
    parents = {g.id: [g.parent] if g.parent is not None and g.parent in by_id else [] for g in groups.groups}
    needs = {g.id: [n for n in g.needs if n in by_id and n != g.id] for g in groups.groups}
    for key, edges in (("parent", parents), ("needs", needs)):
        for cycle in cycles(edges):
            message = f"groups whose {key} run in a circle: {' -> '.join(cycle)}"
            problems.add((*groups.tables[cycle[0]].path, key), message)


def cycles(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """One circle for each set of nodes that cannot be ordered, written out: a, b, a. Linear, without recursion."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in edges:
        trail: list[str] = []
        on_trail: set[str] = set()
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            node, is_exit = stack.pop()
            if is_exit:
                on_trail.discard(trail.pop())
                done.add(node)
            elif node in on_trail:
                if len(found) == CYCLES_MAX:
                    return found
                found.append([*trail[trail.index(node) :], node])
            elif node not in done:
                trail.append(node)
                on_trail.add(node)
                stack.append((node, True))
                stack.extend((e, False) for e in reversed(edges[node]))
    return found


def _group(group_id: str, authored: str, table: Table) -> Group:
    parent = table.text("parent")
    return Group(
        id=group_id,
        name=table.text("name") or authored,
        parent=None if parent is None else normalised(parent),
        budget=table.integer("budget"),
        needs=tuple(normalised(n) for n in table.texts("needs")),
    )
