"""What becomes of a change by the goal's scope: what was outside of it, and what is too large."""

from collections.abc import Mapping, Sequence

import pytest

from kazid.core.change import Ruling, judged
from kazid.core.goal import Scope
from kazid.core.status import Cause
from tests.builders import a_goal

FILES = {"src/a.py": 10, "src/b.py": 5, "docs/x.md": 1}


def ruling(scope: Scope, files: Mapping[str, int] = FILES, *, prefix: str = "") -> Ruling:
    return judged(a_goal(scope=scope), files, prefix=prefix)


@pytest.mark.parametrize(
    ("scope", "prefix", "outside"),
    [
        pytest.param(Scope(), "", [], id="no-bounds"),
        pytest.param(Scope(write_paths=("src",)), "", ["docs/x.md"], id="a-folder"),
        pytest.param(Scope(write_paths=("docs", "src/a.py")), "", ["src/b.py"], id="any-of-several"),
        pytest.param(Scope(deny=("src/b.py",)), "", ["src/b.py"], id="denied"),
        pytest.param(Scope(deny=("nothing", "docs")), "", ["docs/x.md"], id="denied-by-the-second"),
        pytest.param(
            Scope(write_paths=("src",), deny=("src/a.py",)), "", ["src/a.py", "docs/x.md"], id="both"
        ),
        pytest.param(Scope(), "src/", ["docs/x.md"], id="outside-of-the-workspace"),
        pytest.param(
            Scope(write_paths=("a.py",)), "src/", ["src/b.py", "docs/x.md"], id="from-the-workspace"
        ),
        pytest.param(
            Scope(deny=("a.py",)), "src/", ["src/a.py", "docs/x.md"], id="denied-from-the-workspace"
        ),
    ],
)
def test_what_is_outside_is_named_from_the_top_of_the_tree(scope: Scope, prefix: str, outside: Sequence[str]):
    assert ruling(scope, prefix=prefix) == Ruling(outside=outside, reverts=False)


def test_what_is_outside_is_put_back_where_the_goal_says_so():
    scope = Scope(write_paths=("src",), on_outside="revert")
    assert ruling(scope) == Ruling(outside=["docs/x.md"], reverts=True)
    assert ruling(scope, {"src/a.py": 1}) == Ruling(outside=[], reverts=False)


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        pytest.param(Scope(files_max=3, lines_max=16), None, id="at-both-limits"),
        pytest.param(Scope(files_max=2), "3 files, and the goal allows 2", id="too-many-files"),
        pytest.param(Scope(lines_max=15), "16 lines, and the goal allows 15", id="too-many-lines"),
        pytest.param(Scope(files_max=0), "3 files, and the goal allows 0", id="none-at-all"),
        pytest.param(
            Scope(files_max=1, lines_max=1),
            "3 files, and the goal allows 1; 16 lines, and the goal allows 1",
            id="both",
        ),
        pytest.param(
            Scope(files_max=2, lines_max=15, write_paths=("src",), on_outside="revert"),
            None,
            id="what-is-put-back-does-not-count",
        ),
        pytest.param(
            Scope(files_max=2, write_paths=("src",)),
            "3 files, and the goal allows 2",
            id="what-is-only-rejected-counts",
        ),
        pytest.param(
            Scope(files_max=1, write_paths=("src",), on_outside="revert"),
            "2 files, and the goal allows 1",
            id="too-many-even-without-what-is-outside",
        ),
    ],
)
def test_a_change_beyond_its_limits_is_held_for_a_person_and_nothing_is_put_back(
    scope: Scope, reason: str | None
):
    said = ruling(scope)
    if reason is None:
        assert (said.holds, said.cause, said.reason) == (False, None, None)
        return
    assert (said.holds, said.reverts, said.cause) == (True, False, Cause.CHANGE_HELD)
    assert said.reason == f"the change is held for a person: {reason}"
    assert said.outside == (["docs/x.md"] if scope.write_paths else [])
