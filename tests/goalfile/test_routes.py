"""`[[route]]` of a goal-file and of the settings: what it may name, and when it counts."""

import pytest

from kazid.core.errors import StartRefused
from kazid.core.goal import Escalation, Route
from kazid.defaults import check_routes, defaults_of
from kazid.goalfile.load import Defaults
from kazid.settings import load_settings
from tests.goalfile.loading import PREDICATE, goal_of, loaded, problems_of

LABELS = 'labels = { team = "web" }\n'
GROUP = 'group = "API & Web"\n[[group]]\nid = "API & Web"\n'
OURS = Defaults(
    routes=(
        Route(name="kazid.toml route 1", words=("nothing-here",), harness="codex"),
        Route(name="kazid.toml route 2", words=("custom_script",), harness="codex", model="gpt-5"),
    )
)


def routes_of(text: str, **source: object) -> list[tuple[str, tuple[str, ...]]]:
    return [(r.name, tuple(r.words)) for r in goal_of(f'id = "g"\n{LABELS}{text}', **source).routes]


def test_everything_authored_about_a_route_arrives_in_order() -> None:
    text = '[[route]]\nfor = ["p"]\nharness = "codex"\nmodel = "gpt-5"\neffort = "high"\n[[route]]\nmodel = "m"\n'
    assert goal_of(f'id = "g"\n{PREDICATE}{text}').routes == (
        Route(name="route 1", words=("p",), harness="codex", model="gpt-5", effort="high"),
        Route(name="route 2", model="m"),
    )


@pytest.mark.parametrize(
    ("word", "stored"),
    [
        pytest.param("p", "p", id="an-id"),
        pytest.param("custom_script", "custom_script", id="a-kind"),
        pytest.param("API & Web", "api-web", id="a-group-as-written"),
        pytest.param("api-web", "api-web", id="a-group-normalised"),
        pytest.param("team=web", "team=web", id="a-label"),
    ],
)
def test_for_names_ids_kinds_groups_and_labels(word: str, stored: str) -> None:
    text = f'{PREDICATE}{GROUP}[[route]]\nfor = ["{word}"]\nmodel = "m"\n'
    assert routes_of(text) == [("route 1", (stored,))]


@pytest.mark.parametrize(
    ("route", "said"),
    [
        pytest.param(
            'for = ["q"]\nmodel = "m"', "[[route]] 1: for names no predicate, kind or group", id="word"
        ),
        pytest.param('for = ["team=db"]\nmodel = "m"', "[[route]] 1: this goal has no label", id="label"),
        pytest.param('for = []\nmodel = "m"', "[[route]] 1: for names nothing", id="empty"),
        pytest.param('for = ["p"]', "[[route]] 1 chooses nothing", id="chooses-nothing"),
        pytest.param('harness = "claud"', "[[route]] 1: unknown harness", id="harness"),
        pytest.param('harness = "command"', "[[route]] 1: a route cannot name a command", id="command"),
        pytest.param('model = ""', "model", id="empty-model"),
        pytest.param('models = "m"', "unknown key", id="unknown-key"),
    ],
)
def test_a_route_that_cannot_be_is_a_problem(route: str, said: str) -> None:
    found = problems_of(f'id = "g"\n{LABELS}{PREDICATE}[[route]]\n{route}\n')
    assert any(said in p.message for p in found), found
    assert all(p.line for p in found)


def test_routes_of_the_settings_come_after_the_goals_own_and_only_where_they_fit() -> None:
    text = f'{PREDICATE}[[route]]\nfor = ["p"]\nmodel = "m"\n'
    assert [name for name, _ in routes_of(text, defaults=OURS)] == ["route 1", "kazid.toml route 2"]


@pytest.mark.parametrize(
    ("table", "flags", "expected"),
    [
        pytest.param("", {}, ["route 1", "kazid.toml route 2"], id="nobody-names-an-agent"),
        pytest.param('[harness]\nid = "claude"\n', {}, ["route 1"], id="the-goal-file-names-one"),
        pytest.param("", {"harness_flag": "codex"}, [], id="a-flag-wins-over-every-route"),
        pytest.param("", {"model_flag": "opus"}, [], id="so-does-a-model"),
    ],
)
def test_who_chose_an_agent_wins_over_the_settings(
    table: str, flags: dict[str, str], expected: list[str]
) -> None:
    text = f'{PREDICATE}{table}[[route]]\nmodel = "m"\n'
    assert [name for name, _ in routes_of(text, defaults=OURS, **flags)] == expected


def test_routes_without_an_effect_are_said() -> None:
    remedy, route = '[[remedy]]\ncmd = "x"\n', '[[route]]\nmodel = "m"\n'
    said = loaded(f'id = "g"\n{PREDICATE}{remedy}{route}').notices
    assert "[[route]] has no effect: this goal never dispatches an agent" in said
    said = loaded(f'id = "g"\n{PREDICATE}{route}', model_flag="m").notices
    assert "[[route]] has no effect: --harness or --model was given" in said


def test_routes_of_kazid_toml_are_read_and_checked(tmp_path) -> None:
    file = tmp_path / "kazid.toml"
    file.write_text('[[route]]\nfor = ["team=web"]\nharness = "codex"\nmodel = "gpt-5"\neffort = "low"\n')
    settings = load_settings(str(file))
    check_routes(settings, ["claude", "codex"])
    assert defaults_of(settings, ["claude", "codex"]).routes == (
        Route(name="kazid.toml route 1", words=("team=web",), harness="codex", model="gpt-5", effort="low"),
    )
    with pytest.raises(StartRefused, match='route 1: there is no harness "codex"'):
        check_routes(settings, ["claude"])
    file.write_text('[[route]]\nmodel = "gpt-5"\n')
    with pytest.raises(StartRefused, match="a route names a harness"):
        load_settings(str(file))


LADDER = ("claude-haiku-4-5", "claude-sonnet-5", "claude-opus-4-8")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param("", Escalation(ladder=LADDER), id="the-default-ladder"),
        pytest.param("max_rungs = 2", Escalation(ladder=LADDER[:2]), id="some-of-it"),
        pytest.param("max_rungs = 9", Escalation(ladder=LADDER), id="no-more-than-there-are"),
        pytest.param(
            'ladder = ["a", "b"]\nmax_dispatches = 2\nmax_tokens = 9\nmax_cost_usd = 1.5',
            Escalation(ladder=("a", "b"), dispatches_max=2, tokens_max=9, cost_usd_max=1.5),
            id="everything-authored",
        ),
    ],
)
def test_a_ladder_is_read(table: str, expected: Escalation) -> None:
    assert goal_of(f'id = "g"\n{PREDICATE}[escalation]\n{table}\n').escalation == expected


def test_no_ladder_is_none() -> None:
    assert goal_of(f'id = "g"\n{PREDICATE}').escalation is None


def test_the_default_ladder_names_models_of_one_agent_only() -> None:
    text = f'id = "g"\n{PREDICATE}[harness]\nid = "codex"\n[escalation]\n'
    (problem,) = problems_of(text)
    assert "the default ladder is claude's, not codex's" in problem.message
    assert goal_of(text + 'ladder = ["gpt-5-mini", "gpt-5"]\n').escalation is not None


def test_a_flag_wins_over_the_ladder_and_that_is_said() -> None:
    taken = loaded(f'id = "g"\n{PREDICATE}[escalation]\n', model_flag="opus")
    assert taken.goal.escalation is None
    assert "[escalation] has no effect: --harness or --model was given" in taken.notices
