"""Carries the bytes between libpq and its server, and ends when the server says too much.

Rows are cut by the server (`sql_postgres`), but not what it says in an error: casting a text of 500 MB to a number
quotes it whole. libpq takes a message to its end in one call, which took 3.8 GB for that one and held up the loop. So
its connected socket is put behind a pair of sockets, and what crosses is counted. It knows nothing of the protocol:
TLS passes as it is.
"""

import os
import socket

import anyio

ANSWER_BYTES_MAX = 48 * 1024 * 1024
"""Of one look: two rows of as many columns as are shown, each at its bound, and room beside them."""

CHUNK_BYTES = 64 * 1024


class Relay:
    """Stands between the descriptor of a connected socket, which its owner goes on using, and that socket."""

    def __init__(self, descriptor: int) -> None:
        self.has_said_too_much = False
        self._server = socket.socket(fileno=os.dup(descriptor))
        self._near, far = socket.socketpair()
        with far:
            os.dup2(far.fileno(), descriptor, inheritable=False)
            os.set_blocking(descriptor, False)
        for end in (self._server, self._near):
            end.setblocking(False)

    async def carry(self) -> None:
        """Carry both ways until the owner has closed its descriptor, and what it said last is gone to the server."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._answers)
                await _pump(self._near, self._server)
                tasks.cancel_scope.cancel()
        finally:
            self._near.close()
            self._server.close()

    async def _answers(self) -> None:
        self.has_said_too_much = not await _pump(self._server, self._near, bytes_max=ANSWER_BYTES_MAX)
        _end_of(self._near)


async def _pump(source: socket.socket, sink: socket.socket, *, bytes_max: int | None = None) -> bool:
    """Carry until the source ends or either breaks; False when there was more than may pass."""
    carried = 0
    try:
        while chunk := await _read(source):
            carried += len(chunk)
            if bytes_max is not None and carried > bytes_max:
                return False
            await _write(sink, chunk)
    except OSError:
        pass  # the other end is told by the end of this one
    return True


async def _read(source: socket.socket) -> bytes:
    while True:
        await anyio.wait_readable(source)
        try:
            return source.recv(CHUNK_BYTES)
        except BlockingIOError:
            continue


async def _write(sink: socket.socket, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        try:
            left = left[sink.send(left) :]
        except BlockingIOError:
            await anyio.wait_writable(sink)


def _end_of(near: socket.socket) -> None:
    try:
        near.shutdown(socket.SHUT_WR)
    except OSError:
        return
