"""What a closing window does to work under way: the table in docs/operating.md, a test for each row."""

import datetime as dt

import anyio
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.core.change_window import WindowRule
from kazid.core.event import ActDeferred, ActIntended, ReconcileRequested
from kazid.core.goal import Goal
from kazid.core.ids import GoalId, Owner
from kazid.core.status import GoalStatus
from kazid.core.turns import Limits
from kazid.runtime.executor import ExecutorLimits
from kazid.runtime.turns import Turns
from tests.builders import WALL_0
from tests.runtime.house import House
from tests.runtime.test_common_cause import a_service, until

pytestmark = pytest.mark.trio

HOUR_S = 3600.0


def _rule(*, is_allow: bool, opens_in_s: float, hours: float, **others) -> WindowRule:
    """A window that opens once a day, this long after the tests' clock began."""
    opens = dt.datetime.fromtimestamp(WALL_0 + opens_in_s, tz=dt.UTC)
    cron = f"{opens.minute} {opens.hour} * * *"
    return WindowRule(name="w", is_allow=is_allow, cron=cron, duration_s=hours * HOUR_S, **others)


class Shop:
    """One service that a restart repairs."""

    def __init__(self, *, restart_s: float = 1.0) -> None:
        self.house = House()
        self.house.scene.up["up-web"] = True
        self.house.scripts["restart-web"] = Script(duration_s=restart_s, effect=self._restart)

    def _restart(self, _: object) -> None:
        self.house.scene.up["up-web"] = True

    def falls(self) -> None:
        self.house.scene.up["up-web"] = False

    @property
    def restarts(self) -> int:
        return len(self.house.runner.starts)


async def _broken(shop: Shop, daemon, *rules: WindowRule, labels: dict[str, str] | None = None) -> None:
    await daemon.apply(a_service("web", labels=labels or {}))
    await anyio.sleep(60)
    daemon.world.windows.take(rules)
    shop.falls()
    await anyio.sleep(120)


async def test_outside_an_allowing_window_it_looks_waits_and_says_until_when(autojump_clock):
    shop = Shop()
    async with shop.house.daemon() as daemon:
        await _broken(shop, daemon, _rule(is_allow=True, opens_in_s=2 * HOUR_S, hours=1))
        view = daemon.service.view("ada", "web")
        assert (shop.restarts, view.status) == (0, GoalStatus.WAITING)
        assert "outside of w" in (view.reason or "")
        (guard,) = [g for g in view.guards if g.name == "change_window"]
        assert guard.until_s is not None
        opens_wall_s = view.now.wall_s + (guard.until_s - view.now.boot_s)
        assert opens_wall_s == pytest.approx(WALL_0 + 2 * HOUR_S, abs=61)
        looks = daemon.world.observer.looks_total
        await anyio.sleep(600)
        assert daemon.world.observer.looks_total > looks, "looking goes on"
        await until(
            lambda: daemon.service.view("ada", "web").status is GoalStatus.HOLDING, within_s=3 * HOUR_S
        )
        assert shop.restarts == 1
        assert daemon.world.clock.now().wall_s >= WALL_0 + 2 * HOUR_S - 61, "not before it opened"


async def test_within_a_freeze_of_the_calendar_it_waits_and_acts_when_that_ends(autojump_clock):
    shop = Shop()
    async with shop.house.daemon() as daemon:
        await _broken(shop, daemon, _rule(is_allow=False, opens_in_s=0.0, hours=1))
        assert shop.restarts == 0
        assert "freeze w" in (daemon.service.view("ada", "web").reason or "")
        await until(
            lambda: daemon.service.view("ada", "web").status is GoalStatus.HOLDING, within_s=2 * HOUR_S
        )
        assert shop.restarts == 1


def _patient(name: str) -> Goal:
    """Its restart may take its time."""
    goal = a_service(name)
    return replace(goal, remedies=tuple(replace(r, timeout_s=2 * HOUR_S) for r in goal.remedies))


async def test_who_waits_for_a_slot_says_that_a_window_closed_meanwhile_and_that_it_opened(
    autojump_clock, monkeypatch
):
    monkeypatch.setattr("tests.runtime.house.ExecutorLimits", lambda: ExecutorLimits(remedies=1))
    house = House()
    for name in ("busy", "web"):
        house.scene.up[f"up-{name}"] = False
        house.scripts[f"restart-{name}"] = Script(duration_s=HOUR_S)
    async with house.daemon() as daemon:

        async def says(word: str) -> None:
            await until(lambda: word in (daemon.service.view("ada", "web").reason or ""), within_s=HOUR_S / 2)
            names = [g.name for g in daemon.service.view("ada", "web").guards]
            assert (word in names, len({"slots", "change_window"} & set(names))) == (True, 1)

        await daemon.apply(_patient("busy"))
        await until(lambda: len(house.runner.starts) == 1, within_s=300)
        await daemon.apply(_patient("web"))
        await says("slots")
        daemon.world.windows.take([_rule(is_allow=False, opens_in_s=0.0, hours=12)])
        await says("change_window")
        daemon.world.windows.take([])
        await says("slots")
        assert len(house.runner.starts) == 1


async def test_what_heals_by_itself_while_it_waits_is_never_acted_on(autojump_clock):
    shop = Shop()
    async with shop.house.daemon() as daemon:
        await _broken(shop, daemon, _rule(is_allow=True, opens_in_s=2 * HOUR_S, hours=1))
        shop.house.scene.up["up-web"] = True
        await anyio.sleep(3 * HOUR_S)
        assert (shop.restarts, daemon.service.view("ada", "web").status) == (0, GoalStatus.HOLDING)


async def test_an_act_under_way_when_a_window_closes_runs_to_its_end(autojump_clock):
    shop = Shop(restart_s=40.0)
    async with shop.house.daemon() as daemon:
        await daemon.apply(a_service("web"))
        await anyio.sleep(60)
        shop.falls()
        await until(lambda: shop.restarts == 1, within_s=300)
        daemon.world.windows.take([_rule(is_allow=False, opens_in_s=0.0, hours=12)])
        await anyio.sleep(20)
        assert len(shop.house.runner.live_now) == 1, "it runs on"
        await until(
            lambda: daemon.service.view("ada", "web").status is GoalStatus.HOLDING, within_s=2 * HOUR_S
        )
        assert shop.restarts == 1


async def test_a_freeze_by_a_person_ends_what_runs_within_an_open_window(autojump_clock):
    shop = Shop(restart_s=40.0)
    async with shop.house.daemon() as daemon:
        await daemon.apply(a_service("web"))
        daemon.world.windows.take([_rule(is_allow=True, opens_in_s=0.0, hours=12)])
        await anyio.sleep(60)
        shop.falls()
        await until(lambda: shop.restarts == 1, within_s=300)
        await daemon.goals.wake_all()
        await daemon.world.fleet.freeze(reason="stop", for_s=None, by="ada")
        await daemon.goals.wake_all()
        await until(lambda: not shop.house.runner.live_now, within_s=60)


async def test_goals_that_no_window_selects_act_at_any_time(autojump_clock):
    shop = Shop()
    async with shop.house.daemon() as daemon:
        rule = _rule(is_allow=True, opens_in_s=2 * HOUR_S, hours=1, labels={"team": "db"})
        await _broken(shop, daemon, rule, labels={"team": "web"})
        assert (shop.restarts, daemon.service.view("ada", "web").status) == (1, GoalStatus.HOLDING)


async def test_rules_that_are_taken_away_hold_nobody(autojump_clock):
    shop = Shop()
    async with shop.house.daemon() as daemon:
        await _broken(shop, daemon, _rule(is_allow=True, opens_in_s=2 * HOUR_S, hours=1))
        assert shop.restarts == 0
        daemon.world.windows.take([])
        await until(lambda: daemon.service.view("ada", "web").status is GoalStatus.HOLDING, within_s=120)


async def test_the_wait_survives_a_restart_of_the_daemon(autojump_clock):
    shop = Shop()
    rule = _rule(is_allow=True, opens_in_s=2 * HOUR_S, hours=1)
    async with shop.house.daemon() as daemon:
        await _broken(shop, daemon, rule)
    async with shop.house.daemon() as daemon:
        daemon.world.windows.take([rule])
        await anyio.sleep(300)
        assert (shop.restarts, daemon.service.view("ada", "web").status) == (0, GoalStatus.WAITING)


async def test_with_nothing_red_a_closed_window_changes_nothing_and_looking_goes_on(autojump_clock):
    shop = Shop()
    async with shop.house.daemon() as daemon:
        await daemon.apply(a_service("web"))
        daemon.world.windows.take([_rule(is_allow=False, opens_in_s=0.0, hours=12)])
        await anyio.sleep(60)
        looks = daemon.world.observer.looks_total
        await anyio.sleep(600)
        assert daemon.world.observer.looks_total > looks
        assert daemon.service.view("ada", "web").status is GoalStatus.HOLDING


async def test_after_an_act_that_did_not_help_the_next_waits_for_the_window(autojump_clock):
    shop = Shop(restart_s=40.0)
    shop.house.scripts["restart-web"] = Script(duration_s=40.0)
    async with shop.house.daemon() as daemon:
        await daemon.apply(a_service("web"))
        await anyio.sleep(60)
        shop.falls()
        await until(lambda: shop.restarts == 1, within_s=300)
        daemon.world.windows.take([_rule(is_allow=False, opens_in_s=0.0, hours=2)])
        await anyio.sleep(HOUR_S)
        view = daemon.service.view("ada", "web")
        assert (shop.restarts, view.status) == (1, GoalStatus.WAITING)
        assert "freeze w" in (view.reason or "")
        await until(lambda: shop.restarts == 2, within_s=2 * HOUR_S)
        assert daemon.world.clock.now().wall_s >= WALL_0 + 2 * HOUR_S - 61


async def test_when_it_opens_the_red_is_looked_at_once_more_before_it_is_acted_on(autojump_clock):
    shop = Shop()
    async with shop.house.daemon() as daemon:
        await _broken(shop, daemon, _rule(is_allow=True, opens_in_s=2 * HOUR_S, hours=1))
        await until(lambda: shop.restarts == 1, within_s=3 * HOUR_S)
        events = [record.event for record in await shop.house.events()]
    acted = next(n for n, event in enumerate(events) if isinstance(event, ActIntended))
    waited = max(n for n, event in enumerate(events[:acted]) if isinstance(event, ActDeferred))
    asked = [
        n for n, event in enumerate(events) if isinstance(event, ReconcileRequested) and waited < n < acted
    ]
    assert asked, "the end of the wait asks for a look, and the act comes after it"


@pytest.mark.parametrize(
    ("steps", "acts"),
    [
        pytest.param([], 0, id="closed"),
        pytest.param([2.5 * HOUR_S], 1, id="set-ahead-into-the-window"),
        pytest.param([2.5 * HOUR_S, -2.5 * HOUR_S], 1, id="and-back-again-after-the-act"),
        pytest.param([-HOUR_S], 0, id="set-back-it-is-closed-still"),
        pytest.param([4 * HOUR_S], 0, id="set-ahead-beyond-it"),
    ],
)
async def test_a_clock_that_steps_is_the_clock_that_counts(autojump_clock, steps, acts):
    shop = Shop()
    async with shop.house.daemon() as daemon:
        await _broken(shop, daemon, _rule(is_allow=True, opens_in_s=2 * HOUR_S, hours=1))
        for step in steps:
            daemon.world.clock.step(step)
            await anyio.sleep(300)
        assert shop.restarts == acts


async def test_a_clock_set_back_out_of_an_open_window_holds_the_next_act(autojump_clock):
    shop = Shop()
    async with shop.house.daemon() as daemon:
        await daemon.apply(a_service("web"))
        daemon.world.windows.take([_rule(is_allow=True, opens_in_s=0.0, hours=12)])
        await anyio.sleep(60)
        daemon.world.clock.step(-2 * HOUR_S)
        shop.falls()
        await anyio.sleep(300)
        assert (shop.restarts, daemon.service.view("ada", "web").status) == (0, GoalStatus.WAITING)


@pytest.mark.parametrize(
    "waits_for", [pytest.param("lease", id="a-lease"), pytest.param("slots", id="a-slot")]
)
async def test_an_act_that_waits_and_meets_a_closed_window_is_not_started(autojump_clock, waits_for):
    shop = Shop()
    shop.house.scene.up["up-db"] = False
    shop.house.scripts["restart-db"] = Script(duration_s=300.0)
    folder = "/w" if waits_for == "lease" else None
    async with shop.house.daemon() as daemon:
        if waits_for == "slots":
            daemon.executor._remedies = Turns("remedies", Limits(total=1))
        await daemon.apply(replace(a_service("db"), workspace=folder))
        await until(lambda: shop.restarts == 1, within_s=300)
        await daemon.apply(replace(a_service("web"), workspace=folder))
        shop.falls()

        def deferred() -> str:
            waits = daemon.goals.find(Owner("ada"), GoalId("web")).progress.deferred
            return "" if waits is None else waits.waits_for

        await until(lambda: deferred() == waits_for, within_s=200)
        daemon.world.windows.take([_rule(is_allow=False, opens_in_s=0.0, hours=2)])
        await until(lambda: not shop.house.runner.live_now, within_s=400)
        await anyio.sleep(600)
        assert [order.argv[0] for order in shop.house.runner.starts] == ["restart-db"], (
            "the place is free, and it is not taken"
        )
        assert daemon.service.view("ada", "web").status is GoalStatus.WAITING
        daemon.world.windows.take([])
        await until(lambda: "restart-web" in [o.argv[0] for o in shop.house.runner.starts], within_s=300)
