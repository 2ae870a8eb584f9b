"""Every guard that holds a goal: what `decide` names, and what would still hold beneath what others can take away.

`decide` stops at the first thing that holds, which is right for acting and not for explaining: beneath a suspension
may lie a backoff, beneath that a lease of somebody else. So the fences of people and the wait for others are taken
away, one after the other, and `decide` is asked again. What is listed here and what holds are one function. Pure.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from kazid.core.decide import decide
from kazid.core.decision import Guard, Hold, Look
from kazid.core.goal import Goal
from kazid.core.instant import Now
from kazid.core.progress import Desired, Progress
from kazid.core.vector import VerdictVector

ALONE = frozenset({"act", "stopped", "person"})
"""What holds by itself, so that nothing beneath it says more."""


def guards_of(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> tuple[Guard, ...]:
    """All guards, those of a person first; empty when the goal may act, or has nothing to do."""
    found: list[Guard] = []
    for layer in _layers(progress):
        decision = decide(goal, layer, vector, now)
        hold = decision.hold if isinstance(decision, Look) else decision
        if isinstance(hold, Hold):
            found.extend(g for g in hold.guards if g not in found)
        if any(g.name in ALONE for g in found):
            return tuple(found)
    waits = progress.deferred
    if waits is not None and progress.act is None and not any(g.name == waits.waits_for for g in found):
        found.append(Guard(name=waits.waits_for, reason=f"held by {waits.holder}"))
    return tuple(found)


def _layers(progress: Progress) -> Iterator[Progress]:
    """The goal as it is, without the fences of people, and without the wait for others."""
    yield progress
    if progress.act is not None or progress.desired not in (Desired.ACTIVE, Desired.SUSPENDED):
        return
    if not progress.may_act:
        progress = replace(progress, desired=Desired.ACTIVE, frozen=None)
        yield progress
    if progress.deferred is not None:
        yield replace(progress, deferred=None)
