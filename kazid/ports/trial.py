"""Running a harmless check where nothing is, to see whether it passes all the same.

Contract: the command runs in a fresh folder that is empty and is removed afterwards, with the environment of a check,
for TRIAL_S at most, and without a network where the system lets one take it away; few run at one moment, so that
trials delay nobody; None means that it could not be tried or came to no end.
"""

from collections.abc import Sequence
from typing import Protocol

TRIAL_S = 5.0


class Trials(Protocol):
    """Tries checks. The caller has made sure that they change nothing."""

    async def exit_code_on_nothing(self, argv: Sequence[str]) -> int | None:
        """What the command ends with in an empty folder."""
        ...
