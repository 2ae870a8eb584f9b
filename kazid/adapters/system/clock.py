"""The machine's clocks: CLOCK_BOOTTIME, which counts suspend and never steps, and the wall clock."""

import time

from kazid.core.errors import StartRefused
from kazid.core.instant import Now

BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"
APART_S_MAX = 0.001
"""The two clocks are read this close together: a reading torn by preemption would pass for a step of the wall clock."""
TRIES_MAX = 5
"""On a machine that is never on time the last reading has to do; it is still far less torn than a step is long."""


class SystemClock:
    """Linux only, as all of kazid. Raises StartRefused where /proc does not name the boot."""

    def __init__(self, *, boot_id_path: str = BOOT_ID_PATH) -> None:
        try:
            with open(boot_id_path, encoding="ascii") as file:
                self._boot_id = file.read().strip()
        except OSError as error:
            raise StartRefused(
                f"cannot tell one boot from another: {boot_id_path}: {error.strerror}"
            ) from error

    def now(self) -> Now:
        """See the port."""
        boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        wall_s = time.time()
        for _ in range(TRIES_MAX):
            after_s = time.clock_gettime(time.CLOCK_BOOTTIME)
            if after_s - boot_s <= APART_S_MAX:
                break
            boot_s = after_s
            wall_s = time.time()
        return Now(boot_s, wall_s, self._boot_id)
