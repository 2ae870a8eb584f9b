"""A fair bound on concurrent observations: waiting is round-robin by owner, then by goal, so no many delay a one.

Slow predicates (those whose last look ran past half its deadline) may use at most a quarter of the slots: a
black-holed host delays nobody (SEMANTICS §2). Where more than one owner looks, none takes the last quarter:
another one's look finds room at once, however many the first one has waiting, and while the loop is busy the looks of
an owner that has more of them waiting rest with their slots (`core/pace.py`).
"""

from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import anyio

SLOW_SHARE = 4
"""Slow predicates get one slot in this many."""
OTHERS_SHARE = 4
"""One slot in this many is never taken by an owner that holds all the others."""


class FairSlots:
    """`total` slots; at most `per_goal` for one goal at a time. `rest_s`: how long one that waited rests."""

    def __init__(
        self, total: int, *, per_goal: int | None = None, rest_s: Callable[[], float] = lambda: 0.0
    ) -> None:
        assert total >= SLOW_SHARE, "too few slots to share"
        self._total = total
        self._per_goal = per_goal or total
        self._rest_s = rest_s
        self._per_owner = total - max(1, total // OTHERS_SHARE)
        self._slow_max = max(1, total // SLOW_SHARE)
        self._used = 0
        self._slow_used = 0
        self._used_by: dict[str, int] = {}
        self._used_by_owner: dict[str, int] = {}
        """By owner, for each that ever looked: who is alone needs to leave nothing to others."""
        self._queues: OrderedDict[str, _Queues] = OrderedDict()

    @asynccontextmanager
    async def hold(self, goal_key: str, *, owner: str, is_slow: bool) -> AsyncGenerator[None]:
        """Hold one slot for the block, waiting one's turn."""
        waiter = _Waiter(goal_key, owner, is_slow)
        self._used_by_owner.setdefault(owner, 0)
        if self._fits(waiter) and owner not in self._queues:
            self._take(waiter)
        else:
            await self._queue(waiter)
        try:
            if waiter.is_one_of_many and len(self._used_by_owner) > 1:
                await anyio.sleep(self._rest_s())
            yield
        finally:
            self._give_back(waiter)

    async def _queue(self, waiter: "_Waiter") -> None:
        goals = self._queues.setdefault(waiter.owner, OrderedDict())
        goals.setdefault(waiter.goal_key, deque()).append(waiter)
        self._grant()
        try:
            await waiter.granted.wait()
        except BaseException:
            if waiter.granted.is_set():
                self._give_back(waiter)
            else:
                self._remove(waiter)
            raise

    def _fits(self, waiter: "_Waiter") -> bool:
        if self._used >= self._total or self._used_by.get(waiter.goal_key, 0) >= self._per_goal:
            return False
        if len(self._used_by_owner) > 1 and self._used_by_owner[waiter.owner] >= self._per_owner:
            return False
        return not waiter.is_slow or self._slow_used < self._slow_max

    def _take(self, waiter: "_Waiter") -> None:
        self._used += 1
        self._slow_used += waiter.is_slow
        self._used_by[waiter.goal_key] = self._used_by.get(waiter.goal_key, 0) + 1
        self._used_by_owner[waiter.owner] += 1

    def _give_back(self, waiter: "_Waiter") -> None:
        self._used -= 1
        self._slow_used -= waiter.is_slow
        self._used_by_owner[waiter.owner] -= 1
        left = self._used_by[waiter.goal_key] - 1
        if left:
            self._used_by[waiter.goal_key] = left
        else:
            del self._used_by[waiter.goal_key]
        assert self._used >= 0
        self._grant()

    def _grant(self) -> None:
        """Give free slots to owners in turn, and of each to its goals in turn; who was served goes to the back."""
        is_granted = True
        while is_granted and self._used < self._total:
            served = [self._grant_one(owner) for owner in list(self._queues)]
            is_granted = any(served)

    def _grant_one(self, owner: str) -> bool:
        goals = self._queues[owner]
        fitting = (w for queue in goals.values() for w in queue if self._fits(w))
        waiter = next(fitting, None)
        if waiter is None:
            return False
        self._take(waiter)
        self._remove(waiter)
        if waiter.goal_key in goals:
            goals.move_to_end(waiter.goal_key)
        if owner in self._queues:
            waiter.is_one_of_many = True
            self._queues.move_to_end(owner)
        waiter.granted.set()
        return True

    def _remove(self, waiter: "_Waiter") -> None:
        goals = self._queues[waiter.owner]
        queue = goals[waiter.goal_key]
        queue.remove(waiter)
        if not queue:
            del goals[waiter.goal_key]
        if not goals:
            del self._queues[waiter.owner]


class _Waiter:
    __slots__ = ("goal_key", "granted", "is_one_of_many", "is_slow", "owner")

    def __init__(self, goal_key: str, owner: str, is_slow: bool) -> None:
        self.goal_key = goal_key
        self.owner = owner
        self.is_slow = is_slow
        self.granted = anyio.Event()
        self.is_one_of_many = False
        """Its owner had more that waited when it was given its slot."""


_Queues: TypeAlias = OrderedDict[str, deque[_Waiter]]
"""By goal."""
