"""A fair bound on concurrent observations: waiting is round-robin by goal, so no goal's many checks delay another.

Slow predicates (those whose last look ran past half its deadline) may use at most a quarter of the slots: a
black-holed host delays nobody (SEMANTICS §2).
"""

from collections import OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

SLOW_SHARE = 4
"""Slow predicates get one slot in this many."""


class FairSlots:
    """`total` slots; at most `per_goal` for one goal at a time."""

    def __init__(self, total: int, *, per_goal: int | None = None) -> None:
        assert total >= SLOW_SHARE, "too few slots to share"
        self._total = total
        self._per_goal = per_goal or total
        self._slow_max = max(1, total // SLOW_SHARE)
        self._used = 0
        self._slow_used = 0
        self._used_by: dict[str, int] = {}
        self._queues: OrderedDict[str, deque[_Waiter]] = OrderedDict()

    @asynccontextmanager
    async def hold(self, goal_key: str, *, is_slow: bool) -> AsyncGenerator[None]:
        """Hold one slot for the block, waiting one's turn."""
        waiter = _Waiter(goal_key, is_slow)
        if self._fits(waiter) and not self._queues:
            self._take(waiter)
        else:
            await self._queue(waiter)
        try:
            yield
        finally:
            self._give_back(waiter)

    async def _queue(self, waiter: "_Waiter") -> None:
        self._queues.setdefault(waiter.goal_key, deque()).append(waiter)
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
        return not waiter.is_slow or self._slow_used < self._slow_max

    def _take(self, waiter: "_Waiter") -> None:
        self._used += 1
        self._slow_used += waiter.is_slow
        self._used_by[waiter.goal_key] = self._used_by.get(waiter.goal_key, 0) + 1

    def _give_back(self, waiter: "_Waiter") -> None:
        self._used -= 1
        self._slow_used -= waiter.is_slow
        left = self._used_by[waiter.goal_key] - 1
        if left:
            self._used_by[waiter.goal_key] = left
        else:
            del self._used_by[waiter.goal_key]
        assert self._used >= 0
        self._grant()

    def _grant(self) -> None:
        """Give free slots to waiting goals in turn; a goal that was served goes to the back."""
        for goal_key in list(self._queues):
            if self._used >= self._total:
                return
            queue = self._queues[goal_key]
            waiter = next((w for w in queue if self._fits(w)), None)
            if waiter is None:
                continue
            self._take(waiter)
            self._remove(waiter)
            if goal_key in self._queues:
                self._queues.move_to_end(goal_key)
            waiter.granted.set()

    def _remove(self, waiter: "_Waiter") -> None:
        queue = self._queues[waiter.goal_key]
        queue.remove(waiter)
        if not queue:
            del self._queues[waiter.goal_key]


class _Waiter:
    __slots__ = ("goal_key", "granted", "is_slow")

    def __init__(self, goal_key: str, is_slow: bool) -> None:
        self.goal_key = goal_key
        self.is_slow = is_slow
        self.granted = anyio.Event()
