"""Events to progress: what each event changes, and that a replay sees what was seen live (SEMANTICS §4, §6, §7)."""

import msgspec
import pytest

from kazid.core.budget import clock_used_s
from kazid.core.event import (
    BY_EXPIRY,
    BY_WINDOW,
    ActEnded,
    EpisodeClosed,
    EpisodeOpened,
    GoalResumed,
    SnapshotTaken,
    StatusChanged,
    SteadyObserved,
    SteadyTick,
    TaskRecovered,
    Usage,
)
from kazid.core.fold import ACTS_KEPT, Folded, fold, fold_all
from kazid.core.goal import Budget
from kazid.core.ids import Epoch, Generation
from kazid.core.instant import Now
from kazid.core.progress import Desired, Frozen, Progress
from kazid.core.status import Cause, GoalStatus
from tests.builders import (
    ERROR,
    FAIL,
    PASS,
    UNKNOWN,
    WALL_0,
    a_goal,
    a_harness,
    a_predicate,
    a_remedy,
    a_service,
    a_task,
    act_ended,
    act_intended,
    as_json,
    predicate_observed,
)
from tests.played import Played


def a_red_service() -> Played:
    play = Played(a_service(remedies=[a_remedy(attempts=9)])).looks(FAIL, FAIL)
    play.turn()
    return play


# --- the first event and snapshots ------------------------------------------------------------------------------------


def test_a_history_begins_with_apply_or_a_snapshot() -> None:
    with pytest.raises(AssertionError, match="first event"):
        fold(
            Folded(None, Progress()), EpisodeClosed(number=1, duration_s=0.0), at=Now(boot_s=0.0, wall_s=0.0)
        )


def test_the_first_apply_is_generation_one_and_active() -> None:
    progress = Played(a_service()).progress
    assert (progress.generation, progress.epoch, progress.desired) == (1, 1, Desired.ACTIVE)
    assert (progress.status, progress.episode) == (GoalStatus.OBSERVING, None)


def a_long_story() -> Played:
    play = a_red_service()
    play.acted()
    play.looks(FAIL, ERROR, FAIL).act_deferred()
    play.turn()
    play.reconcile().looks(FAIL, FAIL).suspend(for_s=9.0).advance(5.0).resume()
    play.looks(PASS, PASS).turn()
    play.restart_daemon(down_s=60.0, boot_s=7.0)
    play.looks(UNKNOWN, FAIL, FAIL).turn()
    play.act_intended()
    return play


def test_a_replay_of_the_journal_is_what_was_live() -> None:
    play = a_long_story()
    assert fold_all(play.records) == play.folded


def test_a_replay_from_a_snapshot_is_what_was_live() -> None:
    play = a_long_story()
    for cut in range(1, len(play.records)):
        before = fold_all(play.records[:cut])
        assert before.goal is not None
        taken = SnapshotTaken(progress=msgspec.Raw(msgspec.json.encode(before.progress)), goal=before.goal)
        folded = fold(Folded(None, Progress()), taken, at=play.now)
        for record in play.records[cut:]:
            folded = fold(folded, record.event, at=record.at)
        assert as_json(folded) == as_json(play.folded), cut


# --- looks ------------------------------------------------------------------------------------------------------------


def test_a_look_at_a_predicate_the_goal_no_longer_has_is_nothing() -> None:
    play = a_red_service()
    before = play.progress
    assert play.record(predicate_observed("gone", FAIL, at=9.0)).progress == before


def test_steady_ticks_in_bulk_are_the_same_looks_one_by_one() -> None:
    goal = a_goal(a_predicate("a", live=True), a_predicate("b", live=True), standing=True)
    single, bulk = (Played(goal).look("a", PASS, at=1.0).look("b", FAIL) for _ in range(2))
    looks = [(1, 2.5, 0.25), (0, 3.0, 0.5), (0, 30.0, 0.125), (1, 31.0, 0.0), (0, 62.5, 1.0)]
    for index, after_s, took_s in looks:
        verdict = PASS if index == 0 else FAIL
        single.record(
            predicate_observed(
                goal.predicates[index].id, verdict, at=1.0 + after_s, ended_s=1.0 + after_s + took_s
            )
        )
    ticks = tuple(
        SteadyTick(predicate=i, after_us=round(a * 1e6), took_us=round(t * 1e6)) for i, a, t in looks
    )
    bulk.record(SteadyObserved(base_s=1.0, ticks=ticks, generation=Generation(1)))
    assert bulk.progress == single.progress


def test_a_tick_of_what_was_never_seen_or_is_gone_is_nothing() -> None:
    play = Played(a_service())
    before = play.progress
    ticks = (SteadyTick(predicate=0, after_us=0, took_us=0), SteadyTick(predicate=7, after_us=0, took_us=0))
    assert play.record(SteadyObserved(base_s=0.0, ticks=ticks, generation=Generation(1))).progress == before


# --- acts -------------------------------------------------------------------------------------------------------------


def test_an_act_costs_an_iteration_and_an_attempt() -> None:
    play = a_red_service()
    play.act_intended()
    assert (play.episode.iterations, play.episode.dispatches, play.episode.attempts) == (
        1,
        0,
        {"remedy:0": 1},
    )
    assert (play.progress.acts, play.progress.act is not None) == (1, True)


def test_a_dispatch_costs_an_iteration_and_a_dispatch_of_the_day() -> None:
    play = Played(a_task()).look("tests", FAIL)
    play.act_intended()
    assert (play.episode.iterations, play.episode.dispatches, play.episode.attempts) == (1, 1, {})
    assert [e.at_wall_s for e in play.progress.spent] == [play.now.wall_s]


def test_dispatches_older_than_any_window_are_dropped() -> None:
    play = Played(a_task(standing=True)).look("tests", FAIL)
    play.acted()
    play.look("tests", FAIL, tree="t1").advance(32 * 86_400.0).look("tests", FAIL, tree="t1")
    play.act_intended()
    assert [e.at_wall_s for e in play.progress.spent] == [play.now.wall_s]


def test_the_end_of_an_act_starts_every_count_again() -> None:
    goal = a_goal(
        a_predicate("a", live=True), a_predicate("b", live=True), remedies=[a_remedy("a")], standing=True
    )
    play = Played(goal).looks(PASS, PASS, of="b").looks(FAIL, FAIL, of="a")
    play.acted()
    assert [(s.fails, s.passes) for s in play.progress.predicates.values()] == [(0, 0), (0, 0)]
    assert [s.backoff_n for s in play.progress.predicates.values()] == [0, 1]


def test_the_end_of_another_attempt_is_nothing() -> None:
    play = a_red_service()
    play.act_intended()
    before = play.progress
    assert play.record(act_ended(at=9.0, attempt_id="another")).progress == before


def test_two_acts_at_a_time_are_a_bug() -> None:
    play = a_red_service()
    play.act_intended()
    with pytest.raises(AssertionError, match="one act at a time"):
        play.record(act_intended())


def test_an_act_without_an_episode_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="belongs to an episode"):
        Played(a_service()).record(act_intended())


def test_what_an_attempt_used_is_charged_and_absent_is_never_zero() -> None:
    play = Played(a_task()).look("tests", FAIL)
    play.acted(ending="exited", exit_code=3)
    assert (play.episode.tokens, play.episode.cost_usd) == (None, None)
    play.look("tests", FAIL, tree="t1").advance(600.0).look("tests", FAIL, tree="t1")
    play.acted(tokens=70, usage=Usage(cost_usd=0.5))
    assert (play.episode.tokens, play.episode.cost_usd) == (70, 0.5)
    assert [(a.exit_code, a.tokens) for a in play.episode.acts] == [(3, None), (0, 70)]


def test_an_estimated_charge_is_marked() -> None:
    play = Played(a_task()).look("tests", FAIL)
    play.act_intended(tokens_reserved=200)
    play.record(act_ended(at=1.0, ending="killed", tokens_charged=200, charge_estimated=True))
    assert (play.episode.tokens, play.episode.tokens_estimated) == (200, True)


def test_only_the_last_acts_are_kept_for_people() -> None:
    play = a_red_service()
    for number in range(1, ACTS_KEPT + 6):
        play.record(act_intended(attempt_id=f"a{number}", number=number))
        play.record(act_ended(at=play.now.boot_s, attempt_id=f"a{number}"))
    assert [a.number for a in play.episode.acts] == list(range(6, ACTS_KEPT + 6))
    assert play.episode.iterations == ACTS_KEPT + 5


@pytest.mark.parametrize("half_open", [True, False])
def test_an_act_that_never_started_is_taken_back(half_open: bool) -> None:
    play = a_red_service()
    play.record(act_intended(half_open=half_open)).record(act_ended(at=3.0, ending="never_started"))
    assert (play.episode.iterations, play.episode.attempts.get("remedy:0", 0)) == (0, 0)
    assert play.state("livez").backoff_n == 1, "or a runner that never starts anything makes the loop spin"


@pytest.mark.parametrize("ending", ["exited", "signaled", "killed", "cancelled", "not_started", "orphaned"])
def test_every_other_end_has_cost_what_it_cost(ending: str) -> None:
    play = a_red_service()
    play.record(act_intended()).record(act_ended(at=3.0, ending=ending, exit_code=None))
    assert (play.episode.iterations, play.episode.attempts) == (1, {"remedy:0": 1})


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "desired"),
    [
        (["suspend"], Desired.SUSPENDED),
        (["suspend", "resume"], Desired.ACTIVE),
        (["suspend", "stop"], Desired.STOPPED),
        (["stop", "suspend"], Desired.STOPPED),
        (["stop", "resume"], Desired.ACTIVE),
        (["stop", "delete"], Desired.DELETED),
        (["delete", "stop"], Desired.DELETED),
        (["delete", "suspend"], Desired.DELETED),
        (["delete", "resume"], Desired.DELETED),
        (["suspend", "reconcile"], Desired.SUSPENDED),
        (["park", "resume"], Desired.ACTIVE),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else value.value,
)
def test_the_stronger_wish_stands(steps: list[str], desired: Desired) -> None:
    play = a_red_service()
    for step in steps:
        getattr(play, step)()
    assert play.progress.desired is desired


@pytest.mark.parametrize("step", ["suspend", "stop", "delete"])
def test_every_fence_raises_the_epoch(step: str) -> None:
    play = a_red_service()
    getattr(play, step)()
    assert play.progress.epoch == 2


def test_apply_revives_a_stopped_goal_with_a_new_episode() -> None:
    play = a_red_service()
    play.stop().reapply(play.goal, fresh=True)
    assert (play.progress.desired, play.progress.episode) == (Desired.ACTIVE, None)
    assert isinstance(play.looks(FAIL, FAIL).act_intended().rung, str)


def test_apply_does_not_revive_a_deleted_goal() -> None:
    play = a_red_service()
    play.delete().reapply(play.goal, generation=2, fresh=True)
    assert play.progress.desired is Desired.DELETED


def test_a_new_generation_of_a_suspended_goal_stays_suspended() -> None:
    play = a_red_service()
    play.suspend(reason="deploy").reapply(a_service(remedies=[]), generation=2)
    assert (play.progress.desired, play.progress.suspend_reason) == (Desired.SUSPENDED, "deploy")


def test_a_new_generation_forgets_acts_counts_and_predicates_that_are_gone() -> None:
    goal = a_goal(
        a_predicate("livez", live=True), a_predicate("gone", live=True), remedies=[a_remedy()], standing=True
    )
    play = Played(goal).look("gone", FAIL).looks(FAIL, FAIL)
    play.acted()
    play.reapply(a_service(), generation=2)
    assert set(play.progress.predicates) == {"livez"}
    state = play.state("livez")
    assert (state.acts, state.backoff_n, state.fails) == (0, 0, 0)
    assert (play.progress.episode, play.progress.generation, play.progress.epoch) == (None, 2, 2)
    assert play.progress.last_episode is not None, "for people"


def test_a_change_in_place_keeps_everything_and_asks_for_new_looks() -> None:
    play = a_red_service()
    play.acted()
    before = play.progress
    play.advance(1.0).reapply(a_service(budget=Budget(iterations_max=3)))
    assert (play.progress.episode, play.progress.epoch, play.progress.predicates) == (
        before.episode,
        before.epoch,
        before.predicates,
    )
    assert play.goal.budget.iterations_max == 3
    assert play.due == ("livez",)


@pytest.mark.parametrize(
    ("by", "fresh"),
    [("ada", True), (BY_EXPIRY, False), (BY_WINDOW, False)],
    ids=["person", "expiry", "window"],
)
def test_only_a_persons_resume_gives_fresh_counters(by: str, fresh: bool) -> None:
    play = a_red_service()
    play.acted()
    play.record(StatusChanged(status=GoalStatus.OVER_BUDGET, cause=Cause.BUDGET_EXHAUSTED, reason="r"))
    play.resume(by=by)
    assert (play.progress.episode is None) is fresh
    assert (play.state("livez").backoff_n == 0) is fresh
    assert play.status is GoalStatus.OBSERVING


def test_a_finished_goal_is_not_revived_by_the_end_of_a_suspension() -> None:
    play = Played(a_task()).look("tests", FAIL)
    play.acted()
    play.look("tests", PASS).turn()
    play.suspend(for_s=5.0).resume(by=BY_EXPIRY)
    assert play.status is GoalStatus.CONVERGED


# --- time -------------------------------------------------------------------------------------------------------------


def clock_of(play: Played) -> float:
    return clock_used_s(play.episode, now_s=play.now.boot_s)


def test_the_clock_runs_from_the_episode_and_stands_while_suspended_waiting_or_stopped() -> None:
    play = a_red_service().advance(10.0)
    assert clock_of(play) == 10.0
    play.suspend().advance(100.0)
    assert clock_of(play) == 10.0
    play.resume().advance(5.0)
    assert clock_of(play) == 15.0
    play.record(StatusChanged(status=GoalStatus.WAITING)).advance(100.0)
    assert clock_of(play) == 15.0
    play.record(StatusChanged(status=GoalStatus.ACTING)).advance(1.0)
    assert clock_of(play) == 16.0
    play.record(StatusChanged(status=GoalStatus.STUCK)).advance(100.0)
    assert clock_of(play) == 16.0


def test_a_status_shown_while_suspended_does_not_start_the_clock() -> None:
    play = a_red_service().suspend()
    play.record(StatusChanged(status=GoalStatus.SUSPENDED)).advance(100.0)
    assert clock_of(play) == 0.0


def test_time_without_a_daemon_is_no_wall_clock() -> None:
    play = a_red_service().advance(10.0).restart_daemon(down_s=500.0)
    assert clock_of(play) == 10.0
    assert clock_of(play.restart_daemon(down_s=500.0, boot_s=3.0)) == 10.0


def test_attempt_time_without_a_daemon_is_wall_clock_up_to_its_end() -> None:
    play = a_red_service().advance(10.0)
    play.act_intended()
    play.restart_daemon(down_s=500.0)
    assert clock_of(play) == 510.0
    ended_s = play.now.boot_s - 400.0
    play.record(act_ended(at=ended_s))
    assert clock_of(play) == 110.0


def test_an_attempt_that_ran_through_two_restarts_is_charged_to_its_end() -> None:
    play = a_red_service()
    play.act_intended()
    play.restart_daemon(down_s=100.0).advance(10.0).restart_daemon(down_s=100.0).advance(5.0)
    play.record(act_ended(at=play.now.boot_s))
    assert clock_of(play) == 215.0


def test_an_attempt_does_not_run_while_the_machine_is_off() -> None:
    play = a_red_service().advance(10.0)
    play.act_intended()
    play.restart_daemon(down_s=3600.0, boot_s=20.0)
    play.record(act_ended(at=play.now.boot_s, ending="killed"))
    assert clock_of(play) == 10.0


@pytest.mark.parametrize("event", ["restart_daemon", "step_clock"])
def test_everything_is_stale_and_nothing_counts_from_before(event: str) -> None:
    play = a_red_service()
    play.step_clock(7.0) if event == "step_clock" else play.restart_daemon()
    state = play.state("livez")
    assert (state.is_stale, state.fails, state.passes) == (True, 0, 0)
    assert play.progress.act_floor_s == play.now.boot_s


def test_a_look_that_began_before_everything_went_stale_is_stale() -> None:
    play = a_red_service().advance(5.0).step_clock(7.0).advance(1.0)
    began_s = play.now.boot_s - 3.0
    play.record(predicate_observed("livez", PASS, at=began_s, ended_s=play.now.boot_s))
    assert play.state("livez").is_stale
    assert play.due == ("livez",)
    assert not play.look("livez", PASS).state("livez").is_stale


def test_a_deferred_act_is_remembered_until_somebody_asks_again() -> None:
    play = a_red_service().act_deferred(waits_for="lease", holder="bob/site")
    assert play.progress.deferred is not None
    assert play.progress.deferred.holder == "bob/site"
    assert play.progress.act_floor_s == play.now.boot_s
    assert play.reconcile().progress.deferred is None


def test_parked_says_the_exception_in_one_line() -> None:
    play = a_red_service().park()
    assert (play.status, play.cause, play.progress.reason) == (GoalStatus.PARKED, None, "ValueError: a bug")


# --- episodes and statuses --------------------------------------------------------------------------------------------


def test_an_episode_that_opened_at_a_red_is_trouble() -> None:
    play = Played(a_service()).record(EpisodeOpened(number=1, red=("livez",)))
    assert (play.episode.was_red, play.progress.was_red) == (True, True)


def test_an_episode_that_opened_at_the_start_is_trouble_from_its_first_red() -> None:
    play = Played(a_task())
    play.turn()
    assert not play.episode.was_red
    assert play.look("tests", ERROR).episode.was_red is False
    assert play.look("tests", FAIL).episode.was_red


def test_a_red_of_an_older_generation_is_no_trouble_of_this_one() -> None:
    play = Played(a_task())
    play.turn()
    play.reapply(a_task(harness=a_harness(harness_id="codex")), generation=2)
    play.turn()
    play.record(predicate_observed("tests", FAIL, at=play.now.boot_s))
    assert (play.episode.was_red, play.progress.was_red) == (False, False)


def test_the_last_episode_is_kept_for_people() -> None:
    play = a_red_service()
    play.acted()
    play.looks(PASS, PASS).turn()
    assert play.progress.episode is None
    assert play.progress.last_episode is not None
    assert len(play.progress.last_episode.acts) == 1


@pytest.mark.parametrize(
    ("status", "remembered"),
    [
        (GoalStatus.CONVERGED, True),
        (GoalStatus.HOLDING, True),
        (GoalStatus.VACUOUS, False),
        (GoalStatus.STUCK, False),
    ],
)
def test_the_spec_that_converged_is_remembered(status: GoalStatus, remembered: bool) -> None:
    play = Played(a_task()).record(StatusChanged(status=status))
    assert (play.progress.converged_sha256 == play.progress.spec_sha256) is remembered


def test_a_status_says_since_when() -> None:
    play = Played(a_task()).advance(30.0).record(StatusChanged(status=GoalStatus.STUCK, reason="r"))
    assert (play.progress.status_since_wall_s, play.progress.reason) == (WALL_0 + 30.0, "r")


def test_the_act_and_its_fence_survive_in_progress() -> None:
    play = a_red_service()
    play.act_intended()
    play.suspend()
    assert play.progress.act is not None
    assert play.progress.act.epoch < Epoch(play.progress.epoch)
    play.record(
        ActEnded(attempt_id=play.progress.act.attempt_id, ending="cancelled", ended_s=play.now.boot_s)
    )
    assert play.progress.act is None


def test_a_recovery_that_a_full_disk_recorded_late_happened_when_it_happened() -> None:
    play = Played(a_task(standing=True)).look("tests", FAIL)
    taken_over_s = play.now.boot_s
    play.advance(60.0)
    play.record(TaskRecovered(shift_s=0.0, down_s=1.0, taken_over_s=taken_over_s))
    assert play.progress.act_floor_s == taken_over_s, "looks since then are not from before it"


def test_a_freeze_holds_until_it_expires_or_is_thawed() -> None:
    assert Frozen(number=1, reason="x").holds_at(1e12)
    assert Frozen(number=1, reason="x", until_wall_s=100.0).holds_at(99.9)
    assert not Frozen(number=1, reason="x", until_wall_s=100.0).holds_at(100.0)


def test_who_resumes_a_goal_that_waits_for_another_lets_it_ask_again() -> None:
    play = Played(a_task(standing=True)).look("tests", FAIL)
    play.act_deferred()
    assert play.progress.deferred is not None
    play.record(GoalResumed(reason="r", by="ada"))
    assert play.progress.deferred is None
