"""Bad requests and bad clients on a real daemon: each is answered or let go, and every goal goes on.

A body that comes too slowly and a reader that does not read are in tests/api, where no test has to sit their deadlines
out.
"""

import json
import random
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from tests.api.house import connected
from tests.system.hostile_lab import MB, Lab, goal, lab, only_lab, rest

__all__ = ["lab", "only_lab"]
STATUS_S_MAX = 4.0
"""Below the 5 s after which a head that does not come is cut off."""


def status_s(lab: Lab) -> float:
    """How long `kazictl status` takes; the best of three, so that the machine's hiccups are not the daemon's."""
    times = []
    for _ in range(3):
        began_s = time.monotonic()
        run = lab.daemon.kazictl("status")
        times.append(time.monotonic() - began_s)
        assert (run.returncode, "healthy" in run.stdout) == (0, True), run.stderr
    return min(times)


GARBAGE = {
    "binary": b"\x00\x01\x02\x03" * 64 + b"\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,
    "a-word": b"hello\r\n\r\n",
    "no-version": b"GET /healthz HTTP/x\r\n\r\n",
    "two-lengths": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "negative-length": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    "a-path-without-end": b"GET /" + b"a" * 2_000_000,
    "a-header-without-end": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2_000_000,
    "endless-headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 300_000,
    "no-chunk": b"POST /v1/goals HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


def test_garbage_is_answered_400_or_closed(lab: Lab):
    with lab.others_go_on():
        for name, garbage in GARBAGE.items():
            reply = _exchange(lab, garbage)
            assert reply.startswith(b"HTTP/1.1 400 "), (name, reply[:200])
            head, _, body = reply.partition(b"\r\n\r\n")
            assert b"application/problem+json" in head, name
            assert json.loads(body)["type"] == "bad_request", name
        seed = random.SystemRandom().randrange(2**32)
        print(f"seed {seed}")
        dice = random.Random(seed)
        for _ in range(50):
            reply = _exchange(lab, dice.randbytes(dice.randrange(1, 20_000)), closes=True)
            assert reply == b"" or reply.startswith(b"HTTP/1.1 400 ")


def _exchange(lab: Lab, sent: bytes, *, closes: bool = False) -> bytes:
    with connected(lab.daemon.socket) as peer:
        with suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(sent)
            if closes:
                peer.shutdown(socket.SHUT_WR)
        return rest(peer)


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with-length", "chunked"])
def test_bodies_of_100_mb_are_413_and_cost_no_memory(lab: Lab, is_chunked: bool):
    with lab.others_go_on(), lab.bounded_memory(), ThreadPoolExecutor(4) as senders:
        for sent, reply in senders.map(lambda _: _send_100_mb(lab, is_chunked=is_chunked), range(4)):
            assert reply.startswith(b"HTTP/1.1 413 ")
            assert json.loads(reply.partition(b"\r\n\r\n")[2])["type"] == "too_large"
            assert sent < 20, "the rest was read all the same"


def _send_100_mb(lab: Lab, *, is_chunked: bool) -> tuple[int, bytes]:
    length = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % (100 * MB)
    piece = b"%x\r\n%s\r\n" % (MB, b"a" * MB) if is_chunked else b"a" * MB
    sent = 0
    with connected(lab.daemon.socket) as peer:
        with suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(b"POST /v1/goals HTTP/1.1\r\nHost: k\r\n%s\r\n\r\n" % length)
            for _ in range(100):
                peer.sendall(piece)
                sent += 1
        return sent, rest(peer)


def test_500_half_open_connections_delay_nobody(lab: Lab):
    with lab.others_go_on(), lab.bounded_memory(), ExitStack() as stack:
        for number in range(500):
            peer = stack.enter_context(connected(lab.daemon.socket))
            if number % 2:
                peer.sendall(b"GET /v1/goals/@me/hea")
        assert status_s(lab) < STATUS_S_MAX


def test_heads_that_come_in_drops_are_cut_off(lab: Lab):
    with lab.others_go_on(), ExitStack() as stack:
        began_s = time.monotonic()
        drips = [stack.enter_context(connected(lab.daemon.socket)) for _ in range(50)]
        for peer in drips:
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: k\r\nX: ")
        assert status_s(lab) < STATUS_S_MAX
        waiting = set(drips)
        while waiting:
            assert time.monotonic() - began_s < 60, f"{len(waiting)} heads are still waited for"
            for peer in waiting:
                with suppress(BrokenPipeError):
                    peer.sendall(b"x")
            answered, _, _ = select.select(list(waiting), [], [], 0.2)
            for peer in answered:
                assert rest(peer).startswith(b"HTTP/1.1 408 ")
                waiting.discard(peer)


def test_clients_that_leave_in_the_middle_of_follow_cost_nothing(lab: Lab):
    text = goal("busy", cmd="false", remedy='cmd = "sleep"\nargs = ["1000"]\ntimeout = "1h"')
    lab.apply("busy", text)
    lab.until(lambda: lab.status("busy")["status"] == "acting", "the remedy runs")
    with lab.others_go_on():
        before = lab.descriptors()
        for _ in range(100):
            with connected(lab.daemon.socket) as peer:
                peer.sendall(b"GET /v1/goals/@me/busy/follow HTTP/1.1\r\nHost: k\r\n\r\n")
                assert peer.recv(15) == b"HTTP/1.1 200 OK"
        lab.until(lambda: lab.descriptors() <= before + 2, "every connection is let go")
        assert lab.status("busy")["status"] == "acting", "the goal goes on without them"
