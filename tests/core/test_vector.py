"""What a predicate says now, which is not what it said when it was last looked at (SEMANTICS §1, §2)."""

import pytest

from kazid.core.ids import Generation
from kazid.core.instant import Now
from kazid.core.vector import Reading, VerdictVector, assess, causal_floor_s, fresh_until_s
from kazid.core.verdict import Status, Verdict
from tests.builders import (
    ERROR,
    FAIL,
    PASS,
    UNKNOWN,
    WALL_0,
    a_goal,
    a_predicate,
    a_progress,
    a_remedy,
    a_running_act,
    a_service,
    a_state,
)
from tests.played import Played


def now_at(boot_s: float) -> Now:
    return Now(boot_s=boot_s, wall_s=WALL_0 + boot_s)


def reading_of(
    predicate_id: str = "livez", *, live: bool = True, at: float = 1.0, **fields: object
) -> Reading:
    """The reading of one predicate at a moment; `fields` are those of its state, or of the progress."""
    of_state = {k: v for k, v in fields.items() if k in a_state().__struct_fields__}
    of_progress = {k: v for k, v in fields.items() if k not in of_state}
    goal = a_goal(a_predicate(predicate_id, live=live), standing=True)
    progress = a_progress(states={predicate_id: a_state(**of_state)}, **of_progress)
    return assess(goal, progress, now_at(at)).readings[0]


def a_reading(verdict: Verdict = PASS, *, but: str = "") -> Reading:
    return Reading(
        predicate_id=a_predicate().id,
        verdict=verdict,
        is_fresh=but != "fresh",
        is_causal=but != "causal",
        is_settled=but != "settled",
    )


def test_an_empty_vector_is_never_satisfied() -> None:
    assert not VerdictVector(()).is_satisfied


@pytest.mark.parametrize(
    ("verdict", "green"), [(PASS, True), (FAIL, False), (ERROR, False), (UNKNOWN, False)], ids=str
)
def test_only_pass_is_green(verdict: Verdict, green: bool) -> None:
    assert a_reading(verdict).is_green is green
    assert verdict.is_green is green
    assert VerdictVector((a_reading(verdict),)).is_satisfied is green


@pytest.mark.parametrize("missing", ["fresh", "causal", "settled"])
def test_a_pass_that_is_not_fresh_causal_and_settled_is_not_green(missing: str) -> None:
    assert not a_reading(PASS, but=missing).is_green
    assert not VerdictVector((a_reading(), a_reading(PASS, but=missing))).is_satisfied


@pytest.mark.parametrize("missing", ["fresh", "causal", "settled"])
def test_a_fail_that_is_not_fresh_causal_and_settled_is_not_red(missing: str) -> None:
    assert a_reading(FAIL).is_red
    assert not a_reading(FAIL, but=missing).is_red


@pytest.mark.parametrize(
    ("reading", "complete"),
    [
        pytest.param(a_reading(PASS), True, id="green"),
        pytest.param(a_reading(FAIL), True, id="red"),
        pytest.param(a_reading(ERROR, but="settled"), True, id="error-settles-nothing-and-hides-nothing"),
        pytest.param(a_reading(UNKNOWN, but="settled"), True, id="unknown"),
        pytest.param(a_reading(FAIL, but="settled"), False, id="unconfirmed"),
        pytest.param(a_reading(PASS, but="settled"), False, id="not-yet-trusted"),
        pytest.param(a_reading(PASS, but="fresh"), False, id="stale"),
        pytest.param(a_reading(ERROR, but="causal"), False, id="before-the-act"),
    ],
)
def test_a_stop_rests_on_a_vector_that_is_complete(reading: Reading, complete: bool) -> None:
    assert VerdictVector((a_reading(), reading)).is_complete is complete


def test_what_was_never_looked_at_is_unknown_pending() -> None:
    assert reading_of(verdict=None).verdict.reason == "pending"


def test_a_reading_is_found_by_its_predicate() -> None:
    vector = VerdictVector((a_reading(),))
    assert vector.reading(a_predicate().id) == a_reading()
    with pytest.raises(KeyError):
        vector.reading(a_predicate("another").id)


# --- fresh ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "fresh"), [(5.0, True), (74.9, True), (75.0, False), (1e6, False)])
def test_fresh_is_less_than_two_intervals_and_a_deadline_from_the_start_of_the_look(
    at: float, fresh: bool
) -> None:
    reading = reading_of(at=at, started_s=5.0, ended_s=14.0, passes=2)
    assert reading.is_fresh is fresh
    assert reading.verdict.status is (Status.PASS if fresh else Status.UNKNOWN)


def test_stale_shows_no_verdict_at_all() -> None:
    assert reading_of(at=1e6, verdict=FAIL, fails=9).verdict.reason == "stale"


def test_a_code_verdict_of_a_one_shot_goal_does_not_age() -> None:
    goal = a_goal(a_predicate("tests"))
    progress = a_progress(states={"tests": a_state(passes=1)})
    assert fresh_until_s(goal.predicates[0], progress.predicate(goal.predicates[0].id)) is None
    assert assess(goal, progress, now_at(1e9)).is_satisfied


def test_a_verdict_of_another_generation_is_stale() -> None:
    assert not reading_of(passes=2, generation=Generation(2)).is_fresh
    assert not reading_of(passes=2, is_stale=True).is_fresh


def test_while_an_act_runs_code_is_in_progress_and_not_stale() -> None:
    act = a_running_act()
    assert reading_of("tests", live=False, at=1e6, act=act).verdict.reason == "in_progress"
    assert reading_of("livez", live=True, at=1e6, act=act).verdict.reason == "stale"
    assert not reading_of("tests", live=False, at=1e6, act=act).is_green


# --- causal and settled -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started_s", "ended_s", "asked_s", "causal"),
    [
        pytest.param(5.0, None, None, True, id="nothing-happened"),
        pytest.param(5.0, 4.0, None, True, id="after-the-act"),
        pytest.param(5.0, 6.0, None, False, id="before-the-act-ended"),
        pytest.param(5.0, 4.0, 6.0, False, id="before-the-reconcile"),
        pytest.param(5.0, 6.0, 4.0, False, id="after-the-reconcile-before-the-end"),
    ],
)
def test_causal_is_after_the_last_act_and_the_last_reconcile(
    started_s: float, ended_s: float | None, asked_s: float | None, causal: bool
) -> None:
    progress = a_progress(
        states={"livez": a_state(started_s=started_s, passes=2)}, last_act_ended_s=ended_s, asked_s=asked_s
    )
    reading = assess(a_service(), progress, now_at(9.0)).readings[0]
    assert reading.is_causal is causal
    assert reading.is_green is causal


def test_the_causal_floor_survives_a_reboot() -> None:
    assert causal_floor_s(a_progress(last_act_ended_s=-90_000.0)) <= 0.0


@pytest.mark.parametrize(
    ("verdict", "counts", "settled"),
    [
        (PASS, {"passes": 1}, False),
        (PASS, {"passes": 2}, True),
        (FAIL, {"fails": 1}, False),
        (FAIL, {"fails": 2}, True),
        (ERROR, {"errors": 9, "fails": 9}, False),
        (UNKNOWN, {"errors": 9, "passes": 9}, False),
    ],
    ids=str,
)
def test_settled_is_enough_in_a_row(verdict: Verdict, counts: dict[str, int], settled: bool) -> None:
    assert reading_of(verdict=verdict, **counts).is_settled is settled


# --- flapping ---------------------------------------------------------------------------------------------------------


def test_what_alternates_for_long_is_flapping_and_keeps_nobody_waiting() -> None:
    play = Played(a_goal(a_predicate("livez", live=True), remedies=[a_remedy()]))
    for verdict in [PASS, FAIL] * 11:
        play.look("livez", verdict).advance(2.0)
        assert not play.vector.is_complete, "it may settle yet"
    play.looks(PASS, FAIL, PASS)
    assert play.vector.readings[0].is_flapping
    assert play.vector.is_complete
    assert not play.vector.is_satisfied


def test_a_verdict_that_has_just_turned_is_not_flapping() -> None:
    play = Played(a_service())
    for _ in range(20):
        play.look("livez", PASS).advance(30.0)
    play.look("livez", FAIL)
    assert not play.vector.readings[0].is_flapping


def test_a_first_red_after_a_long_error_is_not_flapping() -> None:
    play = Played(a_service())
    for _ in range(20):
        play.look("livez", ERROR).advance(30.0)
    play.look("livez", FAIL)
    assert not play.vector.readings[0].is_flapping
