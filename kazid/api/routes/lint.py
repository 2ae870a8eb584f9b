"""`lint`: judge a goal-file without submitting it.

Every outcome is an ordinary answer, with an exit code: 0 clean, 1 doubtful, 2 does not load.
"""

from msgspec.structs import replace
from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Reply, json_response
from kazid.api.problem import problem_items
from kazid.api.submission import load_submitted, unapprovable
from kazid.api.trials import tried
from kazid.core.errors import GoalFileError
from kazid.core.roles import Need
from kazid.goalfile.load import Loaded
from kazid.wire import exit_codes
from kazid.wire.messages import LintFindingItem, LintReport, LintRequest

NOT_BUILT = "not-built"
FOUR_EYES = "four-eyes"


async def lint(call: Call) -> Response:
    """What keeps the file from loading, and what is doubtful though it loads."""
    request = await call.body(LintRequest)
    try:
        loaded = await load_submitted(call, request)
    except GoalFileError as error:
        problems = problem_items(error.problems)
        return json_response(
            LintReport(goal_id=None, problems=problems, findings=(), notices=(), exit_code=exit_codes.USAGE)
        )
    trials, context = call.context.trials, call.context
    if trials is not None and not request.no_run and call.caller.uid == context.own_uid:
        doubts = await tried(loaded, trials)
        loaded = replace(loaded, findings=(*loaded.findings, *doubts))
    findings = [*_findings(loaded), *_unapprovable(call, loaded)]
    return json_response(
        LintReport(
            goal_id=loaded.goal.id,
            problems=(),
            findings=findings,
            notices=loaded.notices,
            exit_code=exit_codes.ERROR if findings else exit_codes.OK,
        )
    )


def _findings(loaded: Loaded) -> list[LintFindingItem]:
    """The linter's doubts, and what `apply` would refuse."""
    findings = [
        LintFindingItem(predicate=f.predicate, code=f.code, severity=f.severity, why=f.why, line=f.line)
        for f in loaded.findings
    ]
    return findings + [
        LintFindingItem(
            predicate=None,
            code=NOT_BUILT,
            severity="refuse",
            why=p.message,
            line=p.line,
        )
        for p in loaded.unbuilt
    ]


def _unapprovable(call: Call, loaded: Loaded) -> list[LintFindingItem]:
    """Approvals that nobody here can ever give: `apply` refuses them, too."""
    return [
        LintFindingItem(predicate=None, code=FOUR_EYES, severity="refuse", why=problem.message, line=None)
        for problem in unapprovable(call, loaded.goal)
    ]


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/lint",
        operation="lint",
        needs=Need.SUBMIT,
        summary="Judge a goal-file; nothing is stored, and only harmless checks are tried, in a copy",
        handle=lint,
        body=LintRequest,
        replies=(Reply(description="problems and findings, each possibly empty", body=LintReport),),
        errors=(408, 413),
    ),
)
