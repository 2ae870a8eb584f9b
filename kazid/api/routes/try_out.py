"""`try`: look at the predicates of a goal-file once, and tell what came of it, raw answers included.

Nothing is stored and nothing acts. Looks run as whom the daemon runs, so nobody else may ask for them: what a caller
could not run, a caller does not run here.
"""

import difflib
from collections.abc import Sequence

from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Reply, json_response
from kazid.api.problem import Refusal
from kazid.api.streams import while_connected
from kazid.api.submission import load_submitted, load_to_check
from kazid.api.translate import finding_item
from kazid.core.goal import Goal, Predicate
from kazid.core.roles import Need
from kazid.runtime.try_out import Tried
from kazid.wire import exit_codes
from kazid.wire.messages import AnswerItem, TriedItem, TryReport, TryRequest


async def try_out(call: Call) -> Response:
    """The verdicts of one look, each with evidence, time and the raw answers."""
    request = await call.body(TryRequest)
    if call.caller.uid != call.context.own_uid:
        detail = "looks run as whom the daemon runs, and that is not you: run a daemon of your own, or ask as its user"
        raise Refusal(status=403, type="denied", title="not allowed", detail=detail)
    if request.predicate is None:
        goal = (await load_to_check(call, request)).goal
    else:
        goal = (await load_submitted(call, request)).goal
    predicates = _named(goal, request.predicate)
    tried = await while_connected(call.request.receive, lambda: call.context.try_out(goal, predicates))
    is_green = all(each.holds for each in tried)
    return json_response(
        TryReport(
            goal_id=goal.id,
            predicates=[_item(each) for each in tried],
            exit_code=exit_codes.OK if is_green else exit_codes.ERROR,
        )
    )


def _named(goal: Goal, name: str | None) -> Sequence[Predicate]:
    if name is None:
        return goal.predicates
    found = [p for p in goal.predicates if p.id == name]
    if not found:
        known = [p.id for p in goal.predicates]
        close = difflib.get_close_matches(name[:64], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known[:20])}"
        raise Refusal(
            status=404,
            type="unknown_predicate",
            title="no such predicate",
            detail=f"no predicate {name[:64]!r}; {hint}",
        )
    return found


def _item(tried: Tried) -> TriedItem:
    verdict, observed = tried.observed.verdict, tried.observed
    return TriedItem(
        id=tried.predicate.id,
        provider=tried.predicate.provider,
        verdict=verdict.status.value,
        live=tried.predicate.live,
        duration_ms=round((observed.ended_s - observed.started_s) * 1000),
        reason=verdict.reason,
        detail=verdict.detail,
        score=verdict.score,
        direction=None if verdict.direction is None else verdict.direction.value,
        evidence=verdict.evidence or None,
        findings=tuple(finding_item(f) for f in verdict.findings),
        waived=tried.is_waived,
        kind=tried.predicate.kind,
        answers=[AnswerItem(what=a.what, said=a.said) for a in tried.answers],
        answers_total=tried.answers_total,
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/try",
        operation="try",
        needs=Need.SUBMIT,
        summary="Look at predicates once, raw answers included; store nothing, act never",
        handle=try_out,
        body=TryRequest,
        replies=(
            Reply(
                description="what was seen; exit_code 0 when all pass or are waived, else 1", body=TryReport
            ),
        ),
        errors=(404, 408, 413, 422),
    ),
)
