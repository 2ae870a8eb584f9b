"""One look at a kind that runs a tool, with a scripted command or a real one; what its tests share."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Verdict
from kazid.ports.commands import CommandResult
from kazid.ports.provider import Look, Provider
from kazid.testing import real_commands

WALL_S = 1_800_000_000.0


def sh(script: str, **others: Json) -> dict[str, Json]:
    """Options that run this script."""
    return {"cmd": "sh", "args": ["-c", script], **others}


async def answered(
    provider: Provider, result: CommandResult, options: Mapping[str, Any], *, stored: float | None = None
) -> Verdict:
    """The verdict when the command answers so. `options` may leave out `cmd`."""
    look = Look(predicate_id="p", workspace="/w", deadline_s=0.2, path="/bin", wall_s=WALL_S, baseline=stored)
    commands = ScriptedCommandRunner({"tool": result})
    return await provider.evaluate({"cmd": "tool", **options}, look, commands)


async def really(
    provider: Provider,
    options: Mapping[str, Json],
    workspace: Path,
    *,
    deadline_s: float = 60,
    stored: float | None = None,
    reference: Path | None = None,
) -> Verdict:
    """The verdict when the command is really run in this folder."""
    look = Look(
        predicate_id="p",
        workspace=str(workspace),
        deadline_s=deadline_s,
        path=os.environ["PATH"],
        wall_s=WALL_S,
        baseline=stored,
        reference=None if reference is None else str(reference),
    )
    return await provider.evaluate(options, look, real_commands())
