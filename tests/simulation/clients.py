"""People and programs that use the daemon at random, and what they were promised.

A client that was told of a fence tells the oracle, which from then on wants nothing older to live. Who activated a goal
meanwhile is remembered, for then a fence promises no quiet any more.
"""

from contextlib import aclosing, suppress
from typing import Any

import anyio

from kazid.core.errors import AdmissionRefused, JournalUnavailable, UnknownGoal
from kazid.core.goal import Goal
from kazid.core.ids import GoalUid
from kazid.core.progress import Desired
from kazid.core.status import GoalStatus
from tests.runtime.adversary import Life
from tests.runtime.house import ME
from tests.simulation.world import World

VERBS = {
    "apply": 4,
    "change": 2,
    "suspend": 4,
    "resume": 4,
    "stop": 1,
    "delete": 1,
    "reconcile": 1,
    "read": 2,
}
FLEET_VERBS = {"freeze": 1, "thaw": 3}
FLEET_SHARE = 0.06
"""Of all that clients ask."""


class Clients:
    """All of one seed's, over all its daemons."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.oracle = world.oracle
        self.dice = world.dice
        self._activating: dict[tuple[str, str], int] = {}
        self._activations: dict[tuple[str, str], int] = {}

    async def be_a_client(self, life: Life) -> None:
        """Asks something every dozen seconds; refusals are answers too."""
        if self.world.is_steady:
            for goal_id in self.world.specs:
                with suppress(JournalUnavailable, UnknownGoal, AdmissionRefused):
                    await self.ask(life, "apply", goal_id)
        mean_s = 200 if self.world.is_steady else 12
        while True:
            await anyio.sleep(self.dice.expovariate(1 / (mean_s * self.world.tempo)))
            goal_id = self.dice.choice(list(self.world.specs))
            verb = self.dice.choices(list(VERBS), list(VERBS.values()))[0]
            if self.dice.random() < FLEET_SHARE:
                verb = self.dice.choices(list(FLEET_VERBS), list(FLEET_VERBS.values()))[0]
            try:
                await self.ask(life, verb, goal_id)
            except (JournalUnavailable, UnknownGoal, AdmissionRefused):
                continue

    async def ask(self, life: Life, verb: str, goal_id: str) -> None:
        service, dice = life.service, self.dice
        name = ("ada", goal_id)
        key = f"key-{dice.randint(0, 10**9)}" if dice.random() < 0.5 else None
        self.world.count(f"client.{verb}")
        if verb in FLEET_VERBS:
            await self._freeze_or_thaw(life, verb, key)
            return
        if verb == "read":
            for view in service.views():
                self._read(view)
            service.view(*name)
            return
        if verb in ("apply", "change", "resume"):
            await self._activate(life, verb, name, key)
            return
        before = self._activations.get(name, 0)
        is_alone = self._activating.get(name, 0) == 0
        until_wall_s: float | None = None
        if verb == "suspend":
            for_s = dice.choice([None, None, 15.0, 60.0])
            # as the service reads it: from before the reply
            until_wall_s = None if for_s is None else self.world.house.clock.now().wall_s + for_s
            view = await service.suspend(*name, reason="x", for_s=for_s, caller=ME, idempotency_key=key)
        elif verb == "stop":
            view = await service.stop(*name, caller=ME, idempotency_key=key)
        elif verb == "delete":
            view = await service.delete(*name, caller=ME, idempotency_key=key)
        else:
            await service.reconcile(*name, caller=ME, idempotency_key=key)
            return
        if life.runner.is_dead:
            return
        self.oracle.promised(view.uid, view.progress.epoch, view.progress.generation)
        if not view.is_acknowledged:
            return
        self.oracle.acknowledged(view.uid, view.progress.epoch)
        if not is_alone or self._activations.get(name, 0) != before:
            return
        if verb != "suspend" or self._is_last_suspension(life, view.uid, until_wall_s):
            self.oracle.quiet[view.uid] = until_wall_s

    async def _freeze_or_thaw(self, life: Life, verb: str, key: str | None) -> None:
        freezing = life.service.freezing
        if verb == "thaw":
            await freezing.thaw(reason="go", caller=ME, idempotency_key=key)
            return
        for_s = self.dice.choice([10.0, 30.0, 90.0, None])
        view = await freezing.freeze(reason="x", for_s=for_s, caller=ME, idempotency_key=key)
        if not life.runner.is_dead and view.frozen is not None and not view.unsettled:
            self.oracle.acknowledged_freeze()

    async def _activate(self, life: Life, verb: str, name: tuple[str, str], key: str | None) -> None:
        service = life.service
        self._activations[name] = self._activations.get(name, 0) + 1
        self._activating[name] = self._activating.get(name, 0) + 1
        state = life.daemon.goals.find(*name)  # type: ignore[arg-type]
        if state is not None:
            self.oracle.quiet.pop(state.uid, None)
        try:
            if verb == "resume":
                view = await service.resume(*name, reason="go", caller=ME, idempotency_key=key)
            else:
                if verb == "change":
                    self.world.change_spec(name[1])
                view = (await self._apply(life, self.world.specs[name[1]], key)).view
            if life.runner.is_dead:
                return
            self.oracle.promised(view.uid, view.progress.epoch, view.progress.generation)
            if view.is_acknowledged:
                self.oracle.acknowledged(view.uid, view.progress.epoch)
        finally:
            self._activating[name] -= 1

    async def _apply(self, life: Life, goal: Goal, key: str | None) -> Any:
        applied = await life.service.apply(goal, caller=ME, idempotency_key=key)
        if life.daemon.goals.by_uid(applied.view.uid) is None and not life.runner.is_dead:
            assert applied.view.progress.desired is Desired.DELETED, "an acknowledged apply is known"
        return applied

    def _read(self, view: Any) -> None:
        """What is shown as green is green, now; what is not acting says why."""
        if view.status is GoalStatus.HOLDING:
            self.oracle.shown_green(view.uid, view.goal, view.now.boot_s)
        self.oracle.explained(view)

    def _is_last_suspension(self, life: Life, uid: str, until_wall_s: float | None) -> bool:
        """Another client may have suspended it for less meanwhile; then that one's end counts."""
        mine = life.daemon.goals.by_uid(GoalUid(uid))
        if mine is None:
            return False
        stands = mine.progress.suspend_until_wall_s
        if until_wall_s is None or stands is None:
            return until_wall_s is None and stands is None
        return abs(stands - until_wall_s) < 1e-6

    async def be_a_watcher(self, life: Life) -> None:
        """Waits and follows, which have to end by themselves when the daemon says that it stops."""
        while not life.service.stopping.is_set():
            goal_id = self.dice.choice(list(self.world.specs))
            try:
                if self.dice.random() < 0.5:
                    state = self.dice.choice(list(GoalStatus))
                    timeout_s = self.dice.choice([0.0, 1.0, 100.0])
                    await life.service.wait("ada", goal_id, state=state, timeout_s=timeout_s)
                else:
                    async with aclosing(life.service.follow("ada", goal_id)) as steps:
                        async for step in steps:
                            await anyio.sleep(self.dice.choice([0.0, 0.5]))
                            if step.kind == "heartbeat" and self.dice.random() < 0.2:
                                break
            except UnknownGoal:
                pass
            with anyio.move_on_after(self.dice.expovariate(1 / (3 * self.world.tempo))):
                await life.service.stopping.wait()
