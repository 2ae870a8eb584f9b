"""Telling people in virtual time: goals that get stuck, receivers that fail, hang and come back, crashes between."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from kazid.adapters.memory.outbox import MemoryOutbox
from kazid.core.errors import JournalUnavailable
from kazid.core.goal import Goal
from kazid.core.notice import Noticed
from kazid.core.receiver import Facts, Message, Receiver
from kazid.core.status import GoalStatus
from kazid.ports.notifying import Delivered, Delivery, Undelivered
from kazid.runtime.acknowledging import Acknowledging
from kazid.runtime.heartbeat import Heart, Heartbeat
from kazid.runtime.notifier import UNWANTED_S, Notifier, Target
from tests.builders import a_cadence, a_goal, a_predicate, a_remedy
from tests.runtime.house import ME, Daemon, House

HOUR_S = 600.0
"""A short hour: each virtual second costs the house a tick."""
RARELY = a_cadence(interval_s=300.0, confirm=1, recover=1)

pytestmark = pytest.mark.trio


class MoodyCourier:
    """Carries to somebody who answers as its `mood` says."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, Message]] = []
        self.took: list[Message] = []
        self.mood: Callable[[int], str] = lambda _: "takes"

    async def deliver(self, message: Message, *, receiver: str) -> Delivery:
        self.asked.append((anyio.current_time(), message))
        match self.mood(len(self.asked)):
            case "takes":
                self.took.append(message)
                return Delivered()
            case "takes and dies":
                self.took.append(message)
                raise Killed
            case "dies":
                raise Killed
            case "hangs":
                await anyio.sleep(15)
                return Undelivered("no answer within 15 s")
            case _:
                return Undelivered("500")

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [(line.what, line.status) for m in self.took for line in m.lines]


class Killed(Exception):
    """The daemon's end, at the worst of moments."""


class Office:
    """A house, its outbox and who is told."""

    def __init__(self, *receivers: Receiver) -> None:
        self.house = House()
        self.outbox = MemoryOutbox(self.house.journal)
        self.couriers = {r.name: MoodyCourier() for r in receivers}
        self.targets = [Target(r, self.couriers[r.name]) for r in receivers]
        self._ids = iter(range(10_000))

    def notifier(self, daemon: Daemon) -> Notifier:
        def facts_of(noticed: Noticed) -> Facts:
            return Facts(owner=noticed.ref.partition("/")[0])

        return Notifier(
            outbox=self.outbox,
            trail=self.outbox,
            clock=self.house.clock,
            health=daemon.health,
            broadcaster=daemon.broadcaster,
            facts_of=facts_of,
            new_message_id=lambda: f"msg_{next(self._ids)}",
            targets=self.targets,
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Daemon]:
        async with self.house.daemon() as daemon, anyio.create_task_group() as group:
            await group.start(self.notifier(daemon).run)
            yield daemon
            group.cancel_scope.cancel()


def a_hopeless_service(number: int = 1) -> Goal:
    return a_goal(
        a_predicate(f"up{number}", live=True, cadence=RARELY),
        remedies=[a_remedy(f"up{number}", cmd="restart", attempts=1)],
        standing=True,
        goal_id=f"service{number}",
    )


async def until_stuck(daemon: Daemon, number: int = 1) -> None:
    waited = await daemon.service.wait(
        "ada", f"service{number}", state=GoalStatus.STUCK, timeout_s=24 * HOUR_S
    )
    assert waited.outcome == "reached"


async def test_a_standing_goal_that_turned_stuck_overnight_reaches_a_person(autojump_clock: object) -> None:
    office = Office(Receiver(name="ops", remind_s=4 * HOUR_S))
    async with office.open() as daemon:
        office.house.scene.up["up1"] = True
        await daemon.apply(a_hopeless_service())
        await anyio.sleep(HOUR_S)
        office.house.scene.up["up1"] = False
        await until_stuck(daemon)
        stuck_s = anyio.current_time()
        await anyio.sleep(60)
        courier = office.couriers["ops"]
        assert courier.lines == [("problem", "stuck")]
        assert courier.asked[0][0] - stuck_s <= 32, "the group time, and no more than a turn"
        await anyio.sleep(4 * HOUR_S)
        assert courier.lines[1:] == [("reminder", "stuck")]
        office.house.scene.up["up1"] = True
        await anyio.sleep(HOUR_S)
        last = courier.took[-1].lines[-1]
        assert (last.what, last.status) == ("resolved", "holding")
        assert last.duration_s is not None
        assert last.duration_s > 4 * HOUR_S


async def test_ack_ends_reminders_and_escalation(autojump_clock: object) -> None:
    office = Office(Receiver(name="ops", remind_s=HOUR_S), Receiver(name="boss", after_s=2 * HOUR_S))
    async with office.open() as daemon:
        await daemon.apply(a_hopeless_service())
        await until_stuck(daemon)
        await anyio.sleep(HOUR_S / 2)
        verb = Acknowledging(daemon.goals, office.house.journal)
        await verb.acknowledge("ada", "service1", reason="on it", caller=ME, idempotency_key="k")
        await verb.acknowledge("ada", "service1", reason="on it", caller=ME, idempotency_key="k")
        await anyio.sleep(4 * HOUR_S)
        assert office.couriers["ops"].lines == [("problem", "stuck"), ("taken", "stuck")]
        assert office.couriers["boss"].took == []


@pytest.mark.parametrize("mood", ["500", "hangs"])
async def test_a_webhook_that_fails_for_hours_delays_nobody_and_loses_nothing(
    mood: str, autojump_clock: object
) -> None:
    office = Office(Receiver(name="bad", remind_s=None), Receiver(name="good", remind_s=None))
    bad, good = office.couriers["bad"], office.couriers["good"]
    async with office.open() as daemon:
        bad.mood = lambda _: mood
        await daemon.apply(a_hopeless_service(1))
        await until_stuck(daemon, 1)
        await anyio.sleep(HOUR_S)
        await daemon.apply(a_hopeless_service(2))
        await until_stuck(daemon, 2)
        await anyio.sleep(HOUR_S)
        assert [len(m.lines) for m in good.took] == [1, 1], "the other receiver was told in time"
        assert len({m.id for _, m in bad.asked}) == 1
        assert len(bad.asked) <= 60
        bad.mood = lambda _: "takes"
        await anyio.sleep(2 * HOUR_S)
    assert bad.took[0] == bad.asked[0][1], "the same words under the same id"
    assert sorted(line.ref for m in bad.took for line in m.lines) == ["ada/service1", "ada/service2"]


@pytest.mark.parametrize("mood", ["dies", "takes and dies"])
async def test_a_crash_at_a_delivery_repeats_it_with_the_same_id(mood: str, autojump_clock: object) -> None:
    office = Office(Receiver(name="ops", remind_s=None))
    courier = office.couriers["ops"]
    courier.mood = lambda number: mood if number <= 3 else "takes"
    crashes = 0
    while True:
        try:
            async with office.open() as daemon:
                await daemon.apply(a_hopeless_service())
                await until_stuck(daemon)
                await anyio.sleep(HOUR_S)
            break
        except* Killed:
            crashes += 1
    assert crashes == 3
    assert len({m.id for _, m in courier.asked}) == 1
    assert len({repr(m) for _, m in courier.asked}) == 1
    assert len(courier.took) == (4 if mood == "takes and dies" else 1)


async def test_what_was_noticed_while_no_notifier_ran_is_told_later(autojump_clock: object) -> None:
    office = Office(Receiver(name="ops", remind_s=None))
    async with office.house.daemon() as daemon:
        await daemon.apply(a_hopeless_service())
        await until_stuck(daemon)
    async with office.open():
        await anyio.sleep(60)
    assert office.couriers["ops"].lines == [("problem", "stuck")]


async def test_nothing_is_sent_before_it_is_stored(autojump_clock: object) -> None:
    office = Office(Receiver(name="ops", remind_s=None))
    save = office.outbox.save_receivers
    fails = True

    async def save_receivers(states: object, *, taken: int) -> None:
        if fails:
            raise JournalUnavailable("disk full")
        await save(states, taken=taken)  # type: ignore[arg-type]

    office.outbox.save_receivers = save_receivers  # type: ignore[method-assign,assignment]
    async with office.open() as daemon:
        await daemon.apply(a_hopeless_service())
        await anyio.sleep(HOUR_S)
        assert office.couriers["ops"].asked == []
        fails = False
        await anyio.sleep(HOUR_S)
        assert len(office.couriers["ops"].took) == 1


async def test_a_receiver_of_new_settings_is_told_what_comes_and_one_that_is_gone_is_forgotten(
    autojump_clock: object,
) -> None:
    office = Office(Receiver(name="ops", remind_s=None))
    late = MoodyCourier()
    async with office.house.daemon() as daemon, anyio.create_task_group() as group:
        notifier = office.notifier(daemon)
        await group.start(notifier.run)
        await daemon.apply(a_hopeless_service(1))
        await until_stuck(daemon, 1)
        await anyio.sleep(60)
        notifier.take([Target(Receiver(name="late", remind_s=None), late)])
        await anyio.sleep(60)
        await daemon.apply(a_hopeless_service(2))
        await until_stuck(daemon, 2)
        await anyio.sleep(60)
        assert [line.ref for m in late.took for line in m.lines] == ["ada/service2"]
        assert (await office.outbox.receiver_states()).keys() == {"late"}
        notifier.take([])
        await anyio.sleep(2 * UNWANTED_S)
        assert await office.outbox.receiver_states() == {}
        group.cancel_scope.cancel()


async def test_a_steady_daemon_writes_nothing_for_its_receivers(autojump_clock: object) -> None:
    office = Office(Receiver(name="ops"))
    async with office.open() as daemon:
        office.house.scene.up["up1"] = True
        await daemon.apply(a_hopeless_service())
        await anyio.sleep(HOUR_S)
        before = office.outbox.saves
        await anyio.sleep(4 * HOUR_S)
        assert office.outbox.saves == before


async def test_a_daemon_without_receivers_drops_notices_now_and_then_however_much_happens(
    autojump_clock: object,
) -> None:
    office = Office()
    async with office.open() as daemon:
        await daemon.apply(a_hopeless_service())
        await until_stuck(daemon)
        await anyio.sleep(1)
        before = office.outbox.saves
        for _ in range(50):
            await daemon.service.reconcile("ada", "service1", caller=ME)
            await anyio.sleep(1)
        assert office.outbox.saves - before <= 1


async def test_the_heartbeat_falls_silent_with_the_disk(autojump_clock: object) -> None:
    beats: list[float] = []

    async def beat() -> Delivery:
        beats.append(anyio.current_time())
        return Delivered()

    house = House()
    heartbeat = Heartbeat(house.journal, Heart(beat, every_s=60.0))
    check = house.journal.check_writable

    async def refuses() -> None:
        raise JournalUnavailable("disk full")

    async with anyio.create_task_group() as group:
        await group.start(heartbeat.run)
        await anyio.sleep(590)
        assert len(beats) == 10
        house.journal.check_writable = refuses  # type: ignore[method-assign]
        await anyio.sleep(600)
        assert len(beats) == 10
        house.journal.check_writable = check  # type: ignore[method-assign]
        await anyio.sleep(60)
        assert len(beats) == 11
        heartbeat.take(None)
        await anyio.sleep(600)
        assert len(beats) <= 12
        group.cancel_scope.cancel()
