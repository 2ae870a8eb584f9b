"""Waiting for an executor's slot: places in the line are kept, nobody blocks it by being away."""

from collections.abc import Collection
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kazid.core.ids import GoalUid, Owner
from kazid.core.turns import Claim, Limits, Seat, next_in_turn
from kazid.runtime.executor import ExecutorLimits
from kazid.runtime.turns import ASKS_AGAIN_S_MAX, FORGOTTEN_S, KEPT_S_MAX, LETS_PASS_S, Turns
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


def test_a_kept_slot_is_nobody_elses_and_needs_no_second_turn() -> None:
    turns, clock = _turns()
    first, second = GoalUid("first"), GoalUid("second")
    turns.begin(first, ADA)
    turns.keep(first)
    clock.now_s = KEPT_S_MAX
    assert turns.waits_for(second, BOB) == "as many agents already running as may at once"
    assert turns.waits_for(first, ADA) is None
    turns.begin(first, ADA)
    clock.now_s = KEPT_S_MAX * 3
    assert turns.waits_for(second, BOB) is not None, "what runs is not taken away"
    turns.end(first)
    assert turns.waits_for(second, BOB) is None


def test_a_slot_that_is_kept_too_long_goes_to_others_and_its_place_in_the_line_stays() -> None:
    turns, clock = _turns()
    first, second = GoalUid("first"), GoalUid("second")
    turns.begin(first, ADA)
    turns.keep(first)
    clock.now_s = KEPT_S_MAX + 1.0
    assert turns.waits_for(second, ADA) is None
    turns.begin(second, ADA)
    assert not turns.is_kept(first)
    third = GoalUid("third")
    assert turns.waits_for(third, ADA) is not None
    assert turns.waits_for(first, ADA) is not None
    turns.end(second)
    assert turns.next_up() == {first}


def test_a_slot_that_was_kept_for_one_harness_is_not_taken_for_another() -> None:
    turns = Turns("agents", Limits(total=9, per_harness=1), now_s=_Clock())
    other = Seat(ADA.owner, "codex")
    turns.begin(GoalUid("runs"), other)
    turns.begin(GoalUid("first"), ADA)
    turns.keep(GoalUid("first"))
    assert (
        turns.waits_for(GoalUid("first"), other) == "as many agents on codex already running as may at once"
    )
    assert turns.waits_for(GoalUid("second"), ADA) is None


def test_what_is_full_is_said() -> None:
    turns, _ = _turns()
    turns.begin(GoalUid("runs"), BOB)
    assert turns.waits_for(GoalUid("waits"), ADA) == "as many agents already running as may at once"
    turns.end(GoalUid("runs"))
    assert turns.waits_for(GoalUid("waits"), ADA) is None


def test_only_the_front_of_the_line_is_weighed_however_many_wait(monkeypatch) -> None:
    turns, _ = _turns(total=2)
    for number in range(2):
        turns.begin(GoalUid(f"runs-{number}"), BOB)
    for number in range(3000):
        turns.waits_for(GoalUid(f"ada-{number:04}"), ADA)
    weighed: list[int] = []

    def overheard(claims: Collection[Claim], **rest: Any) -> frozenset[GoalUid]:
        weighed.append(len(claims))
        return next_in_turn(claims, **rest)

    monkeypatch.setattr("kazid.runtime.turns.next_in_turn", overheard)
    assert turns.waits_for(GoalUid("ada-2999"), ADA) is not None
    assert weighed == [], "nothing is free, so nobody is next"
    turns.end(GoalUid("runs-0"))
    assert turns.next_up() == {"ada-0000"}
    turns.end(GoalUid("runs-1"))
    assert turns.next_up() == {"ada-0000", "ada-0001"}
    assert weighed == [1, 2]


def test_the_more_wait_the_seldomer_each_asks_and_never_so_seldom_that_it_counts_as_away() -> None:
    turns, _ = _turns()
    turns.waits_for(GoalUid("one"), ADA)
    assert turns.asks_again_s() == 1.0
    for number in range(5000):
        turns.waits_for(GoalUid(f"goal-{number}"), ADA)
    assert turns.asks_again_s() == ASKS_AGAIN_S_MAX < LETS_PASS_S


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "begin", "end", "pass"]), st.integers(0, 7), st.integers(0, 2)),
        max_size=60,
    )
)
def test_whose_turn_it_is_is_what_weighing_all_who_wait_would_say(steps) -> None:
    turns, clock = _turns(total=2)
    asked: dict[GoalUid, tuple[Claim, float]] = {}
    running: dict[GoalUid, Seat] = {}
    served: dict[Owner, float] = {}
    for what, number, who in steps:
        clock.now_s += 1.0
        uid, seat = GoalUid(str(number)), Seat(Owner("abc"[who]), None)
        if what == "ask" and uid not in running:
            since_s = asked[uid][0].since_s if uid in asked and asked[uid][0].seat == seat else clock.now_s
            asked[uid] = (Claim(uid, seat, since_s), clock.now_s)
            turns.waits_for(uid, seat)
        elif what == "begin" and uid not in running:
            asked.pop(uid, None)
            running[uid], served[seat.owner] = seat, clock.now_s
            turns.begin(uid, seat)
        elif what == "end":
            asked.pop(uid, None)
            running.pop(uid, None)
            turns.end(uid)
        elif what == "pass":
            clock.now_s += LETS_PASS_S / 2
        lately = [claim for claim, asked_s in asked.values() if asked_s >= clock.now_s - LETS_PASS_S]
        expected = next_in_turn(
            lately, running=list(running.values()), served_s=served, limits=Limits(total=2)
        )
        assert turns.next_up() == expected


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


@pytest.mark.trio
async def test_who_is_next_is_woken_when_a_slot_is_free_and_need_not_ask_again(autojump_clock, monkeypatch):
    monkeypatch.setattr("tests.runtime.house.ExecutorLimits", lambda: ExecutorLimits(remedies=1))
    monkeypatch.setattr("kazid.runtime.turns.ASKS_PER_S", 0.01)
    house = House()
    names = [f"ada-{number}" for number in range(5)]
    for name in names:
        house.repairs(f"fix-{name}", name, duration_s=1.0)
    async with house.daemon() as daemon:
        for name in names:
            await daemon.apply(
                a_goal(
                    a_predicate(name, live=True, interval_s=300.0),
                    remedies=[a_remedy(name, cmd=f"fix-{name}")],
                    goal_id=name,
                )
            )
        with anyio.fail_after(ASKS_AGAIN_S_MAX * 2):
            while not all(house.scene.up.get(name) for name in names):
                await anyio.sleep(0.5)
