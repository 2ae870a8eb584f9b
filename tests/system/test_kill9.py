"""kill -9 of the daemon at random moments: nothing acknowledged is lost, nothing runs twice, nothing is left behind.

The moments are random; the seed is printed and `KAZI_KILL9_SEED` replays it.
"""

import os
import random
import stat
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.system.house import RealDaemon, eventually, write_goal

SEED = int(os.environ.get("KAZI_KILL9_SEED", str(random.SystemRandom().randrange(10**6))))
ROUNDS = 15
ROUNDS_LONG = 50
KILL_WITHIN_S = 4.0
CONVERGE_S = 60.0

AGENT = """#!/bin/sh
# An agent: reads its prompt, works for a while with a tool of its own session, fixes the file, says so.
cat > /dev/null
echo "$KAZI_ATTEMPT" >> started.log
setsid sh -c 'sleep 0.7; true' &
sleep 0.8
touch fixed
echo '{"type":"result","is_error":false,"result":"done","usage":{"input_tokens":10,"output_tokens":5}}'
"""

GOAL = """
id = "GOAL_ID"
[[predicate]]
id = "built"
provider = "custom_script"
cmd = "test"
args = ["-e", "built"]
[[predicate]]
id = "fixed"
provider = "custom_script"
cmd = "test"
args = ["-e", "fixed"]
[[remedy]]
for = ["built"]
cmd = "sh"
args = ["-c", "echo $KAZI_ATTEMPT >> started.log; sleep 0.8; touch built"]
attempts = 9
[harness]
id = "claude"
command = "AGENT"
[budget]
max_dispatches = 9
"""


def _workspace(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir()
    agent = folder / "agent"
    agent.write_text(AGENT)
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    write_goal(folder, GOAL.replace("GOAL_ID", name).replace("AGENT", str(agent)))
    return folder


def _assert_accounted(daemon: RealDaemon, name: str, folder: Path) -> Counter[str]:
    """Every intent ends exactly once, and no attempt ran twice; how the attempts ended."""
    events = daemon.events(name)
    intended = [e["event"]["attempt_id"] for e in events if e["type"] == "act.intended"]
    ended = {e["event"]["attempt_id"]: e["event"]["ending"] for e in events if e["type"] == "act.ended"}
    assert sorted(intended) == sorted(ended), "every intent is resolved as exactly one end"
    assert len([e for e in events if e["type"] == "act.ended"]) == len(ended)
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1)), "no gap in the sequence"
    started = (folder / "started.log").read_text().split() if (folder / "started.log").exists() else []
    assert all(count == 1 for count in Counter(started).values()), "no attempt ran twice"
    assert set(started) <= set(intended), "nothing ran without a durable intent"
    never = [a for a in intended if ended[a] in ("never_started", "not_started")]
    assert not set(never) & set(started), "what never started did not run"
    return Counter(ended.values())


def _play(daemon: RealDaemon, base: Path, rounds: int) -> None:
    chance = random.Random(SEED)
    endings: Counter[str] = Counter()
    for number in range(rounds):
        name = f"goal-{number}"
        folder = _workspace(base, name)
        applied = daemon.kazictl("apply", str(folder / "goal.toml"), "--detach")
        assert applied.returncode == 0, applied.stderr
        time.sleep(chance.random() * KILL_WITHIN_S)  # the moment of the kill is the experiment, not a wait
        daemon.kill9()
        daemon.start()
        waited = daemon.kazictl("wait", name, "--for", "converged", "--timeout", f"{CONVERGE_S:.0f}s")
        assert waited.returncode == 0, f"seed {SEED}, round {number}: {waited.stdout}{waited.stderr}"
        endings += _assert_accounted(daemon, name, folder)
        eventually(
            lambda: daemon.leftovers() == {}, within_s=60, what=f"seed {SEED}: left {daemon.leftovers()}"
        )
        assert len(daemon.json("list")["goals"]) == number + 1, "no goal is lost"
    print(f"kill9: seed {SEED}, {rounds} rounds, attempts ended {dict(endings)}")


def test_kill9_at_random_moments_loses_nothing_and_runs_nothing_twice(daemon: RealDaemon, base: Path):
    _play(daemon, base, ROUNDS)


@pytest.mark.long
def test_fifty_kills(daemon: RealDaemon, base: Path):
    _play(daemon, base, ROUNDS_LONG)


def test_acknowledged_apply_suspend_and_delete_hold_after_kill9(daemon: RealDaemon, base: Path):
    for number in range(5):
        name = f"goal-{number}"
        folder = _workspace(base, name)
        assert daemon.kazictl("apply", str(folder / "goal.toml"), "--detach").returncode == 0
        daemon.kill9()
        daemon.start()
        assert name in [g["goal_id"] for g in daemon.json("list")["goals"]], "an acknowledged apply holds"
        suspended = daemon.kazictl("suspend", name, "--reason", "kill9")
        daemon.kill9()
        assert suspended.returncode in (0, 6), suspended.stdout
        started = (folder / "started.log").read_text() if (folder / "started.log").exists() else ""
        assert daemon.executors() == {}, "acknowledged means that no executor runs"
        daemon.start()
        assert daemon.json("status", name)["status"] == "suspended", "an acknowledged suspend holds"
        again = (folder / "started.log").read_text() if (folder / "started.log").exists() else ""
        assert again == started, "nothing starts after the acknowledgement"
        assert daemon.kazictl("delete", name).returncode == 0
        daemon.kill9()
        daemon.start()
        assert name not in [g["goal_id"] for g in daemon.json("list")["goals"]], (
            "an acknowledged delete holds"
        )
