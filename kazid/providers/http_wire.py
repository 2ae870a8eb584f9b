"""A connection to one address, plain or TLS: sockets that wait through anyio, without streams between.

The cheapest half of a probe is the one that is not there: asyncio's transports and anyio's streams cost more CPU than
the request itself (docs/benchmarks.md). A wire belongs to one fetch at a time and is closed by whoever holds it.
"""

import errno
import socket
import ssl

import anyio
import anyio.lowlevel

RECEIVE_BYTES_MAX = 64 * 1024
UNIX_PATH_BYTES_MAX = 107
"""What `sockaddr_un` holds on Linux, without the NUL."""

TURNS_WITHOUT_A_REST = 8
"""Reads in a row that found something at once, before everybody else gets a turn: a flood must not own the loop."""

_BACKLOG_RETRY_S = 0.01
_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN})


class Wire:
    """A connected socket that does not block."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain
        self._turns = 0

    async def start_tls(self, context: ssl.SSLContext, *, server_name: str) -> None:
        """Shake hands as a client. Raises ssl.SSLError and OSError."""
        secured = context.wrap_socket(
            self._socket, server_hostname=server_name, do_handshake_on_connect=False
        )
        self._socket = secured
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                await anyio.wait_readable(secured)
            except ssl.SSLWantWriteError:
                await anyio.wait_writable(secured)
            else:
                return

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                await anyio.wait_writable(self._socket)
            except ssl.SSLWantReadError:
                await anyio.wait_readable(self._socket)

    async def receive(self) -> bytes:
        """What is there, waiting for it; empty when the other side has ended."""
        while True:
            try:
                received = self._socket.recv(RECEIVE_BYTES_MAX)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._turns = 0
                await anyio.wait_readable(self._socket)
            except ssl.SSLWantWriteError:
                await anyio.wait_writable(self._socket)
            else:
                self._turns += 1
                if self._turns > TURNS_WITHOUT_A_REST:
                    self._turns = 0
                    await anyio.lowlevel.checkpoint()
                return received

    def close(self) -> None:
        """Close without a farewell: nobody waits for one."""
        self._socket.close()


async def connect_tcp(address: str, port: int) -> Wire:
    """Connect to an address, which is no name. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        number = plain.connect_ex((address, port))
        if number in _IN_PROGRESS:
            await anyio.wait_writable(plain)
            number = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, "connect")
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        plain.close()
        raise
    return Wire(plain)


async def connect_unix(path: str) -> Wire:
    """Connect to a socket in the file system. Raises OSError; waits for room in a full backlog."""
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        # The kernel tells nobody when a backlog has room again, so this looks.
        while (number := plain.connect_ex(path)) == errno.EAGAIN:  # noqa: ASYNC110
            await anyio.sleep(_BACKLOG_RETRY_S)
        if number:
            raise OSError(number, "connect")
    except BaseException:
        plain.close()
        raise
    return Wire(plain)
