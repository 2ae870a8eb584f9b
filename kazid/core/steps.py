"""Decisions that are nothing but an event: an episode opens, the ladder is climbed, a stop runs out. Pure."""

from kazid.core.decision import OpenEpisode, Resume, StepUp
from kazid.core.event import EpisodeOpened, GoalResumed, LadderClimbed
from kazid.core.progress import Progress


def event_of(
    decision: OpenEpisode | StepUp | Resume, progress: Progress
) -> EpisodeOpened | LadderClimbed | GoalResumed:
    """The event that does what was decided."""
    match decision:
        case OpenEpisode():
            return EpisodeOpened(number=progress.episodes + 1, red=decision.red)
        case StepUp():
            return LadderClimbed(step=decision.step, model=decision.model, reason=decision.reason)
        case Resume():
            return GoalResumed(reason=decision.reason, by=decision.by)
