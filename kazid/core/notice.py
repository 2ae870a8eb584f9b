"""What of an event people may want to know: the outbox holds these, one row in the transaction of the event. Pure.

Which events are one is here, whom it reaches is `core/receiver.py`'s. A notice says what happened to a goal's standing
and why, in words that are in the event already; evidence and output stay where their owner reads them.
"""

import enum

import msgspec

from kazid.core.approval_event import (
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalVoided,
    AutonomyLowered,
    AutonomyRestored,
    ChangeHeld,
)
from kazid.core.event import (
    BY_EXPIRY,
    BY_WINDOW,
    AlertAcknowledged,
    Event,
    GoalDeleted,
    GoalParked,
    GoalResumed,
    GoalStopped,
    GoalSuspended,
    IncidentClosed,
    IncidentOpened,
    StatusChanged,
)
from kazid.core.level import Gate
from kazid.core.status import STOPPED_ACTING, GoalStatus

REASON_CHARS_MAX = 500
"""Of why: a message is read on a telephone, and `kazictl status` has the rest."""
ALERTING = STOPPED_ACTING | {GoalStatus.VACUOUS}
"""Nothing more happens without a person."""
ACKNOWLEDGEABLE = ALERTING | {GoalStatus.WAITING, GoalStatus.SUSPENDED}
"""What somebody may say that they have: all of that, an act that waits for a person's yes, and what a freeze hides."""
SETTLED = frozenset({GoalStatus.HOLDING, GoalStatus.CONVERGED})
INCIDENT = "incident"
"""Stands where a status does, for what concerns all goals."""
RESUMED = "resumed"
"""Of what somebody has: what comes after it is news."""
CANARY = "canary"
"""Likewise, for a secret worth nothing that was kept where no secret may be: the redaction let it by."""
APPROVAL = "approval"
"""Likewise, for an act that waits for a person's yes."""
LOWERED = "lowered"
"""Likewise, for a goal whose agent did harm. It stands whatever becomes of the goal, until a person restores it."""
RESTORED = "restored"
OF_A_LOWERING = frozenset({LOWERED, RESTORED})


class NoticeKind(enum.Enum):
    """What a notice does to what is open."""

    PROBLEM = "problem"
    SETTLED = "settled"
    """The goal holds again."""
    ENDED = "ended"
    """Somebody stopped or deleted it: nothing is left to tell."""
    TAKEN = "taken"
    """Somebody has it: acknowledged, resumed or suspended."""


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of them. `status` as `kazictl status` spells it, `INCIDENT` or `APPROVAL`."""

    kind: NoticeKind
    status: str = ""
    cause: str = ""
    reason: str = ""
    by: str = ""
    plan: str = ""
    """Of a request for approval and of what became of it: another plan is another request, and is told as one."""


class Noticed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A notice as the outbox holds it. `ref` is `owner/id`; empty for what concerns all goals."""

    offset: int
    uid: str
    seq: int
    ref: str
    at_wall_s: float
    notice: Notice


def noticed(event: Event) -> Notice | None:
    """The notice of this event; None for most."""
    match event:
        case StatusChanged(status=status) if status in ALERTING:
            return Notice(
                kind=NoticeKind.PROBLEM,
                status=status.value,
                cause="" if event.cause is None else event.cause.value,
                reason=_short(event.reason),
            )
        case StatusChanged(status=status) if status in SETTLED:
            return Notice(kind=NoticeKind.SETTLED, status=status.value)
        case GoalParked():
            return Notice(
                kind=NoticeKind.PROBLEM, status="parked", cause="crashed", reason=_short(event.reason)
            )
        case ApprovalRequested(plan=plan) | ChangeHeld(plan=plan):
            how = f"; kazictl approve REF --plan {event.plan_sha256}"
            what = _short(f"{plan.gate.value}: {plan.title}", chars_max=REASON_CHARS_MAX - len(how))
            return Notice(kind=NoticeKind.PROBLEM, status=APPROVAL, reason=what + how, plan=event.plan_sha256)
        case ApprovalGranted(is_enough=True):
            return Notice(kind=NoticeKind.TAKEN, status=RESUMED, by=event.by, plan=event.plan_sha256)
        case ApprovalRejected(gate=Gate.CHANGE) | ApprovalVoided(gate=Gate.CHANGE):
            by = event.by if isinstance(event, ApprovalRejected) else "its owner"
            return Notice(kind=NoticeKind.TAKEN, by=by, reason=_short(event.reason), plan=event.plan_sha256)
        case AutonomyLowered(harness=harness, model=model):
            who = harness if model is None else f"{harness} {model}"
            how = "; kazictl restore REF --reason TEXT"
            what = _short(f"{who}: {event.reason}", chars_max=REASON_CHARS_MAX - len(how))
            return Notice(kind=NoticeKind.PROBLEM, status=LOWERED, reason=what + how)
        case AutonomyRestored():
            return Notice(kind=NoticeKind.ENDED, status=RESTORED, by=event.by, reason=_short(event.reason))
        case IncidentOpened():
            reason = f"{len(event.red)} of {event.active} goals turned red together; one of them tries a repair first"
            return Notice(kind=NoticeKind.PROBLEM, status=INCIDENT, cause="common_cause", reason=reason)
        case IncidentClosed():
            return Notice(kind=NoticeKind.SETTLED, status=INCIDENT)
        case GoalStopped() | GoalDeleted():
            what = "deleted" if isinstance(event, GoalDeleted) else "stopped"
            return Notice(kind=NoticeKind.ENDED, status=what, by=event.by)
        case GoalResumed(by=by) if by in (BY_EXPIRY, BY_WINDOW):
            return None
        case GoalResumed():
            return Notice(kind=NoticeKind.TAKEN, status=RESUMED, by=event.by, reason=_short(event.reason))
        case GoalSuspended() | AlertAcknowledged():
            return Notice(kind=NoticeKind.TAKEN, by=event.by, reason=_short(event.reason))
        case _:
            return None


def _short(text: str | None, *, chars_max: int = REASON_CHARS_MAX) -> str:
    said = " ".join((text or "").split())
    return said if len(said) <= chars_max else said[: chars_max - 1] + "…"
