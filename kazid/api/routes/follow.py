"""`apply` follows, `watch`: one goal's progress as lines, the outcome last.

A stream that ends without an `outcome` was cut off (the daemon stops): the client asks again.
"""

from collections.abc import AsyncGenerator

from msgspec.structs import replace
from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply
from kazid.api.streams import StreamResponse, line
from kazid.api.translate import NEXT_ACTION, attempt_item, failing, goal_document, ladder_item
from kazid.api.withheld_view import withheld_view
from kazid.core.roles import Need
from kazid.runtime.views import FollowStep, GoalView
from kazid.wire.messages import FollowItem
from kazid.wire.names import CONTENT_LINES


async def follow(call: Call) -> Response:
    """The goal's steps as they come."""
    view = call.service.view(call.owner, call.goal_id)
    return StreamResponse(_lines(call, view), media_type=CONTENT_LINES, stopping=call.service.stopping)


async def _lines(call: Call, first: GoalView) -> AsyncGenerator[bytes, None]:
    is_agent = call.is_redacted
    first = withheld_view(first) if is_agent else call.shown(first)
    for notice in first.notices:
        yield line(FollowItem(event="notice", goal_id=first.goal.id, text=notice, at=first.now.wall_s))
    async for step in call.service.follow(first.goal.owner, first.goal.id):
        if step.kind != "interrupted":
            shown = call.shown(step.view)
            text = step.text if shown is step.view else ""
            yield line(_item(replace(step, view=shown, text=text), is_agent=is_agent))


def _item(step: FollowStep, *, is_agent: bool) -> FollowItem:
    view = withheld_view(step.view) if is_agent else step.view
    goal_id, at = view.goal.id, view.now.wall_s
    if step.kind == "heartbeat":
        return FollowItem(event="heartbeat", goal_id=goal_id, at=at)
    episode = view.progress.episode or view.progress.last_episode
    is_outcome = step.kind == "outcome"
    last = episode.acts[-1] if step.kind == "iteration" and episode is not None and episode.acts else None
    return FollowItem(
        event=step.kind,
        goal_id=goal_id,
        iteration=0 if episode is None else episode.iterations,
        status=view.status.value,
        failing=failing(view),
        next_action=NEXT_ACTION[view.status],
        text=None if is_agent else step.text or None,
        at=at,
        attempt=None if last is None else attempt_item(last),
        ladder=None if last is None else ladder_item(view),
        document=goal_document(view) if is_outcome else None,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}/follow",
        operation="follow",
        needs=Need.READ,
        summary="A goal's progress as lines; the last is its outcome",
        handle=follow,
        replies=(
            Reply(
                description="one JSON object a line; a heartbeat at least every 15 s",
                body=FollowItem,
                media_type=CONTENT_LINES,
            ),
        ),
        agents=AgentAccess.OWN_GOAL,
    ),
)
