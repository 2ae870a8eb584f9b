"""What holds for every goal and every history: decide is total and safe, and the fold is its journal."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kazid.core.admission import acting_sha256, spec_sha256
from kazid.core.cadence import schedule
from kazid.core.decide import decide
from kazid.core.decision import Act
from kazid.core.event import SteadyObserved, SteadyTick
from kazid.core.fold import fold_all
from kazid.core.goal import Goal
from kazid.core.instant import Now
from kazid.core.progress import Desired, Progress
from kazid.core.reanchor import reanchored
from kazid.core.status import GoalStatus
from kazid.core.vector import assess
from tests.builders import WALL_0, as_json, predicate_observed
from tests.core.safety import check_safe
from tests.core.strategies import VERDICTS, goals, stories
from tests.played import Played

quick = settings(
    max_examples=120,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@settings(quick, max_examples=600)
@given(stories(on_decision=check_safe))
def test_every_decision_of_every_story_is_safe(play: Played) -> None:
    check_safe(play, play.decide())


@quick
@given(stories(), st.sampled_from([0.0, 1.0, 59.0, 301.0, 3601.0, 90_000.0, 1e7]))
def test_decide_has_an_answer_at_any_time(play: Played, later_s: float) -> None:
    play.advance(later_s)
    check_safe(play, play.decide())


@quick
@given(stories())
def test_decide_is_a_function_of_its_arguments(play: Played) -> None:
    assert play.decide() == play.decide()


@quick
@given(stories())
def test_a_replay_is_what_was_live(play: Played) -> None:
    assert fold_all(play.records) == play.folded


@quick
@given(stories())
def test_progress_comes_back_from_a_snapshot_as_it_was(play: Played) -> None:
    stored = msgspec.json.encode(play.progress)
    back = msgspec.json.decode(stored, type=Progress)
    assert msgspec.json.encode(back) == stored
    one = decide(play.goal, back, assess(play.goal, back, play.now), play.now)
    assert as_json(one) == as_json(play.decide())
    assert as_json(schedule(play.goal, back, play.now)) == as_json(
        schedule(play.goal, play.progress, play.now)
    )


@quick
@given(goals())
def test_a_goal_comes_back_from_the_journal_with_the_same_identity(goal: Goal) -> None:
    back = msgspec.json.decode(msgspec.json.encode(goal), type=Goal)
    assert (spec_sha256(back), acting_sha256(back)) == (spec_sha256(goal), acting_sha256(goal))


@quick
@given(
    goals(),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 400), st.integers(0, 8)), max_size=30),
    VERDICTS,
)
def test_steady_ticks_in_bulk_are_the_same_looks_one_by_one(
    goal: Goal, gaps: list[tuple[int, int, int]], verdict: object
) -> None:
    single, bulk = Played(goal), Played(goal)
    for play in (single, bulk):
        for predicate in goal.predicates:
            play.look(predicate.id, verdict)  # type: ignore[arg-type]
    ticks, at_s = [], 0.0
    for position, gap, took in gaps:
        index = position % len(goal.predicates)
        at_s += gap / 4
        ticks.append(SteadyTick(predicate=index, after_us=round(at_s * 1e6), took_us=took * 125_000))
        single.record(
            predicate_observed(goal.predicates[index].id, verdict, at=at_s, ended_s=at_s + took / 8)  # type: ignore[arg-type]
        )
    bulk.record(SteadyObserved(base_s=0.0, ticks=tuple(ticks), generation=goal_generation(bulk)))
    assert bulk.progress == single.progress


def goal_generation(play: Played) -> int:
    return play.progress.generation


@quick
@given(stories(), st.sampled_from([-1e6, -7.5, 1e5]))
def test_a_reboot_and_one_back_change_nothing(play: Played, by_s: float) -> None:
    there_and_back = reanchored(reanchored(play.progress, by_s), -by_s)
    assert there_and_back.status is play.progress.status
    assert (there_and_back.act_floor_s, there_and_back.asked_s) == pytest.approx(
        (play.progress.act_floor_s, play.progress.asked_s)
    )


@quick
@given(
    stories(),
    st.sampled_from([Desired.SUSPENDED, Desired.STOPPED, Desired.DELETED]),
)
def test_what_nobody_wants_is_never_acted_on(play: Played, desired: Desired) -> None:
    progress = msgspec.structs.replace(play.progress, desired=desired)
    assert not isinstance(decide(play.goal, progress, assess(play.goal, progress, play.now), play.now), Act)


@quick
@given(stories(), st.sampled_from([GoalStatus.PARKED, GoalStatus.TAMPERED, GoalStatus.FAILED]))
def test_what_needs_a_person_is_never_acted_on(play: Played, status: GoalStatus) -> None:
    progress = msgspec.structs.replace(play.progress, status=status)
    assert not isinstance(decide(play.goal, progress, assess(play.goal, progress, play.now), play.now), Act)


def test_decide_knows_a_goal_that_was_never_looked_at() -> None:
    now = Now(boot_s=0.0, wall_s=WALL_0)
    for standing in (True, False):
        play = Played(goals_example(standing=standing))
        check_safe(play, decide(play.goal, play.progress, assess(play.goal, play.progress, now), now))


def goals_example(*, standing: bool) -> Goal:
    from tests.builders import a_service, a_task

    return a_service() if standing else a_task()
