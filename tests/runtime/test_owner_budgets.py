"""What the agents of one owner may cost in a day, in virtual time: over all their goals, restarts and deletions."""

import anyio
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.core.event import Usage
from kazid.core.goal import Goal
from kazid.core.ids import Owner
from kazid.core.owner_budget import OwnerBudget
from kazid.core.status import GoalStatus
from kazid.core.window import DAY_S
from kazid.ports.harness import Report
from kazid.ports.runner import AttemptOrder
from tests.builders import a_goal, a_harness, a_predicate
from tests.runtime.house import ME, Daemon, House

pytestmark = pytest.mark.trio


def one(goal_id: str, workspace: str = "/w", *, owner: str = "ada") -> Goal:
    goal = a_goal(a_predicate(goal_id), harness=a_harness(), workspace=workspace, goal_id=goal_id)
    return replace(goal, owner=Owner(owner))


def dispatches(house: House) -> int:
    return house.runner.started("claude")


def a_house(*, cost_usd: float | None, duration_s: float = 60.0) -> House:
    house = House()
    usage = Usage(input_tokens=1000, output_tokens=0, cost_usd=cost_usd)
    house.harness.report = Report(text="done", usage=usage)

    def mends(order: AttemptOrder) -> None:
        house.scene.up[(order.stdin_text or "").removeprefix("fix ")] = True

    house.scripts["claude"] = Script(duration_s=duration_s, effect=mends)
    return house


def held_by(daemon: Daemon, name: str, *, owner: str = "ada") -> tuple[GoalStatus, str]:
    view = daemon.service.view(owner, name)
    return view.status, view.guards[0].name


async def test_what_runs_is_reserved_and_what_it_did_not_cost_is_given_back(autojump_clock: object) -> None:
    house = a_house(cost_usd=0.5)
    async with house.daemon() as daemon:
        daemon.world.spending.take([OwnerBudget(cost_usd_max=2.0)])
        async with anyio.create_task_group() as group:
            group.start_soon(daemon.apply, one("first"))
            group.start_soon(daemon.apply, one("second", "/w2"))
        await anyio.sleep(30)
        assert dispatches(house) == 1, "the first set all of the day aside"
        held = [n for n in ("first", "second") if held_by(daemon, n) == (GoalStatus.WAITING, "owner_budget")]
        assert len(held) == 1
        guard = daemon.service.view("ada", held[0]).guards[0]
        assert "ada has used 2.00 of 2.00 USD in 24 h" in guard.reason
        await anyio.sleep(120)
        assert dispatches(house) == 2
        assert {daemon.service.view("ada", n).status for n in ("first", "second")} == {GoalStatus.CONVERGED}


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(OwnerBudget(cost_usd_max=3.0), id="usd"),
        pytest.param(OwnerBudget(tokens_max=900), id="tokens"),
        pytest.param(OwnerBudget(owners=["ada"], cost_usd_max=3.0, tokens_max=10**9), id="of-ada"),
    ],
)
async def test_a_spent_day_holds_its_owner_and_nobody_else_until_it_has_room(
    limits: OwnerBudget, autojump_clock: object
) -> None:
    house = a_house(cost_usd=3.0)
    async with house.daemon() as daemon:
        daemon.world.spending.take([limits])
        await daemon.apply(one("first"))
        await anyio.sleep(100)
        spent_wall_s = house.clock.now().wall_s
        await daemon.apply(one("second"))
        await anyio.sleep(30)
        assert held_by(daemon, "second") == (GoalStatus.WAITING, "owner_budget")
        guard = daemon.service.view("ada", "second").guards[0]
        assert guard.until_s is not None
        opens_wall_s = guard.until_s + (house.clock.now().wall_s - house.clock.now().boot_s)
        assert spent_wall_s + DAY_S - 120 <= opens_wall_s <= spent_wall_s + DAY_S
        await daemon.apply(one("third", "/w2", owner="eve"))
        await anyio.sleep(100)
        is_all = not limits.owners
        assert daemon.service.view("eve", "third").status is GoalStatus.CONVERGED, (
            f"{is_all=}: each by themselves"
        )
        house.clock.step(DAY_S)
        await anyio.sleep(200)
        assert daemon.service.view("ada", "second").status is GoalStatus.CONVERGED


async def test_what_reported_nothing_counts_with_what_was_set_aside(autojump_clock: object) -> None:
    house = a_house(cost_usd=None)
    house.harness.report = Report(text="done")
    async with house.daemon() as daemon:
        daemon.world.spending.take([OwnerBudget(cost_usd_max=2.0)])
        await daemon.apply(one("first"))
        await anyio.sleep(100)
        await daemon.apply(one("second"))
        await anyio.sleep(30)
        assert held_by(daemon, "second") == (GoalStatus.WAITING, "owner_budget")


async def test_neither_a_deletion_nor_a_restart_gives_a_day_back(autojump_clock: object) -> None:
    house = a_house(cost_usd=3.0)
    limits = [OwnerBudget(cost_usd_max=3.0)]
    async with house.daemon(is_crashed_at_end=True) as daemon:
        daemon.world.spending.take(limits)
        await daemon.apply(one("first"))
        await anyio.sleep(100)
        await daemon.service.delete("ada", "first", caller=ME)
        await anyio.sleep(10)
        await daemon.apply(one("second"))
        await anyio.sleep(30)
        assert held_by(daemon, "second") == (GoalStatus.WAITING, "owner_budget")
    async with house.daemon() as daemon:
        daemon.world.spending.take(limits)
        await anyio.sleep(60)
        assert held_by(daemon, "second") == (GoalStatus.WAITING, "owner_budget")
        assert dispatches(house) == 1
        daemon.world.spending.take([])
        await anyio.sleep(200)
        assert daemon.service.view("ada", "second").status is GoalStatus.CONVERGED
