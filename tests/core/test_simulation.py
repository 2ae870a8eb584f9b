"""The rules in a closed loop: whatever the world and people do, a goal gets where it should, and never spins.

One seed is one run; a failing one is repeated with `-k seed-N`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kazid.core.goal import Budget, Goal, Mode, Predicate
from kazid.core.patience import PATIENCE_S
from kazid.core.status import FINISHED, Cause, GoalStatus
from kazid.core.verdict import Verdict, unknown
from tests.builders import ERROR, FAIL, PASS, UNKNOWN, a_goal, a_harness, a_predicate, a_remedy
from tests.core.world import Loop, World

NOT_APPLICABLE = unknown("not_applicable")
CALM_S = 3600.0
BOUND_S = CALM_S + 8 * 3600.0
"""Twenty acts with five minutes of backoff, two hours; then patience, wall clock and the slowest looks."""
TURNS_MAX = 6000


def a_random_goal(random: Random, *, standing: bool) -> Goal:
    names = ["a", "b", "c"][: random.randint(1, 3)]
    predicates = [
        a_predicate(
            name,
            live=random.random() < 0.5,
            group=random.choice([None, "g"]),
            acceptance=random.random() < 0.5,
        )
        for name in names
    ]
    remedies = [
        a_remedy(
            *random.choice([(), (random.choice(names),)]),
            cmd=f"r{index}",
            attempts=random.randint(1, 3),
            on_error=random.random() < 0.3,
        )
        for index in range(random.randint(0, 2))
    ]
    return a_goal(
        *predicates,
        remedies=remedies,
        harness=random.choice([None, a_harness(), a_harness(names[0])]),
        standing=standing,
        mode=random.choice(list(Mode)),
        budget=Budget(
            iterations_max=random.choice([None, None, 1, 5]),
            wall_clock_s_max=random.choice([None, None, 120.0, 7200.0]),
            tokens_max=random.choice([None, 250]),
            dispatches_max=random.choice([1, 10]),
            dispatches_per_day_max=20,
        ),
    )


def a_random_world(random: Random, goal: Goal, seed: int) -> World:
    return World(
        seed=seed,
        calm_s=random.choice([0.0, 60.0, CALM_S]),
        nature={p.id: random.choice([PASS, FAIL, FAIL, ERROR, UNKNOWN]) for p in goal.predicates},
        repaired_by={p.id: random.randint(1, 4) for p in goal.predicates if random.random() < 0.4},
    )


@pytest.mark.parametrize("seed", range(250), ids=lambda seed: f"seed-{seed}")
def test_every_one_shot_goal_ends(seed: int) -> None:
    random = Random(seed)
    goal = a_random_goal(random, standing=False)
    loop = Loop(goal, a_random_world(random, goal, seed)).run(until_s=BOUND_S)
    assert loop.is_over, f"{loop.play.status} after {loop.turns} turns: {loop.play.decide()}"
    assert loop.play.status in FINISHED
    assert loop.turns < TURNS_MAX


@pytest.mark.parametrize("seed", range(60), ids=lambda seed: f"seed-{seed}")
def test_every_standing_goal_goes_on_and_never_spins(seed: int) -> None:
    random = Random(1000 + seed)
    goal = a_random_goal(random, standing=True)
    loop = Loop(goal, a_random_world(random, goal, seed)).run(until_s=CALM_S + 2 * 3600.0)
    assert not loop.is_over
    assert loop.turns < TURNS_MAX


@pytest.mark.parametrize("seed", range(60), ids=lambda seed: f"seed-{seed}")
def test_every_standing_goal_whose_world_mends_itself_holds(seed: int) -> None:
    random = Random(2000 + seed)
    goal = a_random_goal(random, standing=True)
    world = World(seed=seed, calm_s=CALM_S)
    loop = Loop(goal, world).run(until_s=CALM_S + 1300.0)
    assert loop.play.status is GoalStatus.HOLDING
    assert loop.play.progress.episode is None


@pytest.mark.parametrize("seed", range(60), ids=lambda seed: f"seed-{seed}")
def test_what_acts_can_mend_is_mended(seed: int) -> None:
    random = Random(3000 + seed)
    live = random.random() < 0.5
    attempts = random.randint(1, 4)
    standing = random.random() < 0.5
    goal = a_goal(a_predicate("a", live=live), remedies=[a_remedy(attempts=attempts)], standing=standing)
    world = World(seed=seed, nature={"a": FAIL}, repaired_by={"a": random.randint(1, attempts)})
    loop = Loop(goal, world, at=random.choice([0.0, 77.7, 1e6]))
    began_s = loop.play.now.boot_s
    done = {GoalStatus.HOLDING, GoalStatus.CONVERGED}
    loop.run(until_s=began_s + 3600.0, until=lambda play: play.status in done)
    assert loop.play.status in done
    assert loop.play.now.boot_s - began_s < attempts * 320.0


@pytest.mark.parametrize(
    ("nature", "status"),
    [
        (PASS, GoalStatus.VACUOUS),
        (FAIL, GoalStatus.STUCK),
        (ERROR, GoalStatus.STUCK),
        (UNKNOWN, GoalStatus.STUCK),
    ],
    ids=["green", "red", "error", "unknown"],
)
@pytest.mark.parametrize("live", [True, False], ids=["live", "code"])
def test_a_world_that_does_not_change_has_one_end(nature: Verdict, live: bool, status: GoalStatus) -> None:
    goal = a_goal(a_predicate("a", live=live), remedies=[a_remedy()])
    loop = Loop(goal, World(nature={"a": nature})).run(until_s=7200.0)
    assert loop.play.status is status


class Cycling(World):
    """Each predicate says the same few things in turn, for ever; acts mend nothing."""

    def __init__(self, patterns: Mapping[str, Sequence[Verdict]]) -> None:
        super().__init__()
        self.patterns = patterns
        self.said: Counter[str] = Counter()

    def verdict(self, predicate: Predicate, now_s: float) -> Verdict:
        pattern = self.patterns[predicate.id]
        self.said[predicate.id] += 1
        return pattern[(self.said[predicate.id] - 1) % len(pattern)]


PATTERN = st.lists(st.sampled_from([PASS, FAIL, ERROR, UNKNOWN, NOT_APPLICABLE]), min_size=1, max_size=6)


@given(
    patterns=st.lists(
        st.tuples(PATTERN, st.booleans(), st.sampled_from(["block", "waive"])), min_size=1, max_size=3
    ),
    rung=st.sampled_from(["nobody", "remedy", "agent"]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_its_predicates_say_in_turn_a_one_shot_goal_ends(
    patterns: list[tuple[list[Verdict], bool, str]], rung: str
) -> None:
    predicates = [
        msgspec.structs.replace(a_predicate(f"p{i}", live=live), on_unknown=on_unknown)
        for i, (_, live, on_unknown) in enumerate(patterns)
    ]
    goal = a_goal(
        *predicates,
        remedies=[a_remedy()] if rung == "remedy" else [],
        harness=a_harness() if rung == "agent" else None,
    )
    world = Cycling({f"p{i}": said for i, (said, _, _) in enumerate(patterns)})
    loop = Loop(goal, world).run(until_s=BOUND_S)
    assert loop.is_over, f"{loop.play.status}: {loop.play.decide()}"
    assert loop.play.status in FINISHED
    assert loop.play.progress.reason
    if loop.play.status is GoalStatus.STUCK:
        assert loop.play.cause is not None


def test_a_slow_look_is_waited_for_without_spinning() -> None:
    goal = a_goal(a_predicate("tests"), remedies=[a_remedy()], budget=Budget(wall_clock_s_max=30.0))
    loop = Loop(goal, World(nature={"tests": FAIL}, look_s=590.0)).run(until_s=7200.0)
    assert loop.play.status is GoalStatus.OVER_BUDGET
    assert loop.turns < 20


def test_a_flapping_goal_without_a_ceiling_costs_looks_only_and_ends() -> None:
    goal = a_goal(a_predicate("a", live=True), remedies=[a_remedy()])

    class Flapping(World):
        def verdict(self, predicate: object, now_s: float) -> Verdict:
            self.tree += 1
            return PASS if self.tree % 2 else FAIL

    loop = Loop(goal, Flapping()).run(until_s=3600.0)
    assert (loop.play.status, loop.play.cause) == (GoalStatus.STUCK, Cause.FLAPPING)
    assert loop.play.now.boot_s < PATIENCE_S + 60.0
    assert loop.play.progress.acts == 0
    assert loop.turns < 3600.0 / 2.0 * 2.5
