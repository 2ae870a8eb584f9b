"""What an event carries is kept whole by the fold and by what is told of it: no field gets lost on the way."""

from typing import Any

import pytest
from msgspec.structs import replace

from kazid.core import ladder, push
from kazid.core.approval_event import (
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalVoided,
    ChangeHeld,
)
from kazid.core.change import Change
from kazid.core.charge import charged, cost_usd_of
from kazid.core.event import (
    BY_EXPIRY,
    BY_WINDOW,
    ActDeferred,
    AlertAcknowledged,
    Event,
    GoalDeleted,
    GoalParked,
    GoalResumed,
    GoalStopped,
    GoalSuspended,
    IncidentClosed,
    IncidentOpened,
    ReconcileRequested,
    StatusChanged,
    SteadyObserved,
    SteadyTick,
    Usage,
)
from kazid.core.fold import Folded
from kazid.core.goal import Assignment
from kazid.core.guards import without
from kazid.core.ids import AttemptId, Epoch, Generation, PredicateId
from kazid.core.ladder import unspent
from kazid.core.level import Gate
from kazid.core.notice import REASON_CHARS_MAX, Notice, NoticeKind, noticed
from kazid.core.progress import ActSummary, Deferred, LadderState, RunningAct
from kazid.core.status import Cause, GoalStatus
from kazid.core.tally import forget_acts
from kazid.core.window import Spending
from tests.builders import (
    FAIL,
    PASS,
    WALL_0,
    a_goal,
    a_harness,
    a_predicate,
    a_remedy,
    a_state,
    act_ended,
    act_intended,
)
from tests.core.test_event import PLAN
from tests.played import Played

SENT = Assignment(harness="codex", model="gpt-5", effort="high", by="ladder 2 of 3", step=1)
INTENT = act_intended(
    ("tests", "livez"),
    attempt_id=AttemptId("a7"),
    rung="harness:codex",
    title="codex",
    number=7,
    epoch=Epoch(3),
    generation=Generation(2),
    fingerprint="f7",
    half_open=True,
    tokens_reserved=900,
    cost_usd_reserved=0.75,
    trees=("/src",),
    assignment=SENT,
)


def intended() -> Played:
    """Red, its episode open, and the intent journalled at 12."""
    goal = a_goal(a_predicate("tests"), a_predicate("livez", live=True), harness=a_harness())
    played = Played(goal).look("livez", PASS).look("tests", FAIL)
    played.turn()
    return played.at(12.0).record(INTENT)


def test_an_intent_is_the_running_act() -> None:
    assert intended().progress.act == RunningAct(
        attempt_id=AttemptId("a7"),
        number=7,
        rung="harness:codex",
        title="codex",
        predicates=("tests", "livez"),
        epoch=Epoch(3),
        started_s=12.0,
        tokens_reserved=900,
        half_open=True,
        trees=("/src",),
        cost_usd_reserved=0.75,
        assignment=SENT,
    )


def test_an_intent_is_an_attempt_of_its_episode_and_sets_aside_what_it_may_cost() -> None:
    played = intended()
    (summary,) = played.episode.acts
    assert summary == ActSummary(
        attempt_id=AttemptId("a7"),
        number=7,
        rung="harness:codex",
        title="codex",
        predicates=(PredicateId("tests"), PredicateId("livez")),
        greens=summary.greens,
        reds=(PredicateId("tests"),),
        assignment=SENT,
    )
    assert (played.progress.acts, played.progress.deferred) == (7, None)
    assert (played.episode.iterations, played.episode.dispatches) == (1, 1)
    assert (played.episode.attempts, tuple(played.episode.fingerprints)) == ({}, ("f7",))
    assert played.progress.spent == (Spending(at_wall_s=WALL_0 + 12.0, tokens=900, cost_usd=0.75),)


@pytest.mark.parametrize(
    ("half_open", "attempts"),
    [(False, {"remedy:0": 3}), (True, {"remedy:0": 2})],
    ids=["counted", "half-open"],
)
def test_a_remedy_is_counted_by_its_rung_and_the_hourly_retry_is_not(
    half_open: bool, attempts: dict[str, int]
) -> None:
    played = intended()
    progress = replace(
        played.progress, act=None, spent=(), episode=replace(played.episode, attempts={"remedy:0": 2})
    )
    played.folded = Folded(played.goal, progress)
    played.record(act_intended(rung="remedy:0", number=8, half_open=half_open))
    assert played.episode.attempts == attempts
    assert (played.episode.iterations, played.episode.dispatches) == (2, 1)
    assert (tuple(played.episode.fingerprints), played.progress.spent) == (("f7",), ())


def test_an_end_is_written_to_its_attempt_and_charged_to_its_episode() -> None:
    played = intended()
    change = Change(files=2, lines=9, touched=("a.py",))
    end = act_ended(
        at=20.0,
        attempt_id=AttemptId("a7"),
        exit_code=3,
        duration_s=8.0,
        reason="usage",
        tokens_charged=700,
        charge_estimated=True,
        cost_usd_charged=0.5,
        cost_estimated=True,
        cause=Cause.PERMISSION_DENIED,
        until_wall_s=99.0,
        change=change,
    )
    (before,) = played.episode.acts
    other = replace(before, attempt_id=AttemptId("a6"), number=6)
    episode = replace(played.episode, acts=(other, before), tokens=10, cost_usd=0.25)
    after = charged(episode, end)
    assert after.acts == (
        other,
        replace(
            before,
            ending="exited",
            exit_code=3,
            duration_s=8.0,
            reason="usage",
            tokens=700,
            cause=Cause.PERMISSION_DENIED,
            until_wall_s=99.0,
            change=change,
        ),
    )
    assert (after.tokens, after.tokens_estimated) == (710, True)
    assert (after.cost_usd, after.cost_estimated) == (0.75, True)
    quiet = charged(replace(played.episode, tokens=None), act_ended(at=20.0, attempt_id=AttemptId("a7")))
    assert (quiet.tokens, quiet.cost_usd, quiet.tokens_estimated, quiet.cost_estimated) == (
        None,
        None,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("fields", "cost_usd"),
    [
        pytest.param({}, None, id="nothing-is-known"),
        pytest.param({"usage": Usage(cost_usd=0.5)}, 0.5, id="reported"),
        pytest.param({"usage": Usage(cost_usd=0.5), "cost_usd_charged": 0.75}, 0.75, id="charged"),
        pytest.param({"cost_usd_charged": 0.0}, 0.0, id="charged-with-nothing"),
    ],
)
def test_what_is_charged_comes_before_what_was_reported(
    fields: dict[str, Any], cost_usd: float | None
) -> None:
    assert cost_usd_of(act_ended(at=1.0, **fields)) == cost_usd


@pytest.mark.parametrize(
    ("step", "dispatches", "left"),
    [
        pytest.param(1, 3, 2, id="of-this-rung"),
        pytest.param(1, 1, 0, id="the-only-one"),
        pytest.param(1, 0, 0, id="none"),
        pytest.param(0, 3, 3, id="of-the-rung-before"),
        pytest.param(None, 3, 3, id="of-no-ladder"),
    ],
)
def test_a_dispatch_that_never_started_is_none_on_its_own_rung(
    step: int | None, dispatches: int, left: int
) -> None:
    sent = None if step is None else Assignment(harness="claude", step=step)
    assert unspent(LadderState(step=1, dispatches=dispatches), sent) == LadderState(step=1, dispatches=left)


def test_fresh_counters_forget_what_was_tried_and_keep_what_was_seen() -> None:
    tried = a_state(
        FAIL,
        backoff_n=3,
        acts=2,
        fails=4,
        passes=1,
        errors=5,
        errors_since_s=1.0,
        unsettled_since_s=2.0,
        unsettled_looks=6,
        is_unverified=True,
        reruns_left=1,
        was_red=True,
        is_quarantined=True,
        quarantine_passes=1,
        quarantine_looks=2,
        put_back_s=(1.0,),
        put_back_digest="d",
        baseline=0.5,
    )
    assert forget_acts(tried) == a_state(FAIL, baseline=0.5)


def test_only_the_readings_a_guard_names_count_as_settled_without_it() -> None:
    goal = a_goal(*(a_predicate(name, live=True) for name in ("a", "b", "c")), standing=True)
    played = Played(goal).look("a", FAIL).look("b", FAIL).look("c", PASS)
    (first, *_) = played.held().guards
    guard = replace(first, name="confirm", predicates=(PredicateId("a"), PredicateId("c")))
    _, vector = without(guard, played.goal, played.progress, played.vector, played.now)
    assert [(r.predicate_id, r.is_settled) for r in vector.readings] == [
        ("a", True),
        ("b", False),
        ("c", False),
    ]
    _, greens = without(
        replace(guard, name="recover"), played.goal, played.progress, played.vector, played.now
    )
    assert [r.is_settled for r in greens.readings] == [False, False, True]


def test_without_what_it_waits_for_a_goal_waits_for_nothing() -> None:
    played = Played(a_goal(a_predicate("livez", live=True), standing=True)).look("livez", FAIL)
    (first, *_) = played.held().guards
    waiting = replace(played.progress, deferred=Deferred(waits_for="lease", holder="ada/b", since_s=0.0))
    for name, deferred in (("lease", None), ("quota", waiting.deferred)):
        freed, vector = without(replace(first, name=name), played.goal, waiting, played.vector, played.now)
        assert (freed.deferred, vector) == (deferred, played.vector)


def status_changed(status: GoalStatus, **fields: Any) -> StatusChanged:
    return StatusChanged(status=status, **fields)


@pytest.mark.parametrize(
    ("event", "notice"),
    [
        pytest.param(
            status_changed(GoalStatus.STUCK, cause=Cause.NO_PROGRESS, reason=" a\n b "),
            Notice(kind=NoticeKind.PROBLEM, status="stuck", cause="no_progress", reason="a b"),
            id="stuck",
        ),
        pytest.param(
            status_changed(GoalStatus.VACUOUS),
            Notice(kind=NoticeKind.PROBLEM, status="vacuous", cause="", reason=""),
            id="vacuous-without-a-word",
        ),
        pytest.param(
            status_changed(GoalStatus.CONVERGED, reason="all green"),
            Notice(kind=NoticeKind.SETTLED, status="converged"),
            id="converged",
        ),
        pytest.param(
            status_changed(GoalStatus.HOLDING),
            Notice(kind=NoticeKind.SETTLED, status="holding"),
            id="holding",
        ),
        pytest.param(status_changed(GoalStatus.ACTING), None, id="acting"),
        pytest.param(
            GoalParked(traceback="t", reason="ValueError"),
            Notice(kind=NoticeKind.PROBLEM, status="parked", cause="crashed", reason="ValueError"),
            id="parked",
        ),
        pytest.param(
            ApprovalRequested(plan=PLAN, plan_sha256="ab"),
            Notice(
                kind=NoticeKind.PROBLEM,
                status="approval",
                reason="deploy: ship; kazictl approve REF --plan ab",
                plan="ab",
            ),
            id="approval",
        ),
        pytest.param(
            ChangeHeld(goal=a_goal(), plan=PLAN, plan_sha256="ab", loosened=(), by="ada"),
            Notice(
                kind=NoticeKind.PROBLEM,
                status="approval",
                reason="deploy: ship; kazictl approve REF --plan ab",
                plan="ab",
            ),
            id="held-change",
        ),
        pytest.param(
            ApprovalRejected(gate=Gate.CHANGE, plan_sha256="ab", by="pia", by_uid=7, reason="no"),
            Notice(kind=NoticeKind.TAKEN, by="pia", reason="no", plan="ab"),
            id="held-change-rejected",
        ),
        pytest.param(
            ApprovalVoided(gate=Gate.CHANGE, plan_sha256="ab", reason="another spec was applied"),
            Notice(kind=NoticeKind.TAKEN, by="its owner", reason="another spec was applied", plan="ab"),
            id="held-change-withdrawn",
        ),
        pytest.param(
            ApprovalGranted(gate=Gate.DEPLOY, plan_sha256="ab", by="pia", by_uid=7, is_enough=True),
            Notice(kind=NoticeKind.TAKEN, status="resumed", by="pia", plan="ab"),
            id="approved",
        ),
        pytest.param(
            ApprovalGranted(gate=Gate.DEPLOY, plan_sha256="ab", by="pia", by_uid=7, is_enough=False),
            None,
            id="not-enough-yet",
        ),
        pytest.param(ActDeferred(waits_for="lease", holder="ada/b"), None, id="a-lease"),
        pytest.param(
            IncidentOpened(red=("a", "b"), acting=(), active=5),
            Notice(
                kind=NoticeKind.PROBLEM,
                status="incident",
                cause="common_cause",
                reason="2 of 5 goals turned red together; one of them tries a repair first",
            ),
            id="incident",
        ),
        pytest.param(
            IncidentClosed(number=1, duration_s=2.0),
            Notice(kind=NoticeKind.SETTLED, status="incident"),
            id="incident-over",
        ),
        pytest.param(
            GoalStopped(epoch=Epoch(2), by="eve"),
            Notice(kind=NoticeKind.ENDED, status="stopped", by="eve"),
            id="stopped",
        ),
        pytest.param(
            GoalDeleted(epoch=Epoch(2), by="eve"),
            Notice(kind=NoticeKind.ENDED, status="deleted", by="eve"),
            id="deleted",
        ),
        pytest.param(GoalResumed(reason="r", by=BY_EXPIRY), None, id="expired"),
        pytest.param(GoalResumed(reason="r", by=BY_WINDOW), None, id="renewed"),
        pytest.param(
            GoalResumed(reason="r", by="eve"),
            Notice(kind=NoticeKind.TAKEN, status="resumed", by="eve", reason="r"),
            id="resumed",
        ),
        pytest.param(
            GoalSuspended(epoch=Epoch(2), reason="tea", by="eve"),
            Notice(kind=NoticeKind.TAKEN, by="eve", reason="tea"),
            id="suspended",
        ),
        pytest.param(
            AlertAcknowledged(by="eve", reason="mine"),
            Notice(kind=NoticeKind.TAKEN, by="eve", reason="mine"),
            id="acknowledged",
        ),
        pytest.param(ReconcileRequested(by="eve"), None, id="a-request"),
    ],
)
def test_people_are_told_of_an_event_in_its_own_words(event: Event, notice: Notice | None) -> None:
    assert noticed(event) == notice


def test_a_long_reason_is_cut_and_one_at_the_bound_is_not() -> None:
    def reason(length: int) -> str:
        said = noticed(GoalParked(traceback="t", reason="x" * length))
        assert said is not None
        return said.reason

    assert reason(REASON_CHARS_MAX) == "x" * REASON_CHARS_MAX
    assert reason(REASON_CHARS_MAX + 1) == "x" * (REASON_CHARS_MAX - 1) + "…"


def test_looks_that_repeat_themselves_are_looks_at_the_same_tree() -> None:
    played = Played(a_goal(a_predicate("tests"), standing=True)).look("tests", PASS, tree="t1")
    event = SteadyObserved(base_s=50.0, ticks=(SteadyTick(0, 2_000_000, 500_000),), generation=Generation(1))
    state = played.record(event).state("tests")
    assert (state.tree, state.looks, state.started_s, state.ended_s) == ("t1", 2, 52.0, 52.5)
    played.record(replace(event, ticks=(SteadyTick(7, 0, 0),)))
    assert played.state("tests") == state, "a predicate that is not there any more"


def test_an_act_counts_for_what_it_served_and_nothing_else() -> None:
    goal = a_goal(
        *(a_predicate(name, live=True) for name in ("a", "b")), remedies=[a_remedy("a")], standing=True
    )
    played = Played(goal).look("b", PASS).looks(FAIL, FAIL, of="a")
    played.acted(after=3.0)
    served, other = played.state("a"), played.state("b")
    assert (served.acts, served.backoff_n, served.is_unverified) == (1, 1, True)
    assert (served.fails, served.passes, served.last_act_ended_s) == (0, 0, played.now.boot_s)
    assert (other.acts, other.backoff_n, other.is_unverified, other.last_act_ended_s) == (0, 0, False, None)


@pytest.mark.parametrize(
    ("step", "tokens", "cost_usd", "after"),
    [
        pytest.param(1, 7, 0.25, (107, 0.75), id="of-this-rung"),
        pytest.param(1, None, None, (100, 0.5), id="nothing-was-reported"),
        pytest.param(0, 7, 0.25, (100, 0.5), id="of-the-rung-before"),
        pytest.param(None, 7, 0.25, (100, 0.5), id="of-no-ladder"),
        pytest.param(1, 0, 0.0000004, (100, 0.5), id="to-the-micro-dollar"),
    ],
)
def test_a_rung_is_charged_what_its_own_dispatches_reported(
    step: int | None, tokens: int | None, cost_usd: float | None, after: tuple[int, float]
) -> None:
    sent = None if step is None else Assignment(harness="claude", step=step)
    state = LadderState(step=1, dispatches=2, tokens=100, cost_usd=0.5)
    paid = ladder.charged(state, sent, tokens=tokens, cost_usd=cost_usd)
    assert paid == replace(state, tokens=after[0], cost_usd=after[1])


@pytest.mark.parametrize(
    ("has_news", "before_s", "refill_s"),
    [
        pytest.param(True, 8.0, 1.0, id="news-makes-it-quick-again"),
        pytest.param(False, 4.0, 8.0, id="none-makes-it-twice-as-slow"),
        pytest.param(False, 32.0, 32.0, id="and-no-slower-than-the-most"),
    ],
)
def test_a_push_without_news_makes_the_next_look_rarer(
    has_news: bool, before_s: float, refill_s: float
) -> None:
    state = push.Pushed(owed_s=10.0, tokens=1.0, counted_s=10.0, refill_s=before_s, pushes=1, last_s=10.0)
    after = push.looked(state, began_s=10.0, ended_s=10.1, has_news=has_news)
    assert (after.refill_s, after.owed_s, after.tokens, after.looks) == (refill_s, None, 0.0, 1)
