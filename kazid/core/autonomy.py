"""How far a goal may go by itself with one act: the lowest level of goal, predicates and risk class. Pure.

A class follows from who acts: a remedy is a `restart` unless its file says otherwise, an agent's work and its landing
are `code`, a deploy is a `deploy`. A ceiling of the settings lowers nothing in silence: a goal that asks for more is
refused when it is applied (`core/policy.py`).
"""

from collections.abc import Iterator, Sequence

from kazid.core.delivery import DEPLOY, ROLLBACK
from kazid.core.goal import Goal, Remedy
from kazid.core.ids import PredicateId
from kazid.core.level import Level, Risk, lowest


def risk_of(goal: Goal, rung: str) -> Risk:
    """The class of an act by its rung."""
    if rung.startswith("remedy:"):
        return goal.remedies[int(rung.removeprefix("remedy:"))].risk
    return Risk.DEPLOY if rung in (DEPLOY, ROLLBACK) else Risk.CODE


def level_of(goal: Goal, rung: str, predicates: Sequence[PredicateId]) -> Level:
    """How far the goal may go with this act for these predicates."""
    known = set(goal.predicate_ids)
    return _level(goal, risk_of(goal, rung), [p for p in predicates if p in known])


def may_try(goal: Goal, risk: Risk, predicate_id: PredicateId) -> bool:
    """False where all that may be done about a predicate is to report it."""
    return _level(goal, risk, (predicate_id,)) is not Level.OBSERVE


def is_observed(goal: Goal, predicate_id: PredicateId) -> bool:
    """True for a predicate that an executor is kept from by its level alone, or any would be."""
    risks = [remedy.risk for remedy in goal.remedies if remedy.covers(predicate_id)]
    agents = () if goal.harness is None else (Risk.CODE,)
    return any(not may_try(goal, risk, predicate_id) for risk in (Risk.RESTART, *risks, *agents))


def asked_for(goal: Goal) -> Iterator[tuple[str, Level]]:
    """Each kind of act that the goal can take, with the highest level it asks for."""
    for index, remedy in enumerate(goal.remedies):
        yield f"remedy {index + 1}", _highest(goal, remedy.risk, _served(goal, remedy))
    if goal.harness is not None:
        yield "its agent's work", _highest(goal, Risk.CODE, goal.predicate_ids)
    if goal.deploy is not None:
        yield "its deploys", _level(goal, Risk.DEPLOY, ())


def _served(goal: Goal, remedy: Remedy) -> Sequence[PredicateId]:
    return remedy.predicates or goal.predicate_ids


def _highest(goal: Goal, risk: Risk, predicates: Sequence[PredicateId]) -> Level:
    order = list(Level)
    return order[max(order.index(_level(goal, risk, (p,))) for p in predicates)]


def _level(goal: Goal, risk: Risk, predicates: Sequence[PredicateId]) -> Level:
    order = list(Risk)
    upto = order[: order.index(risk) + 1]
    classes = [goal.autonomy.risks[r.value] for r in upto if r.value in goal.autonomy.risks]
    return lowest([goal.autonomy.level, *classes, *(goal.predicate(p).autonomy for p in predicates)])
