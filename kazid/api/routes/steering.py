"""`suspend`, `resume`, `stop`, `delete` and `reconcile`: what a person does to a goal while it runs.

A fence that is not acknowledged yet is 202 with `problem: "suspending"` and the pids that still run (SEMANTICS §6).
"""

from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Reply, json_response
from kazid.api.translate import goal_document
from kazid.core.roles import Need
from kazid.runtime.views import GoalView
from kazid.wire.messages import GoalDocument, ResumeRequest, SuspendRequest


async def suspend(call: Call) -> Response:
    """Stop acting, go on looking."""
    request = await call.body(SuspendRequest)
    view = await call.service.suspend(
        call.owner,
        call.goal_id,
        reason=request.reason,
        for_s=request.for_s,
        caller=call.caller,
        idempotency_key=_key(call),
    )
    return _steered(call, view)


async def resume(call: Call) -> Response:
    """Act again."""
    request = await call.body(ResumeRequest)
    view = await call.service.resume(
        call.owner, call.goal_id, reason=request.reason, caller=call.caller, idempotency_key=_key(call)
    )
    return _steered(call, view)


async def stop(call: Call) -> Response:
    """Neither act nor look; spec and history stay."""
    view = await call.service.stop(call.owner, call.goal_id, caller=call.caller, idempotency_key=_key(call))
    return _steered(call, view)


async def delete(call: Call) -> Response:
    """Stop it and forget the spec."""
    view = await call.service.delete(call.owner, call.goal_id, caller=call.caller, idempotency_key=_key(call))
    return _steered(call, view)


async def reconcile(call: Call) -> Response:
    """Look now."""
    view = await call.service.reconcile(
        call.owner, call.goal_id, caller=call.caller, idempotency_key=_key(call)
    )
    return _steered(call, view)


def _key(call: Call) -> str | None:
    return call.idempotency_key(call.owner, call.goal_id)


def _steered(call: Call, view: GoalView) -> Response:
    return json_response(goal_document(call.shown(view)), status=200 if view.is_acknowledged else 202)


_REPLIES = (
    Reply(description="done, and nothing of an older epoch runs", body=GoalDocument),
    Reply(
        status=202,
        description="recorded, but an executor of an older epoch is not verified gone yet (`suspending`)",
        body=GoalDocument,
    ),
)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/goals/{owner}/{id}/suspend",
        operation="suspend",
        needs=Need.STEER,
        summary="Stop acting; observation goes on",
        handle=suspend,
        body=SuspendRequest,
        replies=_REPLIES,
        errors=(408, 409, 413, 507),
        is_mutation=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/goals/{owner}/{id}/resume",
        operation="resume",
        needs=Need.STEER,
        summary="Act again, with fresh counters where the goal had stopped",
        handle=resume,
        body=ResumeRequest,
        replies=_REPLIES,
        errors=(408, 409, 413, 507),
        is_mutation=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/goals/{owner}/{id}/stop",
        operation="stop",
        needs=Need.STEER,
        summary="End acting and observing; apply revives",
        handle=stop,
        replies=_REPLIES,
        errors=(409, 507),
        is_mutation=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/goals/{owner}/{id}/reconcile",
        operation="reconcile",
        needs=Need.STEER,
        summary="Wake it: look again now",
        handle=reconcile,
        replies=_REPLIES,
        errors=(409, 507),
        is_mutation=True,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/goals/{owner}/{id}",
        operation="delete",
        needs=Need.STEER,
        summary="Stop it and forget its spec; events stay for retention",
        handle=delete,
        replies=_REPLIES,
        errors=(409, 507),
        is_mutation=True,
    ),
)
