"""A goal-file's text as a `Goal`, or every problem in it at once. The way into this package.

Reads nothing itself: feature files and a roadmap's members come through `Request.read_text`.
"""

from collections.abc import Callable, Mapping

from kazid.goalfile.document import parse
from kazid.goalfile.problems import Problems
from kazid.goalfile.request import Defaults, Loaded, Request, Source
from kazid.goalfile.resolve import read_goal
from kazid.goalfile.roadmap import GOALS, Roadmap, is_roadmap, read_roadmap
from kazid.ports.catalog import Catalog

__all__ = ["Defaults", "Loaded", "Roadmap", "Source", "load", "load_roadmap"]

FLEET = "member"


def load(
    text: str | bytes,
    *,
    source: Source,
    catalog: Catalog,
    defaults: Defaults,
    read_text: Callable[[str], str],
) -> Loaded:
    """The goal a text means.

    Raises GoalFileError with every problem in line order. A roadmap or a fleet manifest is refused by name.
    """
    request = Request(source=source, catalog=catalog, defaults=defaults, read_text=read_text)
    document = parse(text)
    problems = Problems(document.positions)
    if is_roadmap(document.values):
        problems.add(
            (GOALS,),
            "this is a roadmap ([[goals]]): applying one is not built yet, apply its goals one by one",
        )
        read_roadmap(document, problems, request)
    elif _is_fleet(document.values):
        problems.add(
            (FLEET,), "this is a fleet manifest ([[member]]): not built yet, apply its goals one by one"
        )
    else:
        loaded = read_goal(document.values, document=document, problems=problems, request=request)
        if loaded is not None:
            return loaded
    problems.raise_any()
    raise AssertionError("what did not load has a problem")


def load_roadmap(
    text: str | bytes,
    *,
    source: Source,
    catalog: Catalog,
    defaults: Defaults,
    read_text: Callable[[str], str],
) -> Roadmap | None:
    """The roadmap a text holds, with all of its goals loaded; None when it is no roadmap.

    Raises GoalFileError with every problem, those of its goals included.
    """
    document = parse(text)
    if not is_roadmap(document.values):
        return None
    problems = Problems(document.positions)
    request = Request(source=source, catalog=catalog, defaults=defaults, read_text=read_text)
    roadmap = read_roadmap(document, problems, request)
    problems.raise_any()
    return roadmap


def _is_fleet(values: Mapping[str, object]) -> bool:
    return FLEET in values and "predicate" not in values
