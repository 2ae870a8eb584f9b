"""Python packages in a tree, and which of its files import one near a failure: values for `orientation.py`. Pure.

Who calls a name is told by name; who imports a module also says who is concerned without calling it. The graph itself
is read by grimp (`adapters/system/importers.py`); here is what is asked of it, and how it is told.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

PACKAGES_MAX = 20
IMPORTERS_MAX = 8


class Imported(msgspec.Struct, frozen=True):
    """Who imports one file: (file, line) of those that do so directly, and how many modules depend on it at all."""

    by: Sequence[tuple[str, int]]
    depending: int


class Question(msgspec.Struct, frozen=True):
    """What is asked: folders of packages by name, and the modules whose importers are wanted, by file."""

    packages: Mapping[str, str]
    modules: Mapping[str, str]
    files: Mapping[str, str]
    """File by module, of all that may be told."""


def question_of(near: Sequence[str], paths: Iterable[str]) -> Question | None:
    """What to ask about these files of a tree with these paths; None where none of them is in a package.

    A folder beside a package counts as one, too, with an `__init__.py` or without: tests import what they test.
    """
    python = sorted(p for p in paths if p.endswith(".py"))
    folders = {_folder(p) for p in python if p.rpartition("/")[2] == "__init__.py"}
    top_by_file = {p: top for p in python if (top := _top(_folder(p), folders)) is not None}
    wanted = [p for p in near if p in top_by_file]
    if not wanted:
        return None
    roots = {_folder(top_by_file[p]) for p in wanted}
    tops = [top_by_file[p] for p in wanted] + sorted(set(top_by_file.values()))
    holding = {_folder(top) for top in tops}
    for path in python:
        for root in sorted(roots):
            beside = _first_below(path, root)
            if beside is not None and beside not in holding and path not in top_by_file:
                top_by_file[path] = beside
                tops.append(beside)
    packages: dict[str, str] = {}
    for top in tops:
        name = top.rpartition("/")[2]
        if name.isidentifier() and len(packages) < PACKAGES_MAX:
            packages.setdefault(name, top)
    told = {_module(p, top): p for p, top in top_by_file.items() if top in packages.values()}
    asked = {_module(p, top_by_file[p]): p for p in wanted}
    return Question(
        packages=packages, modules={m: p for m, p in asked.items() if told.get(m) == p}, files=told
    )


def imported_of(question: Question, graph: Mapping[str, Imported]) -> dict[str, Imported]:
    """The graph's answer, by module, as files of the tree: what is not to be told is left out."""
    return {
        path: Imported(
            by=sorted((question.files[m], line) for m, line in graph[module].by if m in question.files),
            depending=graph[module].depending,
        )
        for module, path in question.modules.items()
        if module in graph
    }


def told(imported: Imported) -> str:
    """One line; empty where nobody imports it."""
    if not imported.by:
        return ""
    more = len(imported.by) - IMPORTERS_MAX
    at = ", ".join(f"{path}:{line}" for path, line in imported.by[:IMPORTERS_MAX])
    return f"  imported at {at}" + (f" and {more} more" if more > 0 else "") + _beyond(imported)


def _beyond(imported: Imported) -> str:
    indirect = imported.depending - len({path for path, _ in imported.by})
    return f"; {indirect} more by way of these" if indirect > 0 else ""


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _top(folder: str, packages: set[str]) -> str | None:
    """The outermost package that a folder is in."""
    top = None
    while folder and folder in packages:
        top, folder = folder, _folder(folder)
    return top


def _first_below(path: str, root: str) -> str | None:
    rest = path.removeprefix(f"{root}/") if root else path
    if root and rest == path:
        return None
    first, slash, _ = rest.partition("/")
    return (f"{root}/{first}" if root else first) if slash else None


def _module(path: str, top: str) -> str:
    inside = path[len(_folder(top)) + 1 :] if _folder(top) else path
    return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
