"""Oscillation: what comes back, what was traded, and how the next dispatch is damped."""

import pytest

from kazid.core.decision import Act, Hold
from kazid.core.event import WorktreeCreated
from kazid.core.ids import AttemptId, PredicateId
from kazid.core.oscillation import is_thrash, returns
from kazid.core.progress import ActSummary
from kazid.core.status import Cause, GoalStatus
from tests.builders import FAIL, PASS, a_goal, a_harness, a_predicate, an_episode
from tests.core.test_placement import a_tree
from tests.played import Played


def an_act(number: int, reds: str, *, broke: str = "") -> ActSummary:
    """A dispatch that began from these reds."""
    return ActSummary(
        attempt_id=AttemptId(f"a{number}"),
        number=number,
        rung="harness:claude",
        title="t",
        predicates=(PredicateId(reds[0]),),
        ending="exited",
        reds=tuple(map(PredicateId, reds)),
        broke=tuple(map(PredicateId, broke)),
    )


@pytest.mark.parametrize(
    ("before", "now", "count", "thrash"),
    [
        pytest.param(["a"], "a", 0, False, id="the-same-set-never-left"),
        pytest.param(["a"], "b", 0, False, id="another-set"),
        pytest.param(["a", "b"], "a", 1, True, id="left-and-back"),
        pytest.param(["a", "b"], "b", 0, False, id="left-and-stayed-away"),
        pytest.param(["a", "b", "a"], "b", 2, True, id="back-twice"),
        pytest.param(["a", "b", "a"], "a", 1, False, id="once-back-and-staying"),
        pytest.param(["a", "ab", "b"], "a", 1, True, id="a-longer-way-round"),
        pytest.param(["a", "b"], "", 0, False, id="green-is-no-return"),
    ],
)
def test_a_failing_set_that_was_left_and_returns(before: list[str], now: str, count: int, thrash: bool):
    episode = an_episode(acts=tuple(an_act(i + 1, reds) for i, reds in enumerate(before)))
    reds = tuple(map(PredicateId, now))
    assert (returns(episode, reds), is_thrash(episode, reds)) == (count, thrash)


@pytest.mark.parametrize(
    ("reds", "broke", "now", "thrash"),
    [
        pytest.param("a", "b", "b", True, id="one-for-one"),
        pytest.param("a", "bc", "bc", True, id="fixed-one-and-broke-two"),
        pytest.param("ab", "c", "c", False, id="won-more-than-it-lost"),
        pytest.param("a", "", "", False, id="won-and-lost-nothing"),
        pytest.param("a", "b", "ab", False, id="lost-and-won-nothing-is-stuck-and-not-thrash"),
    ],
)
def test_a_dispatch_that_lost_as_many_greens_as_it_won(reds: str, broke: str, now: str, thrash: bool):
    episode = an_episode(acts=(an_act(1, reds, broke=broke),))
    assert is_thrash(episode, tuple(map(PredicateId, now))) is thrash


def swap(played: Played, red: str, green: str, tree: str) -> None:
    played.look(red, FAIL, tree=tree).look(green, PASS, tree=tree)


def test_after_thrash_the_next_dispatch_is_one_predicate_after_twice_the_backoff_and_then_it_ends():
    played = Played(a_goal(a_predicate("a"), a_predicate("b"), harness=a_harness()))
    played.record(WorktreeCreated(worktree=a_tree()))
    swap(played, "a", "b", "t0")
    played.acted(after=1.0)
    swap(played, "b", "a", "t1")
    assert (played.episode.acts[0].broke, played.episode.acts[0].harmed) == (("b",), ()), "in its own tree"
    for tree, red, green in (("t2", "a", "b"), ("t3", "b", "a")):
        for _ in range(30):
            decision = played.turn()
            if isinstance(decision, Act) or played.status is GoalStatus.STUCK:
                break
            assert isinstance(decision, Hold) or decision.predicates
            played.advance(5.0)
            swap(played, green, red, f"{tree}-before")
        if played.status is GoalStatus.STUCK:
            break
        assert isinstance(decision, Act)
        assert len(decision.predicates) == 1
        played.acted(after=1.0)
        swap(played, red, green, tree)
    played.turn()
    assert (played.status, played.cause) == (GoalStatus.STUCK, Cause.OSCILLATING)
