"""`info`, `restart` and the health check: the daemon about itself."""

import os

from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply, json_response
from kazid.core.roles import Need
from kazid.wire.messages import Acknowledged, HealthReply, Info, RestartRequest


async def info(call: Call) -> Response:
    """Which daemon this is, where it lives and how it does."""
    context, state = call.context, call.service.state()
    frozen = call.service.freezing.frozen
    return json_response(
        Info(
            version=context.version,
            pid=os.getpid(),
            mode=context.place_mode,
            socket=context.socket,
            state_dir=context.state_dir,
            started_at=state.started.wall_s,
            goals=state.by_status,
            degraded=state.degraded,
            settings_file=context.settings_file(),
            frozen=None if frozen is None else frozen.reason,
            incident=state.incident,
        )
    )


async def restart(call: Call) -> Response:
    """Replace the process; the answer comes before it goes."""
    request = await call.body(RestartRequest)
    await call.service.request_restart(request.reason or f"asked for by {call.caller.login}")
    return json_response(Acknowledged(message="restarting; running attempts go on"), status=202)


async def health(call: Call) -> Response:
    """Alive, and whether anything may act."""
    degraded = call.service.state().degraded
    return json_response(HealthReply(status="ok" if degraded is None else "degraded", degraded=degraded))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/info",
        operation="info",
        needs=Need.PRESENCE,
        summary="The daemon: version, socket, state folder, goals by status",
        handle=info,
        replies=(Reply(description="the daemon", body=Info),),
        agents=AgentAccess.ALWAYS,
    ),
    Endpoint(
        method="POST",
        path="/v1/restart",
        operation="restart",
        summary="Replace the daemon's process; running attempts go on",
        handle=restart,
        body=RestartRequest,
        replies=(Reply(status=202, description="it will go down and come back", body=Acknowledged),),
        errors=(408, 413),
        is_mutation=True,
    ),
    Endpoint(
        method="GET",
        path="/healthz",
        operation="health",
        needs=Need.PRESENCE,
        summary="Is it alive, and may anything act",
        handle=health,
        replies=(Reply(description="`ok` or `degraded`", body=HealthReply),),
        agents=AgentAccess.ALWAYS,
    ),
)
