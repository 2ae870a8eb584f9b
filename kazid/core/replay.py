"""Deciding again: the journal of a goal is enough to compute every decision it records, and to show where one differs.

Every input of a decision is an event (a look, an act's end, a person's word, a restart), so folding the events up to a
decision and asking `decide` once more must give it back. It is what makes an incident file from elsewhere worth
having, and an upgrade that changes a decision visible (Temporal's replayer does it for workflows). Pure; what was
decided and changed nothing left no event and is not compared.
"""

from collections.abc import Iterable, Sequence

import msgspec

from kazid.core.approval_event import ApprovalRequested, ApprovalVoided, AutonomyLowered
from kazid.core.decide import decide
from kazid.core.decision import (
    Act,
    Ask,
    CloseEpisode,
    Conclude,
    Decision,
    Hold,
    Look,
    Lower,
    OpenEpisode,
    Resume,
    StepUp,
    Void,
)
from kazid.core.event import (
    BY_EXPIRY,
    BY_WINDOW,
    ActDeferred,
    ActIntended,
    EpisodeClosed,
    EpisodeOpened,
    Event,
    GoalResumed,
    LadderClimbed,
    Recorded,
    StatusChanged,
    event_type,
)
from kazid.core.fold import Folded, fold
from kazid.core.ids import Seq
from kazid.core.instant import Now
from kazid.core.level import Gate
from kazid.core.progress import Progress
from kazid.core.status import Cause
from kazid.core.vector import assess

REFUSED_BY_WORKSPACE = frozenset(
    {
        Cause.WORKSPACE_MISSING,
        Cause.WORKSPACE_MOVED,
        Cause.PERMISSION_DENIED,
        Cause.WORKTREE_FAILED,
        Cause.WORKSPACE_DIRTY,
        Cause.SETUP_FAILED,
    }
)
"""What an act may end with before it started: the workspace was asked, and its answer is in the event itself."""
REFUSED_AT_DELIVERY = REFUSED_BY_WORKSPACE | {Cause.DELIVERY_CONFLICT, Cause.WORKSPACE_DIFFERS}
"""What a goal whose tree is all green may end with instead: its change did not reach the workspace."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded decision that these rules would not have made."""

    seq: Seq
    at: Now
    type: str
    recorded: str
    decided: str


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What deciding again gave: how much was read, how many decisions were compared, and which differ."""

    events: int
    decisions: int
    differences: Sequence[Difference]
    folded: Folded

    @property
    def is_same(self) -> bool:
        """True when every recorded decision was made again."""
        return not self.differences


def replay(records: Iterable[Recorded]) -> Replay:
    """Decide again wherever the records of one incarnation hold a decision; they begin with a spec or a snapshot."""
    folded = Folded(None, Progress())
    events = decisions = 0
    differences: list[Difference] = []
    for record in records:
        if folded.goal is not None and is_decided(record.event):
            decisions += 1
            vector = assess(folded.goal, folded.progress, record.at)
            again = decide(folded.goal, folded.progress, vector, record.at)
            if not _is_same(record.event, again):
                differences.append(
                    Difference(
                        seq=record.seq,
                        at=record.at,
                        type=event_type(record.event),
                        recorded=_sentence_of_event(record.event),
                        decided=sentence_of(again),
                    )
                )
        folded = fold(folded, record.event, at=record.at)
        events += 1
    return Replay(events=events, decisions=decisions, differences=differences, folded=folded)


def is_decided(event: Event) -> bool:
    """True for events that record a decision; the others are what decisions are made from."""
    match event:
        case (
            ActIntended()
            | ActDeferred()
            | EpisodeOpened()
            | EpisodeClosed()
            | StatusChanged()
            | LadderClimbed()
            | ApprovalRequested()
            | AutonomyLowered()
        ):
            return True
        case ApprovalVoided():
            return not event.lost and event.gate is not Gate.CHANGE  # submitting decided that
        case GoalResumed():
            return event.by in (BY_EXPIRY, BY_WINDOW)
        case _:
            return False


def _is_same(event: Event, decision: Decision) -> bool:
    """Whether this decision is what the event records; reasons of a wait are for people and move with every look."""
    match event:
        case ActIntended():
            return isinstance(decision, Act) and _intent(event) == _choice(decision)
        case ActDeferred():
            return isinstance(decision, Act)
        case EpisodeOpened():
            return isinstance(decision, OpenEpisode) and list(event.red) == list(decision.red)
        case EpisodeClosed():
            return isinstance(decision, CloseEpisode)
        case LadderClimbed():
            step = (event.step, event.model)
            return isinstance(decision, StepUp) and step == (decision.step, decision.model)
        case AutonomyLowered():
            return isinstance(decision, Lower) and event.attempt == decision.attempt
        case ApprovalRequested():
            return isinstance(decision, Ask) and event.plan == decision.plan
        case ApprovalVoided():
            return isinstance(decision, Void) and event.plan_sha256 == decision.plan_sha256
        case GoalResumed():
            return isinstance(decision, Resume) and event.by == decision.by
        case StatusChanged():
            return _is_same_standing(event, decision)
        case _:
            return False


def _is_same_standing(event: StatusChanged, decision: Decision) -> bool:
    if event.cause in REFUSED_AT_DELIVERY and isinstance(decision, Conclude | CloseEpisode):
        return True
    match decision:
        case Conclude():
            recorded = (event.status, event.cause, event.reason, dict(event.proof))
            return recorded == (decision.status, decision.cause, decision.reason, dict(decision.proof))
        case Hold():
            return (event.status, event.cause) == (decision.status, decision.cause)
        case Look():
            return (event.status, event.cause) == (decision.hold.status, decision.hold.cause)
        case Act():
            return event.cause in REFUSED_BY_WORKSPACE
        case _:
            return False


def _intent(event: ActIntended) -> object:
    return (event.rung, list(event.predicates), event.fingerprint, event.half_open, list(event.plans))


def _choice(act: Act) -> object:
    return (act.rung, list(act.predicates), act.fingerprint, act.half_open, list(act.plans))


def sentence_of(decision: Decision) -> str:
    """A decision in one line, in the words of the code."""
    match decision:
        case Hold():
            return _standing("Hold", decision.status.value, decision.cause, decision.reason)
        case Look():
            return f"Look at {', '.join(decision.predicates)}: {decision.reason}"
        case Conclude():
            return _standing("Conclude", decision.status.value, decision.cause, decision.reason)
        case Act():
            return f"Act {decision.rung} on {', '.join(decision.predicates)} (fingerprint {decision.fingerprint})"
        case OpenEpisode():
            return f"OpenEpisode for {', '.join(decision.red) or 'nothing red'}"
        case Resume():
            return f"Resume by {decision.by}"
        case Ask():
            return f"Ask for approval at {decision.plan.gate.value}: {decision.plan.title}"
        case Void():
            return f"Void {decision.plan_sha256[:12]}: {decision.reason}"
        case Lower():
            return f"Lower {decision.harness}: {decision.reason}"
        case StepUp():
            return f"StepUp to {decision.model}: {decision.reason}"
        case _:
            return type(decision).__name__


def _sentence_of_event(event: Event) -> str:
    match event:
        case StatusChanged():
            return _standing(event_type(event), event.status.value, event.cause, event.reason)
        case ActIntended():
            return f"{event.rung} on {', '.join(event.predicates)} (fingerprint {event.fingerprint})"
        case EpisodeOpened():
            return f"for {', '.join(event.red) or 'nothing red'}"
        case ActDeferred():
            return f"waits for {event.waits_for}: {event.holder}"
        case GoalResumed():
            return f"by {event.by}"
        case ApprovalRequested():
            return f"at {event.plan.gate.value}: {event.plan.title}"
        case ApprovalVoided():
            return f"{event.plan_sha256[:12]}: {event.reason}"
        case AutonomyLowered():
            return f"{event.harness}: {event.reason}"
        case LadderClimbed():
            return f"to {event.model}: {event.reason}"
        case _:
            return event_type(event)


def _standing(word: str, status: str, cause: Cause | None, reason: str | None) -> str:
    named = status if cause is None else f"{status} ({cause.value})"
    return f"{word} {named}" if reason is None else f"{word} {named}: {reason}"
