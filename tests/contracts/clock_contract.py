"""What every clock promises: each sentence of `ports/clock.py` is a test with its words."""

from itertools import pairwise

import anyio

from kazid.core.instant import divergence_s
from kazid.ports.clock import Clock


class ClockContract:
    """Inherit, and provide the fixtures `clock` and `anyio_backend`."""

    async def test_now_never_steps_backwards_in_boot_time(self, clock: Clock) -> None:
        readings = [clock.now() for _ in range(10_000)]
        assert all(earlier.boot_s <= later.boot_s for earlier, later in pairwise(readings))

    async def test_now_is_both_clocks_read_at_one_moment(self, clock: Clock) -> None:
        readings = [clock.now() for _ in range(1_000)]
        assert all(abs(divergence_s(a, b)) < 5 for a, b in pairwise(readings))

    async def test_boot_id_is_constant_within_one_boot(self, clock: Clock) -> None:
        assert len({clock.now().boot_id for _ in range(10)}) == 1
        assert clock.now().boot_id

    async def test_sleeping_moves_both_clocks(self, clock: Clock) -> None:
        before = clock.now()
        await anyio.sleep(0.05)
        after = clock.now()
        assert after.boot_s - before.boot_s >= 0.049
        assert abs(divergence_s(before, after)) < 5
