"""`ack`: whoever was told of a goal that stopped says that they have it, so that nobody else is."""

from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Reply, json_response
from kazid.api.problem import Refusal
from kazid.api.translate import goal_document
from kazid.core.notice import ACKNOWLEDGEABLE
from kazid.core.roles import Need
from kazid.wire.messages import AckRequest, GoalDocument


async def acknowledge(call: Call) -> Response:
    """No reminder and no escalation until it holds again."""
    request = await call.body(AckRequest)
    view = call.service.view(call.owner, call.goal_id)
    if view.status not in ACKNOWLEDGEABLE and not view.progress.lowered:
        raise Refusal(
            status=409,
            type="conflict",
            title="nothing to acknowledge",
            detail=f"{call.owner}/{call.goal_id} is {view.status.value}: nobody was told of it",
        )
    await call.context.acknowledge(
        call.owner,
        call.goal_id,
        reason=request.reason,
        caller=call.caller,
        idempotency_key=call.idempotency_key(call.owner, call.goal_id),
    )
    return json_response(goal_document(call.shown(call.service.view(call.owner, call.goal_id))))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/goals/{owner}/{id}/ack",
        operation="ack",
        needs=Need.STEER,
        summary="Somebody has what it stopped for: no reminder, no escalation",
        handle=acknowledge,
        body=AckRequest,
        replies=(Reply(description="recorded", body=GoalDocument),),
        errors=(408, 409, 413, 507),
        is_mutation=True,
    ),
)
