"""How busy this thread's event loop is, asked when somebody is about to add to it; the rule is `core/pace.py`'s."""

import time
from collections.abc import Callable

from kazid.core.pace import SAMPLE_S, next_rest_s
from kazid.ports.clock import Clock


class LoopLoad:
    """Reads the processor time of the thread that asks."""

    def __init__(self, clock: Clock, *, cpu_s: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._cpu_s = cpu_s
        self._sampled_s = clock.now().boot_s
        self._used_s = cpu_s()
        self._rest_s = 0.0

    def rest_s(self) -> float:
        """Seconds that the next look in the queue rests."""
        elapsed_s = self._clock.now().boot_s - self._sampled_s
        if elapsed_s >= SAMPLE_S:
            used_s = self._cpu_s()
            busy = (used_s - self._used_s) / elapsed_s
            self._rest_s = next_rest_s(self._rest_s, busy=busy, elapsed_s=elapsed_s)
            self._sampled_s += elapsed_s
            self._used_s = used_s
        return self._rest_s
