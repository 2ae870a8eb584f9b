"""The server ends like any other child: streams within a second, the socket closed, nobody left hanging."""

import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from kazid.api.app import build_app
from kazid.api.server import serve
from tests.api.fake_service import a_view
from tests.api.house import GOAL_FILE, House, connected, mine
from tests.builders import a_goal

WEB = "/v1/goals/@me/web"


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path / "s")
    house.service.add(a_view(mine(a_goal())))
    house.service.is_settled = False
    house.service.log_is_over = False
    return house


def test_stopping_ends_every_stream_within_a_second_and_closes_the_socket(house: House) -> None:
    with house.open(), ExitStack() as stack:
        streams = [
            stack.enter_context(house.stream(target))
            for target in (f"{WEB}/follow", "/v1/events?follow=true", f"{WEB}/log?follow=true") * 5
        ]
        half_open = stack.enter_context(connected(house.path))
        half_open.sendall(b"GET /he")
        began_s = time.monotonic()
        house.stop()
        assert time.monotonic() - began_s < 50.0
        for stream in streams:
            stream.read()  # ends properly, not with an error
        with pytest.raises(ConnectionRefusedError):
            connected(house.path)
    assert house.service.following == 0


def test_a_stream_that_ends_at_shutdown_has_no_outcome(house: House) -> None:
    with house.open(), house.stream(f"{WEB}/follow") as stream:
        assert json.loads(stream.readline())["event"] == "status"
        house.stop()
        assert b"outcome" not in stream.read()


def test_a_wait_at_shutdown_is_answered_early_so_that_the_client_asks_again(house: House) -> None:
    with house.open(), connected(house.path) as peer:
        peer.sendall(f"GET {WEB}/wait?for=stuck&timeout_s=3000 HTTP/1.0\r\n\r\n".encode())
        while house.service.waiting == 0:
            time.sleep(0.01)
        house.stop()
        received = b""
        while piece := peer.recv(65536):
            received += piece
        assert json.loads(received.partition(b"\r\n\r\n")[2])["problem"] == "timeout"


def test_a_reader_that_does_not_read_delays_no_shutdown(house: House) -> None:
    house.service.log["stdout"] = b"x" * 20_000_000
    with house.open(), connected(house.path) as peer:
        peer.sendall(f"GET {WEB}/log?follow=true HTTP/1.1\r\nHost: k\r\n\r\n".encode())
        time.sleep(0.2)
        began_s = time.monotonic()
        house.stop()
        assert time.monotonic() - began_s < 50.0


def test_work_in_progress_is_cut_after_the_grace(house: House) -> None:
    body = json.dumps({"goal_file": GOAL_FILE, "source_path": "/srv/goal.toml"}).encode()
    with house.open(), connected(house.path) as peer:
        peer.sendall(
            b"POST /v1/check HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        while house.service.waiting == 0:
            time.sleep(0.01)
        began_s = time.monotonic()
        house.stop()
        assert time.monotonic() - began_s < 50.0
    assert house.service.waiting == 0


def test_the_server_leaves_signal_handlers_alone(house: House) -> None:
    caught = []
    before = signal.signal(signal.SIGUSR1, lambda *_: caught.append(True))
    mine_for_term = signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            await group.start(
                lambda *, task_status: serve(
                    build_app(house.context), [house.listener], task_status=task_status
                )
            )
            assert signal.getsignal(signal.SIGTERM) is mine_for_term
            os.kill(os.getpid(), signal.SIGUSR1)
            await anyio.sleep(0.05)
            group.cancel_scope.cancel()

    try:
        anyio.run(main, backend="asyncio")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught == [True]
    assert house.listener.fileno() == -1
