"""What a goal may not ask for on this machine, by settings and by what can be enforced: refused, each by name.

Asked when a goal is submitted, and again when people let in one that was held: settings may have changed meanwhile.
"""

from kazid.api.context import MODE_SYSTEM
from kazid.api.endpoint import Call
from kazid.api.submission import unapprovable
from kazid.core.confinement import unenforceable
from kazid.core.errors import AdmissionRefused, Problem
from kazid.core.goal import Goal, Sandbox
from kazid.core.loosening import Circumstances
from kazid.core.policy import exceeded


async def admit(call: Call, goal: Goal) -> None:
    """Raises AdmissionRefused with all that stands against this goal here."""
    beyond = [
        *exceeded(call.context.policies(), goal),
        *await _unenforceable(call, goal),
        *unapprovable(call, goal),
    ]
    if beyond:
        raise AdmissionRefused(beyond)


async def admit_held(call: Call, plan: str) -> None:
    """The same for the looser spec that waits under this plan, if one does. Raises UnknownGoal besides."""
    held = call.service.view(call.owner, call.goal_id).progress.held
    if held is not None and held.asked.sha256 == plan:
        await admit(call, held.goal)


def circumstances(call: Call) -> Circumstances:
    """Who could approve what here."""
    return Circumstances(is_one_uid=call.context.place_mode != MODE_SYSTEM, given=tuple(call.context.roles()))


async def _unenforceable(call: Call, goal: Goal) -> list[Problem]:
    """Bounds that the goal demands for its agents and this machine cannot enforce: refused, never run open."""
    if goal.sandbox == Sandbox() or call.context.sandbox is None:
        return []
    why = unenforceable(goal, await call.context.sandbox.capabilities())
    return (
        []
        if why is None
        else [Problem(message=why, key="sandbox", hint="kazictl doctor says what is missing")]
    )
