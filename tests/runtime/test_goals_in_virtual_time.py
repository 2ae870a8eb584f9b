"""The loop as its users see it, in virtual hours: converge, drift, fence, crash, full disk, parking."""

import anyio
import pytest

from kazid.adapters.memory.runner import Script
from kazid.core.errors import JournalUnavailable
from kazid.core.event import ActEnded, ActIntended, event_type
from kazid.core.goal import Budget
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Status, errored, passed
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.house import ME, House

pytestmark = pytest.mark.trio

LIVEZ = a_predicate("livez", live=True)
TESTS = a_predicate("tests")


def ref(goal):
    return goal.owner, goal.id


async def test_a_red_goal_is_driven_to_green_by_its_remedy(autojump_clock):
    house = House()
    house.repairs("restart", "livez")
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")])
    async with house.daemon() as daemon:
        assert await daemon.apply(goal) == "created"
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=60)
        assert waited.outcome == "reached"
        assert house.runner.started("restart") == 1


async def test_an_unfixable_goal_ends_stuck_and_says_why(autojump_clock):
    house = House()
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez", attempts=2)])
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=600)
        assert (waited.outcome, waited.view.status, waited.view.cause) == (
            "unreachable",
            GoalStatus.STUCK,
            Cause.NO_PROGRESS,
        )
        assert "livez" in waited.view.reason
        assert house.runner.started("restart") == 2


async def test_one_iteration_of_budget_acts_looks_once_more_and_ends_over_budget(autojump_clock):
    house = House()
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez", attempts=9)], budget=Budget(iterations_max=1))
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=600)
        assert waited.view.status is GoalStatus.OVER_BUDGET
        assert house.runner.started("restart") == 1


async def test_everything_green_before_any_work_is_vacuous(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")])
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=60)
        assert waited.view.status is GoalStatus.VACUOUS


async def test_a_standing_goal_notices_drift_within_interval_and_recheck_and_reconverges(autojump_clock):
    house = House()
    house.repairs("restart", "livez")
    house.scene.up["livez"] = True
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        assert (
            await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=60)
        ).outcome == "reached"
        await anyio.sleep(3600)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.HOLDING
        house.scene.up["livez"] = False
        broken_s = anyio.current_time()
        with anyio.fail_after(60):
            while house.runner.started("restart") == 0:
                await anyio.sleep(0.1)
        assert anyio.current_time() - broken_s <= 33 + 2 + 0.5
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=60)
        assert waited.outcome == "reached"


async def test_a_stuck_standing_goal_retries_once_an_hour_and_a_green_by_anyone_ends_it(autojump_clock):
    house = House()
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez", attempts=1)], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(120)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.STUCK
        tried = house.runner.started("restart")
        await anyio.sleep(5 * 3600)
        assert house.runner.started("restart") - tried in (4, 5)
        house.scene.up["livez"] = True
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=90)
        await anyio.sleep(90)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.HOLDING, waited


async def test_a_black_holed_sibling_does_not_delay_an_act(autojump_clock):
    house = House()
    house.repairs("restart", "livez")
    house.scene.takes_s["hole"] = 10.0
    hole = a_predicate("hole", live=True)
    goal = a_goal(LIVEZ, hole, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(4)
        assert house.runner.started("restart") == 1


async def test_a_suspend_is_acknowledged_only_when_the_executor_is_gone(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=50, cancel_takes_s=7)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        assert len(house.runner.live_now) == 1
        began_s = anyio.current_time()
        view = await daemon.service.suspend(*ref(goal), reason="lunch", for_s=None, caller=ME)
        assert view.is_acknowledged
        assert anyio.current_time() - began_s >= 7
        assert house.runner.live_now == ()
        assert view.status is GoalStatus.SUSPENDED
        await anyio.sleep(3600)
        assert house.runner.started("restart") == 1


async def test_a_suspend_that_cannot_be_enforced_in_time_says_so_with_pids(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=500, cancel_takes_s=120, unkillable=(77,))
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez", timeout_s=600)], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        view = await daemon.service.suspend(*ref(goal), reason="lunch", for_s=None, caller=ME)
        assert not view.is_acknowledged
        assert list(view.pids) == [77]


async def test_a_suspension_expires_by_itself(autojump_clock):
    house = House()
    house.repairs("restart", "livez")
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await daemon.service.suspend(*ref(goal), reason="lunch", for_s=60, caller=ME)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=120)
        assert waited.outcome == "reached"


async def test_stop_ends_looking_and_apply_revives(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(100)
        view = await daemon.service.stop(*ref(goal), caller=ME)
        assert view.status is GoalStatus.STOPPED
        looks = house.scene.looks["livez"]
        await anyio.sleep(3600)
        assert house.scene.looks["livez"] == looks
        assert await daemon.apply(goal) == "revived"
        assert (
            await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=60)
        ).outcome == "reached"


async def test_delete_and_create_again_is_a_new_incarnation(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(10)
        first = daemon.service.view(*ref(goal)).uid
        await daemon.service.delete(*ref(goal), caller=ME)
        assert await daemon.apply(goal) == "created"
        assert daemon.service.view(*ref(goal)).uid != first


async def test_the_same_spec_attaches_a_changed_one_is_a_generation_and_fences(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=40)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        assert await daemon.apply(goal) == "attached"
        assert len(house.runner.live_now) == 1
        changed = a_goal(LIVEZ, remedies=[a_remedy("livez", cmd="reload")], standing=True)
        assert await daemon.apply(changed) == "generation"
        assert "restart" not in [o.argv[0] for o in house.runner.live_now]
        await anyio.sleep(10)
        assert house.runner.started("reload") == 1


async def test_a_changed_budget_applies_in_place_and_does_not_disturb_the_attempt(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=40)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        bigger = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True, budget=Budget(iterations_max=99))
        assert await daemon.apply(bigger) == "updated"
        assert len(house.runner.live_now) == 1
        assert daemon.service.view(*ref(goal)).progress.episode.number == 1


async def test_a_wall_clock_budget_ends_a_running_act(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=50)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], budget=Budget(wall_clock_s_max=20.0))
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=100)
        assert waited.view.status is GoalStatus.OVER_BUDGET
        assert house.runner.cancels


async def test_two_goals_never_act_in_one_workspace(autojump_clock):
    house = House()
    house.scripts["a"] = house.scripts["b"] = Script(duration_s=10)
    one = a_goal(LIVEZ, remedies=[a_remedy("livez", cmd="a")], goal_id="one", workspace="/w", standing=True)
    two = a_goal(
        LIVEZ, remedies=[a_remedy("livez", cmd="b")], goal_id="two", workspace="/w/sub", standing=True
    )
    house.workspaces.make("/w/sub")
    async with house.daemon() as daemon:
        await daemon.apply(one)
        await daemon.apply(two)
        await anyio.sleep(5)
        views = [daemon.service.view(*ref(goal)) for goal in (one, two)]
        assert sorted(view.status.value for view in views) == ["acting", "waiting"]
        waiting, acting = sorted(views, key=lambda view: view.status is GoalStatus.ACTING)
        assert acting.goal.id in waiting.reason, "the one that waits names the holder"
        await anyio.sleep(200)
        assert house.runner.live_max == 1
        assert house.runner.started("a") == house.runner.started("b") == 2


async def test_a_workspace_that_vanished_or_was_replaced_stops_the_goal(autojump_clock):
    house = House()
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez", attempts=9)], workspace="/w", standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        assert house.runner.started("restart") == 1
        house.workspaces.make("/w")
        await anyio.sleep(60)
        view = daemon.service.view(*ref(goal))
        assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.WORKSPACE_MOVED)


async def test_a_person_who_made_the_workspace_again_resumes_the_goal_once(autojump_clock):
    house = House()
    tests = a_predicate("tests", live=True)
    goal = a_goal(tests, remedies=[a_remedy("tests", attempts=9)], workspace="/w", standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        house.workspaces.remove("/w")
        house.scene.verdicts["tests"] = errored("workspace_missing", "no such folder: /w")
        stuck = await daemon.service.wait(*ref(goal), state=GoalStatus.STUCK, timeout_s=600)
        assert stuck.view is not None
        assert stuck.view.cause is Cause.WORKSPACE_MISSING
        house.workspaces.make("/w")
        del house.scene.verdicts["tests"]
        house.repairs("restart", "tests")
        await daemon.service.resume(*ref(goal), reason="it is back", caller=ME)
        await anyio.sleep(120)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.HOLDING


async def test_an_agent_that_does_nothing_is_stuck_after_two_paid_dispatches(autojump_clock):
    house = House()
    goal = a_goal(TESTS, harness=a_harness(), workspace="/w")
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=3600)
        assert (waited.view.status, waited.view.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
        assert house.runner.started("claude") == 2


async def test_an_agent_that_fixes_is_believed_by_the_next_look_only(autojump_clock):
    house = House()
    house.repairs("claude", "tests")
    goal = a_goal(TESTS, harness=a_harness(), workspace="/w")
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=3600)
        assert waited.outcome == "reached"
        assert waited.view.progress.episode.tokens == 150


async def test_a_missing_agent_is_its_own_cause_at_once(autojump_clock):
    house = House()
    house.scripts["claude"] = Script(ending="not_started", exit_code=None, reason="not found: claude")
    goal = a_goal(TESTS, harness=a_harness(), workspace="/w")
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=3600)
        assert waited.view.cause is Cause.CAPABILITY_UNREACHABLE
        assert "not found: claude" in waited.view.reason


async def test_a_permanent_error_ends_at_once_and_acts_never(autojump_clock):
    house = House()
    house.scene.verdicts["tests"] = errored("cmd_unrunnable", "not found: go")
    goal = a_goal(TESTS, harness=a_harness(), workspace="/w")
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=10)
        assert (waited.view.status, waited.view.cause) == (GoalStatus.STUCK, Cause.ERROR_WEDGED)
        assert house.runner.starts == []


async def test_a_provider_that_raises_is_an_error_verdict_and_the_others_go_on(autojump_clock):
    house = House()
    house.scene.crashes.add("livez")
    house.scene.up["other"] = True
    goal = a_goal(LIVEZ, a_predicate("other", live=True), remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(60)
        view = daemon.service.view(*ref(goal))
        assert view.vector.reading("livez").verdict.reason == "provider_raised"
        assert view.vector.reading("other").is_green
        assert daemon.goals.restarts_total == 0


@pytest.mark.parametrize("crash_after_s", [0.0, 1.0, 2.5, 5.0, 11.9, 12.5, 14.0, 30.0])
async def test_a_daemon_that_crashes_anywhere_loses_nothing_and_runs_nothing_twice(
    crash_after_s, autojump_clock
):
    house = House()
    house.repairs("restart", "livez", duration_s=10)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(goal)
        await anyio.sleep(crash_after_s)
    async with house.daemon() as daemon:
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=120)
        assert waited.outcome == "reached"
    assert house.runner.started("restart") == 1
    assert house.runner.live_max == 1
    events = [r.event for r in await house.events()]
    intended = [e.attempt_id for e in events if isinstance(e, ActIntended)]
    ended = [e.attempt_id for e in events if isinstance(e, ActEnded)]
    assert sorted(intended) == sorted(ended), "every intent is resolved exactly once"


async def test_a_suspension_survives_a_crash_and_fences_what_the_dead_daemon_started(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=1000, cancel_takes_s=30)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez", timeout_s=3000)], standing=True)
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: daemon.service.suspend(*ref(goal), reason="x", for_s=None, caller=ME))
            await anyio.sleep(1)
            group.cancel_scope.cancel()
    async with house.daemon() as daemon:
        await anyio.sleep(60)
        view = daemon.service.view(*ref(goal))
        assert view.status is GoalStatus.SUSPENDED
        assert house.runner.live_now == ()
        assert house.runner.started("restart") == 1


async def test_a_shutdown_ends_attempts_and_journals_their_end(autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=50)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
    ended = await house.events_of(ActEnded)
    assert [e.ending for e in ended] == ["cancelled"]
    assert house.runner.live_now == ()


async def test_a_full_disk_starts_no_act_refuses_mutations_and_goes_on_looking(autojump_clock):
    house = House()
    house.repairs("restart", "livez")
    house.scene.up["livez"] = True
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(100)
        house.journal.fail_with(JournalUnavailable("disk is full"), reserve=1)
        await anyio.sleep(15)
        assert daemon.health.degraded is not None
        house.scene.up["livez"] = False
        looks, fed = house.scene.looks["livez"], daemon.fed
        await anyio.sleep(300)
        assert house.runner.starts == []
        assert house.scene.looks["livez"] > looks
        assert daemon.fed > fed, "the watchdog is fed: a restart would not help a full disk"
        with pytest.raises(JournalUnavailable):
            await daemon.apply(a_goal(LIVEZ, goal_id="another"))
        house.journal.fail_with(None)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=120)
        await anyio.sleep(60)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.HOLDING, waited
        assert house.runner.started("restart") == 1


@pytest.mark.parametrize("verb", ["suspend", "stop"])
async def test_on_a_full_disk_a_fence_is_acknowledged_with_the_room_of_the_reserve(verb, autojump_clock):
    house = House()
    house.scripts["restart"] = Script(duration_s=600.0)
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(30)
        assert house.runner.live_now
        house.journal.fail_with(JournalUnavailable("disk is full"), reserve=10)
        await anyio.sleep(15)
        service = daemon.service
        view = await (
            service.stop(*ref(goal), caller=ME)
            if verb == "stop"
            else service.suspend(*ref(goal), reason="full", for_s=None, caller=ME)
        )
        assert view.is_acknowledged, "the end of what was fenced is recorded in the same room"
        assert not house.runner.live_now


@pytest.mark.parametrize("seconds", [60.0, 5.0], ids=["slept", "only-busy"])
async def test_a_daemon_that_did_not_run_for_long_looks_at_everything_again(seconds, autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(
        a_predicate("livez", live=True, interval_s=3600.0), remedies=[a_remedy("livez")], standing=True
    )
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(100)
        looks = house.scene.looks["livez"]
        house.clock.stall(seconds)
        await anyio.sleep(10)
        assert (house.scene.looks["livez"] > looks) is (seconds > 10.0)
        assert daemon.service.view(*ref(goal)).status is GoalStatus.HOLDING


async def test_a_clock_step_makes_everything_stale_and_looks_again(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(
        a_predicate("livez", live=True, interval_s=3600.0), remedies=[a_remedy("livez")], standing=True
    )
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(100)
        looks = house.scene.looks["livez"]
        house.clock.step(7200)
        await anyio.sleep(10)
        assert house.scene.looks["livez"] >= looks + 2
        assert daemon.service.view(*ref(goal)).status is GoalStatus.HOLDING


async def test_a_goal_whose_task_keeps_crashing_is_parked_and_the_others_never_notice(autojump_clock):
    house = House()
    house.scene.up.update(livez=True)
    bad = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True, goal_id="bad")
    good = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True, goal_id="good")
    async with house.daemon() as daemon:
        await daemon.apply(good)
        original = daemon.observer.look

        async def look(uid, goal, predicate, progress):
            if goal.id == "bad":
                raise ZeroDivisionError("a bug in our own loop")
            return await original(uid, goal, predicate, progress)

        daemon.observer.look = look
        await daemon.apply(bad)
        await anyio.sleep(120)
        assert daemon.service.view(*ref(bad)).status is GoalStatus.PARKED
        assert "ZeroDivisionError" in daemon.service.view(*ref(bad)).reason
        bundle = daemon.service.view(*ref(bad)).progress.bundle
        assert bundle is not None, "an end that is not converged leaves one"
        assert (bundle.status, bundle.cause) == (GoalStatus.PARKED, Cause.CRASHED)
        assert any("export-incident" in step for step in bundle.next_steps)
        assert daemon.service.view(*ref(good)).status is GoalStatus.HOLDING
        daemon.observer.look = original
        await daemon.service.resume(*ref(bad), reason="fixed", caller=ME)
        assert (
            await daemon.service.wait(*ref(bad), state=GoalStatus.HOLDING, timeout_s=60)
        ).outcome == "reached"


async def test_steady_looks_are_gathered_not_written_one_by_one(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(
        a_predicate("livez", live=True, interval_s=1.0, recheck_s=1.0),
        remedies=[a_remedy("livez")],
        standing=True,
    )
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(60)
        before = len(await house.events())
        await anyio.sleep(3600)
        written = (await house.events())[before:]
        assert len(written) <= 70
        assert {event_type(r.event) for r in written} <= {"steady.observed", "snapshot.taken"}


async def test_check_looks_once_stores_nothing_and_acts_never(autojump_clock):
    house = House()
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")])
    async with house.daemon() as daemon:
        applied = await daemon.service.check(goal)
        assert applied.view.status is GoalStatus.STUCK
        house.scene.up["livez"] = True
        assert (await daemon.service.check(goal)).view.status is GoalStatus.CONVERGED
        await anyio.sleep(100)
        assert house.runner.starts == []
        assert await house.events() == []


async def test_what_is_stale_is_never_shown_as_holding(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(50)
        house.scene.takes_s["livez"] = 1e6
        house.scene.verdicts["livez"] = passed()
        await anyio.sleep(55)
        view = daemon.service.view(*ref(goal))
        assert view.status is not GoalStatus.HOLDING


async def test_reconcile_of_a_goal_that_has_ended_leaves_what_was_seen_as_it_was(autojump_clock):
    house = House()
    house.scene.up["tests"] = False
    house.scripts["make"] = Script(duration_s=1.0, effect=lambda _: house.scene.up.update(tests=True))
    async with house.daemon() as daemon:
        await daemon.apply(a_goal(remedies=[a_remedy("tests", cmd="make")]))
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=600)
        assert waited.outcome == "reached"
        before = len(await house.events())
        view = await daemon.service.reconcile("ada", "web", caller=ME)
        await anyio.sleep(60)
        assert len(await house.events()) == before
        assert [r.verdict.status for r in view.vector.readings] == [Status.PASS]
