"""The Sandbox port in memory: a test says what can be enforced, and nothing is."""

from collections.abc import Sequence

from kazid.core.confinement import Capabilities, Confinement


class MemorySandbox:
    """Landlock and bubblewrap as a test wishes."""

    def __init__(self) -> None:
        self.can = Capabilities(landlock_abi=7, bubblewrap="/usr/bin/bwrap")

    async def capabilities(self) -> Capabilities:
        """What the test said."""
        return self.can

    def wrap(self, argv: Sequence[str], bounds: Confinement, *, cwd: str) -> tuple[str, ...]:
        """The same command line."""
        del bounds, cwd
        return tuple(argv)
