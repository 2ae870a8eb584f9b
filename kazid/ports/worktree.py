"""Trees of the daemon's own in which agents work, and the change of each dispatch as git tells it.

Contract: `make` answers a tree on its own branch at a frozen commit, or why there is none, and asked again answers the
same tree; nothing that it does changes the user's working tree, index, HEAD or branches; `snapshot` keeps all that a
tree holds, but for what is ignored, under a durable ref, and what is named is kept until it is named again, and what is
written after a new one is changed in a later second than all it holds; the same goes for what is written back;
`deliver` writes all of a change or nothing of it, never over work that differs from both ends, and again is harmless;
so does `take_back`, the other way round; `forget` drops nothing that may be nowhere else;
`remove` saves first and removes only what `make` made; `sweep` leaves nothing of goals that have no tree. What goes
wrong is a value.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from kazid.core.ids import GoalUid
from kazid.core.status import Cause
from kazid.core.worktree import Worktree

PATCH = (
    *("diff", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color"),
    *("--unified=3", "--diff-algorithm=myers", "--src-prefix=a/", "--dst-prefix=b/"),
)
"""How a change is printed, whatever somebody's git is set to: the same bytes for everybody who asks."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A tree that a goal needs. `workspace` is the user's folder; `untracked_allowed` may lie there uncommitted."""

    uid: GoalUid
    workspace: str
    branch: str
    takes_uncommitted: bool
    """Start from what is in the workspace now; else from its commit."""
    refuses_uncommitted: bool = False
    untracked_allowed: Sequence[str] = ()


class Unmade(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no tree. `is_in_place`: the folder is no repository, and agents work in it as it is."""

    reason: str
    cause: Cause = Cause.WORKTREE_FAILED
    is_in_place: bool = False


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two snapshots: lines added and removed by file, from the top of the tree."""

    lines_by_file: Mapping[str, int]
    commits: int = 0


class Mended(msgspec.Struct, frozen=True, kw_only=True):
    """What was put right after an agent, in words, and which refs it moved. `lost`: the tree cannot be had back."""

    deeds: Sequence[str] = ()
    refs_moved: Sequence[str] = ()
    lost: str | None = None


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What was written into the user's tree, or why nothing was."""

    files: Sequence[str] = ()
    saved: str = ""
    refusal: str | None = None
    collisions: Sequence[str] = ()
    """Files that differ from both ends of the change: why nothing was written."""


class Worktrees(Protocol):
    """Makes, reads and removes them. Adapters: the system's git; memory."""

    async def make(self, wish: Wish) -> Worktree | Unmade:
        """A tree as wished, fresh or as it was left."""
        ...

    async def here(self, workspace: str) -> Worktree | None:
        """The user's own tree, for snapshots of what an agent does in place; None where the folder is no repository."""
        ...

    async def has(self, tree: Worktree) -> bool:
        """Whether the tree is there and whole."""
        ...

    async def revive(self, tree: Worktree, *, uid: GoalUid) -> Unmade | None:
        """Make a tree that is gone again, with what was last saved of it; None when it is there."""
        ...

    async def snapshot(self, tree: Worktree, *, uid: GoalUid, name: str, is_new: bool = True) -> str | None:
        """The commit that holds the tree as it is; unless `is_new`, the one already kept under that name."""
        ...

    async def kept(self, tree: Worktree, *, uid: GoalUid, name: str) -> str | None:
        """The commit kept under a name; None when nothing is."""
        ...

    async def mend(self, tree: Worktree, *, uid: GoalUid, before: str) -> Mended:
        """Put the tree back on its branch, descending from its base, content untouched."""
        ...

    async def difference(self, tree: Worktree, before: str, after: str) -> Difference | None:
        """What differs; None when it cannot be told."""
        ...

    async def patch(self, tree: Worktree, before: str, after: str) -> bytes | None:
        """What differs as `git diff --binary` prints it; None when it cannot be told, or is longer than 8 MiB."""
        ...

    async def restore(self, tree: Worktree, before: str, *, files: Collection[str] | None) -> bool:
        """Make these files (all that differ when None) what the snapshot has. Only in a tree of ours."""
        ...

    async def take_back(
        self, tree: Worktree, before: str, after: str, *, files: Collection[str]
    ) -> str | None:
        """Undo what became of these files between two snapshots of the user's own tree; why nothing was undone."""
        ...

    async def deliver(self, tree: Worktree, *, uid: GoalUid) -> Delivered:
        """Write what the tree changed since its base into the user's tree."""
        ...

    async def remove(self, tree: Worktree, *, uid: GoalUid, has_landed: bool) -> str | None:
        """Save what is not committed, then take the tree away; the ref that keeps it. `has_landed`: the branch, too."""
        ...

    async def sweep(self, live: Mapping[GoalUid, Worktree]) -> Sequence[str]:
        """Save and remove what a dead daemon left; what was removed."""
        ...

    async def forget(self, workspace: str, *, uid: GoalUid, before_wall_s: float) -> int:
        """Drop states around attempts of a goal whose work is where it belongs, older than that; how many went."""
        ...
