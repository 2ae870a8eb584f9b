"""Where a goal's work is, in words for people: a fix is never in a place that nobody names.

An agent's change that is in a worktree and not in the workspace is told with the command that takes it; so are
agents that work in the workspace although a worktree was meant, and what a worktree lacks that lies in the workspace.
Pure: `status`, `explain` and `wait` show it; `core/placement.py` decides when a change moves.
"""

import shlex

from kazid.core.goal import Goal
from kazid.core.ids import GoalUid
from kazid.core.progress import Progress
from kazid.core.status import STOPPED_ACTING


def where_work_is(goal: Goal, progress: Progress, uid: GoalUid) -> list[str]:
    """What a person has to know of it, besides the status."""
    tree, collision = progress.worktree, progress.collision
    said: list[str] = []
    if collision is not None and progress.status in STOPPED_ACTING:
        said.append(
            f"a change that held collided with edits of {', '.join(collision.files)}; it is kept: "
            f"git diff {collision.base} {collision.saved}"
        )
    if tree is None and progress.in_place is not None:
        said.append(f"agents work in the workspace itself: {progress.in_place}")
    if tree is None:
        return said
    if tree.absent and not goal.isolation.setup:
        said.append(
            f"the agents' worktree has no {', '.join(tree.absent)}, which the repository ignores: "
            '[workspace] setup brings it, or mode = "in_place"'
        )
    take = how_to_take(progress, uid)
    if take is not None and progress.status in STOPPED_ACTING:
        said.append(f"what the agents changed is not in the workspace but on {tree.branch}; take it: {take}")
    return said


def how_to_take(progress: Progress, uid: GoalUid) -> str | None:
    """The command that writes the worktree's change into the workspace as it is; None where there is none."""
    tree = progress.worktree
    if tree is None or tree.dispatches == 0:
        return None
    top = shlex.quote(tree.repository)
    return f"git -C {top} diff --binary {tree.base} refs/kazi/{uid}/latest | git -C {top} apply"
