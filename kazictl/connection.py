"""One connection to the daemon's Unix socket, and HTTP/1.0 on it, at the level of bytes.

HTTP/1.0 needs no chunking: a reply without Content-Length ends with the connection. `_socket` is the C half of
`socket`; the other half costs as much as the interpreter. Every way a connection can break is one of three exceptions.
"""

import _socket
import time

from kazictl.failure import Failure
from kazid.wire import exit_codes
from kazid.wire.names import CONTENT_JSON, HEADER_IDEMPOTENCY_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONNECT_PATIENCE_S = 5.0
"""For a full backlog, or a daemon between two processes (the wait of two starters, SEMANTICS §8)."""
POLL_S = 0.1
RECEIVE_BYTES = 65536
HEAD_BYTES_MAX = 65536
BODY_BYTES_MAX = 256 * 1024 * 1024


class ConnectionLost(Exception):
    """The daemon went away in the middle; what was asked may or may not have happened."""


class DeadlinePassed(Exception):
    """The caller's own deadline is over; the daemon is fine."""


class Unreachable(Exception):
    """Nothing listens on this path."""


def open_connection(path: str, *, patience_s: float = CONNECT_PATIENCE_S) -> "_socket.socket":
    """A connected socket. Raises Unreachable when nothing listens, Failure when it may not be used.

    A full backlog is waited for: a daemon is there. An absent one is not.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.settimeout(patience_s)
            connection.connect(path)
            return connection
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            connection.close()
            raise Unreachable(path) from None
        except PermissionError:
            connection.close()
            raise Failure(
                f"not allowed to use {path}",
                exit_code=exit_codes.ERROR,
                kind="denied",
                hint="the system daemon's socket belongs to root and the group kazi; another user's is theirs alone",
            ) from None
        except (BlockingIOError, TimeoutError):
            connection.close()
            if time.monotonic() >= deadline_s:
                raise Failure(
                    f"the daemon on {path} does not accept connections",
                    exit_code=exit_codes.TIMED_OUT,
                    kind="timeout",
                    hint="it is overloaded or stopped; look at its log",
                ) from None
            time.sleep(POLL_S)
        except OSError as error:
            connection.close()
            raise Failure(
                f"cannot use {path}: {error.strerror or error}", exit_code=exit_codes.USAGE, kind="socket"
            ) from None


class Wire:
    """One connection being read. Every way it can break is one of three exceptions."""

    def __init__(
        self, connection: "_socket.socket", *, timeout_s: float | None, deadline_s: float | None
    ) -> None:
        self._connection = connection
        self._buffer = b""
        self.timeout_s = timeout_s
        self._deadline_s = deadline_s

    def send(self, request: bytes) -> None:
        """Send it whole. A daemon that refuses a body before reading it may have answered: head() tells."""
        self._connection.settimeout(self.timeout_s)
        try:
            self._connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            return
        except TimeoutError:
            raise _silent(self.timeout_s) from None

    def head(self) -> "tuple[int, dict[str, str]]":
        """Status and header fields (names in lower case); the body's first bytes stay in the buffer."""
        while b"\r\n\r\n" not in self._buffer:
            piece = self._receive_new()
            if not piece:
                raise ConnectionLost
            self._buffer += piece
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise protocol_failure("a head without end")
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        version, _, rest = first.partition(b" ")
        status = rest[:3]
        if not version.startswith(b"HTTP/1.") or not status.isdigit():
            raise protocol_failure("not HTTP")
        fields: dict[str, str] = {}
        for line in lines:
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.strip().lower()] = value.strip()
        return int(status), fields

    def body(self, length: int | None) -> bytes:
        """The rest, up to the end of the connection where no length was given."""
        pieces: list[bytes] = []
        received = 0
        while length is None or received < length:
            piece = self.receive()
            if not piece:
                break
            pieces.append(piece)
            received += len(piece)
            if received > BODY_BYTES_MAX:
                raise protocol_failure("a reply without end")
        if length is not None and received < length:
            raise ConnectionLost
        return b"".join(pieces)

    def receive(self) -> bytes:
        """What is there, or the next that comes; empty at the end."""
        if self._buffer:
            piece, self._buffer = self._buffer, b""
            return piece
        return self._receive_new()

    def _receive_new(self) -> bytes:
        timeout_s = self.timeout_s
        if self._deadline_s is not None:
            left_s = self._deadline_s - time.monotonic()
            if left_s <= 0:
                raise DeadlinePassed
            timeout_s = left_s if timeout_s is None else min(left_s, timeout_s)
        self._connection.settimeout(timeout_s)
        try:
            return self._connection.recv(RECEIVE_BYTES)
        except ConnectionError:
            raise ConnectionLost from None
        except TimeoutError:
            if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
                raise DeadlinePassed from None
            raise _silent(timeout_s) from None

    def close(self) -> None:
        self._connection.close()


def content_length(fields: "dict[str, str]") -> int | None:
    """How long the body is; None: up to the end of the connection."""
    value = fields.get("content-length", "")
    return int(value) if value.isdecimal() else None


def request_bytes(method: str, target: str, *, body: "dict[str, Any] | None" = None, key: str = "") -> bytes:
    """One HTTP/1.0 request. `key`: the idempotency key of a change."""
    content = b""
    head = (
        f"{method} {target} HTTP/1.0\r\nHost: kazid\r\nAccept: {CONTENT_JSON}, */*\r\nConnection: close\r\n"
    )
    if body is not None:
        from json import dumps

        content = dumps(body, ensure_ascii=False).encode()
        head += f"Content-Type: {CONTENT_JSON}\r\n"
    if body is not None or method != "GET":
        head += f"Content-Length: {len(content)}\r\n"
    if key:
        head += f"{HEADER_IDEMPOTENCY_KEY}: {key}\r\n"
    return head.encode("ascii") + b"\r\n" + content


def _silent(timeout_s: float | None) -> Failure:
    return Failure(
        f"the daemon has said nothing for {timeout_s:g} s",
        exit_code=exit_codes.TIMED_OUT,
        kind="timeout",
        hint="it is overloaded or stopped; look at its log, or ask again",
    )


def protocol_failure(what: str) -> Failure:
    """Something answered, and not as kazid does."""
    return Failure(
        f"the reply is {what}",
        exit_code=exit_codes.ERROR,
        kind="protocol",
        hint="is it kazid that listens on this socket? kazictl version shows both versions",
    )
