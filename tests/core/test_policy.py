"""What exceeds a ceiling is refused and named; what a policy is not about is left alone."""

import pytest
from msgspec.structs import replace

from kazid.core.delivery import Deploy
from kazid.core.goal import Budget, Escalation, Goal, HarnessChoice, Route
from kazid.core.level import Autonomy, Level
from kazid.core.policy import Policy, exceeded
from tests.builders import a_goal

AGENT = HarnessChoice(id="claude", model="haiku")
GOAL = replace(
    a_goal(harness=AGENT, budget=Budget(dispatches_max=5, dispatches_per_day_max=10, cost_usd_max=4.0)),
    labels={"team": "web"},
    workspace="/srv/web/shop",
)


def _policy(**others) -> Policy:
    return Policy(name="p", **others)


@pytest.mark.parametrize(
    ("policy", "goal", "keys"),
    [
        pytest.param(_policy(), GOAL, [], id="no-ceiling"),
        pytest.param(_policy(cost_usd_max=4.0), GOAL, [], id="at-the-ceiling"),
        pytest.param(_policy(cost_usd_max=3.9), GOAL, ["budget.max_cost_usd"], id="above-it"),
        pytest.param(_policy(tokens_max=9), GOAL, ["budget.max_tokens"], id="no-number-is-more-than-any"),
        pytest.param(_policy(dispatches_max=4), GOAL, ["budget.max_dispatches"], id="dispatches"),
        pytest.param(
            _policy(dispatches_per_day_max=9),
            GOAL,
            ["budget.max_dispatches_per_day"],
            id="dispatches-per-day",
        ),
        pytest.param(_policy(harnesses=("claude", "codex")), GOAL, [], id="a-harness-that-is-allowed"),
        pytest.param(_policy(harnesses=("codex",)), GOAL, ["harness"], id="another-harness"),
        pytest.param(_policy(harnesses=()), GOAL, ["harness"], id="no-agent-at-all"),
        pytest.param(_policy(models=("opus",)), GOAL, ["harness.model"], id="another-model"),
        pytest.param(
            _policy(models=("opus",)),
            replace(GOAL, harness=replace(AGENT, model=None)),
            ["harness.model"],
            id="no-model-by-name",
        ),
        pytest.param(_policy(autonomy=Level.APPROVE), GOAL, ["autonomy"], id="more-autonomy"),
        pytest.param(
            _policy(autonomy=Level.APPROVE),
            replace(GOAL, autonomy=Autonomy(risks={"code": Level.APPROVE})),
            [],
            id="as-much-autonomy-for-all-that-it-does",
        ),
        pytest.param(_policy(autonomy=Level.OBSERVE), a_goal(), [], id="nothing-to-act-with"),
        pytest.param(_policy(tokens_max=9, harnesses=()), a_goal(), [], id="a-goal-without-an-agent"),
        pytest.param(
            _policy(environments=("staging",)),
            replace(GOAL, deploy=Deploy(cmd="ship", env_name="prod")),
            ["deploy"],
            id="another-deploy-target",
        ),
        pytest.param(
            _policy(environments=("prod",)),
            replace(GOAL, deploy=Deploy(cmd="ship", env_name="prod")),
            [],
            id="an-allowed-deploy-target",
        ),
        pytest.param(
            _policy(environments=()), replace(a_goal(), deploy=Deploy(cmd="ship")), ["deploy"], id="nowhere"
        ),
        pytest.param(_policy(harnesses=(), owners=("bob",)), GOAL, [], id="of-another-owner"),
        pytest.param(_policy(harnesses=(), labels={"team": "db"}), GOAL, [], id="with-another-label"),
        pytest.param(_policy(harnesses=(), paths=("/srv/db",)), GOAL, [], id="elsewhere"),
        pytest.param(_policy(harnesses=(), paths=("/srv/w*",)), GOAL, ["harness"], id="below-a-path"),
        pytest.param(
            _policy(harnesses=(), deploys_to=("prod",)),
            replace(GOAL, deploy=Deploy(cmd="ship", env_name="prod")),
            ["harness"],
            id="of-what-deploys-there",
        ),
        pytest.param(
            _policy(harnesses=(), deploys_to=("prod",)),
            replace(GOAL, deploy=Deploy(cmd="ship", env_name="staging")),
            [],
            id="of-what-deploys-elsewhere",
        ),
        pytest.param(_policy(harnesses=(), deploys_to=("prod",)), GOAL, [], id="of-what-deploys-nowhere"),
        pytest.param(
            _policy(harnesses=(), paths=("/srv",)),
            replace(GOAL, workspace=None),
            [],
            id="without-a-workspace",
        ),
    ],
)
def test_what_exceeds(policy: Policy, goal: Goal, keys: list[str]) -> None:
    problems = exceeded([policy], goal)
    assert [p.key for p in problems] == keys
    assert all('policy "p"' in p.message for p in problems)


def test_every_policy_that_is_about_a_goal_counts() -> None:
    both = [_policy(cost_usd_max=9.0), Policy(name="q", cost_usd_max=1.0)]
    (problem,) = exceeded(both, GOAL)
    assert problem.message == 'policy "q": max_cost_usd is at most 1, and it asks for 4'


def test_what_a_route_would_choose_is_capped_too() -> None:
    routed = replace(GOAL, routes=(Route(name="route 1", harness="codex", model="gpt-5"),))
    policy = _policy(harnesses=("claude",), models=("haiku",))
    assert [p.message for p in exceeded([policy], routed)] == [
        'policy "p": may use claude, and it asks for codex',
        'policy "p": may use the model haiku, and it asks for gpt-5',
    ]


def test_every_model_of_a_ladder_is_capped() -> None:
    climbing = replace(GOAL, escalation=Escalation(ladder=("haiku", "opus")))
    assert [p.message for p in exceeded([_policy(models=("haiku",))], climbing)] == [
        'policy "p": may use the model haiku, and it asks for opus'
    ]
