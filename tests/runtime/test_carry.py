"""What a look leaves for the next one comes in with it, also after a restart; without a change it is steady."""

from collections.abc import Mapping

import anyio
import pytest

from kazid.core.event import event_type
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.house import House

pytestmark = pytest.mark.trio


class Counting:
    """Says how often it looked, as far as it was told; from the fifth look on it has nothing new to say."""

    def __init__(self) -> None:
        self.looks: list[Look] = []

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        self.looks.append(look)
        seen = look.carry if isinstance(look.carry, int) else 0
        return Verdict(status=Status.PASS, carry=min(5, seen + 1))


async def test_a_look_begins_with_what_the_last_one_left_after_a_restart_too(autojump_clock):
    house, counting = House(), Counting()
    house.providers["prod_log"] = counting
    goal = a_goal(
        a_predicate("log", provider="prod_log", live=True, interval_s=10.0),
        remedies=[a_remedy("log")],
        standing=True,
    )
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(goal)
        await anyio.sleep(25)
    before = [look.carry for look in counting.looks]
    assert before == [None, 1, 2, 3][: len(before)]
    assert len(before) >= 2
    assert counting.looks[-1].wall_s > counting.looks[0].wall_s > 0
    async with house.daemon():
        await anyio.sleep(100)
        carries = [look.carry for look in counting.looks]
        assert [c for c in carries if c is not None] == [min(5, n) for n in range(1, len(carries))]
        written = len(await house.events())
        await anyio.sleep(600)
        assert {event_type(r.event) for r in (await house.events())[written:]} <= {
            "steady.observed",
            "snapshot.taken",
        }
