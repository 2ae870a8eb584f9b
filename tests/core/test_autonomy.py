"""How far a goal may go: the lowest of its levels counts, and what is only observed is reported and never acted on."""

import pytest
from msgspec.structs import replace

from kazid.core.autonomy import level_of
from kazid.core.decision import Act
from kazid.core.delivery import DEPLOY, LAND
from kazid.core.goal import Goal
from kazid.core.level import Autonomy, Level, Risk, is_beyond, lowest
from kazid.core.status import Cause, GoalStatus
from tests.builders import FAIL, PASS, a_goal, a_harness, a_predicate, a_remedy
from tests.played import Played

OBSERVED = Autonomy(level=Level.OBSERVE)
FREE = Autonomy()


def a_service(autonomy: Autonomy = FREE, level: Level = Level.ACT, risk: Risk = Risk.RESTART) -> Goal:
    return a_goal(
        replace(a_predicate("livez", live=True), autonomy=level),
        remedies=[replace(a_remedy("livez"), risk=risk)],
        harness=a_harness("livez"),
        standing=True,
        autonomy=autonomy,
    )


def _from(risk: str, level: Level) -> Autonomy:
    return Autonomy(risks={risk: level})


@pytest.mark.parametrize(
    ("goal", "rung", "level"),
    [
        pytest.param(a_service(), "remedy:0", "act", id="nothing-said-is-act"),
        pytest.param(a_service(OBSERVED), "remedy:0", "observe", id="the-goals-own"),
        pytest.param(a_service(level=Level.PROPOSE), "remedy:0", "propose", id="the-predicates"),
        pytest.param(
            a_service(Autonomy(level=Level.APPROVE), Level.PROPOSE), "remedy:0", "propose", id="the-lowest"
        ),
        pytest.param(a_service(_from("code", Level.APPROVE)), "remedy:0", "act", id="a-class-above-it"),
        pytest.param(a_service(_from("code", Level.APPROVE)), "harness:claude", "approve", id="an-agent-is-code"),
        pytest.param(a_service(_from("code", Level.APPROVE)), LAND, "approve", id="a-landing-is-code"),
        pytest.param(a_service(_from("code", Level.APPROVE)), DEPLOY, "approve", id="what-is-riskier-is-not-freer"),
        pytest.param(a_service(_from("deploy", Level.OBSERVE)), "harness:claude", "act", id="a-deploy-alone"),
        pytest.param(
            a_service(_from("data", Level.OBSERVE), risk=Risk.DATA), "remedy:0", "observe", id="a-remedys-own-class"
        ),
    ],
)  # fmt: skip
def test_the_lowest_level_counts(goal: Goal, rung: str, level: str) -> None:
    assert level_of(goal, rung, [p.id for p in goal.predicates]) is Level(level)


def test_levels_are_ordered() -> None:
    assert lowest([]) is Level.ACT
    assert lowest([Level.ACT, Level.PROPOSE, Level.APPROVE]) is Level.PROPOSE
    assert is_beyond(Level.ACT, Level.APPROVE)
    assert not is_beyond(Level.APPROVE, Level.APPROVE)
    assert not is_beyond(Level.OBSERVE, Level.APPROVE)


@pytest.mark.parametrize(
    "goal",
    [
        pytest.param(a_service(OBSERVED), id="the-goal"),
        pytest.param(a_service(level=Level.OBSERVE), id="the-predicate"),
        pytest.param(a_service(_from("restart", Level.OBSERVE)), id="the-class"),
    ],
)
def test_an_observing_goal_reports_and_never_acts(goal: Goal) -> None:
    play = Played(goal).looks(FAIL, FAIL)
    hold = play.held()
    assert (hold.status, hold.cause) == (GoalStatus.STUCK, Cause.OBSERVE_ONLY)
    assert "observe" in (hold.reason or "")
    assert "livez" in (hold.reason or "")
    for _ in range(5):
        play.advance(3601.0).looks(FAIL, FAIL)
        assert not isinstance(play.turn(), Act), "not once an hour either"
    play.looks(PASS, PASS).turn()
    assert play.status is GoalStatus.HOLDING, "a green by anyone ends it"


def test_what_one_executor_may_not_mend_another_may() -> None:
    goal = a_service(_from("data", Level.OBSERVE), risk=Risk.DATA)
    act = Played(goal).looks(FAIL, FAIL).turn()
    assert isinstance(act, Act)
    assert act.rung == "harness:claude", "the remedy touches data, the agent does not"


def test_a_task_that_may_only_observe_ends_at_its_first_red() -> None:
    play = Played(a_goal(a_predicate("tests"), harness=a_harness(), autonomy=OBSERVED)).look("tests", FAIL)
    play.turn()
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.OBSERVE_ONLY)
