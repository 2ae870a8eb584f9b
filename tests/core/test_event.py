"""Events as the journal stores them: every type goes to JSON and back, unchanged and by its name."""

from typing import get_args

import msgspec
import pytest

from kazid.core.approval_event import (
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalVoided,
    AutonomyLowered,
    AutonomyRestored,
    ChangeHeld,
)
from kazid.core.bundle import Bundle, BundledAttempt, BundledPredicate
from kazid.core.event import (
    ActDeferred,
    ActEnded,
    ActIntended,
    AlertAcknowledged,
    AuditPruned,
    BundleLeft,
    ClockStepped,
    DispatchPrepared,
    EpisodeClosed,
    EpisodeOpened,
    Event,
    FleetFrozen,
    FleetThawed,
    GoalApplied,
    GoalDeleted,
    GoalFrozen,
    GoalParked,
    GoalResumed,
    GoalStopped,
    GoalSuspended,
    GoalThawed,
    IncidentCanaryFailed,
    IncidentCanaryNamed,
    IncidentClosed,
    IncidentOpened,
    IncidentReleased,
    LadderClimbed,
    LookDeferred,
    PredicateObserved,
    ReconcileRequested,
    Recorded,
    SnapshotTaken,
    SpendingCarried,
    StatusChanged,
    SteadyObserved,
    SteadyTick,
    TaskRecovered,
    Usage,
    WorktreeCreated,
    WorktreeDelivered,
    WorktreeRemoved,
    WorktreeSkipped,
    event_type,
)
from kazid.core.goal import Budget, Group, Scope
from kazid.core.ids import Epoch, Generation, Offset, PredicateId, Seq, TreeHash
from kazid.core.instant import Now
from kazid.core.level import Gate
from kazid.core.plan import Plan
from kazid.core.roles import Role
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Direction, Finding, Status, Verdict
from kazid.core.window import Spending
from kazid.core.worktree import Worktree
from tests.builders import a_goal, a_harness, a_predicate, a_remedy, act_intended, as_json, goal_applied

PLAN = Plan(
    gate=Gate.DEPLOY,
    act="deploy",
    title="ship",
    predicates=(PredicateId("deployed"),),
    evidence="e",
    argv=("ship",),
    spec_sha256="s",
    generation=Generation(1),
    epoch=Epoch(1),
    episode=1,
    attempt=1,
    roles=(Role.APPROVER,),
    count=1,
    until_wall_s=9.0,
)
GOAL = a_goal(
    a_predicate("livez", live=True, group="g"),
    a_predicate("tests", acceptance=True),
    remedies=[a_remedy("livez", on_error=True)],
    harness=a_harness("livez"),
    budget=Budget(iterations_max=3, wall_clock_s_max=60.5, cached_read_weight=0.25),
    scope=Scope(owns=("unit:web",), on_overlap="serialise"),
    groups=(Group(id="g", name="G"),),
    labels={"team": "ops"},
    tables={"economy": {"debrief": True, "nested": [1, 2.5, None, "x"]}},
)
VERDICT = Verdict(
    status=Status.FAIL,
    reason="exit_code",
    detail="1 ≠ 0, „quoted“ \u2028 \x1f",
    evidence={"exit": 1, "tail": ["a", {"b": None}], "ratio": 0.1},
    findings=(Finding(message="m", file="a.py", line=3, level="error"),),
    score=0.5,
    direction=Direction.LOWER_BETTER,
)
WORKTREE = Worktree(
    path="/t/r", folder="/t/r/s", repository="/r", branch="kazi/g", base="b" * 40, dispatches=1
)
EVENTS: dict[type, Event] = {
    type(event): event
    for event in (
        goal_applied(GOAL),
        GoalSuspended(epoch=Epoch(2), reason="r", by="ada", until_wall_s=1.5),
        GoalResumed(reason="r", by="expiry"),
        FleetFrozen(reason="r", by="ada", until_wall_s=2.5),
        FleetThawed(by="ada", reason="r"),
        IncidentOpened(red=("u1", "u2"), acting=("u1",), active=7),
        IncidentCanaryNamed(uid="u2", acts=3),
        IncidentCanaryFailed(uid="u2", reason="it did not begin"),
        IncidentReleased(uids=("u1",), proof="u2"),
        IncidentClosed(number=4, duration_s=61.5),
        GoalFrozen(epoch=Epoch(3), number=1, reason="r", until_wall_s=2.5),
        GoalThawed(number=1),
        GoalStopped(epoch=Epoch(3), by="ada"),
        GoalDeleted(epoch=Epoch(4), by="ada"),
        GoalParked(traceback="Traceback …", reason="ValueError"),
        AlertAcknowledged(by="ada", reason="on it"),
        AuditPruned(
            through=9,
            hash="ab" * 32,
            records=9,
            rule="[retention] audit_days = 90",
            export="audit-1-9.jsonl",
            export_sha256="cd" * 32,
        ),
        SpendingCarried(uid="u1", owner="ada", spent=[Spending(at_wall_s=1.0, cost_usd=0.5)]),
        ReconcileRequested(by="ada"),
        TaskRecovered(shift_s=-5.25, down_s=2.0),
        ClockStepped(delta_s=-3600.0),
        BundleLeft(
            bundle=Bundle(
                status=GoalStatus.STUCK,
                cause=Cause.NO_PROGRESS,
                reason="because",
                at_wall_s=1e9,
                generation=Generation(1),
                failing=(BundledPredicate(id=PredicateId("tests"), verdict="fail", evidence={"exit": 1}),),
                tried=(BundledAttempt(number=1, rung="remedy:0", title="restart"),),
                next_steps=("mend it",),
            )
        ),
        PredicateObserved(
            predicate_id=PredicateId("tests"),
            verdict=VERDICT,
            started_s=1.1,
            ended_s=2.2,
            generation=Generation(1),
            tree=TreeHash("abc"),
        ),
        SteadyObserved(
            base_s=100.25,
            ticks=(
                SteadyTick(predicate=0, after_us=0, took_us=12),
                SteadyTick(predicate=1, after_us=-3, took_us=0),
            ),
            generation=Generation(1),
        ),
        WorktreeCreated(worktree=WORKTREE, setup_s=1.5),
        WorktreeDelivered(files=("a",), files_total=1, saved="refs/kazi/u/delivered"),
        WorktreeRemoved(reason="done", saved="refs/kazi/u/saved-1"),
        WorktreeSkipped(reason="/w is no repository"),
        EpisodeOpened(number=1, red=(PredicateId("livez"),)),
        EpisodeClosed(number=1, duration_s=9.5),
        act_intended(half_open=True, tokens_reserved=10),
        ActEnded(
            attempt_id=act_intended().attempt_id,
            ending="exited",
            ended_s=3.0,
            exit_code=0,
            usage=Usage(input_tokens=1, cost_usd=0.01),
            tokens_charged=7,
            cause=Cause.PERMISSION_DENIED,
            survivors=(12, 13),
        ),
        ActDeferred(waits_for="lease", holder="bob/site"),
        ApprovalRequested(plan=PLAN, plan_sha256=PLAN.sha256),
        ApprovalGranted(gate=Gate.DEPLOY, plan_sha256=PLAN.sha256, by="pia", by_uid=7, is_enough=True),
        ApprovalRejected(gate=Gate.DEPLOY, plan_sha256=PLAN.sha256, by="pia", by_uid=7, reason="no"),
        ApprovalVoided(gate=Gate.DEPLOY, plan_sha256=PLAN.sha256, reason="changed: argv", lost="pia"),
        ChangeHeld(
            goal=a_goal(), plan=PLAN, plan_sha256=PLAN.sha256, loosened=("standing turned off",), by="ada"
        ),
        AutonomyLowered(harness="claude", model="opus", attempt=3, reason="attempt 3 turned 1 green red"),
        AutonomyRestored(by="pia", by_uid=7, reason="looked at it"),
        DispatchPrepared(
            attempt_id=act_intended().attempt_id,
            program="claude",
            version="2",
            prompt_sha256="0" * 64,
            prompt_bytes=7,
        ),
        LadderClimbed(step=1, model="sonnet", reason="haiku: stuck"),
        LookDeferred(predicates=(PredicateId("tests"),), holder="bob/site", was_discarded=True),
        StatusChanged(
            status=GoalStatus.STUCK, cause=Cause.NO_PROGRESS, reason="r", proof={PredicateId("a"): "fail"}
        ),
        SnapshotTaken(progress=msgspec.Raw(b'{"generation":1}'), goal=GOAL),
    )
}


def test_every_type_of_event_is_tried_here() -> None:
    assert set(EVENTS) == set(get_args(Event))


@pytest.mark.parametrize("event", EVENTS.values(), ids=[event_type(event) for event in EVENTS.values()])
def test_an_event_comes_back_from_the_journal_as_it_was(event: Event) -> None:
    stored = msgspec.json.encode(event)
    back = msgspec.json.decode(stored, type=Event)
    assert type(back) is type(event)
    assert as_json(back) == as_json(event)
    assert msgspec.json.encode(back) == stored


@pytest.mark.parametrize("event", EVENTS.values(), ids=[event_type(event) for event in EVENTS.values()])
def test_an_event_is_stored_under_its_name(event: Event) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event))["type"] == event_type(event)
    subject, _, past = event_type(event).partition(".")
    assert subject.islower()
    assert past.endswith(("ed", "taken", "frozen", "left", "held")), "subject.past_tense (STYLE 18)"


def test_names_are_unique() -> None:
    assert len({event_type(event) for event in EVENTS.values()}) == len(EVENTS)


def test_a_record_comes_back_whole() -> None:
    record = Recorded(
        offset=Offset(9),
        uid="u1",
        seq=Seq(3),
        at=Now(boot_s=0.1, wall_s=1.7e9, boot_id="b"),
        event=EVENTS[ActIntended],
    )
    back = msgspec.json.decode(msgspec.json.encode(record), type=Recorded)
    assert as_json(back) == as_json(record)


def test_a_field_that_a_newer_kazid_wrote_is_skipped() -> None:
    stored = b'{"type":"reconcile.requested","by":"ada","added_later":[1]}'
    assert msgspec.json.decode(stored, type=Event) == ReconcileRequested(by="ada")


def test_absent_fields_take_less_room_and_read_as_their_defaults() -> None:
    stored = msgspec.json.encode(EVENTS[ActDeferred])
    assert stored == b'{"type":"act.deferred","waits_for":"lease","holder":"bob/site"}'
    assert b"half_open" not in msgspec.json.encode(act_intended())


def test_a_goal_comes_back_as_what_was_sealed() -> None:
    applied = EVENTS[GoalApplied]
    back = msgspec.json.decode(msgspec.json.encode(applied), type=Event)
    assert isinstance(applied, GoalApplied)
    assert isinstance(back, GoalApplied)
    assert as_json(back.goal) == as_json(applied.goal)
