"""`explain`: the last vector, the rule that fired, and what holds the goal until when."""

from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply, json_response
from kazid.api.translate import explanation
from kazid.core.roles import Need
from kazid.wire.messages import Explanation


async def explain(call: Call) -> Response:
    """The account of why something, or nothing, happens."""
    view = call.service.view(call.owner, call.goal_id)
    return json_response(explanation(call.shown(view), is_agent=call.is_redacted))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}/explain",
        operation="explain",
        needs=Need.READ,
        summary="What holds a goal, until when, and which rule decided",
        handle=explain,
        replies=(Reply(description="in the words of the code", body=Explanation),),
        agents=AgentAccess.OWN_GOAL,
    ),
)
