"""Freeze and thaw of all goals in virtual time: the fence, crashes half-way, expiry, suspensions of their own."""

from collections.abc import Sequence

import anyio
import pytest

from kazid.core.decision import Guard
from kazid.core.errors import JournalUnavailable
from kazid.core.event import ActIntended, Event, FleetFrozen, FleetThawed, GoalFrozen
from kazid.core.goal import Goal
from kazid.core.status import GoalStatus
from kazid.runtime.views import GoalView
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.house import ME, Daemon, House

pytestmark = pytest.mark.trio


def a_service(number: int) -> Goal:
    return a_goal(
        a_predicate(f"up{number}", live=True),
        remedies=[a_remedy(f"up{number}", cmd=f"restart{number}", attempts=50)],
        standing=True,
        goal_id=f"service{number}",
    )


async def freeze(daemon: Daemon, *, for_s: float | None = None) -> None:
    view = await daemon.service.freezing.freeze(reason="maintenance", for_s=for_s, caller=ME)
    assert not view.unsettled, "the reply is an acknowledgement"


def view(daemon: Daemon, number: int) -> GoalView:
    return daemon.service.view("ada", f"service{number}")


async def acts(house: House) -> int:
    return len(await house.events_of(ActIntended))


async def test_freeze_ends_what_runs_and_nothing_acts_until_thaw(autojump_clock: object) -> None:
    house = House()
    for number in range(5):
        house.repairs(f"restart{number}", f"up{number}", duration_s=50.0)
    async with house.daemon() as daemon:
        for number in range(5):
            await daemon.apply(a_service(number))
        await anyio.sleep(30)
        assert len(house.runner.live_now) == 5
        await freeze(daemon)
        assert not house.runner.live_now, "no executor of an older epoch is left"
        before = await acts(house)
        looks = dict(house.scene.looks)
        await anyio.sleep(3600)
        assert await acts(house) == before
        assert all(house.scene.looks[name] > looks[name] for name in looks), "observation goes on"
        shown = view(daemon, 0)
        assert (shown.status, shown.reason) == (GoalStatus.SUSPENDED, "frozen: maintenance")
        assert [g.name for g in shown.guards] == ["frozen"]
        await daemon.service.freezing.thaw(reason="over", caller=ME)
        await anyio.sleep(900)
        assert {view(daemon, n).status for n in range(5)} == {GoalStatus.HOLDING}


async def test_a_thaw_says_whether_there_was_a_freeze_and_its_retry_says_the_same(
    autojump_clock: object,
) -> None:
    house = House()
    async with house.daemon() as daemon:
        freezing = daemon.service.freezing
        assert not (await freezing.thaw(reason="r", caller=ME)).was_frozen
        await freeze(daemon)
        for _ in range(2):
            assert (await freezing.thaw(reason="r", caller=ME, idempotency_key="k")).was_frozen
        assert not (await freezing.thaw(reason="r", caller=ME)).was_frozen


async def test_a_goal_applied_during_a_freeze_does_not_act(autojump_clock: object) -> None:
    house = House()
    async with house.daemon() as daemon:
        await freeze(daemon)
        await daemon.apply(a_service(1))
        await anyio.sleep(600)
        assert await acts(house) == 0
        assert view(daemon, 1).status is GoalStatus.SUSPENDED


async def test_thaw_leaves_a_suspended_goal_suspended(autojump_clock: object) -> None:
    house = House()
    async with house.daemon() as daemon:
        await daemon.apply(a_service(1))
        await daemon.service.suspend("ada", "service1", reason="mine", for_s=None, caller=ME)
        await freeze(daemon)
        assert [g.name for g in view(daemon, 1).guards] == ["frozen", "suspended", "observe"]
        before = await acts(house)
        await daemon.service.freezing.thaw(reason="over", caller=ME)
        await anyio.sleep(600)
        assert await acts(house) == before
        shown = view(daemon, 1)
        assert (shown.status, shown.reason) == (GoalStatus.SUSPENDED, "mine")


async def test_resume_during_a_freeze_does_not_act(autojump_clock: object) -> None:
    house = House()
    async with house.daemon() as daemon:
        await daemon.apply(a_service(1))
        await daemon.service.suspend("ada", "service1", reason="mine", for_s=None, caller=ME)
        await freeze(daemon)
        before = await acts(house)
        await daemon.service.resume("ada", "service1", reason="go", caller=ME)
        await anyio.sleep(600)
        assert await acts(house) == before
        await daemon.service.freezing.thaw(reason="over", caller=ME)
        await anyio.sleep(30)
        assert await acts(house) > before


async def test_a_freeze_expires_by_itself_and_its_end_is_announced(autojump_clock: object) -> None:
    house = House()
    async with house.daemon() as daemon:
        await freeze(daemon, for_s=300.0)
        await daemon.apply(a_service(1))
        await anyio.sleep(200)
        (guard,) = view(daemon, 1).guards
        assert isinstance(guard, Guard)
        assert guard.until_s is not None
        await anyio.sleep(guard.until_s - house.clock.now().boot_s - 0.1)
        assert await acts(house) == 0
        await anyio.sleep(5)
        assert await acts(house) > 0


async def fleet_stream(house: House) -> list[Event]:
    return [record.event for record in await house.events() if record.uid == "fleet"]


async def test_the_end_of_a_timed_freeze_is_recorded_once_and_for_all(autojump_clock: object) -> None:
    house = House()
    async with house.daemon() as daemon:
        await freeze(daemon, for_s=300.0)
        await anyio.sleep(299)
        assert [type(event) for event in await fleet_stream(house)] == [FleetFrozen]
        await anyio.sleep(3)
        *_, thawed = await fleet_stream(house)
        assert thawed == FleetThawed(by="expiry", reason="its time is over")
        house.clock.step(-3600)
        await anyio.sleep(30)
        assert daemon.service.freezing.frozen is None
    async with house.daemon() as daemon:
        await anyio.sleep(30)
        assert daemon.service.freezing.frozen is None, "a clock that was set back does not bring it back"
        assert len(await fleet_stream(house)) == 2


async def test_a_freeze_that_ended_while_no_daemon_ran_is_recorded_at_the_start(
    autojump_clock: object,
) -> None:
    house = House()
    async with house.daemon() as daemon:
        await freeze(daemon, for_s=60.0)
    await anyio.sleep(600)
    async with house.daemon() as daemon:
        await anyio.sleep(1)
        assert isinstance((await fleet_stream(house))[-1], FleetThawed)
        await freeze(daemon, for_s=None)
        await anyio.sleep(60)
        assert daemon.service.freezing.frozen is not None, "the end of one freeze ends no other"


async def test_a_full_disk_delays_the_record_of_the_end_and_nothing_else(autojump_clock: object) -> None:
    house = House()
    async with house.daemon() as daemon:
        await freeze(daemon, for_s=60.0)
        house.journal.fail_with(JournalUnavailable("disk is full"))
        await anyio.sleep(120)
        assert daemon.service.freezing.frozen is None
        house.journal.fail_with(None)
        await anyio.sleep(5)
        assert [type(event) for event in await fleet_stream(house)] == [FleetFrozen, FleetThawed]


@pytest.mark.parametrize("reached", [0, 1, 3, 5])
async def test_a_crash_half_way_through_the_goals_is_completed_before_any_act(
    autojump_clock: object, reached: int
) -> None:
    house = House()
    async with house.daemon(is_crashed_at_end=True) as daemon:
        for number in range(5):
            await daemon.apply(a_service(number))
        await anyio.sleep(30)
        seen = 0

        async def refuse_after(_: object, events: Sequence[Event]) -> None:
            nonlocal seen
            seen += sum(isinstance(event, GoalFrozen) for event in events)
            if seen > reached:
                house.journal.fail_with(JournalUnavailable("the machine goes down"))

        house.journal.before_append = refuse_after
        await daemon.service.freezing.freeze(reason="maintenance", for_s=None, caller=ME)
        frozen = len(await house.events_of(GoalFrozen))
        assert frozen == reached
        before = await acts(house)
    async with house.daemon() as daemon:
        await anyio.sleep(600)
        assert await acts(house) == before
        assert {view(daemon, n).status for n in range(5)} == {GoalStatus.SUSPENDED}
        assert not house.runner.live_now


async def test_a_crash_half_way_through_a_thaw_is_completed_too(autojump_clock: object) -> None:
    house = House()
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await freeze(daemon)
        for number in range(3):
            await daemon.apply(a_service(number))
        await anyio.sleep(30)
        await daemon.world.fleet.thaw(reason="over", by="me")
    async with house.daemon() as daemon:
        await anyio.sleep(60)
        assert all(view(daemon, n).progress.frozen is None for n in range(3))
        assert await acts(house) >= 3


async def test_the_same_request_again_is_one_freeze(autojump_clock: object) -> None:
    house = House()
    async with house.daemon() as daemon:
        freezing = daemon.service.freezing
        for _ in range(2):
            await freezing.freeze(reason="r", for_s=None, caller=ME, idempotency_key="k")
        assert sum(r.uid == "fleet" for r in await house.events()) == 1


async def test_explain_names_every_fence_and_the_disk_that_hold_a_goal(autojump_clock: object) -> None:
    house = House()
    async with house.daemon() as daemon:
        await daemon.apply(a_service(1))
        await daemon.service.suspend("ada", "service1", reason="mine", for_s=60.0, caller=ME)
        await freeze(daemon, for_s=120.0)
        daemon.health.report_disk_error("full")
        shown = view(daemon, 1)
        assert [g.name for g in shown.guards] == ["frozen", "suspended", "observe", "degraded"]
        opens_s = [
            None if g.until_s is None else round(g.until_s - house.clock.now().boot_s) for g in shown.guards
        ]
        assert opens_s == [120, 60, None, None], "each with the earliest time it opens"
