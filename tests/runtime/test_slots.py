"""Fair slots: round-robin by owner, then by goal, slow ones bounded, nothing leaked by cancellation."""

import anyio
import pytest

from kazid.runtime.slots import FairSlots

pytestmark = pytest.mark.trio


async def test_one_goals_many_looks_do_not_delay_another_goals_one(autojump_clock):
    slots = FairSlots(4)
    order = []

    async def look(goal, number):
        async with slots.hold(goal, owner="ada", is_slow=False):
            order.append((goal, number))
            await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(look, "greedy", number)
        await anyio.sleep(0.5)
        group.start_soon(look, "modest", 0)
    assert order.index(("modest", 0)) <= 8


async def test_slow_predicates_use_at_most_a_quarter(autojump_clock):
    slots = FairSlots(8)
    running = peak = 0

    async def look(number):
        nonlocal running, peak
        async with slots.hold(f"goal-{number}", owner="ada", is_slow=True):
            running += 1
            peak = max(peak, running)
            await anyio.sleep(10)
            running -= 1

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(look, number)
        await anyio.sleep(1)
        with anyio.fail_after(0.5):
            async with slots.hold("healthy", owner="ada", is_slow=False):
                pass
    assert peak == 2


async def test_a_cancelled_waiter_and_a_cancelled_holder_leave_no_slot_behind(autojump_clock):
    slots = FairSlots(4, per_goal=1)
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(_hold_for_ever, slots)
        await anyio.sleep(1)
        group.cancel_scope.cancel()
    with anyio.fail_after(1):
        async with slots.hold("goal", owner="ada", is_slow=False):
            pass
    assert slots._used == 0


async def test_one_owners_many_goals_do_not_delay_another_owners_one(autojump_clock):
    slots = FairSlots(8)
    waited = {}

    async def look(owner, goal, seconds):
        asked = anyio.current_time()
        async with slots.hold(goal, owner=owner, is_slow=False):
            waited[goal] = anyio.current_time() - asked
            await anyio.sleep(seconds)

    async with anyio.create_task_group() as group:
        group.start_soon(look, "bob", "seen-before", 1)
        await anyio.sleep(2)
        for number in range(1000):
            group.start_soon(look, "ada", f"ada-{number}", 10)
        await anyio.sleep(1)
        group.start_soon(look, "bob", "one", 10)
        await anyio.sleep(15)
        group.cancel_scope.cancel()
    assert waited["one"] == 0


async def test_an_owner_who_was_never_seen_before_waits_for_one_slot_only(autojump_clock):
    slots = FairSlots(4)
    order = []

    async def look(owner, goal):
        async with slots.hold(goal, owner=owner, is_slow=False):
            order.append(goal)
            await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(look, "ada", f"ada-{number}")
        await anyio.sleep(0.5)
        for number in range(3):
            group.start_soon(look, "bob", f"bob-{number}")
    assert max(order.index(f"bob-{number}") for number in range(3)) < 16


async def test_who_is_alone_uses_every_slot(autojump_clock):
    slots = FairSlots(4)
    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(_hold_for_ever, slots, f"goal-{number}")
        await anyio.sleep(1)
        assert slots._used == 4
        group.cancel_scope.cancel()


async def _hold_for_ever(slots, goal="goal"):
    async with slots.hold(goal, owner="ada", is_slow=False):
        await anyio.sleep_forever()


async def test_the_many_of_one_owner_rest_where_others_look_too_and_nobody_else_does(autojump_clock):
    slots = FairSlots(4, rest_s=lambda: 10.0)
    began_s = {}

    async def look(owner, number):
        async with slots.hold(f"{owner}-{number}", owner=owner, is_slow=False):
            began_s[owner, number] = anyio.current_time()
            await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        start_s = anyio.current_time()
        for number in range(12):
            group.start_soon(look, "many", number)
        await anyio.sleep(5)
        assert max(began_s.values()) - start_s == pytest.approx(2), "there was nobody to make room for"
        start_s = anyio.current_time()
        group.start_soon(look, "few", 0)
        await anyio.sleep(0.1)
        for number in range(12, 18):
            group.start_soon(look, "many", number)
            await anyio.sleep(0.1)
        group.start_soon(look, "few", 1)
    waited_s = [round(began_s["many", n] - start_s, 1) for n in range(12, 18)]
    assert waited_s[:3] == [0.1, 0.2, 0.3], "there was room"
    assert waited_s[3:5] == [11.1, 11.2], "they waited for a second, and rested"
    assert waited_s[5] == 1.3, "no other waited behind it"
    assert began_s["few", 0] == pytest.approx(start_s)
    assert began_s["few", 1] == pytest.approx(start_s + 1.0), "it waited for a slot, and did not rest"


async def test_one_that_is_cancelled_while_it_rests_gives_its_slot_back(autojump_clock):
    slots = FairSlots(4, rest_s=lambda: 3600.0)

    async def look(owner, number, lasts_s):
        async with slots.hold(f"{owner}-{number}", owner=owner, is_slow=False):
            await anyio.sleep(lasts_s)

    async with anyio.create_task_group() as group:
        group.start_soon(look, "other", 0, 0)
        for number in range(3):
            group.start_soon(look, "many", number, 10)
        await anyio.sleep(1)
        with anyio.move_on_after(60):
            async with anyio.create_task_group() as resting:
                for number in range(3, 7):
                    resting.start_soon(look, "many", number, 0)
    with anyio.fail_after(1):
        for number in range(7, 10):
            await look("many", number, 0)
