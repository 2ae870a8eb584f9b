"""The ratchet: what holds, what tightens, and that nothing ever loosens it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kazid.core.ratchet import compare
from kazid.core.verdict import Direction, Status, Verdict, failed
from tests.builders import a_goal, a_predicate
from tests.played import Played

UP, DOWN = Direction.HIGHER_BETTER, Direction.LOWER_BETTER
NUMBERS = st.floats(-1e9, 1e9)


@pytest.mark.parametrize(
    ("signal", "baseline", "direction", "allowed", "expected"),
    [
        pytest.param(82, None, UP, 0, (0, True, 82), id="the-first-signal-seeds"),
        pytest.param(90, 82, UP, 0, (-8, True, 90), id="better-tightens"),
        pytest.param(82, 82, UP, 0, (0, True, 82), id="the-same-holds"),
        pytest.param(70, 82, UP, 0, (12, False, 82), id="worse-fails-and-leaves-the-bar"),
        pytest.param(80, 82, UP, 2, (2, True, 82), id="allowed-regression-holds-and-leaves-the-bar"),
        pytest.param(79.9, 82, UP, 2, (2.1, False, 82), id="a-little-more-fails"),
        pytest.param(2000, 1024, DOWN, 1024, (976, True, 1024), id="lower-is-better"),
        pytest.param(900, 1024, DOWN, 0, (-124, True, 900), id="lower-tightens"),
    ],
)
def test_a_signal_stands_to_its_baseline(signal, baseline, direction, allowed, expected):
    compared = compare(signal, baseline, direction=direction, allowed_regression=allowed)
    assert (compared.regression, compared.holds, compared.next_baseline) == (
        pytest.approx(expected[0]),
        *expected[1:],
    )


@given(st.lists(NUMBERS, min_size=1), st.sampled_from([UP, DOWN]), st.floats(0, 1e6))
def test_the_bar_never_loosens_however_small_the_steps(signals, direction, allowed):
    baseline = None
    best = signals[0]
    for signal in signals:
        compared = compare(signal, baseline, direction=direction, allowed_regression=allowed)
        if baseline is not None:
            worse = (
                compared.next_baseline < baseline if direction is UP else compared.next_baseline > baseline
            )
            assert not worse
        if compared.holds:
            best = max(best, signal) if direction is UP else min(best, signal)
        baseline = compared.next_baseline
        assert baseline == best


def held(number):
    return Verdict(status=Status.PASS, score=number, baseline=number)


def test_the_bar_is_kept_by_the_fold_and_only_a_pass_moves_it():
    played = Played(a_goal(a_predicate("size", provider="ratchet")))
    assert played.state("size").baseline is None
    played.look("size", held(82.0))
    played.look("size", failed("regression"))
    played.look("size", Verdict(status=Status.FAIL, reason="regression", baseline=1.0))
    assert played.state("size").baseline == 82.0
    played.look("size", held(90.0))
    assert played.state("size").baseline == 90.0


def test_a_fail_of_something_else_may_set_and_tighten_the_bar_and_never_loosens_it():
    played = Played(a_goal(a_predicate("coverage", provider="coverage")))
    bars = []
    for number in (60.0, 70.0, 50.0):
        played.look(
            "coverage", Verdict(status=Status.FAIL, reason="below_target", direction=UP, baseline=number)
        )
        bars.append(played.state("coverage").baseline)
    assert bars == [60.0, 70.0, 70.0]


def test_the_bar_outlives_restarts_suspensions_and_new_generations():
    played = Played(a_goal(a_predicate("size", provider="ratchet")))
    played.look("size", held(90.0))
    played.suspend()
    played.resume()
    played.restart_daemon(down_s=60.0, boot_s=5.0)
    played.reapply(replace(played.goal, description="again"), generation=2)
    played.step_clock(3600.0)
    assert played.state("size").baseline == 90.0
