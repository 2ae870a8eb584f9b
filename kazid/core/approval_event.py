"""What is said about an act that needs a person's yes: asked, given, rejected, or void because something changed.

Part of `core/event.py`'s union, and of each goal's journal; folded by `core/petition.py`.
"""

from typing import TypeAlias

from kazid.core.event_base import BaseEvent
from kazid.core.goal import Goal
from kazid.core.level import Gate
from kazid.core.plan import Plan


class ApprovalEvent(BaseEvent, frozen=True, kw_only=True):
    """Base of what is said about a request (`core/petition.py`)."""


class ApprovalRequested(ApprovalEvent, frozen=True, kw_only=True, tag="approval.requested"):
    """An act waits for people to say yes to exactly this plan."""

    plan: Plan
    plan_sha256: str


class ApprovalGranted(ApprovalEvent, frozen=True, kw_only=True, tag="approval.granted"):
    """Somebody said yes. `is_enough`: it was the last that its gate needed; the red is looked at again first."""

    gate: Gate
    plan_sha256: str
    by: str
    by_uid: int
    is_enough: bool


class ApprovalRejected(ApprovalEvent, frozen=True, kw_only=True, tag="approval.rejected"):
    """Somebody said no: the goal ends its waiting, stuck."""

    gate: Gate
    plan_sha256: str
    by: str
    by_uid: int
    reason: str = ""


class ApprovalVoided(ApprovalEvent, frozen=True, kw_only=True, tag="approval.voided"):
    """A request, and what was said to it, counts no more: what changed, or that it expired.

    `lost`: who said yes and has the role no more; nobody decided that, it was found out before the act.
    """

    gate: Gate
    plan_sha256: str
    reason: str
    lost: str = ""


class ChangeHeld(ApprovalEvent, frozen=True, kw_only=True, tag="change.held"):
    """A looser spec was submitted, and waits for people: the one before it stays in force (`core/loosening.py`).

    A yes, a no and a void to it are the events above, at the gate `change`; enough yeses and `goal.applied` are one
    transaction.
    """

    goal: Goal
    plan: Plan
    plan_sha256: str
    loosened: tuple[str, ...]
    """What it loosens, each in a sentence."""
    by: str


class AutonomyLowered(ApprovalEvent, frozen=True, kw_only=True, tag="autonomy.lowered"):
    """An agent did harm: the goal goes on with it and its model one level lower, until a person restores that."""

    harness: str
    model: str | None
    attempt: int
    """Which dispatch it is charged to."""
    reason: str


class AutonomyRestored(ApprovalEvent, frozen=True, kw_only=True, tag="autonomy.restored"):
    """A person let the goal act at its own level again."""

    by: str
    by_uid: int
    reason: str


ApprovalEvents: TypeAlias = (
    ApprovalRequested
    | ApprovalGranted
    | ApprovalRejected
    | ApprovalVoided
    | ChangeHeld
    | AutonomyLowered
    | AutonomyRestored
)
