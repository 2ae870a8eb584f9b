"""How long a look rests that had to wait: longer while the loop is busy, and soon not at all when it is not."""

import pytest

from kazid.core.pace import BUSY_MAX, REST_S_MAX, REST_S_MIN, SAMPLE_S, next_rest_s


@pytest.mark.parametrize(
    ("rest_s", "busy", "elapsed_s", "expected_s"),
    [
        pytest.param(0.0, 0.2, SAMPLE_S, 0.0, id="idle"),
        pytest.param(0.0, BUSY_MAX, SAMPLE_S, 0.0, id="as-busy-as-may-be"),
        pytest.param(0.0, 0.9, SAMPLE_S, REST_S_MIN, id="busy-at-first"),
        pytest.param(0.04, 0.9, SAMPLE_S, 0.06, id="busy-still"),
        pytest.param(0.9, 1.0, SAMPLE_S, REST_S_MAX, id="never-more-than-that"),
        pytest.param(0.04, 0.3, SAMPLE_S, 0.032, id="idle-again"),
        pytest.param(REST_S_MIN, 0.3, SAMPLE_S, 0.0, id="then-none"),
        pytest.param(REST_S_MAX, 0.3, 60.0, 0.0, id="a-minute-later-none"),
    ],
)
def test_the_next_rest(rest_s: float, busy: float, elapsed_s: float, expected_s: float) -> None:
    assert next_rest_s(rest_s, busy=busy, elapsed_s=elapsed_s) == pytest.approx(expected_s)


@pytest.mark.parametrize("cost_s", [0.0005, 0.0025, 0.01], ids=["cheap", "a-command", "dear"])
def test_looks_without_end_leave_the_loop_about_half_idle(cost_s: float) -> None:
    """Twelve at once, of which each costs the loop so much, for half a minute: a model of what saturates it."""
    rest_s, shares = 0.0, []
    for _ in range(300):
        busy = min(1.0, 12 * cost_s / (rest_s + cost_s))
        rest_s = next_rest_s(rest_s, busy=busy, elapsed_s=SAMPLE_S)
        shares.append(busy)
    settled = shares[100:]
    assert BUSY_MAX * 0.6 < sum(settled) / len(settled) < BUSY_MAX * 1.2
