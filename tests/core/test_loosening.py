"""What counts as loosening a goal, and whose yes that takes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from msgspec.structs import replace

from kazid.core import looser
from kazid.core.approval import needed
from kazid.core.goal import (
    Budget,
    BudgetWindow,
    Cadence,
    Goal,
    HarnessChoice,
    Isolation,
    Limits,
    Predicate,
    Sandbox,
    Scope,
)
from kazid.core.level import ApprovalRule, Autonomy, Gate, Level, Risk
from kazid.core.loosening import Circumstances, asks, certain, loosenings
from kazid.core.looser import Way, way_of_option
from kazid.core.roles import Given, Grant, Role
from kazid.providers.catalog import KINDS
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.core.strategies import goals

OWN = (
    "id",
    "owner",
    "predicates",
    "budget",
    "scope",
    "isolation",
    "sandbox",
    "limits",
    "harness",
    "remedies",
)
ELSEWHERE = {
    Goal: {*OWN, "autonomy", "approvals", "tables", "vacuous_allowed"},
    Predicate: {"id", "cadence", "options", "autonomy"},
    Budget: {"window"},
}
"""What `core/loosening.py` compares in its own way."""
TABLES = {
    Goal: looser.GOAL, Predicate: looser.PREDICATE, Cadence: looser.CADENCE, Budget: looser.BUDGET,
    BudgetWindow: looser.BUDGET_WINDOW, Scope: looser.SCOPE, Isolation: looser.ISOLATION,
    Sandbox: looser.SANDBOX, Limits: looser.LIMITS, HarnessChoice: looser.HARNESS,
}  # fmt: skip
TEAM = Circumstances(given=(Given(grant=Grant(role=Role.APPROVER), users=("pia",)),))
OWN_DAEMON = Circumstances(is_one_uid=True)
NOBODY = Circumstances()


@pytest.mark.parametrize("kind", [pytest.param(k, id=k.__name__) for k in TABLES])
def test_every_key_of_a_goal_has_a_looser_way_or_none(kind: type[msgspec.Struct]) -> None:
    assert {*TABLES[kind], *ELSEWHERE.get(kind, set())} == set(kind.__struct_fields__)


def test_an_option_that_is_not_written_is_compared_as_what_it_means() -> None:
    for kind, spec in KINDS.items():
        for name, key in spec.keys.items():
            way = way_of_option(kind, name)
            is_compared = way not in (Way.CHANGED, Way.ADDED, Way.REMOVED) and name != "timeout_ms"
            if is_compared and key.default is not None:
                assert looser.UNWRITTEN.get(name) == key.default, f"{kind}: {name}"


def _goal(**others: Any) -> Goal:
    return a_goal(
        *others.pop("predicates", [a_predicate("up", live=True), a_predicate("tests")]),
        **{"remedies": [a_remedy("up")], "harness": a_harness(), "budget": Budget(), **others},
    )


def _option(name: str, value: Any, *, provider: str = "custom_script") -> Goal:
    options = {} if value is None else {name: value}
    return _goal(predicates=[replace(a_predicate("up", live=True, provider=provider), options=options)])


def _with(**changes: Any) -> Goal:
    """The goal with these keys of its first predicate."""
    return _goal(predicates=[replace(a_predicate("up", live=True), **changes), a_predicate("tests")])


LOOSER = [
    pytest.param(
        _goal(),
        _goal(predicates=[a_predicate("up", live=True)]),
        'predicate "tests" removed',
        id="predicate-removed",
    ),
    pytest.param(_with(guard=True), _with(), "guard turned off", id="guard-removed"),
    pytest.param(
        _with(held_out=True), _with(), "a held-out predicate: held_out turned off", id="held-out-shown"
    ),
    pytest.param(_with(acceptance=True), _with(), "acceptance turned off", id="acceptance"),
    pytest.param(_with(), _with(on_unknown="waive"), "on_unknown block -> waive", id="waived"),
    pytest.param(
        _goal(),
        _goal(predicates=[a_predicate("up", live=True, interval_s=300.0), a_predicate("tests")]),
        "interval 30 -> 300",
        id="looked-at-less",
    ),
    pytest.param(
        _goal(),
        _goal(predicates=[a_predicate("up", live=True, recover=1), a_predicate("tests")]),
        "recover 2 -> 1",
        id="recovers-sooner",
    ),
    pytest.param(
        _option("allowed_regression", 0.1),
        _option("allowed_regression", 0.5),
        "allowed_regression 0.1 -> 0.5",
        id="tolerance",
    ),
    pytest.param(
        _option("allowed_regression", None),
        _option("allowed_regression", 1),
        "allowed_regression 0 -> 1",
        id="tolerance-that-was-none",
    ),
    pytest.param(
        _option("restarts_max", 3),
        _option("restarts_max", None),
        "restarts_max 3 -> none",
        id="ceiling-dropped",
    ),
    pytest.param(
        _option("free_mb_min", 500), _option("free_mb_min", 5), "free_mb_min 500 -> 5", id="floor-lowered"
    ),
    pytest.param(
        _option("days_left_min", None),
        _option("days_left_min", 3),
        "days_left_min 14 -> 3",
        id="floor-below-its-default",
    ),
    pytest.param(_option("age_max", "26h"), _option("age_max", "30d"), "age_max 26h -> 30d", id="duration"),
    pytest.param(
        _option("threshold", 0.8, provider="mutation"),
        _option("threshold", 0.5, provider="mutation"),
        "threshold 0.8 -> 0.5",
        id="threshold-of-a-share",
    ),
    pytest.param(
        _option("threshold", 0.1, provider="visual"),
        _option("threshold", 0.5, provider="visual"),
        "threshold 0.1 -> 0.5",
        id="threshold-of-an-error",
    ),
    pytest.param(
        _option("exclude", ["a"]), _option("exclude", ["a", "src"]), "exclude: src added", id="left-out"
    ),
    pytest.param(
        _option("tls_verify", None), _option("tls_verify", False), "tls_verify turned off", id="tls"
    ),
    pytest.param(
        _goal(budget=Budget(dispatches_max=3)),
        _goal(budget=Budget(dispatches_max=30)),
        "[budget] max_dispatches 3 -> 30",
        id="budget",
    ),
    pytest.param(
        _goal(budget=Budget(cost_usd_max=5.0)),
        _goal(),
        "[budget] max_cost_usd 5 -> none",
        id="budget-dropped",
    ),
    pytest.param(
        _goal(budget=Budget(window=BudgetWindow(per_s=60.0))), _goal(), "[budget] window removed", id="window"
    ),
    pytest.param(
        _goal(autonomy=Autonomy(level=Level.APPROVE)), _goal(), "[autonomy] level approve -> act", id="level"
    ),
    pytest.param(
        _goal(autonomy=Autonomy(risks={"config": Level.APPROVE})),
        _goal(autonomy=Autonomy(risks={"data": Level.APPROVE})),
        "[autonomy] code approve -> act",
        id="class",
    ),
    pytest.param(
        _with(autonomy=Level.OBSERVE),
        _with(autonomy=Level.PROPOSE),
        'predicate "up": autonomy observe -> propose',
        id="level-of-a-predicate",
    ),
    pytest.param(
        _goal(approvals=[ApprovalRule(gate=Gate.DEPLOY)]), _goal(), "[[approval]] deploy removed", id="gate"
    ),
    pytest.param(
        _goal(approvals=[ApprovalRule(gate=Gate.DEPLOY, count=2)]),
        _goal(approvals=[ApprovalRule(gate=Gate.DEPLOY)]),
        "[[approval]] deploy: count 2 -> 1",
        id="fewer-people",
    ),
    pytest.param(
        _goal(approvals=[ApprovalRule(gate=Gate.DEPLOY)]),
        _goal(approvals=[ApprovalRule(gate=Gate.DEPLOY, roles=(Role.APPROVER, Role.OPERATOR))]),
        "[[approval]] deploy: from operator, too",
        id="others-besides",
    ),
    pytest.param(
        _goal(scope=Scope(write_paths=["src"])),
        _goal(),
        "[scope] write_paths: everywhere",
        id="scope-dropped",
    ),
    pytest.param(
        _goal(scope=Scope(write_paths=["src"])),
        _goal(scope=Scope(write_paths=["src", "ci"])),
        "[scope] write_paths: ci added",
        id="scope-widened",
    ),
    pytest.param(_goal(scope=Scope(deny=["ci"])), _goal(), "[scope] deny: ci removed", id="denied-no-more"),
    pytest.param(
        _goal(sandbox=Sandbox(mode="strict")),
        _goal(sandbox=Sandbox(mode="worktree")),
        "[sandbox] mode strict -> worktree",
        id="sandbox",
    ),
    pytest.param(
        _goal(sandbox=Sandbox(network="off")), _goal(), "[sandbox] network off -> open", id="network"
    ),
    pytest.param(
        _goal(isolation=Isolation(mode="worktree")),
        _goal(),
        "[workspace] mode worktree -> in_place",
        id="in-place",
    ),
    pytest.param(
        _goal(limits=Limits(pids=10)), _goal(limits=Limits(pids=100)), "[limits] pids 10 -> 100", id="limits"
    ),
    pytest.param(
        _goal(remedies=[replace(a_remedy("up"), risk=Risk.DATA)]),
        _goal(),
        "[[remedy]] restart: risk data -> restart",
        id="risk",
    ),
    pytest.param(
        _goal(),
        _goal(remedies=[a_remedy("up", attempts=9)]),
        "[[remedy]] restart: attempts 2 -> 9",
        id="attempts",
    ),
    pytest.param(
        _goal(), _goal(remedies=[a_remedy()]), "[[remedy]] restart: it may repair more", id="repairs-more"
    ),
    pytest.param(
        _goal(),
        _goal(vacuous_allowed=["up"]),
        'predicate "up" may be one that cannot be red',
        id="allow-vacuous",
    ),
    pytest.param(_goal(standing=True), _goal(), "standing turned off", id="standing"),
    pytest.param(_goal(depends_on=["db"]), _goal(), "depends_on: db removed", id="depends-on"),
    pytest.param(_goal(tables={"seal": {"sealed_inputs": ["a"]}}), _goal(), "seal changed", id="seal"),
]


ONE_WAY = ("predicate-removed", "held-out-shown")
"""Both ways something is looser, or hidden."""


@pytest.mark.parametrize(("old", "new", "said"), LOOSER)
def test_what_is_looser_is_said(old: Goal, new: Goal, said: str) -> None:
    assert any(said in sentence for sentence in certain(loosenings(old, new))), loosenings(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [pytest.param(p.values[1], p.values[0], id=str(p.id)) for p in LOOSER if p.id not in ONE_WAY],
)
def test_the_other_way_round_it_is_not(old: Goal, new: Goal) -> None:
    assert not certain(loosenings(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(_option("args", ["-x"]), _option("args", ["-y"]), id="arguments-of-a-check"),
        pytest.param(_option("pass_when", "< 5"), _option("pass_when", "< 9"), id="comparison"),
        pytest.param(_option("mode_max", "0640"), _option("mode_max", "0644"), id="no-number"),
        pytest.param(_goal(labels={"env": "prod"}), _goal(), id="labels-choose-ceilings-and-windows"),
        pytest.param(_goal(), _goal(harness=replace(a_harness(), model="big")), id="model"),
        pytest.param(_goal(harness=None), _goal(), id="an-agent-is-new"),
        pytest.param(_goal(), _goal(remedies=[a_remedy("up", cmd="wipe")]), id="a-remedy-that-runs-unasked"),
    ],
)
def test_what_nobody_can_tell_is_told_as_that(old: Goal, new: Goal) -> None:
    found = loosenings(old, new)
    assert found
    assert not certain(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(_goal(), _goal(name="another", description="words"), id="words"),
        pytest.param(_goal(), _goal(path="/usr/bin"), id="path"),
        pytest.param(_goal(predicates=[a_predicate("up", live=True)]), _goal(), id="a-predicate-more"),
        pytest.param(
            _goal(), _goal(predicates=[a_predicate("tests"), a_predicate("up", live=True)]), id="order"
        ),
        pytest.param(_goal(), _goal(remedies=()), id="a-remedy-less"),
        pytest.param(
            _goal(autonomy=Autonomy(level=Level.APPROVE)),
            _goal(autonomy=Autonomy(level=Level.APPROVE), remedies=[a_remedy("up", cmd="wipe")]),
            id="a-remedy-that-is-asked-for-each-time",
        ),
    ],
)
def test_what_is_neutral_or_tighter_is_none(old: Goal, new: Goal) -> None:
    assert loosenings(old, new) == ()


def test_what_is_held_out_is_not_named() -> None:
    hidden = replace(a_predicate("secret-check"), held_out=True, options={"args": ["--needle", "hay"]})
    old = _goal(predicates=[a_predicate("up", live=True), hidden])
    for new in (
        _goal(predicates=[a_predicate("up", live=True)]),
        _goal(predicates=[a_predicate("up", live=True), replace(hidden, options={"args": []})]),
    ):
        said = " ".join(each.sentence for each in loosenings(old, new))
        assert said
        assert not any(word in said for word in ("secret-check", "needle", "hay", "args"))


BUDGETED, RICH = Budget(dispatches_max=3), Budget(dispatches_max=30)


@pytest.mark.parametrize(
    ("stored", "circumstances", "whose"),
    [
        pytest.param({}, TEAM, None, id="a-goal-that-acts-freely"),
        pytest.param({"autonomy": Autonomy(level=Level.APPROVE)}, TEAM, (1, (Role.APPROVER,)), id="approve"),
        pytest.param(
            {"autonomy": Autonomy(level=Level.APPROVE)},
            NOBODY,
            (1, (Role.APPROVER,)),
            id="approve-even-where-nobody-is-named",
        ),
        pytest.param(
            {"autonomy": Autonomy(risks={"data": Level.APPROVE})},
            TEAM,
            None,
            id="a-class-that-it-has-no-act-of",
        ),
        pytest.param(
            {
                "approvals": [
                    ApprovalRule(gate=Gate.EXECUTION, count=2),
                    ApprovalRule(gate=Gate.LANDING, roles=(Role.OPERATOR,)),
                ]
            },
            TEAM,
            (2, (Role.APPROVER,)),
            id="the-strictest-gate",
        ),
        pytest.param({"autonomy": Autonomy(level=Level.OBSERVE)}, TEAM, (1, (Role.APPROVER,)), id="observe"),
        pytest.param(
            {"autonomy": Autonomy(level=Level.PROPOSE)}, NOBODY, None, id="propose-where-nobody-is-named"
        ),
        pytest.param(
            {"autonomy": Autonomy(level=Level.OBSERVE)}, OWN_DAEMON, None, id="on-a-users-own-daemon"
        ),
    ],
)
def test_loosening_takes_the_yes_that_acting_takes(
    stored: dict[str, Any], circumstances: Circumstances, whose: tuple[int, tuple[Role, ...]] | None
) -> None:
    old, new = _goal(budget=BUDGETED, **stored), _goal(budget=RICH, **stored)
    rule = asks(old, loosenings(old, new), circumstances)
    assert (None if rule is None else (rule.count, tuple(rule.roles))) == whose
    assert rule is None or rule.gate is Gate.CHANGE
    assert asks(new, loosenings(new, old), circumstances) is None, "tightening takes nobody's"


def test_raising_one_predicates_level_takes_a_yes_where_the_goal_acts_freely() -> None:
    old, new = _with(autonomy=Level.OBSERVE), _with()
    assert asks(old, loosenings(old, new), TEAM) is not None
    assert asks(old, loosenings(old, replace(old, budget=RICH)), TEAM) is None


@given(goals(), goals())
def test_no_goal_gets_more_freedom_without_that_being_seen(old: Goal, new: Goal) -> None:
    new = replace(new, id=old.id, owner=old.owner)
    if asks(old, loosenings(old, new), TEAM) is not None or not needed(old):
        return
    kept = {p.id for p in new.predicates}
    assert {p.id for p in old.predicates} <= kept
    assert (new.budget.dispatches_max or 10**9) <= (old.budget.dispatches_max or 10**9)
    levels = list(Level)
    assert levels.index(new.autonomy.level) <= levels.index(old.autonomy.level)
    assert {rule.gate for rule in old.approvals} <= {rule.gate for rule in new.approvals}


@given(goals())
def test_the_same_goal_again_loosens_nothing(goal: Goal) -> None:
    assert loosenings(goal, goal) == ()
