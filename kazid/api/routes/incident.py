"""`export-incident`: one goal's journal as a file that can be replayed elsewhere."""

from collections.abc import AsyncGenerator, Sequence

from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply
from kazid.api.streams import StreamResponse
from kazid.core.errors import JournalUnavailable, UnknownGoal
from kazid.core.event import Recorded
from kazid.core.ids import Offset
from kazid.core.incident import FORMAT, VERSION, IncidentHeader, header_line, record_line
from kazid.core.roles import Need
from kazid.wire.names import CONTENT_LINES

PAGE = 500


async def incident(call: Call) -> Response:
    """Everything that is kept of this incarnation, as it stood when it was asked for."""
    view = call.service.view(call.owner, call.goal_id)
    first = await _page(call, Offset(0))
    header = IncidentHeader(
        format=FORMAT,
        version=VERSION,
        kazid=call.context.version,
        owner=view.goal.owner,
        goal_id=view.goal.id,
        uid=view.uid,
        exported_wall_s=view.now.wall_s,
        last_seq=view.seq,
    )
    return StreamResponse(
        _lines(call, header, first), media_type=CONTENT_LINES, stopping=call.service.stopping
    )


async def _lines(call: Call, header: IncidentHeader, page: Sequence[Recorded]) -> AsyncGenerator[bytes, None]:
    yield header_line(header)
    while page:
        for record in page:
            if record.uid != header.uid or record.seq > header.last_seq:
                return
            yield record_line(record)
        try:
            page = await _page(call, page[-1].offset)
        except (JournalUnavailable, UnknownGoal):
            return  # the reader sees that it is not whole


async def _page(call: Call, after: Offset) -> Sequence[Recorded]:
    return await call.service.events(after=after, owner=call.owner, goal_id=call.goal_id, limit=PAGE)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}/incident",
        operation="export_incident",
        needs=Need.EVIDENCE,
        summary="The goal's journal as a file to replay: a header, then one event a line",
        handle=incident,
        replies=(
            Reply(
                description="format `kazi-incident`: the header says which event is the last",
                media_type=CONTENT_LINES,
                schema={"type": "object"},
            ),
        ),
        errors=(404, 507),
        agents=AgentAccess.NEVER,
    ),
)
