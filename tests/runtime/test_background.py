"""An agent that parks on what it left in the background ends its goal at once, unless it changed something."""

from typing import Any

import anyio
import pytest

from kazid.core.event import Usage
from kazid.core.goal import Budget
from kazid.core.status import Cause, GoalStatus
from kazid.ports.harness import Report
from tests.builders import a_goal, a_harness, a_predicate
from tests.runtime.house import House

pytestmark = pytest.mark.trio


async def test_an_agent_that_waits_in_the_background_is_paid_once(autojump_clock: Any) -> None:
    house = House()
    words = "The test suite runs in the background; I will be notified when it is done."
    house.harness.report = Report(text=words, usage=Usage(input_tokens=10, output_tokens=10))
    goal = a_goal(
        a_predicate("tests"), harness=a_harness("tests"), workspace="/w", budget=Budget(dispatches_max=5)
    )
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(600)
        view = daemon.service.view(goal.owner, goal.id)
        assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.PARKED_ON_BACKGROUND)
        assert len(house.runner.starts) == 1
