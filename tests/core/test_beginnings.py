"""Where things begin: first looks after a start, the ref of a ratchet, a landing's carry, an end's journal entries."""

import pytest
from msgspec.structs import replace

from kazid.core.bundling import events_of
from kazid.core.cadence import first_look_spread_s, polls_tree
from kazid.core.decision import Conclude
from kazid.core.delivery import Begun, begun_of
from kazid.core.event import BundleLeft, FleetFrozen, FleetThawed, ReconcileRequested, Recorded, StatusChanged
from kazid.core.fleet import frozen_after
from kazid.core.goal import Goal
from kazid.core.ids import GoalId, Offset, PredicateId, Seq
from kazid.core.instant import Now
from kazid.core.jitter import fraction
from kazid.core.json import Json
from kazid.core.progress import Frozen
from kazid.core.ratchet import ref_of
from kazid.core.routing import harness_of
from kazid.core.status import Cause, GoalStatus
from kazid.core.withheld import sayable
from tests.builders import FAIL, PASS, a_goal, a_predicate, a_progress, a_running_act, a_service, a_task
from tests.played import Played

AT = Now(boot_s=5.0, wall_s=1_005.0, boot_id="b")
STANDING = a_goal(a_predicate("tests"), standing=True, workspace="/src")


@pytest.mark.parametrize(
    ("goal", "is_acting", "polls"),
    [
        pytest.param(STANDING, False, True, id="a-standing-goal-about-code"),
        pytest.param(STANDING, True, False, id="not-while-an-act-changes-it"),
        pytest.param(replace(STANDING, standing=False), False, False, id="not-of-a-one-shot-goal"),
        pytest.param(replace(STANDING, workspace=None), False, False, id="not-without-a-workspace"),
        pytest.param(a_service(workspace="/src"), False, False, id="not-of-live-predicates-alone"),
    ],
)
def test_the_tree_is_watched_where_a_verdict_of_a_standing_goal_is_about_it(
    goal: Goal, is_acting: bool, polls: bool
):
    progress = a_progress(act=a_running_act() if is_acting else None)
    assert polls_tree(goal, progress) is polls


@pytest.mark.parametrize(
    ("intervals_s", "at_most_s"),
    [
        pytest.param((None,), 30.0, id="no-interval"),
        pytest.param((600.0,), 30.0, id="a-long-one"),
        pytest.param((600.0, 10.0, None), 10.0, id="the-shortest"),
        pytest.param((30.5,), 30.0, id="a-little-longer-than-the-most"),
    ],
)
def test_first_looks_after_a_start_are_spread_over_the_shortest_interval(
    intervals_s: tuple[float | None, ...], at_most_s: float
):
    predicates = [a_predicate(f"p{n}", interval_s=s) for n, s in enumerate(intervals_s)]
    goals = [a_goal(*predicates, goal_id=f"g{n}") for n in range(200)]
    waits = [first_look_spread_s(goal) for goal in goals]
    assert waits[:2] == [at_most_s * fraction("ada", f"g{n}", "first look") for n in range(2)]
    assert 0.0 <= min(waits) < 0.05 * at_most_s
    assert 0.95 * at_most_s < max(waits) < at_most_s


@pytest.mark.parametrize(
    ("options", "ref"),
    [
        pytest.param({"baseline": "main"}, "main", id="a-ref"),
        pytest.param({"project_baseline": "v1.2"}, "v1.2", id="of-a-project"),
        pytest.param({"baseline": "Stored"}, None, id="stored"),
        pytest.param({"baseline": "prior"}, None, id="prior"),
        pytest.param({"baseline": 0.8}, None, id="a-figure"),
        pytest.param({}, None, id="none"),
        pytest.param({"baseline": "stored", "project_baseline": "main"}, "main", id="the-second-of-two"),
    ],
)
def test_a_baseline_that_is_neither_stored_nor_a_figure_is_a_git_ref(
    options: dict[str, Json], ref: str | None
):
    assert ref_of(options) == ref


@pytest.mark.parametrize(
    ("carry", "begun"),
    [
        pytest.param(None, Begun(), id="before-the-first-look"),
        pytest.param(
            {"since": "c0", "foreign": {"a.py": "t"}, "top": "/src"},
            Begun(since="c0", foreign={"a.py": "t"}, top="/src"),
            id="as-it-was-seen",
        ),
        pytest.param({"since": "c0"}, Begun(since="c0"), id="less-was-seen"),
        pytest.param({"since": 3}, Begun(), id="not-understood"),
        pytest.param("c0", Begun(), id="something-else"),
    ],
)
def test_how_the_tree_was_at_the_beginning_is_read_back(carry: Json, begun: Begun):
    assert begun_of(carry) == begun


@pytest.mark.parametrize(
    ("goal", "rung", "harness"),
    [
        pytest.param(a_task(), "harness:codex", "codex", id="named"),
        pytest.param(a_task(), "harness:", "claude", id="the-goals-own"),
        pytest.param(a_goal(), "harness:", "", id="none"),
        pytest.param(a_goal(), "harness:pi", "pi", id="named-by-the-rung-alone"),
    ],
)
def test_a_rung_names_an_agent_or_means_the_goals_own(goal: Goal, rung: str, harness: str):
    assert harness_of(goal, rung) == harness


def test_the_freeze_that_stands_is_the_last_one_until_the_thaw():
    def recorded(seq: int, event: FleetFrozen | FleetThawed | ReconcileRequested) -> Recorded:
        return Recorded(offset=Offset(100 + seq), uid="fleet", seq=Seq(seq), at=AT, event=event)

    first = frozen_after(None, recorded(4, FleetFrozen(reason="move", by="ada", until_wall_s=9.0)))
    assert first == Frozen(number=4, reason="move", until_wall_s=9.0)
    assert frozen_after(first, recorded(5, ReconcileRequested(by="ada"))) is first
    assert frozen_after(first, recorded(6, FleetThawed(by="ada"))) is None


@pytest.mark.parametrize(("held_out", "said"), [(False, "why"), (True, None)], ids=["open", "withheld"])
def test_a_sentence_is_not_said_where_it_might_name_what_is_held_out(held_out: bool, said: str | None):
    secret = replace(a_predicate("secret"), held_out=held_out)
    assert sayable(a_goal(a_predicate("open"), secret), "why") == said
    assert sayable(a_goal(secret), None) is None


def test_an_end_is_journalled_with_its_bundle_unless_it_is_a_green_one():
    played = Played(a_goal(a_predicate("tests"), goal_id=GoalId("web"))).look("tests", FAIL)
    proof = {PredicateId("tests"): "fail"}
    end = Conclude(status=GoalStatus.STUCK, cause=Cause.NO_EXECUTOR, reason="nobody", proof=proof)
    status, left = events_of(played.goal, played.progress, end, played.now, changed={"a.py"})
    assert status == StatusChanged(
        status=GoalStatus.STUCK, cause=Cause.NO_EXECUTOR, reason="nobody", proof=proof
    )
    assert isinstance(left, BundleLeft)
    bundle = left.bundle
    assert (bundle.status, bundle.cause, bundle.reason) == (GoalStatus.STUCK, Cause.NO_EXECUTOR, "nobody")
    assert (bundle.changed, bundle.at_wall_s) == (("a.py",), played.now.wall_s)
    assert [p.id for p in bundle.failing] == ["tests"]
    green = Conclude(status=GoalStatus.CONVERGED, reason="all green", proof={PredicateId("tests"): "pass"})
    played.look("tests", PASS)
    assert events_of(played.goal, played.progress, green, played.now) == (
        StatusChanged(status=GoalStatus.CONVERGED, reason="all green", proof=green.proof),
    )
