"""The Trials port: an empty folder of its own for each check, and user and network namespaces where there are some."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from kazid.adapters.system.commands import SystemCommandRunner
from kazid.adapters.system.scratch import Scratch, remove_tree
from kazid.ports.commands import Command, Ending
from kazid.ports.trial import TRIAL_S

TRIALS_AT_ONCE = 2
OUTPUT_BYTES_MAX = 64 * 1024
PATH = "/usr/local/bin:/usr/bin:/bin"
"""Not the caller's: the programs that are tried are the system's."""

_APART = ("unshare", "--user", "--map-root-user", "--net", "--")


class SystemTrials:
    """Tries checks as processes of this machine, as whom the daemon runs."""

    def __init__(self, commands: SystemCommandRunner, scratch: Scratch) -> None:
        self._commands = commands
        self._scratch = scratch
        self._limiter = anyio.CapacityLimiter(TRIALS_AT_ONCE)
        self._apart: tuple[str, ...] | None = None
        """What takes the network away; empty where nothing does; None: not asked yet."""

    async def exit_code_on_nothing(self, argv: Sequence[str]) -> int | None:
        """Run it in a fresh folder, and remove that whatever happens."""
        async with self._limiter:
            try:
                folder = await anyio.to_thread.run_sync(self._folder)
            except OSError:
                return None
            try:
                if self._apart is None:
                    self._apart = _APART if await self._run((*_APART, "true"), folder) == 0 else ()
                return await self._run((*self._apart, *argv), folder)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(remove_tree, Path(folder))

    def _folder(self) -> str:
        return tempfile.mkdtemp(prefix="kazi-trial-", dir=self._scratch.folder())

    async def _run(self, argv: Sequence[str], folder: str) -> int | None:
        result = await self._commands.run(
            Command(argv=argv, cwd=folder, deadline_s=TRIAL_S, path=PATH, output_bytes_max=OUTPUT_BYTES_MAX)
        )
        return result.exit_code if result.ending is Ending.EXITED else None
