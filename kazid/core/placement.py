"""In which tree a goal is judged and worked on, and when that changes: made, delivered, removed. Pure.

An agent works in a tree of its own, cut when the first of them is to act; what it made is looked at there, and once all
is green it is delivered into the user's tree, where the last look is (SEMANTICS §6, ADR 8). A tree in which all was
green before anybody worked there is no repair: twice in a row, and what is red lies outside of the repository.
"""

import enum
from collections.abc import Sequence

from msgspec.structs import replace

from kazid.core import approval
from kazid.core.decision import Act, CloseEpisode, Conclude, Decision
from kazid.core.event import ActEnded, WorktreeCreated, WorktreeDelivered, WorktreeRemoved
from kazid.core.goal import Goal
from kazid.core.instant import Now
from kazid.core.progress import Progress, RunningAct
from kazid.core.status import NEVER_RAN, Cause, GoalStatus
from kazid.core.worktree import Collision

IDLE_WORKTREES_MAX = 2
COLLISIONS_MAX = 2
"""How often a change that collided is made anew by its agent; as often as a merge conflict while landing is."""


class Step(enum.Enum):
    """What has to happen with the goal's tree before a decision is carried out."""

    MAKE = "make"
    DELIVER = "deliver"
    DROP = "drop"


def step_before(goal: Goal, progress: Progress, decision: Decision) -> Step | None:
    """The step that comes before this decision; None when it may be carried out as it is."""
    match decision:
        case Act() if decision.rung.startswith("harness:") and progress.worktree is None:
            is_in_place = progress.in_place is not None and not approval.keeps_work_back(goal)
            return Step.MAKE if wants_worktree(goal) and not is_in_place else None
        case CloseEpisode() | Conclude(status=GoalStatus.CONVERGED) if progress.worktree is not None:
            if lands(goal):
                return None
            return Step.DELIVER if progress.worktree.dispatches else Step.DROP
        case _:
            return None


def is_undelivered(goal: Goal, progress: Progress) -> bool:
    """Whether what agents made in the goal's tree is still to be applied to the user's."""
    return progress.worktree is not None and progress.worktree.dispatches > 0 and not lands(goal)


def end_of_idling(progress: Progress) -> Conclude | None:
    """The end of a goal red where the user works and green in every fresh tree; None while that may be chance."""
    if progress.idle_worktrees + 1 < IDLE_WORKTREES_MAX:
        return None
    return Conclude(
        status=GoalStatus.STUCK,
        cause=Cause.WORKSPACE_DIFFERS,
        reason="it is red in the workspace and green in a fresh worktree of it: what is wrong is not in the "
        "repository (ignored files, installed dependencies, local state), so no change of code would mend it",
    )


def collided(progress: Progress, files: Sequence[str]) -> Collision | None:
    """The next collision of this goal's change with the workspace; None where there were enough of them in a row."""
    tree, before = progress.worktree, progress.collision
    assert tree is not None, "what collides was in a tree"
    times = 1 if before is None else before.times + 1
    if times > COLLISIONS_MAX:
        return None
    return Collision(files=files, base=tree.base, saved=f"collided-{times}", times=times, acts=progress.acts)


def wants_worktree(goal: Goal) -> bool:
    """Whether agents of this goal work in a tree of its own, where the workspace is a repository."""
    return goal.isolation.mode == "worktree" and goal.workspace is not None


def lands(goal: Goal) -> bool:
    """Whether the result goes somewhere by itself: then it starts from a commit, and nothing is delivered."""
    return goal.integration is not None


def branch_of(goal: Goal) -> str:
    """The branch that an agent's tree is on: the one that lands, else `kazi/` and the goal's id."""
    return f"kazi/{goal.id}" if goal.integration is None else goal.integration.branch


def moved(
    goal: Goal, progress: Progress, event: WorktreeCreated | WorktreeDelivered | WorktreeRemoved, at: Now
) -> Progress:
    """Another tree counts from here on: nothing seen of code is fresh, and each tree has a seal of its own."""
    live = {p.id for p in goal.predicates if p.live}
    predicates = {
        k: v if k in live else replace(v, is_stale=True, fails=0, passes=0, reruns_left=0)
        for k, v in progress.predicates.items()
    }
    progress = replace(progress, predicates=predicates, act_floor_s=at.boot_s)
    match event:
        case WorktreeCreated():
            kept = progress.seal if progress.worktree is None else progress.workspace_seal
            return replace(progress, worktree=event.worktree, workspace_seal=kept, seal=None)
        case WorktreeDelivered():
            return replace(
                progress,
                worktree=None,
                seal=progress.workspace_seal,
                workspace_seal=None,
                collision=None,
                approvals={},
            )
        case WorktreeRemoved():
            tree = progress.worktree
            is_idle = tree is not None and tree.dispatches == 0
            if event.collision is not None and progress.episode is not None:
                # What is asked for now is another change: the attempts before it did not come to nothing.
                progress = replace(progress, episode=replace(progress.episode, fingerprints=()))
            return replace(
                progress,
                worktree=None,
                seal=progress.workspace_seal,
                workspace_seal=None,
                idle_worktrees=progress.idle_worktrees + is_idle,
                collision=event.collision or progress.collision,
            )


def act_ended(progress: Progress, act: RunningAct, event: ActEnded) -> Progress:
    """Progress with an agent's attempt counted for the tree it worked in."""
    if not act.rung.startswith("harness:") or event.ending in NEVER_RAN:
        return progress
    tree = progress.worktree
    tree = None if tree is None else replace(tree, dispatches=tree.dispatches + 1)
    return replace(progress, worktree=tree, idle_worktrees=0)
