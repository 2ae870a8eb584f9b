"""A goal's own working tree as a fact of its progress: where an agent works, on which branch, off which frozen base.

SEMANTICS §6: with a worktree, code predicates judge the candidate, under `[integration] mode = "none"` the verified
change is applied to the workspace and the last look is there; remedies and live predicates always use the workspace.
`placed` is the one place that says which folder counts now. Pure; `runtime/placing.py` makes and removes the trees.

For landing: `progress.worktree` is the tree to land from. Its `path` is checked out on `branch` (HEAD names it), the
change is `base`..HEAD together with what is not committed yet, and nothing in it is anybody else's: stage and commit
there, with the git function, and push or rebase from there. A goal that lands starts from a commit of the user's, so
`base` is never work of theirs that they did not commit. The tree stays as long as `progress.worktree` does.
"""

from collections.abc import Sequence

import msgspec

from kazid.core.goal import Goal, Predicate


class Worktree(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tree that the daemon made. All paths are absolute, ids of commits are whole."""

    path: str
    """Its top."""
    folder: str
    """The goal's workspace in it: `path`, or a folder below where the workspace was one of the repository's."""
    repository: str
    """Top of the working tree it was cut from: the user's, which nobody but a delivery or a landing changes."""
    branch: str
    """Short name, e.g. `kazi/GOAL`; nobody else has it checked out."""
    base: str
    """What `branch` began at, frozen."""
    base_branch: str | None = None
    """What the user's tree had checked out then; None: a detached HEAD."""
    has_uncommitted: bool = False
    """`base` is a commit of ours that holds what was not committed in the user's tree (never in a goal that lands)."""
    absent: Sequence[str] = ()
    """What tools installed in the user's workspace and the repository ignores: it is not here."""
    dispatches: int = 0
    """Attempts of agents that ended in it."""


class Collision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A verified change that was not delivered, because somebody edited the same lines of the workspace meanwhile."""

    files: Sequence[str]
    base: str
    """What the change began at."""
    saved: str
    """The ref that keeps it."""
    times: int = 1
    """In a row."""
    acts: int = 0
    """Attempts made by then."""


def is_beside(predicate: Predicate, worktree: Worktree | None) -> bool:
    """Whether it looks from the user's tree while the goal has another: then what it hashes is not of `seal`."""
    return worktree is not None and predicate.live


def placed(goal: Goal, worktree: Worktree | None) -> Goal:
    """The goal with the folder as its workspace where code is judged, and where an agent works, now."""
    if worktree is None or goal.workspace is None:
        return goal
    return msgspec.structs.replace(goal, workspace=worktree.folder)
