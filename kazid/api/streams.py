"""Replies that go on: lines as they come, ended by the client's leaving, by the daemon's stopping, or by themselves.

Also the one-document replies that take their time: `while_connected` ends the work when nobody waits for it any more.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TypeVar

import anyio
import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from kazid.core.errors import KazidError

STOP_GRACE_S = 0.5
"""At shutdown a stream may end itself for so long; one whose reader does not read is cut then."""

Result = TypeVar("Result")


class StreamResponse(Response):
    """Pieces as they come."""

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        stopping: anyio.Event,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self._pieces = pieces
        self._stopping = stopping
        self.init_headers({"cache-control": "no-store", **(headers or {})})

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the pieces end, the client leaves or the daemon stops."""
        async with anyio.create_task_group() as group:
            group.start_soon(_end_when_gone, receive, group.cancel_scope)
            group.start_soon(self._end_when_stopping, group.cancel_scope)
            async with aclosing(self._pieces) as pieces:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            group.cancel_scope.cancel()
        with anyio.move_on_after(STOP_GRACE_S):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end_when_stopping(self, scope: anyio.CancelScope) -> None:
        await self._stopping.wait()
        await anyio.sleep(STOP_GRACE_S)
        scope.cancel()


def line(document: msgspec.Struct) -> bytes:
    """One document as one line of application/x-ndjson."""
    return msgspec.json.encode(document) + b"\n"


async def while_connected(receive: Receive, work: Callable[[], Awaitable[Result]]) -> Result:
    """What the work gives, unless the client leaves before: then the work is cancelled and ClientDisconnect raised."""
    results: list[Result] = []
    refusal: KazidError | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(_end_when_gone, receive, group.cancel_scope)
        try:
            results.append(await work())
        except KazidError as error:
            refusal = error  # out of the group as itself, not inside an exception group
        group.cancel_scope.cancel()
    if refusal is not None:
        raise refusal
    if not results:
        raise ClientDisconnect
    return results[0]


async def _end_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
