"""What may be left out: only what says that it does not apply, only where the file says so, and never the whole bar."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kazid.core.decision import Conclude
from kazid.core.flake import REASON
from kazid.core.goal import Goal, Predicate
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Status, Verdict, errored, failed, passed, unknown
from kazid.core.waiver import covers, excess, waivable
from tests.builders import FAIL, PASS, a_goal, a_predicate
from tests.played import Played

NOT_APPLICABLE = unknown("not_applicable", "no endpoint here")


def waiving(name: str, *, acceptance: bool = False, live: bool = False) -> Predicate:
    return replace(a_predicate(name, acceptance=acceptance, live=live), on_unknown="waive")


def one_of_two(*, standing: bool = False) -> Goal:
    return a_goal(a_predicate("tests"), waiving("metrics"), standing=standing)


@pytest.mark.parametrize(
    ("verdict", "is_covered"),
    [
        pytest.param(NOT_APPLICABLE, True, id="not-applicable"),
        pytest.param(unknown("pending"), False, id="pending"),
        pytest.param(unknown("stale"), False, id="stale"),
        pytest.param(unknown(REASON), False, id="quarantined"),
        pytest.param(unknown("timeout"), False, id="timeout"),
        pytest.param(errored("not_applicable"), False, id="an-error-of-that-name"),
        pytest.param(errored("cmd_unrunnable"), False, id="a-missing-tool"),
        pytest.param(failed("not_applicable"), False, id="a-red-of-that-name"),
        pytest.param(passed(), False, id="green"),
    ],
)
def test_a_waiver_covers_only_what_says_that_it_does_not_apply(verdict: Verdict, is_covered: bool) -> None:
    assert covers(verdict) is is_covered


@pytest.mark.parametrize(
    ("predicates", "is_too_much"),
    [
        pytest.param([waiving("a")], True, id="the-only-one"),
        pytest.param([waiving("a"), waiving("b")], True, id="all"),
        pytest.param([waiving("a"), a_predicate("b")], False, id="one-of-two"),
        pytest.param([waiving("a", acceptance=True), a_predicate("b")], True, id="all-acceptance"),
        pytest.param(
            [waiving("a", acceptance=True), a_predicate("b", acceptance=True)], False, id="some-acceptance"
        ),
        pytest.param([a_predicate("a")], False, id="none"),
    ],
)
def test_waivers_never_empty_the_bar(predicates: Sequence[Predicate], is_too_much: bool) -> None:
    assert (excess(predicates) is not None) is is_too_much
    if is_too_much:
        assert not waivable(a_goal(*predicates)), "where it is stored all the same it waives nothing"


def test_a_goal_converges_without_what_does_not_apply_and_says_so() -> None:
    play = Played(one_of_two()).look("metrics", NOT_APPLICABLE).look("tests", FAIL)
    play.advance(1.0).reconcile().look("metrics", NOT_APPLICABLE).look("tests", PASS)
    end = play.decide()
    assert isinstance(end, Conclude)
    assert (end.status, end.reason) == (GoalStatus.CONVERGED, "all predicates hold, 1 waived")
    assert end.proof == {"tests": "pass", "metrics": "waived"}
    play.turn()
    assert play.progress.waived == ("metrics",)


def test_green_before_any_work_is_vacuous_with_a_waiver_too() -> None:
    play = Played(one_of_two()).look("tests", PASS).look("metrics", NOT_APPLICABLE)
    play.turn()
    assert (play.status, play.cause) == (GoalStatus.VACUOUS, Cause.VACUOUS)


def test_a_waived_look_from_before_the_last_request_does_not_count() -> None:
    play = Played(one_of_two()).look("metrics", NOT_APPLICABLE)
    play.advance(1.0).reconcile().look("tests", PASS)
    assert play.vector.waived == ()
    assert not play.vector.is_satisfied


def test_a_waiver_does_not_cover_a_red() -> None:
    play = Played(one_of_two()).look("tests", PASS).look("metrics", FAIL)
    assert not play.vector.is_satisfied


def test_a_goal_of_waivers_alone_is_never_satisfied() -> None:
    play = Played(a_goal(waiving("a"), waiving("b"))).look("a", NOT_APPLICABLE).look("b", NOT_APPLICABLE)
    assert not play.vector.is_satisfied


def test_a_standing_goal_holds_without_what_does_not_apply_until_it_does() -> None:
    play = Played(one_of_two(standing=True)).look("tests", PASS).look("metrics", NOT_APPLICABLE)
    assert play.held().reason == "all predicates hold, 1 waived"
    play.advance(600.0).look("tests", PASS).look("metrics", FAIL)
    assert not play.vector.is_satisfied


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Status), st.sampled_from(["not_applicable", "timeout", None]), st.booleans()
        ),
        min_size=1,
        max_size=5,
    )
)
def test_satisfied_means_a_pass_and_every_other_a_pass_or_waived(
    said: list[tuple[Status, str | None, bool]],
) -> None:
    predicates = [waiving(f"p{i}") if may else a_predicate(f"p{i}") for i, (_, _, may) in enumerate(said)]
    play = Played(a_goal(*predicates))
    for i, (status, reason, _) in enumerate(said):
        play.look(f"p{i}", Verdict(status=status, reason=reason))
    is_bar_left = not all(may for _, _, may in said)
    is_expected = all(
        status is Status.PASS
        or (is_bar_left and may and status is Status.UNKNOWN and reason == "not_applicable")
        for status, reason, may in said
    )
    assert play.vector.is_satisfied is is_expected
