"""Who may act on which red: remedies in file order, then the agent, then a person (SEMANTICS §3)."""

import pytest
from msgspec.structs import replace

from kazid.core.goal import Goal, Mode
from kazid.core.rungs import (
    HALF_OPEN_S,
    Choice,
    actionable,
    agent_may,
    half_open,
    options,
    remedy_of,
    remedy_rung,
)
from kazid.core.verdict import Verdict
from tests.builders import ERROR, FAIL, PASS, UNKNOWN, a_goal, a_harness, a_predicate, a_remedy, a_service
from tests.played import Played


def test_a_rung_names_its_remedy() -> None:
    goal = a_goal(remedies=[a_remedy(cmd="a"), a_remedy(cmd="b")])
    assert remedy_of(goal, remedy_rung(1)).cmd == "b"


@pytest.mark.parametrize(
    ("verdict", "on_error", "expected"),
    [
        (FAIL, False, True),
        (FAIL, True, True),
        (ERROR, False, False),
        (ERROR, True, True),
        (UNKNOWN, True, False),
        (PASS, True, False),
    ],
    ids=str,
)
def test_reds_are_actionable_and_errors_where_a_remedy_says_so(
    verdict: Verdict, on_error: bool, expected: bool
) -> None:
    play = Played(a_goal(a_predicate("tests"), remedies=[a_remedy(on_error=on_error)])).look("tests", verdict)
    assert bool(actionable(play.goal, play.vector)) is expected


def test_on_error_covers_only_the_predicates_of_that_remedy() -> None:
    goal = a_goal(a_predicate("a"), a_predicate("b"), remedies=[a_remedy("a", on_error=True), a_remedy("b")])
    play = Played(goal).look("a", ERROR).look("b", ERROR)
    assert actionable(play.goal, play.vector) == ("a",)


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        pytest.param(a_goal(a_predicate("it"), harness=a_harness()), True, id="code"),
        pytest.param(a_goal(a_predicate("it")), False, id="no-harness"),
        pytest.param(a_goal(a_predicate("it", live=True), harness=a_harness()), False, id="live"),
        pytest.param(
            a_goal(a_predicate("it", live=True), harness=a_harness("it")), True, id="live-and-named"
        ),
        pytest.param(
            a_goal(a_predicate("it", live=True), harness=a_harness(), mode=Mode.CREATE),
            False,
            id="live-in-a-create-goal",
        ),
        pytest.param(
            a_goal(a_predicate("it", live=True, acceptance=True), harness=a_harness(), mode=Mode.CREATE),
            True,
            id="live-acceptance-in-a-create-goal",
        ),
    ],
)
def test_code_is_agent_work_and_live_only_when_named_or_accepted(goal: Goal, expected: bool) -> None:
    assert agent_may(goal, goal.predicates[0]) is expected


def options_of(play: Played) -> object:
    play.turn()
    return options(play.goal, play.progress, play.vector, play.now)


def test_reds_nobody_covers_are_orphaned_and_reds_nobody_mended_are_spent() -> None:
    goal = a_goal(
        a_predicate("a", live=True), a_predicate("b", live=True), remedies=[a_remedy("a", attempts=1)]
    )
    play = Played(goal).look("a", FAIL).look("b", FAIL).advance(2.0).look("a", FAIL).look("b", FAIL)
    play.acted()
    play.look("a", FAIL).look("b", FAIL).advance(2.0).look("a", FAIL).look("b", FAIL)
    found = options(play.goal, play.progress, play.vector, play.now)
    assert (found.choice, found.guards, found.spent, found.orphaned) == (None, [], ("a",), ("b",))


def test_a_remedy_serves_all_the_reds_it_covers_at_once() -> None:
    goal = a_goal(a_predicate("a"), a_predicate("b"), a_predicate("c"), remedies=[a_remedy("a", "b")])
    play = Played(goal).look("a", FAIL).look("b", FAIL).look("c", FAIL)
    assert play.act_intended().predicates == ("a", "b")


def test_attempts_are_counted_per_remedy_and_per_episode() -> None:
    goal = a_goal(
        a_predicate("a"),
        a_predicate("b"),
        remedies=[a_remedy(attempts=1), a_remedy(cmd="second", attempts=1)],
    )
    play = Played(goal).look("a", FAIL).look("b", PASS)
    assert play.acted().rung == "remedy:0"
    play.look("a", PASS).look("b", FAIL)
    assert play.acted().rung == "remedy:1", "the first was used up by the other predicate"


def test_the_half_open_hour_counts_from_the_last_act() -> None:
    play = Played(a_service(remedies=[a_remedy(attempts=1)])).looks(FAIL, FAIL)
    play.acted()
    ended_s = play.now.boot_s
    play.looks(FAIL, FAIL).turn()
    guard = half_open(play.goal, play.progress, play.vector, play.now)
    assert not isinstance(guard, Choice)
    assert guard is not None
    assert guard.until_s == ended_s + HALF_OPEN_S
    play.look("livez", FAIL, at=ended_s + HALF_OPEN_S)
    retry = half_open(play.goal, play.progress, play.vector, play.now)
    assert isinstance(retry, Choice)
    assert (retry.rung, retry.half_open, retry.predicates) == ("remedy:0", True, ("livez",))


def test_a_half_open_retry_uses_no_attempt() -> None:
    play = Played(a_service(remedies=[a_remedy(attempts=1)])).looks(FAIL, FAIL)
    play.acted()
    play.looks(FAIL, FAIL).turn()
    play.advance(HALF_OPEN_S).look("livez", FAIL)
    play.acted()
    assert (play.episode.iterations, play.episode.attempts) == (2, {"remedy:0": 1})


def test_nothing_is_half_open_where_no_remedy_covers_the_red() -> None:
    goal = a_goal(
        a_predicate("a", live=True),
        a_predicate("b", live=True),
        remedies=[a_remedy("a", attempts=1)],
        standing=True,
    )
    play = Played(goal).look("b", PASS).looks(FAIL, FAIL).look("b", PASS)
    play.acted()
    play.look("b", FAIL).looks(FAIL, FAIL).look("b", FAIL).turn()
    play.advance(30.0).looks(PASS, PASS).look("b", FAIL)
    assert half_open(play.goal, play.progress, play.vector, play.now) is None


def test_the_half_open_hour_of_an_episode_without_an_act_counts_from_its_beginning() -> None:
    play = Played(a_service(remedies=[a_remedy(attempts=1)])).looks(FAIL, FAIL)
    play.acted()
    play.looks(FAIL, FAIL).turn()
    never = replace(play.progress, last_act_ended_s=None)
    guard = half_open(play.goal, never, play.vector, play.now)
    assert guard is not None
    assert not isinstance(guard, Choice)
    assert play.progress.episode is not None
    assert guard.until_s == play.progress.episode.opened_s + HALF_OPEN_S
