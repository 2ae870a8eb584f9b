"""Agents that did harm: the account of it that the oracle keeps by itself, and the people who restore.

Written from the words and not from `core/lowering.py`: each lowering is one rung down for that agent and model, of the
level that the goal asks for; from then on it is not sent above what is left, until a person restores it who neither
submitted the goal nor is whom it runs as.
"""

import random
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from kazid.core.approval_event import AutonomyLowered, AutonomyRestored
from kazid.core.errors import JournalUnavailable, UnknownGoal
from kazid.core.event import ActIntended, WorktreeDelivered
from kazid.core.goal import Goal
from kazid.runtime.views import Caller
from tests.runtime.adversary import Life
from tests.simulation.approvers import APPROVER, PEOPLE

if TYPE_CHECKING:
    from tests.simulation.world import World

CARELESS_FROM = 50_000
"""Seeds from here on are worlds in which an agent that mends one thing breaks another more often than not."""
LADDER = ("observe", "propose", "approve", "act")
NOT_THEIRS = ("ada", "kazi")
"""Who submitted everything, and whom everything runs as."""
MEAN_S = 40.0
AGENT = "harness:"
CLAIMS = "/claims/"
"""What a goal says that it owns, among the trees that it holds."""


def is_careless(seed: int) -> bool:
    """Whether the agents of this seed's world do harm again and again."""
    return seed >= CARELESS_FROM


class Harm:
    """What stands of one goal, as its events say."""

    def __init__(self) -> None:
        self._rungs: dict[tuple[str, str | None], int] = {}
        self._charged = 0
        self._sent: dict[int, tuple[str, str | None]] = {}
        """By number of the attempt: who."""

    def sent(self, event: ActIntended) -> None:
        """An agent is sent."""
        self._sent[event.number] = _who(event)

    def take(self, event: object) -> str | None:
        """What is wrong with this event; None: nothing, and it counts."""
        match event:
            case AutonomyLowered():
                who = (event.harness, event.model)
                if event.attempt <= self._charged:
                    return f"attempt {event.attempt} is charged again"
                if self._sent.get(event.attempt) != who:
                    return f"{who} is charged with attempt {event.attempt}, which is not its"
                self._charged = event.attempt
                self._rungs[who] = self._rungs.get(who, 0) + 1
            case AutonomyRestored():
                if not self._rungs:
                    return "restored, and nothing is lowered"
                if event.by in NOT_THEIRS:
                    return f"{event.by} restored it"
                self._rungs.clear()
            case _:
                pass
        return None

    def why_not_delivered(self, goal: Goal, event: WorktreeDelivered) -> str | None:
        """Why what an agent made may not be in force; None when it may."""
        rungs = max(self._rungs.values(), default=0)
        left = _left(goal, rungs)
        if rungs == 0 or left == "act":
            return None
        said = f"lowered by {rungs} to {left}"
        if left != "approve":
            return said
        is_approved = bool(event.plans) and not set(event.approved_by) <= set(NOT_THEIRS)
        return None if is_approved else f"{said}, and only {list(event.approved_by)} said yes"

    def why_not(self, goal: Goal, event: ActIntended, *, own_tree: str | None) -> str | None:
        """Why this agent may not be sent so; None when it may."""
        if not event.rung.startswith(AGENT):
            return None
        rungs = self._rungs.get(_who(event), 0)
        left = _left(goal, rungs)
        if rungs == 0 or left == "act":
            return None
        said = f"{event.rung} is lowered by {rungs} to {left}"
        if left == "observe":
            return f"{said}, and is sent"
        trees = [tree for tree in event.trees or () if not tree.startswith(CLAIMS)]
        if trees != [own_tree]:
            return f"{said}, and is sent into {trees}"
        return None


def _left(goal: Goal, rungs: int) -> str:
    return LADDER[max(0, LADDER.index(goal.autonomy.level.value) - rungs)]


def _who(event: ActIntended) -> tuple[str, str | None]:
    sent = event.assignment
    return (event.rung.removeprefix(AGENT), None) if sent is None else (sent.harness, sent.model)


async def restore_things(world: "World", life: Life) -> None:
    """Whoever has a minute looks at what is lowered and restores it, where it is theirs to do."""
    dice = random.Random(f"restorers of {world.seed}, life {world.lives}")
    while True:
        await anyio.sleep(dice.expovariate(1 / (MEAN_S * world.tempo)))
        lowered = [state.header for state in life.daemon.goals if state.progress.lowered]
        if not lowered:
            continue
        one, login = dice.choice(lowered), dice.choice(list(PEOPLE))
        grants = APPROVER if dice.random() < 0.8 else ()
        caller = Caller(uid=PEOPLE[login], login=login, pid=1, grants=grants)
        with suppress(JournalUnavailable, UnknownGoal):
            refused = await life.daemon.approving.restore(
                one.owner, one.id, reason="looked at it", caller=caller, is_one_uid=False
            )
            world.count("restore.done" if refused is None else f"restore.{refused.type}")
            if refused is None and (login in NOT_THEIRS or not grants):
                raise world.oracle.broken(f"{login} restored {one.owner}/{one.id}, and it counted")
