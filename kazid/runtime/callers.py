"""Who a caller is to the goals: a person or a program of theirs, an agent, a check, or nobody can tell. Pure.

An agent is not its owner (SEMANTICS §8): what belongs to an attempt reads a redacted view of its own goal and changes
nothing. A check runs what an agent may have edited, so it changes nothing either.
"""

from collections.abc import Iterable, Iterator

import msgspec

from kazid.core.ids import AttemptId, GoalUid
from kazid.ports.belonging import Belonging
from kazid.runtime.state import GoalState


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may be taken for. By default: its owner."""

    agent: GoalUid | None = None
    """The goal whose attempt it belongs to."""
    is_check: bool = False
    is_clear: bool = True
    """False: it may be anything, an agent too."""

    @property
    def is_owner(self) -> bool:
        """True for a person, or a program of theirs."""
        return self.agent is None and not self.is_check and self.is_clear


def standing_of(belonging: Belonging, states: Iterable[GoalState]) -> Standing:
    """Taken from marks that may be forged: of several attempts the outermost counts, which no agent wrote."""
    if belonging.attempts:
        goals = {attempt_id: state.uid for state in states for attempt_id in _attempts(state)}
        known = [goals[a] for a in belonging.attempts if a in goals]
        if known:
            return Standing(agent=known[-1])
    return Standing(is_check=belonging.is_check, is_clear=belonging.is_clear)


def _attempts(state: GoalState) -> Iterator[AttemptId]:
    """The running attempt, and every dispatch that is remembered: what survived one is still no owner.

    What a remedy left running is its product and free.
    """
    progress = state.progress
    if progress.act is not None:
        yield progress.act.attempt_id
    for episode in (progress.episode, progress.last_episode):
        for act in () if episode is None else episode.acts:
            if act.rung.startswith("harness:"):
                yield act.attempt_id
