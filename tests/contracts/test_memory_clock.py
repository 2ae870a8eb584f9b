import anyio
import pytest
import trio.testing

from kazid.adapters.memory.clock import MemoryClock
from kazid.core.instant import divergence_s, shift_s

pytest.register_assert_rewrite("tests.contracts.clock_contract")
from tests.contracts.clock_contract import ClockContract

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


class TestMemoryClock(ClockContract):
    async def test_a_step_moves_the_wall_clock_alone(self, clock: MemoryClock) -> None:
        before = clock.now()
        clock.step(3600.0)
        after = clock.now()
        assert divergence_s(before, after) == pytest.approx(3600.0, abs=30)
        assert after.boot_s - before.boot_s < 30

    async def test_a_reboot_starts_boot_time_over_and_the_wall_clock_goes_on(
        self, clock: MemoryClock
    ) -> None:
        before = clock.now()
        clock.reboot(boot_id="boot-2")
        after = clock.now()
        assert (after.boot_id, after.boot_s) == ("boot-2", pytest.approx(0.0, abs=30))
        assert after.wall_s - before.wall_s < 30
        assert before.boot_s + shift_s(before, after) == pytest.approx(0.0, abs=30)


async def _hours() -> tuple[float, float]:
    clock = MemoryClock()
    before = clock.now()
    await anyio.sleep(7200.0)
    after = clock.now()
    return after.boot_s - before.boot_s, after.wall_s - before.wall_s


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
def test_a_virtual_clock_moves_both(anyio_backend: str) -> None:
    assert trio.run(_hours, clock=trio.testing.MockClock(autojump_threshold=0)) == pytest.approx(
        (7200.0, 7200.0)
    )
