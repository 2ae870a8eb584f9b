"""Where a predicate is judged, and whether what judges it is still what it was.

Before every look the sealed, read-only and forbidden files are hashed (`core/seal.py` says what a change means). Guards
and held-out predicates of code are judged in a checkout that no agent works in (ADR 6); one that is compared with a
commit gets a checkout of that, too. No checkout is an error, and never a look in place.
"""

import glob
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import msgspec

from kazid.core.enforcement import CLEAN_FAILED, beyond, enforcement_of, is_graded_clean, pinned_for
from kazid.core.goal import Goal, Predicate
from kazid.core.ids import GoalUid
from kazid.core.json import Json
from kazid.core.progress import Progress
from kazid.core.ratchet import ref_of
from kazid.core.seal import NO_BASE, base_of, labelled
from kazid.core.verdict import Verdict, errored
from kazid.ports.repository import Repositories
from kazid.ports.workspace import Workspaces

PINNED_NAMED_MAX = 20
CHANGED_DEADLINE_S = 5.0
"""An end waits no longer for the list of changed files that its bundle carries."""
UNRESOLVED = "baseline_ref_unresolved"
EVERYTHING = (".",)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look. `workspace` None: the goal has none. `evidence` says what is not as an agent left it."""

    workspace: str | None
    reference: str | None = None
    evidence: Mapping[str, Json] = {}


class Grading:
    """Hashes and checkouts for the observer."""

    def __init__(self, *, workspaces: Workspaces, repositories: Repositories) -> None:
        self._workspaces = workspaces
        self._repositories = repositories

    async def changed_files(self, goal: Goal, progress: Progress) -> Collection[str] | None:
        """What differs from the base the goal started from; None when it cannot be told in time, or no agent works."""
        base = base_of(progress)
        if goal.workspace is None or base in (None, NO_BASE):
            return None
        with anyio.move_on_after(CHANGED_DEADLINE_S):
            return await self._repositories.changed(goal.workspace, base)
        return None

    async def sealed(self, goal: Goal, base: str | None) -> Mapping[str, str] | None:
        """Hashes of what is sealed or read-only now, before the look; None when that cannot be told."""
        asked = enforcement_of(goal)
        if goal.workspace is None or not (asked.sealed or asked.read_only or asked.seals_git):
            return {}
        outside: Mapping[str, str] | None = {}
        if asked.needs_base and base is None:
            base = await self._repositories.commit(goal.workspace, asked.clean_ref) or NO_BASE
        if asked.writable:
            outside = await self._repositories.changed(goal.workspace, None if base == NO_BASE else base)
        git: Mapping[str, str] | None = {}
        if asked.seals_git:
            git = await self._workspaces.git_settings(goal.workspace)
        goal_file: Mapping[str, str] = {}
        if asked.goal_file is not None:
            folder, _, name = asked.goal_file.rpartition("/")
            found_file = await self._workspaces.file_hashes(folder or "/", (glob.escape(name),))
            # One that cannot be read keeps no goal from its looks: what was applied is stored.
            goal_file = {name: "unreadable"} if found_file is None else found_file
        found = [
            await self._workspaces.file_hashes(goal.workspace, patterns)
            for patterns in (asked.sealed, asked.mutable, asked.read_only)
        ]
        sealed, mutable, read_only = found
        if sealed is None or mutable is None or read_only is None or git is None or outside is None:
            return None
        return labelled(
            {p: h for p, h in sealed.items() if p not in mutable},
            read_only,
            git,
            outside=beyond(outside, asked.writable),
            goal_file=goal_file,
            base=base if asked.needs_base else None,
        )

    @asynccontextmanager
    async def place(
        self, uid: GoalUid, goal: Goal, predicate: Predicate, *, base: str | None
    ) -> AsyncGenerator[Place | Verdict]:
        """Where to look at this predicate, for as long as the look lasts; or the error that there is no such place."""
        ref = ref_of(predicate.options)
        is_clean = is_graded_clean(predicate) and enforcement_of(goal).wants_clean_tree
        has_base = base not in (None, NO_BASE)
        if goal.workspace is None or not (ref is not None or (is_clean and has_base)):
            yield Place(workspace=goal.workspace)
            return
        async with AsyncExitStack() as stack:
            place: Place | Verdict = Place(workspace=goal.workspace)
            if is_clean and base is not None and has_base:
                place = await self._candidate(stack, uid, goal, predicate, base)
            if ref is not None and isinstance(place, Place):
                place = await self._reference(stack, uid, goal, predicate, place, ref)
            yield place

    async def _candidate(
        self, stack: AsyncExitStack, uid: GoalUid, goal: Goal, predicate: Predicate, base: str
    ) -> Place | Verdict:
        assert goal.workspace is not None
        checkout = await stack.enter_async_context(
            self._repositories.candidate(
                goal.workspace, base=base, pinned=pinned_for(goal, predicate), name=f"{uid}/{predicate.id}"
            )
        )
        if checkout.folder is None:
            return errored(CLEAN_FAILED, checkout.reason or "no clean checkout could be made")
        graded: dict[str, Json] = {"base": base[:12], "pinned": list(checkout.pinned[:PINNED_NAMED_MAX])}
        return Place(workspace=checkout.folder, evidence={"graded_in_checkout": graded})

    async def _reference(
        self, stack: AsyncExitStack, uid: GoalUid, goal: Goal, predicate: Predicate, place: Place, ref: str
    ) -> Place | Verdict:
        assert goal.workspace is not None
        commit = await self._repositories.commit(goal.workspace, ref)
        if commit is None:
            return errored(UNRESOLVED, f"baseline {ref!r} names no commit of the workspace's repository")
        checkout = await stack.enter_async_context(
            self._repositories.candidate(
                goal.workspace, base=commit, pinned=EVERYTHING, name=f"{uid}/{predicate.id}/baseline"
            )
        )
        if checkout.folder is None:
            return errored(UNRESOLVED, checkout.reason or f"no checkout of {ref!r} could be made")
        return msgspec.structs.replace(
            place, reference=checkout.folder, evidence={**place.evidence, "baseline_commit": commit}
        )
