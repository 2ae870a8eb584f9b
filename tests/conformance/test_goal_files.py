"""The shared goal-files load and mean what is expected of them, and odd ones load or not as the predecessor had it.

Where we differ is a row of `OURS`, with its reason; a row that no longer differs fails, so the table stays true.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from kazid.core.errors import GoalFileError
from kazid.core.goal import Goal
from kazid.goalfile.load import Defaults, Loaded, Source, load, load_roadmap
from kazid.providers.catalog import BUILTIN_CATALOG, KINDS

CONFORMANCE = Path(__file__).resolve().parents[3] / "shared" / "conformance"
GOAL_FILES = CONFORMANCE / "goalfiles"
EXPECTED: dict[str, Any] = json.loads((CONFORMANCE / "expected.json").read_text())
ODD: list[dict[str, Any]] = json.loads((CONFORMANCE / "observed" / "goal-files-odd.json").read_text())
BUDGET_KEYS = {"max_iterations": "iterations_max", "max_tokens": "tokens_max"}

WRONG_TYPE = "wrong type: the predecessor does not look, and fails or crashes later"
MISSPELT = "unknown key: the predecessor ignores it silently"
OURS = {
    "022-name-int.toml": (False, WRONG_TYPE),
    "023-desc-int.toml": (False, WRONG_TYPE),
    "037-budget-unknown.toml": (False, MISSPELT + " (max_iters is no ceiling)"),
    "128-pred-dup-landed.toml": (False, "duplicate id: [integration] makes a predicate `landed` of its own"),
    "160-cs-env.toml": (False, WRONG_TYPE),
    "161-cs-env-int.toml": (False, WRONG_TYPE),
    "166-cs-exitcodes.toml": (False, WRONG_TYPE),
    "169-cs-evidence.toml": (False, MISSPELT + " (evidence_format was meant)"),
    "172-cs-direction.toml": (False, MISSPELT + " (custom_script has no direction)"),
    "175-hp-status.toml": (False, WRONG_TYPE + " (expect_status is an integer)"),
    "176-hp-body.toml": (False, WRONG_TYPE + " (observed D11: it takes the whole machine down)"),
    "182-tr-cmdint.toml": (False, WRONG_TYPE),
    "245-pl-nocmd.toml": (False, MISSPELT + " (prod_log has no pattern)"),
    "247-du-patterns.toml": (
        False,
        "a regex that does not compile crashes the predecessor at evaluation (weak point 12)",
    ),
    "248-sc-features.toml": (False, WRONG_TYPE),
    "059-deprecated-hints.toml": (False, MISSPELT + " (prod_log has no pattern)"),
    "041-five-quotes.toml": (True, "valid TOML that the predecessor's parser cannot read (observed D7)"),
}


def loaded(content: bytes, path: Path) -> Loaded:
    return load(
        content,
        source=Source(owner="me", path=str(path)),
        catalog=BUILTIN_CATALOG,
        defaults=Defaults(),
        read_text=lambda name: Path(name).read_text(),
    )


def enforcement_guards(goal: Goal) -> list[str]:
    table: Any = goal.tables.get("enforcement", {})
    return [guard["id"] for guard in table.get("guard", []) if table.get("enabled", True)]


@pytest.mark.parametrize("name", [n for n, e in EXPECTED.items() if e["kind"] == "goal"])
def test_a_shared_goal_file_means_what_is_expected(name: str) -> None:
    expected = EXPECTED[name]
    goal = loaded((GOAL_FILES / name).read_bytes(), GOAL_FILES / name).goal
    integration: Any = goal.tables.get("integration", {})
    assert goal.id == expected["id"]
    assert goal.mode.value == expected["mode"]
    assert goal.standing == expected["standing"]
    assert [[p.id, p.provider] for p in goal.predicates if not p.guard] == expected["predicates"]
    made = expected["enforcement_guards"]
    assert [p.id for p in goal.predicates if p.guard] == [*expected["guards"], *made]
    assert sum(p.acceptance for p in goal.predicates) == expected["acceptance"]
    assert enforcement_guards(goal) == expected["enforcement_guards"]
    assert integration.get("mode", "none") == expected["integration"]
    groups = [{"id": g.id, "name": g.name, "needs": list(g.needs), "parent": g.parent} for g in goal.groups]
    assert groups == expected.get("groups", [])
    for key, value in expected.get("budget", {}).items():
        assert getattr(goal.budget, BUDGET_KEYS[key]) == value


@pytest.mark.parametrize("name", [n for n, e in EXPECTED.items() if e["kind"] == "roadmap"])
def test_a_shared_roadmap_has_the_expected_nodes_and_edges(name: str) -> None:
    path = GOAL_FILES / name
    roadmap = load_roadmap(
        path.read_bytes(),
        source=Source(owner="me", path=str(path)),
        catalog=BUILTIN_CATALOG,
        defaults=Defaults(),
        read_text=lambda member: Path(member).read_text(),
    )
    assert roadmap is not None
    assert list(roadmap.nodes) == EXPECTED[name]["nodes"]
    assert [list(edge) for edge in roadmap.edges] == EXPECTED[name]["edges"]


def test_every_shared_goal_file_is_expected() -> None:
    assert {str(p.relative_to(GOAL_FILES)) for p in GOAL_FILES.rglob("*.toml")} == EXPECTED.keys()


@pytest.mark.parametrize("row", [pytest.param(r, id=r["file"]) for r in ODD])
def test_an_odd_goal_file_loads_as_in_the_predecessor_or_for_a_reason(
    row: dict[str, Any], tmp_path: Path
) -> None:
    problems: tuple[Any, ...] = ()
    try:
        # The rows hold bytes as latin-1, so that those which are no UTF-8 can be told.
        loaded(row["toml"].encode("latin-1"), tmp_path / "g.toml")
    except GoalFileError as error:
        problems = error.problems
    loads = not problems
    if row["file"] in OURS:
        assert loads != row["predecessor_loads"], "this row no longer differs"
        assert loads == OURS[row["file"]][0]
    else:
        assert loads == row["predecessor_loads"], problems
    assert all(p.line is not None and p.message for p in problems)


@pytest.mark.parametrize(
    ("file", "keys"),
    [
        ("038-budget-two-bad.toml", ["budget.max_tokens", "budget.max_iterations"]),
        ("250-prec-mode-vs-budget.toml", ["mode", "budget.max_iterations"]),
        ("251-prec-budget-vs-harness.toml", ["budget.max_iterations", "harness.id"]),
        ("253-prec-integration-vs-pred.toml", ["integration.mode", "predicate[1].provider"]),
        ("254-prec-harness-vs-gherkin.toml", ["harness.id", "predicate[1].feature"]),
        ("256-prec-guard-vs-cmd.toml", ["predicate[1].cmd", "predicate[1].guard"]),
    ],
)
def test_a_doubly_wrong_file_gives_both_problems(file: str, keys: list[str], tmp_path: Path) -> None:
    (row,) = [r for r in ODD if r["file"] == file]
    with pytest.raises(GoalFileError) as raised:
        loaded(row["toml"].encode("latin-1"), tmp_path / "g.toml")
    assert [p.key for p in raised.value.problems] == keys


def test_every_option_the_predecessor_was_observed_with_is_known() -> None:
    rows = json.loads((CONFORMANCE / "observed" / "providers.json").read_text())
    for row in rows:
        config = row.get("config") or {}
        assert set(config) <= KINDS[row["provider"]].keys.keys(), row["id"]
