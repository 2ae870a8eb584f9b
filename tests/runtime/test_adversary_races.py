"""What is decided on one state and recorded on another: a slow disk between a decision and its event."""

import anyio
import pytest

from kazid.adapters.memory.runner import Script
from kazid.core.errors import JournalUnavailable, UnknownGoal
from kazid.core.event import (
    ActEnded,
    ActIntended,
    GoalApplied,
    GoalDeleted,
    GoalSuspended,
    PredicateObserved,
    StatusChanged,
)
from kazid.core.goal import Budget
from kazid.core.progress import Desired
from kazid.core.status import GoalStatus
from kazid.core.verdict import passed
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.house import ME, House

pytestmark = pytest.mark.trio

LIVEZ = a_predicate("livez", live=True)
OTHER = a_predicate("other", live=True)


def ref(goal):
    return goal.owner, goal.id


def a_service(*, cmd="restart", **others):
    return a_goal(
        LIVEZ,
        remedies=[a_remedy("livez", cmd=cmd, timeout_s=600.0, attempts=9)],
        **{"standing": True, **others},
    )


class SlowDisk:
    """Appends that match take a while, the others none."""

    def __init__(self, house: House) -> None:
        self.matches = lambda events: False
        self.takes_s = 3.0
        self.began = anyio.Event()
        house.journal.before_append = self._before

    async def _before(self, uid, events):
        if self.matches(events):
            self.began.set()
            await anyio.sleep(self.takes_s)


def has(kind):
    return lambda events: any(isinstance(e, kind) for e in events)


async def test_an_expiry_that_is_late_does_not_lift_the_suspension_that_came_before_it(autojump_clock):
    house = House()
    disk = SlowDisk(house)
    goal = a_service()
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await daemon.service.suspend(*ref(goal), reason="a minute", for_s=60, caller=ME)
        disk.matches = has(GoalSuspended)
        async with anyio.create_task_group() as group:
            await anyio.sleep(58)

            async def suspend_for_good():
                view = await daemon.service.suspend(*ref(goal), reason="for good", for_s=None, caller=ME)
                assert view.is_acknowledged

            group.start_soon(suspend_for_good)
        await anyio.sleep(600)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.SUSPENDED
        assert house.runner.starts == []


async def test_a_conclusion_about_an_older_generation_is_not_recorded_for_a_newer_one(autojump_clock):
    house = House()
    house.repairs("restart", "livez")
    goal = a_service(standing=False)
    harder = a_goal(LIVEZ, OTHER, remedies=[a_remedy("livez", attempts=9)])
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        while house.runner.started("restart") == 0:
            await anyio.sleep(0.1)
        state = daemon.goals.find(*ref(goal))
        async with anyio.create_task_group() as group:
            await anyio.sleep(2.5)  # repaired; the second green comes while an append holds the state
            assert state.progress.predicate("livez").passes == 1
            async with state._lock:
                await anyio.sleep(2.0)
                group.start_soon(daemon.apply, harder)
                await anyio.sleep(0.1)
        assert daemon.service.view(*ref(goal)).goal == harder
        concluded = await house.events_of(StatusChanged)
        assert GoalStatus.CONVERGED not in [e.status for e in concluded]
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=60)
        assert waited.outcome != "reached"


async def test_an_act_does_not_start_on_a_red_that_turned_green_while_the_disk_was_slow(autojump_clock):
    house = House()
    goal = a_service(workspace="/w")
    identify = house.workspaces.identify
    async with house.daemon() as daemon, anyio.create_task_group() as group:

        async def a_green_comes_while_an_append_holds_the_state(path):
            house.workspaces.identify = identify
            state = daemon.goals.find(*ref(goal))
            house.scene.up["livez"] = True
            now_s = house.clock.now().boot_s
            green = PredicateObserved(
                predicate_id="livez",
                verdict=passed(),
                started_s=now_s,
                ended_s=now_s,
                generation=state.progress.generation,
            )

            async def hold():
                async with state._lock:
                    await anyio.sleep(1)

            group.start_soon(hold)
            await anyio.sleep(0.1)
            group.start_soon(state.note, green)
            await anyio.sleep(0.1)
            return await identify(path)

        house.workspaces.identify = a_green_comes_while_an_append_holds_the_state
        await daemon.apply(goal)
        await anyio.sleep(60)
        assert house.runner.starts == []
        assert daemon.service.view(*ref(goal)).status is GoalStatus.HOLDING


async def test_an_apply_that_races_with_a_delete_is_not_lost(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    disk = SlowDisk(house)
    goal = a_service()
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(10)
        disk.matches = has(GoalDeleted)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: daemon.service.delete(*ref(goal), caller=ME))
            await disk.began.wait()
            outcome = await daemon.apply(goal)
        assert outcome == "created"
        await anyio.sleep(60)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.HOLDING


async def test_an_apply_while_the_deleted_goals_executor_is_dying_creates_a_new_one(autojump_clock):
    house = House()
    house.scripts["old"] = Script(duration_s=500, cancel_takes_s=15)
    house.repairs("new", "livez")
    async with house.daemon() as daemon:
        await daemon.apply(a_service(cmd="old"))
        await anyio.sleep(5)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: daemon.service.delete("ada", "web", caller=ME))
            await anyio.sleep(5)
            assert await daemon.apply(a_service(cmd="new")) == "created"
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.HOLDING, timeout_s=60)
        assert waited.outcome == "reached"
        assert house.runner.started("new") == 1


async def test_a_change_of_a_goal_that_was_deleted_meanwhile_says_that_it_is_gone(autojump_clock):
    house = House()
    disk = SlowDisk(house)
    goal = a_service()
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(1)
        disk.matches = has(GoalDeleted)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: daemon.service.delete(*ref(goal), caller=ME))
            await disk.began.wait()
            with pytest.raises(UnknownGoal):
                await daemon.service.suspend(*ref(goal), reason="late", for_s=None, caller=ME)
        kinds = [type(r.event) for r in await house.events()]
        assert GoalSuspended not in kinds


# --- a disk that gives no answer and stores all the same --------------------------------------------------------------


class AmbiguousDisk:
    """Stores what matches, and then says that it did not (as sqlite's writer does at its deadline)."""

    def __init__(self, house: House, times: int = 1) -> None:
        self.matches = lambda events: False
        self.left = times
        self.takes_s = 1.0
        house.journal.after_append = self._after

    async def _after(self, uid, events):
        if self.left and self.matches(events):
            self.left -= 1
            await anyio.sleep(self.takes_s)
            raise JournalUnavailable("the journal gave no answer")


def resolutions(records):
    intended = [r.event.attempt_id for r in records if isinstance(r.event, ActIntended)]
    ended = [r.event.attempt_id for r in records if isinstance(r.event, ActEnded)]
    return sorted(intended), sorted(ended)


@pytest.mark.parametrize("kind", [ActIntended, ActEnded, PredicateObserved, StatusChanged, GoalSuspended])
async def test_an_append_that_was_stored_and_refused_is_neither_lost_nor_doubled(kind, autojump_clock):
    house = House()
    house.repairs("restart", "livez", duration_s=5)
    house.scene.up["busy"] = True
    disk = AmbiguousDisk(house, times=3)
    busy = a_predicate("busy", live=True, interval_s=0.5, recheck_s=0.5)
    goal = a_goal(LIVEZ, busy, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        disk.matches = has(kind)
        await anyio.sleep(30)
        if kind is GoalSuspended:
            with pytest.raises(JournalUnavailable):
                await daemon.service.suspend(*ref(goal), reason="x", for_s=None, caller=ME)
            await daemon.service.resume(*ref(goal), reason="x", caller=ME)
        await anyio.sleep(200)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.HOLDING
        assert daemon.goals.restarts_total == 0
    intended, ended = resolutions(await house.events())
    assert intended == ended
    assert house.runner.live_max == 1


async def test_a_goal_whose_creation_was_stored_and_refused_can_be_applied_again(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    disk = AmbiguousDisk(house)
    disk.matches = has(GoalApplied)
    goal = a_service()
    async with house.daemon() as daemon:
        with pytest.raises(JournalUnavailable):
            await daemon.apply(goal)
        assert await daemon.apply(goal) in ("created", "attached")
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=60)
        assert waited.outcome == "reached"
        assert [g.spec.id for g in daemon.goals] == ["web"]


async def test_readers_never_meet_a_goal_that_is_being_read_again(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    disk = AmbiguousDisk(house)
    disk.takes_s = 0.0
    goal = a_service()
    seen = 0
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(10)
        disk.matches = has(GoalSuspended)

        async def read_on():
            nonlocal seen
            while True:
                assert daemon.service.views()[0].goal.id == goal.id
                seen += 1
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(read_on)
            with pytest.raises(JournalUnavailable):
                await daemon.service.suspend(*ref(goal), reason="x", for_s=None, caller=ME)
            disk.matches = lambda events: False
            await daemon.service.suspend(*ref(goal), reason="y", for_s=None, caller=ME)
            group.cancel_scope.cancel()
        assert seen > 5
        assert daemon.goals.find(*ref(goal)).progress.desired is Desired.SUSPENDED


async def test_a_fence_wait_ends_when_the_end_was_stored_and_refused(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=500, cancel_takes_s=2)
    disk = AmbiguousDisk(house)
    disk.matches = has(ActEnded)
    goal = a_service()
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        began_s = anyio.current_time()
        view = await daemon.service.suspend(*ref(goal), reason="x", for_s=None, caller=ME)
        assert view.is_acknowledged
        assert anyio.current_time() - began_s < 15


# --- a full disk ------------------------------------------------------------------------------------------------------


async def test_a_full_disk_does_not_keep_an_act_beyond_its_wall_clock(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=500)
    goal = a_service(budget=Budget(wall_clock_s_max=100.0))
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(10)
        assert len(house.runner.live_now) == 1
        house.journal.fail_with(JournalUnavailable("full"))
        await anyio.sleep(120)
        assert house.runner.live_now == ()


async def test_a_disk_that_refuses_one_goal_alone_makes_no_storm(autojump_clock):
    house = House()
    tries = 0

    async def refuse(uid, events):
        nonlocal tries
        if any(isinstance(e, ActIntended) for e in events):
            tries += 1
            raise JournalUnavailable("no room for this one")

    house.journal.before_append = refuse
    flapping = a_predicate("flapping", live=True, interval_s=0.5, recheck_s=0.5)
    async with house.daemon() as daemon:
        await daemon.apply(a_goal(flapping, standing=True, goal_id="flapping"))
        await daemon.apply(a_service())
        for number in range(400):
            house.scene.up["flapping"] = number % 2 == 0
            await anyio.sleep(0.5)
        assert 10 < tries < 250
        assert daemon.world.turns_total < 200 * 20
