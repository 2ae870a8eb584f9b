"""A goal's loop that crashes while the daemon stops must not turn the daemon's end into a crash of the daemon."""

import anyio
import pytest

from tests.builders import a_goal, a_predicate
from tests.runtime.house import House

pytestmark = pytest.mark.trio


async def test_a_loop_that_crashes_while_the_daemon_stops_does_not_end_it_with_that_exception(autojump_clock):
    house = House()
    async with house.daemon() as daemon:

        async def look_and_crash_when_cancelled(*_):
            try:
                await anyio.sleep_forever()
            finally:
                raise ZeroDivisionError("a bug of ours, at the end")

        daemon.observer.look = look_and_crash_when_cancelled
        await daemon.apply(a_goal(a_predicate("livez", live=True), standing=True))
        await anyio.sleep(1)
