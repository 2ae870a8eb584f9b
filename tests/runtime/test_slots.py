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
