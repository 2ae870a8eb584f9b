"""What the next agent is told of the tree that the one before it left."""

from typing import Any

import pytest

from kazid.core.change import Change
from kazid.core.ids import AttemptId, PredicateId
from kazid.core.instant import Now
from kazid.core.progress import ActSummary, Episode, Progress
from kazid.core.vector import assess
from kazid.core.worktree import Collision
from kazid.harnesses.continuation import continuation
from tests.builders import a_goal, a_harness, a_predicate

GOAL = a_goal(a_predicate("tests"), harness=a_harness(), workspace="/w")
NOW = Now(boot_s=10.0, wall_s=1e9, boot_id="b")


def _told(*, progress: dict[str, Any] | None = None, **act: Any) -> str:
    summary = ActSummary(
        attempt_id=AttemptId("a"), number=1, rung="harness:claude", title="t", predicates=(PredicateId("tests"),), **act
    )  # fmt: skip
    episode = Episode(number=1, opened_s=0.0, opened_wall_s=0.0, acts=(summary,))
    known = Progress(episode=episode, **(progress or {}))
    return continuation(GOAL, known, assess(GOAL, known, NOW))


@pytest.mark.parametrize(
    ("act", "told"),
    [
        pytest.param({"ending": "total_timeout"}, "cut off (total_timeout)", id="a-deadline"),
        pytest.param({"ending": "orphaned", "change": Change(files=1, touched=["a"])}, "It changed: a", id="a-kill"),
        pytest.param({"ending": "exited", "change": Change(files=9, held="refs/kazi/u/1")}, "do less", id="held"),
        pytest.param({"ending": "cancelled", "change": Change(files=0)}, "It changed nothing", id="no-diff"),
        pytest.param(
            {"ending": "exited", "change": Change(files=1, outside=["b"], is_reverted=True)}, "undone: b", id="outside"
        ),
    ],
)  # fmt: skip
def test_the_next_agent_is_told_what_is_there(act: dict[str, object], told: str) -> None:
    assert told in _told(**act)


@pytest.mark.parametrize("act", [{}, {"ending": "exited"}, {"ending": "exited", "change": Change(files=0)}])
def test_where_nothing_is_left_nothing_is_said(act: dict[str, object]) -> None:
    assert _told(**act) == ""


@pytest.mark.parametrize(("made_by_then", "is_told"), [(1, True), (0, False)], ids=["the-last", "an-older"])
def test_after_a_collision_the_agent_is_told_of_the_change_that_is_not_there(
    made_by_then: int, is_told: bool
) -> None:
    collision = Collision(files=["a"], base="b" * 40, saved="refs/kazi/u/collided-1", acts=made_by_then)
    told = _told(progress={"collision": collision}, ending="exited", change=Change(files=1, touched=["a"]))
    assert (f"git diff {'b' * 40} refs/kazi/u/collided-1" in told) == is_told
    assert ("It changed: a" in told) != is_told
