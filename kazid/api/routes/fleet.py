"""`freeze` and `thaw`: what a person does to all goals at once. Not acknowledged yet is 202 and `suspending`."""

from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Reply, json_response
from kazid.core.roles import Need
from kazid.runtime.freezing import FleetView
from kazid.wire import exit_codes
from kazid.wire.messages import FleetReply, FreezeRequest, ThawRequest

SUSPENDING_MAX = 100
"""Goals named in a reply; the rest are counted by `kazictl list`."""


async def freeze(call: Call) -> Response:
    """Stop acting everywhere, go on looking."""
    request = await call.body(FreezeRequest)
    view = await call.service.freezing.freeze(
        reason=request.reason,
        for_s=request.for_s,
        caller=call.caller,
        idempotency_key=call.idempotency_key(),
    )
    return _told(view)


async def thaw(call: Call) -> Response:
    """Act again, but for what is suspended by itself."""
    request = await call.body(ThawRequest)
    view = await call.service.freezing.thaw(
        reason=request.reason, caller=call.caller, idempotency_key=call.idempotency_key()
    )
    return _told(view)


def _told(view: FleetView) -> Response:
    frozen = view.frozen
    is_done = not view.unsettled
    reply = FleetReply(
        frozen=frozen is not None,
        reason=None if frozen is None else frozen.reason,
        until=None if frozen is None else frozen.until_wall_s,
        goals=view.goals,
        suspending=view.unsettled[:SUSPENDING_MAX],
        pids=view.pids,
        was_frozen=view.was_frozen,
        problem=None if is_done else "suspending",
        exit_code=exit_codes.OK if is_done else exit_codes.UNDER_WAY,
    )
    return json_response(reply, status=200 if is_done else 202)


_REPLIES = (
    Reply(description="done, and no executor of an older epoch runs", body=FleetReply),
    Reply(
        status=202,
        description="recorded, but executors of older epochs are not verified gone yet (`suspending`)",
        body=FleetReply,
    ),
)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/freeze",
        operation="freeze",
        needs=Need.FLEET,
        summary="Stop acting on every goal; observation goes on",
        handle=freeze,
        body=FreezeRequest,
        replies=_REPLIES,
        errors=(408, 413, 507),
        is_mutation=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/thaw",
        operation="thaw",
        needs=Need.FLEET,
        summary="End the freeze; goals suspended by themselves stay so",
        handle=thaw,
        body=ThawRequest,
        replies=_REPLIES,
        errors=(408, 413, 507),
        is_mutation=True,
    ),
)
