"""How long what cannot be looked at is waited for, and what it ends as."""

import pytest

from kazid.core.patience import ERRORS_MIN, PATIENCE_S, wedged
from kazid.core.status import Cause
from kazid.core.verdict import PERMANENT_REASONS, Verdict, errored, unknown
from tests.builders import ERROR, FAIL, PASS, UNKNOWN, a_goal, a_predicate, a_task
from tests.played import Played


def cause_of(play: Played) -> Cause | None:
    found = wedged(play.goal, play.progress, play.vector, play.now)
    return None if found is None else found.cause


def after(verdict: Verdict, *, looks: int, over_s: float) -> Played:
    """So many looks, evenly, the last one after `over_s`."""
    play = Played(a_task())
    for position in range(looks):
        play.look("tests", verdict, at=over_s * position / max(1, looks - 1))
    return play


@pytest.mark.parametrize("reason", sorted(PERMANENT_REASONS))
def test_a_permanent_error_is_not_waited_for(reason: str) -> None:
    assert cause_of(after(errored(reason), looks=1, over_s=0.0)) is not None


@pytest.mark.parametrize(
    ("looks", "over_s", "ends"),
    [
        pytest.param(ERRORS_MIN, PATIENCE_S, True, id="long-and-often"),
        pytest.param(ERRORS_MIN - 1, PATIENCE_S, False, id="too-few-looks"),
        pytest.param(100, PATIENCE_S - 1, False, id="too-short"),
    ],
)
@pytest.mark.parametrize("verdict", [ERROR, UNKNOWN], ids=["error", "unknown"])
def test_a_passing_error_ends_after_ten_minutes_and_five_looks(
    verdict: Verdict, looks: int, over_s: float, ends: bool
) -> None:
    assert (cause_of(after(verdict, looks=looks, over_s=over_s)) is not None) is ends


def test_a_look_that_worked_starts_patience_again() -> None:
    play = after(ERROR, looks=100, over_s=PATIENCE_S - 1).look("tests", PASS)
    play.advance(5.0).reconcile().look("tests", ERROR)
    assert cause_of(play) is None


@pytest.mark.parametrize(
    ("verdict", "cause"),
    [
        (errored("workspace_missing"), Cause.WORKSPACE_MISSING),
        (errored("permission_denied"), Cause.PERMISSION_DENIED),
        (errored("missing_cmd"), Cause.ERROR_WEDGED),
    ],
    ids=["workspace", "permission", "command"],
)
def test_the_cause_says_what_is_missing(verdict: Verdict, cause: Cause) -> None:
    assert cause_of(after(verdict, looks=1, over_s=0.0)) is cause


def test_unknown_alone_is_a_capability_that_is_missing() -> None:
    assert cause_of(after(unknown("no_endpoint"), looks=9, over_s=PATIENCE_S)) is Cause.CAPABILITY_UNREACHABLE


def test_a_permanent_reason_of_an_unknown_is_not_permanent() -> None:
    assert cause_of(after(unknown("missing_cmd"), looks=1, over_s=0.0)) is None


def test_what_was_not_looked_at_yet_is_waited_for() -> None:
    play = Played(a_goal(a_predicate("a"), a_predicate("b"))).look("a", errored("missing_cmd"))
    assert cause_of(play) is None
    assert cause_of(play.look("b", PASS)) is Cause.ERROR_WEDGED


def test_all_that_is_hopeless_is_named() -> None:
    play = Played(a_goal(a_predicate("a"), a_predicate("b")))
    play.look("a", errored("missing_cmd", "no such file: lint")).look("b", errored("missing_url"))
    found = wedged(play.goal, play.progress, play.vector, play.now)
    assert found is not None
    assert found.reason == (
        "a cannot be looked at: missing_cmd (no such file: lint); b cannot be looked at: missing_url"
    )


def flapped(*, over_s: float, standing: bool = False) -> Played:
    """A live predicate that was green and red in turn, every 20 s, and every fifth time could not be looked at."""
    play = Played(a_goal(a_predicate("livez", live=True), standing=standing))
    for position in range(int(over_s / 20.0) + 1):
        said = (FAIL, PASS, FAIL, PASS, ERROR)[position % 5]
        play.look("livez", said, at=20.0 * position)
    return play


@pytest.mark.parametrize(
    ("over_s", "standing", "cause"),
    [
        pytest.param(PATIENCE_S + 80.0, False, Cause.FLAPPING, id="long"),
        pytest.param(PATIENCE_S - 20.0, False, None, id="not-yet"),
        pytest.param(PATIENCE_S * 3 + 80.0, True, None, id="a-standing-goal-looks-on"),
    ],
)
def test_what_never_settles_ends_a_one_shot_goal(over_s: float, standing: bool, cause: Cause | None) -> None:
    assert cause_of(flapped(over_s=over_s, standing=standing)) is cause


def test_what_settled_once_is_waited_for_anew() -> None:
    play = flapped(over_s=PATIENCE_S - 20.0).advance(5.0).looks(FAIL, FAIL, every=2.0)
    assert play.state("livez").unsettled_since_s is None
    assert cause_of(play.advance(20.0).look("livez", PASS)) is None
