"""Whom a notice reaches and when: pure transitions played over virtual wall time."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from kazid.core.approval_event import ApprovalGranted, ApprovalRequested, AutonomyLowered, AutonomyRestored
from kazid.core.event import (
    BY_EXPIRY,
    ActDeferred,
    AlertAcknowledged,
    Event,
    GoalDeleted,
    GoalParked,
    GoalResumed,
    IncidentOpened,
    StatusChanged,
)
from kazid.core.ids import Epoch
from kazid.core.level import Gate
from kazid.core.notice import (
    ALERTING,
    APPROVAL,
    LOWERED,
    REASON_CHARS_MAX,
    Notice,
    Noticed,
    NoticeKind,
    noticed,
)
from kazid.core.receiver import (
    ALERTS_MAX,
    GIVE_UP_S,
    HOUR_S,
    LINES_MAX,
    RETRY_S_MAX,
    Facts,
    Line,
    Message,
    Receiver,
    ReceiverState,
    advanced,
    delivered,
    due_wall_s,
    failed,
    taken,
)
from kazid.core.status import Cause, GoalStatus
from tests.core.test_approval import PLAN

T0 = 1_700_000_000.0
ADA = Facts(owner="ada", labels={"team": "web"}, cost_usd=1.25, tokens=900)


class Play:
    """One receiver through time: what happens when, and every message that was taken."""

    def __init__(self, receiver: Receiver, *, facts: Facts = ADA) -> None:
        self.receiver = receiver
        self.facts = facts
        self.state = ReceiverState()
        self.now = T0
        self.offset = 0
        self.messages: list[Message] = []
        self.is_down = False
        self.tries: list[tuple[float, str]] = []

    def happens(self, kind: NoticeKind, *, uid: str = "u1", **fields: str) -> None:
        self.offset += 1
        notice = Notice(kind=kind, **fields)
        self.state = taken(
            self.receiver,
            self.state,
            Noticed(offset=self.offset, uid=uid, seq=1, ref=f"ada/{uid}", at_wall_s=self.now, notice=notice),
            self.facts,
        )

    def stuck(self, uid: str = "u1", **fields: str) -> None:
        self.happens(NoticeKind.PROBLEM, uid=uid, **{"status": "stuck", "cause": "no_progress", **fields})

    def holds(self, uid: str = "u1") -> None:
        self.happens(NoticeKind.SETTLED, uid=uid, status="holding")

    def passes(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            self._step()
            due = due_wall_s(self.receiver, self.state)
            if due is None or due > end:
                break
            self.now = max(self.now + 1e-3, due)
        self.now = end
        self._step()

    def _step(self) -> None:
        message_id = f"m{len(self.tries)}-{len(self.messages)}-{self.now}"
        self.state = advanced(self.receiver, self.state, self.now, message_id=message_id, audit_head="7:ab")
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=ReceiverState)
        outgoing = self.state.outgoing
        if outgoing is not None and outgoing.next_wall_s <= self.now:
            self.tries.append((self.now, outgoing.message.id))
            if self.is_down:
                self.state = failed(self.state, self.now, reason="500")
            else:
                self.messages.append(outgoing.message)
                self.state = delivered(self.state)

    def told(self) -> list[list[tuple[str, str]]]:
        return [[(line.what, line.ref) for line in m.lines] for m in self.messages]


def a_receiver(**fields: object) -> Receiver:
    return replace(Receiver(name="ops"), **fields)


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        *[
            pytest.param(StatusChanged(status=s), NoticeKind.PROBLEM, s.value, id=s.value)
            for s in sorted(ALERTING, key=lambda s: s.value)
        ],
        pytest.param(StatusChanged(status=GoalStatus.HOLDING), NoticeKind.SETTLED, "holding", id="holding"),
        pytest.param(StatusChanged(status=GoalStatus.ACTING), None, "", id="acting-is-no-news"),
        pytest.param(GoalParked(traceback="t", reason="KeyError"), NoticeKind.PROBLEM, "parked", id="parked-task"),
        pytest.param(GoalDeleted(epoch=Epoch(2), by="ada"), NoticeKind.ENDED, "deleted", id="deleted"),
        pytest.param(AlertAcknowledged(by="ada"), NoticeKind.TAKEN, "", id="ack"),
        pytest.param(GoalResumed(reason="r", by="ada"), NoticeKind.TAKEN, "resumed", id="a-person-resumed"),
        pytest.param(GoalResumed(reason="r", by=BY_EXPIRY), None, "", id="nobody-resumed"),
        pytest.param(ActDeferred(waits_for="lease", holder="x"), None, "", id="a-lease-is-nobodys-business"),
        pytest.param(
            IncidentOpened(red=["a", "b"], acting=[], active=9), NoticeKind.PROBLEM, "incident", id="common-cause"
        ),
        pytest.param(
            AutonomyLowered(harness="claude", model=None, attempt=1, reason="r"), NoticeKind.PROBLEM, "lowered",
            id="lowered",
        ),
        pytest.param(AutonomyRestored(by="pia", by_uid=1, reason="r"), NoticeKind.ENDED, "restored", id="restored"),
    ],
)  # fmt: skip
def test_what_of_an_event_people_may_want_to_know(event: Event, kind: NoticeKind | None, status: str) -> None:
    found = noticed(event)
    assert (None if found is None else (found.kind, found.status)) == (
        None if kind is None else (kind, status)
    )


def test_problems_within_the_group_time_are_one_message() -> None:
    play = Play(a_receiver(group_s=30.0))
    play.stuck("u1")
    play.passes(20)
    play.stuck("u2")
    play.passes(9)
    assert play.messages == []
    play.passes(2)
    assert play.told() == [[("problem", "ada/u1"), ("problem", "ada/u2")]]
    assert play.messages[0].audit_head == "7:ab"


def test_it_is_reminded_of_until_somebody_has_it() -> None:
    play = Play(a_receiver(remind_s=4 * HOUR_S))
    play.stuck()
    play.passes(9 * HOUR_S)
    assert play.told() == [[("problem", "ada/u1")], [("reminder", "ada/u1")], [("reminder", "ada/u1")]]
    assert [m.lines[0].reminders for m in play.messages] == [0, 1, 2]
    play.happens(NoticeKind.TAKEN, by="eve", reason="on it")
    play.passes(48 * HOUR_S)
    assert play.told()[3:] == [[("taken", "ada/u1")]]
    assert play.messages[-1].lines[0].by == "eve"


def test_an_overnight_stuck_goal_reaches_a_person_and_its_end_says_how_long_and_what_it_cost() -> None:
    play = Play(a_receiver())
    play.stuck()
    play.passes(8 * HOUR_S)
    play.holds()
    play.passes(60)
    last = play.messages[-1].lines[0]
    assert (last.what, last.status, last.duration_s, last.cost_usd, last.tokens) == (
        "resolved", "holding", 8 * HOUR_S, 1.25, 900,
    )  # fmt: skip
    assert play.state.alerts == {}
    play.passes(48 * HOUR_S)
    assert play.messages[-1].lines[0] == last, "nothing is reminded of once it is over"


def test_what_nobody_acknowledged_is_escalated_once_its_time_is_over() -> None:
    boss = Play(a_receiver(after_s=HOUR_S, remind_s=None))
    boss.stuck()
    boss.passes(HOUR_S - 1)
    assert boss.messages == []
    boss.passes(60)
    assert boss.told() == [[("escalated", "ada/u1")]]
    boss.holds()
    boss.passes(60)
    assert boss.told()[1:] == [[("resolved", "ada/u1")]]


@pytest.mark.parametrize("end", ["ack", "holds", "deleted"])
def test_what_somebody_has_is_not_escalated(end: str) -> None:
    boss = Play(a_receiver(after_s=HOUR_S))
    boss.stuck()
    boss.passes(HOUR_S / 2)
    if end == "ack":
        boss.happens(NoticeKind.TAKEN, by="eve")
    elif end == "holds":
        boss.holds()
    else:
        boss.happens(NoticeKind.ENDED, status="deleted", by="ada")
    boss.passes(10 * HOUR_S)
    assert boss.messages == []


def test_the_same_end_once_more_is_told_again_only_after_somebody_resumed_it() -> None:
    play = Play(a_receiver(remind_s=None))
    play.stuck()
    for _ in range(5):
        play.passes(HOUR_S)
        play.stuck(reason="tried once more")
    assert play.told() == [[("problem", "ada/u1")]]
    play.happens(NoticeKind.TAKEN, by="eve")
    play.passes(HOUR_S)
    play.stuck()
    play.passes(60)
    assert play.told()[1:] == [[("taken", "ada/u1")]]
    play.happens(NoticeKind.TAKEN, by="eve", status="resumed")
    play.stuck()
    play.passes(60)
    assert play.told()[2:] == [[("problem", "ada/u1")]]


def _asks(play: Play, plan: str) -> None:
    play.happens(NoticeKind.PROBLEM, status=APPROVAL, plan=plan, reason=f"approve --plan {plan}")


@pytest.mark.parametrize("is_taken", [pytest.param(True, id="acknowledged"), pytest.param(False, id="open")])
def test_a_request_that_is_asked_anew_is_told_as_new_at_once(is_taken: bool) -> None:
    play = Play(a_receiver(remind_s=4 * HOUR_S))
    _asks(play, "p1")
    play.passes(HOUR_S)
    if is_taken:
        play.happens(NoticeKind.TAKEN, by="eve")
        play.passes(HOUR_S)
    before = len(play.messages)
    _asks(play, "p2")
    play.passes(60)
    (message,) = play.messages[before:]
    assert [(line.what, line.reason) for line in message.lines] == [("problem", "approve --plan p2")]
    play.passes(4 * HOUR_S)
    assert play.messages[-1].lines[-1].what == "reminder", "and nobody has the new one yet"


def test_the_same_request_noticed_again_is_not_told_again() -> None:
    play = Play(a_receiver(remind_s=None))
    for _ in range(3):
        _asks(play, "p1")
        play.passes(HOUR_S)
    assert play.told() == [[("problem", "ada/u1")]]


def test_of_requests_that_follow_each_other_within_the_group_time_only_the_last_is_told() -> None:
    play = Play(a_receiver(group_s=30.0))
    for plan in ("p1", "p2", "p3"):
        _asks(play, plan)
        play.passes(1)
    play.passes(60)
    assert [line.reason for m in play.messages for line in m.lines] == ["approve --plan p3"]


def test_who_is_told_of_what_nobody_took_is_told_of_the_new_request_too() -> None:
    boss = Play(a_receiver(after_s=HOUR_S, remind_s=None))
    _asks(boss, "p1")
    boss.passes(2 * HOUR_S)
    _asks(boss, "p2")
    boss.passes(60)
    assert [line.reason for m in boss.messages for line in m.lines] == [
        "approve --plan p1",
        "approve --plan p2",
    ]


def test_however_long_a_title_is_the_plan_can_be_read_in_the_notice() -> None:
    plan = replace(PLAN, title="x" * 2000)
    notice = noticed(ApprovalRequested(plan=plan, plan_sha256=plan.sha256))
    assert notice is not None
    assert notice.reason.endswith(f"--plan {plan.sha256}")
    assert len(notice.reason) <= REASON_CHARS_MAX


def _lowered(play: Play, reason: str = "attempt 1 turned 1 green red") -> None:
    play.happens(NoticeKind.PROBLEM, status=LOWERED, reason=reason)


@pytest.mark.parametrize(
    ("happens", "what", "is_open"),
    [
        pytest.param({"kind": NoticeKind.SETTLED, "status": "holding"}, [], True, id="the-goal-holds"),
        pytest.param(
            {"kind": NoticeKind.PROBLEM, "status": "stuck"},
            [("problem", "stuck")],
            True,
            id="the-goal-is-stuck",
        ),
        pytest.param(
            {"kind": NoticeKind.TAKEN, "status": "resumed", "plan": "p1"},
            [],
            True,
            id="somebody-approved-an-act",
        ),
        pytest.param({"kind": NoticeKind.TAKEN}, [("taken", LOWERED)], False, id="acknowledged"),
        pytest.param(
            {"kind": NoticeKind.ENDED, "status": "restored"}, [("ended", "restored")], False, id="restored"
        ),
        pytest.param(
            {"kind": NoticeKind.ENDED, "status": "deleted"}, [("ended", "deleted")], False, id="deleted"
        ),
    ],
)
def test_a_lowering_is_reminded_of_whatever_becomes_of_the_goal_until_somebody_has_it(
    happens: dict[str, Any], what: list[tuple[str, str]], is_open: bool
) -> None:
    play = Play(a_receiver(remind_s=4 * HOUR_S))
    _lowered(play)
    play.passes(60)
    play.happens(**{"by": "pia", **happens})
    play.passes(60)
    told = [(line.what, line.status) for m in play.messages for line in m.lines]
    assert told == [("problem", LOWERED), *what]
    play.passes(5 * HOUR_S)
    reminded = {line.status for m in play.messages for line in m.lines if line.what == "reminder"}
    assert (LOWERED in reminded) is is_open


@pytest.mark.parametrize(
    "kind", [pytest.param(NoticeKind.TAKEN, id="taken"), pytest.param(NoticeKind.ENDED, id="deleted")]
)
def test_who_has_a_goal_that_is_lowered_and_stuck_has_both_and_it_is_said_once(kind: NoticeKind) -> None:
    play = Play(a_receiver(remind_s=4 * HOUR_S))
    _lowered(play)
    play.stuck()
    play.passes(60)
    play.happens(kind, by="pia", status="deleted" if kind is NoticeKind.ENDED else "")
    play.passes(10 * HOUR_S)
    assert [len(lines) for lines in play.told()] == [2, 1]
    assert all(alert.taken_by for alert in play.state.alerts.values())


def test_each_harm_is_told_however_soon_after_the_one_before() -> None:
    play = Play(a_receiver(remind_s=None))
    _lowered(play)
    play.passes(60)
    _lowered(play, "attempt 2 ended as tampered")
    play.passes(60)
    assert [line.reason for m in play.messages for line in m.lines] == [
        "attempt 1 turned 1 green red",
        "attempt 2 ended as tampered",
    ]


def test_who_is_told_of_lowerings_only_hears_no_other_end_of_the_goal() -> None:
    play = Play(a_receiver(statuses=[LOWERED], remind_s=None))
    _lowered(play)
    play.stuck()
    play.holds()
    play.happens(NoticeKind.ENDED, status="restored", by="pia", reason="looked at it")
    play.passes(60)
    assert [(line.what, line.reason) for m in play.messages for line in m.lines] == [
        ("problem", "attempt 1 turned 1 green red"),
        ("ended", "looked at it"),
    ]


def test_however_long_the_harm_is_told_how_it_is_restored_can_be_read() -> None:
    notice = noticed(AutonomyLowered(harness="claude", model="opus", attempt=1, reason="x" * 2000))
    assert notice is not None
    assert notice.reason.startswith("claude opus: xxx")
    assert notice.reason.endswith("; kazictl restore REF --reason TEXT")
    assert len(notice.reason) <= REASON_CHARS_MAX


def test_a_yes_to_an_act_is_about_that_act() -> None:
    yes = ApprovalGranted(gate=Gate.EXECUTION, plan_sha256="p1", by="pia", by_uid=1, is_enough=True)
    assert noticed(yes) == Notice(kind=NoticeKind.TAKEN, status="resumed", by="pia", plan="p1")


def test_another_end_voids_the_acknowledgement() -> None:
    play = Play(a_receiver(remind_s=HOUR_S))
    play.stuck()
    play.happens(NoticeKind.TAKEN, by="eve")
    play.stuck(status="tampered", cause="seal_broken")
    play.passes(HOUR_S + 60)
    assert [line.status for m in play.messages for line in m.lines] == [
        "stuck",
        "stuck",
        "tampered",
        "tampered",
    ]


def test_beyond_the_rate_messages_are_gathered_into_one_and_the_last_before_says_so() -> None:
    play = Play(a_receiver(group_s=1.0, per_hour_max=3, remind_s=None))
    for number in range(60):
        play.stuck(f"u{number}")
        play.passes(30)
    play.passes(HOUR_S)
    sizes = [len(m.lines) for m in play.messages]
    assert sizes[:3] == [1, 1, 1]
    assert (len(sizes), sum(sizes)) == (4, 60), "the rest is one summary, and nothing is lost"
    assert [m.quiet_until_wall_s is not None for m in play.messages[:3]] == [False, False, True]
    assert play.messages[2].quiet_until_wall_s == play.messages[0].at_wall_s + HOUR_S
    assert play.messages[3].at_wall_s >= play.messages[0].at_wall_s + HOUR_S


def test_a_receiver_that_is_down_for_six_hours_gets_one_id_again_and_again_then_the_rest_at_once() -> None:
    play = Play(a_receiver(remind_s=None))
    play.is_down = True
    play.stuck("u1")
    for number in range(2, 8):
        play.passes(HOUR_S)
        play.stuck(f"u{number}")
    ids = {message_id for _, message_id in play.tries}
    assert len(ids) == 1
    assert 36 <= len(play.tries) <= 60, "backoff, not a storm"
    gaps = [b - a for (a, _), (b, _) in zip(play.tries, play.tries[1:], strict=False)]
    assert max(gaps) <= RETRY_S_MAX
    play.is_down = False
    play.passes(RETRY_S_MAX + 60)
    assert [len(m.lines) for m in play.messages] == [1, 6]
    assert {m.id for m in play.messages} >= ids


def test_a_message_nobody_ever_took_is_given_up_and_the_next_says_so() -> None:
    play = Play(a_receiver(remind_s=None))
    play.is_down = True
    play.stuck()
    play.passes(GIVE_UP_S + 2 * RETRY_S_MAX)
    assert play.state.outgoing is None
    play.is_down = False
    play.stuck("u2")
    play.passes(60)
    assert play.messages[0].undelivered == 1


def test_what_a_receiver_asks_to_wait_is_waited_within_a_bound() -> None:
    play = Play(a_receiver())
    play.stuck()
    state = advanced(play.receiver, play.state, T0 + 60, message_id="m", audit_head="")
    waits = [
        out.next_wall_s - T0
        for s in (90.0, 1e9)
        if (out := failed(state, T0, reason="429", retry_after_s=s).outgoing) is not None
    ]
    assert waits == [90.0, HOUR_S]


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        pytest.param({}, True, id="no-selection-is-everything"),
        pytest.param({"owners": ["ada"]}, True, id="owner"),
        pytest.param({"owners": ["eve"]}, False, id="another-owner"),
        pytest.param({"labels": {"team": "web"}}, True, id="label"),
        pytest.param({"labels": {"team": "db"}}, False, id="another-label"),
        pytest.param({"causes": ["no_progress"]}, True, id="cause"),
        pytest.param({"causes": ["quota"]}, False, id="another-cause"),
        pytest.param({"statuses": ["stuck"], "owners": ["ada"]}, True, id="both"),
        pytest.param({"statuses": ["stuck"], "owners": ["eve"]}, False, id="one-of-two"),
    ],
)
def test_a_receiver_selects_by_owner_label_status_and_cause(fields: dict[str, object], is_told: bool) -> None:
    play = Play(a_receiver(**fields))
    play.stuck()
    play.passes(60)
    play.holds()
    play.passes(60)
    assert bool(play.messages) is is_told


def test_a_receiver_may_ask_for_what_is_no_trouble() -> None:
    play = Play(a_receiver(statuses=["converged"]))
    play.happens(NoticeKind.SETTLED, status="converged")
    play.passes(60)
    assert play.told() == [[("news", "ada/u1")]]


def test_a_notice_taken_twice_is_told_once() -> None:
    play = Play(a_receiver(remind_s=None))
    play.stuck()
    play.offset -= 1
    play.stuck()
    play.passes(60)
    assert play.told() == [[("problem", "ada/u1")]]


def test_a_clock_that_went_back_holds_nothing_up() -> None:
    play = Play(a_receiver(group_s=30.0, remind_s=None))
    play.stuck()
    play.now -= 100_000
    play.passes(40)
    assert len(play.messages) == 1
    play.is_down = True
    play.stuck("u2")
    play.passes(40)
    play.now -= 100_000
    play.is_down = False
    play.passes(HOUR_S + 1)
    assert len(play.messages) == 2


def test_memory_has_a_bound_and_what_is_beyond_it_is_counted() -> None:
    play = Play(a_receiver(remind_s=None))
    for number in range(LINES_MAX + 7):
        play.stuck(f"u{number}")
    assert (len(play.state.pending), play.state.more) == (LINES_MAX, 7)
    play.passes(60)
    assert play.messages[0].more == 7
    assert len(play.state.alerts) == LINES_MAX + 7 <= ALERTS_MAX


def lines_of(messages: Sequence[Message]) -> list[Line]:
    return [line for m in messages for line in m.lines]


def test_every_cause_there_is_can_be_selected() -> None:
    for cause in Cause:
        play = Play(a_receiver(causes=[cause.value]))
        play.stuck(cause=cause.value)
        play.passes(60)
        assert [line.cause for line in lines_of(play.messages)] == [cause.value]
