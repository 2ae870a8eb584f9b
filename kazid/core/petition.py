"""What the fold keeps of requests for approval: one per gate, with who said yes or no. Pure.

What they are worth is `core/approval.py`'s to say.
"""

from typing import assert_never

from msgspec.structs import replace

from kazid.core.approval_event import (
    ApprovalEvent,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalVoided,
)
from kazid.core.instant import Now
from kazid.core.plan import Asked, Yes
from kazid.core.progress import Progress


def told(progress: Progress, event: ApprovalEvent, at: Now) -> Progress:
    """Progress after somebody was asked, or answered. What is not about the request that stands changes nothing."""
    if isinstance(event, ApprovalRequested):
        asked = Asked(plan=event.plan, sha256=event.plan_sha256, since_wall_s=at.wall_s)
        return _with(progress, asked)
    assert isinstance(event, ApprovalGranted | ApprovalRejected | ApprovalVoided), "the other kinds there are"
    known = progress.approvals.get(event.gate.value)
    if known is None or known.sha256 != event.plan_sha256:
        return progress
    match event:
        case ApprovalGranted():
            progress = _with(
                progress, replace(known, given=(*known.given, Yes(by=event.by, uid=event.by_uid)))
            )
            # Whatever waited is observed again first (SEMANTICS §2).
            return (
                replace(progress, act_floor_s=at.boot_s, asked_s=at.boot_s) if event.is_enough else progress
            )
        case ApprovalRejected():
            return _with(progress, replace(known, rejected_by=event.by, rejected_reason=event.reason))
        case ApprovalVoided():
            left = {gate: asked for gate, asked in progress.approvals.items() if asked is not known}
            return replace(progress, approvals=left)
        case _:
            assert_never(event)


def _with(progress: Progress, asked: Asked) -> Progress:
    return replace(progress, approvals={**progress.approvals, asked.plan.gate.value: asked})
