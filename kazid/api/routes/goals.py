"""`list` and `status`: goals as rows, and one goal whole."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Query, Reply, json_response
from kazid.api.translate import goal_document, goal_summary
from kazid.core.roles import Need
from kazid.wire.messages import GoalDocument, GoalList

LIMIT_MAX = 500


class ListQuery(Query, frozen=True, kw_only=True):
    """Which goals, and which page of them."""

    labels: list[Annotated[str, Meta(pattern="^[^=]+=")]] = msgspec.field(name="l", default_factory=list)
    """key=value; all that are given must match."""
    owner: Annotated[str, Meta(description="only this owner's; @me is the caller")] | None = None
    after: Annotated[str, Meta(description="`next` of the page before")] | None = None
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_MAX


async def list_goals(call: Call) -> Response:
    """One page of goals, by owner and id."""
    query = call.query(ListQuery)
    owner = None if query.owner is None else call.resolve_owner(query.owner)
    labels = [(key, value) for key, _, value in (label.partition("=") for label in query.labels)]
    after = None
    if query.after is not None:
        last_owner, _, last_id = query.after.partition("/")
        after = (last_owner, last_id)
    # One more than is shown: whether it is the last page costs no view of the goals behind it.
    views = call.service.views(
        owner=owner, labels=labels, uid=call.agent, after=after, limit=query.limit + 1, sees=call.sees
    )
    page, is_last = views[: query.limit], len(views) <= query.limit
    goals = [goal_summary(call.shown(view), is_agent=call.is_redacted) for view in page]
    state = call.service.state()
    return json_response(
        GoalList(
            goals=goals,
            next=None if is_last else goals[-1].ref,
            degraded=state.degraded is not None,
            notices=() if call.is_redacted else _notices(call, state.incident),
        )
    )


def _notices(call: Call, incident: str | None) -> list[str]:
    """What holds more than one goal, in a line each."""
    frozen = call.service.freezing.frozen
    found = [] if frozen is None else [f"all goals are frozen: {frozen.reason}"]
    return found if incident is None else [*found, incident]


async def show_goal(call: Call) -> Response:
    """One goal as it stands now."""
    view = call.service.view(call.owner, call.goal_id)
    return json_response(goal_document(call.shown(view), is_agent=call.is_redacted))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/goals",
        operation="list",
        needs=Need.PRESENCE,
        summary="Goals as rows, sorted by owner and id",
        handle=list_goals,
        query=ListQuery,
        replies=(Reply(description="one page", body=GoalList),),
        agents=AgentAccess.ALWAYS,
    ),
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}",
        operation="status",
        needs=Need.READ,
        summary="One goal, whole",
        handle=show_goal,
        replies=(Reply(description="the goal as it stands now", body=GoalDocument),),
        agents=AgentAccess.OWN_GOAL,
    ),
)
