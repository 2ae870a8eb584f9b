"""A page of goals costs the page, whatever lies behind it: a list of thousands holds nobody up."""

import time

import pytest

from kazid.core.ids import GoalId, GoalUid, Owner
from kazid.ports.journal import GoalHeader
from tests.builders import a_goal, a_predicate
from tests.runtime.house import House

pytestmark = pytest.mark.trio

GOALS = 10_000
PAGE = 250
BLOCK_S_MAX = 0.05


async def test_a_page_of_ten_thousand_goals_blocks_the_loop_for_at_most_50_ms(autojump_clock: object) -> None:
    house = House()
    async with house.daemon() as daemon:
        for number in range(GOALS):
            goal_id = GoalId(f"goal-{number:05}")
            header = GoalHeader(uid=GoalUid(goal_id), owner=Owner("ada"), id=goal_id, is_deleted=False)
            state = daemon.goals.new_state(header)
            state.goal = a_goal(a_predicate("livez", live=True), standing=True, goal_id=goal_id)
            daemon.goals._states[state.uid] = state
            daemon.goals._by_name[header.owner, header.id] = state
        took_s: list[float] = []
        names: list[tuple[str, str]] = []
        while True:
            began_s = time.perf_counter()
            page = daemon.service.views(after=names[-1] if names else None, limit=PAGE)
            took_s.append(time.perf_counter() - began_s)
            if not page:
                break
            names += [(view.goal.owner, view.goal.id) for view in page]
        assert len(names) == GOALS
        assert names == sorted(set(names))
        print(f"a page of {PAGE} of {GOALS}: {sorted(took_s)[len(took_s) // 2] * 1000:.1f} ms")
        assert sorted(took_s)[len(took_s) // 2] <= BLOCK_S_MAX
