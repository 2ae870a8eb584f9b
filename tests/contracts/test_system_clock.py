import time

import pytest

from kazid.adapters.system.clock import SystemClock
from kazid.core.errors import StartRefused

pytest.register_assert_rewrite("tests.contracts.clock_contract")
from tests.contracts.clock_contract import ClockContract

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


class TestSystemClock(ClockContract):
    async def test_boot_time_counts_suspend(self, clock: SystemClock) -> None:
        before_s = time.clock_gettime(time.CLOCK_BOOTTIME)  # the clock that does; CLOCK_MONOTONIC does not
        assert before_s <= clock.now().boot_s <= time.clock_gettime(time.CLOCK_BOOTTIME)

    async def test_a_reading_torn_by_preemption_is_taken_again(
        self, clock: SystemClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        boot_s = iter([100.0, 103.0, 103.0001])  # three seconds pass between the first two readings
        wall_s = iter([1000.0, 1003.0])
        monkeypatch.setattr(time, "clock_gettime", lambda _: next(boot_s))
        monkeypatch.setattr(time, "time", lambda: next(wall_s))
        now = clock.now()
        assert (now.boot_s, now.wall_s) == (103.0, 1003.0)

    async def test_a_machine_that_does_not_name_its_boot_is_refused(self) -> None:
        with pytest.raises(StartRefused, match="cannot tell one boot from another"):
            SystemClock(boot_id_path="/proc/no-such-file")
