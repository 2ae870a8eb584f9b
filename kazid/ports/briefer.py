"""Laying ready what an agent is given besides its prompt.

Contract: nothing of the workspace is changed; what is held out is in no file and in no line; whatever cannot be read or
written is left out, and nothing raises; bounded in bytes, files and time.
"""

from collections.abc import Sequence
from typing import Protocol

from kazid.core.briefing import Briefing
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.vector import VerdictVector


class Briefer(Protocol):
    """Adapters: system (files), memory (nothing)."""

    async def brief(
        self, goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId], *, folder: str | None
    ) -> Briefing:
        """Put the evidence into `folder`, in place of what was there, and read the workspace of `goal`.

        Without a folder nothing is written.
        """
        ...
