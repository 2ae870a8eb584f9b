"""Which gates an act of a goal has to pass, and how far the goal may go with it, as tables."""

from typing import Any

import pytest
from msgspec.structs import replace

from kazid.core.approval import DELIVER, keeps_work_back, level_of, needed, rules_for
from kazid.core.delivery import DEPLOY, LAND, ROLLBACK, Deploy, Integration
from kazid.core.goal import Goal
from kazid.core.level import ApprovalRule, Autonomy, Gate, Level
from tests.builders import a_goal, a_harness, a_predicate, a_remedy

LANDING, DEPLOYS = ApprovalRule(gate=Gate.LANDING, count=2), ApprovalRule(gate=Gate.DEPLOY, count=3)
EXECUTION, DETECTION = ApprovalRule(gate=Gate.EXECUTION, count=4), ApprovalRule(gate=Gate.DETECTION, count=5)
EVERY = (LANDING, DEPLOYS, EXECUTION, DETECTION)


def a_goal_of_all(code: Level = Level.ACT, live: Level = Level.ACT, **others: Any) -> Goal:
    """Code and a live predicate, each with its level, a remedy for the live one, an agent and a deploy."""
    return a_goal(
        replace(a_predicate("tests"), autonomy=code),
        replace(a_predicate("livez", live=True), autonomy=live),
        **{
            "remedies": [a_remedy("livez")],
            "harness": a_harness(),
            "deploy": Deploy(cmd="./deploy"),
            **others,
        },
    )


@pytest.mark.parametrize(
    ("act", "gates"),
    [
        pytest.param("remedy:0", (EXECUTION,), id="a-remedy"),
        pytest.param("harness:claude", (DETECTION, EXECUTION), id="an-agent"),
        pytest.param(LAND, (LANDING,), id="a-landing"),
        pytest.param(DELIVER, (LANDING,), id="a-delivery"),
        pytest.param(DEPLOY, (DEPLOYS,), id="a-deploy"),
        pytest.param(ROLLBACK, (), id="a-rollback-waits-for-nobody"),
    ],
)
def test_an_act_passes_the_gates_that_are_its_own(act: str, gates: tuple[ApprovalRule, ...]) -> None:
    assert rules_for(a_goal_of_all(approvals=EVERY), act) == gates
    assert rules_for(a_goal_of_all(), act) == ()


def test_of_two_rules_of_one_gate_the_first_counts() -> None:
    assert rules_for(a_goal_of_all(approvals=(LANDING, replace(LANDING, count=9))), LAND) == (LANDING,)


@pytest.mark.parametrize(
    ("act", "code", "live"),
    [
        pytest.param("remedy:0", False, True, id="a-remedy-serves-what-it-covers"),
        pytest.param("harness:claude", True, False, id="an-agent-serves-code"),
        pytest.param(LAND, True, False, id="a-landing-serves-code"),
        pytest.param(DELIVER, True, False, id="a-delivery-serves-code"),
        pytest.param(DEPLOY, False, False, id="a-deploy-is-the-goals"),
        pytest.param(ROLLBACK, False, False, id="a-rollback-is-the-goals"),
    ],
)
def test_the_level_of_an_act_is_that_of_what_it_serves(act: str, code: bool, live: bool) -> None:
    lowered = (
        level_of(a_goal_of_all(code=Level.PROPOSE), act),
        level_of(a_goal_of_all(live=Level.PROPOSE), act),
    )
    assert [level is Level.PROPOSE for level in lowered] == [code, live]


@pytest.mark.parametrize(
    ("goal", "kept"),
    [
        pytest.param(a_goal_of_all(), False, id="nothing-is-asked"),
        pytest.param(a_goal_of_all(autonomy=Autonomy(level=Level.APPROVE)), True, id="approve"),
        pytest.param(a_goal_of_all(autonomy=Autonomy(level=Level.PROPOSE)), True, id="propose"),
        pytest.param(a_goal_of_all(approvals=(LANDING,)), True, id="a-gate-at-the-landing"),
        pytest.param(a_goal_of_all(approvals=(EXECUTION,)), False, id="a-gate-elsewhere"),
        pytest.param(a_goal_of_all(approvals=(LANDING,), harness=None), False, id="no-agent"),
    ],
)
def test_what_agents_make_is_kept_back_where_a_person_has_to_see_it(goal: Goal, kept: bool) -> None:
    assert keeps_work_back(goal) is kept


@pytest.mark.parametrize(
    ("others", "rules"),
    [
        pytest.param({}, (EXECUTION, DETECTION, LANDING, DEPLOYS), id="all-acts"),
        pytest.param(
            {"integration": Integration(mode="merge", branch="b")},
            (EXECUTION, DETECTION, LANDING, DEPLOYS),
            id="landing",
        ),
        pytest.param({"deploy": None}, (EXECUTION, DETECTION, LANDING), id="no-deploy"),
        pytest.param({"harness": None}, (EXECUTION, DEPLOYS), id="no-agent"),
        pytest.param({"harness": None, "deploy": None, "remedies": []}, (), id="nobody-acts"),
    ],
)
def test_a_goal_needs_the_rules_of_the_acts_it_has(
    others: dict[str, Any], rules: tuple[ApprovalRule, ...]
) -> None:
    assert needed(a_goal_of_all(approvals=EVERY, **others)) == rules
