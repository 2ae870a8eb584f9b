"""Where a goal's work is, in words: what is in a worktree is told with the command that takes it."""

from typing import Any

import pytest

from kazid.core.goal import Goal, Isolation
from kazid.core.ids import GoalUid
from kazid.core.progress import Progress
from kazid.core.status import GoalStatus
from kazid.core.whereabouts import how_to_take, where_work_is
from kazid.core.worktree import Worktree
from tests.builders import a_goal, a_progress

UID = GoalUid("u1")
TAKE = "git -C '/my src' diff --binary b0 refs/kazi/u1/latest | git -C '/my src' apply"
ABSENT = (
    "the agents' worktree has no .venv, node_modules, which the repository ignores: "
    '[workspace] setup brings it, or mode = "in_place"'
)
LEFT = f"what the agents changed is not in the workspace but on kazi/web; take it: {TAKE}"


def a_tree(**fields: Any) -> Worktree:
    return Worktree(
        **{
            "path": "/t/web",
            "folder": "/t/web",
            "repository": "/my src",
            "branch": "kazi/web",
            "base": "b0",
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("goal", "progress", "said"),
    [
        pytest.param(a_goal(), a_progress(), [], id="in-the-workspace"),
        pytest.param(
            a_goal(),
            a_progress(in_place="it is no repository"),
            ["agents work in the workspace itself: it is no repository"],
            id="in-the-workspace-although-a-worktree-was-meant",
        ),
        pytest.param(a_goal(), a_progress(worktree=a_tree()), [], id="a-tree-without-work"),
        pytest.param(
            a_goal(),
            a_progress(worktree=a_tree(absent=(".venv", "node_modules"))),
            [ABSENT],
            id="a-tree-that-lacks-something",
        ),
        pytest.param(
            a_goal(isolation=Isolation(mode="worktree", setup=("make setup",))),
            a_progress(worktree=a_tree(absent=(".venv",))),
            [],
            id="and-setup-brings-it",
        ),
        pytest.param(
            a_goal(),
            a_progress(
                worktree=a_tree(dispatches=1, absent=(".venv", "node_modules")), status=GoalStatus.STUCK
            ),
            [ABSENT, LEFT],
            id="it-ended-with-its-work-in-the-tree",
        ),
        pytest.param(
            a_goal(),
            a_progress(worktree=a_tree(), status=GoalStatus.STUCK),
            [],
            id="it-ended-and-nobody-worked",
        ),
        pytest.param(
            a_goal(), a_progress(worktree=a_tree(dispatches=1), status=GoalStatus.ACTING), [], id="it-goes-on"
        ),
    ],
)
def test_a_person_is_told_where_the_work_is(goal: Goal, progress: Progress, said: list[str]):
    assert where_work_is(goal, progress, UID) == said


def test_the_command_takes_the_change_of_a_tree_that_has_one():
    assert how_to_take(a_progress(), UID) is None
    assert how_to_take(a_progress(worktree=a_tree()), UID) is None
    assert how_to_take(a_progress(worktree=a_tree(dispatches=1)), UID) == TAKE
