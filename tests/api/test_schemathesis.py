"""The API keeps its own OpenAPI document: no 5xx, no undocumented reply, nothing accepted that the document forbids.

Over a FakeService and a loopback bridge; the same run against a real daemon is in tests/system.
"""

from pathlib import Path

import pytest

from tests.api.bridge import bridge
from tests.api.fuzzing import COMMAND, run_schemathesis
from tests.api.house import House


@pytest.mark.skipif(not COMMAND.exists(), reason="schemathesis is not installed beside this Python")
@pytest.mark.parametrize(
    ("phases", "max_examples"),
    [
        pytest.param("fuzzing", 8, id="some"),
        pytest.param("coverage,fuzzing,stateful", 100, id="all", marks=pytest.mark.long),
    ],
)
def test_schemathesis_finds_nothing(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str], phases: str, max_examples: int
) -> None:
    house.service.is_immortal = True
    house.service.append("uid-forgotten")
    with bridge(house.path) as url:
        run = run_schemathesis(
            url,
            tmp_path,
            max_examples=max_examples,
            phases=phases,
            explores=phases != "fuzzing",
            parameters={"path.owner": "@me", "path.id": "web"},
        )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert "No issues found" in run.stdout
    assert "request.failed" not in capsys.readouterr().out
    verbs = {verb for verb, _ in house.service.asked}
    assert verbs >= {
        "views",
        "view",
        "wait",
        "follow",
        "read_log",
        "events",
        "suspend",
        "resume",
        "stop",
        "delete",
    }
