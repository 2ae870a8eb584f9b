"""`[harness] env`: plain values are stored, secrets are referred to, and what looks like one is refused."""

import msgspec
import pytest

from kazid.core.goal import SecretRef
from tests.goalfile.loading import PREDICATE, goal_of, problems_of


def goal_file(env: str) -> str:
    return f'id = "g"\n{PREDICATE}[harness]\nid = "claude"\nenv = {{ {env} }}\n'


def test_plain_values_and_references_arrive_apart() -> None:
    text = 'MODE = "x", A = { file = "~/t" }, B = { env = "OURS" }, C = { credential = "c" }'
    harness = goal_of(goal_file(text)).harness
    assert harness is not None
    assert harness.env == {"MODE": "x"}
    assert harness.secrets == {
        "A": SecretRef(source="file", name="~/t"),
        "B": SecretRef(source="env", name="OURS"),
        "C": SecretRef(source="credential", name="c"),
    }
    assert b"OURS" in msgspec.json.encode(harness), "the reference is stored, the value never"


@pytest.mark.parametrize(
    "env",
    [
        pytest.param('OPENAI_API_KEY = "dummy"', id="by-its-name"),
        pytest.param('GITHUB_TOKEN = "x"', id="a-token"),
        pytest.param(f'SETTING = "sk-ant-api03-{"a1B2" * 10}"', id="by-its-value"),
    ],
)
def test_what_looks_like_a_secret_is_refused_and_not_repeated(env: str) -> None:
    (problem,) = problems_of(goal_file(env))
    assert "looks like a secret" in problem.message
    assert "sk-ant" not in problem.message
    assert problem.line


@pytest.mark.parametrize(
    "env",
    [
        "A = {}",
        'A = { file = "relative" }',
        'A = { file = "/a", env = "B" }',
        'A = { vault = "x" }',
        'A = { credential = "../x" }',
        'A = { env = "" }',
        "A = { env = 3 }",
        "A = 3",
    ],
)
def test_a_reference_that_cannot_be_is_a_problem(env: str) -> None:
    assert problems_of(goal_file(env))
