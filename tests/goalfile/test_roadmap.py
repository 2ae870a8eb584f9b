"""Roadmaps load and are checked; running one is refused by name."""

import pytest

from kazid.core.errors import GoalFileError
from kazid.goalfile.load import Defaults, Roadmap, Source, load_roadmap
from tests.goalfile.loading import CATALOG, PREDICATE, files, problems_of

MEMBER = f'id = "m"\n{PREDICATE}'


def roadmap(text: str, **texts: str) -> Roadmap | None:
    source = Source(owner="me", path="/plans/all.roadmap.toml")
    by_path = {f"/plans/{name}.goal.toml": content for name, content in texts.items()}
    return load_roadmap(text, source=source, catalog=CATALOG, defaults=Defaults(), read_text=files(by_path))


def test_entries_are_nodes_and_needs_are_edges() -> None:
    text = (
        '[[goals]]\nid = "a"\npath = "a.goal.toml"\n'
        f'[[goals]]\nid = "b"\nneeds = ["a"]\n{PREDICATE.replace("[[predicate]]", "[[goals.goal.predicate]]")}'
    )
    plan = roadmap(text, a=MEMBER)
    assert plan is not None
    assert plan.nodes == ("a", "b")
    assert plan.edges == (("a", "b"),)
    assert plan.goals["a"].goal.id == "m"
    assert plan.goals["a"].goal.workspace == "/plans"
    assert plan.goals["b"].goal.id == "b", "an inline goal takes the entry's id"


def test_a_goal_file_is_no_roadmap() -> None:
    assert roadmap(MEMBER) is None


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("goals = []\n", 1, "at least one", id="empty"),
        pytest.param("goals = 5\n", 1, "array of tables", id="wrong-type"),
        pytest.param('[[goals]]\nid = "a"\n', 1, "exactly one of", id="neither-source"),
        pytest.param('[[goals]]\nid = "a"\npath = "no.goal.toml"\n', 3, "No such file", id="no-such-file"),
        pytest.param(
            '[[goals]]\nid = "a"\npath = "bad.goal.toml"\n', 3, "/plans/bad.goal.toml:1: ", id="bad-member"
        ),
        pytest.param(
            '[[goals]]\nid = "a"\npath = "a.goal.toml"\nneeds = ["b"]\n', 4, 'unknown "b"', id="unknown-need"
        ),
        pytest.param('[[goals]]\nid = "a"\npath = "a.goal.toml"\nneeds = ["a"]\n', 1, "a -> a", id="circle"),
        pytest.param(
            '[[goals]]\nid = "a"\npath = "a.goal.toml"\n[[goals]]\nid = "a"\npath = "a.goal.toml"\n',
            5,
            "duplicate",
            id="duplicate",
        ),
        pytest.param(
            'name = "x"\n[[goals]]\nid = "a"\npath = "a.goal.toml"\n', 1, "unknown key", id="unknown-key"
        ),
        pytest.param(
            '[[goals]]\nid = "a"\n[goals.goal]\nid = 5\n', 4, "id must be", id="inline-goal-on-its-own-line"
        ),
    ],
)
def test_what_is_wrong_with_a_roadmap_is_a_problem(text: str, line: int, says: str) -> None:
    with pytest.raises(GoalFileError) as raised:
        roadmap(text, a=MEMBER, bad="id = 5\n" + PREDICATE)
    assert (line, True) in [(p.line, says in p.message) for p in raised.value.problems]


def test_applying_a_roadmap_or_a_fleet_is_refused_by_name() -> None:
    assert "not built yet" in problems_of('[[goals]]\nid = "a"\npath = "a.goal.toml"\n')[0].message
    assert "not built yet" in problems_of('[[member]]\npath = "a.goal.toml"\n')[0].message
