"""Decisions that are nothing but an event: an episode opens, the ladder is climbed, somebody is asked. Pure."""

from typing import TypeAlias

from kazid.core.approval_event import ApprovalRequested, ApprovalVoided, AutonomyLowered
from kazid.core.decision import Ask, Lower, OpenEpisode, Resume, StepUp, Void
from kazid.core.event import (
    EpisodeOpened,
    GoalResumed,
    LadderClimbed,
)
from kazid.core.progress import Progress

Said: TypeAlias = (
    EpisodeOpened | LadderClimbed | GoalResumed | ApprovalRequested | ApprovalVoided | AutonomyLowered
)


def event_of(decision: OpenEpisode | StepUp | Resume | Ask | Void | Lower, progress: Progress) -> Said:
    """The event that does what was decided."""
    match decision:
        case OpenEpisode():
            return EpisodeOpened(number=progress.episodes + 1, red=decision.red)
        case StepUp():
            return LadderClimbed(step=decision.step, model=decision.model, reason=decision.reason)
        case Ask():
            return ApprovalRequested(plan=decision.plan, plan_sha256=decision.plan.sha256)
        case Void():
            return ApprovalVoided(
                gate=decision.gate, plan_sha256=decision.plan_sha256, reason=decision.reason
            )
        case Lower():
            return AutonomyLowered(
                harness=decision.harness,
                model=decision.model,
                attempt=decision.attempt,
                reason=decision.reason,
            )
        case Resume():
            return GoalResumed(reason=decision.reason, by=decision.by)
