"""How a feature file is read: every heading's keyword, what belongs to nothing, and cells in steps."""

import pytest

from kazid.core.gherkin import Scenario, parse_features, slug


def scenarios(text: str) -> list[Scenario]:
    return [scenario for feature in parse_features(text) for scenario in feature.scenarios]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("A basket", "a-basket"),
        ("  Über  Straße_9! ", "uber-straße-9"),
        ("X-ray XX", "x-ray-xx"),
        ("--x--", "x"),
        ("!?", ""),
    ],
)
def test_a_name_becomes_letters_and_digits_joined_by_dashes(name: str, said: str):
    assert slug(name) == said


@pytest.mark.parametrize("outline", ["Scenario Outline", "Scenario Template"])
@pytest.mark.parametrize("examples", ["Examples", "Scenarios"])
def test_each_row_of_an_outline_is_a_scenario_with_its_cells_filled_in(outline: str, examples: str):
    first, second = scenarios(
        f"Feature: Shop\n{outline}: Pay by <card>\nGiven a <card> of <nobody>\nThen it is <answer>\n"
        f"{examples}:\n| card | answer |\n| X old X | no |\n| new | <card> |\n"
    )
    assert first == Scenario(
        id="shop__pay-by-card__x-old-x-no",
        name="Pay by <card>",
        steps=["Given a X old X of <nobody>", "Then it is no"],
        row_key="x-old-x-no",
        example={"card": "X old X", "answer": "no"},
    )
    assert (first.title, second.steps[1]) == ("Scenario: Pay by <card> [x-old-x-no]", "Then it is <card>")
    assert first.options() == {
        "scenario": "Pay by <card>",
        "steps": ["Given a X old X of <nobody>", "Then it is no"],
        "row_key": "x-old-x-no",
        "example": {"card": "X old X", "answer": "no"},
    }


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        pytest.param("Scenario: a\nGiven x", ["ungrouped__a"], id="without-a-feature"),
        pytest.param("Background:\nGiven x\nExample: a", ["ungrouped__a"], id="a-background-first"),
        pytest.param("Feature: F\nScenario:\nGiven x", ["f__scenario"], id="without-a-name"),
        pytest.param("Feature: F\nScenario: a\nFeature: G\nScenario: b", ["f__a", "g__b"], id="two-features"),
        pytest.param("Feature: F\nScenario Outline: a\nGiven <x>", [], id="an-outline-without-examples"),
        pytest.param("Feature: F\nScenario Outline: a\nExamples:\n| x |", [], id="examples-without-rows"),
        pytest.param("Feature: F\nScenario Outline: a\nExamples:\n", [], id="examples-without-a-header"),
        pytest.param(
            "Feature: F\nScenario: a\nGiven <x>\nExamples:\n| x |\n| 1 |",
            ["f__a__1"],
            id="a-scenario-with-rows",
        ),
        pytest.param(
            "Feature: F\nScenario: a\nExamples:\n| x |\n| ! |", ["f__a__row"], id="a-row-without-letters"
        ),
        pytest.param(
            "Feature: F\nScenario: a\nExamples:\n| x |\n| 1 |\nExamples:\n| x |\n| 2 |",
            ["f__a__1", "f__a__2"],
            id="two-tables",
        ),
        pytest.param(
            "Feature: F\nScenario: a\nExamples:\n| x | y |\n| 1 |", ["f__a__1"], id="a-row-that-is-too-short"
        ),
        pytest.param("Feature: F\nExamples:\n| x |\n| 1 |\nScenario: a", ["f__a"], id="examples-of-nothing"),
    ],
)
def test_what_a_file_expands_to(text: str, ids: list[str]):
    assert [scenario.id for scenario in scenarios(text)] == ids


@pytest.mark.parametrize("mark", ['"""', "```"])
def test_what_a_doc_string_holds_is_no_heading_and_no_step(mark: str):
    (scenario,) = scenarios(
        f"Feature: F\nScenario: a\nGiven x\n{mark}json\nScenario: not one\nWhen not a step\n{mark}\nThen y"
    )
    assert scenario.steps == ["Given x", "Then y"]


def test_lines_belong_to_the_heading_before_them():
    (scenario,) = scenarios(
        "Feature: F\nGiven nothing\nScenario: a\nGiven x\n| a | table |\nRule: r\nGiven of the rule\n"
        "Background:\nGiven of the background\n"
    )
    assert (scenario.steps, scenario.row_key, scenario.title) == (["Given x"], None, "Scenario: a")
    assert scenario.options() == {"scenario": "a", "steps": ["Given x"]}
    names = [(feature.name, len(feature.scenarios)) for feature in parse_features("Scenario: a\nFeature: G")]
    assert names == [("", 1), ("G", 0)]
