"""Which of a goal's agents are not there to be started: said when it is applied, before one of them is needed.

Looked for as a dispatch looks, on the PATH that the stored goal has. It is a doubt and no refusal: an agent may be
installed before anything turns red. A program named relative to the tree is left out, for a setup step may make it.
"""

import posixpath

import anyio
import anyio.lowlevel

from kazid.api.endpoint import Call
from kazid.core.goal import Goal
from kazid.core.rungs import agents_of

AGENT_ABSENT = "agent-absent"
LOOK_S = 5.0
"""A disk that does not answer within this keeps nobody's apply waiting."""


async def absent_agents(call: Call, goal: Goal, *, submitted: Goal) -> list[str]:
    """A sentence for each agent that this goal would send and that is not found; `submitted` came with this call."""
    programs = call.context.programs
    if programs is None or goal.harness is None:
        return []
    commands = {each.id: each.command for each in call.context.harnesses()}
    absent: list[str] = []
    with anyio.move_on_after(LOOK_S):
        await anyio.lowlevel.checkpoint()
        for choice in agents_of(goal):
            command = choice.command or commands.get(choice.id, "")
            if not command or ("/" in command and not posixpath.isabs(command)):
                continue
            folders = [folder for folder in (goal.workspace, "/") if folder is not None]
            found = [await programs.installed(command, cwd=folder, path=goal.path) for folder in folders]
            if all(each.path is None for each in found):
                absent.append(_sentence(choice.id, command, _where(command, goal, submitted)))
    return absent


def _where(command: str, goal: Goal, submitted: Goal) -> str:
    if posixpath.isabs(command):
        return "is not there to be run"
    if goal.path == submitted.path:
        return "is not on the PATH that the goal was given"
    return (
        "is not on the PATH that the goal was stored with; kazictl stop, then apply gives it the present one"
    )


def _sentence(harness: str, command: str, where: str) -> str:
    return f"warning: agent {harness}: {command} {where}; sending it ends as capability_unreachable [{AGENT_ABSENT}]"
