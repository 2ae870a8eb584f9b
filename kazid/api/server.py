"""uvicorn inside the supervision tree: on sockets bound elsewhere, cancelled like any other child.

The pitfalls this is shaped by were measured (ecosystem.md §1): uvicorn would take over the signal handlers, and a plain
cancellation leaves its sockets open and its streams running. So it is served in a shield and told to exit.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Generator, Sequence
from typing import Protocol

import anyio
import structlog
import uvicorn
from anyio.abc import TaskStatus
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from kazid.api.connection import Connection
from kazid.core.errors import StartRefused
from kazid.wire.names import HOOKS_PATH

log = structlog.get_logger(__name__)

GRACE_S = 1.0
"""How long replies in progress may take at shutdown; streams end before that."""
POLL_S = 0.01
KEEP_ALIVE_S = 15
HEAD_BYTES_MAX = 64 * 1024
BACKLOG = 1024
REACHED_CHECK_S = 2.0
"""How often it is looked whether clients still find the socket: one lstat."""


class Place(Protocol):
    """Where clients look for the socket."""

    path: str

    def listen_again(self) -> socket.socket | None:
        """A new listening socket where the name no longer leads to the last one, else None. Raises StartRefused."""
        ...


async def serve(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    *,
    place: Place | None = None,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; then no socket is open, no stream runs and no connection is left."""
    server = _Server(_config(app))
    async with anyio.create_task_group() as group:

        async def run() -> None:
            with anyio.CancelScope(shield=True):
                await server.serve(sockets=list(sockets))
            group.cancel_scope.cancel()

        group.start_soon(run)
        try:
            await server.is_listening.wait()
            task_status.started()
            if place is not None:
                await _stay_reachable(server, place)
            await anyio.sleep_forever()
        finally:
            server.should_exit = True
            server.exiting.set()


async def _stay_reachable(server: "_Server", place: Place) -> None:
    """Listen anew whenever the socket's name is gone; who is connected already stays so."""
    refused = ""
    while True:
        await anyio.sleep(REACHED_CHECK_S)
        try:
            listener = place.listen_again()
        except StartRefused as error:
            if str(error) != refused:
                refused = str(error)
                log.warning("api.unreachable", reason=refused)
            continue
        refused = ""
        if listener is not None:
            await server.listen_on(listener)
            log.warning("api.bound_anew", socket=place.path)


def _config(app: ASGIApp) -> uvicorn.Config:
    forward = logging.getLogger("uvicorn.error")
    forward.handlers = [_Forward()]
    forward.propagate = False
    return uvicorn.Config(
        _Guard(app),
        http=Connection,
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
    )


class _Server(uvicorn.Server):
    """A server without signal handlers that waits for its end instead of polling for it ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = anyio.Event()
        self.exiting = anyio.Event()

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Generator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()

    async def listen_on(self, listener: socket.socket) -> None:
        """Listen there instead of where nobody comes any more."""
        for server in self.servers:
            server.close()
        await super().startup([listener])

    @override
    async def main_loop(self) -> None:
        await self.exiting.wait()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, let replies in progress end for a while, then cut off whoever is left.

        uvicorn's own would sleep between steps and leave a reader that does not read with its connection.
        """
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with anyio.move_on_after(GRACE_S):
            while state.connections or state.tasks:  # noqa: ASYNC110 - nobody tells when uvicorn's sets run empty
                await anyio.sleep(POLL_S)
        for connection in list(state.connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        if state.tasks:
            await asyncio.wait(list(state.tasks), timeout=GRACE_S)


class _Guard:
    """The API connection's guard: whatever a request breaks, it breaks for itself alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_complete = False

        async def noting(message: Message) -> None:
            nonlocal is_complete
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except (
            Exception
        ):  # one of the three places (STYLE 13); the reply, if any, was sent by the app's own handler
            log.exception(
                "request.failed",
                method=scope.get("method"),
                path=_sayable(scope.get("path")),
                answered=is_complete,
            )


def _sayable(path: str | None) -> str | None:
    """The path of a request, for a log: without a hook's token."""
    return f"{HOOKS_PATH}/…" if path is not None and HOOKS_PATH in path else path


class _Forward(logging.Handler):
    """uvicorn's own log lines, as ours. That a request was cut off at shutdown is no trouble."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        was_cut = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
        is_trouble = record.levelno >= logging.ERROR and not was_cut
        log.log(
            logging.WARNING if is_trouble else logging.DEBUG,
            "server.warned",
            text=record.getMessage().strip(),
        )
