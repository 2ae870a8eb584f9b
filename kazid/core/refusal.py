"""Agents whose login was refused: they are not sent again, and the goal goes on with whoever else it has. Pure.

A refusal belongs to the agent and its credential, not to the goal: `core/quota.py` holds every other goal of that
agent meanwhile. It stands until a person resumes the goal that met it. There is no state but what its acts tell.
"""

from collections.abc import Sequence

from kazid.core.decision import Conclude, Guard
from kazid.core.ids import PredicateId
from kazid.core.progress import ActSummary, Progress
from kazid.core.status import Cause, GoalStatus

GUARD = "auth"


def refused(progress: Progress) -> dict[str, str]:
    """The agents of this episode that were turned away when they were last sent, each with what was said."""
    acts: Sequence[ActSummary] = () if progress.episode is None else progress.episode.acts
    last = {
        a.rung.removeprefix("harness:"): a
        for a in acts
        if a.rung.startswith("harness:") and a.ending is not None and a.number > progress.refusals_since
    }
    return {
        harness: a.reason or Cause.AUTH_FAILED.value
        for harness, a in last.items()
        if a.cause is Cause.AUTH_FAILED
    }


def guard(shut: dict[str, str], predicates: Sequence[PredicateId]) -> Guard:
    """What holds these: nobody of theirs is logged in."""
    return Guard(
        name=GUARD, reason=f"{_sentence(shut)}; resume the goal once it is", predicates=tuple(predicates)
    )


def end(shut: dict[str, str]) -> Conclude:
    """The end of a goal that has nobody else."""
    return Conclude(status=GoalStatus.STUCK, cause=Cause.AUTH_FAILED, reason=_sentence(shut))


def _sentence(shut: dict[str, str]) -> str:
    return "; ".join(f"{harness} is not logged in: {said}" for harness, said in sorted(shut.items()))
