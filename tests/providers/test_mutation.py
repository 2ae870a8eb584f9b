"""`mutation`: a score is a share, nothing mutated is no claim, and a report recorded from a mutation tester."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from kazid.adapters.memory.commands import exited, signaled
from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.ports.commands import CommandResult
from kazid.providers.kinds.measure_kinds import MUTATION
from kazid.providers.mutation import Mutation, MutationOptions
from kazid.testing import ProviderContract
from tests.providers.running import answered, sh

pytestmark = pytest.mark.anyio


class TestContract(ProviderContract):
    provider = Mutation()
    kind = MUTATION
    passing: Mapping[str, Json] = sh("echo '{\"s\": 0.9}'", threshold=0.8, score_path="$.s")
    failing: Mapping[str, Json] = sh("echo '{\"s\": 0.7}'", threshold=0.8, score_path="$.s")
    erring: Mapping[str, Json] = sh("echo died", threshold=0.8, score_path="$.s")
    hanging: Mapping[str, Json] = sh("echo '{\"s\": 0.9}'; sleep 300", threshold=0.8, score_path="$.s")
    keys = tuple(MutationOptions.__struct_fields__)


COUNTS = {"killed_path": "$.killed", "survived_path": "$.survived"}


@pytest.mark.parametrize(
    ("result", "options", "status", "reason", "score"),
    [
        pytest.param(exited(1, stdout='{"s": 0.8}'), {}, "pass", None, 0.8, id="at-the-threshold"),
        pytest.param(exited(0, stdout='{"s": 0.79}'), {}, "fail", "threshold", 0.79, id="below-it"),
        pytest.param(exited(0, stdout='{"s": 85}'), {}, "error", "not_a_share", None, id="a-percentage"),
        pytest.param(exited(0, stdout='{"s": [1, 2]}'), {}, "error", "not_a_share", None, id="a-list"),
        pytest.param(exited(0, stdout='{"s": -1}'), {}, "error", "not_a_share", None, id="negative"),
        pytest.param(exited(0, stdout="{}"), {}, "error", "path_missing", None, id="no-score"),
        pytest.param(exited(0), {}, "error", "invalid_json_output", None, id="silence"),
        pytest.param(signaled(9, stdout='{"s": 1}'), {}, "error", "signaled", None, id="killed"),
        pytest.param(
            exited(2, stdout='{"killed": 9, "survived": 1}'), COUNTS, "pass", None, 0.9, id="from-counts"
        ),
        pytest.param(
            exited(0, stdout='{"killed": 0, "survived": 0}'), COUNTS, "unknown", "not_applicable", None,
            id="nothing-was-mutated",
        ),
        pytest.param(
            exited(0, stdout='{"killed": -5, "survived": 1}'), COUNTS, "error", "not_a_count", None,
            id="a-negative-count",
        ),
    ],
)  # fmt: skip
async def test_a_score_is_a_share_of_the_mutants(
    result: CommandResult, options: dict[str, Any], status: str, reason: str | None, score: float | None
) -> None:
    paths = options or {"score_path": "$.s"}
    verdict = await answered(Mutation(), result, {"threshold": 0.8, **paths})
    assert (verdict.status.value, verdict.reason, verdict.score) == (status, reason, score), verdict


async def test_survivors_are_findings() -> None:
    survivors = ["a.py:3 changed + to -", {"file": "b.py", "line": 7, "mutator": "negate"}]
    text = json.dumps({"killed": 1, "survived": 2, "list": survivors})
    options = {"threshold": 0.8, **COUNTS, "survivors_path": "$.list"}
    verdict = await answered(Mutation(), exited(0, stdout=text), options)
    assert verdict.status is Status.FAIL
    assert [(f.file, f.line, f.message) for f in verdict.findings] == [
        (None, None, "a.py:3 changed + to -"),
        ("b.py", 7, "negate"),
    ]
