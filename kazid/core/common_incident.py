"""An incident of common cause: many goals turned red together, one tries, the rest follow once a repair is verified.

Folded from the fleet's own stream, so that it outlives the daemon: a start finds who tries, who was let go and how long
the next has to wait. `next_step` says what is to be recorded next, from what stands and from how the goals stand. Pure;
`runtime/governor.py` asks it and holds back whoever is not free. The numbers are in `core/common_cause.py`.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.common_cause import canary_delay_s, released
from kazid.core.event import (
    Event,
    IncidentCanaryFailed,
    IncidentCanaryNamed,
    IncidentClosed,
    IncidentOpened,
    IncidentReleased,
)
from kazid.core.ids import GoalUid

CANARY_PATIENCE_S = 60.0
"""A canary that neither acts nor is green for so long makes way for the next: the others must not wait for ever."""
FORGOTTEN_S = 20.0
"""Who has not asked for so long does not want to act any more (four times as long as between two questions)."""
RESUMED_S = 60.0
"""After a start nobody has asked yet: so long until that means that nobody is red."""


class OpenIncident(msgspec.Struct, frozen=True, kw_only=True):
    """One that stands. Times are boot seconds of now."""

    number: int
    """Its `incident.opened` in the fleet's stream."""
    opened_s: float
    red: int
    """How many made it."""
    witnesses: frozenset[GoalUid]
    """Whose green proves that a repair helps: who acted when it opened, and every canary."""
    free: frozenset[GoalUid] = frozenset()
    """Who may act: the canary, then more and more."""
    canary: GoalUid | None = None
    canary_acts: int = 0
    """Attempts it had made when it was named."""
    named_s: float = 0.0
    failures: int = 0
    failed_s: float = 0.0
    proved_s: float | None = None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """How a goal that has a part in it stands now."""

    is_green: bool
    may_act: bool
    """Nobody asked it not to, and it has not stopped by itself."""
    is_acting: bool
    """Or about to: it was told that it may."""
    is_failing: bool
    """Seen red since its last act."""
    acts: int
    last_act_ended_s: float | None = None


def incident_after(
    incident: OpenIncident | None, event: Event, *, seq: int, at_s: float
) -> OpenIncident | None:
    """What stands after this event of the fleet's stream, recorded at that moment of the present boot."""
    if isinstance(event, IncidentOpened):
        witnesses = frozenset(GoalUid(uid) for uid in event.acting)
        return OpenIncident(number=seq, opened_s=at_s, red=len(event.red), witnesses=witnesses)
    if incident is None:
        return None
    match event:
        case IncidentCanaryNamed(uid=uid, acts=acts):
            canary = GoalUid(uid)
            return replace(
                incident,
                canary=canary,
                canary_acts=acts,
                named_s=at_s,
                free=frozenset({canary}),
                witnesses=incident.witnesses | {canary},
            )
        case IncidentCanaryFailed():
            return replace(
                incident, canary=None, free=frozenset(), failures=incident.failures + 1, failed_s=at_s
            )
        case IncidentReleased(uids=uids, proof=proof):
            # A canary that is green asks like all others when it is red again; one that only began stays free.
            proved_s = at_s if incident.proved_s is None else incident.proved_s
            free = _without(incident.free, proof) | {GoalUid(uid) for uid in uids}
            return replace(incident, proved_s=proved_s, free=free, canary=None)
        case IncidentClosed():
            return None
        case _:
            return incident


def next_step(
    incident: OpenIncident,
    members: Mapping[GoalUid, Member],
    waiting: Sequence[GoalUid],
    *,
    now_s: float,
    asked_s: float,
) -> Event | None:
    """What happens to it now, None when nothing does.

    `members` has every witness that is still known; `waiting` is who asks to act and may not, first come first;
    `asked_s` when somebody last did, or from when on somebody could have.
    """
    is_quiet = not waiting and now_s - asked_s >= FORGOTTEN_S
    if incident.proved_s is not None:
        due = released(since_s=incident.proved_s, now_s=now_s) - len(incident.free)
        if waiting and due > 0:
            return IncidentReleased(uids=tuple(waiting[:due]))
        return _closed(incident, now_s) if is_quiet else None
    proof = next(
        (uid for uid in sorted(incident.witnesses) if uid in members and members[uid].is_green), None
    )
    if proof is not None:
        return IncidentReleased(uids=tuple(waiting[: 1 - len(_without(incident.free, proof))]), proof=proof)
    if incident.canary is not None:
        why = _why_failed(incident, members.get(incident.canary), now_s)
        return None if why is None else IncidentCanaryFailed(uid=incident.canary, reason=why)
    if waiting and (incident.failures == 0 or now_s >= next_canary_s(incident)):
        uid = waiting[0]
        return IncidentCanaryNamed(uid=uid, acts=members[uid].acts if uid in members else 0)
    return _closed(incident, now_s) if is_quiet else None


def next_canary_s(incident: OpenIncident) -> float:
    """When the one after a canary that failed may try."""
    return incident.failed_s + canary_delay_s(incident.failures)


def is_free(incident: OpenIncident, uid: GoalUid, acts: int) -> bool:
    """Whether this goal, with so many attempts made, may act while it stands: a canary does once and is judged."""
    return uid in incident.free and not (uid == incident.canary and acts > incident.canary_acts)


def _without(free: frozenset[GoalUid], proof: str | None) -> frozenset[GoalUid]:
    return frozenset(uid for uid in free if uid != proof)


def _why_failed(incident: OpenIncident, canary: Member | None, now_s: float) -> str | None:
    """Why another has to try; None while this one still may succeed."""
    if canary is None:
        return "it is gone"
    if not canary.may_act:
        return "it may not act any more"
    if canary.is_acting:
        return None
    has_acted = canary.acts > incident.canary_acts
    if has_acted and canary.is_failing:
        return "it acted, and is red still"
    since_s = max(incident.named_s, canary.last_act_ended_s or 0.0)
    if now_s - since_s < CANARY_PATIENCE_S:
        return None
    return "it acted, and is not green" if has_acted else "it did not begin"


def _closed(incident: OpenIncident, now_s: float) -> IncidentClosed:
    return IncidentClosed(number=incident.number, duration_s=round(max(0.0, now_s - incident.opened_s), 6))
