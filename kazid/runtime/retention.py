"""Dropping what nobody needs any more: folders and refs of old attempts, and what is left of goals deleted long ago."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from kazid.core.errors import JournalUnavailable
from kazid.core.ids import GoalUid
from kazid.ports.clock import Clock
from kazid.ports.journal import Journal
from kazid.runtime.places import Places
from kazid.runtime.state import GoalState

DAY_S = 86_400.0


class Folders(Protocol):
    """Where attempts keep their logs, or a goal its evidence."""

    async def discard(self, uid: GoalUid, *, keep: int) -> int:
        """Drop all but the newest `keep` of one goal."""
        ...


class Limits(Protocol):
    """How much of it is kept: `[retention]` of the settings."""

    @property
    def attempts_per_goal(self) -> int:
        """Folders."""
        ...

    @property
    def refs_days(self) -> int:
        """0: for ever."""
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


class OldAttempts:
    """What attempts of the goals there are left behind: their newest folders stay, and refs for some days."""

    def __init__(
        self,
        goals: Iterable[GoalState],
        folders: Folders,
        places: Places,
        clock: Clock,
        limits: Callable[[], Limits],
    ) -> None:
        self._goals = goals
        self._folders = folders
        self._places = places
        self._clock = clock
        self._limits = limits
        self._asked_s: dict[GoalUid, float] = {}

    async def drop(self) -> None:
        """A bounded piece of it; housekeeping comes again."""
        limits = self._limits()
        folders, days = limits.attempts_per_goal, limits.refs_days
        now = self._clock.now()
        for state in list(self._goals):
            await self._folders.discard(state.uid, keep=folders)
            # Once a day for each goal that an agent ever worked for: it is a call of git.
            if days == 0 or state.goal is None or state.goal.harness is None or state.progress.acts == 0:
                continue
            if now.boot_s - self._asked_s.get(state.uid, float("-inf")) >= DAY_S:
                self._asked_s[state.uid] = now.boot_s
                before_wall_s = now.wall_s - days * DAY_S
                await self._places.forget(state.uid, state.goal, state.progress, before_wall_s=before_wall_s)
        self._asked_s = {
            uid: asked_s for uid, asked_s in self._asked_s.items() if now.boot_s - asked_s < DAY_S
        }
