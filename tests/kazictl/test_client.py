"""Requests over a real socket: replies of every form, losses, refusals, and silence."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kazictl import client as client_module
from kazictl.client import Client, Reconnection, failure_of
from kazictl.connection import ConnectionLost, DeadlinePassed, Unreachable, open_connection
from kazictl.failure import Failure
from kazid.wire import exit_codes
from kazid.wire.messages import ProblemItem
from tests.kazictl.conftest import ROOT, TIMEOUT_S
from tests.kazictl.fake_daemon import Answer, FakeDaemon, a_list, document, refusal

LOST = Answer(raw=b"")


@pytest.fixture
def client(daemon: FakeDaemon) -> Iterator[Client]:
    made = Client(daemon.path)
    yield made
    made.close()


def test_a_reply_is_read_whole(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("GET", "/v1/goals", document(a_list()))
    assert client.get("/v1/goals").document["goals"] == []
    body = json.dumps({"x": "y" * 300_000}).encode()
    daemon.on("GET", "/v1/goals", Answer(body=body), Answer(body=body, is_stream=True))
    assert client.get("/v1/goals").body == body
    assert client.get("/v1/goals").body == body


def test_an_empty_reply_is_an_empty_document(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("DELETE", "/x", Answer(status=204))
    assert client.change("DELETE", "/x").document == {}


def test_a_change_carries_a_key_and_a_length(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("POST", "/x", Answer(body=b"{}"))
    client.change("POST", "/x", {"reason": "ünïcode"})
    client.change("POST", "/x")
    first, second = daemon.requests
    assert json.loads(first.body) == {"reason": "ünïcode"}
    assert first.headers["content-type"] == "application/json"
    assert second.headers["content-length"] == "0"
    keys = {request.headers["idempotency-key"] for request in daemon.requests}
    assert len(keys) == 2
    assert all(len(key) == 32 for key in keys)


@pytest.mark.parametrize("loss", [LOST, Answer(body=b"{}", is_cut=True)], ids=["no-reply", "cut-reply"])
def test_a_change_is_sent_again_once_under_the_same_key(
    daemon: FakeDaemon, client: Client, loss: Answer
) -> None:
    daemon.on("POST", "/x", loss, Answer(body=b'{"done": true}'))
    assert client.change("POST", "/x", {}).document == {"done": True}
    assert len({request.headers["idempotency-key"] for request in daemon.requests}) == 1
    assert len(daemon.requests) == 2


def test_a_change_is_not_sent_a_third_time(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("POST", "/x", LOST)
    with pytest.raises(Failure) as caught:
        client.change("POST", "/x", {})
    assert caught.value.exit_code == exit_codes.NO_DAEMON
    assert len(daemon.requests) == 2


def test_a_change_survives_a_daemon_that_restarts(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("POST", "/x", Answer(raw=b"", before=daemon.stop), Answer(body=b"{}"))
    restart = threading.Timer(0.3, daemon.start)
    restart.start()
    client.change("POST", "/x", {})
    restart.join()


def test_a_refused_body_is_answered_though_it_was_not_read(folder: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "early"))
    listener.listen(1)

    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(10)
            body = b'{"type":"too_large","title":"too long","status":413,"detail":"d"}'
            connection.sendall(b"HTTP/1.1 413 X\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    thread = threading.Thread(target=refuse)
    thread.start()
    with listener, pytest.raises(Failure, match="too long") as caught:
        Client(str(folder / "early")).change("POST", "/x", {"text": "x" * 5_000_000})
    thread.join()
    assert caught.value.exit_code == exit_codes.USAGE


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "bad_request", exit_codes.USAGE),
        (403, "denied", exit_codes.ERROR),
        (404, "unknown_goal", exit_codes.USAGE),
        (409, "refused", exit_codes.USAGE),
        (409, "approval_stale", exit_codes.ERROR),
        (403, "four_eyes", exit_codes.ERROR),
        (409, "conflict", exit_codes.ERROR),
        (409, "https://kazi/problems/conflict", exit_codes.ERROR),
        (413, "too_large", exit_codes.USAGE),
        (422, "goal_file", exit_codes.USAGE),
        (500, "internal", exit_codes.ERROR),
        (507, "degraded", exit_codes.ERROR),
    ],
)
def test_a_refusal_has_one_exit_code_by_its_kind(
    daemon: FakeDaemon, client: Client, status: int, kind: str, code: int
) -> None:
    daemon.on(
        "GET", "/x", refusal(status, kind, "why", [ProblemItem(message="m", line=3, key="k", hint="h")])
    )
    with pytest.raises(Failure) as caught:
        client.get("/x")
    assert caught.value.exit_code == code
    assert caught.value.kind == kind.rpartition("/")[2]
    assert caught.value.detail == "why"
    assert caught.value.problems == [{"message": "m", "line": 3, "key": "k", "hint": "h"}]


def test_a_refusal_without_a_problem_document_still_says_its_status() -> None:
    failure = failure_of(502, b"<html>")
    assert (failure.message, failure.kind) == ("the daemon answered HTTP 502", "http_502")


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n\r\n[1]",
    ],
    ids=["ssh", "no-status", "no-json", "no-end", "no-object"],
)
def test_whatever_else_listens_there_is_named_as_such(daemon: FakeDaemon, client: Client, raw: bytes) -> None:
    daemon.on("GET", "/x", Answer(raw=raw))
    with pytest.raises(Failure) as caught:
        client.get("/x")
    assert caught.value.kind == "protocol"
    assert caught.value.exit_code == exit_codes.ERROR


def test_a_silent_daemon_is_given_up(daemon: FakeDaemon, client: Client) -> None:
    hold = threading.Event()
    daemon.on("GET", "/x", Answer(before=lambda: hold.wait(10) and None))
    with pytest.raises(Failure, match=r"said nothing for 0\.1 s") as caught:
        client.get("/x", timeout_s=0.1)
    hold.set()
    assert caught.value.exit_code == exit_codes.TIMED_OUT


def test_lines_come_as_soon_as_they_are_whole(daemon: FakeDaemon, client: Client) -> None:
    hold = threading.Event()
    daemon.on("GET", "/x", Answer(body=b'{"a":1}\n{"b"', is_stream=True, hold=hold))
    stream = client.lines("/x")
    assert next(stream) == b'{"a":1}'
    hold.set()
    with pytest.raises(ConnectionLost):
        next(stream)


def test_a_stream_ends_at_the_callers_deadline(daemon: FakeDaemon, client: Client) -> None:
    hold = threading.Event()
    daemon.on("GET", "/x", Answer(body=b"1\n", is_stream=True, hold=hold))
    stream = client.lines("/x", deadline_s=time.monotonic() + 0.2, idle_s=10)
    assert next(stream) == b"1"
    with pytest.raises(DeadlinePassed):
        next(stream)
    hold.set()


def test_a_refused_stream_is_a_failure(daemon: FakeDaemon, client: Client) -> None:
    daemon.on("GET", "/x", refusal(404, "unknown_goal"))
    with pytest.raises(Failure, match="title of unknown_goal"):
        list(client.lines("/x"))


def test_a_socket_nobody_listens_on_is_unreachable(folder: Path) -> None:
    for name in ("missing", "stale", "file"):
        path = folder / name
        if name == "stale":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        elif name == "file":
            path.touch()
        with pytest.raises(Unreachable):
            open_connection(str(path))


def test_a_full_backlog_is_waited_for_and_then_named(folder: Path) -> None:
    path = str(folder / "busy")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        waiting = [open_connection(path)]
        with pytest.raises(Failure, match="does not accept connections") as caught:  # noqa: PT012
            for _ in range(4):
                waiting.append(open_connection(path, patience_s=0.15))  # noqa: PERF401
    for connection in waiting:
        connection.close()
    assert caught.value.exit_code == exit_codes.TIMED_OUT


def test_a_socket_one_may_not_use_is_denied_not_missing(daemon: FakeDaemon, folder: Path) -> None:
    """In a process of its own, which stops being root once it has imported what it needs."""
    program = (
        "import os, sys; from kazictl.connection import open_connection; from kazictl.failure import Failure\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: open_connection(sys.argv[1])\n"
        "except Failure as failure: print(failure.kind, failure.exit_code)\n"
    )
    folder.chmod(0o755)
    os.chmod(daemon.path, 0)
    told = subprocess.run(
        [sys.executable, "-c", program, daemon.path],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    assert told.stdout == f"denied {exit_codes.ERROR}\n"


def test_reconnecting_ends_when_nothing_progresses(
    daemon: FakeDaemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "RECONNECT_S", 0.5)
    notes: list[str] = []
    reconnection = Reconnection(client, note=notes.append)
    reconnection.again()
    reconnection.progressed()
    reconnection.again()
    assert len(notes) == 2
    with pytest.raises(Failure, match="is gone") as caught:  # noqa: PT012
        for _ in range(20):
            reconnection.again()
    assert caught.value.exit_code == exit_codes.NO_DAEMON
    assert len(notes) == 2
