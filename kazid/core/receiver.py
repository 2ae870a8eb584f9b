"""Whom a notice reaches and when: grouping, reminding, escalating, the rate. Pure; wall time comes as an argument.

A receiver is one `[[notify]]` table. Its whole memory is one value, `ReceiverState`, stored before anything is sent:
what is open, what waits to be told, and the one message that is on its way with its id. So a crash between any two
steps sends again at the worst, with the same id and the same words. The word and the defaults are Alertmanager's
(group 30 s, remind 4 h).
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.jitter import fraction
from kazid.core.notice import APPROVAL, INCIDENT, LOWERED, OF_A_LOWERING, RESUMED, Noticed, NoticeKind

HOUR_S = 3600.0
LINES_MAX = 500
"""Of one message, and waiting: what comes on top is counted."""
ALERTS_MAX = 5_000
"""Open at once; a goal has one at the most, and one of its lowering. Beyond it they are told once, and that is all."""
RETRY_S, RETRY_S_MAX = 5.0, 600.0
"""First wait after a failure, doubled up to the longest: six hours of 500s are some forty requests."""
RETRY_AFTER_S_MAX = HOUR_S
"""What a receiver may ask for."""
OF_ITS_LOWERING = "/lowered"
"""After a goal's uid: what is told of that has an end of its own, which is not that the goal holds."""
GIVE_UP_S = 3 * 86_400.0
"""A message that nobody took for so long is dropped, and the next one says so."""

assert RETRY_S < RETRY_S_MAX < RETRY_AFTER_S_MAX < GIVE_UP_S


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Which notices, and when. Empty selections select everything; all of them must match."""

    name: str
    owners: Sequence[str] = ()
    labels: Mapping[str, str] = {}
    statuses: Sequence[str] = ()
    causes: Sequence[str] = ()
    group_s: float = 30.0
    remind_s: float | None = 4 * HOUR_S
    after_s: float = 0.0
    """Only what is open and unacknowledged for so long: the next tier."""
    per_hour_max: int = 30
    resolved: bool = True


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a goal is selected by, and what its trouble has cost so far."""

    owner: str = ""
    labels: Mapping[str, str] = {}
    cost_usd: float | None = None
    tokens: int | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is open."""

    ref: str
    status: str
    since_wall_s: float
    offset: int
    cause: str = ""
    reason: str = ""
    told_wall_s: float | None = None
    """The last time; None while it waits for `after_s`."""
    reminders: int = 0
    is_resumed: bool = False
    """Somebody had it act again: the same end once more is another one."""
    plan: str = ""
    """Of a request for approval: which."""
    taken_by: str = ""
    """Who acknowledged, resumed or suspended it: nobody else needs to be told again."""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing told. `what`: problem, reminder, escalated, resolved, ended, taken or news."""

    what: str
    uid: str
    ref: str
    status: str
    since_wall_s: float
    offset: int
    """Of the event it is about."""
    cause: str = ""
    reason: str = ""
    by: str = ""
    duration_s: float | None = None
    cost_usd: float | None = None
    tokens: int | None = None
    reminders: int = 0


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sent; never changes once it has an id."""

    id: str
    at_wall_s: float
    lines: Sequence[Line]
    more: int = 0
    """Lines beyond LINES_MAX."""
    undelivered: int = 0
    """Messages before this one that were given up on."""
    quiet_until_wall_s: float | None = None
    """It is the last that the hour allows."""
    audit_head: str = ""
    """NUMBER:HASH of the newest audit record then, for `kazictl audit verify --head`."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The message on its way."""

    message: Message
    next_wall_s: float
    tries: int = 0
    error: str = ""


class ReceiverState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a receiver remembers."""

    cursor: int = 0
    """The newest notice it has taken."""
    alerts: Mapping[str, Alert] = {}
    """By goal uid; what its lowering is, by that and `OF_ITS_LOWERING`."""
    pending: Sequence[Line] = ()
    pending_since_wall_s: float = 0.0
    more: int = 0
    outgoing: Outgoing | None = None
    sent_wall_s: Sequence[float] = ()
    """Of the last hour."""
    undelivered: int = 0


# --- taking notices ----------------------------------------------------------------------------------------------


def taken(receiver: Receiver, state: ReceiverState, noticed: Noticed, facts: Facts) -> ReceiverState:
    """The state after one notice; one that was taken before changes nothing."""
    if noticed.offset <= state.cursor:
        return state
    state = replace(state, cursor=noticed.offset)
    notice = noticed.notice
    of_lowering = replace(noticed, uid=noticed.uid + OF_ITS_LOWERING)
    if notice.status in OF_A_LOWERING:
        return _applied(receiver, state, of_lowering, facts)
    after = _applied(receiver, state, noticed, facts)
    is_of_both = notice.kind is NoticeKind.ENDED or (notice.kind is NoticeKind.TAKEN and not notice.plan)
    if not is_of_both or of_lowering.uid not in state.alerts:
        return after
    both = _applied(receiver, after, of_lowering, facts)
    return both if after.pending == state.pending else _said_once(after, both, of_lowering.uid)


def incarnation(uid: str) -> str:
    """Whose alert it is."""
    return uid.removesuffix(OF_ITS_LOWERING)


def _said_once(after: ReceiverState, both: ReceiverState, uid: str) -> ReceiverState:
    """The state of both alerts; what was told of the first says it of the second."""
    pending = tuple(line for line in after.pending if line.uid != uid or line in both.pending)
    return replace(both, pending=pending, more=after.more)


def _applied(receiver: Receiver, state: ReceiverState, noticed: Noticed, facts: Facts) -> ReceiverState:
    """The state after one notice of one alert."""
    alert = state.alerts.get(noticed.uid)
    match noticed.notice.kind:
        case NoticeKind.PROBLEM:
            if not selects(receiver, noticed, facts):
                # it has changed to what this receiver is not about: whoever was told has nothing to wait for here
                return _closed(state, noticed.uid)
            return _opened(receiver, state, noticed)
        case NoticeKind.SETTLED if alert is None:
            is_news = noticed.notice.status in receiver.statuses and selects(receiver, noticed, facts)
            return _told(state, _news(noticed), noticed.at_wall_s) if is_news else state
        case NoticeKind.SETTLED | NoticeKind.ENDED:
            if alert is None:
                return state
            line = _line(
                "resolved" if noticed.notice.kind is NoticeKind.SETTLED else "ended",
                noticed.uid,
                alert,
                offset=noticed.offset,
                status=noticed.notice.status,
                by=noticed.notice.by,
                reason=noticed.notice.reason or alert.reason,
                duration_s=max(0.0, noticed.at_wall_s - alert.since_wall_s),
                cost_usd=facts.cost_usd,
                tokens=facts.tokens,
            )
            state = _closed(state, noticed.uid)
            is_told = alert.told_wall_s is not None and receiver.resolved
            return _told(state, line, noticed.at_wall_s) if is_told else state
        case NoticeKind.TAKEN:
            if alert is None:
                return state
            by, is_resumed = noticed.notice.by, noticed.notice.status == RESUMED
            state = _with(state, noticed.uid, replace(alert, taken_by=by, is_resumed=is_resumed))
            if alert.told_wall_s is None or alert.taken_by:
                return state
            reason = noticed.notice.reason or alert.reason
            line = _line("taken", noticed.uid, alert, offset=noticed.offset, by=by, reason=reason)
            return _told(state, line, noticed.at_wall_s)


def selects(receiver: Receiver, noticed: Noticed, facts: Facts) -> bool:
    """True for a notice that the receiver is about."""
    notice = noticed.notice
    if receiver.owners and facts.owner not in receiver.owners:
        return False
    if any(facts.labels.get(key) != value for key, value in receiver.labels.items()):
        return False
    if receiver.causes and notice.cause not in receiver.causes:
        return False
    return not receiver.statuses or notice.status in receiver.statuses


def _opened(receiver: Receiver, state: ReceiverState, noticed: Noticed) -> ReceiverState:
    notice, known = noticed.notice, state.alerts.get(noticed.uid)
    if (
        known is not None
        and (known.status, known.cause, known.plan) == (notice.status, notice.cause, notice.plan)
        and not known.is_resumed
        and notice.status != LOWERED  # each of them is another harm
    ):
        # a standing goal that is stuck tries once an hour, and is stuck again
        same = replace(known, reason=notice.reason, offset=noticed.offset)
        return _with(state, noticed.uid, same)
    alert = Alert(
        ref=noticed.ref or INCIDENT,
        status=notice.status,
        cause=notice.cause,
        reason=notice.reason,
        since_wall_s=noticed.at_wall_s if known is None else known.since_wall_s,
        offset=noticed.offset,
        plan=notice.plan,
    )
    is_asked_anew = known is not None and bool(known.plan) and bool(notice.plan)
    if is_asked_anew:  # nobody can say yes to the one before it any more
        state = replace(state, pending=tuple(p for p in state.pending if not _is_asked(p, noticed.uid)))
    if receiver.after_s <= 0:
        alert = replace(alert, told_wall_s=noticed.at_wall_s)
        state = _told(state, _line("problem", noticed.uid, alert), noticed.at_wall_s)
    elif known is not None and not is_asked_anew:
        alert = replace(alert, told_wall_s=known.told_wall_s)
    return _with(state, noticed.uid, alert)


def _line(what: str, uid: str, alert: Alert, **changes: object) -> Line:
    line = Line(
        what=what,
        uid=uid,
        ref=alert.ref,
        status=alert.status,
        cause=alert.cause,
        reason=alert.reason,
        since_wall_s=alert.since_wall_s,
        offset=alert.offset,
        reminders=alert.reminders,
    )
    return replace(line, **changes)


def _is_asked(line: Line, uid: str) -> bool:
    return line.uid == uid and line.status == APPROVAL and line.what in ("problem", "reminder", "escalated")


def _news(noticed: Noticed) -> Line:
    return Line(
        what="news",
        uid=noticed.uid,
        ref=noticed.ref or INCIDENT,
        status=noticed.notice.status,
        since_wall_s=noticed.at_wall_s,
        offset=noticed.offset,
    )


def _told(state: ReceiverState, line: Line, now_wall_s: float) -> ReceiverState:
    if len(state.pending) >= LINES_MAX:
        return replace(state, more=state.more + 1)
    since_wall_s = state.pending_since_wall_s if state.pending else now_wall_s
    return replace(state, pending=(*state.pending, line), pending_since_wall_s=since_wall_s)


def _with(state: ReceiverState, uid: str, alert: Alert) -> ReceiverState:
    if uid not in state.alerts and len(state.alerts) >= ALERTS_MAX:
        return state
    return replace(state, alerts={**state.alerts, uid: alert})


def _closed(state: ReceiverState, uid: str) -> ReceiverState:
    """Without the alert, and without a reminder of it that was about to go."""
    pending = tuple(line for line in state.pending if line.uid != uid or line.what != "reminder")
    return replace(state, pending=pending, alerts={u: a for u, a in state.alerts.items() if u != uid})


# --- time passes -------------------------------------------------------------------------------------------------


def due_wall_s(receiver: Receiver, state: ReceiverState) -> float | None:
    """When something is next to be done; None when only a notice can bring it."""
    if state.outgoing is not None:
        return state.outgoing.next_wall_s
    dues = [due for alert in state.alerts.values() if (due := _alert_due_wall_s(receiver, alert)) is not None]
    if state.pending:
        dues.append(max(state.pending_since_wall_s + receiver.group_s, _rate_opens_wall_s(receiver, state)))
    return min(dues, default=None)


def advanced(
    receiver: Receiver, state: ReceiverState, now_wall_s: float, *, message_id: str, audit_head: str
) -> ReceiverState:
    """The state now: what fell due is told, and what was gathered long enough is a message with this id."""
    if state.outgoing is not None:
        # a clock that went back must not keep it waiting longer than any wait can be
        latest = now_wall_s + RETRY_AFTER_S_MAX
        late = state.outgoing.next_wall_s > latest
        return replace(state, outgoing=replace(state.outgoing, next_wall_s=latest)) if late else state
    state = _since_now(state, now_wall_s)
    for uid, alert in state.alerts.items():
        due = _alert_due_wall_s(receiver, alert)
        if due is not None and due <= now_wall_s:
            state = _again(state, uid, alert, now_wall_s)
    is_gathered = bool(state.pending) and now_wall_s >= state.pending_since_wall_s + receiver.group_s
    if not is_gathered or now_wall_s < _rate_opens_wall_s(receiver, state):
        return state
    sent = (*state.sent_wall_s, now_wall_s)
    message = Message(
        id=message_id,
        at_wall_s=now_wall_s,
        lines=state.pending,
        more=state.more,
        undelivered=state.undelivered,
        quiet_until_wall_s=sent[0] + HOUR_S if len(sent) >= receiver.per_hour_max else None,
        audit_head=audit_head,
    )
    return replace(
        state,
        pending=(),
        more=0,
        undelivered=0,
        sent_wall_s=sent,
        outgoing=Outgoing(message=message, next_wall_s=now_wall_s),
    )


def delivered(state: ReceiverState) -> ReceiverState:
    """The state once the message was taken."""
    return replace(state, outgoing=None)


def failed(
    state: ReceiverState, now_wall_s: float, *, reason: str, retry_after_s: float | None = None
) -> ReceiverState:
    """The state after a try that failed: the same message again later, or given up on."""
    outgoing = state.outgoing
    assert outgoing is not None, "only a message that was sent can fail"
    if now_wall_s - outgoing.message.at_wall_s > GIVE_UP_S:
        return replace(state, outgoing=None, undelivered=state.undelivered + outgoing.message.undelivered + 1)
    tries = outgoing.tries + 1
    wait_s = min(RETRY_S * 2.0 ** min(tries - 1, 16), RETRY_S_MAX)
    wait_s *= 1 - 0.2 * fraction(outgoing.message.id, tries)
    if retry_after_s is not None:
        wait_s = max(wait_s, min(retry_after_s, RETRY_AFTER_S_MAX))
    return replace(
        state, outgoing=replace(outgoing, tries=tries, error=reason, next_wall_s=now_wall_s + wait_s)
    )


def _alert_due_wall_s(receiver: Receiver, alert: Alert) -> float | None:
    if alert.taken_by:
        return None
    if alert.told_wall_s is None:
        return alert.since_wall_s + receiver.after_s
    return None if receiver.remind_s is None else alert.told_wall_s + receiver.remind_s


def _again(state: ReceiverState, uid: str, alert: Alert, now_wall_s: float) -> ReceiverState:
    if any(line.uid == uid for line in state.pending):
        return state
    is_first = alert.told_wall_s is None
    alert = replace(alert, told_wall_s=now_wall_s, reminders=alert.reminders + (not is_first))
    line = _line("escalated" if is_first else "reminder", uid, alert)
    return _told(_with(state, uid, alert), line, now_wall_s)


def _since_now(state: ReceiverState, now_wall_s: float) -> ReceiverState:
    """Times of the last hour only, and none ahead of a clock that went back."""
    sent = tuple(at for at in state.sent_wall_s if now_wall_s - HOUR_S < at <= now_wall_s)
    return replace(state, sent_wall_s=sent, pending_since_wall_s=min(state.pending_since_wall_s, now_wall_s))


def _rate_opens_wall_s(receiver: Receiver, state: ReceiverState) -> float:
    sent = state.sent_wall_s
    return sent[-receiver.per_hour_max] + HOUR_S if len(sent) >= receiver.per_hour_max else 0.0
