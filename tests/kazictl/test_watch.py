"""`watch` on a terminal (a real pty) and off one."""

import json
import os
import pty
import signal
import time
from collections.abc import Callable

import pytest

from kazid.wire import exit_codes
from tests.kazictl.conftest import TIMEOUT_S, Kazictl, Start
from tests.kazictl.fake_daemon import (
    GOAL,
    FakeDaemon,
    a_converged_goal,
    a_goal,
    a_list,
    a_summary,
    document,
    refusal,
)


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_off_a_terminal_only_changes_are_printed(daemon: FakeDaemon, start: Start) -> None:
    red = document(a_goal())
    daemon.on("GET", GOAL, red, red, document(a_converged_goal()))
    process = start("watch", "web", "--json")
    assert process.stdout is not None
    told = [json.loads(process.stdout.readline())["status"] for _ in range(2)]
    process.send_signal(signal.SIGINT)
    rest, stderr = process.communicate(timeout=TIMEOUT_S)
    assert told == ["acting", "converged"]
    assert (process.returncode, rest, stderr) == (exit_codes.INTERRUPTED, "", "")
    assert len(daemon.requests) >= 3


def test_off_a_terminal_people_get_snapshots(daemon: FakeDaemon, start: Start) -> None:
    daemon.on("GET", "/v1/goals", document(a_list(a_summary())))
    process = start("watch")
    assert process.stdout is not None
    shown = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)
    assert shown[1].startswith("GOAL")
    assert "\x1b" not in "".join(shown)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_on_a_terminal_it_redraws_in_place_and_leaves_the_last_frame(
    daemon: FakeDaemon, start: Start, ending: signal.Signals
) -> None:
    daemon.on("GET", GOAL, document(a_goal()))
    master, slave = pty.openpty()
    process = start("watch", "web", stdout=slave)
    os.close(slave)
    _until(lambda: len(daemon.requests) >= 2)
    time.sleep(0.1)
    process.send_signal(ending)
    assert process.wait(TIMEOUT_S) == exit_codes.INTERRUPTED
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # the other side is closed
        pass
    os.close(master)
    text = shown.decode()
    assert text.startswith("\x1b[?1049h\x1b[?25l\x1b[H")
    drawn, last = text.split("\x1b[?25h\x1b[?1049l")
    assert drawn.count("\x1b[H") >= 2
    assert "\x1b[34macting\x1b[0m" in drawn
    assert "livez" in last
    assert "\x1b[H" not in last


def test_a_terminal_that_moves_no_cursor_gets_snapshots_without_sequences(
    daemon: FakeDaemon, start: Start
) -> None:
    daemon.on("GET", GOAL, document(a_goal()), document(a_converged_goal()))
    master, slave = pty.openpty()
    process = start("watch", "web", stdout=slave, terminal="dumb")
    os.close(slave)
    shown = b""
    while b"converged" not in shown:
        shown += os.read(master, 65536)
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT_S) == exit_codes.INTERRUPTED
    os.close(master)
    assert b"acting" in shown
    assert b"\x1b" not in shown


def test_a_daemon_that_restarts_is_waited_for(daemon: FakeDaemon, start: Start) -> None:
    daemon.on("GET", GOAL, document(a_goal()), document(a_converged_goal()))
    process = start("watch", "web", "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["status"] == "acting"
    daemon.stop()
    assert process.stderr is not None
    assert process.stderr.readline() == "kazictl: lost the daemon; trying again\n"
    daemon.start()
    assert json.loads(process.stdout.readline())["status"] == "converged"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)


def test_a_goal_that_is_not_there_ends_the_watching(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", GOAL, refusal(404, "unknown_goal"))
    assert kazictl("watch", "web").returncode == exit_codes.USAGE
