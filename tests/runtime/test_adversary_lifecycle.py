"""Ends and beginnings under an adversary: crashes inside an act, parking, shutdown at any moment, delete, waits."""

import anyio
import pytest

from kazid.adapters.memory.runner import Script
from kazid.core.errors import JournalUnavailable
from kazid.core.event import ActEnded, ActIntended, GoalDeleted, GoalParked
from kazid.core.status import GoalStatus
from kazid.ports.belonging import Belonging
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.adversary import HostileHouse, dice_of, run_seeded
from tests.runtime.house import ME, House

LIVEZ = a_predicate("livez", live=True)
TESTS = a_predicate("tests")


def ref(goal):
    return goal.owner, goal.id


def a_service(*, cmd="restart", **others):
    return a_goal(
        LIVEZ,
        remedies=[a_remedy("livez", cmd=cmd, timeout_s=600.0, attempts=9)],
        **{"standing": True, **others},
    )


async def resolutions(house):
    events = [r.event for r in await house.events()]
    intended = [e.attempt_id for e in events if isinstance(e, ActIntended)]
    ended = [e.attempt_id for e in events if isinstance(e, ActEnded)]
    return intended, ended


# --- the task crashes in the middle of an act -------------------------------------------------------------------------


@pytest.mark.trio
async def test_an_act_whose_task_crashes_is_taken_over_and_not_doubled(autojump_clock):
    house = House()
    house.repairs("restart", "livez", duration_s=20)
    goal = a_service(workspace="/w")
    async with house.daemon() as daemon:
        look = daemon.observer.look
        crashes = 0

        async def look_and_crash(uid, goal, predicate, progress):
            nonlocal crashes
            if progress.act is not None and crashes < 3:
                crashes += 1
                raise ZeroDivisionError("a bug of ours, while an act runs")
            return await look(uid, goal, predicate, progress)

        daemon.observer.look = look_and_crash
        await daemon.apply(
            a_goal(
                a_predicate("livez", live=True, interval_s=2.0),
                remedies=goal.remedies,
                workspace="/w",
                standing=True,
            )
        )
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=120)
        assert waited.outcome == "reached"
        assert (crashes, house.runner.started("restart"), house.runner.live_max) == (3, 1, 1)
        await daemon.apply(a_service(workspace="/w", goal_id="next"))
        house.scene.up["livez"] = False
        await anyio.sleep(60)
    intended, ended = await resolutions(house)
    assert sorted(intended) == sorted(ended)
    assert house.runner.started("restart") >= 2, "the lease came back"
    assert house.runner.live_max == 1


@pytest.mark.trio
async def test_an_end_that_cannot_be_told_parks_its_goal_and_nobody_else(autojump_clock):
    house = House()
    house.scene.up["livez"] = True

    def parse(text):
        raise ZeroDivisionError("a report that breaks the parser")

    house.harness.parse = parse
    bad = a_goal(TESTS, harness=a_harness(), workspace="/w", goal_id="bad")
    good = a_service(goal_id="good")
    async with house.daemon() as daemon:
        await daemon.apply(good)
        await daemon.apply(bad)
        await anyio.sleep(60)
        assert daemon.service.view(*ref(bad)).status is GoalStatus.PARKED
        assert daemon.service.view(*ref(good)).status is GoalStatus.HOLDING
        await daemon.apply(a_service(goal_id="next", workspace="/w"))
        house.scene.up["livez"] = False
        await anyio.sleep(60)
        assert house.runner.started("restart") >= 1, "the parked goal's lease came back"
    intended, ended = await resolutions(house)
    assert sorted(intended) == sorted(ended)


@pytest.mark.trio
async def test_a_runner_that_cannot_recover_keeps_the_lease_and_harms_nobody_else(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=300)
    house.scene.up["fine"] = True
    good = a_goal(a_predicate("fine", live=True), standing=True, goal_id="good")
    bad = a_service(workspace="/w")
    async with house.daemon() as daemon:
        await daemon.apply(good)
        await daemon.apply(bad)
        await anyio.sleep(10)
        look, recover = daemon.observer.look, daemon.executor.recover
        is_broken = True

        async def broken_look(uid, goal, predicate, progress):
            if goal.id == "web" and is_broken:
                raise ZeroDivisionError("look")
            return await look(uid, goal, predicate, progress)

        async def broken_recover(uid, attempt_id):
            if is_broken:
                raise OSError("recover")
            return await recover(uid, attempt_id)

        daemon.observer.look, daemon.executor.recover = broken_look, broken_recover
        await daemon.apply(a_service(workspace="/w", cmd="other", goal_id="other"))
        turns, events = daemon.world.turns_total, len(await house.events())
        with anyio.fail_after(1000):
            await anyio.sleep(200)
        assert house.runner.started("other") == 0, "an executor nobody can tell about may still run"
        assert daemon.service.view(*ref(good)).status is GoalStatus.HOLDING
        assert daemon.world.turns_total - turns < 200 * 10
        assert len(await house.events()) - events < 200
        is_broken = False
        await anyio.sleep(200)
        assert house.runner.started("other") >= 1
    intended, ended = await resolutions(house)
    assert sorted(intended) == sorted(ended)
    assert house.runner.live_max == 1


@pytest.mark.trio
async def test_parking_with_an_attempt_running_ends_it_once_and_gives_everything_back(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=500, cancel_takes_s=10)
    goal = a_service(workspace="/w")
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        look = daemon.observer.look

        async def broken(uid, goal, predicate, progress):
            raise ZeroDivisionError("look")

        daemon.observer.look = broken
        await daemon.service.reconcile(*ref(goal), caller=ME)
        await anyio.sleep(60)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.PARKED
        assert house.runner.live_now == ()
        daemon.observer.look = look
        house.repairs("restart", "livez")
        await daemon.service.resume(*ref(goal), reason="mended", caller=ME)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=120)
        assert waited.outcome == "reached"
        assert (daemon.executor._places, daemon.executor._attempts) == ({}, {})
    events = [type(r.event) for r in await house.events()]
    assert events.count(GoalParked) == 1
    assert events.count(ActIntended) == events.count(ActEnded) == 2


# --- shutdown ---------------------------------------------------------------------------------------------------------


async def _shut_down_at(seed, *, ends_attempts):
    dice = dice_of(seed)
    house = HostileHouse()
    house.scripts["restart"] = Script(
        duration_s=dice.uniform(0.5, 20), cancel_takes_s=dice.choice([0.0, 5.0])
    )
    slowness = dice.choice([0.0, 0.05, 1.0])

    async def slow(*_):
        await anyio.sleep(dice.uniform(0, slowness))

    house.delay = slow
    house.journal.before_append = house.journal.after_append = slow
    goal = a_goal(
        a_predicate("livez", live=True, interval_s=1.0, recheck_s=0.1),
        remedies=[a_remedy("livez", attempts=99)],
        standing=True,
    )
    async with house.life() as life:
        await life.daemon.apply(goal)
        await anyio.sleep(dice.uniform(0, 30))
        life.ends_attempts = ends_attempts
    live = len(house.runner.live_now)
    house.journal.before_append = house.journal.after_append = None
    intended, ended = await resolutions(house)
    if ends_attempts:
        assert live == 0, f"seed {seed}: an executor outlived a shutdown that ends them"
        assert sorted(intended) == sorted(ended), f"seed {seed}: an attempt was left unresolved"
    else:
        assert len(intended) - len(ended) in (0, 1)
        assert live <= len(intended) - len(ended)
    house.repairs("restart", "livez")
    async with house.life() as life:
        waited = await life.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=400)
        assert waited.outcome == "reached", f"seed {seed}"
    intended, ended = await resolutions(house)
    assert sorted(intended) == sorted(ended)
    assert house.runner.live_max <= 1


@pytest.mark.parametrize("ends_attempts", [True, False])
def test_a_shutdown_at_any_moment_leaves_no_attempt_unresolved_or_leaves_it_to_be_recovered(ends_attempts):
    for seed in range(60):
        run_seeded(lambda seed=seed: _shut_down_at(seed, ends_attempts=ends_attempts), seed=seed)


def test_a_shutdown_before_the_intended_act_began_resolves_it_on_asyncio_too():
    async def story():
        house = House()
        house.scripts["restart"] = Script(duration_s=5)
        goal = a_goal(TESTS, remedies=[a_remedy("tests")])
        async with anyio.create_task_group() as group:

            async def end_when_intended(uid, events):
                if any(isinstance(e, ActIntended) for e in events):
                    group.cancel_scope.cancel()

            house.journal.after_append = end_when_intended
            async with house.daemon() as daemon:
                await daemon.apply(goal)
                await anyio.sleep(5)
        house.journal.after_append = None
        return await resolutions(house), house.runner.live_now

    (intended, ended), live = anyio.run(story, backend="asyncio")
    assert len(intended) == 1
    assert (ended, live) == (intended, ())


# --- delete -----------------------------------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("how", ["finished", "stopped", "parked", "live", "acting"])
async def test_a_deleted_goal_is_forgotten_in_memory_and_in_the_journal(how, autojump_clock):
    house = House()
    house.scene.up["livez"] = how != "acting"
    house.scripts["restart"] = Script(duration_s=100, cancel_takes_s=3)
    goal = a_service(standing=how != "finished")
    async with house.daemon() as daemon:
        look = daemon.observer.look

        async def broken(uid, goal, predicate, progress):
            if how == "parked":
                raise ZeroDivisionError("look")
            return await look(uid, goal, predicate, progress)

        daemon.observer.look = broken
        await daemon.apply(goal)
        await anyio.sleep(10)
        if how == "stopped":
            await daemon.service.stop(*ref(goal), caller=ME)
        view = await daemon.service.delete(*ref(goal), caller=ME)
        assert view.is_acknowledged
        await anyio.sleep(1)
        assert (list(daemon.goals), daemon.goals._states, daemon.goals._running) == ([], {}, set())
        assert await house.journal.headers() == []


@pytest.mark.trio
async def test_a_full_disk_and_a_deleted_goal_do_not_keep_the_daemon_from_starting(autojump_clock):
    house = HostileHouse()
    house.scene.up["livez"] = True
    async with house.life() as life:
        await life.daemon.apply(a_service())
        await life.daemon.apply(a_service(goal_id="other"))
        await anyio.sleep(10)

        async def kill(uid, events):
            if any(isinstance(e, GoalDeleted) for e in events):
                life.kill()

        house.journal.after_append = kill
        await life.service.delete("ada", "web", caller=ME)
    house.journal.after_append = None
    assert len(await house.journal.headers()) == 2
    house.journal.fail_with(JournalUnavailable("full"))
    async with house.life() as life:
        await anyio.sleep(60)
        assert [s.spec.id for s in life.daemon.goals] == ["other"]
        assert life.daemon.health.degraded is not None
    house.journal.fail_with(None)
    async with house.life():
        await anyio.sleep(1)
        assert len(await house.journal.headers()) == 1


@pytest.mark.trio
async def test_a_delete_whose_client_left_frees_the_name_all_the_same(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=500, cancel_takes_s=100)
    async with house.daemon() as daemon:
        await daemon.apply(a_service())
        await anyio.sleep(5)
        with anyio.move_on_after(2):
            await daemon.service.delete("ada", "web", caller=ME)
        assert await daemon.apply(a_service(cmd="new")) == "created"


@pytest.mark.trio
async def test_an_agent_of_a_deleted_goal_is_still_an_agent_while_it_dies(autojump_clock):
    house = House()
    house.scripts["claude"] = Script(duration_s=500, cancel_takes_s=100)
    goal = a_goal(TESTS, harness=a_harness(), workspace="/w")
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        (order,) = house.runner.live_now
        daemon.service._belonging_of = lambda pid: Belonging(attempts=(order.attempt_id,))
        assert (await daemon.service.standing_of(1)).agent == order.uid
        await daemon.service.delete(*ref(goal), caller=ME)
        assert len(house.runner.live_now) == 1
        assert (await daemon.service.standing_of(1)).agent == order.uid


# --- waits and follows ------------------------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("how", ["parked", "finished"])
async def test_a_suspension_of_a_goal_that_has_no_task_still_expires(how, autojump_clock):
    house = House()
    goal = a_service(standing=how == "parked")
    async with house.daemon() as daemon:

        async def broken(uid, goal, predicate, progress):
            raise ZeroDivisionError("look")

        if how == "parked":
            daemon.observer.look = broken
        else:
            goal = a_goal(LIVEZ, remedies=[a_remedy("livez", attempts=1)])
        await daemon.apply(goal)
        await anyio.sleep(60)
        before = daemon.service.view(*ref(goal)).status
        assert before in (GoalStatus.PARKED, GoalStatus.STUCK)
        await daemon.service.suspend(*ref(goal), reason="x", for_s=30, caller=ME)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.SUSPENDED
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=300)
        assert (waited.outcome, waited.view.status) == ("unreachable", before)


@pytest.mark.trio
async def test_a_slow_follower_is_told_of_every_act(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=0.5, exit_code=1)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez", attempts=4)])
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        steps = []
        with anyio.fail_after(2000):
            async for step in daemon.service.follow(*ref(goal)):
                steps.append(step)
                await anyio.sleep(40)
        assert [s.text for s in steps if s.kind == "iteration"] == ["restart"] * 4
        assert steps[-1].kind == "outcome"


@pytest.mark.trio
@pytest.mark.parametrize("verb", ["delete", "stop", "shutdown", "park"])
async def test_waits_and_follows_end_when_their_goal_does(verb, autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=400, cancel_takes_s=50)
    goal = a_service()
    ends = []
    async with anyio.create_task_group() as group:
        async with house.daemon() as daemon:
            await daemon.apply(goal)
            await anyio.sleep(5)

            async def wait():
                waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=5000)
                ends.append(("wait", waited.outcome))

            async def follow():
                last = ""
                async for step in daemon.service.follow(*ref(goal)):
                    last = step.kind
                ends.append(("follow", last))

            group.start_soon(wait)
            group.start_soon(follow)
            await anyio.sleep(1)
            if verb == "park":

                async def broken(uid, goal, predicate, progress):
                    raise ZeroDivisionError("look")

                daemon.observer.look = broken
            elif verb == "shutdown":
                daemon.service.stop_streams()
            else:
                await getattr(daemon.service, verb)(*ref(goal), caller=ME)
            with anyio.fail_after(120):
                while len(ends) < 2:
                    await anyio.sleep(0.1)
        expected = {
            "delete": ("gone", "outcome"),
            "stop": ("unreachable", "outcome"),
            "park": ("unreachable", "outcome"),
            "shutdown": ("timeout", "interrupted"),
        }[verb]
        assert (dict(ends)["wait"], dict(ends)["follow"]) == expected


@pytest.mark.trio
async def test_a_follower_of_a_deleted_goal_that_will_not_die_is_let_go_at_shutdown(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=5000, cancel_takes_s=500)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez", timeout_s=9000.0)], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        kinds = []

        async def follow():
            kinds.extend([step.kind async for step in daemon.service.follow(*ref(goal))])

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            await anyio.sleep(1)
            await daemon.service.delete(*ref(goal), caller=ME)
            began_s = anyio.current_time()
            daemon.service.stop_streams()
        assert anyio.current_time() - began_s < 1
        assert kinds[-1] == "interrupted"
