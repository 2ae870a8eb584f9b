"""A briefing of a scripted world: nothing is laid ready."""

from collections.abc import Sequence

from kazid.core.briefing import Briefing
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.vector import VerdictVector


class MemoryBriefer:
    """Says what it was told to."""

    def __init__(self, briefing: Briefing | None = None) -> None:
        self.briefing = briefing or Briefing()

    async def brief(
        self, goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId], *, folder: str | None
    ) -> Briefing:
        """See ports/briefer.py."""
        return self.briefing
