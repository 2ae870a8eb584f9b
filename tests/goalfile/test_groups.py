"""Groups: ids normalised once, references that lead somewhere."""

import pytest

from kazid.core.goal import Group
from kazid.goalfile.groups import normalised
from tests.goalfile.loading import PREDICATE, goal_of, problems_of


@pytest.mark.parametrize(
    ("name", "group_id"),
    [
        pytest.param("Identity & Access", "identity-access", id="ampersand"),
        pytest.param("Identity and Access", "identity-access", id="the-word-and"),
        pytest.param("identity_and_access", "identity-and-access", id="an-underscore-is-part-of-a-word"),
        pytest.param("Sand and Rand", "sand-rand", id="and-within-words-stays"),
        pytest.param("  API / v2!  ", "api-v2", id="all-else-is-one-dash"),
        pytest.param("&", "", id="nothing-left"),
    ],
)
def test_ids_are_normalised_once(name: str, group_id: str) -> None:
    assert normalised(name) == group_id


def test_spellings_of_one_id_are_one_group_for_references() -> None:
    goal = goal_of(
        'id = "g"\n[[group]]\nid = "Identity & Access"\n[[group]]\nid = "sign-up"\nparent = "identity and access"\n'
        f'needs = ["Identity & Access"]\n{PREDICATE}group = "IDENTITY and access"\n'
    )
    assert goal.groups == (
        Group(id="identity-access", name="Identity & Access"),
        Group(id="sign-up", name="sign-up", parent="identity-access", needs=("identity-access",)),
    )
    assert goal.predicates[0].group == "identity-access"


@pytest.mark.parametrize(
    ("groups", "line", "says"),
    [
        pytest.param(
            '[[group]]\nid = "A & B"\n[[group]]\nid = "a-b"\n', 5, 'duplicate group id "a-b"', id="duplicate"
        ),
        pytest.param(
            '[[group]]\nid = "a-b"\n[[group]]\nid = "A & B"\n',
            5,
            '(written "A & B")',
            id="duplicate-as-written",
        ),
        pytest.param('[[group]]\nid = "&"\n', 3, "no letter or digit", id="normalises-to-nothing"),
        pytest.param(
            '[[group]]\nid = "a"\nparent = "b"\n', 4, 'unknown parent "b"; declared: "a"', id="unknown-parent"
        ),
        pytest.param('[[group]]\nid = "a"\nneeds = ["b"]\n', 4, 'needs unknown group "b"', id="unknown-need"),
        pytest.param('[[group]]\nid = "a"\nneeds = ["a"]\n', 4, "needs itself", id="needs-itself"),
        pytest.param('[[group]]\nid = "a"\nparent = "a"\n', 4, "a -> a", id="parent-of-itself"),
        pytest.param(
            "".join(f'[[group]]\nid = "{group}"\nneeds = ["{need}"]\n' for group, need in ("ac", "ba", "cb")),
            4,
            "a -> c -> b -> a",
            id="needs-circle",
        ),
    ],
)
def test_a_group_that_leads_nowhere_is_a_problem(groups: str, line: int, says: str) -> None:
    (problem,) = problems_of(f'id = "g"\n{groups}{PREDICATE}')
    assert problem.line == line
    assert says in problem.message


def test_a_long_chain_of_needs_is_no_circle() -> None:
    chain = "".join(
        f'[[group]]\nid = "g{n}"\n' + (f'needs = ["g{n - 1}"]\n' if n else "") for n in range(1000)
    )
    assert len(goal_of(f'id = "g"\n{chain}{PREDICATE}').groups) == 1000
