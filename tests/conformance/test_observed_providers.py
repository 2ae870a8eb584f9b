"""What the predecessor answered for the kinds that are built: our verdict, score and facts are the same.

Where we differ is a row of `OURS`, with its reason; a row that no longer differs fails, so the table stays true.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kazid.adapters.system.commands import SystemCommandRunner
from kazid.adapters.system.repository import SystemRepositories
from kazid.adapters.system.workspace import SystemWorkspaces
from kazid.core.errors import GoalFileError
from kazid.core.ids import GoalUid
from kazid.core.verdict import Verdict
from kazid.ports.provider import Look
from kazid.providers.builtin import BUILTIN
from kazid.providers.catalog import KINDS
from kazid.runtime.grading import Grading
from tests.builders import a_goal, a_predicate
from tests.goalfile.loading import loaded

pytestmark = pytest.mark.anyio

OBSERVED = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "observed"
EVERY: list[dict[str, Any]] = json.loads((OBSERVED / "providers.json").read_text())
ROWS = [row for row in EVERY if row["provider"] in BUILTIN]
THEIR_PORT = "18088"

OURS = {
    "me-empty": ("unknown", "no data is unknown, never green, never red and nothing that was broken"),
    "hp-noassert-500": ("fail", "with no assertion only a 2xx passes (SEMANTICS §1)"),
    "hp-refused": ("fail", "a refused connection is what a dead service looks like (SEMANTICS §1)"),
    "hp-post": ("pass", "POST is sent, without a body; the predecessor cannot"),
    "hp-status-str": ("error", "wrong type: nobody means a status that can never be equal (goal-files §14)"),
    "hp-bodyint": (
        "error",
        "wrong type: the predecessor raises and takes the whole machine down (observed D11)",
    ),
    "st-exit2-noout": ("error", "nothing shows that the analyser ran (goal-files §14)"),
    "cv-gov-empty": ("error", "nothing shows that the scanner ran (goal-files §14)"),
    "pr-pass": ("error", "exit 0 without a word shows no property (issue: empty output is never green)"),
}

NOT_BUILT = {
    "oss_hygiene": "not in the catalogue that was asked for; `no_stubs` with patterns of one's own says the same",
    "swift_test": "Xcode's result bundles are read on macOS only, and kazid runs on Linux",
    "render_proof": "judges a capture by its size; `visual` compares the picture itself",
    "visual_judge": "a model's opinion of a picture is no observation; `visual` is one",
}
"""Kinds of the predecessor that kazid refuses by name, and why. Their rows are judged differences."""

REASONS = {
    "timeout_ms": "timeout",
    "metric_timeout_ms": "timeout",
    "failed_connect": "dns_failed",
    "request_failed": "unreachable",
    "invalid_uri": "invalid_config",
    "invalid_method": "invalid_config",
    "invalid_json": "no_report",
}
"""Their words for an error, where ours is another."""

WITHOUT_PROGRAMS = {"cv-missing"}
"""Rows about a scanner that is not installed; on this machine it may be."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("observed")
    environment = {"PATH": os.environ["PATH"], "HOME_DIR": str(folder / "home"), "WS": str(folder / "ws")}
    subprocess.run(["sh", str(OBSERVED / "workspace.sh")], env=environment, check=True, capture_output=True)
    return folder / "ws"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = int(listener.getsockname()[1])
    program = (OBSERVED / "server.py").read_text().replace("PORT", str(free))
    with subprocess.Popen([sys.executable, "-c", program]) as server:
        try:
            _wait_for(free)
            yield free
        finally:
            server.kill()


def _wait_for(port: int) -> None:
    ends_s = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < ends_s, "the observed server does not start"
            time.sleep(0.02)
        else:
            return


async def answer(row: Mapping[str, Any], *, workspace: Path, port: int) -> Verdict:
    config = json.loads(json.dumps(row["config"]).replace(THEIR_PORT, str(port)))
    predicate = replace(a_predicate(row["id"], provider=row["provider"]), options=config)
    goal = a_goal(predicate, workspace=str(workspace))
    workspaces = SystemWorkspaces()
    grading = Grading(
        workspaces=workspaces,
        repositories=SystemRepositories(workspaces, scratch=workspace.parent / "scratch"),
    )
    async with grading.place(GoalUid("u"), goal, predicate, base=None) as place:
        if isinstance(place, Verdict):
            return place
        look = Look(
            predicate_id=row["id"],
            workspace=str(workspace),
            deadline_s=10,
            path=str(workspace / "no-programs") if row["id"] in WITHOUT_PROGRAMS else os.environ["PATH"],
            wall_s=time.time(),
            reference=place.reference,
        )
        runner = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)
        return await BUILTIN[row["provider"]]().evaluate(config, look, runner)


def facts_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the predecessor's evidence claims, without the text of its errors."""
    return {key: value for key, value in row.get("evidence", {}).items() if key != "reason"}


def diagnostics_of(verdict: Verdict) -> list[dict[str, Any]]:
    """Our findings in the predecessor's fields."""
    return [
        {
            "file": f.file, "line": f.line, "col": f.column, "rule": f.rule, "level": f.level, "message": f.message,
            "expected": None, "got": None,
        }
        for f in verdict.findings
    ]  # fmt: skip


def reason_of(row: Mapping[str, Any]) -> str | None:
    tag = re.match(r"\{?:(\w+)", row.get("evidence", {}).get("reason", ""))
    return REASONS.get(tag[1], tag[1]) if tag else None


@pytest.mark.parametrize("row", [row for row in ROWS if row["id"] not in OURS], ids=lambda row: row["id"])
async def test_the_verdict_is_the_predecessors(row: dict[str, Any], workspace: Path, port: int) -> None:
    verdict = await answer(row, workspace=workspace, port=port)
    assert verdict.status.value == row["status"], verdict
    assert {key: verdict.evidence.get(key) for key in facts_of(row)} == facts_of(row)
    if theirs := row.get("diagnostics"):  # where they have none, ours explain more
        levels = [each["level"] and each["level"].lstrip(":") for each in theirs]
        expected = [{**each, "level": level} for each, level in zip(theirs, levels, strict=True)]
        assert diagnostics_of(verdict) == expected
    assert verdict.score == row.get("score")
    assert (verdict.direction.value if verdict.direction else None) == row.get("direction")
    if row["status"] == "error":
        assert verdict.reason == reason_of(row)


@pytest.mark.parametrize("row", [row for row in ROWS if row["id"] in OURS], ids=lambda row: row["id"])
async def test_we_differ_where_we_say_so(row: dict[str, Any], workspace: Path, port: int) -> None:
    expected, reason = OURS[row["id"]]
    assert expected != row["status"], "no longer a difference"
    assert reason
    assert (await answer(row, workspace=workspace, port=port)).status.value == expected


def test_every_row_is_compared_or_a_judged_difference() -> None:
    assert OURS.keys() <= {row["id"] for row in ROWS}
    assert NOT_BUILT.keys() == {row["provider"] for row in EVERY} - BUILTIN.keys()
    assert all(NOT_BUILT.values())


@pytest.mark.parametrize("row", [r for r in EVERY if r["provider"] in NOT_BUILT], ids=lambda row: row["id"])
def test_a_kind_that_is_not_built_is_refused_by_name_and_never_answers(row: dict[str, Any]) -> None:
    """A goal with such a predicate cannot be applied: there is no verdict that could be wrong."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in row["config"].items()]
    text = "\n".join(('id = "g"', "[[predicate]]", 'id = "p"', f'provider = "{row["provider"]}"', *lines))
    try:
        refused = loaded(text).unbuilt
    except GoalFileError as error:  # what it names is not there either
        refused = error.problems
    assert refused
    assert not KINDS[row["provider"]].built
