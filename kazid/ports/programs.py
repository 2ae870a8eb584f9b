"""What is installed behind a command's name, told from files: nothing is run, so looking has no effect.

Contract: `installed` resolves as an attempt would, in `cwd` and then on `path`, or the daemon's own where that is
empty; a version is told only where the package that the program belongs to says it; what cannot be told is None, and
nothing raises.
"""

from typing import Protocol

import msgspec


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """A program as it lies there. `path` None: there is none of that name."""

    path: str | None = None
    version: str | None = None


class Programs(Protocol):
    """Looks for programs. Adapters: system (the disk), memory (nothing is installed)."""

    async def installed(self, program: str, *, cwd: str, path: str) -> Installed:
        """Where it lies, and its package's version."""
        ...
