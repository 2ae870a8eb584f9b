"""The application: who may come in, which row of the table answers, and how errors are said.

Each request passes the gate (peer.py), finds its row (table.py), and is answered by the row's handler or by a problem
document. Nothing here knows what a goal is.
"""

from collections.abc import Mapping

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kazid.api.accounts import Logins
from kazid.api.connection import PEERCRED
from kazid.api.context import ApiContext
from kazid.api.endpoint import BODY_BYTES_MAX, AgentAccess, Call, Endpoint
from kazid.api.leftover import LeftoverBody
from kazid.api.openapi import openapi_document
from kazid.api.peer import Gate, Peer, is_here, login_of
from kazid.api.problem import Refusal, denied, internal_error, problem_of, problem_response
from kazid.api.table import ENDPOINTS, by_path
from kazid.core.errors import KazidError
from kazid.core.roles import Need, Target
from kazid.runtime.callers import Standing
from kazid.runtime.service import Service
from kazid.runtime.views import Caller

__all__ = ["ApiContext", "build_app"]

_CALLER = "kazid.caller"
_PEER = "kazid.peer"


def build_app(context: ApiContext) -> Starlette:
    """The API as an ASGI application, to be served by `kazid.api.server`."""
    logins = Logins(login_of)
    gate = Gate(mode=context.place_mode, own_uid=context.own_uid, roles=context.roles, login_of=logins.of)
    routes = [
        Route(path, _Path(context, methods), methods=None, include_in_schema=False)
        for path, methods in by_path(ENDPOINTS).items()
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(LeftoverBody, bytes_max=BODY_BYTES_MAX),
            Middleware(_Doorkeeper, gate=gate, service=context.service),
        ],
        exception_handlers={HTTPException: _no_route, Exception: _bug},
    )
    app.router.redirect_slashes = False
    app.state.openapi = msgspec.json.encode(openapi_document(ENDPOINTS, version=context.version))
    return app


class _Doorkeeper:
    """Lets in whom the gate admits, and writes down who it is."""

    def __init__(self, app: ASGIApp, gate: Gate, service: Service) -> None:
        self._app = app
        self._gate = gate
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("extensions", {}).get(PEERCRED)
        try:
            caller = await self._gate.admit(peer, owns_goals=self._owns_goals)
        except Refusal as refusal:
            response = problem_response(refusal.details)
            await response(scope, receive, send)
            return
        scope[_CALLER], scope[_PEER] = caller, peer
        await self._app(scope, receive, send)

    def _owns_goals(self, login: str) -> bool:
        return bool(self._service.views(owner=login, limit=1))


class _Path:
    """All methods of one path."""

    def __init__(self, context: ApiContext, methods: Mapping[str, Endpoint]) -> None:
        self._context = context
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            endpoint = self._endpoint(request)
            response = await endpoint.handle(await self._call(request, endpoint))
        except KazidError as error:
            response = _refused(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    def _endpoint(self, request: Request) -> Endpoint:
        endpoint = self._methods.get(request.method)
        if endpoint is None:
            allowed = ", ".join(sorted(self._methods))
            raise Refusal(
                status=405,
                type="method",
                title="method not allowed",
                detail=f"{request.method} is not possible here; {allowed} is",
                headers={"allow": allowed},
            )
        return endpoint

    async def _call(self, request: Request, endpoint: Endpoint) -> Call:
        caller: Caller = request.scope[_CALLER]
        peer: Peer = request.scope[_PEER]
        standing = await self._context.service.standing_of(peer.pid)
        if not is_here(peer):
            raise denied("the process that connected is gone", hint="ask from one that stays")
        call = Call(request, endpoint=endpoint, context=self._context, caller=caller, standing=standing)
        if not standing.is_owner:
            self._check_access(call, endpoint, standing)
        call.must(endpoint.needs, self._target(call, endpoint))
        call.check_parameters()
        return call

    def _target(self, call: Call, endpoint: Endpoint) -> Target | None:
        """The goal that the path names."""
        if "{owner}" not in endpoint.path:
            return None
        labels = self._context.service.labels(call.owner, call.goal_id)
        if labels is None and endpoint.needs is Need.SUBMIT:
            return None  # one that is not there yet is judged by its file
        return Target(owner=call.owner, labels=labels or {})

    def _check_access(self, call: Call, endpoint: Endpoint, standing: Standing) -> None:
        """An agent is not its owner: it reads its own goal and changes nothing (SEMANTICS §8)."""
        match endpoint.agents:
            case AgentAccess.ALWAYS:
                assert not endpoint.is_mutation, "nobody but an owner changes anything"
                return
            case AgentAccess.OWN_GOAL:
                assert not endpoint.is_mutation, "nobody but an owner changes anything"
                if standing.agent is not None:
                    if self._context.service.names(standing.agent) == (call.owner, call.goal_id):
                        return
                    hint = "an agent reads its own goal only"
                    raise denied("you belong to another goal's attempt", hint=hint)
                if standing.is_check:
                    return
            case AgentAccess.NEVER:
                pass
        if standing.agent is not None:
            hint = "an agent reads its own goal and changes nothing"
            raise denied("you belong to an attempt", hint=hint)
        if standing.is_check:
            raise denied("you belong to a check", hint="a check looks and changes nothing")
        raise denied("it cannot be told whose you are", hint="ask from a session of your own")


def _refused(error: KazidError) -> Response:
    details = problem_of(error)
    if details is None:
        raise error
    return problem_response(details, error.headers if isinstance(error, Refusal) else None)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = error.detail.lower()
    refusal = Refusal(
        status=error.status_code,
        type="no_route" if error.status_code == 404 else "http",
        title=what,
        detail=f"{request.method} {request.scope['path'][:200]}: {what}; GET /openapi.json lists what there is",
    )
    return problem_response(refusal.details, error.headers)


async def _bug(request: Request, error: Exception) -> Response:
    """The reply to what nobody foresaw; the guard in server.py logs it."""
    return problem_response(internal_error())
