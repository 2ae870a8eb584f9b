"""The view of a goal for a person who may read it and does not own it: how it stands, without what its checks saw.

Evidence and logs are their owner's (SEMANTICS §8): a check may print what only its owner may read. Verdicts, reasons in
one word and counts stay. Applied once, before a view becomes a document. Pure.
"""

from msgspec.structs import replace

from kazid.core.progress import Episode
from kazid.core.vector import VerdictVector
from kazid.runtime.views import GoalView


def without_evidence(view: GoalView) -> GoalView:
    """The view without evidence, findings, and sentences that may quote them."""
    readings = tuple(
        replace(r, verdict=replace(r.verdict, detail=None, evidence={}, findings=(), carry=None))
        for r in view.vector.readings
    )
    progress = view.progress
    return replace(
        view,
        vector=VerdictVector(readings),
        reason=None,
        progress=replace(
            progress,
            reason=None,
            episode=_without_words(progress.episode),
            last_episode=_without_words(progress.last_episode),
        ),
    )


def _without_words(episode: Episode | None) -> Episode | None:
    if episode is None:
        return None
    return replace(episode, acts=tuple(replace(act, reason=None) for act in episode.acts))
