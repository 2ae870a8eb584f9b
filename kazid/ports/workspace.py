"""A workspace as a fact: which folder it is now, and what is in it.

Contract: `identify` names the folder by device and inode, so that one put in its place is another; `tree_hash` is a
hash of content, in which untracked files count, ignored ones and commits do not, and modification times only for
files too big to read; equal content gives equal hashes whether it is committed or not; both answer None instead of
raising, and neither changes anything. A None hash means "cannot be told", and never "unchanged".
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from kazid.core.ids import TreeHash


class WorkspaceId(msgspec.Struct, frozen=True, kw_only=True):
    """One folder of one filesystem; the path is as asked."""

    path: str
    device: int
    inode: int


class Workspaces(Protocol):
    """Looks at workspaces. Adapters: the system's folders and git; memory."""

    async def file_hashes(self, path: str, patterns: Sequence[str]) -> Mapping[str, str] | None:
        """A hash of each file that a pattern names (a path, a folder, a glob), by its path from the folder.

        Equal content gives equal hashes, and a path that names nothing has one of its own. None: it cannot be told.
        """
        ...

    async def git_settings(self, path: str) -> Mapping[str, str] | None:
        """A hash of each thing beside the tree that makes git run or rewrite something: config, hooks, attributes.

        Empty where there is no repository. What git writes there to track branches does not count. None: it cannot
        be told.
        """
        ...

    async def identify(self, path: str) -> WorkspaceId | None:
        """Which folder this is; None when it is not there or is not a folder."""
        ...

    async def tree_hash(self, path: str) -> TreeHash | None:
        """What is in it; None when it is not there, too big for the bounds, or cannot be read in time."""
        ...
