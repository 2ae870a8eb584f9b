"""A dispatched agent tries every verb, in every disguise, and nothing changes; and it learns nothing it should not.

Verbs come from the OpenAPI document and from kazictl's own table, so a new one is tried without being named here.
"""

import json
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import BIN, ROOT, RealDaemon, eventually, write_goal

CANARY = "c4n4ry"
SECRETS = ("q8Zr3mWv0pLk7TyX", "hunter2hunter2", "sk-ant-k3yk3yk3yk3yk3y", "pr3dicate-s3cr3t-0")
READS = {
    "explain", "follow", "health", "info", "list", "logs", "openapi", "schema", "schema_of_kind", "status", "wait",
}  # fmt: skip
READING_VERBS = {"explain", "info", "list", "logs", "schema", "status", "wait", "watch"}
DENIED = 403
MAY_HAPPEN_MEANWHILE = {"dispatch.prepared", "predicate.observed", "steady.observed", "status.changed"}

OWN = f"""
id = "own"
[scope]
workspace = "WORKSPACE"
[[predicate]]
id = "{CANARY}-id"
description = "{CANARY} description"
provider = "custom_script"
held_out = true
cmd = "sh"
args = ["-c", "echo {CANARY} evidence; test -e {CANARY}-file"]
[[predicate]]
id = "tests"
provider = "custom_script"
cmd = "sh"
args = ["-c", "cat SECRET; test -e never"]
[harness]
id = "claude"
command = "AGENT"
[budget]
max_dispatches = 1
"""
OTHER = """
id = "other"
standing = true
[[predicate]]
id = "up"
provider = "custom_script"
cmd = "test"
args = ["-d", "/usr"]
"""
WEAKER = """
id = "own"
[[predicate]]
id = "easy"
provider = "custom_script"
cmd = "test"
args = ["-d", "/usr"]
"""


@pytest.fixture
def daemon(base: Path):
    daemon = RealDaemon(base, environment={"ANTHROPIC_API_KEY": "sk-ant-k3yk3yk3yk3yk3y"})
    daemon.start()
    yield daemon
    daemon.end_everything()


@pytest.fixture
def told(daemon: RealDaemon, base: Path) -> dict[str, Any]:
    """What the agent was given and answered, after its goal ended."""
    agent = base / "agent" / "claude"
    agent.parent.mkdir()
    shutil.copy(ROOT / "tests" / "fixtures" / "meddling_agent.py", agent)
    agent.write_text(f"#!{sys.executable}\n{agent.read_text()}")
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    write_goal(agent.parent, WEAKER, name="weaker.toml")
    other = daemon.apply(write_goal(base / "w2", OTHER))
    workspace = base / "w"
    workspace.mkdir()
    secret = base / "env"
    secret.write_text("api_key=pr3dicate-s3cr3t-0\n")
    goal = write_goal(
        base / "g",
        OWN.replace("AGENT", str(agent)).replace("WORKSPACE", str(workspace)).replace("SECRET", str(secret)),
    )
    plan = {
        "socket": str(daemon.socket),
        "kazictl": str(BIN / "kazictl"),
        "kazid": str(BIN / "kazid"),
        "state_dir": str(daemon.state_dir),
        "ref": other["ref"].replace("/other", "/own"),
        "other": other["ref"],
        "out": str(base / "out" / "told"),
    }
    (base / "out").mkdir()
    (agent.parent / "plan.json").write_text(json.dumps(plan))
    document = daemon.apply(goal, timeout_s=120)
    assert document["status"] == "over_budget", json.dumps(document)
    answers: dict[str, Any] = json.loads((base / "out" / "told-0.json").read_text())
    return answers


def _during_the_attempt(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    types = [e["type"] for e in events]
    first, last = types.index("act.intended"), types.index("act.ended")
    return events[first + 1 : last]


def _assert_denied(answers: dict[str, list[Any]], how: str) -> None:
    for operation, (status, said) in answers.items():
        if operation in READS:
            assert status == 200, f"{how}: {operation}: {status} {said}"
        else:
            assert status == DENIED, f"{how}: {operation}: {status} {said}"


def test_an_agent_tries_every_verb_in_every_disguise_and_changes_and_learns_nothing(
    daemon: RealDaemon, base: Path, told: dict[str, Any]
):
    assert len(told["raw"]) >= 20, "the document lists the routes"
    _assert_denied(told["raw"], "plain")
    assert len(told["disguised"]) == 8
    for how, answers in told["disguised"].items():
        _assert_denied(answers, how)
    assert len(told["kazictl"]) >= 15, "kazictl lists its verbs"
    for verb, (code, said) in told["kazictl"].items():
        if verb not in READING_VERBS:
            assert code not in (0, -1), f"kazictl {verb}: {code} {said}"
            assert "not allowed" in said or "denied" in said, f"kazictl {verb}: {code} {said}"
    assert told["daemon"][0] != 0, "no second daemon over the same state"

    meanwhile = _during_the_attempt(daemon.events())
    assert {e["type"] for e in meanwhile} <= MAY_HAPPEN_MEANWHILE, "nothing was changed"
    assert sorted(g["goal_id"] for g in daemon.json("list")["goals"]) == ["other", "own"]
    assert daemon.json("status", "other")["status"] == "holding"
    own = daemon.json("status", "own")
    assert {p["id"] for p in own["predicates"]} == {"tests", f"{CANARY}-id"}, "no weaker goal took its place"

    untold = {key: value for key, value in told.items() if key != "workspace"}
    assert CANARY not in json.dumps(untold), "nothing an agent was given or answered tells what is held out"
    assert CANARY not in daemon.log.read_text(), "nor the daemon's log"
    assert "withheld" not in told["prompt"], "what it may see is its slice"
    assert daemon.stop() == 0
    kept = [p for p in daemon.state_dir.rglob("*") if p.is_file()] + [daemon.log]
    for path in kept:
        content = path.read_bytes()
        for secret in SECRETS:
            assert secret.encode() not in content, f"{secret} in {path}"
    eventually(lambda: daemon.leftovers() == {}, within_s=60, what="nothing is left")
