"""What is served where `[api] listen` is set: `POST /v1/hooks/{token}`, and nothing else whatever is asked.

Over TCP nobody is known, so nothing is told and nothing but a look can be had. TLS is a proxy's.
"""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kazid.api.endpoint import json_response
from kazid.api.leftover import LeftoverBody
from kazid.api.problem import problem_response
from kazid.api.routes.hooks import no_hook
from kazid.wire.hook_messages import HookAccepted
from kazid.wire.names import HOOKS_PATH

BODY_BYTES_MAX = 64 * 1024
"""What senders of webhooks like to say is thrown away; more than this costs them the connection."""


def build_hook_app(ring: Callable[[str], bool]) -> Starlette:
    """An application with one route."""

    async def answer(request: Request) -> Response:
        if request.method != "POST" or not ring(request.path_params["token"]):
            return problem_response(no_hook().details)
        return json_response(HookAccepted(accepted=True), status=202)

    async def nothing(request: Request, error: Exception) -> Response:
        return problem_response(no_hook().details)

    app = Starlette(
        routes=[Route(f"{HOOKS_PATH}/{{token}}", answer, methods=["POST"], include_in_schema=False)],
        middleware=[Middleware(LeftoverBody, bytes_max=BODY_BYTES_MAX)],
        exception_handlers={404: nothing, 405: nothing},
    )
    app.router.redirect_slashes = False
    return app
