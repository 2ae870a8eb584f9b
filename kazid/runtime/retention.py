"""Dropping what is left of goals deleted long ago: their events, evidence, and the folders of their attempts."""

from collections.abc import Sequence
from typing import Protocol

from kazid.core.errors import JournalUnavailable
from kazid.core.ids import GoalUid
from kazid.ports.journal import Journal


class Folders(Protocol):
    """Where attempts keep their logs, or a goal its evidence."""

    async def discard(self, uid: GoalUid, *, keep: int) -> int:
        """Drop all but the newest `keep` of one goal."""
        ...


async def drop_deleted(journal: Journal, folders: Sequence[Folders], *, before_wall_s: float) -> None:
    """Drop a bounded piece; housekeeping comes again."""
    try:
        gone = await journal.discard_forgotten(before_wall_s=before_wall_s)
    except JournalUnavailable:
        return
    for uid in gone:
        for each in folders:
            await each.discard(uid, keep=0)
