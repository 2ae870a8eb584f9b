"""What a goal may do without: a predicate that says it does not apply here, where the goal-file allows it to.

`on_unknown = "waive"` covers `unknown` with the reason `not_applicable` and nothing else: no error, quarantine, stale
look, timeout or missing tool. A waiver is never green; it is left out. It is part of the stored spec, so it is sealed
like the rest of it, and it may not empty the bar: a goal that waives all of its predicates, or all of its acceptance
predicates, is refused, and where one is stored all the same it waives nothing (SEMANTICS §1). Pure.
"""

from collections.abc import Sequence

from kazid.core.goal import Goal, Predicate
from kazid.core.ids import PredicateId
from kazid.core.verdict import Status, Verdict

WAIVE = "waive"
BLOCK = "block"
NOT_APPLICABLE = "not_applicable"


def excess(predicates: Sequence[Predicate]) -> str | None:
    """Why these waivers together are too many; None when something is left that has to hold."""
    if predicates and all(p.on_unknown == WAIVE for p in predicates):
        return "every predicate may be waived: nothing would have to hold"
    accepting = [p for p in predicates if p.acceptance]
    if accepting and all(p.on_unknown == WAIVE for p in accepting):
        return "every acceptance predicate may be waived: nothing would have to become true"
    return None


def waivable(goal: Goal) -> frozenset[PredicateId]:
    """The ids that may be left out; none where the goal waives too much."""
    found = frozenset(p.id for p in goal.predicates if p.on_unknown == WAIVE)
    return found if found and excess(goal.predicates) is None else frozenset()


def covers(verdict: Verdict) -> bool:
    """Whether a waiver covers what a predicate says now."""
    return verdict.status is Status.UNKNOWN and verdict.reason == NOT_APPLICABLE


def beside(reason: str, *, waived: int) -> str:
    """The sentence of a green end, with what was left out."""
    return reason if waived == 0 else f"{reason}, {waived} waived"
