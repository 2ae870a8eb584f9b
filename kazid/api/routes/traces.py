"""`export-traces`: what every attempt of an agent left, one JSON object a line; made from the goal's journal."""

from collections.abc import AsyncGenerator

import anyio.to_thread
import msgspec
from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Query, Reply
from kazid.api.streams import StreamResponse
from kazid.core.errors import JournalUnavailable, UnknownGoal
from kazid.core.event import Recorded
from kazid.core.ids import Offset
from kazid.core.roles import Need
from kazid.core.trace import Trace, traces_of
from kazid.runtime.views import GoalView
from kazid.shim.redaction import redact
from kazid.wire.names import CONTENT_LINES

PAGE = 500


class TracesQuery(Query, frozen=True, kw_only=True):
    """`since`: wall seconds; only attempts that began then or later."""

    since: float = 0.0


async def traces(call: Call) -> Response:
    """The attempts of this incarnation, oldest first, as far as their events are kept."""
    query = call.query(TracesQuery)
    view = call.service.view(call.owner, call.goal_id)
    records = await _records(call, view)
    # Folding a long history takes a good part of a second, in which nobody else would be answered.
    lines = await anyio.to_thread.run_sync(_lines, view, records, query.since)
    return StreamResponse(_sent(lines), media_type=CONTENT_LINES, stopping=call.service.stopping)


async def _records(call: Call, view: GoalView) -> list[Recorded]:
    """Bounded by the retention of the goal's events."""
    records: list[Recorded] = []
    after = Offset(0)
    while True:
        try:
            page = await call.service.events(after=after, owner=call.owner, goal_id=call.goal_id, limit=PAGE)
        except (JournalUnavailable, UnknownGoal):
            return records
        records += [r for r in page if r.uid == view.uid]
        if len(page) < PAGE:
            return records
        after = page[-1].offset


def _lines(view: GoalView, records: list[Recorded], since: float) -> list[bytes]:
    found = traces_of(records, owner=view.goal.owner, goal_id=view.goal.id)
    return [_line(trace) for trace in found if trace.started_at >= since]


async def _sent(lines: list[bytes]) -> AsyncGenerator[bytes, None]:
    for line in lines:
        yield line


def _line(trace: Trace) -> bytes:
    """The trace as it leaves the daemon: redacted once more, name by name."""
    clean = msgspec.structs.replace(trace, touched=[redact(name) for name in trace.touched])
    return msgspec.json.encode(clean) + b"\n"


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}/traces",
        operation="export_traces",
        needs=Need.EVIDENCE,
        summary="What every attempt of an agent left: digests, counts, costs and verdicts; no text",
        handle=traces,
        query=TracesQuery,
        replies=(
            Reply(
                description="format `kazi-trace`, one JSON object a line (docs/traces.md)",
                body=Trace,
                media_type=CONTENT_LINES,
            ),
        ),
        errors=(404, 507),
        agents=AgentAccess.NEVER,
    ),
)
