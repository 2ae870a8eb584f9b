"""`logs`: the output of one attempt as text, to its present end or for as long as it runs.

Already redacted and bounded where it was captured; what was dropped in the middle is one line that says so.
"""

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

import anyio
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Query, Reply
from kazid.api.problem import Refusal
from kazid.api.streams import StreamResponse
from kazid.core.errors import UnknownAttempt, UnknownGoal
from kazid.core.roles import Need
from kazid.runtime.service import LogChunk

POLL_S = 0.2
"""How often a followed log is looked at: it is a file, and a person reads it."""
OFFSET_MAX = 2**63 - 1
CONTENT_TEXT = "text/plain; charset=utf-8"
HEADER_ATTEMPT = "Kazi-Attempt"


class LogQuery(Query, frozen=True, kw_only=True):
    """Which attempt, which stream, from where."""

    attempt: Annotated[int, Meta(ge=1, le=OFFSET_MAX)] | UnsetType = UNSET
    """Its number; the newest when it is not given. Not nullable: `null` in a query would be the text."""
    stream: Literal["stdout", "stderr"] = "stdout"
    offset: Annotated[int, Meta(ge=0, le=OFFSET_MAX, description="bytes of the stream to skip")] = 0
    follow: bool = False


async def log(call: Call) -> Response:
    """One stream of one attempt."""
    query = call.query(LogQuery)
    attempt = None if query.attempt is UNSET else query.attempt
    if call.is_redacted:
        _check_own_attempt(call, attempt)
    first = await _read(call, query, attempt=attempt, offset=query.offset)
    return StreamResponse(
        _pieces(call, query, first),
        media_type=CONTENT_TEXT,
        stopping=call.service.stopping,
        headers={HEADER_ATTEMPT: str(first.attempt)},
    )


def _check_own_attempt(call: Call, attempt: int | None) -> None:
    act = call.service.view(call.owner, call.goal_id).progress.act
    if call.agent is None or act is None or attempt not in (None, act.number):
        detail = "an agent reads the log of its own attempt only"
        raise Refusal(status=403, type="denied", title="not allowed", detail=detail)


async def _read(call: Call, query: LogQuery, *, attempt: int | None, offset: int) -> LogChunk:
    return await call.service.read_log(
        call.owner, call.goal_id, attempt=attempt, stream=query.stream, offset=offset
    )


async def _pieces(call: Call, query: LogQuery, chunk: LogChunk) -> AsyncGenerator[bytes, None]:
    while True:
        if chunk.omitted:
            yield f"\n[kazid: {chunk.omitted} bytes were not kept]\n".encode()
        if chunk.data:
            yield chunk.data
        elif chunk.is_over or not query.follow or call.service.stopping.is_set():
            return
        else:
            await anyio.sleep(POLL_S)
        try:
            chunk = await _read(call, query, attempt=chunk.attempt, offset=chunk.next_offset)
        except (UnknownGoal, UnknownAttempt):
            return  # deleted, or dropped as too old, while it was read


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}/log",
        operation="logs",
        needs=Need.EVIDENCE,
        summary="The output of an attempt",
        handle=log,
        query=LogQuery,
        replies=(
            Reply(
                description="the stream from the offset on; with follow, until the attempt ends",
                media_type=CONTENT_TEXT,
                schema={"type": "string"},
                headers={HEADER_ATTEMPT: "the attempt's number"},
            ),
        ),
        agents=AgentAccess.OWN_GOAL,
    ),
)
