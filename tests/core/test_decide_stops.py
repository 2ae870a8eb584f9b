"""The decision of a turn, told as short stories: stuck, suspended, stopped, and the ways out (SEMANTICS §4, §6)."""

import pytest

from kazid.core import quota
from kazid.core.decision import Act, Cancel, Hold, Look, Resume
from kazid.core.event import StatusChanged
from kazid.core.goal import Budget
from kazid.core.progress import Desired
from kazid.core.status import ENDS_UNSTARTED, STOPPED_ACTING, Cause, GoalStatus
from tests.builders import (
    ERROR,
    FAIL,
    PASS,
    a_goal,
    a_harness,
    a_predicate,
    a_remedy,
    a_service,
    a_task,
    predicate_observed,
)
from tests.core.stories import a_red_service, a_red_task, a_stuck_service, held_by_backoff, next_red
from tests.played import Played

# --- stuck ------------------------------------------------------------------------------------------------------------


def test_two_dispatches_that_change_nothing_are_stuck() -> None:
    play = a_red_task()
    play.acted()
    next_red(play, tree="t0").acted()
    next_red(play, tree="t0")
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    assert play.episode.dispatches == 2


def test_three_dispatches_without_improvement_are_stuck_though_each_tree_is_new() -> None:
    play = a_red_task()
    for tree in ("t1", "t2", "t3"):
        play.acted()
        next_red(play, tree=tree)
    assert (play.status, play.episode.dispatches) == (GoalStatus.STUCK, 3)


def test_alternating_edits_are_stuck() -> None:
    play = a_red_task()
    for tree in ("t1", "t0", "t1", "t0", "t1"):
        if not isinstance(play.turn(), Act):
            break
        play.acted()
        next_red(play, tree=tree)
    assert (play.status, play.episode.dispatches) == (GoalStatus.STUCK, 3)


def test_an_improvement_by_the_last_dispatch_buys_more() -> None:
    goal = a_goal(a_predicate("a"), a_predicate("b"), harness=a_harness())
    play = Played(goal).look("a", FAIL, tree="t0").look("b", FAIL, tree="t0")
    for tree in ("t1", "t2"):
        play.acted()
        next_red(play, tree=tree)
    play.acted()
    play.advance(600.0).look("a", PASS, tree="t3").look("b", FAIL, tree="t3")
    assert isinstance(play.turn(), Act), "the third dispatch won a green"


def test_an_improvement_seen_by_a_remedy_is_not_forgotten() -> None:
    goal = a_goal(
        a_predicate("a"),
        a_predicate("b"),
        a_predicate("c", live=True),
        remedies=[a_remedy("c", attempts=9)],
        harness=a_harness(),
    )
    play = Played(goal).look("a", FAIL, tree="t0").look("b", FAIL, tree="t0").look("c", PASS)
    play.acted()
    play.advance(600.0).look("a", PASS, tree="t1").look("b", FAIL, tree="t1")
    before = play.episode.fingerprints
    play.looks(PASS, PASS, of="c")
    assert len(before) == 1
    play.look("c", FAIL).advance(2.0).look("c", FAIL)
    play.reconcile().look("b", FAIL, tree="t1").look("a", PASS, tree="t1").look("c", FAIL)
    assert play.acted().rung == "remedy:0"
    assert play.episode.fingerprints == before, "two are red now and two were at best: nothing was won"


def test_a_verdict_that_turns_from_fail_to_error_is_no_improvement() -> None:
    goal = a_goal(a_predicate("a"), a_predicate("b"), harness=a_harness())
    play = Played(goal).look("a", FAIL, tree="t0").look("b", FAIL, tree="t0")
    for _ in range(3):
        play.acted()
        play.advance(600.0).look("a", FAIL, tree="t0").look("b", ERROR, tree="t0")
        play.turn()
    assert play.status is GoalStatus.STUCK


@pytest.mark.parametrize("cause", [Cause.PERMISSION_DENIED, Cause.PARKED_ON_BACKGROUND])
def test_a_dispatch_that_another_would_only_repeat_is_stuck_at_once(cause: Cause) -> None:
    play = a_red_task()
    play.acted(cause=cause)
    next_red(play, tree="t0")
    assert (play.status, play.cause, play.episode.dispatches) == (GoalStatus.STUCK, cause, 1)


@pytest.mark.parametrize("cause", [pytest.param(c, id=c.value) for c in sorted(ENDS_UNSTARTED, key=str)])
def test_an_agent_that_could_not_be_started_ends_its_goal_and_counts_nowhere(cause: Cause) -> None:
    play = a_red_task(budget=Budget(iterations_max=1, dispatches_max=1, dispatches_per_day_max=1))
    play.acted(ending="not_started", exit_code=None, cause=cause)
    next_red(play, tree="t0")
    assert (play.status, play.cause) == (GoalStatus.STUCK, cause), (
        "the cause, and not the budget it did not use"
    )
    assert (play.episode.iterations, play.episode.dispatches, play.progress.spent) == (0, 0, ())
    assert [a.ending for a in play.episode.acts] == ["not_started"], "people see that it was tried"


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param(c, id="none" if c is None else c.value)
        for c in (None, *Cause)
        if c not in quota.TURNED_AWAY
    ],
)
def test_whatever_kept_an_agent_from_starting_it_is_not_tried_for_ever(cause: Cause | None) -> None:
    play = a_red_task(budget=Budget(iterations_max=5))
    tries = 0
    while play.status not in STOPPED_ACTING:
        play.acted(ending="not_started", exit_code=None, cause=cause)
        tries += 1
        assert tries <= 5, "neither its cause nor a ceiling ended it"
        next_red(play, tree="t0")


def test_a_remedy_that_cannot_be_started_uses_its_tries_up() -> None:
    play = a_red_service(remedies=[a_remedy(attempts=2)])
    for _ in range(2):
        play.acted(ending="not_started", exit_code=None)
        next_red(play)
    assert (play.episode.iterations, play.episode.attempts) == (2, {"remedy:0": 2})
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)


@pytest.mark.parametrize("cause", [Cause.PERMISSION_DENIED, Cause.PARKED_ON_BACKGROUND])
def test_an_agent_that_gave_up_but_changed_something_is_asked_again(cause: Cause) -> None:
    play = a_red_task()
    play.acted(cause=cause)
    next_red(play, tree="t1")
    assert isinstance(play.turn(), Act)


# --- half-open --------------------------------------------------------------------------------------------------------


def test_a_stuck_standing_goal_tries_one_remedy_an_hour() -> None:
    play = a_stuck_service()
    ended_s = play.progress.last_act_ended_s
    assert ended_s is not None
    assert play.guard("half_open").until_s == ended_s + 3600.0
    assert play.status is GoalStatus.STUCK
    play.at(ended_s + 3590.0).look("livez", FAIL).at(ended_s + 3600.0)
    look = play.turn()
    assert isinstance(look, Look), "the hour is a wait, and whatever waited is observed again first"
    assert look.hold.status is GoalStatus.STUCK
    act = play.look("livez", FAIL).act_intended()
    assert (act.rung, act.half_open) == ("remedy:0", True)
    play.act_ended()
    play.looks(FAIL, FAIL).turn()
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    assert play.guard("half_open").until_s == (play.progress.last_act_ended_s or 0.0) + 3600.0


def test_a_half_open_retry_that_repairs_holds_again() -> None:
    play = a_stuck_service()
    play.advance(3600.0).look("livez", FAIL)
    assert play.acted().half_open
    play.looks(PASS, PASS).turn()
    assert (play.status, play.progress.episode) == (GoalStatus.HOLDING, None)


def test_a_one_shot_goal_has_no_half_open_retry() -> None:
    play = Played(a_goal(a_predicate("livez", live=True), remedies=[a_remedy(attempts=1)])).looks(FAIL, FAIL)
    play.acted()
    next_red(play).advance(7200.0)
    assert isinstance(play.turn(), Hold)
    assert play.status is GoalStatus.STUCK
    assert play.due == ()


def test_an_agent_is_never_tried_half_open() -> None:
    play = a_red_task(standing=True)
    play.acted()
    next_red(play, tree="t0").acted()
    next_red(play, tree="t0")
    assert play.status is GoalStatus.STUCK
    play.advance(7200.0).look("tests", FAIL, tree="t0")
    assert isinstance(play.turn(), Hold)


# --- fences and suspension --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fence", ["suspend", "stop", "delete"])
def test_the_fence_cancels_a_running_act(fence: str) -> None:
    play = a_red_service()
    play.act_intended()
    getattr(play, fence)()
    cancel = play.turn()
    assert isinstance(cancel, Cancel)
    assert (cancel.attempt_id, cancel.reason) == ("a1", "fenced")


def test_a_new_generation_fences_a_running_act() -> None:
    play = a_red_service()
    play.act_intended()
    play.reapply(a_service(remedies=[a_remedy(cmd="other")]), generation=2)
    assert isinstance(play.turn(), Cancel)
    play.act_ended(ending="cancelled")
    assert play.progress.episode is None
    play.looks(FAIL, FAIL)
    act = play.turn()
    assert isinstance(act, Act)
    assert (act.title, play.episode.iterations) == ("other", 0)


def test_a_change_in_place_does_not_fence() -> None:
    play = a_red_service()
    play.act_intended()
    play.reapply(a_service(budget=Budget(iterations_max=7)))
    assert isinstance(play.turn(), Hold)
    assert play.episode.iterations == 1


def test_suspended_acts_no_more_and_looks_on() -> None:
    play = a_red_service().suspend(reason="deploy at noon")
    hold = play.held()
    assert (hold.status, hold.reason) == (GoalStatus.SUSPENDED, "deploy at noon")
    assert play.advance(60.0).due == ("livez",)
    play.looks(FAIL, FAIL)
    assert isinstance(play.turn(), Hold)
    assert play.progress.acts == 0


def test_a_suspension_expires_by_wall_time() -> None:
    play = a_red_service().suspend(for_s=600.0)
    assert play.held().until_s == play.now.boot_s + 600.0
    play.advance(599.0)
    assert isinstance(play.turn(), Hold)
    play.advance(1.0)
    assert play.decide() == Resume(reason="the suspension expired", by="expiry")
    play.turn()
    assert play.progress.desired is Desired.ACTIVE
    assert isinstance(play.looks(FAIL, FAIL).turn(), Act)


def test_a_suspended_episode_goes_on_where_it_was() -> None:
    play = a_red_service()
    play.acted()
    play.turn()
    play.suspend().turn()
    play.resume()
    assert (play.episode.number, play.episode.iterations) == (1, 1)


def test_stopped_neither_acts_nor_looks() -> None:
    play = a_red_service().stop()
    assert play.held().status is GoalStatus.STOPPED
    assert play.advance(3600.0).due == ()


@pytest.mark.parametrize("after", ["resume", "suspend", "stop"])
def test_nothing_revives_a_deleted_goal(after: str) -> None:
    play = a_red_service().delete()
    getattr(play, after)()
    assert play.progress.desired is Desired.DELETED
    assert play.due == ()


def test_suspending_a_stopped_goal_does_not_start_it() -> None:
    play = a_red_service().stop().suspend(for_s=60.0).advance(61.0)
    play.turn()
    assert play.progress.desired is Desired.STOPPED
    assert play.due == ()


# --- stops and the ways out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", [True, False], ids=["standing", "one-shot"])
def test_a_parked_goal_is_never_dispatched(standing: bool) -> None:
    play = Played(a_task(standing=standing)).look("tests", FAIL).park()
    assert isinstance(play.turn(), Hold)
    assert play.status is GoalStatus.PARKED
    assert play.progress.reason == "ValueError: a bug"
    assert play.due == ()


@pytest.mark.parametrize("status", [GoalStatus.TAMPERED, GoalStatus.FAILED, GoalStatus.OVER_BUDGET])
def test_a_stopped_standing_goal_looks_on_and_acts_no_more(status: GoalStatus) -> None:
    play = a_red_service()
    play.turn()
    play.record(StatusChanged(status=status, reason="because"))
    play.advance(30.0)
    assert play.due == ("livez",)
    play.looks(FAIL, FAIL)
    hold = play.held()
    assert (hold.status, hold.reason) == (status, "because")


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (GoalStatus.STUCK, True),
        (GoalStatus.OVER_BUDGET, True),
        (GoalStatus.CONTESTED, True),
        (GoalStatus.TAMPERED, False),
        (GoalStatus.FAILED, False),
        (GoalStatus.PARKED, False),
    ],
)
def test_an_observed_green_ends_only_stuck_over_budget_and_contested(status: GoalStatus, left: bool) -> None:
    play = a_red_service()
    play.turn()
    play.record(StatusChanged(status=status, reason="because"))
    play.advance(30.0).looks(PASS, PASS).turn()
    assert (play.status is GoalStatus.HOLDING) is left
    assert (play.progress.episode is None) is left


def test_resume_gives_fresh_counters() -> None:
    play = a_stuck_service()
    play.resume()
    assert play.progress.episode is None
    play.looks(FAIL, FAIL)
    act = play.turn()
    assert isinstance(act, Act), "the first act of the new episode starts at once"
    assert not act.half_open
    assert (play.episode.number, play.episode.attempts) == (2, {})


def test_resume_gives_fresh_counters_to_a_stuck_goal_that_was_suspended_too() -> None:
    play = a_stuck_service().suspend()
    play.turn()
    play.resume().looks(FAIL, FAIL)
    act = play.turn()
    assert isinstance(act, Act)
    assert not act.half_open


@pytest.mark.parametrize("status", [GoalStatus.TAMPERED, GoalStatus.PARKED, GoalStatus.FAILED])
def test_an_expired_suspension_ends_no_stop_that_needs_a_person(status: GoalStatus) -> None:
    play = a_red_service()
    play.turn()
    play.record(StatusChanged(status=status, reason="because"))
    play.suspend(for_s=60.0).turn()
    play.advance(61.0).turn()
    assert (play.status, play.progress.desired) == (status, Desired.ACTIVE)
    play.looks(FAIL, FAIL)
    assert isinstance(play.turn(), Hold)
    play.resume().looks(FAIL, FAIL)
    assert isinstance(play.turn(), Act)


def test_reconcile_only_wakes() -> None:
    play = a_stuck_service()
    play.reconcile().looks(FAIL, FAIL)
    assert isinstance(play.turn(), Hold)
    assert play.status is GoalStatus.STUCK


def test_reconcile_does_not_shorten_a_backoff() -> None:
    play = held_by_backoff(a_red_service(remedies=[a_remedy(attempts=9)]))
    until_s = play.guard("backoff").until_s
    assert play.reconcile().look("livez", FAIL).guard("backoff").until_s == until_s


def test_a_new_generation_leaves_a_stop_with_fresh_counters() -> None:
    play = a_stuck_service()
    play.reapply(a_service(remedies=[a_remedy(cmd="better")]), generation=2)
    assert (play.status, play.progress.episode) == (GoalStatus.OBSERVING, None)
    play.looks(FAIL, FAIL)
    assert isinstance(play.turn(), Act)
    assert play.episode.attempts == {}


def test_a_verdict_of_an_older_generation_does_not_count() -> None:
    play = a_red_service()
    play.reapply(a_service(remedies=[a_remedy(cmd="new")]), generation=2).advance(1.0)
    play.record(predicate_observed("livez", FAIL, at=play.now.boot_s))
    assert play.due == ("livez",)
    play.advance(2.0).look("livez", FAIL)
    assert play.guard("confirm")


def test_a_change_in_place_keeps_the_episode() -> None:
    play = a_red_service()
    play.acted()
    play.turn()
    play.reapply(a_service(budget=Budget(iterations_max=1)))
    assert play.episode.iterations == 1
    play.looks(FAIL, FAIL).turn()
    assert play.status is GoalStatus.OVER_BUDGET, "the new budget counts what was spent"
