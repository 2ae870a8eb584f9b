"""Waivers, flapping and stale greens in the running daemon: what is shown is what counts."""

import anyio
import pytest
from msgspec.structs import replace

from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed, passed, unknown
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.house import House

pytestmark = pytest.mark.trio

METRICS = replace(a_predicate("metrics"), on_unknown="waive")
LIVEZ = a_predicate("livez", live=True)


async def test_a_goal_converges_with_one_waived_and_a_restart_still_says_so(autojump_clock):
    house = House()
    house.scene.verdicts["metrics"] = unknown("not_applicable")
    house.repairs("fix", "tests")
    goal = a_goal(a_predicate("tests"), METRICS, remedies=[a_remedy("tests", cmd="fix")])
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=300)
        assert waited.view.status is GoalStatus.CONVERGED
        assert waited.view.reason == "all predicates hold, 1 waived"
    async with house.daemon() as daemon:
        assert daemon.service.view("ada", "web").progress.waived == ("metrics",)


async def test_a_waiver_covers_no_other_unknown(autojump_clock):
    house = House()
    house.scene.verdicts["metrics"] = unknown("no_endpoint")
    house.scene.up["tests"] = True
    async with house.daemon() as daemon:
        await daemon.apply(a_goal(a_predicate("tests"), METRICS, harness=a_harness()))
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=7200)
        assert (waited.view.status, waited.view.cause) == (GoalStatus.STUCK, Cause.CAPABILITY_UNREACHABLE)


async def test_check_is_green_without_what_does_not_apply(autojump_clock):
    house = House()
    house.scene.verdicts["metrics"] = unknown("not_applicable")
    house.scene.up["tests"] = True
    async with house.daemon() as daemon:
        applied = await daemon.service.check(a_goal(a_predicate("tests"), METRICS))
        assert applied.view.status is GoalStatus.CONVERGED
        alone = await daemon.service.check(a_goal(METRICS))
        assert alone.view.status is GoalStatus.STUCK


async def test_a_probe_that_never_settles_ends_a_one_shot_goal_by_name(autojump_clock):
    house = House()

    async def evaluate(options, look, commands):
        house.scene.looks["livez"] = count = house.scene.looks.get("livez", 0) + 1
        await anyio.sleep(0.1)
        return passed() if count % 2 else failed("unreachable")

    house.scene.evaluate = evaluate
    async with house.daemon() as daemon:
        await daemon.apply(a_goal(LIVEZ, remedies=[a_remedy("livez")]))
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=1200)
        assert (waited.view.status, waited.view.cause) == (GoalStatus.STUCK, Cause.FLAPPING)
        assert house.runner.starts == []


async def test_a_stale_green_is_not_counted_as_holding(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    async with house.daemon() as daemon:
        await daemon.apply(a_goal(LIVEZ, remedies=[a_remedy("livez")], standing=True))
        await anyio.sleep(50)
        assert daemon.service.state().by_status == {"holding": 1}
        await daemon.goals.clock_stepped(7200.0)
        assert daemon.service.view("ada", "web").status is GoalStatus.OBSERVING
        assert daemon.service.state().by_status == {"observing": 1}
