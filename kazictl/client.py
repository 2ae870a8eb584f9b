"""Requests to the daemon: read, change, stream, and come back after a loss.

A request that changes something carries an idempotency key, so it may be sent again after a lost connection, and it is,
once. A stream is resumed by whoever reads it, who alone knows how far it came; `Reconnection` is the patience for that.
"""

import os
import time

from kazictl.connection import (
    CONNECT_PATIENCE_S,
    POLL_S,
    ConnectionLost,
    DeadlinePassed,
    Unreachable,
    Wire,
    content_length,
    open_connection,
    protocol_failure,
    request_bytes,
)
from kazictl.decode import decode_object
from kazictl.document import rows
from kazictl.failure import Failure
from kazictl.incoming import START_S_MAX, is_coming
from kazid.wire import exit_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Iterator
    from typing import Any

    from kazictl.document import Document

READ_TIMEOUT_S = 30.0
"""A read answers from memory; a daemon that takes longer is stuck, and the person should know."""
CHANGE_TIMEOUT_S = 600.0
"""A fence waits for landing steps up to their timeout before it is acknowledged."""
RECONNECT_S = 30.0
"""How long a followed goal survives a daemon that restarts."""
RECONNECT_PAUSE_S = 0.2
"""At once would find the daemon that is just going."""
LINE_BYTES_MAX = 16 * 1024 * 1024


class Reply:
    """A whole reply: the status and the bytes of its body."""

    __slots__ = ("body", "document", "status")

    def __init__(self, *, status: int, body: bytes) -> None:
        """Parse the body: a JSON object, or nothing (204)."""
        self.status = status
        self.body = body or b"{}"
        self.document = decode_object(self.body)


class Client:
    """Requests to the daemon behind one socket path. `connection`: one that is open already, for the first request."""

    def __init__(self, path: str, connection: "_socket.socket | None" = None) -> None:
        """Talk to `path`."""
        self.path = path
        self._connection = connection

    def get(self, target: str, *, timeout_s: float | None = READ_TIMEOUT_S) -> Reply:
        """The reply to a read."""
        return self._exchange(request_bytes("GET", target), timeout_s=timeout_s)

    def get_once(self, target: str, *, timeout_s: float | None) -> Reply:
        """As get, for a caller that reconnects by itself. Raises ConnectionLost, Unreachable as well."""
        return self._try_exchange(request_bytes("GET", target), timeout_s=timeout_s)

    def change(
        self,
        method: str,
        target: str,
        body: "dict[str, Any] | None" = None,
        *,
        timeout_s: float | None = CHANGE_TIMEOUT_S,
    ) -> Reply:
        """The reply to a request that changes something; sent again once if its connection breaks."""
        return self._exchange(
            request_bytes(method, target, body=body, key=os.urandom(16).hex()), timeout_s=timeout_s
        )

    def lines(
        self, target: str, *, idle_s: float | None = None, deadline_s: float | None = None
    ) -> "Iterator[bytes]":
        """The lines of a streamed reply, each as soon as it is whole.

        Ends when the daemon ends the reply between two lines, which may be a loss all the same; whoever knows what the
        last line must look like can tell.
        Raises ConnectionLost, DeadlinePassed (monotonic `deadline_s`), Unreachable; Failure for a refusal.
        """
        buffer = b""
        for piece in self.pieces(target, idle_s=idle_s, deadline_s=deadline_s):
            buffer += piece
            *whole, buffer = buffer.split(b"\n")
            yield from whole
            if len(buffer) > LINE_BYTES_MAX:
                raise protocol_failure("a line without end")
        if buffer:
            raise ConnectionLost

    def pieces(
        self,
        target: str,
        *,
        idle_s: float | None = None,
        deadline_s: float | None = None,
        on_head: "Callable[[dict[str, str]], None] | None" = None,
    ) -> "Iterator[bytes]":
        """The body of a streamed reply in pieces as they arrive. `on_head` gets the header fields before them."""
        wire = Wire(self._connect(), timeout_s=idle_s or READ_TIMEOUT_S, deadline_s=deadline_s)
        try:
            wire.send(request_bytes("GET", target))
            status, fields = wire.head()
            length = content_length(fields)
            if status >= 400:
                raise failure_of(status, wire.body(length))
            if on_head is not None:
                on_head(fields)
            wire.timeout_s = idle_s
            received = 0
            while length is None or received < length:
                piece = wire.receive()
                if not piece:
                    break
                received += len(piece)
                yield piece
            if length is not None and received < length:
                raise ConnectionLost
        finally:
            wire.close()

    def await_daemon(self, *, patience_s: float | None = None, deadline_s: float | None = None) -> None:
        """Return as soon as something listens again, within RECONNECT_S. Raises Failure (exit 8), DeadlinePassed."""
        self.close()
        give_up_s = time.monotonic() + (RECONNECT_S if patience_s is None else patience_s)
        while True:
            try:
                self._connection = open_connection(self.path)
                return
            except Unreachable:
                now_s = time.monotonic()
                if deadline_s is not None and now_s >= deadline_s:
                    raise DeadlinePassed from None
                if now_s >= give_up_s:
                    raise gone(self.path) from None
            time.sleep(POLL_S)

    def close(self) -> None:
        """Let go of a connection that no request has used yet."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> "_socket.socket":
        connection, self._connection = self._connection, None
        return connection or open_connection(self.path)

    def _exchange(self, request: bytes, *, timeout_s: float | None) -> Reply:
        try:
            return self._try_exchange(request, timeout_s=timeout_s)
        except ConnectionLost:
            self.await_daemon(patience_s=START_S_MAX if is_coming(self.path) else CONNECT_PATIENCE_S)
        except Unreachable:
            raise gone(self.path) from None
        try:
            return self._try_exchange(request, timeout_s=timeout_s)
        except (ConnectionLost, Unreachable):
            raise gone(self.path) from None

    def _try_exchange(self, request: bytes, *, timeout_s: float | None) -> Reply:
        wire = Wire(self._connect(), timeout_s=timeout_s, deadline_s=None)
        try:
            wire.send(request)
            status, fields = wire.head()
            body = wire.body(content_length(fields))
        finally:
            wire.close()
        if status >= 400:
            raise failure_of(status, body)
        return Reply(status=status, body=body)


class Reconnection:
    """Coming back after a stream broke, until RECONNECT_S have passed without progress. Tells of a loss once."""

    def __init__(self, client: Client, *, note: "Callable[[str], None]") -> None:
        """Nothing is lost yet. `note` gets a line for people."""
        self._client = client
        self._note = note
        self._lost_s: float | None = None

    def progressed(self) -> None:
        """Something new arrived: whatever breaks next is another loss."""
        self._lost_s = None

    def again(self, *, deadline_s: float | None = None) -> None:
        """Return when a daemon listens. Raises Failure (exit 8) when it stays away, DeadlinePassed."""
        now_s = time.monotonic()
        if self._lost_s is None:
            self._lost_s = now_s
            self._note("kazictl: lost the daemon; trying again")
        if deadline_s is not None and now_s >= deadline_s:
            raise DeadlinePassed
        if now_s - self._lost_s >= RECONNECT_S:
            raise gone(self._client.path)
        time.sleep(RECONNECT_PAUSE_S)
        self._client.await_daemon(deadline_s=deadline_s)


def failure_of(status: int, body: bytes) -> Failure:
    """The daemon's refusal (RFC 9457) as a Failure, with the exit code that its kind has everywhere."""
    try:
        problem: Document = decode_object(body)
    except Failure:
        problem = {}
    kind = str(problem.get("type") or "").rpartition("/")[2].rpartition(":")[2]
    title = str(problem.get("title") or f"the daemon answered HTTP {status}")
    return Failure(
        title,
        exit_code=_exit_code_of(status, kind),
        kind=kind or f"http_{status}",
        detail=str(problem.get("detail") or ""),
        problems=rows(problem, "problems"),
    )


def _exit_code_of(status: int, kind: str) -> int:
    if status == 409:
        is_late = "conflict" in kind or kind == "approval_stale"
        return exit_codes.ERROR if is_late else exit_codes.USAGE
    if status in (400, 404, 413, 422):
        return exit_codes.USAGE
    return exit_codes.ERROR


def gone(path: str, *, exit_code: int = exit_codes.NO_DAEMON, kind: str = "no_daemon") -> Failure:
    """No daemon answers on the path it was found on."""
    return Failure(
        f"the daemon on {path} is gone",
        exit_code=exit_code,
        kind=kind,
        hint="what was acknowledged is kept; when it is back, ask again with: kazictl status",
    )
