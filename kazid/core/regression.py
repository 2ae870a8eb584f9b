"""A green that an act turned red: said of the act that did it, for people, and for a rollback where there is one.

A predicate was green when an act began and is red at the first settled look after it ended, with no other act between:
that act broke it. Pure; what is done about it is not decided here.
"""

from msgspec.structs import replace

from kazid.core.delivery import DEPLOYED, LANDED
from kazid.core.ids import PredicateId
from kazid.core.progress import ActSummary, Progress
from kazid.core.verdict import Status


def greens_of(progress: Progress) -> tuple[PredicateId, ...]:
    """What is green as an act begins."""
    return tuple(p for p, state in progress.predicates.items() if state.green_since_s is not None)


def reds_of(progress: Progress) -> tuple[PredicateId, ...]:
    """The failing set as an act begins, in vector order."""
    states = progress.predicates.items()
    return tuple(
        p
        for p, s in states
        if s.verdict is not None and s.verdict.status is Status.FAIL and not s.is_quarantined
    )


def attributed(progress: Progress, predicate_id: PredicateId) -> Progress:
    """Progress after a settled red of this predicate: the last act is charged with it, once, if it was green before."""
    episode = progress.episode
    if episode is None or progress.act is not None or not episode.acts:
        return progress
    last = episode.acts[-1]
    if last.ending is None or predicate_id not in last.greens or predicate_id in last.broke:
        return progress
    is_inside = progress.worktree is not None and progress.predicate(predicate_id).tree is not None
    is_next = predicate_id in (LANDED, DEPLOYED)  # work that is not there yet: that is no harm
    harmed = last.harmed if is_inside or is_next else (*last.harmed, predicate_id)
    last = replace(last, broke=(*last.broke, predicate_id), harmed=harmed)
    return replace(progress, episode=replace(episode, acts=(*episode.acts[:-1], last)))


def mended_again(progress: Progress, predicate_id: PredicateId) -> Progress:
    """Progress after a settled green: it was green after that act, so a later red is not the act's."""
    episode = progress.episode
    if episode is None or not episode.acts:
        return progress
    last = episode.acts[-1]
    if last.ending is None or predicate_id not in last.greens:
        return progress
    last = replace(last, greens=tuple(p for p in last.greens if p != predicate_id))
    return replace(progress, episode=replace(episode, acts=(*episode.acts[:-1], last)))


def sentence(acts: tuple[ActSummary, ...]) -> str | None:
    """Which acts broke what; None when none did."""
    broken = [f"attempt {act.number} broke {', '.join(act.broke)}" for act in acts if act.broke]
    return "; ".join(broken) or None
