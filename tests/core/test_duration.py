"""Durations as people write them."""

import pytest

from kazid.core.duration import DURATION_S_MAX, duration_s


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5), ("1.5m", 90.0), ("24h", 86_400.0), ("1d", 86_400.0), (0.25, 0.25), (1, 1.0),
        (DURATION_S_MAX, DURATION_S_MAX), (DURATION_S_MAX + 1, None), (0, None), (-1, None), ("0s", None),
        (True, None), (float("nan"), None), (float("inf"), None), (10**400, None),
        ("5 m", None), ("m", None), (None, None),
    ],
)  # fmt: skip
def test_a_duration_is_more_than_none_and_at_most_a_year(written: object, seconds: float | None) -> None:
    assert duration_s(written) == seconds
