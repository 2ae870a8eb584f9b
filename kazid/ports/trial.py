"""Running a harmless check in a copy of the workspace, and where nothing is, to see whether it can be red.

Contract: a command runs in a fresh folder that is ours and is removed afterwards, empty or a copy of the workspace,
with the environment of a check, for TRIAL_S at most, and without a network where the system lets one take it away; few
run at one moment, so that trials delay nobody; None means that it could not be tried or came to no end. A copy holds
what the workspace holds, but no link that leads out of it; above COPY_BYTES_MAX, COPY_FILES_MAX or COPY_S there is
none, nor of a workspace that is not there or cannot be read.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

TRIAL_S = 5.0
COPY_BYTES_MAX = 200_000_000
COPY_FILES_MAX = 20_000
COPY_S = 4.0
SCRIPT_BYTES_MAX = 64 * 1024
"""Of a script of the workspace; a longer one is not read."""


class WorkspaceCopy(Protocol):
    """A copy, while it lasts."""

    async def exit_code(self, argv: Sequence[str]) -> int | None:
        """What the command ends with in the copy."""
        ...

    async def text(self, name: str) -> str | None:
        """A file of the copy by its relative name; None where there is none, or it is none of text."""
        ...


class Trials(Protocol):
    """Tries checks. The caller has made sure that they change nothing."""

    async def exit_code_on_nothing(self, argv: Sequence[str]) -> int | None:
        """What the command ends with in an empty folder."""
        ...

    def copied(self, workspace: str) -> AbstractAsyncContextManager[WorkspaceCopy | None]:
        """A copy of the workspace until the context is left; None where there can be none."""
        ...
