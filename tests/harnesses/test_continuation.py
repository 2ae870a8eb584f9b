"""What the next agent is told of the tree that the one before it left."""

import pytest

from kazid.core.change import Change
from kazid.core.ids import AttemptId, PredicateId
from kazid.core.instant import Now
from kazid.core.progress import ActSummary, Episode, Progress
from kazid.core.vector import assess
from kazid.harnesses.continuation import continuation
from tests.builders import a_goal, a_harness, a_predicate

GOAL = a_goal(a_predicate("tests"), harness=a_harness(), workspace="/w")
NOW = Now(boot_s=10.0, wall_s=1e9, boot_id="b")


def _told(**act: object) -> str:
    summary = ActSummary(
        attempt_id=AttemptId("a"), number=1, rung="harness:claude", title="t", predicates=(PredicateId("tests"),), **act
    )  # fmt: skip
    progress = Progress(episode=Episode(number=1, opened_s=0.0, opened_wall_s=0.0, acts=(summary,)))
    return continuation(GOAL, progress, assess(GOAL, progress, NOW))


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
