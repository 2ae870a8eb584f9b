"""Which agent and model a slice is given to: the first route that fits, then the ladder, then the goal's own. Pure.

Asked when a dispatch is decided, and the answer is journalled with its intent; so what ran is what was chosen, whatever
the goal-file or the settings say later. A slice has one assignment: predicates that go to different agents are not
bundled into one dispatch.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from kazid.core.goal import Assignment, Goal, HarnessChoice, Predicate, Route
from kazid.core.ids import PredicateId

BY_HARNESS = "[harness]"
"""What chose where no route fits: the goal's own agent, by flag, goal-file or settings."""


def assigned(goal: Goal, predicate_id: PredicateId, *, step: int = 0) -> Assignment:
    """Who works on this predicate, if an agent does; `step` is the rung its episode's ladder is on."""
    own = goal.harness
    assert own is not None, "only a goal with an agent assigns"
    route = next((r for r in goal.routes if fits(r, goal, goal.predicate(predicate_id))), None)
    if route is None and goal.escalation is not None:
        models = goal.escalation.ladder
        by = f"ladder {step + 1} of {len(models)}"
        return Assignment(harness=own.id, model=models[step], effort=own.effort, by=by, step=step)
    if route is None:
        return Assignment(harness=own.id, model=own.model, effort=own.effort, by=BY_HARNESS)
    is_own = route.harness is None or route.harness == own.id
    return Assignment(
        harness=route.harness or own.id,
        model=route.model or (own.model if is_own else None),
        effort=route.effort or (own.effort if is_own else None),
        by=route.name,
    )


def fits(route: Route, goal: Goal, predicate: Predicate) -> bool:
    """Whether a route is for this predicate."""
    if not route.words:
        return True
    known = {predicate.id, predicate.provider, predicate.kind, *_groups(goal, predicate)}
    known |= {f"{key}={value}" for key, value in goal.labels.items()}
    return any(word in known for word in route.words)


def choice_of(goal: Goal, assignment: Assignment | None) -> HarnessChoice:
    """How the assigned agent is started. What `[harness]` says of one agent's command line means nothing to another."""
    own = goal.harness
    assert own is not None, "only a goal with an agent dispatches"
    if assignment is None:
        return own
    base = own
    if assignment.harness != own.id:
        base = replace(own, id=assignment.harness, command=None, permission_mode=None, allowed_tools=())
    return replace(base, model=assignment.model, effort=assignment.effort)


def harness_of(goal: Goal, rung: str) -> str:
    """The agent that a rung names; of a rung that names none, the goal's own."""
    named = rung.removeprefix("harness:")
    return named or ("" if goal.harness is None else goal.harness.id)


def possible(goal: Goal) -> Iterator[Assignment]:
    """Every assignment this goal can make, for ceilings on what it may ask for."""
    if goal.harness is None:
        return
    seen: list[Assignment] = []
    steps = 1 if goal.escalation is None else len(goal.escalation.ladder)
    for predicate in goal.predicates:
        for step in range(steps):
            assignment = assigned(goal, predicate.id, step=step)
            if assignment not in seen:
                seen.append(assignment)
                yield assignment


def _groups(goal: Goal, predicate: Predicate) -> Iterator[str]:
    """The predicate's group and those around it."""
    parents = {g.id: g.parent for g in goal.groups}
    group = predicate.group
    met: set[str] = set()
    while group is not None and group not in met:
        met.add(group)
        yield group
        group = parents.get(group)
