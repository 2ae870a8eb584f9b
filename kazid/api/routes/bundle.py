"""`bundle`: what the last end that was not converged left for a person."""

import msgspec
from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply, json_response
from kazid.core.roles import Need
from kazid.wire.messages import BundleReply


async def bundle(call: Call) -> Response:
    """The bundle as it was journalled with the end."""
    view = call.service.view(call.owner, call.goal_id)
    left = view.progress.bundle
    content = None if left is None else msgspec.to_builtins(left)
    return json_response(BundleReply(ref=f"{view.goal.owner}/{view.goal.id}", bundle=content))


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
