"""An agent that did harm, in a whole daemon: what it makes next waits for a person, through a crash."""

from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.core.approval_event import ApprovalRequested, AutonomyLowered, AutonomyRestored
from kazid.core.goal import Goal
from kazid.core.status import GoalStatus
from tests.builders import a_goal, a_harness, a_predicate
from tests.runtime.house import Daemon, FileReads, House
from tests.runtime.people import PIA, introduce

pytestmark = pytest.mark.trio


def _house() -> House:
    """Its agent mends the code and takes the service down the first time, and brings that back the second."""
    house = House()
    introduce(house, PIA)
    house.workspaces.write("/w", "a", "broken")
    house.worktrees.make_repository("/w")
    house.providers["test_runner"] = FileReads(house.workspaces)
    house.scene.up["livez"] = True

    def work(order: Any) -> None:
        is_first = house.runner.started("claude") <= 1
        house.workspaces.write(order.cwd, "a", "fixed" if is_first else "fixed again")
        house.scene.up["livez"] = not is_first

    house.scripts["claude"] = Script(duration_s=1.0, effect=work)
    return house


def _goal() -> Goal:
    live = a_predicate("livez", live=True, confirm=1, recover=1)
    return a_goal(a_predicate("tests"), live, harness=a_harness("livez"), workspace="/w", standing=True)


async def _until(daemon: Daemon, status: GoalStatus) -> None:
    with anyio.fail_after(3600):
        while daemon.service.view("ada", "web").status is not status:
            await anyio.sleep(1)


@pytest.mark.parametrize(
    "is_crashed", [pytest.param(c, id=i) for c, i in ((False, "in-one-go"), (True, "through-a-crash"))]
)
async def test_what_an_agent_that_did_harm_makes_next_waits_for_a_person(autojump_clock, is_crashed: bool):
    house = _house()
    async with house.daemon(is_crashed_at_end=is_crashed) as daemon:
        await daemon.apply(_goal())
        with anyio.fail_after(3600):
            while not await house.events_of(AutonomyLowered):
                await anyio.sleep(1)
        if not is_crashed:
            await _to_the_end(house, daemon)
    if is_crashed:
        async with house.daemon() as daemon:
            await _to_the_end(house, daemon)
    (lowered,) = await house.events_of(AutonomyLowered)
    assert (lowered.harness, lowered.attempt) == ("claude", 1)
    assert len(await house.events_of(AutonomyRestored)) == 1


async def _to_the_end(house: House, daemon: Daemon) -> None:
    await _until(daemon, GoalStatus.WAITING)
    await anyio.sleep(600)
    view = daemon.service.view("ada", "web")
    assert view.status is GoalStatus.WAITING
    assert any("kazictl restore ada/web" in notice for notice in view.notices)
    assert house.workspaces.read("/w", "a") == "fixed", "what it made now is in its own tree"
    assert await house.events_of(ApprovalRequested)
    refused = await daemon.approving.restore(
        "ada", "web", reason="r", caller=replace(PIA, grants=()), is_one_uid=False
    )
    assert refused is not None
    assert refused.type == "denied"
    said = await daemon.approving.restore("ada", "web", reason="looked", caller=PIA, is_one_uid=False)
    assert said is None
    await _until(daemon, GoalStatus.HOLDING)
    assert house.workspaces.read("/w", "a") == "fixed again"
    assert daemon.service.view("ada", "web").progress.lowered == {}
