"""One scenario, and a kill -9 at each of its durable writes, effects and fault points: before it, and after it.

A first telling counts the points. Then it is told once for each with a daemon that dies exactly there; the next one
finds what is durable, the client repeats what was not answered, and the story must end as it did without any crash.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.core.errors import UnknownGoal
from kazid.core.ids import GoalUid
from kazid.core.status import GoalStatus
from kazid.ports.faults import injected
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.adversary import Life, run_seeded
from tests.runtime.house import ME
from tests.simulation.world import World

SEED = 0
REST_S = 600.0
"""For a step to come to rest; more than any backoff of it."""
TASK = a_goal(
    a_predicate("style"),
    a_predicate("tests"),
    goal_id="task",
    remedies=[a_remedy("style", cmd="format")],
    harness=replace(a_harness(), total_timeout_s=90.0),
    workspace="/w",
)
WEB = a_goal(
    a_predicate("livez", live=True, interval_s=5.0),
    goal_id="web",
    standing=True,
    remedies=[a_remedy("livez", cmd="restart", attempts=9, timeout_s=120.0)],
)

Step = Callable[["Scenario", Life], Awaitable[None]]


class Scenario:
    """The story, told by as many daemons as it takes. `crash_at`: the point at which the first one dies."""

    def __init__(self, *, crash_at: int | None) -> None:
        self.world = World(SEED)
        self.world.is_hostile = False
        self.step = 0
        self.lives = 0
        self.points: list[str] = []
        self.duration_s = 1.0
        self._crash_at = crash_at
        self.life: Life | None = None
        script = self.world._script

        def slow_script(command: str) -> Script:
            return replace(script(command), duration_s=self.duration_s)

        self.world.house._script = slow_script  # type: ignore[method-assign]

    async def tell(self) -> None:
        house = self.world.house
        for goal in (TASK, WEB):
            for predicate in goal.predicates:
                self.world.services.add(predicate.id, is_up=goal is WEB, needs=None)
        with injected(self._pass), anyio.fail_after(20 * REST_S):
            while self.step < len(STEPS):
                self.lives += 1
                async with house.life(self._prepare) as life:
                    if life.runner.is_dead:
                        continue
                    while self.step < len(STEPS):
                        await STEPS[self.step](self, life)
                        self.step += 1
        house.journal.before_append = house.journal.after_append = None
        oracle = self.world.oracle
        oracle.absorb(house.journal)
        oracle.check()
        assert not oracle.unresolved()

    def _prepare(self, life: Life) -> None:
        self.life = life
        self.world.prepare(life)
        starting = life.runner.on_start
        assert starting is not None

        def on_start(order: Any) -> None:
            self._point("effect")
            if not life.runner.is_dead:
                starting(order)

        async def before(uid: GoalUid, events: Any) -> None:
            self._point(f"before {type(events[-1]).__name__}")

        async def after(uid: GoalUid, events: Any) -> None:
            if not life.runner.is_dead:
                self.world.oracle.absorb(self.world.house.journal)
            self._point(f"after {type(events[-1]).__name__}")

        life.runner.on_start = on_start
        self.world.house.journal.before_append = before
        self.world.house.journal.after_append = after

    async def _pass(self, name: str) -> bool:
        self._point(name)
        return False

    def _point(self, name: str) -> None:
        """The daemon is here; it dies here when it is the one."""
        assert self.life is not None
        if self.life.runner.is_dead:
            return
        if len(self.points) == self._crash_at:
            self.life.kill()
        self.points.append(name)

    async def rest(self, life: Life, name: str, status: GoalStatus) -> None:
        with anyio.fail_after(REST_S):
            while life.service.view("ada", name).status is not status:
                await anyio.sleep(0.5)
                self.world.oracle.check()

    def fix(self, name: str, *, is_up: bool) -> None:
        self.world.services.set(name, is_up)


async def create_the_task(told: Scenario, life: Life) -> None:
    await life.service.apply(TASK, caller=ME, idempotency_key="task")
    await told.rest(life, "task", GoalStatus.CONVERGED)


async def create_the_service(told: Scenario, life: Life) -> None:
    await life.service.apply(WEB, caller=ME, idempotency_key="web")
    await told.rest(life, "web", GoalStatus.HOLDING)


async def drift(told: Scenario, life: Life) -> None:
    told.fix("livez", is_up=False)
    await anyio.sleep(12)
    await told.rest(life, "web", GoalStatus.HOLDING)
    assert told.world.truth.now("livez")


async def suspend_a_running_act(told: Scenario, life: Life) -> None:
    told.duration_s = 40.0
    told.fix("livez", is_up=False)
    with anyio.move_on_after(30):
        while not told.world.house.runner.live_now:
            await anyio.sleep(0.5)
    view = await life.service.suspend(
        "ada", "web", reason="x", for_s=None, caller=ME, idempotency_key="suspend"
    )
    assert view.is_acknowledged
    if life.runner.is_dead:
        return
    oracle = told.world.oracle
    oracle.promised(view.uid, view.progress.epoch, view.progress.generation)
    oracle.acknowledged(view.uid, view.progress.epoch)
    oracle.quiet[view.uid] = None


async def stay_suspended(told: Scenario, life: Life) -> None:
    await anyio.sleep(30)
    told.world.oracle.check_quiet()
    assert not told.world.truth.now("livez"), "nobody repairs what is suspended"
    assert life.service.view("ada", "web").status is GoalStatus.SUSPENDED


async def resume(told: Scenario, life: Life) -> None:
    told.duration_s = 1.0
    told.world.oracle.quiet.clear()
    await life.service.resume("ada", "web", reason="go", caller=ME, idempotency_key="resume")
    await told.rest(life, "web", GoalStatus.HOLDING)


async def freeze_everything(told: Scenario, life: Life) -> None:
    view = await life.service.freezing.freeze(reason="x", for_s=None, caller=ME, idempotency_key="freeze")
    if life.runner.is_dead:
        return
    assert not view.unsettled
    told.world.oracle.acknowledged_freeze()
    told.fix("livez", is_up=False)
    await anyio.sleep(30)
    told.world.oracle.check_quiet()
    assert not told.world.truth.now("livez"), "nobody repairs what is frozen"


async def thaw_everything(told: Scenario, life: Life) -> None:
    told.fix("livez", is_up=False)
    await life.service.freezing.thaw(reason="go", caller=ME, idempotency_key="thaw")
    await anyio.sleep(12)
    await told.rest(life, "web", GoalStatus.HOLDING)
    assert told.world.truth.now("livez")


async def delete_the_service(told: Scenario, life: Life) -> None:
    try:
        await life.service.delete("ada", "web", caller=ME, idempotency_key="delete")
    except UnknownGoal:
        assert told.lives > 1, "only who asks again is told that it is gone"
    with pytest.raises(UnknownGoal):
        life.service.view("ada", "web")


async def do_the_task_again(told: Scenario, life: Life) -> None:
    told.fix("style", is_up=False)
    await life.service.apply(TASK, caller=ME, idempotency_key="again")
    await anyio.sleep(5)
    await told.rest(life, "task", GoalStatus.CONVERGED)


STEPS: list[Step] = [
    create_the_task,
    create_the_service,
    drift,
    suspend_a_running_act,
    stay_suspended,
    resume,
    freeze_everything,
    thaw_everything,
    delete_the_service,
    do_the_task_again,
]


def tell(crash_at: int | None) -> Scenario:
    scenario = Scenario(crash_at=crash_at)
    try:
        run_seeded(scenario.tell, seed=SEED)
    except BaseException as error:
        scenario.world.oracle.check()
        if crash_at is not None:
            error.add_note(f"the daemon died at point {crash_at}: {scenario.points[crash_at]}")
        raise
    return scenario


def test_a_crash_at_each_point_of_a_scenario_changes_nothing_about_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = tell(None)
    acts = whole.world.oracle.starts
    for number, name in enumerate(whole.points):
        crashed = tell(number)
        where = f"point {number} ({name})"
        assert crashed.lives == 2, where
        assert crashed.world.oracle.starts <= acts + 2, f"{where}: effects were repeated"
    with capsys.disabled():
        kinds = len(set(whole.points))
        print(f"\n{len(whole.points)} crash points of {kinds} kinds, {acts} executors, {len(STEPS)} steps")
    assert {"effect", "act.intended", "act.ended", "events.appended", "fence.recorded"} <= set(whole.points)
