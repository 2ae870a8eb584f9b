"""What `explain` announces comes: at the announced time, and not before, the guard is gone or the goal acts.

Nothing breaks here; each goal is red and held, by a backoff, a suspension, a freeze or its half-open hour, and time
is the only thing that passes. The pure version of this is in tests/core.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest

from kazid.adapters.memory.runner import Script
from kazid.core.cadence import is_observing
from kazid.core.decide import decide
from kazid.core.decision import Hold
from kazid.core.fleet import FLEET_UID
from kazid.core.fold import Folded, fold
from kazid.core.goal import Goal
from kazid.core.guards import guards_of
from kazid.core.ids import Offset
from kazid.core.instant import Now
from kazid.core.progress import Progress
from kazid.core.rungs import actionable
from kazid.core.status import GoalStatus
from kazid.core.vector import assess
from tests.builders import a_goal, a_predicate, a_remedy
from tests.core.lifting import lifted
from tests.runtime.adversary import run_seeded
from tests.runtime.house import ME, Daemon, House
from tests.simulation.story import HORIZON_S, Story

INSTANT_S = 0.05
LOOKED_AGAIN_S = 10.0
"""What waited is looked at again before it is acted on: a red takes two looks."""
ACTS = 4
LIFTS_MAX = 6
"""How deep guards lie beneath each other: what is looked at again may be red, and that held again."""
Holding = Callable[[Daemon], Awaitable[Any]]


async def backoff(daemon: Daemon) -> None:
    """The remedy does nothing, and is held longer each time."""
    await anyio.sleep(1)


async def suspension(daemon: Daemon) -> None:
    await daemon.service.suspend("ada", "web", reason="x", for_s=45.0, caller=ME)


async def freeze(daemon: Daemon) -> None:
    await daemon.service.freezing.freeze(reason="x", for_s=30.0, caller=ME)


def announced(view: Any) -> float | None:
    """When the last of what holds an act opens."""
    times = [
        g.until_s
        for g in view.guards
        if g.until_s is not None and g.name not in ("confirm", "observe", "act")
    ]
    return max(times, default=None)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("hold", [backoff, suspension, freeze])
def test_a_held_goal_acts_at_the_announced_time_and_not_before(hold: Holding, seed: int) -> None:
    async def story() -> int:
        house = House()
        house.scripts["restart"] = Script(duration_s=1.0)  # mends nothing
        predicate = a_predicate(f"livez{seed}", live=True, interval_s=5.0)
        remedy = a_remedy(cmd="restart", attempts=ACTS)
        kept = 0
        async with house.daemon() as daemon:
            await daemon.apply(a_goal(predicate, standing=True, remedies=[remedy]))
            while len(house.runner.starts) < ACTS:
                await hold(daemon)
                view = daemon.service.view("ada", "web")
                until_s = announced(view)
                if until_s is None:
                    assert view.guards or view.decision != "Hold", "what holds it is named"
                    await anyio.sleep(1)
                    continue
                starts = len(house.runner.starts)
                await anyio.sleep(max(0.0, until_s - anyio.current_time() - INSTANT_S))
                assert len(house.runner.starts) == starts, "it acted before the announced time"
                await anyio.sleep(INSTANT_S + LOOKED_AGAIN_S)
                now = daemon.service.view("ada", "web")
                again = [
                    g for g in now.guards if g.until_s is not None and abs(g.until_s - until_s) < INSTANT_S
                ]
                assert not again, f"the announced time came, and it is still held by {again}"
                has_acted = len(house.runner.starts) > starts
                still_held = announced(now) is not None and hold is not backoff
                assert has_acted or now.decision != "Hold" or still_held, f"it does not act: {now.guards}"
                kept += 1
        return kept

    assert run_seeded(story, seed=seed) >= 1


def test_the_half_open_hour_is_announced_and_kept() -> None:
    async def story() -> None:
        house = House()
        house.scripts["restart"] = Script(duration_s=1.0)
        predicate = a_predicate("livez", live=True, interval_s=5.0)
        async with house.daemon() as daemon:
            await daemon.apply(
                a_goal(predicate, standing=True, remedies=[a_remedy(cmd="restart", attempts=1)])
            )
            await anyio.sleep(60)
            view = daemon.service.view("ada", "web")
            until_s = announced(view)
            assert until_s is not None, view
            starts = len(house.runner.starts)
            await anyio.sleep(until_s - anyio.current_time() - INSTANT_S)
            assert len(house.runner.starts) == starts
            await anyio.sleep(LOOKED_AGAIN_S)
            assert len(house.runner.starts) == starts + 1

    run_seeded(story, seed=0)


@pytest.mark.parametrize("first_seed", range(0, 24, 8))
def test_whatever_holds_a_goal_is_listed_and_nothing_else_holds_it(first_seed: int) -> None:
    """Every state of every goal of hostile runs: all that is listed taken away, nothing holds it any more."""
    held: Counter[str] = Counter()
    for seed in range(first_seed, first_seed + 8):
        for goal, progress, now in states_of(seed):
            vector = assess(goal, progress, now)
            if progress.act is not None or not actionable(goal, vector) or not is_observing(goal, progress):
                continue
            free = progress
            for _ in range(LIFTS_MAX):
                guards = guards_of(goal, free, assess(goal, free, now), now)
                if not guards:
                    break
                held.update(g.name for g in guards)
                for guard in guards:
                    free = lifted(goal, free, guard, now)
            decision = decide(goal, free, assess(goal, free, now), now)
            assert not isinstance(decision, Hold) or decision.status is GoalStatus.HOLDING, (seed, decision)
    assert len(held) >= 5, held


def states_of(seed: int) -> Iterator[tuple[Goal, Progress, Now]]:
    """Each state that each goal of this seed was in, when an event was recorded."""
    story = Story(seed, horizon_s=HORIZON_S)
    run_seeded(story.tell, seed=seed)
    folded: dict[str, Folded] = {}
    for record in run_seeded(lambda: story.world.house.journal.tail(after=Offset(0)), seed=seed):
        if record.uid == FLEET_UID:
            continue
        before = folded.get(record.uid, Folded(None, Progress()))
        after = folded[record.uid] = fold(before, record.event, at=record.at)
        if after.goal is not None:
            yield after.goal, after.progress, record.at
