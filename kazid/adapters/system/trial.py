"""The Trials port: a fresh folder for each check, empty or a bounded copy, and no network where that can be had."""

import os
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from kazid.adapters.system.commands import SystemCommandRunner
from kazid.adapters.system.scratch import Scratch, remove_tree
from kazid.adapters.system.tree_copy import CopyBounds, TooMuch, copy_tree
from kazid.ports.commands import Command, Ending
from kazid.ports.trial import COPY_BYTES_MAX, COPY_FILES_MAX, COPY_S, SCRIPT_BYTES_MAX, TRIAL_S

TRIALS_AT_ONCE = 2
OUTPUT_BYTES_MAX = 64 * 1024
PATH = "/usr/local/bin:/usr/bin:/bin"
"""Not the caller's: the programs that are tried are the system's."""

_APART = (
    ("unshare", "--user", "--map-root-user", "--net", "--"),
    ("unshare", "--net", "--"),
    ("bwrap", "--dev-bind", "/", "/", "--unshare-net", "--die-with-parent", "--"),
)
"""What takes the network away, each where the one before it may not: the second is for root without user namespaces."""


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
        async with self._folder() as folder:
            return None if folder is None else await self.exit_code_in(folder, argv)

    @asynccontextmanager
    async def copied(self, workspace: str) -> AsyncGenerator["_Copy | None"]:
        """See the port."""
        bounds = CopyBounds(bytes=COPY_BYTES_MAX, files=COPY_FILES_MAX, seconds=COPY_S)
        async with self._folder() as folder:
            copy = None
            if folder is not None:
                try:
                    await anyio.to_thread.run_sync(copy_tree, Path(workspace), Path(folder), bounds)
                    copy = _Copy(self, folder)
                except (TooMuch, OSError):
                    pass  # then what the text tells has to do
            yield copy

    async def exit_code_in(self, folder: str, argv: Sequence[str]) -> int | None:
        """Run it in a folder of ours, in its turn."""
        async with self._limiter:
            if self._apart is None:
                self._apart = await self._find_apart(folder)
            return await self._run((*self._apart, *argv), folder)

    async def _find_apart(self, folder: str) -> tuple[str, ...]:
        for prefix in _APART:
            if await self._run((*prefix, "true"), folder) == 0:
                return prefix
        return ()

    @asynccontextmanager
    async def _folder(self) -> AsyncGenerator[str | None]:
        """A fresh folder, removed whatever happens; None where none can be made."""
        try:
            folder = await anyio.to_thread.run_sync(self._make)
        except OSError:
            yield None
            return
        try:
            yield folder
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(remove_tree, Path(folder))

    def _make(self) -> str:
        return tempfile.mkdtemp(prefix="kazi-trial-", dir=self._scratch.folder())

    async def _run(self, argv: Sequence[str], folder: str) -> int | None:
        result = await self._commands.run(
            Command(argv=argv, cwd=folder, deadline_s=TRIAL_S, path=PATH, output_bytes_max=OUTPUT_BYTES_MAX)
        )
        return result.exit_code if result.ending is Ending.EXITED else None


class _Copy:
    """See `ports/trial.py`."""

    def __init__(self, trials: SystemTrials, folder: str) -> None:
        self._trials = trials
        self._folder = folder

    async def exit_code(self, argv: Sequence[str]) -> int | None:
        """See the port."""
        return await self._trials.exit_code_in(self._folder, argv)

    async def text(self, name: str) -> str | None:
        """See the port."""
        return await anyio.to_thread.run_sync(self._read, name)

    def _read(self, name: str) -> str | None:
        path = os.path.realpath(os.path.join(self._folder, name))
        if not path.startswith(os.path.realpath(self._folder) + "/"):
            return None
        try:
            with open(path, "rb") as file:
                data = file.read(SCRIPT_BYTES_MAX + 1)
            return data.decode() if len(data) <= SCRIPT_BYTES_MAX else None
        except (OSError, UnicodeDecodeError):
            return None
