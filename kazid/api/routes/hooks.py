"""Hooks: `POST /v1/hooks/{token}` has a predicate looked at; its owner reads the token back, one at a time.

The reply to a token says nothing of the goal. A token is in no list, no log and no event.
"""

from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Query, Reply, json_response
from kazid.api.problem import Refusal, bad_request
from kazid.core.roles import Need
from kazid.ports.watcher import WatchKey
from kazid.wire.hook_messages import HookAccepted, HookDocument
from kazid.wire.names import HOOKS_PATH


class HookQuery(Query, frozen=True, kw_only=True):
    """`predicate`: which one's, where the goal has several hooks."""

    predicate: str | None = None


async def ring(call: Call) -> Response:
    """Look soon; what comes with it is not read."""
    if not call.context.hooks.ring(call.request.path_params["token"]):
        raise no_hook()
    return json_response(HookAccepted(accepted=True), status=202)


async def read(call: Call) -> Response:
    """The token of one hook, for the goal's owner."""
    view = call.service.view(call.owner, call.goal_id)
    hooked = [p.id for p in view.goal.predicates if p.wake is not None and p.wake.hook]
    asked = call.query(HookQuery).predicate
    if not hooked:
        raise _no_hook_of("no predicate of this goal has a hook; wake = {hook = true} gives it one")
    if asked is None and len(hooked) > 1:
        raise bad_request(f"the goal has several hooks; say which predicate's: {', '.join(hooked)}")
    if asked is not None and asked not in hooked:
        raise _no_hook_of(f"predicate {asked} has no hook; {', '.join(hooked)} have one")
    predicate_id = hooked[0] if asked is None else next(p for p in hooked if p == asked)
    token = call.context.hooks.token(WatchKey(view.uid, predicate_id))
    document = HookDocument(
        goal_id=view.goal.id,
        owner=view.goal.owner,
        ref=f"{view.goal.owner}/{view.goal.id}",
        predicate=predicate_id,
        token=token,
        path=f"{HOOKS_PATH}/{token}",
        socket=call.context.socket,
        listen=call.context.listen or None,
    )
    return json_response(document, headers={"cache-control": "no-store"})


def no_hook() -> Refusal:
    """404, whatever was wrong with the token, and without it."""
    return _no_hook_of(
        "no hook answers to this token: misspelt, or its goal ended, was deleted, or has it no more"
    )


def _no_hook_of(detail: str) -> Refusal:
    return Refusal(status=404, type="no_hook", title="no such hook", detail=detail)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path=f"{HOOKS_PATH}/{{token}}",
        operation="ring",
        summary="Have the predicate of this hook looked at; the body is not read",
        needs=Need.PRESENCE,
        handle=ring,
        replies=(Reply(status=202, description="it is looked at soon", body=HookAccepted),),
        errors=(404,),
        is_mutation=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}/hook",
        operation="hook",
        summary="The token of one predicate's hook; never to an agent, and never several at once",
        needs=Need.EVIDENCE,
        handle=read,
        query=HookQuery,
        replies=(Reply(description="for the owner alone", body=HookDocument),),
    ),
)
