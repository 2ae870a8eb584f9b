"""`apply --check`: look at everything once, store nothing, act never."""

import anyio
from msgspec.structs import replace

from kazid.core import waiver
from kazid.core.event import PredicateObserved
from kazid.core.goal import Goal, Predicate
from kazid.core.ids import Epoch, Generation, GoalUid
from kazid.core.progress import PredicateState, Progress
from kazid.core.status import GoalStatus
from kazid.core.vector import assess
from kazid.core.verdict import Status
from kazid.runtime.observer import Disturbed
from kazid.runtime.views import Applied, GoalView
from kazid.runtime.world import World


async def check(goal: Goal, uid: GoalUid, world: World) -> Applied:
    """The view of one look. It is `converged` when all pass or are waived, else `stuck`."""
    progress = Progress(generation=Generation(1), epoch=Epoch(1))
    observed: dict[str, PredicateObserved] = {}

    async def look(predicate: Predicate) -> None:
        looked = await world.observer.look(uid, goal, predicate, progress)
        observed[predicate.id] = looked.observed if isinstance(looked, Disturbed) else looked

    async with anyio.create_task_group() as group:
        for predicate in goal.predicates:
            group.start_soon(look, predicate)
    progress = replace(progress, predicates={p.id: _checked(p, observed[p.id]) for p in goal.predicates})
    now = world.clock.now()
    waivable = waiver.waivable(goal)
    is_green = all(
        o.verdict.status is Status.PASS or (o.predicate_id in waivable and waiver.covers(o.verdict))
        for o in observed.values()
    )
    view = GoalView(
        uid=uid,
        goal=goal,
        progress=progress,
        vector=assess(goal, progress, now),
        status=GoalStatus.CONVERGED if is_green else GoalStatus.STUCK,
        cause=None,
        reason="every predicate passes" if is_green else "not every predicate passes",
        decision="Check",
        guards=(),
        next_wake_s=None,
        now=now,
    )
    return Applied(outcome="checked", view=view)


def _checked(predicate: Predicate, observed: PredicateObserved) -> PredicateState:
    verdict = observed.verdict
    return PredicateState(
        verdict=verdict,
        started_s=observed.started_s,
        ended_s=observed.ended_s,
        tree=observed.tree,
        generation=observed.generation,
        looks=1,
        fails=predicate.cadence.confirm if verdict.status is Status.FAIL else 0,
        passes=predicate.cadence.recover if verdict.status is Status.PASS else 0,
    )
