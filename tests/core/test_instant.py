"""Two clocks: what a step of the wall clock is, and how stored boot times survive a reboot (SEMANTICS §7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.instant import CLOCK_STEP_S, GRID_S, Now, divergence_s, next_on_grid_s, on_grid_s, shift_s

EARLIER = Now(boot_s=1000.0, wall_s=50_000.0, boot_id="one")


@pytest.mark.parametrize(
    ("later", "stepped_s"),
    [
        (Now(boot_s=1060.0, wall_s=50_060.0, boot_id="one"), 0.0),
        (Now(boot_s=1060.0, wall_s=53_660.0, boot_id="one"), 3600.0),
        (Now(boot_s=1060.0, wall_s=49_000.0, boot_id="one"), -1060.0),
    ],
    ids=["no-step", "ahead", "back"],
)
def test_divergence_is_how_far_the_wall_clock_stepped(later: Now, stepped_s: float) -> None:
    assert divergence_s(EARLIER, later) == stepped_s
    assert (abs(divergence_s(EARLIER, later)) > CLOCK_STEP_S) is (stepped_s != 0.0)


def test_within_a_boot_nothing_is_shifted_even_when_the_wall_clock_stepped() -> None:
    assert shift_s(EARLIER, Now(boot_s=1060.0, wall_s=99_999.0, boot_id="one")) == 0.0


def test_across_a_reboot_stored_times_keep_their_distance_to_the_wall_clock() -> None:
    later = Now(boot_s=20.0, wall_s=50_300.0, boot_id="two")
    stored_s = 990.0
    assert later.boot_s - (stored_s + shift_s(EARLIER, later)) == 310.0, "10 s before, 300 s between"


@pytest.mark.parametrize(
    ("time_s", "near_s", "next_s"),
    [
        pytest.param(1.25, 1.25, 1.25, id="on-it"),
        pytest.param(1.0000004, 1.0, 1.000001, id="a-little-after"),
        pytest.param(1.0000006, 1.000001, 1.000001, id="a-little-before"),
    ],
)
def test_a_look_is_timed_in_whole_microseconds(time_s: float, near_s: float, next_s: float) -> None:
    assert (on_grid_s(time_s), next_on_grid_s(time_s)) == (near_s, next_s)


@given(st.floats(0.0, 1e8))
def test_the_next_microsecond_is_never_before_and_never_more_than_one_later(time_s: float) -> None:
    next_s = next_on_grid_s(time_s)
    assert time_s <= next_s < time_s + 1.1 * GRID_S
    assert on_grid_s(next_s) == next_s
