"""A feature file becomes one predicate for each scenario and each row of examples."""

import pytest

from kazid.core.gherkin import parse_features, slug
from tests.goalfile.loading import PREDICATE, loaded, problems_of

FEATURE = '''\
# language: en
@checkout
Feature: Storage & store
  Prose about it.

  Background:
    Given a store

  @smoke
  Scenario: A basket is paid
    Given a basket
    """
    Scenario: not one
    """
    When the shopper pays
    | not | a row |
    Then the order is confirmed

  Scenario Outline: A bad <card> is declined
    When the shopper pays with a <card>
    Then it is <answer>

    Examples:
      | card         | answer   |
      | expired card | declined |
      | stolen card  | reported |

  Example: An example is a scenario
    * it holds
'''
GHERKIN = """\
[[predicate]]
provider = "gherkin"
feature = "specs/store.feature"
runner_cmd = "./run"
acceptance = true
"""


def test_every_scenario_and_row_is_a_predicate_where_the_entry_stood() -> None:
    goal = loaded(f'id = "g"\n{GHERKIN}{PREDICATE}', texts={"/goals/specs/store.feature": FEATURE}).goal
    assert goal.predicate_ids == (
        "storage-store__a-basket-is-paid",
        "storage-store__a-bad-card-is-declined__expired-card-declined",
        "storage-store__a-bad-card-is-declined__stolen-card-reported",
        "storage-store__an-example-is-a-scenario",
        "p",
    )
    paid, expired = goal.predicates[:2]
    assert paid.provider == "gherkin"
    assert paid.acceptance
    assert paid.description == "Scenario: A basket is paid"
    assert paid.options == {
        "feature": "specs/store.feature",
        "verdict_format": "cucumber_json",
        "runner_cmd": "./run",
        "runner_args": [],
        "scenario": "A basket is paid",
        "steps": ["Given a basket", "When the shopper pays", "Then the order is confirmed"],
    }
    assert expired.description == "Scenario: A bad <card> is declined [expired-card-declined]"
    assert expired.options["steps"] == ["When the shopper pays with a expired card", "Then it is declined"]
    assert expired.options["example"] == {"card": "expired card", "answer": "declined"}


def test_scenarios_are_grouped_by_their_feature() -> None:
    goal = loaded(f'id = "g"\n{GHERKIN}', texts={"/goals/specs/store.feature": FEATURE}).goal
    assert [(g.id, g.name) for g in goal.groups] == [("storage-store", "Storage & store")]
    assert {p.group for p in goal.predicates} == {"storage-store"}


def test_an_authored_group_wins_over_the_features() -> None:
    text = f'id = "g"\n{GHERKIN}group = "Shop"\n[[group]]\nid = "shop"\n'
    goal = loaded(text, texts={"/goals/specs/store.feature": FEATURE}).goal
    assert [g.id for g in goal.groups] == ["shop"]
    assert {p.group for p in goal.predicates} == {"shop"}


def test_the_workspace_is_looked_in_before_the_folder_of_the_goal_file() -> None:
    texts = {
        "/goals/specs/store.feature": "Feature: F\nScenario: beside the goal-file\n",
        "/w/specs/store.feature": "Feature: F\nScenario: in the workspace\n",
    }
    assert loaded(f'id = "g"\n{GHERKIN}', texts=texts, workspace_flag="/w").goal.predicate_ids == (
        "f__in-the-workspace",
    )
    del texts["/w/specs/store.feature"]
    goal = loaded(f'id = "g"\n{GHERKIN}', texts=texts, workspace_flag="/w").goal
    assert goal.predicate_ids == ("f__beside-the-goal-file",)


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        pytest.param(None, "cannot read feature", id="no-such-file"),
        pytest.param("Feature: empty\n", "has no scenario", id="no-scenario"),
        pytest.param(
            "Feature: f\nScenario Outline: o\n  Examples:\n  | a |\n",
            "has no scenario",
            id="outline-without-rows",
        ),
        pytest.param(
            "Feature: f\nScenario: one\nScenario: one\n", "duplicate predicate id", id="two-of-one-name"
        ),
    ],
)
def test_a_feature_that_gives_no_sound_predicates_is_a_problem(feature: str | None, says: str) -> None:
    texts = {} if feature is None else {"/goals/specs/store.feature": feature}
    (problem,) = problems_of(f'id = "g"\n{GHERKIN}', texts=texts)
    assert says in problem.message
    assert problem.key in ("predicate[1].feature", "predicate[1].id")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("A shopper's 2 baskets!", "a-shopper-s-2-baskets", id="words"),
        pytest.param("Émoji ünïcode ☃", "emoji-unicode", id="accents-go-letters-stay"),
        pytest.param("snake_case", "snake-case", id="underscore"),
        pytest.param("Привет мир", "привет-мир", id="other-alphabets-stay"),
        pytest.param("☃", "", id="no-letter"),
    ],
)
def test_slugs_keep_every_letter_and_digit(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_feature_without_a_name_is_ungrouped() -> None:
    (feature,) = parse_features(
        "Feature:\n  Scenario: The health endpoint responds\n    Then it is healthy\n"
    )
    assert feature.scenarios[0].id == "ungrouped__the-health-endpoint-responds"
