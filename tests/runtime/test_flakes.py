"""Flaky checks in the running daemon: re-run at once, set aside, brought back, over a kill in between."""

import anyio
import pytest

from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed, passed
from tests.builders import a_goal, a_harness, a_predicate
from tests.runtime.house import House

pytestmark = pytest.mark.trio


def script(house: House, looks: str) -> None:
    """The predicate says these in turn, then passes for ever."""
    left = list(looks)

    async def evaluate(options, look, commands):
        await anyio.sleep(0.5)
        return failed("exit_code") if left and left.pop(0) == "f" else passed()

    house.scene.evaluate = evaluate


GOAL = a_goal(a_predicate("tests"), harness=a_harness(), workspace="/w")


async def test_a_flake_dispatches_nobody_and_is_never_converged_on_its_luck(autojump_clock):
    house = House()
    script(house, "fp" + "fpf")
    async with house.daemon() as daemon:
        await daemon.apply(GOAL)
        await anyio.sleep(1.2)
        view = daemon.service.view("ada", "web")
        assert view.vector.readings[0].verdict.reason == "quarantined"
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=300)
        assert (waited.view.status, waited.view.cause) == (GoalStatus.STUCK, Cause.QUARANTINED)
        assert house.runner.starts == []


async def test_quarantine_survives_a_kill_and_ends_by_three_passes(autojump_clock):
    house = House()
    script(house, "ffp" + "p")
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(GOAL)
        await anyio.sleep(40)
        assert daemon.goals.find("ada", "web").progress.predicate("tests").quarantine_passes == 1
    async with house.daemon() as daemon:
        await anyio.sleep(1)
        state = daemon.goals.find("ada", "web").progress.predicate("tests")
        assert state.is_quarantined
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=300)
        assert waited.view.status is GoalStatus.VACUOUS, "it was never really red"


async def test_a_real_red_is_looked_at_three_times_before_the_agent_is_sent(autojump_clock):
    house = House()
    script(house, "fff")
    async with house.daemon() as daemon:
        await daemon.apply(GOAL)
        await anyio.sleep(1.4)
        assert house.runner.starts == []
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=300)
        assert waited.view.status is GoalStatus.CONVERGED
        assert len(house.runner.starts) == 1
