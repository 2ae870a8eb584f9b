"""Suspend as a fence while executors start all the time: after an acknowledgement /proc shows none of that goal.

Several goals whose remedy or agent starts at once, leaves a child in a session of its own and runs on, are suspended
at random moments by the real client, side by side. `KAZI_STORM_SEED` replays the moments.
"""

import os
import random
import stat
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.house import RealDaemon, eventually, write_goal

SEED = int(os.environ.get("KAZI_STORM_SEED", str(random.SystemRandom().randrange(10**6))))
RUN = f"{os.getpid()}.{SEED}"
"""In the marker of what is started: another run of this test on the machine is nobody of ours."""
GOALS = 6
SUSPENDS = 36
SUSPENDS_LONG = 1000
RUNS_S_MAX = 0.5
"""A suspend comes within this time of the resume: before, while and after an executor starts."""

SPAWNER = """#!/bin/sh
# Starts a child that leaves its session, then goes on: what has to be gone after the acknowledgement.
setsid sleep 300 &
sleep 300 &
exec sleep 300
"""
GOAL = """
id = "NAME"
standing = true
[[predicate]]
id = "up"
provider = "custom_script"
cmd = "false"
live = LIVE
interval = "1s"
CONFIRM
[labels]
round = "ROUND"
"""
REMEDY = """
[[remedy]]
for = ["up"]
cmd = "SPAWNER"
attempts = 9
timeout = "5m"
env = { STORM = "RUN.NAME", ROUND = "ROUND" }
"""
AGENT = """
[harness]
id = "claude"
command = "SPAWNER"
env = { STORM = "RUN.NAME", ROUND = "ROUND" }
"""


def _write(base: Path, number: int, turn: int) -> Path:
    """A goal whose executor is another one in each round, so that counters and backoff start afresh."""
    folder = base / f"goal-{number}"
    folder.mkdir(exist_ok=True)
    spawner = base / "spawner"
    is_agent = number % 3 == 0
    text = (GOAL + (AGENT if is_agent else REMEDY)).replace("SPAWNER", str(spawner))
    text = text.replace("LIVE", "false" if is_agent else "true")
    text = text.replace("CONFIRM", "" if is_agent else "confirm = 1")
    text = text.replace("RUN", RUN).replace("NAME", f"goal-{number}").replace("ROUND", str(turn))
    return write_goal(folder, text)


def _executors(name: str) -> dict[int, str]:
    """Every live process that carries this goal's marker, wherever in the process tree it hid."""
    needle, found = f"STORM={RUN}.{name}\0".encode(), {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            is_alive = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
            if is_alive and needle in (entry / "environ").read_bytes():
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def _storm(daemon: RealDaemon, base: Path, number: int, suspends: int) -> Counter[str]:
    """One goal's share: resume, wait a random while, suspend, look into /proc."""
    chance, seen, name = random.Random(SEED * GOALS + number), Counter[str](), f"goal-{number}"
    for turn in range(suspends):
        applied = _told(daemon, "apply", str(_write(base, number, turn)), "--detach")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        if turn:
            resumed = _told(daemon, "resume", name, "--reason", "the next round")
            assert resumed.returncode == 0, resumed.stdout + resumed.stderr
        time.sleep(chance.random() * RUNS_S_MAX)  # the moment is the experiment, not a wait
        seen["an executor ran when suspended"] += bool(_executors(name))
        suspended = _told(daemon, "suspend", name, "--reason", "storm")
        assert suspended.returncode in (0, 7), suspended.stdout + suspended.stderr
        seen["acknowledged" if suspended.returncode == 0 else "suspending"] += 1
        if suspended.returncode == 0:
            assert _executors(name) == {}, (
                f"seed {SEED}, {name}, round {turn}: alive after the acknowledgement"
            )
            time.sleep(0.02)  # what would start late
            assert _executors(name) == {}, f"seed {SEED}, {name}, round {turn}: started after it"
    return seen


def _told(daemon: RealDaemon, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return daemon.kazictl(*arguments)


def _play(daemon: RealDaemon, base: Path, suspends: int) -> None:
    spawner = base / "spawner"
    spawner.write_text(SPAWNER)
    spawner.chmod(spawner.stat().st_mode | stat.S_IXUSR)
    began_s = time.monotonic()
    with ThreadPoolExecutor(GOALS) as pool:
        shares = [pool.submit(_storm, daemon, base, n, len(range(n, suspends, GOALS))) for n in range(GOALS)]
    seen = sum((share.result() for share in shares), Counter[str]())
    started = sum(e["type"] == "act.intended" for n in range(GOALS) for e in _events(daemon, n))
    took_s = time.monotonic() - began_s
    print(
        f"storm: seed {SEED}, {suspends} suspends of {GOALS} goals in {took_s:.0f} s, {started} acts, {dict(seen)}"
    )
    assert seen["acknowledged"] + seen["suspending"] == suspends
    assert seen["suspending"] == 0, "every fence was acknowledged within its bound"
    assert seen["an executor ran when suspended"] >= suspends // 20, "it was a storm"


def test_freeze_ends_every_executor_and_holds_through_kill9_until_thaw(daemon: RealDaemon, base: Path):
    spawner = base / "spawner"
    spawner.write_text(SPAWNER)
    spawner.chmod(spawner.stat().st_mode | stat.S_IXUSR)
    names = [f"goal-{number}" for number in range(3)]
    for number in range(3):
        assert daemon.kazictl("apply", str(_write(base, number, 0)), "--detach").returncode == 0
    eventually(lambda: all(_executors(n) for n in names), within_s=60, what="every goal acts")
    assert daemon.kazictl("suspend", "goal-2", "--reason", "its own").returncode == 0
    frozen = daemon.kazictl("freeze", "--reason", "maintenance")
    assert (frozen.returncode, frozen.stdout) == (0, "every goal: frozen\n")
    assert [_executors(n) for n in names] == [{}, {}, {}]
    daemon.kill9()
    daemon.start()
    assert daemon.kazictl("apply", str(_write(base, 3, 0)), "--detach").returncode == 0
    assert daemon.json("info")["frozen"] == "maintenance"
    status = daemon.kazictl("status", "goal-0", "--json")
    assert status.returncode == 6
    assert '"frozen: maintenance"' in status.stdout
    guards = [g["name"] for g in daemon.json("explain", "goal-2")["guards"]]
    assert guards[:2] == ["frozen", "suspended"], "the fences of people first, and what lies beneath"
    assert [_executors(f"goal-{n}") for n in range(4)] == [{}, {}, {}, {}], "nothing starts while it stands"
    thawed = daemon.kazictl("thaw")
    assert thawed.returncode == 0, thawed.stdout + thawed.stderr
    eventually(lambda: _executors("goal-1"), within_s=60, what="goals act again")
    assert daemon.json("status", "goal-2")["status"] == "suspended"
    assert daemon.kazictl("freeze", "--reason", "the end of the test").returncode == 0


def _events(daemon: RealDaemon, number: int) -> list[dict[str, object]]:
    return daemon.events(f"goal-{number}")


def test_no_executor_is_alive_after_any_acknowledged_suspend(daemon: RealDaemon, base: Path):
    _play(daemon, base, SUSPENDS)


@pytest.mark.long
def test_a_thousand_suspends_in_spawn_storms(daemon: RealDaemon, base: Path):
    _play(daemon, base, SUSPENDS_LONG)
