"""Common cause: what is one, and how slowly it is left."""

import pytest

from kazid.core.common_cause import canary_delay_s, is_common, released


@pytest.mark.parametrize(
    ("opened", "active", "expected"),
    [
        pytest.param([100.0] * 5, 16, True, id="five-of-sixteen"),
        pytest.param([100.0] * 5, 17, False, id="five-of-seventeen-are-not-more-than-thirty-percent"),
        pytest.param([100.0] * 4, 5, False, id="four-are-too-few"),
        pytest.param([100.0] * 4 + [-21.0], 5, False, id="one-is-too-old"),
        pytest.param([100.0] * 4 + [-20.0], 5, False, id="one-is-just-too-old"),
        pytest.param([100.0] * 4 + [-19.9], 5, True, id="one-is-not-yet-too-old"),
        pytest.param([100.0] * 6, 20, False, id="thirty-percent-are-not-more-than-thirty-percent"),
    ],
)
def test_one_cause_is_a_share_and_a_number(opened: list[float], active: int, expected: bool):
    assert is_common(opened, active=active, now_s=100.0) is expected


def test_canaries_back_off_and_the_release_doubles():
    assert [canary_delay_s(n) for n in (1, 2, 3, 20)] == [10.0, 20.0, 40.0, 300.0]
    assert [released(since_s=0.0, now_s=t) for t in (-5.0, 0.0, 9.9, 10.0, 20.0, 1e9)] == [
        1,
        1,
        1,
        3,
        7,
        2**20 - 1,
    ]
