"""The issue's promises on a real daemon with real processes: converge, stay honest, clean up."""

import json
import os
import signal
from pathlib import Path

import pytest

from kazid.wire.exit_codes import BY_STATUS
from tests.system.house import ROOT, RealDaemon, eventually, write_goal

GOALS = ROOT / "config" / "goals"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        pytest.param("smoke", "converged", 0, id="red-at-t0-fixed-by-a-remedy"),
        pytest.param("smoke-unfixable", "stuck", 3, id="unfixable"),
        pytest.param("smoke-over-budget", "over_budget", 4, id="over-budget"),
    ],
)
def test_the_smoke_goals_end_as_their_names_say(
    daemon: RealDaemon, base: Path, name: str, status: str, code: int
):
    goal = base / "w" / f"{name}.goal.toml"
    goal.parent.mkdir()
    goal.write_text((GOALS / f"{name}.goal.toml").read_text())
    run = daemon.kazictl("apply", str(goal), "--json")
    document = json.loads(run.stdout)
    assert (document["status"], run.returncode) == (status, code)
    again = daemon.kazictl("status", document["goal_id"], "--json")
    assert json.loads(again.stdout)["reason"]
    assert again.returncode == code == BY_STATUS[status]


def test_check_never_dispatches_and_exits_by_the_verdict(daemon: RealDaemon, base: Path):
    goal = write_goal(
        base / "w",
        """
        id = "check"
        [[predicate]]
        id = "there"
        provider = "custom_script"
        cmd = "test"
        args = ["-e", "there"]
        [[remedy]]
        cmd = "touch"
        args = ["there"]
        """,
    )
    assert daemon.kazictl("apply", str(goal), "--check").returncode == 1
    assert not (base / "w" / "there").exists()
    (base / "w" / "there").touch()
    assert daemon.kazictl("apply", str(goal), "--check").returncode == 0
    assert daemon.json("list")["goals"] == []


SERVICE_GOAL = """
id = "service"
standing = true
[observe]
interval = "500ms"
recheck = "200ms"
[[predicate]]
id = "up"
provider = "custom_script"
live = true
cmd = "sh"
args = ["-c", "kill -0 $(cat pid)"]
[[remedy]]
cmd = "sh"
args = ["-c", "setsid sleep 1000 & echo $! > pid"]
"""


def _service_pid(base: Path) -> int:
    """Once it has written it: the shell makes the file before there is anything in it."""
    return int(eventually((base / "w" / "pid").read_text, within_s=60, what="the service says its pid"))


def test_what_a_remedy_started_lives_through_kill9_restart_and_stop(daemon: RealDaemon, base: Path):
    goal = write_goal(base / "w", SERVICE_GOAL)
    daemon.environment["PATH"] = os.environ["PATH"]
    assert daemon.apply(goal, "--workspace", str(base / "w"))["status"] == "holding"
    pid = _service_pid(base)
    for _ in range(3):
        daemon.kill9()
        daemon.start()
        eventually(
            lambda: daemon.json("status", "service")["status"] == "holding", within_s=60, what="holds again"
        )
        assert _service_pid(base) == pid
        os.kill(pid, 0)
    assert daemon.kazictl("restart").returncode == 0
    eventually(daemon.is_listening, within_s=60, what="listens after restart")
    assert daemon.stop() == 0
    os.kill(pid, 0)
    daemon.start()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: _service_pid(base) != pid, within_s=60, what="the service is replaced")
    eventually(
        lambda: daemon.json("status", "service")["status"] == "holding", within_s=60, what="holds again"
    )
    assert daemon.kazictl("delete", "service").returncode == 0
    os.kill(_service_pid(base), signal.SIGKILL)


def test_a_cancelled_remedy_leaves_nothing(daemon: RealDaemon, base: Path):
    goal = write_goal(
        base / "w",
        """
        id = "slow"
        standing = true
        [observe]
        interval = "500ms"
        recheck = "200ms"
        [[predicate]]
        id = "up"
        provider = "custom_script"
        live = true
        cmd = "false"
        [[remedy]]
        cmd = "sh"
        args = ["-c", "setsid nohup sleep 1000 & (sleep 1000 &) ; touch started; trap '' TERM; sleep 1000"]
        timeout = "10m"
        """,
    )
    daemon.kazictl("apply", str(goal), "--detach", "--workspace", str(base / "w"))
    eventually((base / "w" / "started").exists, within_s=60, what="the remedy runs")
    run = daemon.kazictl("suspend", "slow", "--reason", "test", "--json")
    assert run.returncode in (0, 6), run.stdout
    assert daemon.leftovers_but_looks("false") == {}
    assert daemon.json("status", "slow")["status"] == "suspended"


def test_sigterm_ends_attempts_journals_them_and_leaves_no_process(daemon: RealDaemon, base: Path):
    goal = write_goal(
        base / "w",
        """
        id = "slow"
        [[predicate]]
        id = "never"
        provider = "custom_script"
        cmd = "false"
        [[remedy]]
        cmd = "sh"
        args = ["-c", "touch started; sleep 1000"]
        timeout = "10m"
        """,
    )
    daemon.kazictl("apply", str(goal), "--detach")
    eventually((base / "w" / "started").exists, within_s=60, what="the remedy runs")
    assert daemon.stop() == 0
    eventually(lambda: daemon.leftovers() == {}, within_s=60, what="nothing is left")
    daemon.start()
    ended = [e["event"] for e in daemon.events("slow") if e["type"] == "act.ended"]
    assert ended[0]["ending"] == "cancelled"


def test_two_paths_to_one_folder_are_one_tree_for_the_acts_of_two_goals(
    daemon: RealDaemon, base: Path
) -> None:
    (base / "app").mkdir()
    (base / "current").symlink_to("app")
    # Whoever acts waits a while for the other one to come, which is to wait for it.
    act = "mkdir at || touch met; n=0; until [ -e met ] || [ $n -ge 20 ]; do sleep 0.1; n=$((n+1)); done; rmdir at"
    for name, folder in (("one", "app"), ("two", "current")):
        goal = write_goal(
            base / name,
            f"""
            id = "{name}"
            [scope]
            workspace = "{base / folder}"
            [observe]
            recheck = "100ms"
            [[predicate]]
            id = "done"
            provider = "custom_script"
            cmd = "test"
            args = ["-e", "{name}"]
            [[remedy]]
            cmd = "sh"
            args = ["-c", "{act}; touch {name}"]
            """,
        )
        assert daemon.kazictl("apply", str(goal), "--detach").returncode == 0
    for name in ("one", "two"):
        assert daemon.kazictl("wait", name, "--timeout", "60s").returncode == 0
    assert sorted(path.name for path in (base / "app").iterdir()) == ["one", "two"]
