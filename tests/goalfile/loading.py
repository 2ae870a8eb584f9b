"""Loading goal-files in tests: only what matters to a test is said."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from kazid.core.errors import GoalFileError, Problem
from kazid.core.goal import Goal
from kazid.goalfile.load import Defaults, Loaded, Source, load
from kazid.providers.catalog import BUILTIN_CATALOG

CATALOG = BUILTIN_CATALOG
FOLDER = "/goals"


def script(predicate_id: str) -> str:
    """A code predicate of four lines."""
    return f'[[predicate]]\nid = "{predicate_id}"\nprovider = "custom_script"\ncmd = "./check"\n'


PREDICATE = script("p")
PROBE = '[[predicate]]\nid = "live"\nprovider = "http_probe"\nurl = "http://x/"\nexpect_status = 200\n'


def files(texts: Mapping[str, str]) -> Callable[[str], str]:
    """A reader of files that exist only here."""

    def read_text(path: str) -> str:
        if path not in texts:
            raise FileNotFoundError(2, "No such file or directory", path)
        return texts[path]

    return read_text


def loaded(
    text: str | bytes,
    *,
    texts: Mapping[str, str] | None = None,
    defaults: Defaults | None = None,
    **source: Any,
) -> Loaded:
    """Load a text as if it lay in /goals, unless `source` says otherwise."""
    said = {"owner": "me", "path": f"{FOLDER}/g.goal.toml", **source}
    return load(
        text,
        source=Source(**said),
        catalog=CATALOG,
        defaults=defaults or Defaults(),
        read_text=files(texts or {}),
    )


def goal_of(text: str | bytes, **source: Any) -> Goal:
    return loaded(text, **source).goal


def problems_of(text: str | bytes, **source: Any) -> tuple[Problem, ...]:
    """Every problem of a text that must not load."""
    with pytest.raises(GoalFileError) as raised:
        loaded(text, **source)
    return raised.value.problems


def places_of(text: str | bytes, **source: Any) -> list[tuple[int | None, str | None]]:
    """Line and key of every problem."""
    return [(p.line, p.key) for p in problems_of(text, **source)]
