"""What one look at one predicate said.

`pass` holds, `fail` does not hold, `error` could not look, `unknown` makes no claim. Only `pass` is green; `error`
and `unknown` are neither work for an executor nor ever green (SEMANTICS §1). Scores and evidence explain a verdict
and never move it.
"""

import enum
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.json import Json

EVIDENCE_TEXT_CHARS_MAX = 4000
"""Of one output stream in evidence; head and tail are kept. The predecessor's figure, big enough for a traceback."""


class Status(enum.Enum):
    """The four verdicts; there is no fifth."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    UNKNOWN = "unknown"


class Direction(enum.Enum):
    """Which way a score improves."""

    HIGHER_BETTER = "higher_better"
    LOWER_BETTER = "lower_better"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One located complaint of a checker (the fields of an LSP diagnostic)."""

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    rule: str | None = None
    level: str | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A status, why, and evidence that would convince a stranger.

    `reason` is a short constant (`unreachable`, `cmd_unrunnable`, `timeout`, …): rules match on it, people read it.
    `detail` is the sentence for people. `evidence` is bounded and redacted where it was captured.
    """

    status: Status
    reason: str | None = None
    detail: str | None = None
    evidence: Mapping[str, Json] = {}
    findings: Sequence[Finding] = ()
    score: float | None = None
    direction: Direction | None = None
    baseline: float | None = None
    """What the next look at a stored ratchet is compared with; kept by the fold. Where two things are
    measured it may come with a fail of the other."""
    carry: Json = None
    """What the next look begins with (how far a log was read), kept by the fold whatever the status; None changes
    nothing. Small: a look that changes it is a row of the journal."""

    @property
    def is_green(self) -> bool:
        """Only `pass` is green."""
        return self.status is Status.PASS


PERMANENT_REASONS = frozenset(
    {
        "cmd_unrunnable",
        "missing_cmd",
        "invalid_cmd",
        "invalid_config",
        "missing_url",
        "no_provider",
        "unsupported_kind",
        "invalid_match_regex",
        "invalid_path",
        "workspace_missing",
        "permission_denied",
    }
)
"""`error` reasons that looking again cannot mend: the goal stops at once instead of waiting (goal-files §2)."""


def passed(**evidence: Json) -> Verdict:
    """PASS with this evidence."""
    return Verdict(status=Status.PASS, evidence=evidence)


def failed(reason: str, detail: str | None = None, **evidence: Json) -> Verdict:
    """FAIL: looked, and it does not hold."""
    return Verdict(status=Status.FAIL, reason=reason, detail=detail, evidence=evidence)


def errored(reason: str, detail: str | None = None, **evidence: Json) -> Verdict:
    """ERROR: could not look."""
    return Verdict(status=Status.ERROR, reason=reason, detail=detail, evidence=evidence)


def unknown(reason: str, detail: str | None = None, **evidence: Json) -> Verdict:
    """UNKNOWN: no claim."""
    return Verdict(status=Status.UNKNOWN, reason=reason, detail=detail, evidence=evidence)
