"""One connection: who it is, how long it may be silent, and what it is told when it does not speak HTTP.

A subclass of uvicorn's h11 protocol, because identity and patience are known only here: SO_PEERCRED goes into the ASGI
scope, a head that does not come in time ends the connection, and when there are too many the longest silent one goes.
"""

import asyncio
from typing import Any, cast

import h11
import msgspec
from typing_extensions import override
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from kazid.api.peer import peer_of
from kazid.wire.messages import ProblemDetails
from kazid.wire.names import CONTENT_PROBLEM

CONNECTIONS_MAX = 512
"""Half of the usual limit of 1024 descriptors; every other part of the daemon needs some, too."""
HEAD_TIMEOUT_S = 5.0
"""From the connection, or from the first byte of a further request, to the end of the request's head."""
PEERCRED = "peercred"
"""Where the peer is in the ASGI scope's extensions."""


class Connection(H11Protocol):
    """What uvicorn makes one of for each accepted socket."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._silent_since_s = self.loop.time()
        self._has_begun = False
        """A part of a request's head has come."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look who it is, make room, and start waiting for a request."""
        super().connection_made(transport)
        peer = peer_of(transport.get_extra_info("socket"))
        app = self.app

        async def identified(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), PEERCRED: peer}
            await app(scope, receive, send)

        self.app = identified
        self._await_head()
        if len(self.connections) > CONNECTIONS_MAX:
            self._make_room()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._head_came()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        """Time runs from the first byte of a head to its last, however slowly they come."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self.is_silent:
            self._head_came()
        elif not self.transport.is_closing():
            if self._head_timer is None:
                self._await_head()
            self._has_begun = True

    @override
    def on_response_complete(self) -> None:
        """uvicorn's keep-alive timer takes over until the next request begins."""
        self._silent_since_s = self.loop.time()
        super().on_response_complete()

    @property
    def is_silent(self) -> bool:
        """True while no request is being answered."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    @override
    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is told so, and the connection ends."""
        self._refuse(400, "bad_request", "not an HTTP request", msg)

    @override
    def shutdown(self) -> None:
        """Close when silent; else after the answer."""
        if self.is_silent:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    @override
    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        self.transport.close()

    def _await_head(self) -> None:
        self._has_begun = False
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_timed_out)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_timed_out(self) -> None:
        self._head_timer = None
        if self._has_begun:
            self._refuse(408, "too_slow", "timed out", f"no whole request within {HEAD_TIMEOUT_S:g} s")
        else:
            self.transport.close()

    def _make_room(self) -> None:
        """The longest silent connection goes; where all are busy, this one."""
        connections = cast("set[Connection]", self.connections)
        silent = [c for c in connections if c is not self and c.is_silent]
        if silent:
            oldest = min(silent, key=lambda c: c._silent_since_s)
            oldest.transport.abort()
            connections.discard(oldest)
        else:
            detail = f"{CONNECTIONS_MAX} connections are being served; try again"
            self._refuse(503, "busy", "too many connections", detail)

    def _refuse(self, status: int, kind: str, title: str, detail: str) -> None:
        """Answer a connection outside of any request, where the protocol still allows an answer, and close it."""
        self._head_came()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        body = msgspec.json.encode(ProblemDetails(type=kind, title=title, status=status, detail=detail))
        headers = [
            (b"content-type", CONTENT_PROBLEM.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        if not self.is_silent:
            self.cycle.disconnected = True  # whoever works on the request is told that nobody waits for it
            self.cycle.message_event.set()
        self.transport.close()
