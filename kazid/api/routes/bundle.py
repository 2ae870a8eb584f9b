"""`bundle`: what the last end that was not converged left for a person."""

import msgspec
from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply, json_response
from kazid.core.bundle import Bundle
from kazid.core.json import Json
from kazid.core.proposal import is_whole
from kazid.core.roles import Need
from kazid.wire.messages import BundleReply


async def bundle(call: Call) -> Response:
    """The bundle as it was journalled with the end."""
    view = call.service.view(call.owner, call.goal_id)
    left = view.progress.bundle
    content = None if left is None else _told(left)
    return json_response(BundleReply(ref=f"{view.goal.owner}/{view.goal.id}", bundle=content))


def _told(left: Bundle) -> dict[str, Json]:
    """All of it; of a proposal, whether it says what was sealed."""
    told: dict[str, Json] = msgspec.to_builtins(left)
    if left.proposal is not None:
        told["is_whole"] = is_whole(left.proposal)
    return told


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}/bundle",
        operation="bundle",
        needs=Need.EVIDENCE,
        summary="What the last end that was not converged left: evidence, attempts, cost, what to do next",
        handle=bundle,
        replies=(Reply(description="the bundle, or null", body=BundleReply),),
        agents=AgentAccess.NEVER,
    ),
)
