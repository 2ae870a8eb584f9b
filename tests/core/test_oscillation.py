"""Dispatches that undo each other are named when a goal ends for want of progress."""

from collections.abc import Sequence

import pytest

from kazid.core.ids import AttemptId
from kazid.core.instant import Now
from kazid.core.oscillation import traded
from kazid.core.progress import ActSummary
from kazid.core.vector import assess
from tests.builders import FAIL, PASS, WALL_0, a_goal, a_predicate, a_progress, a_state, an_episode

NOW = Now(boot_s=100.0, wall_s=WALL_0 + 100.0, boot_id="boot-1")
GOAL = a_goal(a_predicate("a"), a_predicate("b"), a_predicate("c"))


def _act(number: int, predicate: str, rung: str = "harness:claude") -> ActSummary:
    return ActSummary(
        attempt_id=AttemptId(f"a{number}"), number=number, rung=rung, title="", predicates=(predicate,)
    )


@pytest.mark.parametrize(
    ("acts", "window", "red", "is_thrash"),
    [
        pytest.param([_act(1, "a"), _act(2, "b"), _act(3, "a")], 3, "bc", True, id="fix-one-and-break-two"),
        pytest.param([_act(1, "a"), _act(2, "a"), _act(3, "a")], 3, "a", False, id="edits-that-alternate"),
        pytest.param([_act(1, "a"), _act(2, "b")], 2, "ab", False, id="nothing-won"),
        pytest.param(
            [_act(1, "a"), _act(2, "b"), _act(3, "b")], 2, "b", False, id="won-before-an-improvement"
        ),
        pytest.param([_act(1, "a", "remedy:0"), _act(2, "b")], 1, "b", False, id="a-remedy-won"),
        pytest.param([_act(1, "a")], 0, "b", False, id="no-dispatch-since"),
        pytest.param([_act(1, "a")], 1, "", False, id="nothing-is-red"),
    ],
)
def test_what_was_won_at_the_cost_of_something_else_is_thrash(
    acts: Sequence[ActSummary], window: int, red: str, is_thrash: bool
) -> None:
    states = {
        p: a_state(FAIL if p in red else PASS, started_s=99.0, ended_s=99.5, fails=1, passes=1) for p in "abc"
    }
    progress = a_progress(states=states)
    episode = an_episode(acts=acts, fingerprints=["f"] * window)
    reason = traded(episode, assess(GOAL, progress, NOW))
    assert (reason is not None) is is_thrash
    assert reason is None or "a was mended while b, c broke" in reason
