"""What a client still sends when its answer is already known: a little is read and thrown away, the rest is not.

Answering and closing while a client writes breaks its pipe before it reads why. So a body of an allowed size is taken
to its end first; one that is too long, or too slow, costs the client its connection.
"""

import anyio
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAIN_S = 1.0


class LeftoverBody:
    """Middleware around everything that answers."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, left=self._bytes_max)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drain(claimed=_claimed(scope))
                if not body.is_over:
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, body.receive, answer)


class _Body:
    """How far the body was read, by whoever reads it."""

    def __init__(self, receive: Receive, *, left: int) -> None:
        self._receive = receive
        self._left = left
        self.is_over = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
        self.is_over = self.is_over or not message.get("more_body", False)
        return message

    async def drain(self, *, claimed: int) -> None:
        """Read what is left, unless it is too long or too slow."""
        if claimed == 0:
            self.is_over = True
        if claimed <= self._left:
            with anyio.move_on_after(DRAIN_S):
                while not self.is_over and self._left >= 0:
                    await self.receive()


def _claimed(scope: Scope) -> int:
    """The length a request says its body has; 1 where it does not say how long."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return 1
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0
