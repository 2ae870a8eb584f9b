"""When a predicate is looked at next (SEMANTICS §2)."""

import pytest

from kazid.core.cadence import is_observing, next_look_s, schedule, spacing_s
from kazid.core.event import StatusChanged
from kazid.core.goal import Goal
from kazid.core.jitter import INTERVAL_SPREAD
from kazid.core.progress import Desired
from kazid.core.status import GoalStatus
from kazid.core.verdict import Verdict
from tests.builders import (
    ERROR,
    FAIL,
    PASS,
    UNKNOWN,
    a_cadence,
    a_goal,
    a_predicate,
    a_progress,
    a_remedy,
    a_service,
    a_state,
    a_task,
)
from tests.played import Played


def next_of(play: Played) -> float | None:
    return next_look_s(play.goal, play.goal.predicates[0], play.progress)


def test_everything_is_looked_at_at_once_on_apply() -> None:
    goal = a_goal(a_predicate("a", live=True), a_predicate("b"))
    assert Played(goal).due == ("a", "b")


def test_the_interval_varies_by_a_tenth_and_no_more() -> None:
    play = Played(a_service()).looks(PASS, PASS)
    gaps = []
    for _ in range(200):
        at_s = next_of(play)
        assert at_s is not None
        gaps.append(at_s - play.now.boot_s)
        play.look("livez", PASS, at=at_s)
    assert 30.0 * (1 - INTERVAL_SPREAD) <= min(gaps) < 28.0
    assert 32.0 < max(gaps) <= 30.0 * (1 + INTERVAL_SPREAD)


@pytest.mark.parametrize("verdict", [PASS, FAIL], ids=["green", "red"])
def test_an_unsettled_verdict_is_looked_at_again_after_recheck(verdict: Verdict) -> None:
    play = Played(a_service()).look("livez", verdict, at=10.0, took_s=1.0)
    assert next_of(play) == 12.0


def test_asking_more_often_does_not_put_recheck_off() -> None:
    play = Played(a_service()).look("livez", FAIL, at=10.0)
    for _ in range(3):
        play.advance(0.5).reconcile().look("livez", FAIL)
    assert next_of(play) == 12.0


def test_an_interval_shorter_than_recheck_wins() -> None:
    goal = a_goal(a_predicate("livez", live=True, interval_s=1.0), standing=True)
    at_s = next_of(Played(goal).look("livez", FAIL, at=10.0))
    assert at_s is not None
    assert at_s < 12.0


@pytest.mark.parametrize(
    ("interval_s", "expected_s"), [(30.0, 2.0), (None, 2.0), (1.0, 0.9)], ids=["long", "none", "short"]
)
def test_looks_count_in_a_row_when_recheck_or_a_short_interval_lies_between(
    interval_s: float | None, expected_s: float
) -> None:
    assert spacing_s(a_cadence(interval_s=interval_s, recheck_s=2.0)) == pytest.approx(expected_s)


@pytest.mark.parametrize("verdict", [ERROR, UNKNOWN], ids=["error", "unknown"])
def test_what_cannot_be_looked_at_is_looked_at_less_and_less(verdict: Verdict) -> None:
    play = Played(a_task())
    delays = []
    for _ in range(9):
        play.look("tests", verdict, took_s=1.0)
        at_s = next_of(play)
        assert at_s is not None
        delays.append(at_s - play.now.boot_s)
        play.at(at_s)
    assert delays == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_an_error_is_never_looked_at_later_than_the_interval() -> None:
    play = Played(a_service())
    for _ in range(9):
        play.look("livez", ERROR)
        at_s = next_of(play)
        assert at_s is not None
        assert at_s - play.now.boot_s <= 33.0
        play.at(at_s)


def test_a_code_predicate_of_a_one_shot_goal_is_looked_at_at_t0_after_every_act_and_on_a_wake_up() -> None:
    play = Played(a_task())
    assert play.due == ("tests",)
    play.look("tests", FAIL)
    assert next_of(play) is None
    play.reconcile()
    assert play.due == (), "the look began when it was asked for"
    play.advance(1.0).reconcile()
    assert play.due == ("tests",)
    play.look("tests", FAIL)
    play.acted(after=5.0)
    assert play.due == ("tests",)


def test_while_an_act_runs_live_predicates_are_observed_and_code_is_not() -> None:
    goal = a_goal(a_predicate("livez", live=True), a_predicate("tests"), remedies=[a_remedy("livez")])
    play = Played(goal).look("tests", FAIL).looks(FAIL, FAIL)
    play.act_intended()
    play.advance(40.0).reconcile()
    assert play.due == ("livez",)


@pytest.mark.parametrize("event", ["restart_daemon", "step_clock", "reconcile", "resume"])
def test_everything_is_due_at_once_after(event: str) -> None:
    play = Played(a_service()).looks(PASS, PASS).advance(1.0)
    assert play.due == ()
    play.step_clock(10.0) if event == "step_clock" else getattr(play, event)()
    assert play.due == ("livez",)


def test_the_schedule_says_what_is_due_and_when_the_next_is() -> None:
    goal = a_goal(a_predicate("a", live=True), a_predicate("b", live=True), a_predicate("c"))
    play = Played(goal).look("a", FAIL).look("c", FAIL)
    found = schedule(play.goal, play.progress, play.now)
    assert (tuple(found.due), found.next_s) == (("b",), 2.0)


@pytest.mark.parametrize(
    ("goal", "status", "observes"),
    [
        (a_service(), GoalStatus.HOLDING, True),
        (a_service(), GoalStatus.STUCK, True),
        (a_service(), GoalStatus.OVER_BUDGET, True),
        (a_service(), GoalStatus.TAMPERED, True),
        (a_service(), GoalStatus.PARKED, False),
        (a_task(), GoalStatus.ACTING, True),
        (a_task(), GoalStatus.CONVERGED, False),
        (a_task(), GoalStatus.STUCK, False),
        (a_task(), GoalStatus.VACUOUS, False),
    ],
    ids=lambda value: value.value if isinstance(value, GoalStatus) else "",
)
def test_a_stopped_standing_goal_looks_on_and_a_finished_one_does_not(
    goal: Goal, status: GoalStatus, observes: bool
) -> None:
    assert Played(goal).record(StatusChanged(status=status)).due == (goal.predicate_ids if observes else ())


@pytest.mark.parametrize(
    ("desired", "observes"),
    [
        (Desired.ACTIVE, True),
        (Desired.SUSPENDED, True),
        (Desired.STOPPED, False),
        (Desired.DELETED, False),
    ],
)
def test_suspended_looks_on_and_stopped_does_not(desired: Desired, observes: bool) -> None:
    progress = a_progress(states={"livez": a_state()}, desired=desired)
    assert is_observing(a_service(), progress) is observes
