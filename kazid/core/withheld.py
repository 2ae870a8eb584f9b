"""What an agent is not told: held-out predicates, and whatever text may name them or what they say.

Pure. A held-out predicate gates its goal like any other; its id, its text and its evidence stay out of prompts, titles,
logs, argv and environments, and out of every answer to somebody who is not the owner. While an agent of the goal works
it is not looked at either, for a look can be seen: in the process table, in the log of the service that is probed.
"""

from collections.abc import Iterable

from kazid.core.goal import Goal, Predicate
from kazid.core.ids import PredicateId
from kazid.core.progress import Progress

WITHHELD = "a check that is withheld"
"""What a held-out predicate is called where an agent may read it."""


def held_out(goal: Goal) -> frozenset[PredicateId]:
    """The ids that no agent learns."""
    return frozenset(p.id for p in goal.predicates if p.held_out)


def visible(goal: Goal, predicates: Iterable[PredicateId]) -> tuple[PredicateId, ...]:
    """Those of them that an agent may know, in their order."""
    hidden = held_out(goal)
    return tuple(p for p in predicates if p not in hidden)


def named(goal: Goal, predicates: Iterable[PredicateId]) -> str:
    """A slice in words that an agent may read."""
    return ", ".join(visible(goal, predicates)) or WITHHELD


def sayable(goal: Goal, text: str | None) -> str | None:
    """The text where it cannot be about what is held out, None where it might: sentences name predicates."""
    return None if held_out(goal) else text


def may_be_seen_looking(predicate: Predicate, progress: Progress) -> bool:
    """True when looking now would show the predicate to an agent that works on its goal."""
    act = progress.act
    return predicate.held_out and act is not None and act.rung.startswith("harness:")
