"""What lies below the folder of the daemon's trees: one folder for each goal, its trees, and a note of what was made.

The note is written before the tree is and goes after it, so that whatever a kill leaves says whose it is: the
repository, the branch, and where that branch was before. Read at a start, when the goal itself may be gone.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kazid.core.ids import GoalUid
from kazid.core.worktree import Worktree

NOTE = ".tree.json"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A tree that is made, or about to be."""

    tree: Worktree
    branch_was: str | None = None
    """Where a branch of that name was before: somebody else's, and only moved for as long as the tree is there."""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """The folder of one goal. `entry` is None where an older daemon, or nobody, wrote one."""

    uid: GoalUid
    entry: Entry | None
    trees: Sequence[Path]
    """Whatever lies there, and the noted tree also where it does not."""


def note_entry(folder: Path, entry: Entry) -> None:
    """Say durably what is about to be made in this goal's folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"{NOTE}.part"
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(entry))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / NOTE)


def forget_entry(folder: Path) -> None:
    """There is nothing of this goal here any more."""
    for name in (NOTE, f"{NOTE}.part"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def entries_below(root: Path) -> Sequence[Left]:
    """What is there, goal by goal."""
    return [_left(folder) for folder in sorted(root.iterdir()) if folder.is_dir()] if root.is_dir() else []


def tidy(root: Path) -> None:
    """Take away empty folders and the indexes of snapshots that were cut off."""
    for left in root.iterdir() if root.is_dir() else ():
        with contextlib.suppress(OSError):
            if not left.is_dir():
                left.unlink()
            elif not any(p.is_dir() for p in left.iterdir()):
                forget_entry(left)


def _left(folder: Path) -> Left:
    try:
        entry = msgspec.json.decode((folder / NOTE).read_bytes(), type=Entry)
    except (OSError, msgspec.DecodeError):
        entry = None
    trees = {path for path in folder.iterdir() if not path.name.startswith(NOTE)}
    if entry is not None and Path(entry.tree.path).parent == folder:
        trees.add(Path(entry.tree.path))
    return Left(uid=GoalUid(folder.name), entry=entry, trees=sorted(trees))
