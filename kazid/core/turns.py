"""Whose turn it is when more goals want to act than may: owners share executors evenly, whatever the number of goals.

Of those that wait, the one whose owner has the fewest of the kind running goes first; among equals the one whose owner
was served longest ago, then the one that waited longest. Caps hold besides: in all, per owner, per harness. Pure.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence

import msgspec

from kazid.core.ids import GoalUid, Owner


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many of one kind run at once: over all goals, for one owner, on one harness. None: only the total counts."""

    total: int
    per_owner: int | None = None
    per_harness: int | None = None


class Seat(msgspec.Struct, frozen=True):
    """Whose act it is, and on which harness; a remedy has none."""

    owner: Owner
    harness: str | None = None


class Claim(msgspec.Struct, frozen=True):
    """A goal that wants to act, since when (boot seconds)."""

    uid: GoalUid
    seat: Seat
    since_s: float


def next_in_turn(
    claims: Collection[Claim],
    *,
    running: Sequence[Seat],
    served_s: Mapping[Owner, float],
    limits: Limits,
) -> frozenset[GoalUid]:
    """Which of these may begin now, all of them together."""
    taken = list(running)
    served = dict(served_s)
    lines: dict[Seat, deque[Claim]] = {}
    for claim in sorted(claims, key=lambda claim: (claim.since_s, claim.uid)):
        lines.setdefault(claim.seat, deque()).append(claim)
    chosen: set[GoalUid] = set()
    while len(taken) < limits.total:
        # Claims on equal seats differ by their age alone: the first of each line stands for all behind it.
        heads = [line[0] for seat, line in lines.items() if line and refusal(seat, taken, limits) is None]
        if not heads:
            break
        first = min(
            heads,
            key=lambda claim: (
                _of_owner(claim.seat.owner, taken),
                served.get(claim.seat.owner, float("-inf")),
                claim.since_s,
                claim.uid,
            ),
        )
        lines[first.seat].popleft()
        chosen.add(first.uid)
        taken.append(first.seat)
        served[first.seat.owner] = float("inf")
    return frozenset(chosen)


def refusal(seat: Seat, running: Sequence[Seat], limits: Limits) -> str | None:
    """Which limit leaves no room for this one now, in words that follow "agents"; None when there is room."""
    if len(running) >= limits.total:
        return "already running"
    if limits.per_owner is not None and _of_owner(seat.owner, running) >= limits.per_owner:
        return f"of {seat.owner} already running"
    on_harness = sum(1 for other in running if other.harness == seat.harness)
    if seat.harness is not None and limits.per_harness is not None and on_harness >= limits.per_harness:
        return f"on {seat.harness} already running"
    return None


def _of_owner(owner: Owner, taken: Sequence[Seat]) -> int:
    return sum(1 for seat in taken if seat.owner == owner)
