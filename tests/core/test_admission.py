"""What applying a spec again means, and which goals may stand beside each other (SEMANTICS §6)."""

from typing import Any

import pytest
from msgspec.structs import replace

from kazid.core.admission import Change, acting_sha256, change, claims_overlap, overlaps, spec_sha256
from kazid.core.goal import Budget, Goal, Scope
from kazid.core.progress import Desired
from kazid.core.status import GoalStatus
from tests.builders import a_goal, a_harness, a_predicate, a_progress, a_remedy, a_service, a_task

GOAL = a_service()


def with_predicate(**fields: Any) -> Goal:
    return replace(GOAL, predicates=(replace(GOAL.predicates[0], **fields),))


IN_PLACE = {
    "budget": replace(GOAL, budget=Budget(iterations_max=9)),
    "interval": a_goal(
        a_predicate("livez", live=True, interval_s=5.0), remedies=GOAL.remedies, standing=True
    ),
    "confirm": a_goal(a_predicate("livez", live=True, confirm=5), remedies=GOAL.remedies, standing=True),
    "name": replace(GOAL, name="Web"),
    "labels": replace(GOAL, labels={"team": "ops"}),
    "description": with_predicate(description="answers"),
}
NEW_GENERATION = {
    "predicate-options": with_predicate(options={"url": "http://other"}),
    "predicate-added": a_goal(
        *GOAL.predicates, a_predicate("b", live=True), remedies=GOAL.remedies, standing=True
    ),
    "remedy": replace(GOAL, remedies=(a_remedy("livez", cmd="other"),)),
    "harness": replace(GOAL, harness=a_harness()),
    "scope": replace(GOAL, scope=Scope(owns=("unit:web",))),
    "workspace": replace(GOAL, workspace="/srv/web"),
    "one-shot": replace(GOAL, standing=False),
}
NO_CHANGE = {
    "path": replace(GOAL, path="/usr/bin"),
    "file": replace(GOAL, source_path="/srv/web.toml", source_sha256="abc"),
}


def changed(new: Goal, *, current: Goal = GOAL, **progress: Any) -> Change:
    return change(current, a_progress(spec_sha256=spec_sha256(current), **progress), new)


@pytest.mark.parametrize("new", NO_CHANGE.values(), ids=NO_CHANGE)
def test_the_same_spec_attaches(new: Goal) -> None:
    assert changed(new) is Change.ATTACHED


@pytest.mark.parametrize("new", IN_PLACE.values(), ids=IN_PLACE)
def test_budget_observe_and_metadata_apply_in_place(new: Goal) -> None:
    assert changed(new) is Change.UPDATED


@pytest.mark.parametrize("new", NEW_GENERATION.values(), ids=NEW_GENERATION)
def test_predicates_executors_scope_and_workspace_raise_the_generation(new: Goal) -> None:
    assert changed(new) is Change.GENERATION


@pytest.mark.parametrize(
    "status", [GoalStatus.CONVERGED, GoalStatus.VACUOUS, GoalStatus.STUCK, GoalStatus.PARKED]
)
def test_a_finished_goal_is_reopened(status: GoalStatus) -> None:
    assert changed(a_task(), current=a_task(), status=status) is Change.REOPENED


@pytest.mark.parametrize("status", [GoalStatus.STUCK, GoalStatus.OVER_BUDGET, GoalStatus.HOLDING])
def test_the_same_spec_of_a_standing_goal_only_attaches_whatever_its_status(status: GoalStatus) -> None:
    assert changed(GOAL, status=status) is Change.ATTACHED


@pytest.mark.parametrize("new", [GOAL, NEW_GENERATION["remedy"]], ids=["same", "changed"])
def test_a_stopped_goal_is_revived(new: Goal) -> None:
    assert changed(new, desired=Desired.STOPPED) is Change.REVIVED


def test_the_order_of_keys_in_a_table_is_not_part_of_the_spec() -> None:
    one = with_predicate(options={"url": "http://web", "expect_status": 200})
    two = with_predicate(options={"expect_status": 200, "url": "http://web"})
    assert (spec_sha256(one), acting_sha256(one)) == (spec_sha256(two), acting_sha256(two))


def test_the_order_of_predicates_is_part_of_the_spec() -> None:
    a, b = a_predicate("a"), a_predicate("b")
    assert spec_sha256(a_goal(a, b)) != spec_sha256(a_goal(b, a))


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("unit:web", "unit:web", True),
        ("unit:web", "unit:web2", False),
        ("unit:web", "repo:web", False),
        ("path:/srv", "path:/srv/web", True),
        ("path:/srv/web", "path:/srv/web2", False),
        ("path:/srv/", "path:/srv", True),
        ("path:/", "path:/srv", True),
        ("url:http://web", "url:http://web/api", True),
        ("url:http://web", "url:http://web2", False),
    ],
)
def test_paths_and_urls_nest_and_the_rest_is_equal(one: str, two: str, expected: bool) -> None:
    assert claims_overlap(one, two) is expected
    assert claims_overlap(two, one) is expected


def an_owner(goal_id: str, *owns: str, on_overlap: str = "refuse") -> Goal:
    return a_goal(goal_id=goal_id, scope=Scope(owns=owns, on_overlap=on_overlap))


def test_two_goals_with_overlapping_claims_are_refused_by_name() -> None:
    problems = overlaps(an_owner("a", "unit:x", "path:/srv/web"), [an_owner("b", "path:/srv")])
    assert [p.message for p in problems] == ["'path:/srv/web' overlaps with 'path:/srv', which ada/b owns"]
    assert [p.key for p in problems] == ["scope.owns"]


def test_two_goals_that_both_serialise_may_overlap() -> None:
    a, b = (an_owner(name, "unit:x", on_overlap="serialise") for name in "ab")
    assert overlaps(a, [b]) == []
    assert overlaps(an_owner("a", "unit:x"), [b]) != []


def test_a_goal_does_not_overlap_with_itself() -> None:
    assert overlaps(an_owner("a", "unit:x"), [an_owner("a", "unit:x", "unit:y")]) == []
