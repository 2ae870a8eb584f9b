"""Sentences that people read, whole: why a goal looks again, holds, ends, lands and rolls back."""

from typing import Any

import pytest
from msgspec.structs import replace

from kazid.core.autonomy import asked_for
from kazid.core.decision import Act, Guard, Hold, Look, Resume
from kazid.core.delivery import Integration
from kazid.core.fold import Folded
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.level import Autonomy, Level, Risk
from kazid.core.rungs import half_open
from kazid.core.seal import looked
from kazid.core.status import Cause, GoalStatus
from kazid.core.vector import PENDING, assess
from kazid.core.withheld import may_be_seen_looking
from tests.builders import (
    ERROR,
    FAIL,
    PASS,
    UNKNOWN,
    a_goal,
    a_predicate,
    a_progress,
    a_remedy,
    a_running_act,
    act_ended,
    predicate_observed,
)
from tests.core.test_landing import a_delivering_goal, due, seen
from tests.played import Played

CONFIRM = "one red is not enough: it is confirmed before acting"
RECOVER = "one green is not enough: it is looked at again"


def test_each_open_verdict_says_why_it_is_looked_at_again_and_when() -> None:
    names = ("a", "b", "c", "d")
    play = Played(a_goal(*(a_predicate(n, live=True) for n in names), standing=True, remedies=[a_remedy()]))
    for name, verdict in zip(names, (FAIL, PASS, ERROR, UNKNOWN), strict=True):
        play.look(name, verdict)
    hold = play.held()
    assert [(g.name, g.reason, g.predicates, g.until_s) for g in hold.guards] == [
        ("confirm", CONFIRM, ("a",), 2.0),
        ("recover", RECOVER, ("b",), 2.0),
        ("error", "could not look: dns_failure", ("c",), 5.0),
        ("observe", "no verdict: no_claim", ("d",), 5.0),
    ]
    assert (hold.status, hold.until_s) == (GoalStatus.ACTING, 2.0)
    assert (
        hold.reason == f"a: {CONFIRM}; b: {RECOVER}; c: could not look: dns_failure; d: no verdict: no_claim"
    )


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        pytest.param(FAIL, GoalStatus.ACTING, id="a-red-that-is-confirmed"),
        pytest.param(ERROR, GoalStatus.OBSERVING, id="an-error"),
        pytest.param(UNKNOWN, GoalStatus.OBSERVING, id="an-unknown"),
    ],
)
def test_only_a_red_makes_a_goal_look_busy(verdict: Any, status: GoalStatus) -> None:
    play = Played(a_goal(a_predicate("a", live=True), standing=True, remedies=[a_remedy()]))
    assert play.look("a", verdict).held().status is status


def test_a_green_from_before_the_last_request_is_looked_at_again() -> None:
    play = Played(a_goal(a_predicate("a", live=True), standing=True)).looks(PASS, PASS)
    play.turn()
    play.advance(1.0).reconcile()
    decision = play.turn()
    guards = decision.hold.guards if isinstance(decision, Look) else getattr(decision, "guards", ())
    assert [(g.name, g.reason) for g in guards] == [
        ("observe", "seen before the last act or request to look: it is looked at again")
    ]


def test_a_red_that_waited_is_looked_at_again_before_it_is_acted_on() -> None:
    play = Played(a_goal(a_predicate("a", live=True), standing=True, remedies=[a_remedy()])).looks(FAIL, FAIL)
    play.turn()
    waited = replace(play.progress, act_floor_s=play.now.boot_s + 1.0)
    play.advance(2.0)
    play.folded = Folded(play.goal, waited)
    decision = play.decide()
    assert isinstance(decision, Look)
    assert (decision.predicates, decision.reason) == (
        ("a",),
        "looking again before acting: the red is from before a wait",
    )


def test_a_fence_says_whose_word_it_is_and_a_stop_stays_one_beneath_it() -> None:
    play = Played(a_goal(a_predicate("livez", live=True), standing=True)).looks(FAIL, FAIL)
    play.turn()
    play.suspend(reason="tea", for_s=60.0)
    hold = play.decide()
    assert isinstance(hold, Hold)
    assert (hold.status, hold.cause, hold.reason) == (GoalStatus.STUCK, Cause.NO_EXECUTOR, "tea")
    assert hold.until_s == play.now.boot_s + 60.0
    play.advance(60.0)
    assert play.decide() == Resume(reason="the suspension expired", by="expiry")
    play.turn()
    play.stop()
    stopped = play.decide()
    assert isinstance(stopped, Hold)
    assert (stopped.status, stopped.cause, stopped.reason) == (GoalStatus.STOPPED, None, "stopped")
    assert stopped.guards == (Guard(name="stopped", reason="stopped; apply it again to revive it"),)


def test_a_suspended_goal_that_was_not_stopped_has_no_cause() -> None:
    play = Played(a_goal(a_predicate("livez", live=True), standing=True)).look("livez", PASS)
    play.suspend(reason="tea")
    hold = play.decide()
    assert isinstance(hold, Hold)
    assert (hold.status, hold.cause, hold.until_s) == (GoalStatus.SUSPENDED, None, None)


def test_used_up_remedies_end_in_words_and_are_retried_once_an_hour() -> None:
    goal = a_goal(a_predicate("livez", live=True), standing=True, remedies=[a_remedy("livez", attempts=1)])
    play = Played(goal).looks(FAIL, FAIL)
    play.acted()
    play.looks(FAIL, FAIL)
    hold = play.held()
    said = "every attempt is used and livez still fails; tried: restart (exited 0)"
    assert (hold.status, hold.cause, hold.reason) == (GoalStatus.STUCK, Cause.NO_PROGRESS, said)
    ended_s = play.progress.last_act_ended_s
    assert ended_s is not None
    retry = Guard(
        name="half_open", reason="one retry an hour", until_s=ended_s + 3600.0, predicates=("livez",)
    )
    assert hold.guards == (Guard(name="person", reason=said), retry)
    assert half_open(play.goal, play.progress, play.vector, play.now) == retry


@pytest.mark.parametrize(
    ("rung", "said"),
    [
        pytest.param(
            "land",
            "every attempt is used and landed still fails; tried: land: merge task/g (exited 1); "
            "land: merge task/g (merge_conflict: a.py)",
            id="land",
        ),
        pytest.param(
            "deploy",
            "every attempt is used and deployed still fails; the lowest red layer is built; tried: "
            "deploy: ./deploy, lowest red layer: built (exited 1); "
            "deploy: ./deploy, lowest red layer: built (merge_conflict: a.py)",
            id="deploy",
        ),
    ],
)
def test_the_end_of_a_delivery_says_all_that_was_tried(rung: str, said: str) -> None:
    reds = {"landed": FAIL} if rung == "land" else {"deployed": FAIL, "built": FAIL}
    goal = a_delivering_goal(attempts=2, layers=() if rung == "land" else ("built",))
    play = seen(Played(goal), **reds)
    for ended in ({"exit_code": 1}, {"exit_code": 2, "reason": "merge_conflict: a.py"}):
        assert due(play) == rung
        play.act_intended()
        act = play.progress.act
        assert act is not None
        play.advance(1.0)
        play.record(act_ended(at=play.now.boot_s, attempt_id=act.attempt_id, **ended))
        seen(play, **reds)
    assert play.progress.reason == said


def test_a_rollback_says_what_the_deploy_turned_red_and_how_it_went() -> None:
    goal = a_delivering_goal(rollback=True)
    down = replace(a_predicate("down", live=True, confirm=1, recover=1), id=PredicateId("down"))
    play = seen(Played(replace(goal, predicates=(*goal.predicates, down))), deployed=FAIL)
    play.acted()
    act = seen(play, up=FAIL, down=FAIL).turn()
    assert isinstance(act, Act)
    assert act.title == "rollback: ./back, since the deploy turned up, down red"
    for _ in range(2):
        play.acted(exit_code=1)
        seen(play, up=FAIL, down=FAIL)
    assert play.progress.reason == "the deploy turned up, down red and could not be rolled back (exited 1)"


def test_titles_of_deliveries_are_cut() -> None:
    goal = a_delivering_goal(rollback=True)
    assert goal.deploy is not None
    landing = replace(goal, integration=Integration(mode="merge", branch="b" * 200))
    act = seen(Played(landing), landed=FAIL).turn()
    assert isinstance(act, Act)
    assert act.title == ("land: merge " + "b" * 200)[:120]
    args = replace(goal.deploy, args=("--to", "x" * 200), env_name="prod")
    act = seen(Played(replace(goal, deploy=args)), deployed=FAIL).turn()
    assert isinstance(act, Act)
    assert act.title == ("deploy to prod: ./deploy --to " + "x" * 200)[:100]
    play = seen(Played(replace(goal, deploy=replace(goal.deploy, rollback_cmd="r" * 200))), deployed=FAIL)
    play.acted()
    act = seen(play, up=FAIL).turn()
    assert isinstance(act, Act)
    assert act.title == ("rollback: " + "r" * 200)[:120]


def asking(level: Level = Level.ACT, **levels: Level) -> Goal:
    """A delivering goal with two remedies, one of them for `tests` alone."""
    goal = a_delivering_goal()
    predicates = [replace(p, autonomy=levels.get(p.id, Level.ACT)) for p in goal.predicates]
    remedies = (a_remedy("tests"), replace(a_remedy(), risk=Risk.DATA))
    risks = {Risk.DEPLOY.value: Level.PROPOSE}
    return replace(
        goal, predicates=predicates, remedies=remedies, autonomy=Autonomy(level=level, risks=risks)
    )


@pytest.mark.parametrize(
    ("goal", "levels"),
    [
        pytest.param(asking(), ("act", "propose", "act", "propose"), id="by-class"),
        pytest.param(
            asking(tests=Level.OBSERVE), ("observe", "propose", "act", "propose"), id="by-predicate"
        ),
        pytest.param(asking(Level.APPROVE), ("approve", "propose", "approve", "propose"), id="by-goal"),
    ],
)
def test_each_kind_of_act_asks_for_the_highest_level_of_what_it_serves(
    goal: Goal, levels: tuple[str, ...]
) -> None:
    said = ("remedy 1", "remedy 2", "its agent's work", "its deploys")
    assert [(what, level.value) for what, level in asked_for(goal)] == list(zip(said, levels, strict=True))
    plain = replace(goal, harness=None, deploy=None, remedies=())
    assert list(asked_for(plain)) == []


def test_a_predicate_that_was_never_seen_is_pending_and_nothing_else() -> None:
    goal = a_goal(a_predicate("a"), a_predicate("b"))
    vector = assess(goal, a_progress(), Played(goal).now)
    for reading in vector.readings:
        assert reading.verdict == PENDING
        flags = (reading.is_fresh, reading.is_causal, reading.is_settled)
        assert flags == (False, False, False)
        assert all(type(flag) is bool for flag in flags)
    with pytest.raises(KeyError, match="nobody"):
        vector.reading(PredicateId("nobody"))


@pytest.mark.parametrize(
    ("rung", "held_out", "is_seen"),
    [
        pytest.param("harness:claude", True, True, id="an-agent-works"),
        pytest.param("harness:claude", False, False, id="nothing-is-held-out"),
        pytest.param("remedy:0", True, False, id="a-remedy-reads-nothing"),
        pytest.param(None, True, False, id="nobody-works"),
    ],
)
def test_a_look_at_what_is_held_out_can_be_seen_while_an_agent_works(
    rung: str | None, held_out: bool, is_seen: bool
) -> None:
    predicate = replace(a_predicate("secret"), held_out=held_out)
    progress = a_progress(act=None if rung is None else a_running_act(rung=rung))
    assert may_be_seen_looking(predicate, progress) is is_seen


@pytest.mark.parametrize(
    ("started_s", "acts"),
    [
        pytest.param(9.9, 2, id="before"),
        pytest.param(10.0, 5, id="at-that-moment"),
        pytest.param(11.0, 5, id="after"),
    ],
)
def test_a_look_that_found_the_seal_whole_counts_from_the_end_of_the_last_act(
    started_s: float, acts: int
) -> None:
    look = predicate_observed("p", PASS, at=started_s)
    first = looked(a_progress(acts=2), replace(look, seal={"sealed s": "1"}))
    assert first.seal is not None
    assert (first.seal.files, first.seal.acts) == ({"sealed s": "1"}, 2)
    again = looked(replace(first, acts=5, last_act_ended_s=10.0), look)
    assert again.seal is not None
    assert again.seal.acts == acts
    running = looked(replace(first, acts=5, act=a_running_act()), look)
    assert running.seal == first.seal


def test_a_last_look_at_everything_decides() -> None:
    play = Played(a_goal(a_predicate("a", live=True), a_predicate("b", live=True), standing=True))
    hold = play.looks(FAIL, FAIL, of="a").held()
    assert [(g.name, g.reason, g.predicates) for g in hold.guards] == [
        ("observe", "a last look at everything decides", ("b",)),
        ("observe", "no verdict: pending", ("b",)),
    ]
    assert hold.reason == "b: a last look at everything decides; b: no verdict: pending"
