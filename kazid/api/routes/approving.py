"""`approvals`, `approve` and `reject`: what waits for a person's yes, and the yes or no to exactly one plan.

No agent and no check gets here, and what the daemon itself runs as counts for nobody: the rule is `core/approval.py`'s.
"""

from starlette.responses import Response

from kazid.api.admitting import admit_held
from kazid.api.context import MODE_SYSTEM
from kazid.api.endpoint import Call, Endpoint, Reply, json_response
from kazid.api.problem import Refusal
from kazid.api.translate import goal_document
from kazid.core.approval import Refused
from kazid.core.roles import Need
from kazid.runtime.approving import Pending
from kazid.wire.approval_messages import ApprovalItem, ApprovalList, ApproveRequest, PlanItem, RejectRequest
from kazid.wire.messages import GoalDocument, ResumeRequest

TITLES = {
    "approval_stale": "no such request stands",
    "four_eyes": "somebody else has to",
    "denied": "not allowed",
    "conflict": "nothing to decide",
}
DENIALS = ("four_eyes", "denied")


async def show_approvals(call: Call) -> Response:
    """Every request of the goals that the caller may read."""
    found = [_item(pending) for pending in call.context.approving.pending(call.sees)]
    return json_response(ApprovalList(approvals=found))


async def approve(call: Call) -> Response:
    """A yes. The act still starts from a fresh look, and from nothing if what is red changed."""
    request = await call.body(ApproveRequest)
    await admit_held(call, request.plan)
    refused = await call.context.approving.approve(
        call.owner,
        call.goal_id,
        plan=request.plan,
        caller=call.caller,
        idempotency_key=call.idempotency_key(call.owner, call.goal_id),
    )
    return _answered(call, refused)


async def reject(call: Call) -> Response:
    """A no: the goal ends its waiting, `stuck: rejected`."""
    request = await call.body(RejectRequest)
    refused = await call.context.approving.reject(
        call.owner,
        call.goal_id,
        plan=request.plan or "",
        reason=request.reason,
        caller=call.caller,
        idempotency_key=call.idempotency_key(call.owner, call.goal_id),
    )
    return _answered(call, refused)


async def restore(call: Call) -> Response:
    """A goal that was lowered for what its agent did acts at its own level again."""
    request = await call.body(ResumeRequest)
    refused = await call.context.approving.restore(
        call.owner,
        call.goal_id,
        reason=request.reason,
        caller=call.caller,
        is_one_uid=call.context.place_mode != MODE_SYSTEM,
        idempotency_key=call.idempotency_key(call.owner, call.goal_id),
    )
    return _answered(call, refused)


def _answered(call: Call, refused: Refused | None) -> Response:
    if refused is not None:
        status = 403 if refused.type in DENIALS else 409
        raise Refusal(status=status, type=refused.type, title=TITLES[refused.type], detail=refused.reason)
    return json_response(goal_document(call.shown(call.service.view(call.owner, call.goal_id))))


def _item(pending: Pending) -> ApprovalItem:
    asked, plan = pending.asked, pending.asked.plan
    return ApprovalItem(
        ref=f"{pending.owner}/{pending.goal_id}",
        owner=pending.owner,
        goal_id=pending.goal_id,
        plan_sha256=asked.sha256,
        since=asked.since_wall_s,
        given=[yes.by for yes in asked.given],
        is_met=pending.is_met,
        loosened=pending.loosened,
        plan=PlanItem(
            gate=plan.gate.value,
            act=plan.act,
            title=plan.title,
            predicates=pending.predicates,
            evidence=plan.evidence,
            trees=plan.trees,
            argv=plan.argv,
            env_names=plan.env_names,
            harness=plan.harness,
            model=plan.model,
            effort=plan.effort,
            workspace=plan.workspace,
            spec_sha256=plan.spec_sha256,
            generation=plan.generation,
            epoch=plan.epoch,
            episode=plan.episode,
            attempt=plan.attempt,
            executor_uid=plan.executor_uid,
            roles=[role.value for role in plan.roles],
            count=plan.count,
            until=plan.until_wall_s,
        ),
    )


_ERRORS = (408, 409, 413, 507)
ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/approvals",
        operation="approvals",
        needs=Need.PRESENCE,
        summary="What waits for a person's yes, with the plan and its hash",
        handle=show_approvals,
        replies=(
            Reply(
                description="each request, those of other gates of the same act included", body=ApprovalList
            ),
        ),
    ),
    Endpoint(
        method="POST",
        path="/v1/goals/{owner}/{id}/approve",
        operation="approve",
        needs=Need.APPROVE,
        summary="Say yes to exactly this plan; never the submitter, the executor's user or an agent",
        handle=approve,
        body=ApproveRequest,
        replies=(Reply(description="recorded", body=GoalDocument),),
        errors=_ERRORS,
        is_mutation=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/goals/{owner}/{id}/reject",
        operation="reject",
        needs=Need.APPROVE,
        summary="Say no: the goal stops waiting and ends as rejected",
        handle=reject,
        body=RejectRequest,
        replies=(Reply(description="recorded", body=GoalDocument),),
        errors=_ERRORS,
        is_mutation=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/goals/{owner}/{id}/restore",
        operation="restore",
        needs=Need.APPROVE,
        summary="Let a goal that was lowered for what its agent did act at its own level again",
        handle=restore,
        body=ResumeRequest,
        replies=(Reply(description="recorded", body=GoalDocument),),
        errors=_ERRORS,
        is_mutation=True,
    ),
)
