"""People who say yes, no, or nothing to what waits, and the account of it that the oracle keeps by itself.

Written from SEMANTICS and not from `core/approval.py`: an intent has to rest on a request that stands, of the same
spec, generation and epoch, that enough people said yes to who neither submitted it nor are whom it runs as.
"""

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio

from kazid.core.approval_event import (
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalVoided,
)
from kazid.core.errors import JournalUnavailable, UnknownGoal
from kazid.core.event import ActEnded, ActIntended
from kazid.core.goal import Goal
from kazid.core.level import ApprovalRule, Gate
from kazid.core.plan import Plan
from kazid.core.roles import Grant, Role
from kazid.runtime.views import Caller
from tests.runtime.adversary import Life
from tests.runtime.house import DAEMON_UID

if TYPE_CHECKING:
    from tests.simulation.world import World

CARE_SHARE = 0.06
"""Of the worlds: in these every act takes a yes."""
APPROVER = (Grant(role=Role.APPROVER),)
PEOPLE = {"pia": 2001, "kim": 2002, "lou": 2003, "ada": 1000, "kazi": DAEMON_UID}
"""The last two never count: who submitted everything, and whom everything runs as."""
MEAN_S = 2.0


def rules_of(seed: int) -> tuple[ApprovalRule, ...]:
    """What every goal of this seed's world needs; nothing in most."""
    dice = random.Random(f"care of {seed}")
    if dice.random() >= CARE_SHARE:
        return ()
    return (
        ApprovalRule(gate=Gate.EXECUTION, count=dice.randint(1, 2), expires_s=dice.choice([300.0, 3600.0])),
    )


class Petitions:
    """What stands of one goal, as its events say."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._used: dict[str, Plan] = {}
        """Of the act that was intended last: where nothing of it ran, they stand again."""
        self._unstarted = 0
        self._yes: dict[str, set[str]] = {}

    def take(self, event: object) -> None:
        match event:
            case ApprovalRequested():
                self._plans[event.plan_sha256], self._yes[event.plan_sha256] = event.plan, set()
            case ApprovalGranted() if event.plan_sha256 in self._yes:
                self._yes[event.plan_sha256].add(event.by)
            case ApprovalRejected() | ApprovalVoided():
                self._plans.pop(event.plan_sha256, None)
            case ActEnded(ending="never_started" | "not_started"):
                self._unstarted += 1
                self._plans |= self._used
                self._used = {}
            case ActEnded():
                self._unstarted = 0
                self._used = {}
            case _:
                pass

    def why_not(self, goal: Goal, event: ActIntended, *, spec_sha256: str, wall_s: float) -> str | None:
        """What this intent lacks; None when it rests on what it has to."""
        plans = [self._plans.get(name) for name in event.plans]
        attempt = event.number - self._unstarted
        self._used = {name: plan for name, plan in self._plans.items() if name in event.plans}
        self._plans.clear()
        if not goal.approvals:
            return None
        if len(plans) != len(goal.approvals) or any(plan is None for plan in plans):
            return "no request stands for it"
        for plan, name in zip(plans, event.plans, strict=True):
            assert plan is not None
            people = self._yes[name] - {"ada", "kazi"}
            bound = (plan.act, plan.spec_sha256, plan.generation, plan.epoch, plan.evidence, plan.attempt)
            now = (event.rung, spec_sha256, event.generation, event.epoch, event.fingerprint, attempt)
            if len(people) < goal.approvals[0].count:
                return f"only {sorted(people)} said yes"
            if bound != now:
                return f"the yes was to {bound}, and it is {now}"
            if wall_s >= plan.until_wall_s:
                return "the request had expired"
            if plan.sha256 != name:
                return "the hash is of another plan"
        return None


async def approve_things(world: "World", life: Life) -> None:
    """Whoever has a minute looks at what waits and says something."""
    dice = random.Random(f"people of {world.seed}, life {world.lives}")
    while True:
        await anyio.sleep(dice.expovariate(1 / MEAN_S))
        waiting = [p for p in life.daemon.approving.pending(lambda _owner, _labels: True) if not p.is_met]
        if not waiting:
            continue
        one, login = dice.choice(waiting), dice.choice(list(PEOPLE))
        caller = Caller(uid=PEOPLE[login], login=login, pid=1, grants=APPROVER)
        what: dict[str, Any] = {"plan": one.asked.sha256, "caller": caller}
        with suppress(JournalUnavailable, UnknownGoal):
            if world.is_hostile and dice.random() < 0.05:
                await life.daemon.approving.reject(one.owner, one.goal_id, reason="no", **what)
                world.count("approval.rejected")
            else:
                refused = await life.daemon.approving.approve(one.owner, one.goal_id, **what)
                world.count("approval.granted" if refused is None else f"approval.{refused.type}")
                is_whose = login in ("ada", "kazi")
                if is_whose and refused is None:
                    raise world.oracle.broken(
                        f"{login} said yes to {one.owner}/{one.goal_id}, and it counted"
                    )
