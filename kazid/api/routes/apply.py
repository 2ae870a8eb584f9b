"""`apply` and `apply --check`: submit a goal-file, or look once at what it claims."""

from starlette.responses import Response

from kazid.api.absent_agents import absent_agents
from kazid.api.admitting import admit, circumstances
from kazid.api.endpoint import Call, Endpoint, Reply, json_response
from kazid.api.problem import Refusal
from kazid.api.streams import while_connected
from kazid.api.submission import load_to_check, load_to_drive, notices_of
from kazid.api.translate import goal_document
from kazid.core.admission import Change
from kazid.core.goal import Goal
from kazid.core.roles import Need, Target
from kazid.core.status import GoalStatus
from kazid.goalfile.load import Loaded
from kazid.runtime.views import Applied
from kazid.wire import exit_codes
from kazid.wire.messages import ApplyRequest, GoalDocument
from kazid.wire.names import API_PREFIX, encode_id

HELD = "held"
"""The problem of a document whose goal waits for people before it is what was submitted."""
_ERRORS = (409, 413, 408, 422, 507)


async def apply(call: Call) -> Response:
    """The goal as it stands after being submitted under the id in its file."""
    loaded = await load_to_drive(call, await call.body(ApplyRequest))
    return await _submit(call, loaded)


async def put(call: Call) -> Response:
    """The same, for a client that names the goal: owner and id of path and file must agree."""
    if call.owner != call.caller.login:
        detail = f"a goal belongs to who submits it: you are {call.caller.login}, the path says {call.owner}"
        raise Refusal(status=403, type="denied", title="not allowed", detail=detail)
    loaded = await load_to_drive(call, await call.body(ApplyRequest))
    if loaded.goal.id != call.goal_id:
        detail = f'the path says "{call.goal_id}" and the goal-file says "{loaded.goal.id}"'
        raise Refusal(status=400, type="mismatch", title="two ids", detail=detail)
    return await _submit(call, loaded)


async def check(call: Call) -> Response:
    """Every predicate looked at once; nothing is stored and nothing acts."""
    loaded = await load_to_check(call, await call.body(ApplyRequest))
    call.must(Need.SUBMIT, Target(owner=loaded.goal.owner, labels=loaded.goal.labels))
    applied = await while_connected(call.request.receive, lambda: call.service.check(loaded.goal))
    is_green = applied.view.status is GoalStatus.CONVERGED
    document = goal_document(
        applied.view,
        applied=applied.outcome,
        notices=notices_of(loaded),
        exit_code=exit_codes.OK if is_green else exit_codes.ERROR,
    )
    return json_response(document)


async def _submit(call: Call, loaded: Loaded) -> Response:
    goal = loaded.goal
    _check_roles(call, goal)
    await admit(call, goal)
    key = call.idempotency_key(goal.owner, goal.id)
    applied = await call.service.apply(
        goal, caller=call.caller, idempotency_key=key, circumstances=circumstances(call)
    )
    is_held = applied.outcome == Change.HELD.value
    absent = await absent_agents(call, goal if is_held else applied.view.goal, submitted=goal)
    document = goal_document(
        applied.view,
        applied=applied.outcome,
        notices=[*notices_of(loaded), *absent],
        problem=HELD if is_held else None,
        exit_code=exit_codes.WAITING if is_held else None,
    )
    location = f"{API_PREFIX}/goals/{encode_id(goal.owner)}/{encode_id(goal.id)}"
    return json_response(document, status=_status(applied), headers={"location": location})


def _check_roles(call: Call, goal: Goal) -> None:
    """Whoever submits needs the role for the goal as its file says, and as it stands. Raises Refusal (403)."""
    call.must(Need.SUBMIT, Target(owner=goal.owner, labels=goal.labels))
    labels = call.service.labels(goal.owner, goal.id)
    if labels is not None:
        call.must(Need.SUBMIT, Target(owner=goal.owner, labels=labels))


def _status(applied: Applied) -> int:
    if applied.outcome == Change.HELD.value or not applied.view.is_acknowledged:
        return 202
    return 201 if applied.outcome == Change.CREATED.value else 200


_HEADERS = {"Location": "the goal's path"}
_REPLIES = (
    Reply(
        description="attached, updated, revived or reopened: `applied` says which",
        body=GoalDocument,
        headers=_HEADERS,
    ),
    Reply(status=201, description="created", body=GoalDocument, headers=_HEADERS),
    Reply(
        status=202,
        description="stored, but an executor of the older generation is not verified gone yet (`suspending`); "
        "or looser than what is in force, and held until people said yes (`held`)",
        body=GoalDocument,
        headers=_HEADERS,
    ),
)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/goals",
        operation="apply",
        needs=Need.SUBMIT,
        summary="Submit a goal-file; the id in it names the goal",
        handle=apply,
        body=ApplyRequest,
        replies=_REPLIES,
        errors=_ERRORS,
        is_mutation=True,
    ),
    Endpoint(
        method="PUT",
        path="/v1/goals/{owner}/{id}",
        operation="put_goal",
        needs=Need.SUBMIT,
        summary="Submit a goal-file for this goal; the same file again only attaches",
        handle=put,
        body=ApplyRequest,
        replies=_REPLIES,
        errors=_ERRORS,
        is_mutation=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/check",
        operation="check",
        needs=Need.SUBMIT,
        summary="Look at every predicate once; store nothing, act never",
        handle=check,
        body=ApplyRequest,
        replies=(Reply(description="what was seen; exit_code 0 when all pass, else 1", body=GoalDocument),),
        errors=_ERRORS,
    ),
)
