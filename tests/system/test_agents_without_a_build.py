"""Agents that no build of can be installed, as their documentation says they behave; and one that settings declare.

The stubs stand for the program only: profile, daemon, runner and repository are real.
"""

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.house import RealDaemon, write_goal

PREAMBLE = f"""#!{sys.executable}
import json, sys
argv = sys.argv[1:]
def mend(prompt):
    assert "add() adds" in prompt, "the failing check is in the prompt"
    text = open("calc.py").read()
    open("calc.py", "w").write(text.replace("a - b", "a + b"))
"""
ANTIGRAVITY = (
    PREAMBLE
    + """
assert argv[:2] == ["run", "--prompt-file"] and argv[3:] == ["--output", "json", "--yes", "--model", "big"], argv
mend(open(argv[2]).read())
print("starting…")
print(json.dumps({"response": "mended", "usage": {"input_tokens": 70, "output_tokens": 30}}, indent=1))
"""
)
CLAW = (
    PREAMBLE
    + """
assert argv[0] == "prompt" and len(argv) == 2, argv
mend(argv[1])
print("mended")
"""
)
ON_STDIN = (
    PREAMBLE
    + """
mend(sys.stdin.read())
print("thinking")
print(json.dumps({"final": {"text": "mended"}, "usage": {"in": 70, "out": 30, "usd": 0.5}, "argv": argv}))
"""
)
SETTINGS = """
[[harness]]
id = "ours"
command = "our-agent"
args = ["work"]
model_args = ["--model={model}"]
output = "jsonl"
[harness.report]
text = "final.text"
input_tokens = "usage.in"
output_tokens = "usage.out"
cost_usd = "usage.usd"
"""
GOAL = """
id = "calc"
[[predicate]]
id = "tests"
description = "add() adds"
provider = "custom_script"
cmd = "python3"
args = ["-c", "from calc import add; assert add(1, 2) == 3"]
[harness]
id = "{agent}"
{more}
timeout = "60s"
[budget]
max_dispatches = 1
"""


@pytest.fixture
def daemon(base: Path) -> Iterator[RealDaemon]:
    settings = base / "config" / "kazi" / "kazid.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS)
    programs = base / "bin"
    programs.mkdir()
    for name, text in (
        ("antigravity", ANTIGRAVITY),
        ("claw", CLAW),
        ("our-agent", ON_STDIN),
        ("any", ON_STDIN),
    ):
        path = programs / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    daemon = RealDaemon(base, environment={"XDG_CONFIG_HOME": str(base / "config")})
    daemon.environment["PATH"] = f"{programs}:{daemon.environment['PATH']}"
    daemon.start()
    yield daemon
    daemon.end_everything()


@pytest.mark.parametrize(
    ("agent", "more", "used"),
    [
        pytest.param(
            "antigravity", 'model = "big"', {"input_tokens": 70, "output_tokens": 30}, id="antigravity"
        ),
        pytest.param("claw", "", None, id="claw"),
        pytest.param("command", 'command = "any"', None, id="any-command"),
        pytest.param(
            "ours",
            'model = "m"',
            {"input_tokens": 70, "output_tokens": 30, "cost_usd": 0.5},
            id="settings-alone",
        ),
    ],
)
def test_it_goes_from_a_failing_check_to_a_fix(
    daemon: RealDaemon, base: Path, agent: str, more: str, used: dict[str, float] | None
) -> None:
    workspace = base / "w"
    goal_file = write_goal(workspace, GOAL.format(agent=agent, more=more))
    (workspace / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "begin"]):
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *command], cwd=workspace, check=True
        )
    goal = daemon.apply(goal_file)
    (ended,) = [e["event"] for e in daemon.events() if e["type"] == "act.ended"]
    assert goal["status"] == "converged", (goal["reason"], ended)
    assert ended.get("usage") == used
    assert "mended" in ended["text"]
    assert "a + b" in (workspace / "calc.py").read_text()
    assert not daemon.executors()


def test_the_agents_that_there_are_can_be_asked_for(daemon: RealDaemon, base: Path) -> None:
    listed = {h["id"]: h for h in daemon.json("harness", "list")["harnesses"]}
    assert listed["ours"]["path"] == str(base / "bin" / "our-agent")
    assert (listed["claw"]["tier"], listed["claw"]["is_stub_tested"]) == ("best effort", True)
    assert daemon.kazictl("harness", "check", "nobody").returncode == 2
    assert daemon.kazictl("harness", "check", "command").returncode == 1


def test_the_prompt_of_a_red_goal_can_be_read(daemon: RealDaemon, base: Path) -> None:
    workspace = base / "w"
    held = '[[predicate]]\nid = "secret-id"\nprovider = "custom_script"\nheld_out = true\ncmd = "false"\n'
    goal_file = write_goal(workspace, GOAL.format(agent="command", more='command = "true"') + held)
    (workspace / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    daemon.apply(goal_file)
    said = daemon.json("prompt", "calc")
    assert (said["predicates"], said["harness"]) == (["tests"], "command")
    assert "add() adds" in said["prompt"]
    assert "secret-id" not in said["prompt"]
