"""`schema`: what a goal-file may hold, and the keys of one predicate kind, as JSON Schema."""

import difflib

from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Reply, json_response
from kazid.api.problem import Refusal
from kazid.core.roles import Need
from kazid.goalfile.schema import goal_file_schema, kind_schema

_SCHEMA = {"type": "object", "description": "a JSON Schema (2020-12)"}


async def schema(call: Call) -> Response:
    """The whole goal-file."""
    return json_response(goal_file_schema(call.context.catalog))


async def schema_of_kind(call: Call) -> Response:
    """One predicate kind."""
    name: str = call.request.path_params["kind"]
    kinds = call.context.catalog.kinds()
    if name not in kinds:
        close = difflib.get_close_matches(name[:64], list(kinds), n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(sorted(kinds))}"
        raise Refusal(
            status=404,
            type="unknown_kind",
            title="no such predicate kind",
            detail=f"no kind {name[:64]!r}; {hint}",
        )
    return json_response(kind_schema(kinds[name]))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/schema",
        operation="schema",
        needs=Need.PRESENCE,
        summary="A goal-file as JSON Schema",
        handle=schema,
        replies=(Reply(description="the schema", schema=_SCHEMA),),
        agents=AgentAccess.ALWAYS,
    ),
    Endpoint(
        method="GET",
        path="/v1/schema/{kind}",
        operation="schema_of_kind",
        needs=Need.PRESENCE,
        summary="One predicate kind's keys as JSON Schema",
        handle=schema_of_kind,
        replies=(Reply(description="the schema", schema=_SCHEMA),),
        agents=AgentAccess.ALWAYS,
    ),
)
