"""The view of a goal for who is not its owner: what is held out is not in it, so no document made from it can tell.

Applied once, before a view becomes a document. An agent sees its own attempt and no other. Pure.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from kazid.core.decision import Guard
from kazid.core.ids import AttemptId, PredicateId
from kazid.core.progress import Episode, Progress
from kazid.core.vector import VerdictVector
from kazid.core.withheld import WITHHELD, held_out
from kazid.runtime.views import GoalView


def withheld_view(view: GoalView) -> GoalView:
    """The view without held-out predicates, sentences about them, and attempts that are over."""
    hidden = held_out(view.goal)
    act = view.progress.act
    progress = _own_attempt(view.progress, None if act is None else act.attempt_id, hidden)
    progress = replace(progress, held=None)
    if not hidden:
        return replace(view, progress=progress)
    return replace(
        view,
        goal=replace(view.goal, predicates=tuple(p for p in view.goal.predicates if not p.held_out)),
        vector=VerdictVector(tuple(r for r in view.vector.readings if r.predicate_id not in hidden)),
        reason=None,
        guards=tuple(_guard(g, hidden) for g in view.guards if not hidden & set(g.predicates)),
        watched=tuple(w for w in view.watched if w.predicate_id not in hidden),
        notices=tuple(n for n in view.notices if not _names(n, hidden)),
        progress=replace(
            progress,
            reason=None,
            predicates={p: s for p, s in progress.predicates.items() if p not in hidden},
            waived=tuple(p for p in progress.waived if p not in hidden),
        ),
    )


def _guard(guard: Guard, hidden: AbstractSet[PredicateId]) -> Guard:
    """The sentence of a guard stays where it is about its own predicates, and names nothing hidden."""
    is_told = bool(guard.predicates) and not _names(guard.reason, hidden)
    return guard if is_told else replace(guard, reason=WITHHELD)


def _names(text: str, hidden: Iterable[PredicateId]) -> bool:
    return any(predicate_id in text for predicate_id in hidden)


def _own_attempt(progress: Progress, own: AttemptId | None, hidden: AbstractSet[PredicateId]) -> Progress:
    return replace(
        progress,
        episode=_with_acts(progress.episode, own, hidden),
        last_episode=_with_acts(progress.last_episode, own, hidden),
    )


def _with_acts(
    episode: Episode | None, own: AttemptId | None, hidden: AbstractSet[PredicateId]
) -> Episode | None:
    if episode is None:
        return None
    acts = tuple(
        replace(
            act,
            predicates=tuple(p for p in act.predicates if p not in hidden),
            greens=(),
            broke=tuple(p for p in act.broke if p not in hidden),
            title=WITHHELD if hidden & set(act.predicates) else act.title,
            reason=None,
        )
        for act in episode.acts
        if act.attempt_id == own
    )
    return replace(episode, acts=acts)
