"""The decision of a turn, told as short stories: what has a ceiling ends at it (SEMANTICS §4)."""

import pytest

from kazid.core.decision import Act, Cancel, Hold, Resume
from kazid.core.goal import Budget, BudgetWindow
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Verdict
from tests.builders import FAIL, PASS, a_goal, a_harness, a_predicate, a_remedy
from tests.core.stories import a_red_service, a_red_task, next_red
from tests.played import Played

DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("verdict", "status"),
    [(PASS, GoalStatus.CONVERGED), (FAIL, GoalStatus.OVER_BUDGET)],
    ids=["green", "red"],
)
def test_one_iteration_acts_once_looks_once_more_and_then_ends(verdict: Verdict, status: GoalStatus) -> None:
    goal = a_goal(
        a_predicate("livez", live=True), remedies=[a_remedy(attempts=5)], budget=Budget(iterations_max=1)
    )
    play = Played(goal).looks(FAIL, FAIL)
    play.acted()
    hold = play.held()
    assert hold.status is GoalStatus.ACTING, "a final observation is always reserved"
    assert any(g.name == "final" for g in hold.guards)
    play.looks(verdict, verdict).turn()
    assert play.status is status


@pytest.mark.parametrize(
    ("budget", "spent", "words"),
    [
        pytest.param(Budget(iterations_max=1), {}, "1 of 1 iterations", id="iterations"),
        pytest.param(
            Budget(tokens_max=100, dispatches_max=9), {"tokens": 100}, "100 of 100 tokens", id="tokens"
        ),
        pytest.param(Budget(dispatches_max=1), {}, "1 of 1 dispatches", id="dispatches"),
    ],
)
def test_a_ceiling_ends_the_goal_over_budget(budget: Budget, spent: dict[str, int], words: str) -> None:
    play = a_red_task(budget=budget)
    play.acted(**spent)
    next_red(play, tree="t1")
    assert (play.status, play.cause) == (GoalStatus.OVER_BUDGET, Cause.BUDGET_EXHAUSTED)
    assert words in (play.progress.reason or "")


@pytest.mark.parametrize(
    ("budget", "spent", "words"),
    [
        pytest.param(Budget(dispatches_per_day_max=1), {}, "1 of 1 dispatches in 24 h", id="a-day"),
        pytest.param(
            Budget(window=BudgetWindow(per_s=5400.0, dispatches_max=1)),
            {},
            "1 of 1 dispatches in 90 m",
            id="own",
        ),
        pytest.param(
            Budget(window=BudgetWindow(per_s=7 * DAY_S, tokens_max=100)),
            {"tokens": 100},
            "100 of 100 tokens in 7 d",
            id="tokens",
        ),
    ],
)
def test_a_spent_window_ends_a_goal_by_its_own_cause(
    budget: Budget, spent: dict[str, int], words: str
) -> None:
    play = a_red_task(budget=budget)
    play.acted(**spent)
    next_red(play, tree="t1")
    assert (play.status, play.cause) == (GoalStatus.OVER_BUDGET, Cause.WINDOW_EXHAUSTED)
    assert words in (play.progress.reason or "")


def test_a_dispatch_ceiling_does_not_hold_remedies() -> None:
    goal = a_goal(
        a_predicate("livez", live=True),
        remedies=[a_remedy()],
        harness=a_harness(),
        budget=Budget(dispatches_max=0),
    )
    assert isinstance(Played(goal).looks(FAIL, FAIL).turn(), Act)


def test_the_wall_clock_ends_a_goal_after_one_more_look() -> None:
    play = a_red_service(remedies=[a_remedy(attempts=9)], budget=Budget(wall_clock_s_max=60.0))
    play.turn()
    play.at(62.0)
    hold = play.held()
    assert hold.until_s is None or hold.until_s > play.now.boot_s, "a time in the past makes the loop spin"
    play.reconcile().look("livez", FAIL).turn()
    assert (play.status, play.progress.reason) == (GoalStatus.OVER_BUDGET, "60 s of wall clock used")


def test_the_wall_clock_cancels_a_running_act() -> None:
    play = a_red_service(budget=Budget(wall_clock_s_max=60.0))
    play.act_intended()
    assert play.held().until_s == 62.0
    play.at(62.0)
    cancel = play.turn()
    assert isinstance(cancel, Cancel)
    assert "60 s of wall clock" in cancel.reason


def test_suspended_time_is_not_wall_clock() -> None:
    play = a_red_service(budget=Budget(wall_clock_s_max=60.0))
    play.turn()
    play.advance(10.0).suspend().advance(3600.0).turn()
    play.resume().looks(FAIL, FAIL)
    assert isinstance(play.turn(), Act)
    play.advance(60.0).turn()
    play.look("livez", FAIL).turn()
    assert play.status is GoalStatus.OVER_BUDGET


def test_converged_wins_over_a_budget_that_ends_in_the_same_turn() -> None:
    play = a_red_task(budget=Budget(iterations_max=1, tokens_max=10, dispatches_max=1))
    play.acted(tokens=10)
    play.look("tests", PASS).turn()
    assert play.status is GoalStatus.CONVERGED


@pytest.mark.parametrize(
    "budget", [Budget(dispatches_max=2), Budget(iterations_max=2)], ids=["dispatches", "iterations"]
)
def test_over_budget_wins_over_stuck_and_names_it(budget: Budget) -> None:
    play = a_red_task(budget=budget)
    play.acted()
    next_red(play, tree="t0").acted()
    next_red(play, tree="t0")
    assert play.status is GoalStatus.OVER_BUDGET
    assert "also stuck" in (play.progress.reason or "")


def test_a_verdict_waits_for_a_sibling_that_was_not_looked_at_since() -> None:
    goal = a_goal(a_predicate("a"), a_predicate("b"), harness=a_harness(), budget=Budget(iterations_max=1))
    play = Played(goal).look("a", FAIL).look("b", PASS)
    play.acted()
    play.look("a", FAIL).turn()
    assert play.status is GoalStatus.ACTING
    play.look("b", PASS).turn()
    assert play.status is GoalStatus.OVER_BUDGET


def test_a_standing_goal_over_its_daily_ceiling_goes_on_when_the_day_renews() -> None:
    play = a_red_task(standing=True, budget=Budget(dispatches_per_day_max=1))
    play.acted()
    ended_s = play.now.boot_s
    next_red(play, tree="t1")
    assert play.status is GoalStatus.OVER_BUDGET
    hold = play.held()
    assert hold.until_s == pytest.approx(ended_s + DAY_S), "a decision to wait says until when"
    assert [g.name for g in hold.guards] == ["person", "window"]
    play.look("tests", FAIL, at=ended_s + DAY_S - 1.0, tree="t1")
    assert isinstance(play.turn(), Hold)
    play.at(ended_s + DAY_S)
    assert isinstance(play.decide(), Resume)
    play.turn()
    assert play.episode.dispatches == 1, "the window renewed; the episode's own counters go on"
    play.look("tests", FAIL, tree="t1")
    assert isinstance(play.turn(), Act)


def test_a_flapping_predicate_does_not_keep_a_goal_from_its_end() -> None:
    goal = a_goal(
        a_predicate("flaps", live=True),
        remedies=[a_remedy()],
        budget=Budget(wall_clock_s_max=60.0),
    )
    play = Played(goal)
    for position in range(40):
        play.turn()
        play.looks([PASS, FAIL][position % 2]).advance(2.0)
    play.turn()
    assert play.status is GoalStatus.OVER_BUDGET


def test_a_verdict_that_has_just_turned_is_waited_for() -> None:
    play = Played(
        a_goal(
            a_predicate("livez", live=True),
            remedies=[a_remedy(attempts=9)],
            budget=Budget(wall_clock_s_max=60.0),
        )
    )
    play.turn()
    play.looks(FAIL, FAIL)
    play.acted(after=56.0)
    play.look("livez", PASS, at=60.0).turn()
    assert play.status is GoalStatus.ACTING
    play.look("livez", PASS, at=62.0).turn()
    assert play.status is GoalStatus.CONVERGED
