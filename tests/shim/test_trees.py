"""Who is ended with an attempt and who is not: daemons that fled, leftovers, products, and processes only marked."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kazid.shim import proctree, protocol
from tests.shim.shims import Shim, Shims, until

DAEMON = """
import os, sys, time
if os.fork():
    time.sleep(60)
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
signals = __import__("signal")
signals.signal(signals.SIGTERM, signals.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(60)
"""

HOPPER = """
import os, time
print(os.getpid(), flush=True)
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
"""


def assert_gone(shim: Shim) -> None:
    assert [pid for pid in shim.marked() if pid != shim.pid] == []
    assert proctree.descendants(shim.pid) == []


def test_a_daemon_that_left_session_and_group_is_ended_by_cancel(shims: Shims) -> None:
    shim = shims.python(DAEMON, grace_s=0.2)
    daemon = shim.printed_pid()
    until(lambda: proctree.parent(daemon) == shim.pid)
    assert os.getsid(daemon) not in {
        os.getsid(pid) for pid in proctree.descendants(shim.pid) if pid != daemon
    }
    shim.cancel()
    result = shim.result()
    assert (result["ended"], result["survivors"]) == ("cancelled", [])
    assert not proctree.is_alive(daemon)
    assert_gone(shim)


def test_a_daemon_that_also_lost_its_marker_is_ended_by_cancel(shims: Shims) -> None:
    script = 'setsid env -i /bin/sh -c "trap : TERM; echo \\$\\$; sleep 60; sleep 60" & wait'
    shim = shims.shell(script, grace_s=0.2)
    daemon = shim.printed_pid()
    assert proctree.environment_value(daemon, protocol.MARKER) is None
    shim.cancel()
    assert shim.result()["survivors"] == []
    assert not proctree.is_alive(daemon)


def test_a_process_that_is_only_marked_is_ended_with_the_attempt(shims: Shims) -> None:
    shim = shims.shell("echo ready; sleep 60")
    shim.until_printed(b"ready")
    elsewhere = subprocess.Popen(
        ["sleep", "60"],
        env={"KAZI_ATTEMPT": shim.attempt_id, "PATH": os.environ["PATH"]},
        start_new_session=True,
    )
    somebody = subprocess.Popen(["sleep", "60"], env={"KAZI_ATTEMPT": "another", "PATH": os.environ["PATH"]})
    try:
        shim.cancel()
        assert shim.result()["survivors"] == []
        assert elsewhere.wait(5) == -signal.SIGTERM
        assert somebody.poll() is None
    finally:
        somebody.kill()
        somebody.wait()


def test_a_process_that_never_rests_is_ended(shims: Shims) -> None:
    shim = shims.python(HOPPER, grace_s=0.1)
    shim.printed_pid()
    result = shim.result()
    assert (result["ended"], result["survivors"]) == ("exited", []), "the first of them exited 0"
    assert_gone(shim)


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_nohup_leftover_of_an_agent_is_ended_however_it_exits(shims: Shims, exit_code: int) -> None:
    shim = shims.shell(f"nohup sleep 60 >/dev/null 2>&1 & echo $!; exit {exit_code}")
    result = shim.result()
    assert (result["ended"], result["exit_code"]) == ("exited", exit_code)
    assert not proctree.is_alive(int(shim.log()))
    assert_gone(shim)
    assert shim.wait() == 0


def test_a_nohup_leftover_of_a_failed_remedy_is_ended(shims: Shims) -> None:
    shim = shims.shell("nohup sleep 60 >/dev/null 2>&1 & echo $!; exit 1", keep_on_success=True)
    assert shim.result()["exit_code"] == 1
    assert not proctree.is_alive(int(shim.log()))


def test_a_deaf_command_is_killed_after_the_grace(shims: Shims) -> None:
    shim = shims.shell('trap "echo heard" TERM; echo ready; while :; do sleep 0.05; done', grace_s=0.4)
    shim.until_printed(b"ready")
    shim.cancel()
    result = shim.result()
    assert result["ended"] == "cancelled"
    assert 0.4 <= result["duration_s"] < 60
    assert shim.log().count(b"heard") == 1, "one TERM each; a second one means hurry to many programs"


def test_cancel_before_the_command_runs_runs_nothing_or_ends_it(shims: Shims) -> None:
    for _ in range(5):
        shim = shims.shell("sleep 60")
        until(lambda shim=shim: (shim.folder / protocol.CLAIM).exists())
        shim.cancel()
        assert shim.result()["ended"] == "cancelled"
        assert_gone(shim)


def test_what_a_successful_remedy_leaves_running_is_its_product(shims: Shims) -> None:
    service = (
        "trap 'echo service told' TERM; echo $$; while [ ! -e stop ]; do sleep 0.02; done; echo service ended"
    )
    shim = shims.shell(
        f'(setsid sh -c "{service.replace("$", chr(92) + "$")}" &) ; exit 0', keep_on_success=True
    )
    result = shim.result()
    assert (result["ended"], result["exit_code"]) == ("exited", 0)
    service_pid = shim.printed_pid()
    assert proctree.is_alive(service_pid), "signals nothing"
    assert protocol.revoke_or_inspect(str(shim.folder)) == ("ended", result), "ended, though the shim stays"
    shim.cancel()  # too late: it is over
    (shims.root / "stop").touch()
    shim.until_printed(b"service ended")
    assert b"told" not in shim.log()
    assert shim.wait() == 0, "the shim ends with the streams"


def test_a_product_does_not_delay_the_result(shims: Shims) -> None:
    shim = shims.shell("sleep 600 & exit 0", keep_on_success=True)
    assert shim.result()["duration_s"] < 60


def test_a_product_that_closed_its_streams_needs_no_shim(shims: Shims) -> None:
    shim = shims.shell("setsid sleep 60 >/dev/null 2>&1 & echo $!; exit 0", keep_on_success=True)
    shim.result()
    assert shim.wait() == 0
    assert proctree.is_alive(int(shim.log()))


def test_a_cancelled_remedy_leaves_nothing(shims: Shims) -> None:
    shim = shims.shell("setsid sleep 60 & echo $!; sleep 60", keep_on_success=True)
    service = shim.printed_pid()
    shim.cancel()
    assert shim.result()["ended"] == "cancelled"
    assert not proctree.is_alive(service)
    assert_gone(shim)


def test_a_command_dies_with_its_shim_and_recovery_finds_the_rest(shims: Shims) -> None:
    shim = shims.shell("setsid sleep 60 & echo $! $$; sleep 60")
    shim.until_printed(b"\n")
    leftover, command = map(int, shim.log().split())
    shim.kill()
    until(lambda: not proctree.is_alive(command))
    assert proctree.is_alive(leftover)
    assert proctree.kill_tree(shim.marked, grace_s=0.0) == []
    assert not proctree.is_alive(leftover)


def test_a_zombie_counts_as_gone(shims: Shims) -> None:
    negligent = "import subprocess, time; print(subprocess.Popen(['true']).pid, flush=True); time.sleep(60)"
    shim = shims.python(negligent)
    zombie = shim.printed_pid()
    until(lambda: not proctree.is_alive(zombie))
    shim.cancel()
    assert shim.result()["survivors"] == []


def test_a_signal_never_reaches_another_process_of_the_same_number() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        started = proctree.start_time(other.pid)
        assert started is not None
        assert not proctree.signal_process(other.pid, signal.SIGKILL, started + 1)
        assert not proctree.signal_process(other.pid, signal.SIGKILL, None)
        assert proctree.is_alive(other.pid, started)
        assert proctree.signal_process(other.pid, signal.SIGKILL, started)
        assert other.wait(5) == -signal.SIGKILL
        assert not proctree.signal_process(other.pid, signal.SIGKILL, started)


@pytest.mark.parametrize("pid", [0, 1, os.getpid()])
def test_nobody_signals_init_the_group_or_itself(pid: int) -> None:
    assert not proctree.signal_process(pid, signal.SIGCONT, proctree.start_time(pid))


def test_a_process_whose_first_thread_ended_is_alive() -> None:
    script = (
        "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start();"
        "print('ready', flush=True); ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as half:
        assert half.stdout is not None
        half.stdout.readline()
        stat = Path(f"/proc/{half.pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")
        assert proctree.is_alive(half.pid)
        half.kill()
        assert half.wait(5) == -signal.SIGKILL


def test_kill_tree_finds_what_its_victims_start_and_names_who_survives() -> None:
    with subprocess.Popen(
        ["sh", "-c", "while :; do sleep 0.01 & wait; done"], start_new_session=True
    ) as tree:
        assert proctree.kill_tree(lambda: [tree.pid, *proctree.descendants(tree.pid)], grace_s=0.0) == []
        tree.wait(5)
    assert proctree.kill_tree(lambda: [1, os.getpid(), 0], grace_s=0.0) == [], "never touched, never counted"
