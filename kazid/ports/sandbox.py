"""Bounds around an agent: what this machine can enforce, and the command line that does.

Contract: `capabilities` tells only what was seen to work; a wrapped command runs within its bounds or not at all.
"""

from collections.abc import Sequence
from typing import Protocol

from kazid.core.confinement import Capabilities, Confinement


class Sandbox(Protocol):
    """Adapters: the system's bubblewrap and landlock; memory."""

    async def capabilities(self) -> Capabilities:
        """What can be enforced here."""
        ...

    def wrap(self, argv: Sequence[str], bounds: Confinement, *, cwd: str) -> tuple[str, ...]:
        """The command line that runs `argv`, whose first word is a path, within the bounds."""
        ...
