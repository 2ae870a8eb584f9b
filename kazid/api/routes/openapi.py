"""`GET /openapi.json`: the API about itself, made once from the route table."""

from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply
from kazid.core.roles import Need
from kazid.wire.names import CONTENT_JSON


async def openapi(call: Call) -> Response:
    """The document that the application made when it was built."""
    return Response(call.request.app.state.openapi, media_type=CONTENT_JSON)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/openapi.json",
        operation="openapi",
        needs=Need.PRESENCE,
        summary="This document",
        handle=openapi,
        replies=(Reply(description="OpenAPI 3.1", schema={"type": "object"}),),
        agents=AgentAccess.ALWAYS,
    ),
)
