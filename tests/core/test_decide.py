"""The decision of a turn, told as short stories: what counts, who acts, on what and when (SEMANTICS §1 to §3)."""

import pytest

from kazid.core.decision import Act, Hold, Look
from kazid.core.goal import Budget, Goal, Mode
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import PERMANENT_REASONS, Verdict, errored, failed
from tests.builders import (
    ERROR,
    FAIL,
    PASS,
    UNKNOWN,
    a_goal,
    a_harness,
    a_predicate,
    a_remedy,
    a_service,
    a_task,
    predicate_observed,
)
from tests.core.stories import a_red_service, a_red_task, held_by_backoff, next_red
from tests.played import Played

# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_an_empty_vector_never_converges_a_goal() -> None:
    play = Played(a_goal())
    play.folded = type(play.folded)(
        goal=Goal(id=play.goal.id, owner=play.goal.owner, predicates=()), progress=play.progress
    )
    assert isinstance(play.turn(), Hold)
    assert play.status is GoalStatus.OBSERVING


@pytest.mark.parametrize("verdict", [ERROR, UNKNOWN], ids=["error", "unknown"])
@pytest.mark.parametrize("live", [True, False], ids=["live", "code"])
@pytest.mark.parametrize("standing", [True, False], ids=["standing", "one-shot"])
def test_error_verdict_is_not_work(verdict: Verdict, live: bool, standing: bool) -> None:
    goal = a_goal(
        a_predicate("it", live=live), remedies=[a_remedy()], harness=a_harness("it"), standing=standing
    )
    play = Played(goal).looks(verdict, verdict, verdict)
    assert isinstance(play.turn(), Hold)
    assert play.status is GoalStatus.OBSERVING


def test_error_is_work_for_a_remedy_that_says_so() -> None:
    play = Played(a_service(remedies=[a_remedy(cmd="first"), a_remedy("livez", cmd="dig", on_error=True)]))
    play.look("livez", ERROR)
    assert play.act_intended().rung == "remedy:1"


def test_unknown_is_work_for_nobody() -> None:
    play = Played(a_service(remedies=[a_remedy("livez", on_error=True)])).looks(UNKNOWN, UNKNOWN)
    assert isinstance(play.turn(), Hold)


def test_error_is_never_agent_work_even_where_a_remedy_gave_up() -> None:
    goal = a_goal(a_predicate("tests"), remedies=[a_remedy(on_error=True, attempts=1)], harness=a_harness())
    play = Played(goal).look("tests", ERROR)
    assert play.acted().rung == "remedy:0"
    play.look("tests", ERROR).advance(60.0)
    play.turn()
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    assert play.episode.dispatches == 0


@pytest.mark.parametrize("reason", sorted(PERMANENT_REASONS))
def test_a_permanent_error_ends_at_once(reason: str) -> None:
    play = Played(a_task()).look("tests", errored(reason))
    play.turn()
    assert play.status is GoalStatus.STUCK
    assert play.progress.reason is not None
    assert reason in play.progress.reason


def test_a_red_is_repaired_before_a_permanent_error_elsewhere_ends_the_goal() -> None:
    goal = a_goal(a_predicate("site", live=True), a_predicate("tests"), remedies=[a_remedy("site")])
    play = Played(goal).look("tests", errored("missing_cmd")).looks(FAIL, FAIL)
    play.acted()
    play.look("tests", errored("missing_cmd"))
    assert isinstance(play.turn(), Hold)
    play.looks(PASS, PASS)
    play.turn()
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.ERROR_WEDGED)


def test_a_passing_error_is_waited_for_with_patience() -> None:
    play = Played(a_task())
    for at_s in (0, 5, 15, 35, 75, 155, 315, 599):
        play.look("tests", ERROR, at=at_s)
        assert isinstance(play.turn(), Hold), at_s
    play.look("tests", ERROR, at=600)
    play.turn()
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.ERROR_WEDGED)


# --- confirming -------------------------------------------------------------------------------------------------------


def test_one_red_is_not_enough_to_act_on_a_live_predicate() -> None:
    play = Played(a_service()).look("livez", FAIL)
    guard = play.guard("confirm")
    assert (guard.predicates, guard.until_s) == (("livez",), 2.0)
    assert play.status is GoalStatus.ACTING, "confirm is `acting` with its own reason and next-at"
    assert isinstance(play.look("livez", FAIL, at=2.0).turn(), Act)


def test_a_code_red_is_acted_on_at_once() -> None:
    assert isinstance(a_red_task().turn(), Act)


@pytest.mark.parametrize(
    ("looks", "acts"),
    [
        pytest.param((FAIL, ERROR, FAIL), True, id="error-does-not-reset"),
        pytest.param((FAIL, UNKNOWN, FAIL), True, id="unknown-does-not-reset"),
        pytest.param((FAIL, ERROR, ERROR), False, id="error-does-not-advance"),
        pytest.param((FAIL, PASS, FAIL), False, id="green-starts-again"),
        pytest.param((FAIL, FAIL, ERROR), False, id="error-now-is-not-red-now"),
    ],
)
def test_confirm_counts_reds_in_a_row(looks: tuple[Verdict, ...], acts: bool) -> None:
    assert isinstance(Played(a_service()).looks(*looks).turn(), Act) is acts


def test_a_second_look_before_recheck_confirms_nothing() -> None:
    play = Played(a_service()).look("livez", FAIL).advance(0.1)
    play.reconcile().look("livez", FAIL)
    assert play.guard("confirm").until_s == 2.0
    assert isinstance(play.look("livez", FAIL, at=2.0).turn(), Act)


def test_a_second_green_before_recheck_does_not_converge() -> None:
    play = a_red_service()
    play.acted()
    play.look("livez", PASS).advance(0.1).reconcile().look("livez", PASS)
    play.turn()
    assert play.status is GoalStatus.ACTING
    play.advance(2.0).look("livez", PASS).turn()
    assert play.status is GoalStatus.HOLDING


def test_looking_and_waiting_cost_no_iteration() -> None:
    play = Played(a_service()).looks(FAIL, ERROR, PASS, FAIL, FAIL)
    play.turn()
    assert play.episode.iterations == 0
    play.act_intended()
    assert play.episode.iterations == 1


# --- who acts ---------------------------------------------------------------------------------------------------------


def test_the_first_remedy_in_file_order_that_matches_acts() -> None:
    remedies = [a_remedy("other", cmd="a"), a_remedy("livez", cmd="b"), a_remedy(cmd="c")]
    act = a_red_service(remedies=remedies).turn()
    assert isinstance(act, Act)
    assert (act.rung, act.title, act.predicates) == ("remedy:1", "b", ("livez",))


def test_a_remedy_without_attempts_left_makes_room_for_the_next() -> None:
    play = a_red_service(remedies=[a_remedy(cmd="a", attempts=1), a_remedy(cmd="b", attempts=1)])
    assert play.acted().rung == "remedy:0"
    assert next_red(play).acted().rung == "remedy:1"
    next_red(play)
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    assert "a (exited 0), b (exited 0)" in (play.progress.reason or "")


def test_the_agent_comes_after_remedies_that_could_not_repair() -> None:
    play = Played(a_goal(a_predicate("tests"), remedies=[a_remedy(attempts=1)], harness=a_harness()))
    play.look("tests", FAIL, tree="t0")
    assert play.acted().rung == "remedy:0"
    assert next_red(play, tree="t0").acted().rung == "harness:claude"


def test_the_agent_is_not_asked_while_a_remedy_waits_out_its_backoff() -> None:
    play = Played(a_goal(a_predicate("tests"), remedies=[a_remedy(attempts=2)], harness=a_harness()))
    play.look("tests", FAIL)
    play.acted()
    play.look("tests", FAIL)
    assert play.guard("backoff").predicates == ("tests",)


def test_a_backoff_of_one_predicate_does_not_hold_another() -> None:
    goal = a_goal(
        a_predicate("a", live=True),
        a_predicate("b", live=True),
        remedies=[a_remedy("a"), a_remedy("b")],
        standing=True,
    )
    play = Played(goal).looks(FAIL, FAIL, of="a")
    play.acted()
    play.look("a", FAIL).look("b", FAIL).advance(2.0).look("a", FAIL).look("b", FAIL)
    act = play.act_intended()
    assert (act.rung, act.predicates) == ("remedy:1", ("b",))


def test_a_live_red_is_never_agent_work() -> None:
    play = Played(a_goal(a_predicate("livez", live=True), harness=a_harness()))
    play.looks(FAIL, FAIL).turn()
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_EXECUTOR)


@pytest.mark.parametrize(
    "goal",
    [
        pytest.param(a_goal(a_predicate("livez", live=True), harness=a_harness("livez")), id="for-names-it"),
        pytest.param(
            a_goal(a_predicate("livez", live=True, acceptance=True), harness=a_harness(), mode=Mode.CREATE),
            id="acceptance-of-a-create-goal",
        ),
    ],
)
def test_a_live_red_is_agent_work_when_the_goal_says_so(goal: Goal) -> None:
    act = Played(goal).looks(FAIL, FAIL).turn()
    assert isinstance(act, Act)
    assert act.rung == "harness:claude"


def test_acceptance_alone_does_not_make_a_live_red_agent_work() -> None:
    play = Played(a_goal(a_predicate("livez", live=True, acceptance=True), harness=a_harness()))
    play.looks(FAIL, FAIL).turn()
    assert play.cause is Cause.NO_EXECUTOR


def test_a_goal_with_remedies_and_no_harness_never_dispatches() -> None:
    play = Played(a_goal(a_predicate("tests"), remedies=[a_remedy("livez")])).look("tests", FAIL)
    play.turn()
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_EXECUTOR)


def test_a_red_nobody_may_repair_is_reported_and_held() -> None:
    play = a_red_service(remedies=[])
    hold = play.held()
    assert (hold.status, hold.cause) == (GoalStatus.STUCK, Cause.NO_EXECUTOR)
    assert hold.reason is not None
    assert "livez" in hold.reason


def test_one_act_at_a_time() -> None:
    goal = a_goal(
        a_predicate("a", live=True), a_predicate("b", live=True), remedies=[a_remedy()], standing=True
    )
    play = Played(goal).looks(FAIL, FAIL, of="a")
    play.act_intended()
    play.looks(FAIL, FAIL, of="b")
    assert play.guard("act").predicates == ("a",)
    assert play.status is GoalStatus.ACTING


def test_a_confirmed_red_acts_at_once_and_does_not_wait_for_a_hanging_sibling() -> None:
    goal = a_goal(a_predicate("a", live=True), a_predicate("hangs", live=True), remedies=[a_remedy("a")])
    assert isinstance(Played(goal).looks(FAIL, FAIL, of="a").turn(), Act)


@pytest.mark.parametrize(
    ("groups", "reasons", "expected"),
    [
        pytest.param((None, None), ("same", "same"), ("a",), id="no-group-one-predicate"),
        pytest.param(("g", "g"), ("same", "same"), ("a", "b"), id="group-and-evidence-shared"),
        pytest.param(("g", "g"), ("took 12 ms", "took 13 ms"), ("a", "b"), id="evidence-but-for-numbers"),
        pytest.param(("g", "g"), ("this", "that"), ("a",), id="other-evidence"),
        pytest.param(("g", "h"), ("same", "same"), ("a",), id="other-group"),
    ],
)
def test_a_dispatch_gets_one_slice(
    groups: tuple[str | None, str | None], reasons: tuple[str, str], expected: tuple[str, ...]
) -> None:
    goal = a_goal(a_predicate("a", group=groups[0]), a_predicate("b", group=groups[1]), harness=a_harness())
    play = Played(goal).look("a", failed(reasons[0])).look("b", failed(reasons[1]))
    act = play.turn()
    assert isinstance(act, Act)
    assert act.predicates == expected


# --- after an act -----------------------------------------------------------------------------------------------------


def test_a_goal_converges_only_on_looks_that_started_after_the_act_ended() -> None:
    goal = a_goal(a_predicate("livez", live=True), a_predicate("tests"), remedies=[a_remedy("livez")])
    play = Played(goal).look("tests", PASS).looks(FAIL, FAIL)
    play.acted()
    play.looks(PASS, PASS)
    play.turn()
    assert play.status is GoalStatus.ACTING, "`tests` was green before the act; that says nothing now"
    assert play.due == ("tests",)
    play.look("tests", PASS).turn()
    assert play.status is GoalStatus.CONVERGED


@pytest.mark.parametrize("verdict", [PASS, FAIL], ids=["green", "red"])
def test_a_look_that_began_during_the_act_counts_for_nothing(verdict: Verdict) -> None:
    play = a_red_service()
    play.act_intended()
    began_s = play.now.boot_s
    play.act_ended(after=1.0).advance(1.0)
    play.record(predicate_observed("livez", verdict, at=began_s, ended_s=play.now.boot_s))
    assert (play.state("livez").passes, play.state("livez").fails) == (0, 0)
    assert play.due == ("livez",)
    play.look("livez", verdict)
    play.turn()
    assert play.status is GoalStatus.ACTING, "one look after the act is not two"


def test_a_repair_is_never_believed_until_it_is_seen() -> None:
    play = a_red_service()
    play.acted(exit_code=0)
    play.turn()
    assert play.status is GoalStatus.ACTING
    play.looks(PASS, PASS).turn()
    assert play.status is GoalStatus.HOLDING


def test_a_failed_remedy_after_which_all_is_green_converges() -> None:
    play = Played(a_goal(a_predicate("livez", live=True), remedies=[a_remedy()])).looks(FAIL, FAIL)
    play.acted(exit_code=1)
    play.looks(PASS, PASS).turn()
    assert play.status is GoalStatus.CONVERGED


# --- no act on an old red ---------------------------------------------------------------------------------------------


def waited_for_backoff(play: Played) -> None:
    held_by_backoff(play)
    play.at(play.guard("backoff").until_s or 0.0)


def waited_for_a_lease(play: Played) -> None:
    play.turn()
    play.act_deferred()
    assert play.guard("lease").reason == "held by ada/other"
    assert play.status is GoalStatus.WAITING
    play.advance(5.0).reconcile()


def waited_for_a_daemon(play: Played) -> None:
    play.turn()
    play.restart_daemon(down_s=60.0)


def waited_for_a_clock(play: Played) -> None:
    play.turn()
    play.step_clock(3600.0)


def waited_for_a_person(play: Played) -> None:
    play.turn()
    play.suspend()
    play.turn()
    play.advance(5.0).resume()


@pytest.mark.parametrize(
    "wait",
    [
        waited_for_backoff,
        waited_for_a_lease,
        waited_for_a_daemon,
        waited_for_a_clock,
        waited_for_a_person,
    ],
)
def test_whatever_waited_is_observed_again_first(wait: object) -> None:
    assert callable(wait)
    for verdict, acts in ((FAIL, True), (PASS, False)):
        play = a_red_service(remedies=[a_remedy(attempts=9)])
        wait(play)
        first = play.turn()
        assert isinstance(first, (Look, Hold)), first
        if isinstance(first, Look):
            assert first.predicates == ("livez",)
        else:
            assert play.due == ("livez",)
        play.looks(verdict, verdict)
        assert isinstance(play.turn(), Act) is acts
    assert play.status is GoalStatus.HOLDING, "a red that is gone cancels the act"


def test_the_wait_behind_a_lease_is_not_wall_clock() -> None:
    play = a_red_service(budget=Budget(wall_clock_s_max=60.0))
    play.turn()
    play.act_deferred().held()
    play.advance(3600.0).reconcile()
    play.looks(FAIL, FAIL)
    assert isinstance(play.turn(), Act)
