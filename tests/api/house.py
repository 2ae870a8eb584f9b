"""The API on a real Unix socket: the server in a thread of its own, over a FakeService, and a client of the stdlib."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal
from msgspec.structs import replace

from kazid.adapters.memory.briefer import MemoryBriefer
from kazid.api.app import ApiContext, build_app
from kazid.api.peer import login_of
from kazid.api.server import serve
from kazid.core.approval import Refused
from kazid.core.goal import Goal
from kazid.core.ids import Owner
from kazid.goalfile.load import Defaults
from kazid.harness_listing import listed
from kazid.harnesses.builtin import BUILTIN
from kazid.harnesses.prompt import build_prompt
from kazid.providers.catalog import BuiltinCatalog
from kazid.runtime.hooks import Hooks
from tests.api.fake_service import FakeHistory, FakeService, FakeTrail

ME = login_of(os.getuid())
"""Whoever runs the tests owns the goals."""
GOAL_FILE = """
id = "web"
standing = true

[[predicate]]
id = "livez"
provider = "http_probe"
url = "http://127.0.0.1:9/livez"
expect_status = 200

[[remedy]]
cmd = "./bin/service"
args = ["restart"]
"""
TIMEOUT_S = 60.0


class Answer:
    """A whole reply."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> dict[str, Any]:
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


class UnixConnection(http.client.HTTPConnection):
    """http.client over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__("kazid", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = connected(self._path, timeout_s=float(self.timeout or TIMEOUT_S))


def connected(path: Path, *, timeout_s: float = TIMEOUT_S) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout_s)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


class House:
    """A running API."""

    def __init__(self, path: Path, **context: Any) -> None:
        self.path = path
        self.service = FakeService()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.approving = FakeApproving(self.service)
        self.context = ApiContext(
            **{
                "harnesses": lambda: listed(BUILTIN.values(), default="claude"),
                "build_prompt": build_prompt,
                "briefer": MemoryBriefer(),
                "service": self.service,
                "catalog": BuiltinCatalog(),
                "defaults": Defaults,
                "version": "1.2.3",
                "place_mode": "user",
                "socket": str(path),
                "state_dir": str(path.parent),
                "settings_file": lambda: None,
                "roles": lambda: (),
                "policies": lambda: (),
                "own_uid": os.getuid(),
                "audit": FakeTrail(),
                "history": FakeHistory(),
                "read_text": _no_files,
                "try_out": _no_looks,
                "acknowledge": self.service.acknowledge,
                "approving": self.approving,
                "hooks": Hooks(b"k" * 32),
                **context,
            },
        )
        self.portal: BlockingPortal
        self._scope: anyio.CancelScope
        self._serving: Future[Any]

    def call(
        self, method: str, target: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = UnixConnection(self.path)
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(method, target, content, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, target: str) -> Answer:
        return self.call("GET", target)

    @contextmanager
    def stream(self, target: str) -> Iterator[http.client.HTTPResponse]:
        """A reply that goes on."""
        connection = UnixConnection(self.path)
        connection.request("GET", target)
        response = connection.getresponse()
        try:
            yield response
        finally:
            connection.sock.close() if connection.sock else None
            response.close()
            connection.close()

    def do(self, function: Any, *arguments: Any) -> Any:
        """Call something in the server's own thread."""
        return self.portal.call(function, *arguments)

    def stop(self) -> None:
        """As the daemon stops: streams are told, then the server is cancelled."""
        if not self._serving.done():
            self.portal.call(self.service.stop_streams)
            self.portal.call(self._scope.cancel)
            self._serving.result(timeout=TIMEOUT_S)

    async def _serve(self, *, task_status: TaskStatus[None]) -> None:
        with anyio.CancelScope() as self._scope:
            await serve(build_app(self.context), [self.listener], task_status=task_status)

    @contextmanager
    def open(self) -> "Iterator[House]":
        with start_blocking_portal("asyncio") as self.portal:
            self._serving, _ = self.portal.start_task(self._serve)
            try:
                yield self
            finally:
                self.stop()


def mine(goal: Goal) -> Goal:
    """The goal as one of the caller's."""
    return replace(goal, owner=Owner(ME))


def _no_files(path: str) -> str:
    raise FileNotFoundError(2, "no such file", path)


class FakeApproving:
    """Nothing waits for anybody; what it is told is heard."""

    def __init__(self, service: FakeService) -> None:
        self._service = service
        self.refused: Refused | None = None

    def pending(self, sees: Any) -> list[Any]:
        return []

    async def approve(self, owner: str, goal_id: str, **what: Any) -> Refused | None:
        self._service._steer("approve", owner, goal_id, None, **what)
        return self.refused

    async def reject(self, owner: str, goal_id: str, **what: Any) -> Refused | None:
        self._service._steer("reject", owner, goal_id, None, **what)
        return self.refused

    async def restore(self, owner: str, goal_id: str, **what: Any) -> Refused | None:
        self._service._steer("restore", owner, goal_id, None, **what)
        return self.refused


async def _no_looks(*_: Any) -> list[Any]:
    return []
