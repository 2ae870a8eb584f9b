"""Leases and slots under an adversary: who may act in a tree, who waits for it, and what waiting costs."""

import anyio
import pytest

from kazid.adapters.memory.runner import Script
from kazid.core.event import StatusChanged
from kazid.core.goal import Scope
from kazid.core.status import Cause, GoalStatus
from kazid.runtime.executor import ExecutorLimits
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.adversary import HostileHouse
from tests.runtime.house import ME, House

pytestmark = pytest.mark.trio

LIVEZ = a_predicate("livez", live=True)
TESTS = a_predicate("tests")


def ref(goal):
    return goal.owner, goal.id


def in_workspace(path, *, cmd="restart", goal_id="web", **others):
    return a_goal(
        LIVEZ,
        remedies=[a_remedy("livez", cmd=cmd, timeout_s=600.0, attempts=9)],
        workspace=path,
        standing=True,
        goal_id=goal_id,
        **others,
    )


async def test_a_new_incarnation_waits_for_the_dying_executor_of_the_old_one(autojump_clock):
    house = House()
    house.scripts["old"] = Script(duration_s=500, cancel_takes_s=90)
    house.scripts["new"] = Script(duration_s=20)
    async with house.daemon() as daemon:
        await daemon.apply(in_workspace("/w", cmd="old"))
        await anyio.sleep(5)
        view = await daemon.service.delete("ada", "web", caller=ME)
        assert not view.is_acknowledged
        assert await daemon.apply(in_workspace("/w", cmd="new")) == "created"
        await anyio.sleep(30)
        assert [o.argv[0] for o in house.runner.live_now] == ["old"]
        assert daemon.service.view("ada", "web").status is GoalStatus.WAITING
        await anyio.sleep(60)
        assert house.runner.started("new") >= 1
        assert house.runner.live_max == 1


async def test_a_lease_is_given_back_for_the_tree_it_was_taken_on_when_the_workspace_changed(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=100)
    other = in_workspace("/w", cmd="other", goal_id="other")
    async with house.daemon() as daemon:
        await daemon.apply(in_workspace("/w"))
        await anyio.sleep(5)
        assert await daemon.apply(in_workspace("/w2")) == "generation"
        await daemon.service.stop("ada", "web", caller=ME)
        await daemon.apply(other)
        await anyio.sleep(30)
        assert house.runner.started("other") >= 1, daemon.service.view(*ref(other)).reason


async def test_a_new_generation_in_another_workspace_opens_that_workspace(autojump_clock):
    house = House()
    async with house.daemon() as daemon:
        await daemon.apply(in_workspace("/w"))
        await anyio.sleep(5)
        assert house.runner.started("restart") == 1
        await daemon.apply(in_workspace("/w2"))
        await anyio.sleep(10)
        view = daemon.service.view("ada", "web")
        assert view.cause is not Cause.WORKSPACE_MOVED
        assert [o.cwd for o in house.runner.starts][:2] == ["/w", "/w2"]


async def test_waiting_for_a_second_lease_does_not_spin(autojump_clock):
    house = House()
    house.scripts["long"] = Script(duration_s=300)
    holder = in_workspace("/w", cmd="long", goal_id="holder")
    scope = Scope(owns=("path:/srv/x",), on_overlap="serialise")
    waiter = in_workspace("/w", goal_id="waiter", scope=scope)
    async with house.daemon() as daemon:
        await daemon.apply(holder)
        await anyio.sleep(10)
        await daemon.apply(waiter)
        await anyio.sleep(10)
        assert daemon.service.view(*ref(waiter)).status is GoalStatus.WAITING
        before = daemon.world.turns_total
        with anyio.fail_after(60):
            await anyio.sleep(50)
        assert daemon.world.turns_total - before < 50 * 5
        await anyio.sleep(300)
        assert house.runner.started("restart") >= 1


async def test_a_long_act_of_a_goal_with_code_predicates_does_not_make_turns(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=500)
    goal = a_goal(TESTS, remedies=[a_remedy("tests", timeout_s=600.0)], workspace="/w", standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(60)
        assert len(house.runner.live_now) == 1
        before = daemon.world.turns_total
        await anyio.sleep(300)
        assert daemon.world.turns_total - before < 60


async def test_waiting_for_an_agents_slot_does_not_look_again_and_again(autojump_clock):
    house = House()
    house.scripts["claude"] = Script(duration_s=1000)
    house.workspaces.make("/w3")
    goals = [
        a_goal(TESTS, harness=a_harness(), remedies=[a_remedy("never")], workspace=path, goal_id=path[1:])
        for path in ("/w", "/w2", "/w3")
    ]
    async with house.daemon() as daemon:
        for goal in goals:
            await daemon.apply(goal)
        await anyio.sleep(20)
        assert len(house.runner.live_now) == 2
        looks, events = house.scene.looks["tests"], len(await house.events())
        await anyio.sleep(600)
        assert house.scene.looks["tests"] - looks <= 5
        assert len(await house.events()) - events <= 10
        await anyio.sleep(600)
        assert house.runner.started("claude") >= 3


async def test_what_a_dead_daemon_started_keeps_its_lease_from_the_first_moment(autojump_clock):
    house = HostileHouse()
    house.scripts["one"] = house.scripts["two"] = Script(duration_s=200)
    one, two = (
        a_goal(TESTS, remedies=[a_remedy("tests", cmd=name, timeout_s=600.0)], workspace="/w", goal_id=name)
        for name in ("one", "two")
    )
    async with house.life() as life:
        for goal in (one, two):
            await life.daemon.apply(goal)
            await life.service.suspend(*ref(goal), reason="not yet", for_s=None, caller=ME)
        uid_one = life.daemon.goals.find("ada", "one").uid
        await life.service.resume(*ref(one), reason="go", caller=ME)
        with anyio.fail_after(60):
            while not house.runner.live_now:
                await anyio.sleep(0.01)
        life.kill()
    assert len(house.runner.live_now) == 1

    async def slow_for_one(uid, events):
        if uid == uid_one and isinstance(events[-1], StatusChanged):
            await anyio.sleep(60)

    house.journal.before_append = slow_for_one
    async with house.life() as life:
        await life.service.resume(*ref(two), reason="go", caller=ME)
        await anyio.sleep(55)
        assert [o.argv[0] for o in house.runner.live_now] == ["one"]
    assert house.runner.live_max == 1


async def test_a_goal_that_is_taken_over_beyond_the_limit_of_slots_still_holds_its_lease(
    autojump_clock, monkeypatch
):
    house = House()
    house.scripts["long"] = Script(duration_s=400)
    for number in range(4):
        house.workspaces.make(f"/t{number}")
    goals = [in_workspace(f"/t{number}", cmd="long", goal_id=f"g{number}") for number in range(4)]
    async with house.daemon(is_crashed_at_end=True) as daemon:
        for goal in goals:
            await daemon.apply(goal)
        await anyio.sleep(10)
        assert len(house.runner.live_now) == 4
    monkeypatch.setattr(
        "tests.runtime.house.ExecutorLimits", lambda: ExecutorLimits(remedies=2, dispatches=2)
    )
    async with house.daemon() as daemon:
        await anyio.sleep(5)
        intruder = a_goal(TESTS, harness=a_harness(), workspace="/t0", goal_id="intruder")
        others = [
            a_goal(TESTS, harness=a_harness(), workspace=f"/t{n}", goal_id=f"intruder{n}") for n in range(4)
        ]
        for other in (intruder, *others):
            await daemon.apply(other)
        await anyio.sleep(100)
        assert house.runner.started("claude") == 0, "every tree is held by an executor that still runs"
