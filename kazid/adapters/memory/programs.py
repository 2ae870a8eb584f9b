"""Programs of a scripted world."""

from kazid.ports.programs import Installed


class MemoryPrograms:
    """Knows what it was told; everything else is not installed."""

    def __init__(self, **known: Installed) -> None:
        self.known = known

    async def installed(self, program: str, *, cwd: str, path: str) -> Installed:
        """See ports/programs.py."""
        return self.known.get(program, Installed())
