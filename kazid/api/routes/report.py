"""`report`: gaps, age, drift and cost of a stretch of time, by goal and by label, over the goals the caller may see."""

from typing import Annotated

import anyio.lowlevel
import msgspec
from msgspec import Meta
from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Query, Reply, json_response
from kazid.api.translate import ref_of
from kazid.core.report import TOLD_BY, Happened, Row, Standing, report
from kazid.core.roles import Need
from kazid.runtime.views import GoalView
from kazid.wire.report_messages import ReportReply, ReportRow

SINCE_S = 7 * 86_400.0
SINCE_S_MAX = 366 * 86_400.0


class ReportQuery(Query, frozen=True, kw_only=True):
    """Of which goals, and since when."""

    since_s: Annotated[float, Meta(gt=0, le=SINCE_S_MAX, description="how far back, in seconds")] = SINCE_S
    labels: list[Annotated[str, Meta(pattern="^[^=]+=")]] = msgspec.field(name="l", default_factory=list)


async def show_report(call: Call) -> Response:
    """What the time was like."""
    query = call.query(ReportQuery)
    labels = [(key, value) for key, _, value in (label.partition("=") for label in query.labels)]
    views = call.service.views(labels=labels, sees=call.sees)
    until = call.service.state().now.wall_s
    since = until - query.since_s
    uids = {view.uid for view in views}
    happened: list[Happened] = []
    history = call.context.history
    after = await history.offset_at(since)
    while True:
        found, reached = await history.happened(TOLD_BY, after=after)
        happened.extend(Happened(uid=r.uid, event=r.event) for r in found if r.uid in uids)
        if reached == after:
            break
        after = reached
        await anyio.lowlevel.checkpoint()
    told = report([_standing(view) for view in views], happened, now_wall_s=until)
    return json_response(
        ReportReply(
            since=since,
            until=until,
            goals=[_row(row) for row in told.goals],
            labels=[_row(row) for row in told.labels],
            total=_row(told.total),
        )
    )


def _standing(view: GoalView) -> Standing:
    return Standing(
        uid=view.uid,
        ref=ref_of(view),
        labels=view.goal.labels,
        status=view.status.value,
        cause=None if view.cause is None else view.cause.value,
        since_wall_s=view.progress.status_since_wall_s or view.now.wall_s,
        predicates=len(view.vector.readings),
        gaps=[r.predicate_id for r in view.vector.readings if not (r.is_green or r.is_waived)],
    )


def _row(row: Row) -> ReportRow:
    return msgspec.convert(msgspec.structs.asdict(row), ReportRow)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/report",
        operation="report",
        needs=Need.PRESENCE,
        summary="Gaps, age, drift and cost since a while, by goal and by label",
        handle=show_report,
        query=ReportQuery,
        replies=(Reply(description="of the goals that the caller may see", body=ReportReply),),
        errors=(507,),
    ),
)
