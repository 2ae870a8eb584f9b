"""Folders of the daemon's own, one for each goal: where commands of a goal without a workspace run, and evidence lies.

Never in a workspace. What is left of a goal deleted long ago goes with its events (`runtime/retention.py`).
"""

import shutil
from pathlib import Path

import anyio.to_thread

from kazid.core.ids import GoalUid


class PrivateFolders:
    """Below one root, by the uid of the incarnation."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, uid: GoalUid) -> str:
        """The goal's folder, made when it is asked for."""
        folder = self._root / uid
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(folder)

    async def discard(self, uid: GoalUid, *, keep: int) -> int:
        """Take the folder away with all that is in it. It is one: there is nothing to keep of it."""
        del keep
        folder = self._root / uid
        assert folder.parent == self._root, "only what is ours"
        if not folder.is_dir():
            return 0
        await anyio.to_thread.run_sync(shutil.rmtree, folder, True)
        return 1
