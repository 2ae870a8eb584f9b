"""A page of goals costs the page, whatever lies behind it: a list of thousands holds nobody up."""

import time

import pytest

from kazid.core.ids import GoalId, GoalUid, Owner
from kazid.ports.journal import GoalHeader
from tests.builders import a_goal, a_predicate
from tests.runtime.house import House

pytestmark = pytest.mark.trio

FEW = 500
MANY = 10_000
PAGE = 250
RATIO_MAX = 3.0
"""Twenty times the goals; what walked through them all for a page would cost some twenty times as much."""


async def test_a_page_of_ten_thousand_goals_costs_what_one_of_five_hundred_does(
    autojump_clock: object,
) -> None:
    few, many = await _cheapest_page_s(FEW), await _cheapest_page_s(MANY)
    assert many <= RATIO_MAX * few, (
        f"a page of {PAGE}: {many * 1000:.1f} ms of {MANY}, {few * 1000:.1f} ms of {FEW}"
    )


async def _cheapest_page_s(goals: int) -> float:
    """CPU seconds of this thread, so that what else the machine does counts for nothing."""
    house = House()
    async with house.daemon() as daemon:
        for number in range(goals):
            goal_id = GoalId(f"goal-{number:05}")
            header = GoalHeader(uid=GoalUid(goal_id), owner=Owner("ada"), id=goal_id, is_deleted=False)
            state = daemon.goals.new_state(header)
            state.goal = a_goal(a_predicate("livez", live=True), standing=True, goal_id=goal_id)
            daemon.goals._states[state.uid] = state
            daemon.goals._by_name[header.owner, header.id] = state
        took_s: list[float] = []
        names: list[tuple[str, str]] = []
        while True:
            began_s = time.thread_time()
            page = daemon.service.views(after=names[-1] if names else None, limit=PAGE)
            if not page:
                break
            took_s.append(time.thread_time() - began_s)
            names += [(view.goal.owner, view.goal.id) for view in page]
        assert len(names) == goals
        assert names == sorted(set(names))
        return min(took_s)
