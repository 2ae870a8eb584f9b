"""Who may act for a goal: remedies in file order, and which agent if any."""

import pytest

from kazid.core.goal import BudgetWindow, HarnessChoice, Remedy
from tests.goalfile.loading import PREDICATE, PROBE, Defaults, goal_of, loaded, places_of, problems_of

REMEDY = '[[remedy]]\ncmd = "./restart"\n'
CLAUDE = '[harness]\nid = "claude"\n'


def harness_id(text: str, **source: object) -> str | None:
    harness = goal_of(f'id = "g"\n{text}', **source).harness
    return None if harness is None else harness.id


@pytest.mark.parametrize(
    ("text", "flag", "expected"),
    [
        pytest.param(PREDICATE, None, "claude", id="code-predicates-get-the-default"),
        pytest.param(
            PREDICATE + '[harness]\nid = "codex"\n', None, "codex", id="goal-file-wins-over-settings"
        ),
        pytest.param(
            PREDICATE + '[harness]\nid = "codex"\n', "opencode", "opencode", id="flag-wins-over-goal-file"
        ),
        pytest.param(PREDICATE + REMEDY, None, None, id="remedies-without-a-harness-never-dispatch"),
        pytest.param(PREDICATE + REMEDY + CLAUDE, None, "claude", id="remedies-with-a-harness-do"),
        pytest.param(PREDICATE + REMEDY, "claude", "claude", id="remedies-with-the-flag-do"),
        pytest.param(PROBE, None, None, id="live-predicates-are-no-agent-work"),
        pytest.param(PROBE, "claude", "claude", id="unless-the-flag-says-so"),
        pytest.param(PROBE + PREDICATE, None, "claude", id="one-code-predicate-is-enough"),
        pytest.param(PROBE + "live = false\n", None, "claude", id="a-probe-declared-code-is-code"),
        pytest.param(PREDICATE + "live = true\n", None, None, id="a-script-declared-live-is-live"),
    ],
)
def test_precedence_of_the_harness(text: str, flag: str | None, expected: str | None) -> None:
    assert harness_id(text, harness_flag=flag) == expected


def test_live_acceptance_predicates_of_a_create_goal_are_agent_work() -> None:
    assert goal_of(f'id = "g"\nmode = "create"\n{PROBE}acceptance = true\n').harness is not None
    assert goal_of(f'id = "g"\nmode = "create"\n{PROBE}').harness is None
    assert goal_of(f'id = "g"\n{PROBE}acceptance = true\n').harness is None


def test_the_settings_choose_where_nobody_else_does() -> None:
    goal = loaded(
        f'id = "g"\n{PREDICATE}', defaults=Defaults(harness="codex", idle_timeout_s=5, total_timeout_s=50)
    ).goal
    assert goal.harness == HarnessChoice(id="codex", idle_timeout_s=5, total_timeout_s=50)


def test_everything_authored_about_the_harness_arrives() -> None:
    table = (
        '[harness]\nid = "claude"\nmodel = "m"\ncommand = "./claude"\neffort = "high"\npermission_mode = "plan"\n'
        'allowed_tools = ["Read"]\nfor = ["live"]\nidle_timeout = "90s"\ntimeout = "1.5h"\nenv = { A = "b" }\n'
    )
    assert goal_of(f'id = "g"\n{PROBE}{table}').harness == HarnessChoice(
        id="claude",
        model="m",
        command="./claude",
        effort="high",
        permission_mode="plan",
        allowed_tools=("Read",),
        predicates=("live",),
        env={"A": "b"},
        idle_timeout_s=90.0,
        total_timeout_s=5400.0,
    )


def test_another_harness_by_flag_takes_nothing_of_the_first_ones_command_line() -> None:
    table = '[harness]\nid = "codex"\nmodel = "m"\ncommand = "./codex"\ntimeout = "5m"\n'
    harness = goal_of(f'id = "g"\n{PREDICATE}{table}', harness_flag="claude", model_flag="big").harness
    assert harness == HarnessChoice(id="claude", model="big", total_timeout_s=300.0)


@pytest.mark.parametrize("flag", ["shell", "Claude", "claud"])
def test_an_unknown_harness_is_a_problem_wherever_it_is_said(flag: str) -> None:
    (problem,) = problems_of(f'id = "g"\n{PREDICATE}', harness_flag=flag)
    assert (problem.line, problem.key) == (None, "--harness")
    assert '"claude"' in problem.message
    assert places_of(f'id = "g"\n{PREDICATE}[harness]\nid = "{flag}"\n') == [(7, "harness.id")]


def test_remedies_keep_their_order_and_defaults() -> None:
    text = (
        f'id = "g"\n{PREDICATE}{PROBE}[[remedy]]\nfor = ["live"]\ncmd = "./bin/service"\nargs = ["restart"]\n'
        f'timeout = "90s"\nattempts = 3\non_error = true\nenv = {{ A = "b" }}\n{REMEDY}'
    )
    assert goal_of(text).remedies == (
        Remedy(
            cmd="./bin/service",
            args=("restart",),
            predicates=("live",),
            timeout_s=90.0,
            attempts=3,
            on_error=True,
            env={"A": "b"},
        ),
        Remedy(cmd="./restart", timeout_s=60.0, attempts=2),
    )


def test_a_goal_that_can_dispatch_always_has_a_ceiling() -> None:
    with_default = loaded(f'id = "g"\n{PREDICATE}')
    assert with_default.goal.budget.dispatches_max == 10
    assert with_default.goal.budget.dispatches_per_day_max == 20
    assert "no dispatch ceiling authored: 10 an episode, 20 a day (settings)" in with_default.notices
    authored = loaded(f'id = "g"\n{PREDICATE}[budget]\nmax_dispatches = 3\n')
    assert authored.goal.budget.dispatches_max == 3
    assert authored.goal.budget.dispatches_per_day_max is None
    assert authored.notices == ()


def test_a_window_takes_the_place_of_the_daily_ceiling_only_where_it_counts_dispatches() -> None:
    money = loaded(f'id = "g"\n{PREDICATE}[budget.window]\nper = "24h"\nmax_cost_usd = 5.0\n')
    assert money.goal.budget.window == BudgetWindow(per_s=86_400.0, cost_usd_max=5.0)
    assert money.goal.budget.dispatches_per_day_max == 20
    counted = loaded(
        f'id = "g"\n{PREDICATE}[budget.window]\nper = "1h"\nmax_dispatches = 2\nmax_tokens = 9\n'
    )
    assert counted.goal.budget.window == BudgetWindow(per_s=3600.0, dispatches_max=2, tokens_max=9)
    assert counted.goal.budget.dispatches_per_day_max is None
    assert "no dispatch ceiling authored: 10 an episode (settings)" in counted.notices


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("max_tokens = 5", 'missing required key "per"'),
        ('per = "24h"', 'limits nothing: give it one of "max_cost_usd", "max_dispatches", "max_tokens"'),
        ('per = "32d"\nmax_tokens = 5', "per is 31 days at most"),
        ('per = "24h"\nmax_token = 5', 'unknown key "max_token"'),
        ('per = "24h"\nmax_tokens = 0', "max_tokens must be"),
    ],
    ids=["no-length", "no-limit", "too-long", "misspelt", "zero"],
)
def test_a_window_that_makes_no_sense_is_refused(table: str, why: str) -> None:
    assert any(why in p.message for p in problems_of(f'id = "g"\n{PREDICATE}[budget.window]\n{table}\n'))


def test_a_goal_that_never_dispatches_has_no_ceiling() -> None:
    goal = goal_of(f'id = "g"\n{PROBE}')
    assert goal.budget.dispatches_max is None
    assert goal.budget.dispatches_per_day_max is None
