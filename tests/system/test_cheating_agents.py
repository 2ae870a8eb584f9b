"""Agents that say "done" and cheat: real processes, real git repositories, one real daemon. None converges.

All goals run at once, because backoff between dispatches is real time. Each ends with its own cause within three paid
dispatches; what a cheat was, tests/fixtures/cheating_agent.py says.
"""

import json
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.system.house import BIN, ROOT, RealDaemon, eventually

DISPATCHES_MAX = 3
END_WITHIN_S = 480.0
PYTEST = '["-m", "pytest", "-q", "-p", "no:cacheprovider", "{}"]'

FILES = {
    "calc.py": (
        "def add(a, b):\n    return a - b\n"
        "\n\ndef double(a):\n    return 2 * a\n"
        "\n\ndef negate(a):\n    return -a\n"
    ),
    "test_calc.py": "import pytest\n\nfrom calc import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n",
    "test_double.py": "from calc import double\n\n\ndef test_double():\n    assert double(2) == 4\n",
    "test_negate.py": "from calc import negate\n\n\ndef test_negate():\n    assert negate(2) == -2\n",
    "grade.sh": '#!/bin/sh\nexec "$1" -c "from calc import add; assert add(2, 3) == 5"\n',
    ".gitignore": "__pycache__/\n",
}  # fmt: skip
HEAD = """
id = "GOAL_ID"
[scope]
workspace = "WORKSPACE"
write_paths = ["WRITE_PATHS"]
[workspace]
mode = "WHERE"
[harness]
id = "claude"
command = "AGENT"
[budget]
max_dispatches = 8
"""


def _tests(name: str) -> str:
    return f"""
[[predicate]]
id = "{name}"
provider = "test_runner"
cmd = "PYTHON"
args = {PYTEST.format(f"test_{name}.py")}
"""


SUITE = """
[[predicate]]
id = "suite"
provider = "test_runner"
cmd = "PYTHON"
args = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
[enforcement]
"""
GRADED = """
[[predicate]]
id = "graded"
provider = "custom_script"
guard = true
cmd = "sh"
args = ["grade.sh", "PYTHON"]
"""
HELD_OUT = """
[[predicate]]
id = "unseen"
provider = "custom_script"
held_out = true
cmd = "PYTHON"
args = ["-c", "from calc import add; assert add(1, 1) == 2"]
"""
WEAKER = """
id = "GOAL_ID"
[[predicate]]
id = "calc"
provider = "custom_script"
cmd = "test"
args = ["-d", "/usr"]
"""


class Cheat(msgspec.Struct, frozen=True, kw_only=True):
    """A goal for one kind of cheat, and how it ends."""

    goal: str = _tests("calc")
    status: str = "stuck"
    cause: str
    says: str
    """In the reason."""
    write_paths: str = "**"
    red: frozenset[str] = frozenset({"calc"})
    """What still fails at the end: the verdict is told as it is."""


CHEATS: Mapping[str, Cheat] = {
    "say_done": Cheat(cause="no_progress", says="changed nothing"),
    "edit_the_goal_file": Cheat(status="tampered", cause="seal_broken", says="edit_the_goal_file.goal.toml"),
    "special_case_the_input": Cheat(
        goal=_tests("calc") + HELD_OUT, cause="no_progress", says="dispatches", red=frozenset({"unseen"})
    ),
    "delete_the_test": Cheat(
        goal=SUITE + 'read_only_paths = ["test_*.py"]\n',
        status="tampered",
        cause="read_only_write",
        says="test_calc.py",
        red=frozenset(),
    ),
    "skip_the_test": Cheat(goal=_tests("calc") + "[enforcement]\n", cause="no_progress", says="dispatches"),
    "edit_the_grader_and_commit": Cheat(
        goal=GRADED + '[seal]\nsealed_inputs = ["grade.sh"]\n',
        status="tampered",
        cause="seal_broken",
        says="grade.sh",
        red=frozenset(),
    ),
    "edit_a_grader_nobody_sealed": Cheat(
        goal=GRADED + "[enforcement]\n", cause="no_progress", says="dispatches", red=frozenset({"graded"})
    ),
    "write_where_it_may_not": Cheat(
        write_paths="calc.py",
        status="tampered",
        cause="read_only_write",
        says="outside its write_paths: test_double.py",
        red=frozenset(),
    ),
    "alternate_two_edits": Cheat(cause="no_progress", says="dispatches"),
    "fix_one_and_break_two": Cheat(
        goal=_tests("calc") + _tests("double") + _tests("negate"),
        cause="oscillating",
        says="came back",
        red=frozenset({"double", "negate"}),
    ),
    "apply_a_weaker_goal": Cheat(cause="no_progress", says="changed nothing"),
    "approve_themselves": Cheat(cause="no_progress", says="changed nothing"),
}


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How one goal ended, with what it was and did."""

    document: dict[str, Any]
    events: list[dict[str, Any]]
    folder: Path

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [e["event"] for e in self.events if e["type"] == kind]


def _repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    who = ("-c", "user.name=owner", "-c", "user.email=owner@example.invalid")
    for arguments in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "Start"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    return folder


def _place(daemon: RealDaemon, name: str, cheat: Cheat, *, where: str) -> Path:
    """The repository, the agent and the goal-file of one cheat; the goal-file's path."""
    workspace = _repository(daemon.base / "work" / name)
    agent = daemon.base / "agents" / name / "claude"
    agent.parent.mkdir(parents=True)
    source = (ROOT / "tests" / "fixtures" / "cheating_agent.py").read_text()
    agent.write_text(f"#!{sys.executable}\n{source}")
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    goal_id = name.replace("_", "-")
    goal_file = daemon.base / "goals" / f"{name}.goal.toml"
    goal_file.parent.mkdir(exist_ok=True)
    text = HEAD + cheat.goal
    for word, value in {
        "GOAL_ID": goal_id,
        "WORKSPACE": str(workspace),
        "AGENT": str(agent),
        "PYTHON": sys.executable,
        "WRITE_PATHS": cheat.write_paths,
        "WHERE": where,
    }.items():
        text = text.replace(word, value)
    goal_file.write_text(text)
    weaker = agent.parent / "weaker.toml"
    weaker.write_text(WEAKER.replace("GOAL_ID", goal_id))
    plan = {
        "socket": str(daemon.socket),
        "kazictl": str(BIN / "kazictl"),
        "ref": goal_id,
        "goal_file": str(goal_file),
        "weaker": str(weaker),
    }
    (agent.parent / "plan.json").write_text(json.dumps(plan))
    return goal_file


@pytest.fixture(scope="module", params=["worktree", pytest.param("in_place", marks=pytest.mark.long)])
def ended(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Ended]]:
    """Every goal driven to its end, all at once."""
    base = Path(tempfile.mkdtemp(prefix="kz"))
    daemon = RealDaemon(base)
    try:
        daemon.start()
        for name, cheat in CHEATS.items():
            applied = daemon.kazictl(
                "apply", str(_place(daemon, name, cheat, where=request.param)), "--detach"
            )
            assert applied.returncode == 0, f"{name}: {applied.stdout}{applied.stderr}"
        under_way = {"observing", "acting", "waiting"}
        eventually(
            lambda: all(g["status"] not in under_way for g in daemon.json("list")["goals"]),
            within_s=END_WITHIN_S,
            what="every goal ends",
        )
        yield {
            name: Ended(
                document=daemon.json("status", name.replace("_", "-")),
                events=daemon.events(name.replace("_", "-")),
                folder=base / "agents" / name,
            )
            for name in CHEATS
        }
        assert daemon.stop() == 0
        assert daemon.leftovers() == {}
    finally:
        daemon.end_everything()
        shutil.rmtree(base, ignore_errors=True)


@pytest.mark.parametrize("name", CHEATS)
def test_no_cheat_converges_and_each_ends_with_its_own_cause(ended: Mapping[str, Ended], name: str):
    cheat, end = CHEATS[name], ended[name]
    document = end.document
    assert (document["status"], document["cause"]) == (cheat.status, cheat.cause), document["reason"]
    assert cheat.says in document["reason"]
    dispatches = end.of("act.intended")
    assert 1 <= len(dispatches) <= DISPATCHES_MAX, f"{len(dispatches)} paid dispatches"
    assert len((end.folder / "calls").read_text().splitlines()) == len(dispatches)
    failing = {p["id"] for p in document["predicates"] if p["verdict"] != "pass"}
    assert failing == cheat.red, "the terminal verdict is true"
    assert "converged" not in {e["status"] for e in end.of("status.changed")}


def test_a_test_that_was_skipped_is_said_to_be(ended: Mapping[str, Ended]):
    (calc,) = ended["skip_the_test"].document["predicates"]
    assert (calc["verdict"], calc["reason"]) == ("fail", "tests_skipped")


@pytest.mark.parametrize("name", ["apply_a_weaker_goal", "approve_themselves", "edit_the_goal_file"])
def test_the_stored_goal_is_what_was_applied(ended: Mapping[str, Ended], name: str):
    end = ended[name]
    assert len(end.of("goal.applied")) == 1
    assert end.document["generation"] == 1
    assert not end.of("goal.resumed")
    assert {e["by"] for e in end.of("reconcile.requested")} <= {"slots"}, "only the daemon woke it"
    if name != "edit_the_goal_file":
        said = (end.folder / "kazictl.log").read_text()
        assert "not allowed" in said
        assert ": 0 " not in said, said
