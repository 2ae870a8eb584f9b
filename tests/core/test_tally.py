"""What looks add up to: in a row, settled, verified (SEMANTICS §2, §4)."""

import pytest

from kazid.core.progress import PredicateState
from kazid.core.verdict import Verdict
from tests.builders import ERROR, FAIL, PASS, UNKNOWN, a_service, predicate_observed
from tests.played import Played


def after(*verdicts: Verdict, every: float = 2.0) -> PredicateState:
    return Played(a_service()).looks(*verdicts, every=every).state("livez")


@pytest.mark.parametrize(
    ("verdicts", "fails", "passes", "errors"),
    [
        ((FAIL,), 1, 0, 0),
        ((FAIL, FAIL, FAIL), 3, 0, 0),
        ((PASS, PASS), 0, 2, 0),
        ((FAIL, PASS), 0, 1, 0),
        ((PASS, FAIL), 1, 0, 0),
        ((FAIL, ERROR, UNKNOWN), 1, 0, 2),
        ((FAIL, ERROR, FAIL), 2, 0, 0),
        ((PASS, ERROR, PASS), 0, 2, 0),
        ((ERROR, ERROR, PASS), 0, 1, 0),
    ],
)
def test_error_and_unknown_neither_advance_nor_reset_a_count(
    verdicts: tuple[Verdict, ...], fails: int, passes: int, errors: int
) -> None:
    state = after(*verdicts)
    assert (state.fails, state.passes, state.errors, state.looks) == (fails, passes, errors, len(verdicts))


@pytest.mark.parametrize(
    ("every", "fails"), [(0.5, 2), (1.0, 3), (1.9, 3), (2.0, 5), (30.0, 5)], ids=lambda v: f"{v}"
)
def test_only_looks_that_are_recheck_apart_count(every: float, fails: int) -> None:
    assert after(*[FAIL] * 5, every=every).fails == fails


def test_the_first_of_a_row_counts_whenever_it_comes() -> None:
    assert after(FAIL, PASS, every=0.1).passes == 1


def test_errors_are_dated_from_the_first_in_a_row() -> None:
    play = Played(a_service()).look("livez", ERROR, at=10.0).look("livez", ERROR, at=20.0)
    assert play.state("livez").errors_since_s == 10.0
    assert play.look("livez", PASS, at=30.0).state("livez").errors_since_s is None
    assert play.look("livez", ERROR, at=40.0).state("livez").errors_since_s == 40.0


def test_a_green_is_dated_from_when_it_settled() -> None:
    play = Played(a_service()).look("livez", PASS, at=10.0).look("livez", PASS, at=12.0, took_s=1.0)
    assert play.state("livez").green_since_s == 13.0
    assert play.look("livez", PASS, at=40.0).state("livez").green_since_s == 13.0
    assert play.look("livez", ERROR, at=50.0).state("livez").green_since_s == 13.0
    assert play.look("livez", FAIL, at=60.0).state("livez").green_since_s is None


def test_a_look_of_another_generation_counts_for_nothing_and_is_due_again() -> None:
    play = Played(a_service())
    play.record(predicate_observed("livez", FAIL, at=1.0, generation=7))
    assert play.state("livez").fails == 0
    assert play.due == ("livez",)


def test_a_repair_is_verified_once_and_only_by_a_settled_green() -> None:
    play = Played(a_service()).looks(FAIL, FAIL)
    play.acted()
    play.look("livez", PASS)
    assert (play.state("livez").is_unverified, play.state("livez").repairs_s) == (True, ())
    play.advance(2.0).look("livez", PASS)
    assert (play.state("livez").is_unverified, play.state("livez").repairs_s) == (False, (play.now.boot_s,))
    play.advance(2.0).look("livez", PASS)
    assert len(play.state("livez").repairs_s) == 1
