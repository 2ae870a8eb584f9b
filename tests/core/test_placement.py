"""In which tree a goal is judged, when that changes, and what is forgotten with the old one."""

from typing import Any

import pytest

from kazid.core.decision import Act, CloseEpisode, Conclude, Decision, Hold
from kazid.core.delivery import Integration
from kazid.core.event import WorktreeCreated, WorktreeDelivered, WorktreeRemoved
from kazid.core.goal import Goal, Isolation
from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.core.placement import (
    Step,
    act_ended,
    branch_of,
    end_of_idling,
    lands,
    moved,
    step_before,
    wants_worktree,
)
from kazid.core.progress import Progress, Seal
from kazid.core.status import Cause, GoalStatus
from kazid.core.worktree import Worktree, is_beside, placed
from tests.builders import FAIL, PASS, a_goal, a_predicate, a_progress, a_running_act, a_state
from tests.builders import act_ended as an_end

AT = Now(boot_s=70.0, wall_s=1_070.0, boot_id="b")
OURS = Seal(files={"base": "b0"}, acts=1)
USERS = Seal(files={"base": "a0"}, acts=0)
REMEDY = Act(rung="remedy:0", predicates=(), title="t", fingerprint="f")
DISPATCH = Act(rung="harness:claude", predicates=(), title="t", fingerprint="f")
CONVERGED = Conclude(status=GoalStatus.CONVERGED, reason="all green")
STUCK = Conclude(status=GoalStatus.STUCK, reason="no progress")


def a_tree(**fields: Any) -> Worktree:
    return Worktree(
        **{
            "path": "/t/web",
            "folder": "/t/web/app",
            "repository": "/src",
            "branch": "kazi/web",
            "base": "b0",
            **fields,
        }
    )


def isolated(**fields: Any) -> Goal:
    return a_goal(**{"workspace": "/src/app", "isolation": Isolation(mode="worktree"), **fields})


@pytest.mark.parametrize(
    ("decision", "tree", "step"),
    [
        pytest.param(DISPATCH, None, Step.MAKE, id="an-agent-needs-a-tree"),
        pytest.param(DISPATCH, a_tree(), None, id="an-agent-has-one"),
        pytest.param(REMEDY, None, None, id="a-remedy-needs-none"),
        pytest.param(CloseEpisode(), a_tree(dispatches=1), Step.DELIVER, id="green-and-worked-on"),
        pytest.param(CloseEpisode(), a_tree(), Step.DROP, id="green-and-untouched"),
        pytest.param(CloseEpisode(), None, None, id="green-where-the-user-works"),
        pytest.param(CONVERGED, a_tree(dispatches=2), Step.DELIVER, id="converged-and-worked-on"),
        pytest.param(CONVERGED, a_tree(), Step.DROP, id="converged-and-untouched"),
        pytest.param(CONVERGED, None, None, id="converged-where-the-user-works"),
        pytest.param(STUCK, a_tree(dispatches=1), None, id="an-end-that-is-not-green-keeps-its-tree"),
        pytest.param(Hold(status=GoalStatus.WAITING), a_tree(), None, id="waiting"),
    ],
)
def test_a_tree_is_made_before_an_agent_and_delivered_before_a_green_end(
    decision: Decision, tree: Worktree | None, step: Step | None
):
    assert step_before(isolated(), a_progress(worktree=tree), decision) is step


def test_an_agent_that_works_in_place_gets_no_tree():
    assert step_before(a_goal(workspace="/src"), a_progress(), DISPATCH) is None


@pytest.mark.parametrize("decision", [CloseEpisode(), CONVERGED], ids=["close", "converge"])
def test_what_lands_is_never_delivered(decision: Decision):
    goal = isolated(integration=Integration(mode="branch", branch="topic"))
    assert step_before(goal, a_progress(worktree=a_tree(dispatches=1)), decision) is None


@pytest.mark.parametrize(
    ("goal", "wants"),
    [
        pytest.param(isolated(), True, id="asked-for"),
        pytest.param(isolated(workspace=None), False, id="nothing-to-cut-it-from"),
        pytest.param(a_goal(workspace="/src", isolation=Isolation(mode="in_place")), False, id="in-place"),
    ],
)
def test_a_tree_of_its_own_is_for_a_goal_with_a_workspace_that_asks_for_one(goal: Goal, wants: bool):
    assert wants_worktree(goal) is wants


def test_the_branch_is_the_one_that_lands_else_the_goals():
    landing = isolated(integration=Integration(mode="branch", branch="topic"))
    assert (branch_of(isolated()), lands(isolated())) == ("kazi/web", False)
    assert (branch_of(landing), lands(landing)) == ("topic", True)


def test_a_second_tree_that_is_green_untouched_ends_the_goal_with_its_cause():
    assert end_of_idling(a_progress()) is None
    end = end_of_idling(a_progress(idle_worktrees=1))
    assert end is not None
    assert (end.status, end.cause) == (GoalStatus.STUCK, Cause.WORKSPACE_DIFFERS)
    assert end.reason == (
        "it is red in the workspace and green in a fresh worktree of it: what is wrong is not in the "
        "repository (ignored files, installed dependencies, local state), so no change of code would mend it"
    )


def seen() -> tuple[Goal, Progress]:
    """A goal with one predicate of code and one that is live, each seen."""
    goal = a_goal(a_predicate("tests"), a_predicate("livez", live=True), workspace="/src/app")
    states = {
        "tests": a_state(FAIL, fails=2, passes=1, reruns_left=1, looks=3, baseline=4.0),
        "livez": a_state(PASS, passes=2, looks=5),
    }
    return goal, a_progress(states=states, seal=USERS, act_floor_s=1.0)


def test_nothing_seen_of_code_is_fresh_in_another_tree_and_what_is_live_stays():
    goal, progress = seen()
    after = moved(goal, progress, WorktreeCreated(worktree=a_tree()), AT)
    code, live = (after.predicate(PredicateId(name)) for name in ("tests", "livez"))
    assert (code.is_stale, code.fails, code.passes, code.reruns_left) == (True, 0, 0, 0)
    assert (code.verdict, code.looks, code.baseline) == (FAIL, 3, 4.0)
    assert live == progress.predicate(PredicateId("livez"))
    assert after.act_floor_s == 70.0


def test_each_tree_has_a_seal_of_its_own_and_the_users_comes_back():
    goal, progress = seen()
    made = moved(goal, progress, WorktreeCreated(worktree=a_tree()), AT)
    assert (made.worktree, made.seal, made.workspace_seal) == (a_tree(), None, USERS)
    sealed = a_progress(worktree=a_tree(dispatches=1), seal=OURS, workspace_seal=USERS, idle_worktrees=1)
    again = moved(goal, sealed, WorktreeCreated(worktree=a_tree(base="c0")), AT)
    assert (again.worktree, again.seal, again.workspace_seal) == (a_tree(base="c0"), None, USERS)
    delivered = moved(goal, sealed, WorktreeDelivered(files=("a.py",), files_total=1, saved="refs/x"), AT)
    assert (delivered.worktree, delivered.seal, delivered.workspace_seal) == (None, USERS, None)
    assert (delivered.idle_worktrees, delivered.act_floor_s) == (1, 70.0)


@pytest.mark.parametrize(
    ("tree", "idle"),
    [
        pytest.param(a_tree(), 2, id="nobody-worked-there"),
        pytest.param(a_tree(dispatches=1), 1, id="somebody-did"),
        pytest.param(None, 1, id="there-was-none"),
    ],
)
def test_a_tree_removed_untouched_is_counted(tree: Worktree | None, idle: int):
    goal, _ = seen()
    before = a_progress(worktree=tree, seal=OURS, workspace_seal=USERS, idle_worktrees=1)
    after = moved(goal, before, WorktreeRemoved(reason="green"), AT)
    assert after.idle_worktrees == idle
    assert (after.worktree, after.seal, after.workspace_seal) == (None, USERS, None)


@pytest.mark.parametrize(
    ("rung", "ending", "counted"),
    [
        pytest.param("harness:claude", "exited", True, id="an-agent"),
        pytest.param("harness:claude", "idle_timeout", True, id="an-agent-that-was-ended"),
        pytest.param("harness:claude", "never_started", False, id="never-started"),
        pytest.param("harness:claude", "not_started", False, id="not-started"),
        pytest.param("remedy:0", "exited", False, id="a-remedy"),
    ],
)
def test_an_agents_attempt_counts_for_the_tree_it_worked_in(rung: str, ending: str, counted: bool):
    before = a_progress(worktree=a_tree(dispatches=1), idle_worktrees=1)
    after = act_ended(before, a_running_act(rung=rung), an_end(at=5.0, ending=ending))
    assert after.worktree == a_tree(dispatches=2 if counted else 1)
    assert after.idle_worktrees == (0 if counted else 1)


def test_an_agents_attempt_in_place_counts_for_no_tree():
    after = act_ended(a_progress(idle_worktrees=1), a_running_act(rung="harness:claude"), an_end(at=5.0))
    assert (after.worktree, after.idle_worktrees) == (None, 0)


def test_code_is_judged_in_the_goals_folder_of_its_tree_and_live_beside_it():
    goal, _ = seen()
    assert placed(goal, a_tree()).workspace == "/t/web/app"
    assert placed(goal, None).workspace == "/src/app"
    assert placed(a_goal(), a_tree()).workspace is None
    live, code = a_predicate("livez", live=True), a_predicate("tests")
    assert is_beside(live, a_tree())
    assert not is_beside(code, a_tree())
    assert not is_beside(live, None)
