"""Garbage, floods, slow and absent clients: each gets its end, and nobody else notices."""

import json
import os
import random
import resource
import socket
import time

import pytest

from kazid.api import connection as connections
from kazid.api import endpoint
from tests.api.fake_service import a_view
from tests.api.house import GOAL_FILE, House, connected, mine
from tests.builders import a_goal

WEB = "/v1/goals/@me/web"
MB = 1024 * 1024


def _exchange(house: House, sent: bytes) -> bytes:
    """What comes back until the connection ends; sending may break off, as it does when the other side refuses."""
    with connected(house.path) as peer:
        try:
            peer.sendall(sent)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return _rest(peer)


def _rest(peer: socket.socket) -> bytes:
    received = b""
    try:
        while piece := peer.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def _wait_for(condition, timeout_s: float = 5.0) -> None:
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, "it did not come in time"
        time.sleep(0.01)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x00\x01\x02\x03" * 64 + b"\r\n\r\n", id="binary"),
        pytest.param(b"hello\r\n\r\n", id="a-word"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200, id="tls"),
        pytest.param(b"GET /healthz HTTP/x\r\n\r\n", id="http-x"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n\r\n", id="no-host"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", id="negative-length"),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            id="two-lengths",
        ),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n", id="bad-header"),
        pytest.param(b"GET /" + b"a" * 200_000, id="a-path-without-end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000, id="a-header-without-end"),
    ],
)
def test_garbage_is_answered_400_and_closed(house: House, garbage: bytes) -> None:
    head, _, body = _exchange(house, garbage).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["type"] == "bad_request"
    assert house.get("/healthz").status == 200


def _assert_quiet(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """What a peer does wrong is no failure of ours: neither the app nor the event loop reports one."""
    assert "request.failed" not in capsys.readouterr().out
    loud = [r for r in caplog.records if r.levelname in ("WARNING", "ERROR") and r.name != "uvicorn.error"]
    assert [r.getMessage() for r in loud] == []


def test_random_bytes_never_hurt_anybody_else(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    whole = b'POST /v1/goals HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n0\r\n\r\n'
    for _ in range(200):
        sent = bytearray(whole * dice.choice((1, 2)))
        for _ in range(dice.randrange(1, 8)):
            sent[dice.randrange(len(sent))] = dice.randrange(256)
        with connected(house.path) as peer:
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)
            _rest(peer)
    assert house.get(WEB).status == 200
    _assert_quiet(caplog, capsys)


def test_garbage_behind_a_request_in_progress_ends_the_connection_only(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    house.service.is_settled = False
    with connected(house.path) as peer:
        head = b"GET /v1/goals/@me/web/follow HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n"
        peer.sendall(head)
        assert peer.recv(100).startswith(b"HTTP/1.1 200")
        peer.sendall(b"this is no chunk\r\n\r\n")
        _rest(peer)
    _wait_for(lambda: house.service.following == 0)
    assert house.get("/healthz").status == 200
    _assert_quiet(caplog, capsys)


@pytest.mark.parametrize("host", [b"[", b"]:x", b"a b", b"%00", b"@", b"\xff"])
@pytest.mark.parametrize(
    "target", [b"/nowhere", b"/healthz", b"http://[/healthz", b"*", b"/%00%ff", b"/v1/goals/%ff/%00"]
)
def test_an_odd_host_or_target_is_no_failure_of_ours(house: House, host: bytes, target: bytes) -> None:
    reply = _exchange(house, b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (target, host))
    assert reply.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4"))


def test_a_claim_of_100_mb_is_413_before_a_byte_of_it(house: House) -> None:
    with connected(house.path) as peer:
        peer.sendall(b"POST /v1/goals HTTP/1.1\r\nHost: k\r\nContent-Length: 104857600\r\n\r\n")
        head, _, body = _rest(peer).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["type"] == "too_large"


@pytest.mark.parametrize(
    "target", ["/v1/goals", "/v1/lint", f"{WEB}/suspend", f"{WEB}/stop", "/nowhere", "/v1/info"]
)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["with-length", "chunked"])
def test_a_body_of_100_mb_is_not_read_to_its_end(house: House, target: str, is_chunked: bool) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: k\r\n" % target.encode()
    head += (
        b"Transfer-Encoding: chunked\r\n\r\n" if is_chunked else b"Content-Length: %d\r\n\r\n" % (100 * MB)
    )
    piece = b"%x\r\n%s\r\n" % (MB, b"a" * MB) if is_chunked else b"a" * MB
    sent = 0
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with connected(house.path) as peer:
        peer.sendall(head)
        try:
            for _ in range(100):
                peer.sendall(piece)
                sent += 1
        except (BrokenPipeError, ConnectionResetError):
            pass
        reply = _rest(peer)
    assert reply.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 200 ", b"HTTP/1.1 404 ", b"HTTP/1.1 405 "))
    assert sent < 10, "the rest was still accepted"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 32 * 1024
    assert house.get("/healthz").status == 200


def test_a_body_at_the_limit_is_read(house: House) -> None:
    body = json.dumps({"goal_file": GOAL_FILE, "path": "/bin"}).encode()
    padded = body + b" " * (endpoint.BODY_BYTES_MAX - len(body))
    assert house.call("POST", "/v1/lint", padded).status == 400  # `path` is no field of lint: it was decoded
    head = b"POST /v1/lint HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n" % (len(padded) + 1)
    assert _exchange(house, head + padded + b" ").startswith(b"HTTP/1.1 413 ")


def test_a_slow_body_is_408(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "BODY_TIMEOUT_S", 0.2)
    reply = _exchange(house, b"POST /v1/lint HTTP/1.1\r\nHost: k\r\nContent-Length: 100\r\n\r\n{")
    assert reply.startswith(b"HTTP/1.1 408 ")


def test_500_half_open_connections_starve_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 300.0)
    half_open = [connected(house.path) for _ in range(500)]
    for peer in half_open[::2]:
        peer.sendall(b"GET /healthz HT")
    assert house.get(WEB).status == 200, "it waited for the half-open ones, which are cut off after minutes"
    for peer in half_open:
        peer.close()


def test_more_connections_than_allowed_push_out_the_longest_silent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 20)
    house.service.is_settled = False
    with house.stream(f"{WEB}/follow") as followed:
        assert followed.readline()
        silent = [connected(house.path) for _ in range(60)]
        assert house.get("/healthz").status == 200
        assert followed.readline(), "a connection that is served is not pushed out"
        assert silent[0].recv(1) == b""
        for peer in silent:
            peer.close()


def test_when_every_connection_is_served_a_further_one_is_told_busy(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 2)
    house.service.is_settled = False
    with house.stream(f"{WEB}/follow") as one, house.stream(f"{WEB}/follow") as two:
        assert one.readline()
        assert two.readline()
        with connected(house.path) as peer:
            reply = _rest(peer)
    assert reply.startswith(b"HTTP/1.1 503 ")
    assert b'"busy"' in reply


def test_a_head_that_does_not_come_ends_the_connection(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.2)
    with connected(house.path) as silent, connected(house.path) as slow:
        slow.sendall(b"GET /hea")
        assert _rest(silent) == b""
        assert _rest(slow).startswith(b"HTTP/1.1 408 ")


def test_a_head_in_drops_is_not_given_more_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.3)
    began_s = time.monotonic()
    with connected(house.path) as peer:
        try:
            for _ in range(5000):  # 100 s of drops
                peer.sendall(b"G")
                time.sleep(0.02)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert _rest(peer).startswith(b"HTTP/1.1 4")
    assert time.monotonic() - began_s < 60.0


def test_the_second_request_of_a_connection_has_a_head_timeout_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.2)
    with connected(house.path) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: k\r\n\r\nGET /hea")
        assert b"HTTP/1.1 200" in peer.recv(65536)
        peer.sendall(b"l")
        assert b"HTTP/1.1 408 " in _rest(peer)


def test_requests_sent_without_waiting_are_answered_in_order(house: House) -> None:
    house.service.add(a_view(mine(a_goal(goal_id="b"))))
    head = b"GET /v1/goals/@me/%s HTTP/1.1\r\nHost: k\r\n%s\r\n"
    reply = _exchange(house, head % (b"web", b"") + head % (b"b", b"Connection: close\r\n"))
    assert reply.count(b"HTTP/1.1 200") == 2
    assert reply.index(b'"goal_id":"web"') < reply.index(b'"goal_id":"b"')


@pytest.mark.parametrize("suffix", ["/follow", "/log?follow=true", "/wait?for=stuck&timeout_s=3600"])
def test_a_client_that_leaves_ends_its_stream_or_wait(house: House, suffix: str) -> None:
    house.service.is_settled = False
    house.service.log_is_over = False
    with connected(house.path) as peer:
        peer.sendall(f"GET {WEB}{suffix} HTTP/1.1\r\nHost: k\r\n\r\n".encode())
        _wait_for(lambda: bool(house.service.asked))
        time.sleep(0.05)
    asked = len(house.service.asked)
    _wait_for(lambda: house.service.following == 0 and house.service.waiting == 0)
    time.sleep(0.6)
    assert len(house.service.asked) - asked < 3, "nobody reads for a client that is gone"


def test_a_check_nobody_waits_for_is_cancelled(house: House) -> None:
    house.service.is_settled = False
    body = json.dumps({"goal_file": GOAL_FILE, "source_path": "/srv/goal.toml"}).encode()
    with connected(house.path) as peer:
        peer.sendall(
            b"POST /v1/check HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        _wait_for(lambda: house.service.waiting == 1)
    _wait_for(lambda: house.service.waiting == 0)


def test_a_reader_that_does_not_read_costs_a_bounded_buffer(house: House) -> None:
    house.service.log["stdout"] = os.urandom(20 * MB)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with connected(house.path) as peer:
        peer.sendall(f"GET {WEB}/log HTTP/1.1\r\nHost: k\r\n\r\n".encode())
        time.sleep(0.5)
        assert house.get("/healthz").status == 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 8 * 1024


def test_an_http_1_0_client_gets_a_plain_body(house: House) -> None:
    reply = _exchange(house, f"GET {WEB}/follow HTTP/1.0\r\n\r\n".encode())
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert [json.loads(line)["event"] for line in body.splitlines()] == ["status", "outcome"]
