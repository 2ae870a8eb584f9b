"""What the fold keeps of requests for approval: one per gate, with who said yes or no. Pure.

An intent takes them along, so that a yes is used once. Where it is known that nothing of that act ran (a kill between
intent and start, a machine that lacked something) they stand again, for the same plan: nobody is asked twice for one
act. What they are worth is `core/approval.py`'s to say.
"""

from typing import assert_never

from msgspec.structs import replace

from kazid.core import lowering
from kazid.core.approval_event import (
    ApprovalEvent,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalVoided,
    AutonomyLowered,
    AutonomyRestored,
    ChangeHeld,
)
from kazid.core.instant import Now
from kazid.core.level import Gate
from kazid.core.plan import Asked, HeldChange, Yes
from kazid.core.progress import Progress, RunningAct
from kazid.core.status import NEVER_RAN


def told(progress: Progress, event: ApprovalEvent, at: Now) -> Progress:
    """Progress after somebody was asked, or answered. What is not about the request that stands changes nothing."""
    if isinstance(event, ApprovalRequested):
        asked = Asked(plan=event.plan, sha256=event.plan_sha256, since_wall_s=at.wall_s)
        return _with(progress, asked)
    if isinstance(event, ChangeHeld):
        asked = Asked(plan=event.plan, sha256=event.plan_sha256, since_wall_s=at.wall_s)
        held = HeldChange(goal=event.goal, asked=asked, loosened=event.loosened, by=event.by)
        return replace(progress, held=held)
    if isinstance(event, AutonomyLowered | AutonomyRestored):
        return lowering.told(progress, event, at)
    assert isinstance(event, ApprovalGranted | ApprovalRejected | ApprovalVoided), "the other kinds there are"
    if event.gate is Gate.CHANGE:
        return replace(progress, held=_held(progress, event))
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


def intended(progress: Progress) -> Progress:
    """Progress once an act is intended: it takes along what people said to it."""
    assert progress.act is not None, "an intent is of an act"
    return replace(progress, act=replace(progress.act, approvals=progress.approvals), approvals={})


def ended(progress: Progress, act: RunningAct, ending: str) -> Progress:
    """Progress after the act that a yes was for: it stands again if nothing ran, while its episode lasts."""
    if ending not in NEVER_RAN:
        return replace(progress, unstarted=0)
    progress = replace(progress, unstarted=progress.unstarted + 1)
    episode = progress.episode
    kept = (
        {}
        if episode is None
        else {k: a for k, a in act.approvals.items() if a.plan.episode == episode.number}
    )
    return replace(progress, approvals={**kept, **progress.approvals})


def _held(
    progress: Progress, event: ApprovalGranted | ApprovalRejected | ApprovalVoided
) -> HeldChange | None:
    """The looser spec that waits, with one more yes; a no or a void ends it, and the stored one stays as it is."""
    held = progress.held
    if held is None or held.asked.sha256 != event.plan_sha256:
        return held
    if not isinstance(event, ApprovalGranted):
        return None
    given = (*held.asked.given, Yes(by=event.by, uid=event.by_uid))
    return replace(held, asked=replace(held.asked, given=given))


def _with(progress: Progress, asked: Asked) -> Progress:
    return replace(progress, approvals={**progress.approvals, asked.plan.gate.value: asked})
