"""Waiting for an executor's slot: places in the line are kept, nobody blocks it by being away."""

import anyio
import pytest
from msgspec.structs import replace

from kazid.core.ids import GoalUid, Owner
from kazid.core.turns import Limits, Seat
from kazid.runtime.executor import ExecutorLimits
from kazid.runtime.turns import FORGOTTEN_S, LETS_PASS_S, Turns
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.house import House

ADA, BOB = Seat(Owner("ada"), "claude"), Seat(Owner("bob"), "claude")


class _Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _turns(total: int = 1) -> tuple[Turns, _Clock]:
    clock = _Clock()
    return Turns("agents", Limits(total=total), now_s=clock), clock


def test_one_owners_many_goals_leave_every_second_turn_to_another_owners_one() -> None:
    turns, clock = _turns()
    goals = {GoalUid(f"ada-{number}"): ADA for number in range(50)} | {
        GoalUid("bob-0"): BOB,
        GoalUid("bob-1"): BOB,
    }
    order: list[str] = []
    while goals:
        clock.now_s += 1.0
        answers = {uid: turns.waits_for(uid, seat) for uid, seat in goals.items()}
        uid = next(uid for uid in goals if turns.waits_for(uid, goals[uid]) is None)
        assert sum(answer is None for answer in answers.values()) >= 1
        turns.begin(uid, goals.pop(uid))
        order.append(uid)
        clock.now_s += 5.0
        assert all(turns.waits_for(other, seat) is not None for other, seat in goals.items())
        turns.end(uid)
    assert max(order.index("bob-0"), order.index("bob-1")) <= 4


def test_who_is_away_lets_others_pass_and_is_first_again_when_it_is_back() -> None:
    turns, clock = _turns()
    first, second = GoalUid("first"), GoalUid("second")
    assert turns.waits_for(first, ADA) is None
    clock.now_s = 1.0
    assert turns.waits_for(second, ADA) == "others that want agents are before it"
    clock.now_s = LETS_PASS_S + 1.0
    assert turns.waits_for(second, ADA) is None
    assert turns.waits_for(first, ADA) is None
    assert turns.waits_for(second, ADA) is not None


def test_who_is_away_for_very_long_is_forgotten() -> None:
    turns, clock = _turns()
    assert turns.waits_for(GoalUid("first"), ADA) is None
    clock.now_s = FORGOTTEN_S + 1.0
    assert turns.waits_for(GoalUid("second"), ADA) is None
    clock.now_s += 1.0
    assert turns.waits_for(GoalUid("first"), ADA) is not None


def test_what_is_full_is_said() -> None:
    turns, _ = _turns()
    turns.begin(GoalUid("runs"), BOB)
    assert turns.waits_for(GoalUid("waits"), ADA) == "as many agents already running as may at once"
    turns.end(GoalUid("runs"))
    assert turns.waits_for(GoalUid("waits"), ADA) is None


@pytest.mark.trio
async def test_another_owners_goal_is_repaired_while_many_of_one_owner_wait(autojump_clock, monkeypatch):
    monkeypatch.setattr("tests.runtime.house.ExecutorLimits", lambda: ExecutorLimits(remedies=1))
    house = House()
    names = [f"ada-{number}" for number in range(12)] + ["bob"]
    for name in names:
        house.repairs(f"fix-{name}", name, duration_s=10.0)
    async with house.daemon() as daemon:
        for name in names:
            goal = a_goal(
                a_predicate(name, live=True),
                remedies=[a_remedy(name, cmd=f"fix-{name}")],
                goal_id=name,
            )
            await daemon.apply(replace(goal, owner=Owner(name.partition("-")[0])))
        with anyio.fail_after(60):
            while not house.runner.started("fix-bob"):
                await anyio.sleep(1)
        assert sum(house.runner.started(f"fix-{name}") for name in names) <= 4
        with anyio.fail_after(600):
            while not all(house.scene.up.get(name) for name in names):
                await anyio.sleep(1)
    assert house.runner.live_max == 1
