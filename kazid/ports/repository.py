"""The repository of a workspace: what was changed since a commit, and trees to judge in that no agent works in.

Contract: a commit is named by its full id, which `commit` answers; `changed` compares content, so that commits, the
index and flags that hide files from git change nothing; a checkout is a folder of its own with a repository of its
own, nothing done in it reaches the workspace, and it is gone after the `async with`. Nothing here writes into the
workspace or its repository. What cannot be told is None, with the reason where there is one, and never a guess.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

ABSENT = "absent"


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """A folder to judge in, or why there is none. `pinned`: what was left as it was at the base, sorted."""

    folder: str | None
    reason: str | None = None
    pinned: Sequence[str] = ()


class Repositories(Protocol):
    """Looks at repositories and copies out of them. Adapters: the system's git; memory."""

    async def commit(self, path: str, ref: str = "HEAD") -> str | None:
        """The id of the commit that a ref names; None: no repository, no such commit, or it cannot be told."""
        ...

    async def changed(self, path: str, base: str | None) -> Mapping[str, str] | None:
        """What each file below `path` holds that differs from the base, untracked ones included; `ABSENT` is deleted.

        A base of None: every file counts as changed. None: it cannot be told, or is too much.
        """
        ...

    def candidate(
        self, path: str, *, base: str, pinned: Sequence[str], name: str
    ) -> AbstractAsyncContextManager[Checkout]:
        """The base with all that was changed since laid over it, but for what a pattern in `pinned` names.

        A pattern is a path, a folder (all in it) or a glob, from `path`. `name` tells one checkout from the others and
        is part of its folder's name, so that what a check prints is the same twice.
        """
        ...
