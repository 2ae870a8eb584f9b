"""`wait`: answer when a goal is in a state, cannot come to it without a person, or the time is over.

A timeout is an ordinary answer with `problem: "timeout"` and exit code 124. At shutdown it comes early, and the client
asks again. A client that leaves ends the wait.
"""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from kazid.api.endpoint import AgentAccess, Call, Endpoint, Query, Reply, json_response
from kazid.api.streams import while_connected
from kazid.api.translate import goal_document
from kazid.core.errors import UnknownGoal
from kazid.core.roles import Need
from kazid.core.status import GoalStatus
from kazid.wire import exit_codes
from kazid.wire.messages import GoalDocument

TIMEOUT_S_MAX = 3600.0
TIMEOUT_S_DEFAULT = 60.0


class WaitQuery(Query, frozen=True, kw_only=True):
    """What to wait for, and how long."""

    for_: GoalStatus = msgspec.field(name="for", default=GoalStatus.CONVERGED)
    timeout_s: Annotated[float, Meta(ge=0, le=TIMEOUT_S_MAX)] = TIMEOUT_S_DEFAULT


async def wait(call: Call) -> Response:
    """The goal at the end of the wait."""
    query = call.query(WaitQuery)
    owner, goal_id = call.owner, call.goal_id
    waited = await while_connected(
        call.request.receive,
        lambda: call.service.wait(owner, goal_id, state=query.for_, timeout_s=query.timeout_s),
    )
    if waited.view is None:
        raise UnknownGoal(f"{owner}/{goal_id}")
    problem, exit_code = None, None
    match waited.outcome:
        case "reached":
            exit_code = exit_codes.OK
        case "timeout":
            problem, exit_code = "timeout", exit_codes.TIMED_OUT
        case "gone" | "unreachable":
            problem = waited.outcome
        case _:
            raise AssertionError(f"no such end of a wait: {waited.outcome}")
    document = goal_document(
        call.shown(waited.view), problem=problem, exit_code=exit_code, is_agent=call.is_redacted
    )
    return json_response(document)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/goals/{owner}/{id}/wait",
        operation="wait",
        needs=Need.READ,
        summary="Wait for a status; converged and holding satisfy each other",
        handle=wait,
        query=WaitQuery,
        replies=(
            Reply(
                description="exit_code 0 reached, 124 with problem `timeout`, else the goal's own with problem"
                " `unreachable` (not without a person) or `gone` (deleted)",
                body=GoalDocument,
            ),
        ),
        agents=AgentAccess.OWN_GOAL,
    ),
)
