"""A roadmap: goal-files in the order they need each other. It loads and is checked; running one is not built yet.

Recognised by its `[[goals]]`. Each entry names a goal-file or holds the goal itself.
"""

import posixpath
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.errors import GoalFileError
from kazid.goalfile import vocabulary
from kazid.goalfile.document import Document, is_table, parse
from kazid.goalfile.groups import cycles
from kazid.goalfile.positions import Path
from kazid.goalfile.problems import Problems
from kazid.goalfile.request import Loaded, Request
from kazid.goalfile.resolve import read_goal
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Table, read_tables

GOALS = "goals"


class Roadmap(msgspec.Struct, frozen=True, kw_only=True):
    """Entries in file order, and edges (needed, needing). `goals` holds what each entry loads to."""

    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    goals: Mapping[str, Loaded]


def is_roadmap(values: Mapping[str, object]) -> bool:
    """True for a file of `[[goals]]`; a goal-file has predicates."""
    return GOALS in values and "predicate" not in values


def read_roadmap(document: Document, problems: Problems, request: Request) -> Roadmap:
    """The roadmap with every goal loaded; whatever is wrong with it or them is in `problems`."""
    raw = document.values.get(GOALS)
    for key in document.values:
        if key != GOALS:
            problems.add((key,), f"roadmap: unknown key {shown(key)}", hint="a roadmap has only [[goals]]")
    entries = read_tables(raw, vocabulary.ROADMAP_GOAL, problems, path=(GOALS,), name=GOALS)
    if raw == []:
        problems.add((GOALS,), "a roadmap needs at least one [[goals]] entry")
    needs: dict[str, list[str]] = {}
    goals: dict[str, Loaded] = {}
    for entry in entries:
        name = entry.text("id")
        if name is None:
            continue
        if name in needs:
            problems.add((*entry.path, "id"), f"duplicate roadmap entry {shown(name)}")
            continue
        needs[name] = list(entry.texts("needs"))
        loaded = _load_entry(name, entry, document, problems, request)
        if loaded is not None:
            goals[name] = loaded
    _check_needs(entries, needs, problems)
    edges = tuple((need, name) for name, wanted in needs.items() for need in wanted)
    return Roadmap(nodes=tuple(needs), edges=edges, goals=goals)


def _load_entry(
    name: str, entry: Table, document: Document, problems: Problems, request: Request
) -> Loaded | None:
    path, inline = entry.text("path"), entry.raw("goal")
    if (path is None) == (inline is None):
        message = f'roadmap entry {shown(name)} needs exactly one of "path" and "goal"'
        problems.add(entry.path, message)
        return None
    if path is not None:
        return _load_member(name, path, (*entry.path, "path"), problems, request)
    assert is_table(inline), "the entry's shape was checked"
    values = {"id": name, **inline}
    return read_goal(
        values, document=document, problems=problems, request=request, base=(*entry.path, "goal")
    )


def _load_member(name: str, path: str, at: Path, problems: Problems, request: Request) -> Loaded | None:
    """One goal-file of the roadmap; its problems are told with its name and its own lines."""
    folder = posixpath.dirname(request.source.path or "/")
    resolved = posixpath.normpath(posixpath.join(folder, path))
    source = msgspec.structs.replace(request.source, path=resolved)
    try:
        member = parse(request.read_text(resolved))
        own = Problems(member.positions)
        loaded = read_goal(
            member.values,
            document=member,
            problems=own,
            request=msgspec.structs.replace(request, source=source),
        )
        own.raise_any()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.add(at, f"roadmap entry {shown(name)}: cannot read {resolved}: {reason}")
        return None
    except GoalFileError as error:
        for problem in error.problems:
            problems.add(
                at, f"roadmap entry {shown(name)}: {resolved}:{problem.line}: {problem.message}", problem.hint
            )
        return None
    return loaded


def _check_needs(entries: Sequence[Table], needs: Mapping[str, list[str]], problems: Problems) -> None:
    for entry in entries:
        for index, need in enumerate(entry.texts("needs")):
            if need not in needs:
                what = f"roadmap entry {shown(entry.text('id'))}"
                problems.add_unknown((*entry.path, "needs", index), f"{what}: needs unknown", need, needs)
    known = {name: [n for n in wanted if n in needs] for name, wanted in needs.items()}
    for cycle in cycles(known):
        problems.add((GOALS,), f"roadmap entries need each other in a circle: {' -> '.join(cycle)}")
