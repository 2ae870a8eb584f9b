"""Both clocks, driven by the event loop: under a virtual loop clock hours pass in no time, and a test steps the wall.

Boot time is the loop's own time, so that sleeping and reading never disagree. `step` moves the wall clock alone, as an
administrator or NTP does; `reboot` is what a machine does between two daemons.
"""

import anyio

from kazid.core.instant import Now

WALL_AT_START_S = 1_700_000_000.0
"""An ordinary day in 2023, so that wall and boot times are never mistaken for each other in a test."""


class MemoryClock:
    """Reads only inside a running event loop."""

    def __init__(self, *, wall_at_start_s: float = WALL_AT_START_S, boot_id: str = "boot-1") -> None:
        self._wall_offset_s = wall_at_start_s
        self._boot_offset_s = 0.0
        self._boot_id = boot_id

    def now(self) -> Now:
        """See the port."""
        loop_s = anyio.current_time()
        return Now(loop_s + self._boot_offset_s, loop_s + self._wall_offset_s, self._boot_id)

    def step(self, seconds: float) -> None:
        """Set the wall clock ahead, or back; boot time does not notice."""
        self._wall_offset_s += seconds

    def stall(self, seconds: float) -> None:
        """Nothing runs for so long, as while a machine sleeps: both clocks go on, and no timer did."""
        self._wall_offset_s += seconds
        self._boot_offset_s += seconds

    def reboot(self, *, boot_id: str) -> None:
        """Boot time starts over from zero under a new name; the wall clock goes on."""
        assert boot_id != self._boot_id, "each boot has a name of its own"
        self._boot_offset_s = -anyio.current_time()
        self._boot_id = boot_id
