"""Many reds at once: fixing stops, one tries, the rest follow; and what shares a red dependency waits."""

import anyio
import pytest

from kazid.adapters.memory.runner import Script
from kazid.core.common_cause import GOALS_MIN
from kazid.core.errors import JournalUnavailable
from kazid.core.event import (
    ActIntended,
    FleetEvent,
    IncidentCanaryNamed,
    IncidentClosed,
    IncidentOpened,
    IncidentReleased,
)
from kazid.core.fleet import FLEET_UID
from kazid.core.status import GoalStatus
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.house import House

pytestmark = pytest.mark.trio


def a_service(name: str, **others):
    return a_goal(
        a_predicate(f"up-{name}", live=True),
        remedies=[a_remedy(cmd=f"restart-{name}", attempts=5)],
        standing=True,
        goal_id=name,
        **others,
    )


class Storm:
    """Services on one database: restarts of them help only while it is up."""

    def __init__(self, count: int) -> None:
        self.house = House()
        self.names = [f"s{number}" for number in range(count)]
        self.is_database_up = True
        for name in self.names:
            self.house.scene.up[f"up-{name}"] = True
            self.house.scripts[f"restart-{name}"] = Script(duration_s=1.0, effect=self._restarts(name))

    def _restarts(self, name: str):
        def effect(_: object) -> None:
            self.house.scene.up[f"up-{name}"] = self.is_database_up

        return effect

    def falls(self) -> None:
        self.is_database_up = False
        for name in self.names:
            self.house.scene.up[f"up-{name}"] = False

    @property
    def restarts(self) -> int:
        return len(self.house.runner.starts)


async def until(claim, *, within_s: float) -> None:
    with anyio.fail_after(within_s):
        while not claim():
            await anyio.sleep(0.5)


async def test_a_storm_is_one_incident_with_one_canary_and_then_a_ramp(autojump_clock):
    storm = Storm(20)
    async with storm.house.daemon() as daemon:
        for name in storm.names:
            await daemon.apply(a_service(name))
        await anyio.sleep(60)
        storm.falls()
        await anyio.sleep(110)
        early = storm.restarts
        assert early <= 4 * GOALS_MIN, (
            f"{early}: the few that were first, and canaries; not twenty again and again"
        )
        views = [daemon.service.view("ada", name) for name in storm.names]
        held = [v for v in views if v.status is GoalStatus.WAITING]
        assert len(held) >= 10
        assert all("turned red together" in (v.reason or "") for v in held)
        assert daemon.world.governor.incident is not None
        assert len(storm.house.runner.live_now) <= 1

        storm.is_database_up = True
        await until(
            lambda: all(
                daemon.service.view("ada", name).status is GoalStatus.HOLDING for name in storm.names
            ),
            within_s=1800,
        )
        assert storm.house.runner.live_max <= 8, "step by step"
        await anyio.sleep(60)
        assert daemon.world.governor.incident is None


async def test_a_few_reds_among_many_are_no_incident(autojump_clock):
    storm = Storm(20)
    async with storm.house.daemon() as daemon:
        for name in storm.names:
            await daemon.apply(a_service(name))
        await anyio.sleep(60)
        for name in storm.names[:4]:
            storm.house.scene.up[f"up-{name}"] = False
        await anyio.sleep(45)
        assert all(storm.house.scene.up.values())
        assert daemon.world.governor.incident is None


async def fleet_events(house: House) -> list[FleetEvent]:
    """What the fleet's stream has."""
    events = [record.event for record in await house.events() if record.uid == FLEET_UID]
    return [event for event in events if isinstance(event, FleetEvent)]


async def test_a_restart_in_the_middle_goes_on_with_the_same_incident_and_canary(autojump_clock):
    storm = Storm(12)
    house = storm.house
    for name in storm.names:
        house.scripts[f"restart-{name}"] = Script(duration_s=50.0, effect=storm._restarts(name))
    async with house.daemon(is_crashed_at_end=True) as daemon:
        for name in storm.names:
            await daemon.apply(a_service(name))
        await anyio.sleep(60)
        storm.falls()
        with anyio.fail_after(600):
            while (open_now := daemon.world.fleet.incident) is None or open_now.canary is None:
                await anyio.sleep(0.5)
        began = len(house.runner.starts)
    async with house.daemon() as daemon:
        incident = daemon.world.fleet.incident
        assert incident is not None
        assert (incident.number, incident.canary, incident.free) == (
            open_now.number, open_now.canary, open_now.free
        )  # fmt: skip
        assert daemon.service.state().incident is not None
        await anyio.sleep(45)
        assert len(house.runner.starts) - began <= 1, "nobody but the canary acts after the start"
        storm.is_database_up = True
        await until(
            lambda: all(daemon.service.view("ada", n).status is GoalStatus.HOLDING for n in storm.names),
            within_s=3600,
        )
        await anyio.sleep(90)
        assert daemon.service.state().incident is None
    told = await fleet_events(house)
    assert sum(isinstance(event, IncidentOpened) for event in told) == 1
    assert any(isinstance(event, IncidentCanaryNamed) for event in told)
    assert any(isinstance(event, IncidentReleased) and event.proof is not None for event in told)
    assert isinstance(told[-1], IncidentClosed)


async def test_nobody_acts_before_the_incident_is_durable(autojump_clock):
    storm = Storm(12)
    house = storm.house
    async with house.daemon() as daemon:
        for name in storm.names:
            await daemon.apply(a_service(name))
        await anyio.sleep(60)
        refused = 0

        async def refuse(uid: object, _: object) -> None:
            nonlocal refused
            if uid == FLEET_UID and refused < 3:
                refused += 1
                raise JournalUnavailable("no answer")

        house.journal.before_append = refuse
        storm.falls()
        await until(lambda: daemon.world.fleet.incident is not None, within_s=300)
        events = [r for r in await house.events() if isinstance(r.event, ActIntended | IncidentOpened)]
        opened = next(r for r in events if isinstance(r.event, IncidentOpened))
        assert isinstance(opened.event, IncidentOpened)
        before = {r.uid for r in events if isinstance(r.event, ActIntended)}
        assert refused == 3
        assert len(before) < GOALS_MIN
        assert before >= set(opened.event.acting)


async def test_reds_that_are_gone_by_themselves_close_the_incident(autojump_clock):
    storm = Storm(12)
    house = storm.house
    async with house.daemon() as daemon:
        for name in storm.names:
            await daemon.apply(a_service(name))
        await anyio.sleep(60)
        storm.falls()
        await until(lambda: daemon.world.fleet.incident is not None, within_s=300)
        for name in storm.names:
            house.scene.up[f"up-{name}"] = storm.is_database_up = True
        await until(lambda: daemon.world.fleet.incident is None, within_s=300)
    assert isinstance((await fleet_events(house))[-1], IncidentClosed)


async def test_what_shares_a_red_dependency_waits_for_it_and_acts_when_it_is_green(autojump_clock):
    storm = Storm(3)
    house = storm.house
    house.scene.up["up-db"] = True
    async with house.daemon() as daemon:
        await daemon.apply(
            a_goal(
                a_predicate("up-db", live=True),
                remedies=[a_remedy(cmd="restart-db", attempts=5)],
                standing=True,
                goal_id="db",
            )
        )
        house.scripts["restart-db"] = Script(duration_s=100.0)
        for name in storm.names:
            await daemon.apply(a_service(name, depends_on=("db",)))
        await anyio.sleep(60)
        house.scene.up["up-db"] = False
        await anyio.sleep(40)
        storm.falls()
        await anyio.sleep(60)
        views = [daemon.service.view("ada", name) for name in storm.names]
        waiting = [v for v in views if v.status is GoalStatus.WAITING]
        assert len(waiting) >= 2
        assert all("dependency: db, which is red" in (v.reason or "") for v in waiting)
        assert {g.name for v in waiting for g in v.guards} >= {"dependency"}
        house.scene.up["up-db"] = storm.is_database_up = True
        await until(
            lambda: all(
                daemon.service.view("ada", name).status is GoalStatus.HOLDING for name in storm.names
            ),
            within_s=900,
        )


async def test_goals_that_are_submitted_together_begin_red_and_are_no_incident(autojump_clock):
    storm = Storm(12)
    for name in storm.names:
        storm.house.scene.up[f"up-{name}"] = False
    async with storm.house.daemon() as daemon:
        for name in storm.names:
            await daemon.apply(a_service(name))
        await anyio.sleep(30)
        assert daemon.world.governor.incident is None
        assert all(storm.house.scene.up.values()), "each was repaired at once"
