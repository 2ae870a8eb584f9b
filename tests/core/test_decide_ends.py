"""The decision of a turn, told as short stories: how goals end, stand, and outlive their daemon (SEMANTICS §4, §6)."""

import pytest

from kazid.core.decision import Act, Cancel, Conclude
from kazid.core.goal import Budget
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import errored, unknown
from tests.builders import FAIL, PASS, a_goal, a_predicate, a_remedy, a_service, a_task, act_ended
from tests.core.stories import a_red_service, a_red_task, a_stuck_service, held_by_backoff, next_red
from tests.played import Played

# --- one-shot ends ----------------------------------------------------------------------------------------------------


def test_all_green_before_any_work_is_vacuous() -> None:
    play = Played(a_task())
    play.turn()
    play.look("tests", PASS).turn()
    assert (play.status, play.cause) == (GoalStatus.VACUOUS, Cause.VACUOUS)


def test_all_green_before_any_work_is_converged_when_this_spec_converged_before() -> None:
    play = a_red_task()
    play.acted()
    play.look("tests", PASS).turn()
    assert play.status is GoalStatus.CONVERGED
    play.advance(10.0).reapply(play.goal, fresh=True)
    play.turn()
    assert (play.status, play.episode.number) == (GoalStatus.OBSERVING, 2)
    play.look("tests", PASS).turn()
    assert play.status is GoalStatus.CONVERGED


def test_another_spec_that_converged_before_does_not_count() -> None:
    play = a_red_task()
    play.acted()
    play.look("tests", PASS).turn()
    play.advance(10.0).reapply(a_task(harness=None), generation=2, fresh=True)
    play.look("tests", PASS).turn()
    assert play.status is GoalStatus.VACUOUS


def test_a_red_that_went_away_by_itself_is_converged_not_vacuous() -> None:
    play = Played(a_goal(a_predicate("livez", live=True), remedies=[a_remedy()]))
    play.turn()
    play.looks(FAIL, PASS, PASS).turn()
    assert play.status is GoalStatus.CONVERGED


def test_a_parked_goal_that_was_red_is_converged_not_vacuous_after_resume() -> None:
    play = a_red_task()
    play.acted()
    play.look("tests", FAIL, tree="t1").turn()
    play.park().advance(5.0).resume()
    play.turn()
    play.look("tests", PASS, tree="t2").turn()
    assert play.status is GoalStatus.CONVERGED


def test_no_live_predicate_converges_a_goal_on_a_single_sample() -> None:
    play = Played(a_goal(a_predicate("livez", live=True), remedies=[a_remedy()])).looks(FAIL, FAIL)
    play.acted()
    play.look("livez", PASS)
    assert play.guard("recover").until_s == play.now.boot_s + 2.0
    play.advance(2.0).look("livez", PASS).turn()
    assert play.status is GoalStatus.CONVERGED


def test_a_finished_goal_stays_finished_and_looks_no_more() -> None:
    play = a_red_task()
    play.acted()
    play.look("tests", PASS).turn()
    assert play.due == ()
    play.advance(3600.0)
    assert play.held().status is GoalStatus.CONVERGED
    play.look("tests", FAIL)
    assert play.held().status is GoalStatus.CONVERGED


def test_conclusions_carry_the_verdicts_they_rest_on() -> None:
    play = a_red_task()
    play.acted()
    decision = play.look("tests", PASS).decide()
    assert isinstance(decision, Conclude)
    assert decision.proof == {"tests": "pass"}


# --- standing goals ---------------------------------------------------------------------------------------------------


def test_a_standing_goal_that_is_green_holds() -> None:
    play = Played(a_service()).looks(PASS, PASS)
    hold = play.held()
    assert (hold.status, play.status, play.progress.episode) == (GoalStatus.HOLDING, GoalStatus.HOLDING, None)


def test_an_episode_opens_at_the_first_confirmed_red() -> None:
    play = Played(a_service()).looks(PASS, PASS, FAIL)
    play.turn()
    assert play.progress.episode is None
    play.advance(2.0).look("livez", FAIL).turn()
    assert (play.episode.number, play.episode.opened_s) == (1, play.now.boot_s)


def test_an_episode_closes_after_enough_greens() -> None:
    play = a_red_service()
    play.acted()
    play.look("livez", PASS).turn()
    assert play.episode.number == 1
    play.advance(2.0).look("livez", PASS).turn()
    assert (play.progress.episode, play.status) == (None, GoalStatus.HOLDING)


def test_a_green_by_anyone_closes_the_episode() -> None:
    play = a_stuck_service()
    play.advance(30.0).looks(PASS, PASS).turn()
    assert (play.status, play.cause, play.progress.episode) == (GoalStatus.HOLDING, None, None)


def test_each_episode_has_its_own_budget() -> None:
    play = a_red_service(budget=Budget(iterations_max=1))
    play.acted()
    play.looks(PASS, PASS).turn()
    play.advance(120.0).looks(PASS, FAIL, FAIL)
    assert isinstance(play.turn(), Act)
    assert play.episode.number == 2


def test_stale_is_never_green() -> None:
    play = Played(a_service()).looks(PASS, PASS)
    play.turn()
    play.at(2.0 + 2 * 30.0 + 10.0)
    hold = play.held()
    assert hold.status is GoalStatus.OBSERVING
    assert "stale" in (hold.reason or "")


@pytest.mark.parametrize("event", ["restart_daemon", "step_clock"])
def test_everything_is_stale_after(event: str) -> None:
    play = Played(a_service()).looks(PASS, PASS)
    play.turn()
    play.step_clock(5.0) if event == "step_clock" else play.restart_daemon()
    assert play.held().status is GoalStatus.OBSERVING
    assert play.due == ("livez",)
    play.look("livez", PASS).turn()
    assert play.status is GoalStatus.OBSERVING, "one sample is not enough"
    play.advance(2.0).look("livez", PASS).turn()
    assert play.status is GoalStatus.HOLDING


def test_a_standing_goal_that_cannot_look_is_stuck_until_it_is_green() -> None:
    play = Played(a_service()).looks(PASS, PASS)
    play.advance(30.0).look("livez", errored("invalid_config")).turn()
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.ERROR_WEDGED)
    play.advance(30.0).looks(PASS, PASS).turn()
    assert play.status is GoalStatus.HOLDING


def test_unknown_for_too_long_is_capability_unreachable() -> None:
    play = Played(a_service())
    for at_s in range(0, 631, 30):
        play.look("livez", unknown("not_applicable"), at=float(at_s))
    play.turn()
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.CAPABILITY_UNREACHABLE)


# --- the daemon comes and goes ----------------------------------------------------------------------------------------


def test_a_running_act_is_still_running_after_a_restart() -> None:
    play = a_red_service()
    play.act_intended()
    play.restart_daemon(down_s=30.0)
    assert play.guard("act")


def test_a_reboot_shifts_every_wait() -> None:
    goal = a_service(remedies=[a_remedy(attempts=9)])
    play = held_by_backoff(Played(goal, at=50_000.0).looks(FAIL, FAIL))
    ended_s = play.state("livez").last_act_ended_s or 0.0
    ago_s = play.now.boot_s - ended_s
    play.restart_daemon(boot_s=1.0)
    state = play.state("livez")
    assert state.last_act_ended_s == pytest.approx(1.0 - ago_s)
    assert play.episode.opened_s == pytest.approx(1.0 - (play.now.wall_s - play.episode.opened_wall_s))
    play.looks(FAIL, FAIL).at(1.0 + 300.0).look("livez", FAIL)
    assert isinstance(play.turn(), Act), "no wait is longer than the cap"


def test_time_without_a_daemon_is_no_wall_clock() -> None:
    play = a_red_service(budget=Budget(wall_clock_s_max=60.0))
    play.turn()
    play.advance(10.0).restart_daemon(down_s=3600.0)
    play.looks(FAIL, FAIL)
    assert isinstance(play.turn(), Act)


def test_attempt_time_without_a_daemon_is_wall_clock() -> None:
    play = a_red_service(budget=Budget(wall_clock_s_max=60.0))
    play.act_intended()
    play.restart_daemon(down_s=3600.0)
    assert isinstance(play.turn(), Cancel)


def test_an_attempt_that_ended_while_the_daemon_was_away_is_charged_to_its_end() -> None:
    play = a_red_service(budget=Budget(wall_clock_s_max=60.0))
    play.act_intended()
    play.restart_daemon(down_s=3600.0)
    play.record(act_ended(at=22.0))
    play.looks(FAIL, FAIL).turn()
    assert play.status is not GoalStatus.OVER_BUDGET, "20 s of the act, not an hour"


def test_an_act_that_never_started_costs_nothing_but_time() -> None:
    play = a_red_service(remedies=[a_remedy(attempts=1)], budget=Budget(iterations_max=1))
    play.act_intended()
    play.restart_daemon()
    play.act_ended(ending="never_started")
    assert (play.episode.iterations, play.episode.attempts) == (0, {"remedy:0": 0})
    next_red(play)
    assert isinstance(play.turn(), Act)


def test_a_dispatch_that_never_started_is_no_dispatch() -> None:
    play = a_red_task(budget=Budget(dispatches_max=1, dispatches_per_day_max=1))
    play.act_intended()
    play.restart_daemon()
    play.act_ended(ending="never_started")
    assert (play.episode.dispatches, play.progress.spent, play.episode.fingerprints) == (
        0,
        (),
        (),
    )
    next_red(play, tree="t0")
    assert isinstance(play.turn(), Act)
