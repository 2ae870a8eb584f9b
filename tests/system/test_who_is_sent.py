"""Who is sent where, through the real daemon: by route and ladder, with secrets by reference; and the trace of it."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import RealDaemon, eventually, write_goal

SECRET = "s3cr3t-of-the-agent"

AGENT = r"""#!/usr/bin/env python3
import json, os, re, sys
prompt = sys.stdin.read()
model = sys.argv[sys.argv.index("--model") + 1] if "--model" in sys.argv else None
assert os.environ["AGENTS_OWN"] == "s3cr3t-of-the-agent"
folder = re.search(r"in the folder (\S+), outside", prompt)[1]
with open(f"sent-{model}.json", "w") as file:
    json.dump({"files": sorted(os.listdir(folder)), "prompt": prompt}, file)
if model == "strong":
    open("fixed", "w").write("yes")
if model == "stylist":
    open("styled", "w").write("yes")
print(json.dumps({"type": "system", "subtype": "init", "model": f"{model}-4", "claude_code_version": "9.9"}))
print(json.dumps({"type": "result", "is_error": False, "result": "tried", "num_turns": 1,
                  "usage": {"input_tokens": 5, "output_tokens": 2}, "total_cost_usd": 0.01}))
"""

GOAL = """
id = "sent"
[scope]
workspace = "{workspace}"
[[predicate]]
id = "fixed"
provider = "custom_script"
cmd = "sh"
args = ["-c", "echo look at app.py:1 >&2; echo more >&2; test -e fixed"]
playbook = "runbook.md"
[[predicate]]
id = "styled"
provider = "custom_script"
cmd = "test"
args = ["-e", "styled"]
[harness]
id = "claude"
command = "{agent}"
env = {{ AGENTS_OWN = {{ file = "{token}" }} }}
[[route]]
for = ["styled"]
model = "stylist"
[escalation]
ladder = ["cheap", "strong"]
max_dispatches = 1
"""


def goal_file(base: Path, name: str, token: Path) -> Path:
    workspace = base / f"work-{name}"
    workspace.mkdir()
    (workspace / "app.py").write_text("def main():\n    return 1\n")
    agent = base / "agent"
    agent.write_text(AGENT)
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    text = GOAL.format(workspace=workspace, agent=agent, token=token).replace('"sent"', f'"{name}"')
    return write_goal(base / name, text)


@pytest.mark.long
def test_a_goal_goes_by_route_and_ladder_and_leaves_traces(daemon: RealDaemon, base: Path) -> None:
    token = base / "token"
    token.write_text(f"{SECRET}\n")
    daemon.apply(goal_file(base, "sent", token), "--detach")

    def settled() -> Any:
        goal = daemon.json("status", "sent")
        return goal if goal["status"] not in ("observing", "acting") else None

    goal = eventually(settled, within_s=120, what="the goal ends")
    assert goal["status"] == "converged", goal["reason"]
    assert {(a["model"], a["chosen_by"]) for a in goal["attempts"]} == {
        ("cheap", "ladder 1 of 2"),
        ("strong", "ladder 2 of 2"),
        ("stylist", "route 1"),
    }
    assert (goal["ladder"]["rung"], goal["ladder"]["models"]) == (2, ["cheap", "strong"])
    told = json.loads((base / "work-sent" / "sent-strong.json").read_text())
    assert told["files"] == ["fixed.report.json", "fixed.stderr.log"]
    assert "read runbook.md and follow it" in told["prompt"]
    assert "1: def main()" in told["prompt"]
    exported = daemon.kazictl("export-traces", "sent").stdout
    traces = [json.loads(line) for line in exported.splitlines()]
    assert [t["attempt"] for t in traces] == [1, 2, 3]
    assert {t["model"] for t in traces} == {"cheap-4", "strong-4", "stylist-4"}
    assert traces[-1]["after"] == {"fixed": "pass", "styled": "pass"}
    assert all(len(t["prompt_sha256"]) == 64 and t["cli_version"] == "9.9" for t in traces)
    assert daemon.kazictl("export-traces", "--since", "1h").stdout == exported
    kept = b"".join(p.read_bytes() for p in daemon.state_dir.rglob("*") if p.is_file())
    assert SECRET.encode() not in kept, "a secret is in no file of the daemon"


@pytest.mark.long
def test_a_secret_that_is_not_there_ends_it_before_anything_is_spent(daemon: RealDaemon, base: Path) -> None:
    daemon.apply(goal_file(base, "bare", base / "nowhere"), "--detach")

    def stuck() -> Any:
        goal = daemon.json("status", "bare")
        return goal if goal["status"] == "stuck" else None

    goal = eventually(stuck, within_s=60, what="the goal is stuck")
    assert (goal["cause"], goal["budget_spent"]["tokens"]) == ("credential_missing", None)
    assert f'AGENTS_OWN = {{ file = "{base}/nowhere" }}' in goal["reason"]
    assert not list((base / "work-bare").glob("sent-*"))
