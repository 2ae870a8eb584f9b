"""Checks that cannot be red, through the real client and the real daemon: refused, doubted, allowed, recorded."""

import json
from pathlib import Path

import pytest

from tests.system.house import RealDaemon, write_goal

GOAL = """
id = "vacuous"
standing = true
[[predicate]]
id = "tests"
provider = "custom_script"
cmd = "sh"
args = ["-c", "pytest || true"]
[[predicate]]
id = "files"
provider = "custom_script"
cmd = "sh"
args = ["-c", "find . | grep -q ."]
[[remedy]]
cmd = "touch"
args = ["x"]
"""


@pytest.fixture
def goal(base: Path) -> Path:
    folder = base / "work"
    folder.mkdir()
    return write_goal(folder, GOAL)


def test_lint_says_what_cannot_be_red_and_tries_what_only_reads(daemon: RealDaemon, goal: Path) -> None:
    run = daemon.kazictl("lint", str(goal), "--json")
    report = json.loads(run.stdout)
    assert run.returncode == 1
    assert report["problems"] == []
    assert [(f["predicate"], f["code"], f["severity"], f["line"]) for f in report["findings"]] == [
        ("tests", "hidden-exit", "refuse", 4),
        ("files", "passes-on-nothing", "doubt", 9),
    ]
    still = daemon.kazictl("lint", str(goal), "--no-run")
    assert still.returncode == 1
    assert ":4: refuse: tests: " in still.stdout
    assert "set -e" in still.stdout
    assert "files" not in still.stdout


def test_apply_refuses_it_unless_it_is_allowed_and_the_goal_remembers(daemon: RealDaemon, goal: Path) -> None:
    refused = daemon.kazictl("apply", str(goal), "--detach")
    assert refused.returncode == 2
    assert '"tests" cannot be red' in refused.stderr
    assert "--allow-vacuous" in refused.stderr
    assert daemon.kazictl("status", "vacuous").returncode == 2
    assert daemon.kazictl("apply", str(goal), "--detach", "--allow-vacuous").returncode == 0
    status = json.loads(daemon.kazictl("status", "vacuous", "--json").stdout)
    assert any("cannot be red" in notice for notice in status["notices"])
    applied = next(e for e in daemon.events("vacuous") if e["type"] == "goal.applied")
    assert applied["event"]["goal"]["vacuous_allowed"] == ["tests"]
