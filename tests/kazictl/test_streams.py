"""`events` and `logs`, and what happens to any output whose reader, disk or encoding fails."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from kazid.wire import exit_codes
from tests.kazictl.conftest import TIMEOUT_S, Kazictl, Start, one_document
from tests.kazictl.fake_daemon import (
    GOAL,
    Answer,
    FakeDaemon,
    a_list,
    a_summary,
    an_event,
    document,
    lines,
    refusal,
)


def test_events_are_one_document_or_a_line_each(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/events", lines(an_event(7), an_event(9)))
    finished = kazictl("events", "web", "--after", "6")
    assert finished.returncode == 0
    assert daemon.requests[0].target == "/v1/events?after=6&goal=%40me%2Fweb"
    assert finished.stdout.splitlines()[0] == ("7 2023-11-14 22:13:20 ops/web act.finished attempt=3 text=x")
    told = one_document(kazictl("events", "--json"))
    assert [event["offset"] for event in told["events"]] == [7, 9]
    daemon.on("GET", "/v1/events", lines())
    assert one_document(kazictl("events", "--json")) == {"events": [], "schema_version": 2, "exit_code": 0}


def test_followed_events_go_on_without_gap_or_duplicate(daemon: FakeDaemon, start: Start) -> None:
    hold = threading.Event()
    cut = Answer(body=msgspec.json.encode(an_event(2)) + b'\n{"offset": 3, "se', is_stream=True)
    daemon.on("GET", "/v1/events", lines(an_event(1)), cut, lines(an_event(3), hold=hold))
    process = start("events", "--follow", "--json")
    assert process.stdout is not None
    offsets = [json.loads(process.stdout.readline())["offset"] for _ in range(3)]
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=TIMEOUT_S)
    hold.set()
    assert offsets == [1, 2, 3]
    assert process.returncode == exit_codes.INTERRUPTED
    assert "lost the daemon" in stderr
    assert [request.target for request in daemon.requests] == [
        "/v1/events?follow=true",
        "/v1/events?after=1&follow=true",
        "/v1/events?after=2&follow=true",
    ]


def test_logs_are_text_without_control_characters(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    log = "one\x1b[31m\ntwo ünï\r\nlast".encode()
    daemon.on("GET", f"{GOAL}/log", Answer(body=log, is_stream=True))
    finished = kazictl("logs", "web", "--attempt", "2", "--stderr")
    assert finished.returncode == 0
    assert finished.stdout == "one\ntwo ünï\nlast\n"
    assert daemon.requests[0].target == f"{GOAL}/log?attempt=2&stream=stderr&offset=0"
    assert one_document(kazictl("logs", "web", "--json"))["text"] == log.decode()


def test_followed_logs_go_on_where_they_broke(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    cut = Answer(body="a\nb\xc3".encode("latin-1"), is_cut=True, headers={"Kazi-Attempt": "4"})
    daemon.on("GET", f"{GOAL}/log", cut, Answer(body=b"\xa9\nc\n"))
    finished = kazictl("logs", "web", "--follow", "--json")
    told = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [line["text"] for line in told] == ["a\n", "bé\n", "c\n"]
    assert {line["attempt"] for line in told} == {4}
    assert daemon.requests[1].target == f"{GOAL}/log?attempt=4&stream=stdout&offset=4&follow=true"


def test_what_the_daemon_dropped_of_a_log_counts_in_its_offset(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    cut = Answer(body=b"head\n\n[kazid: 1000 bytes were not kept]\ntail\n", is_cut=True)
    daemon.on("GET", f"{GOAL}/log", cut, Answer(body=b"end\n"))
    finished = kazictl("logs", "web", "--follow")
    assert finished.stdout == "head\n\n[kazid: 1000 bytes were not kept]\ntail\nend\n"
    assert f"offset={len('head') + 1 + 1000 + len('tail') + 1}&" in daemon.requests[1].target


def test_events_that_end_in_a_failure_are_stillone_document(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    cut = Answer(body=msgspec.json.encode(an_event(2)) + b'\n{"of', is_stream=True)
    daemon.on("GET", "/v1/events", cut, refusal(403, "denied"))
    finished = kazictl("events", "--json")
    told = one_document(finished)
    assert (finished.returncode, told["type"]) == (exit_codes.ERROR, "denied")
    assert [event["offset"] for event in told["events"]] == [2]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["people", "json"])
def test_a_reader_that_leaves_is_no_crash(
    daemon: FakeDaemon, environment: dict[str, str], folder: Path, options: list[str]
) -> None:
    daemon.on("GET", "/v1/goals", document(a_list(*(a_summary() for _ in range(3000)))))
    reading, writing = os.pipe()
    os.close(reading)
    finished = subprocess.run(
        [sys.executable, "-m", "kazictl", "list", *options],
        env={**environment, "KAZI_SOCKET": daemon.path},
        cwd=folder,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    os.close(writing)
    assert (finished.returncode, finished.stderr) == (exit_codes.ERROR, "")


def test_a_full_disk_behind_stdout_is_said(
    daemon: FakeDaemon, environment: dict[str, str], folder: Path
) -> None:
    daemon.on("GET", "/v1/goals", document(a_list(a_summary())))
    with open("/dev/full", "w") as full:
        finished = subprocess.run(
            [sys.executable, "-m", "kazictl", "list"],
            env={**environment, "KAZI_SOCKET": daemon.path},
            cwd=folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert finished.returncode == exit_codes.ERROR
    assert finished.stderr == "kazictl: cannot write: No space left on device\n"


def test_a_terminal_without_unicode_is_no_crash(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/goals", document(a_list(a_summary(reason="läuft ✓"))))
    finished = kazictl("list", PYTHONIOENCODING="ascii")
    assert finished.returncode == 0
    assert "l?uft ?" in finished.stdout
