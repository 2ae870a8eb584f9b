"""What went wrong, as application/problem+json (RFC 9457): one place from an error to its status and its words.

The `type` is a short word that clients may match on; `problems` lists every problem, never just the first.
"""

from collections.abc import Mapping, Sequence

import msgspec
from starlette.responses import Response

from kazid.core.errors import (
    AdmissionRefused,
    Conflict,
    GoalFileError,
    JournalUnavailable,
    KazidError,
    LeaseHeld,
    Problem,
    UnknownAttempt,
    UnknownGoal,
)
from kazid.wire.messages import ProblemDetails, ProblemItem
from kazid.wire.names import CONTENT_PROBLEM


class Refusal(KazidError):
    """A request that is answered with a problem of its own; the caller's to mend, as its detail says."""

    def __init__(
        self,
        *,
        status: int,
        type: str,  # noqa: A002 - the field's name in RFC 9457
        title: str,
        detail: str,
        problems: Sequence[ProblemItem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.details = ProblemDetails(type=type, title=title, status=status, detail=detail, problems=problems)
        self.headers = dict(headers or {})
        super().__init__(detail)


def bad_request(detail: str, problems: Sequence[ProblemItem] = ()) -> Refusal:
    """400: the request itself is malformed."""
    return Refusal(
        status=400, type="bad_request", title="malformed request", detail=detail, problems=problems
    )


def denied(detail: str, *, hint: str) -> Refusal:
    """A 403 that says what is missing."""
    return Refusal(status=403, type="denied", title="not allowed", detail=f"{detail}; {hint}")


def problem_of(error: KazidError) -> ProblemDetails | None:
    """How an expected error is answered; None for one that is nobody's doing but ours."""
    match error:
        case Refusal():
            return error.details
        case GoalFileError():
            return _details(422, "goal_file", "the goal-file does not load", str(error), error.problems)
        case AdmissionRefused():
            return _details(409, "refused", "the goal is refused", str(error), error.problems)
        case UnknownGoal():
            return _details(
                404, "unknown_goal", "no such goal", f"{error.ref}; kazictl list shows what there is"
            )
        case UnknownAttempt():
            detail = f"{error}; kazictl status {error.ref} lists them"
            return _details(404, "unknown_attempt", "no such attempt", detail)
        case Conflict() | LeaseHeld():
            return _details(409, "conflict", "somebody else was first", f"{error}; look again and retry")
        case JournalUnavailable():
            detail = f"nothing was stored, and nothing acts until the disk takes writes again: {error}"
            return _details(507, "degraded", "the daemon cannot store anything", detail)
        case _:
            return None


def internal_error() -> ProblemDetails:
    """500: a bug. What happened is in the log, not in the reply."""
    return _details(500, "internal", "internal error", "a bug in kazid; its log has the traceback")


def problem_response(details: ProblemDetails, headers: Mapping[str, str] | None = None) -> Response:
    """The reply that carries a problem."""
    return Response(
        msgspec.json.encode(details), status_code=details.status, headers=headers, media_type=CONTENT_PROBLEM
    )


def problem_items(problems: Sequence[Problem]) -> list[ProblemItem]:
    """Problems of a goal-file as wire items."""
    return [ProblemItem(message=p.message, line=p.line, key=p.key, hint=p.hint) for p in problems]


def _details(
    status: int,
    type: str,  # noqa: A002 - the field's name in RFC 9457
    title: str,
    detail: str,
    problems: Sequence[Problem] = (),
) -> ProblemDetails:
    return ProblemDetails(
        type=type, title=title, status=status, detail=detail, problems=problem_items(problems)
    )
