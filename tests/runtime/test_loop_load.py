"""The loop's load as it is read: sampled now and then, and only its own thread's processor time counts."""

from kazid.core.instant import Now
from kazid.core.pace import REST_S_MIN, SAMPLE_S
from kazid.runtime.loop_load import LoopLoad


class _Times:
    def __init__(self) -> None:
        self.boot_s = self.used_s = 0.0

    def now(self) -> Now:
        return Now(boot_s=self.boot_s, wall_s=self.boot_s)

    def pass_by(self, elapsed_s: float, *, busy: float) -> None:
        self.boot_s += elapsed_s
        self.used_s += elapsed_s * busy


def test_a_rest_follows_the_load_from_sample_to_sample() -> None:
    times = _Times()
    load = LoopLoad(times, cpu_s=lambda: times.used_s)
    told: list[float] = []
    for busy in (0.1, 0.9, 0.9, 0.2, 0.2):
        times.pass_by(SAMPLE_S * 0.4, busy=busy)
        between = load.rest_s()
        assert between == (told[-1] if told else 0.0), "nothing is read between two samples"
        times.pass_by(SAMPLE_S * 0.8, busy=busy)
        told.append(load.rest_s())
    assert told[0] == 0.0
    assert told[1] == REST_S_MIN < told[2]
    assert told[3] < told[2]
