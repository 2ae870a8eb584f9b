"""Landings and deploys under a daemon that is killed in the middle of them, and goals that land on one base at once.

Nothing is pushed twice, no work is lost, and a deploy that ran again is one that the journal says ran again. Whatever
is checked is counted by the remote and by the deployed place themselves.
"""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.delivery_house import git
from tests.system.house import RealDaemon, eventually
from tests.system.test_worktrees import daemon_events, make_agent

WITHIN_S = 120.0
MERGE = '[integration]\nmode = "merge"\nbranch = "task/{id}"\nforge = {{ kind = "none" }}\n'

UNTIL_ANOTHER_CAME = """
for _ in range(600):
    if len({line.split()[0] for line in (work / "seen").read_text().splitlines()}) > 1:
        break
    time.sleep(0.1)
"""


class Yard:
    """A bare remote that writes down each push it takes, a clone of it that a user works in, and a place to serve."""

    def __init__(self, base: Path, names: list[str]) -> None:
        self.base, self.bare, self.work, self.served = base, base / "bare.git", base / "work", base / "served"
        self.served.mkdir(parents=True)
        git(base, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(base, "clone", "--quiet", str(self.bare), str(self.work))
        git(self.work, "checkout", "--quiet", "-B", "main")
        for name in names:
            (self.work / name).write_text("broken\n")
        (self.work / "deploy.sh").write_text(
            f'echo "$KAZI_DEPLOY_COMMIT" >> {self.served}/begun\n{self.held("deploy")}'
            f'printf %s "$KAZI_DEPLOY_COMMIT" > {self.served}/now\n'
        )
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "-m", "begin")
        git(self.work, "push", "--quiet", "origin", "main")
        git(self.work, "remote", "set-head", "origin", "main")
        hook = self.bare / "hooks" / "post-receive"
        hook.write_text(f"#!/bin/sh\ncat >> {base}/pushes\n{self.held('push')}")
        hook.chmod(0o755)

    def held(self, name: str) -> str:
        """Shell lines that say that they were reached, and wait where a test holds them there, for a while at most."""
        at = self.base / name
        wait = "n=0; while test -e {0}.hold && test $n -lt 600; do sleep 0.05; n=$((n+1)); done\n"
        return f"touch {at}.reached\n" + wait.format(at)

    def hold(self, name: str) -> None:
        self.base.joinpath(f"{name}.hold").touch()

    def go_on(self, name: str) -> None:
        self.base.joinpath(f"{name}.hold").unlink()

    def reached(self, name: str) -> bool:
        return self.base.joinpath(f"{name}.reached").exists()

    def pushes(self, ref: str = "refs/heads/main") -> list[str]:
        """The commits that a branch of the remote was moved to, in order."""
        path = self.base / "pushes"
        lines = path.read_text().split("\n") if path.exists() else []
        return [line.split(" ")[1] for line in lines if line.endswith(f" {ref}")]

    def deploys(self) -> list[str]:
        path = self.served / "begun"
        return path.read_text().split() if path.exists() else []

    def goal(self, name: str, *, deed: str, more: str = "") -> Path:
        path = self.base / f"{name}.goal.toml"
        path.write_text(f"""
id = "{name}"
[scope]
workspace = "{self.work}"
[workspace]
mode = "worktree"
dirty = "ignore"
[harness]
id = "claude"
command = "{make_agent(self.base, deed, name=f"agent-{name}")}"
[observe]
recheck = "200ms"
[[predicate]]
id = "fixed"
provider = "custom_script"
cmd = "grep"
args = ["-q", "fixed", "{name}"]
{MERGE.format(id=name)}{more}
""")
        return path

    def deploying(self) -> str:
        return f"""
[deploy]
cmd = "sh"
args = ["deploy.sh"]
version_cmd = "cat"
version_args = ["{self.served}/now"]
"""


def fixing(name: str, *, seconds: float = 0.0) -> str:
    return f'time.sleep({seconds})\npathlib.Path("{name}").write_text("fixed\\n")\n'


def intents(daemon: RealDaemon, rung: str) -> list[dict[str, Any]]:
    return [e for e in daemon_events(daemon) if e["type"] == "act.intended" and e["rung"] == rung]


@pytest.mark.parametrize(
    ("when", "lost"),
    [
        pytest.param("push", "the daemon", marks=pytest.mark.long),
        pytest.param("deploy", "the daemon", marks=pytest.mark.long),
        pytest.param("push", "the whole machine", marks=pytest.mark.long),
        pytest.param("deploy", "the whole machine"),
    ],
)
def test_a_kill_while_it_lands_or_deploys_does_nothing_twice_in_silence(
    daemon: RealDaemon, base: Path, when: str, lost: str
) -> None:
    yard = Yard(base / "yard", ["a"])
    (yard.work / "mine").write_text("not committed\n")
    yard.hold(when)
    goal = yard.goal("a", deed=fixing("a"), more=yard.deploying())
    assert daemon.kazictl("apply", str(goal), "--detach").returncode == 0
    eventually(lambda: yard.reached(when), within_s=WITHIN_S, what=f"it is at its {when}")
    daemon.kill9()
    if lost == "the whole machine":
        for pid in daemon.leftovers():
            with_no_regard(pid)
    daemon.start()
    yard.go_on(when)
    is_done = eventually(lambda: ended(daemon, ["a"]), within_s=WITHIN_S, what="the goal ends")
    assert is_done == {"a": "converged"}, daemon.json("explain", "a")
    assert len(yard.pushes()) == 1
    assert yard.pushes("refs/heads/task/a") == []
    assert git(yard.bare, "show", "main:a") == "fixed"
    assert git(yard.bare, "rev-list", "--count", "main") == "2"
    assert (yard.work / "mine").read_text() == "not committed\n"
    deploys = intents(daemon, "deploy")
    assert (
        len(yard.deploys()) == len(deploys) == (2 if (when, lost) == ("deploy", "the whole machine") else 1)
    )
    assert set(yard.deploys()) == {(yard.served / "now").read_text()} == set(yard.pushes())


def with_no_regard(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


SOMEBODY = """
other = work / "other"
def run(*words, cwd=other):
    import subprocess
    words = ("git", "-c", "user.name=s", "-c", "user.email=s@s", *words)
    subprocess.run(words, cwd=cwd, check=True, capture_output=True)
if not other.exists():
    run("clone", "-q", "{bare}", str(other), cwd=work)
    (other / "a").write_text("broken, as somebody else says\\n")
    run("commit", "-qam", "theirs")
    run("push", "-q", "origin", "HEAD:main")
open(work / "prompts", "a").write(prompt)
"""


RESOLVES = '"fixed, as somebody else says\\n" if "<<<" in text else "fixed\\n"'
PONDERS = 'text + "\\nstill thinking\\n" if "<<<" in text else "fixed\\n"'


@pytest.mark.parametrize(
    ("deed", "end"),
    [
        pytest.param(RESOLVES, ("converged", None), id="resolved"),
        pytest.param(PONDERS, ("stuck", "unlanded"), id="never-resolved", marks=pytest.mark.long),
    ],
)
def test_a_conflict_with_a_base_that_moved_goes_back_to_the_agent_a_few_times(
    daemon: RealDaemon, base: Path, deed: str, end: tuple[str, str | None]
) -> None:
    yard = Yard(base / "yard", ["a"])
    writes = f'path = pathlib.Path("a"); text = path.read_text(); path.write_text({deed})\n'
    goal = yard.goal("a", deed=SOMEBODY.replace("{bare}", str(yard.bare)) + writes)
    document = daemon.apply(goal, timeout_s=WITHIN_S)
    assert (document["status"], document.get("cause")) == end, document
    prompts = (yard.base / "prompts").read_text()
    assert prompts.count("## landed: fail") == (1 if end[0] == "converged" else 2)
    assert "as somebody else says" in prompts
    assert git(yard.bare, "log", "--format=%s", "main").split("\n")[-2] == "theirs"
    if end[0] == "converged":
        assert git(yard.bare, "show", "main:a") == "fixed, as somebody else says"
    else:
        assert git(yard.bare, "show", "main:a") == "broken, as somebody else says"
    assert (yard.work / "a").read_text() == "broken\n"


def ended(daemon: RealDaemon, names: list[str]) -> dict[str, str] | None:
    """Their statuses once none of them goes on."""
    statuses = {g["goal_id"]: g["status"] for g in daemon.json("list")["goals"] if g["goal_id"] in names}
    going_on = {"observing", "acting", "waiting"}
    return None if set(statuses.values()) & going_on or len(statuses) < len(names) else statuses


def many_land(daemon: RealDaemon, base: Path, *, goals: int, kills: int = 0, seed: int = 1) -> None:
    """Goals on worktrees of one repository, all landing on one base, beside a user's work that is not committed."""
    rng = random.Random(seed)
    names = [f"g{n}" for n in range(goals)]
    yard = Yard(base / "yard", [*names, "user"])
    began = git(yard.work, "rev-parse", "HEAD")
    (yard.work / "user").write_text("the user's, not committed\n")
    (yard.work / "untracked").write_text("the user's, untracked\n")
    before = git(yard.work, "status", "--porcelain"), git(yard.work, "stash", "list")
    for name in names:
        seen = f'open(work / "seen", "a").write("{name} " + ",".join(sorted(os.listdir("."))) + "\\n")\n'
        path = yard.goal(name, deed=seen + UNTIL_ANOTHER_CAME + fixing(name))
        assert daemon.kazictl("apply", str(path), "--detach").returncode == 0
    for _ in range(kills):
        time.sleep(rng.uniform(0.05, 1.5))
        daemon.kill9()
        daemon.start()
    statuses = eventually(
        lambda: ended(daemon, names), within_s=WITHIN_S + 15 * goals + 5 * kills, what="every goal ends"
    )
    assert set(statuses.values()) == {"converged"}, [daemon.json("explain", n)["reason"] for n in names]
    # All of it is in the base, each patch once, on top of what was there.
    assert {git(yard.bare, "show", f"main:{n}") for n in names} == {"fixed"}
    assert int(git(yard.bare, "rev-list", "--count", f"{began}..main")) == goals
    assert git(yard.bare, "rev-list", "--merges", "main") == ""
    assert len(yard.pushes()) == len(set(yard.pushes())) == goals
    # Nothing of the user's moved, and no agent saw what is theirs alone.
    assert (yard.work / "user").read_text() == "the user's, not committed\n"
    assert (yard.work / "untracked").read_text() == "the user's, untracked\n"
    assert (git(yard.work, "status", "--porcelain"), git(yard.work, "stash", "list")) == before
    assert "untracked" not in (yard.base / "seen").read_text()
    eventually(
        lambda: len(git(yard.work, "worktree", "list").splitlines()) == 1, within_s=60, what="no tree is left"
    )
    fairly(daemon, names, is_disturbed=kills > 0)


def fairly(daemon: RealDaemon, names: list[str], *, is_disturbed: bool) -> None:
    """Two agents at most at once; every goal got its first before any other got its third."""
    agents: list[str] = []
    running: set[str] = set()
    most = 0
    after = 0
    while page := daemon.events("--after", str(after)):
        after = page[-1]["offset"]
        for record in page:
            event = record["event"]
            if event["type"] == "act.intended" and event["rung"].startswith("harness:"):
                agents.append(record["goal_id"])
                running.add(event["attempt_id"])
            elif event["type"] == "act.ended":
                running.discard(event["attempt_id"])
            most = max(most, len(running))
    assert most == 2, "the settings' two agents at a time, and never more"
    assert set(agents) == set(names)
    if not is_disturbed:
        assert sorted(agents) == sorted(names), "one dispatch was enough for each"


def test_three_goals_land_on_one_base_at_once_and_nothing_is_lost(daemon: RealDaemon, base: Path) -> None:
    many_land(daemon, base, goals=3)


@pytest.mark.long
def test_ten_goals_land_on_one_base_at_once_and_nothing_is_lost(daemon: RealDaemon, base: Path) -> None:
    many_land(daemon, base, goals=10)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_ten_goals_land_on_one_base_under_a_daemon_killed_at_random(
    daemon: RealDaemon, base: Path, seed: int
) -> None:
    many_land(daemon, base, goals=10, kills=12, seed=seed)
