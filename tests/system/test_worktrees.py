"""Agents in worktrees of real repositories, under a real daemon that is killed while they work."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import RealDaemon, eventually

AGENT = """#!{python}
import json, os, pathlib, sys, time
work = pathlib.Path("{work}")
prompt = sys.stdin.read()
{deed}
print(json.dumps({{"type": "result", "subtype": "success", "is_error": False, "result": "done", "session_id": "s",
                  "usage": {{"input_tokens": 1, "output_tokens": 1}}, "num_turns": 1}}))
"""
FIX = """
time.sleep({seconds})
name = pathlib.Path("NAME").read_text().strip() if pathlib.Path("NAME").exists() else "a"
pathlib.Path(name).write_text("fixed\\n")
"""


def git(*args: str, cwd: Path | str) -> str:
    done = subprocess.run(
        ("git", "-c", "user.name=t", "-c", "user.email=t@t", *args),
        cwd=cwd, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def make_repository(top: Path, files: dict[str, str]) -> Path:
    top.mkdir(parents=True)
    git("init", "-q", "-b", "main", cwd=top)
    for name, text in files.items():
        (top / name).write_text(text)
    git("add", "-A", cwd=top)
    git("commit", "-q", "-m", "first", cwd=top)
    return top


def make_agent(base: Path, deed: str, *, name: str = "agent") -> Path:
    path = base / name
    path.write_text(AGENT.format(python=sys.executable, work=base, deed=deed))
    path.chmod(0o755)
    return path


def make_goal(base: Path, goal_id: str, top: Path, agent: Path, *, file: str = "a", more: str = "") -> Path:
    path = base / f"{goal_id}.goal.toml"
    path.write_text(f"""
id = "{goal_id}"
[scope]
workspace = "{top}"
[harness]
id = "claude"
command = "{agent}"
[workspace]
setup_timeout = "1m"
[[predicate]]
id = "fixed"
provider = "custom_script"
cmd = "grep"
args = ["-q", "fixed", "{file}"]
{more}
""")
    return path


def _events(daemon: RealDaemon, kind: str) -> list[dict[str, Any]]:
    return [e["event"] for e in daemon.events() if e["event"]["type"] == kind]


def test_a_fix_is_made_elsewhere_and_delivered_and_leaves_only_itself(daemon: RealDaemon, base: Path) -> None:
    top = make_repository(base / "repo", {"a": "broken\n", ".gitignore": "deps\n"})
    (top / "mine").write_text("not committed\n")
    agent = make_agent(base, 'open(work / "where", "w").write(os.getcwd())\nassert pathlib.Path("deps").exists()\n'
                             + FIX.format(seconds=0))  # fmt: skip
    goal = make_goal(base, "g", top, agent)
    goal.write_text(goal.read_text().replace('setup_timeout = "1m"', 'setup = ["echo x > deps"]'))
    document = daemon.apply(goal, timeout_s=120)
    assert document["status"] == "converged", document
    assert (base / "where").read_text().startswith(str(daemon.state_dir))
    assert (top / "a").read_text() == "fixed\n"
    assert git("status", "--porcelain", cwd=top) == "M a\n?? mine"
    assert git("branch", "--format=%(refname:short)", cwd=top) == "main"
    assert len(git("worktree", "list", cwd=top).splitlines()) == 1
    assert not any((daemon.state_dir / "worktrees").iterdir())


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        pytest.param("os.unlink('.git')", "deleted .git", id="deletes-git"),
        pytest.param(
            "os.system('git checkout -q --orphan x && git commit -qam x && git branch -qD kazi/g')",
            "left", id="leaves",
        ),
        pytest.param("os.system('git -c user.name=a -c user.email=a@a commit -qam mine')", None, id="commits"),
    ],
)  # fmt: skip
def test_what_an_agent_does_to_its_repository_is_named_and_the_users_is_intact(
    daemon: RealDaemon, base: Path, deed: str, said: str | None
) -> None:
    top = make_repository(base / "repo", {"a": "broken\n"})
    before = git("log", "--oneline", "main", cwd=top)
    goal = make_goal(base, "g", top, make_agent(base, FIX.format(seconds=0) + deed))
    document = daemon.apply(goal, timeout_s=120)
    assert document["status"] == "converged", document
    (ended,) = _events(daemon, "act.ended")
    assert (said is None) == (ended["change"].get("mended", []) == [])
    assert said is None or said in ended["change"]["mended"][0]
    assert ended["change"]["files"] == 1
    assert (top / "a").read_text() == "fixed\n"
    assert git("log", "--oneline", "main", cwd=top) == before
    assert git("fsck", "--no-dangling", cwd=top) == ""


@pytest.mark.parametrize("kind", ["bare", "dirty"])
def test_a_repository_that_cannot_be_worked_on_is_named(daemon: RealDaemon, base: Path, kind: str) -> None:
    top = base / "repo"
    make_repository(top, {"a": "broken\n"})
    if kind == "bare":
        git("clone", "-q", "--bare", str(top), str(base / "bare"), cwd=base)
        top = base / "bare"
    else:
        git("checkout", "-q", "-b", "other", cwd=top)
        for branch, text in (("other", "x\n"), ("main", "y\n")):
            git("checkout", "-q", branch, cwd=top)
            (top / "a").write_text(text)
            git("commit", "-qam", text, cwd=top)
        subprocess.run(("git", "merge", "-q", "other"), cwd=top, capture_output=True, check=False)
    document = daemon.apply(make_goal(base, "g", top, make_agent(base, "")), timeout_s=120)
    assert document["status"] == "stuck"
    assert document["cause"] == {"bare": "worktree_failed", "dirty": "workspace_dirty"}[kind], document


def test_the_tree_and_branch_of_an_agent_at_work_are_in_its_status(daemon: RealDaemon, base: Path) -> None:
    top = make_repository(base / "repo", {"a": "broken\n"})
    wait = "(work / 'here').touch()\nwhile not (work / 'go').exists(): time.sleep(0.05)\n"
    goal = make_goal(base, "g", top, make_agent(base, wait + FIX.format(seconds=0)))
    assert daemon.kazictl("apply", str(goal), "--detach").returncode == 0
    eventually(lambda: (base / "here").exists(), within_s=60, what="the agent works")
    tree = daemon.json("status", "g")["worktree"]
    assert (tree["branch"], tree["repository"]) == ("kazi/g", str(top))
    assert git("rev-parse", "--abbrev-ref", "HEAD", cwd=tree["path"]) == "kazi/g"
    assert tree["path"] in daemon.kazictl("status", "g").stdout
    (base / "go").touch()
    eventually(lambda: daemon.json("status", "g")["status"] == "converged", within_s=60, what="it ends")
    assert daemon.json("status", "g")["worktree"] is None


def test_a_change_that_mended_nothing_is_named_with_the_command_that_takes_it(
    daemon: RealDaemon, base: Path
) -> None:
    top = make_repository(base / "repo", {"a": "broken\n", ".gitignore": ".venv\n"})
    (top / ".venv").mkdir()
    (top / "mine").write_text("not committed\n")
    agent = make_agent(base, 'pathlib.Path("b").write_text("half\\n")')
    goal = make_goal(base, "g", top, agent, more="[budget]\nmax_dispatches = 1\n")
    document = daemon.apply(goal, timeout_s=120)
    assert document["status"] == "over_budget", document
    assert git("status", "--porcelain", cwd=top) == "?? mine", "nothing half done is in the workspace"
    take = document["worktree"]["take"]
    assert any(take in notice for notice in document["notices"])
    assert any(".venv" in notice for notice in document["notices"])
    for words in (("status", "g"), ("explain", "g"), ("wait", "g", "--timeout", "5s")):
        assert take in daemon.kazictl(*words).stdout, words
    subprocess.run(take, shell=True, check=True)
    assert (top / "b").read_text() == "half\n"
    assert (top / "mine").read_text() == "not committed\n"


def _storm(daemon: RealDaemon, base: Path, *, goals: int, kills: int, seed: int, prefix: str = "g") -> None:
    """Goals on worktrees of one repository, and the daemon killed at random; then what is there is counted."""
    rng = random.Random(seed)
    names = [f"{prefix}{n}" for n in range(goals)]
    top = make_repository(base / "repo", {**dict.fromkeys(names, "broken\n"), "user": "committed\n"})
    (top / "user").write_text("the user's, not committed\n")
    (top / "untracked").write_text("the user's, untracked\n")
    for name in names:
        agent = make_agent(
            base, f'time.sleep(0.3)\npathlib.Path("{name}").write_text("fixed\\n")\n', name=f"agent-{name}"
        )
        goal = make_goal(base, name, top, agent, file=name)
        assert daemon.kazictl("apply", str(goal), "--detach").returncode == 0
    for _ in range(kills):
        time.sleep(rng.uniform(0.05, 1.2))
        daemon.kill9()
        daemon.start()

    def are_done() -> bool:
        statuses = {g["goal_id"]: g["status"] for g in daemon.json("list")["goals"]}
        assert not {"stuck", "tampered", "parked", "failed", "over_budget"} & set(statuses.values()), statuses
        return set(statuses.values()) == {"converged"}

    eventually(are_done, within_s=120 + 10 * goals, what="all goals converge")
    assert {(top / n).read_text() for n in names} == {"fixed\n"}
    assert (top / "user").read_text() == "the user's, not committed\n"
    assert (top / "untracked").read_text() == "the user's, untracked\n"
    assert git("fsck", "--no-dangling", cwd=top) == ""
    eventually(
        lambda: len(git("worktree", "list", cwd=top).splitlines()) == 1,
        within_s=60,
        what="no worktree is left",
    )
    assert git("branch", "--format=%(refname:short)", cwd=top) == "main"
    intents = {e["attempt_id"] for e in _all(daemon, "act.intended")}
    ends = [e["attempt_id"] for e in _all(daemon, "act.ended")]
    assert sorted(intents) == sorted(ends), "every attempt has exactly one end"
    assert daemon.executors() == {}


def _all(daemon: RealDaemon, kind: str) -> list[dict[str, Any]]:
    return [event for event in daemon_events(daemon) if event["type"] == kind]


def daemon_events(daemon: RealDaemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = 0
    while page := daemon.events("--after", str(after)):
        found += [e["event"] for e in page]
        after = page[-1]["offset"]
    return found


def test_goals_on_worktrees_of_one_repository_survive_a_daemon_killed_at_random(
    daemon: RealDaemon, base: Path
) -> None:
    _storm(daemon, base, goals=4, kills=6, seed=int(os.environ.get("KAZI_SEED", "1")))


@pytest.mark.long
def test_two_hundred_dispatches_with_a_daemon_killed_at_random(daemon: RealDaemon, base: Path) -> None:
    for round_number in range(20):
        _storm(
            daemon, base / str(round_number), goals=10, kills=8, seed=round_number, prefix=f"r{round_number}-"
        )


@pytest.mark.long
def test_ten_goals_on_ten_worktrees_of_one_repository_two_agents_at_a_time(
    daemon: RealDaemon, base: Path
) -> None:
    _storm(daemon, base, goals=10, kills=0, seed=1)
    running = most = 0
    for event in daemon_events(daemon):
        running += {"act.intended": 1, "act.ended": -1}.get(event["type"], 0)
        most = max(most, running)
    assert most == 2, "the settings' two agents, and never more"


def test_an_agent_that_is_confined_changes_nothing_outside_of_its_tree(
    daemon: RealDaemon, base: Path
) -> None:
    top = make_repository(base / "repo", {"a": "broken\n"})
    deed = """
for target in (r"{top}/a", os.path.expanduser("~/kazid-was-here")):
    try:
        open(target, "w").write("from outside")
    except OSError as error:
        pathlib.Path("denied").open("a").write(f"{{error.errno}}\\n")
os.system("git -c user.name=a -c user.email=a@a add -A && git -c user.name=a -c user.email=a@a commit -qm mine")
"""
    agent = make_agent(
        base, deed.replace("{top}", str(top)).replace("{{", "{").replace("}}", "}") + FIX.format(seconds=0)
    )
    goal = make_goal(base, "g", top, agent, more='[sandbox]\nmode = "worktree"\nnetwork = "open"\n')
    document = daemon.apply(goal, timeout_s=120)
    assert document["status"] == "converged", document["reason"]
    assert (top / "a").read_text() == "fixed\n"
    assert (top / "denied").read_text().split() in (["13", "13"], ["30", "30"])
    assert not Path("~/kazid-was-here").expanduser().exists()
    (ended,) = _events(daemon, "act.ended")
    assert ended["change"]["commits"] == 1
