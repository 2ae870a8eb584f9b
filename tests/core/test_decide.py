"""The decision of a turn, told as short stories: who acts, on what, when, and how it ends (SEMANTICS §1 to §4, §6)."""

import pytest

from kazid.core.decision import Act, Cancel, Conclude, Hold, Look, Resume
from kazid.core.event import StatusChanged
from kazid.core.goal import Budget, BudgetWindow, Goal, Mode
from kazid.core.progress import Desired
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import PERMANENT_REASONS, Verdict, errored, failed, unknown
from tests.builders import (
    ERROR,
    FAIL,
    PASS,
    UNKNOWN,
    Played,
    a_goal,
    a_harness,
    a_predicate,
    a_remedy,
    a_service,
    a_task,
    act_ended,
    predicate_observed,
)

DAY_S = 86_400.0


def a_red_service(**others: object) -> Played:
    """`livez` was confirmed red at 2 s; the act on it is due."""
    return Played(a_service(**others)).looks(FAIL, FAIL)


def a_red_task(**others: object) -> Played:
    """`tests` is red; a dispatch is due."""
    play = Played(a_task(**others))
    play.turn()
    return play.look("tests", FAIL, tree="t0")


def next_red(play: Played, *, tree: str | None = None, evidence: str = "unreachable") -> Played:
    """After an act: wait the backoff out and confirm the red again."""
    until_s = play.held().until_s
    for predicate in play.goal.predicates:
        for _ in range(predicate.cadence.confirm):
            play.look(predicate.id, failed(evidence), tree=tree).advance(2.0)
    while isinstance(hold := play.turn(), Hold) and any(g.name == "backoff" for g in hold.guards):
        assert hold.until_s is not None, until_s
        play.at(hold.until_s)
    if isinstance(hold, Look):
        for predicate_id in hold.predicates:
            play.look(predicate_id, failed(evidence), tree=tree)
    return play


def held_by_backoff(play: Played) -> Played:
    """Act until the jitter gives a delay that is longer than confirming the red takes."""
    for _ in range(9):
        play.acted()
        play.looks(*[FAIL] * 2)
        if isinstance(hold := play.turn(), Hold):
            assert [g.name for g in hold.guards] == ["backoff"]
            return play
    raise AssertionError("nine acts and no backoff")


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


# --- budgets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "status"),
    [(PASS, GoalStatus.CONVERGED), (FAIL, GoalStatus.OVER_BUDGET)],
    ids=["green", "red"],
)
def test_one_iteration_acts_once_looks_once_more_and_then_ends(verdict: Verdict, status: GoalStatus) -> None:
    goal = a_goal(
        a_predicate("livez", live=True), remedies=[a_remedy(attempts=5)], budget=Budget(iterations_max=1)
    )
    play = Played(goal).looks(FAIL, FAIL)
    play.acted()
    hold = play.held()
    assert hold.status is GoalStatus.ACTING, "a final observation is always reserved"
    assert any(g.name == "final" for g in hold.guards)
    play.looks(verdict, verdict).turn()
    assert play.status is status


@pytest.mark.parametrize(
    ("budget", "spent", "words"),
    [
        pytest.param(Budget(iterations_max=1), {}, "1 of 1 iterations", id="iterations"),
        pytest.param(
            Budget(tokens_max=100, dispatches_max=9), {"tokens": 100}, "100 of 100 tokens", id="tokens"
        ),
        pytest.param(Budget(dispatches_max=1), {}, "1 of 1 dispatches", id="dispatches"),
    ],
)
def test_a_ceiling_ends_the_goal_over_budget(budget: Budget, spent: dict[str, int], words: str) -> None:
    play = a_red_task(budget=budget)
    play.acted(**spent)
    next_red(play, tree="t1")
    assert (play.status, play.cause) == (GoalStatus.OVER_BUDGET, Cause.BUDGET_EXHAUSTED)
    assert words in (play.progress.reason or "")


@pytest.mark.parametrize(
    ("budget", "spent", "words"),
    [
        pytest.param(Budget(dispatches_per_day_max=1), {}, "1 of 1 dispatches in 24 h", id="a-day"),
        pytest.param(
            Budget(window=BudgetWindow(per_s=5400.0, dispatches_max=1)),
            {},
            "1 of 1 dispatches in 90 m",
            id="own",
        ),
        pytest.param(
            Budget(window=BudgetWindow(per_s=7 * DAY_S, tokens_max=100)),
            {"tokens": 100},
            "100 of 100 tokens in 7 d",
            id="tokens",
        ),
    ],
)
def test_a_spent_window_ends_a_goal_by_its_own_cause(
    budget: Budget, spent: dict[str, int], words: str
) -> None:
    play = a_red_task(budget=budget)
    play.acted(**spent)
    next_red(play, tree="t1")
    assert (play.status, play.cause) == (GoalStatus.OVER_BUDGET, Cause.WINDOW_EXHAUSTED)
    assert words in (play.progress.reason or "")


def test_a_dispatch_ceiling_does_not_hold_remedies() -> None:
    goal = a_goal(
        a_predicate("livez", live=True),
        remedies=[a_remedy()],
        harness=a_harness(),
        budget=Budget(dispatches_max=0),
    )
    assert isinstance(Played(goal).looks(FAIL, FAIL).turn(), Act)


def test_the_wall_clock_ends_a_goal_after_one_more_look() -> None:
    play = a_red_service(remedies=[a_remedy(attempts=9)], budget=Budget(wall_clock_s_max=60.0))
    play.turn()
    play.at(62.0)
    hold = play.held()
    assert hold.until_s is None or hold.until_s > play.now.boot_s, "a time in the past makes the loop spin"
    play.reconcile().look("livez", FAIL).turn()
    assert (play.status, play.progress.reason) == (GoalStatus.OVER_BUDGET, "60 s of wall clock used")


def test_the_wall_clock_cancels_a_running_act() -> None:
    play = a_red_service(budget=Budget(wall_clock_s_max=60.0))
    play.act_intended()
    assert play.held().until_s == 62.0
    play.at(62.0)
    cancel = play.turn()
    assert isinstance(cancel, Cancel)
    assert "60 s of wall clock" in cancel.reason


def test_suspended_time_is_not_wall_clock() -> None:
    play = a_red_service(budget=Budget(wall_clock_s_max=60.0))
    play.turn()
    play.advance(10.0).suspend().advance(3600.0).turn()
    play.resume().looks(FAIL, FAIL)
    assert isinstance(play.turn(), Act)
    play.advance(60.0).turn()
    play.look("livez", FAIL).turn()
    assert play.status is GoalStatus.OVER_BUDGET


def test_converged_wins_over_a_budget_that_ends_in_the_same_turn() -> None:
    play = a_red_task(budget=Budget(iterations_max=1, tokens_max=10, dispatches_max=1))
    play.acted(tokens=10)
    play.look("tests", PASS).turn()
    assert play.status is GoalStatus.CONVERGED


@pytest.mark.parametrize(
    "budget", [Budget(dispatches_max=2), Budget(iterations_max=2)], ids=["dispatches", "iterations"]
)
def test_over_budget_wins_over_stuck_and_names_it(budget: Budget) -> None:
    play = a_red_task(budget=budget)
    play.acted()
    next_red(play, tree="t0").acted()
    next_red(play, tree="t0")
    assert play.status is GoalStatus.OVER_BUDGET
    assert "also stuck" in (play.progress.reason or "")


def test_a_verdict_waits_for_a_sibling_that_was_not_looked_at_since() -> None:
    goal = a_goal(a_predicate("a"), a_predicate("b"), harness=a_harness(), budget=Budget(iterations_max=1))
    play = Played(goal).look("a", FAIL).look("b", PASS)
    play.acted()
    play.look("a", FAIL).turn()
    assert play.status is GoalStatus.ACTING
    play.look("b", PASS).turn()
    assert play.status is GoalStatus.OVER_BUDGET


def test_a_standing_goal_over_its_daily_ceiling_goes_on_when_the_day_renews() -> None:
    play = a_red_task(standing=True, budget=Budget(dispatches_per_day_max=1))
    play.acted()
    ended_s = play.now.boot_s
    next_red(play, tree="t1")
    assert play.status is GoalStatus.OVER_BUDGET
    hold = play.held()
    assert hold.until_s == pytest.approx(ended_s + DAY_S), "a decision to wait says until when"
    assert [g.name for g in hold.guards] == ["person", "window"]
    play.look("tests", FAIL, at=ended_s + DAY_S - 1.0, tree="t1")
    assert isinstance(play.turn(), Hold)
    play.at(ended_s + DAY_S)
    assert isinstance(play.decide(), Resume)
    play.turn()
    assert play.episode.dispatches == 1, "the window renewed; the episode's own counters go on"
    play.look("tests", FAIL, tree="t1")
    assert isinstance(play.turn(), Act)


def test_a_flapping_predicate_does_not_keep_a_goal_from_its_end() -> None:
    goal = a_goal(
        a_predicate("flaps", live=True),
        remedies=[a_remedy()],
        budget=Budget(wall_clock_s_max=60.0),
    )
    play = Played(goal)
    for position in range(40):
        play.turn()
        play.looks([PASS, FAIL][position % 2]).advance(2.0)
    play.turn()
    assert play.status is GoalStatus.OVER_BUDGET


def test_a_verdict_that_has_just_turned_is_waited_for() -> None:
    play = Played(
        a_goal(
            a_predicate("livez", live=True),
            remedies=[a_remedy(attempts=9)],
            budget=Budget(wall_clock_s_max=60.0),
        )
    )
    play.turn()
    play.looks(FAIL, FAIL)
    play.acted(after=56.0)
    play.look("livez", PASS, at=60.0).turn()
    assert play.status is GoalStatus.ACTING
    play.look("livez", PASS, at=62.0).turn()
    assert play.status is GoalStatus.CONVERGED


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


@pytest.mark.parametrize(
    "cause", [Cause.CAPABILITY_UNREACHABLE, Cause.PERMISSION_DENIED, Cause.PARKED_ON_BACKGROUND]
)
def test_a_dispatch_that_another_would_only_repeat_is_stuck_at_once(cause: Cause) -> None:
    play = a_red_task()
    play.acted(cause=cause)
    next_red(play, tree="t0")
    assert (play.status, play.cause, play.episode.dispatches) == (GoalStatus.STUCK, cause, 1)


@pytest.mark.parametrize("cause", [Cause.PERMISSION_DENIED, Cause.PARKED_ON_BACKGROUND])
def test_an_agent_that_gave_up_but_changed_something_is_asked_again(cause: Cause) -> None:
    play = a_red_task()
    play.acted(cause=cause)
    next_red(play, tree="t1")
    assert isinstance(play.turn(), Act)


# --- half-open --------------------------------------------------------------------------------------------------------


def a_stuck_service() -> Played:
    play = a_red_service()
    play.acted()
    next_red(play).acted()
    next_red(play)
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    return play


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
