"""Trees of all goals: made and set up, kept around each attempt of an agent, read for what it changed, removed.

One per daemon. What is a rule is elsewhere: which tree counts in `core/placement.py`, what becomes of a change in
`core/change.py`. Each call is harmless twice, so that what a killed daemon left half done is done again.
"""

import hashlib
import shlex

import msgspec
import structlog

from kazid.core.change import TOUCHED_MAX, Change, judged, limits_changes
from kazid.core.confinement import unenforceable
from kazid.core.event import ActIntended, WorktreeDelivered, WorktreeRemoved
from kazid.core.goal import Goal
from kazid.core.goal import Sandbox as Sandboxing
from kazid.core.ids import GoalUid
from kazid.core.kept_refs import is_done
from kazid.core.placement import branch_of, collided, lands
from kazid.core.progress import Progress, RunningAct
from kazid.core.proposal import Patch
from kazid.core.status import NEVER_RAN, Cause
from kazid.core.worktree import Worktree
from kazid.ports.commands import Command, CommandRunner, Ending
from kazid.ports.runner import AttemptResult
from kazid.ports.sandbox import Sandbox
from kazid.ports.worktree import PATCH, Unmade, Wish, Worktrees
from kazid.runtime.executor import Taken
from kazid.runtime.state import GoalState
from kazid.shim.redaction import redact

log = structlog.get_logger(__name__)

OUTPUT_CHARS_MAX = 600
"""Of a setup command that failed, its end: in the goal's reason."""
UNHOLDABLE = (
    "[scope] max_files and max_lines hold a change by git, and the workspace is no repository with a commit"
)


class Places:
    """Trees of all goals, and the commands that set them up."""

    def __init__(self, *, worktrees: Worktrees, commands: CommandRunner, sandbox: Sandbox) -> None:
        self._worktrees = worktrees
        self._sandbox = sandbox
        self._commands = commands

    async def make(self, uid: GoalUid, goal: Goal) -> Worktree | Unmade:
        """A tree for the goal, with its setup run in it."""
        assert goal.workspace is not None, "only a goal with a workspace has a tree"
        is_landing = lands(goal)
        made = await self._worktrees.make(
            Wish(
                uid=uid,
                workspace=goal.workspace,
                branch=branch_of(goal),
                takes_uncommitted=not is_landing,
                refuses_uncommitted=is_landing and goal.isolation.dirty == "refuse",
                untracked_allowed=() if goal.source_path is None else (goal.source_path,),
            )
        )
        if isinstance(made, Unmade):
            return made
        for command in goal.isolation.setup:
            reason = await self._set_up(goal, made, command)
            if reason is not None:
                return Unmade(cause=Cause.SETUP_FAILED, reason=reason)
        return made

    async def _set_up(self, goal: Goal, tree: Worktree, command: str) -> str | None:
        """Run one command in the tree; the reason when it did not succeed."""
        ended = await self._commands.run(
            Command(
                argv=("sh", "-c", command),
                cwd=tree.folder,
                deadline_s=goal.isolation.setup_timeout_s,
                path=goal.path,
                merge_stderr=True,
            )
        )
        if ended.ending is Ending.EXITED and ended.exit_code == 0:
            return None
        how = {
            Ending.EXITED: f"exit {ended.exit_code}",
            Ending.TIMED_OUT: f"no end within {goal.isolation.setup_timeout_s:g} s",
        }.get(ended.ending, ended.reason or f"signal {ended.signal}")
        said = ended.stdout.text.strip()[-OUTPUT_CHARS_MAX:]
        return f"setup failed: {command!r}: {how}" + (f"; it said: {said}" if said else "")

    async def before(self, state: GoalState, intent: ActIntended) -> str | None:
        """Keep an agent's tree as it is now, made again if it is gone; why the attempt must not start.

        Not where the goal demands bounds that this machine cannot enforce: it is refused, never run open.
        """
        tree, uid = state.progress.worktree, state.uid
        if not intent.rung.startswith("harness:"):
            return None
        if state.spec.sandbox != Sandboxing():
            refusal = unenforceable(state.spec, await self._sandbox.capabilities())
            if refusal is not None:
                return refusal
        if tree is None:
            noted = await self._note_in_place(state, f"attempt-{intent.number}-before")
            return None if noted is not None or not limits_changes(state.spec) else UNHOLDABLE
        unmade = await self._worktrees.revive(tree, uid=uid)
        if unmade is not None:
            return unmade.reason
        kept = await self._worktrees.snapshot(tree, uid=uid, name=f"attempt-{intent.number}-before")
        return None if kept is not None else "the goal's worktree cannot be read"

    async def after(self, state: GoalState, act: RunningAct, result: AttemptResult) -> Taken | None:
        """What an agent's attempt changed, put right and held against the goal's scope; None when it never ran."""
        tree, uid, goal = state.progress.worktree, state.uid, state.spec
        if not act.rung.startswith("harness:") or result.ending in NEVER_RAN:
            return None
        if tree is None:
            return await self._after_in_place(state, act)
        trees, number = self._worktrees, act.number
        before = await trees.kept(tree, uid=uid, name=f"attempt-{number}-before")
        if before is None:
            return None
        mended = await trees.mend(tree, uid=uid, before=before)
        if mended.lost is not None:
            return Taken(cause=Cause.WORKTREE_FAILED, reason=mended.lost)
        after = await trees.snapshot(tree, uid=uid, name=f"attempt-{number}-after", is_new=False)
        difference = None if after is None else await trees.difference(tree, before, after)
        if after is None or difference is None:
            return Taken(cause=Cause.WORKTREE_FAILED, reason="what the attempt changed cannot be told")
        ruling = judged(goal, difference.lines_by_file, prefix=_prefix(tree))
        held = None
        if ruling.holds:  # so that its states are never forgotten
            await trees.snapshot(tree, uid=uid, name=f"held-{number}")
        if ruling.holds or ruling.reverts:
            files = None if ruling.holds else ruling.outside
            if not await trees.restore(tree, before, files=files):
                return Taken(cause=Cause.WORKTREE_FAILED, reason="what the attempt changed cannot be undone")
            held = f"refs/kazi/{uid}/attempt-{number}-after" if ruling.holds else None
        change = Change(
            files=len(difference.lines_by_file),
            lines=sum(difference.lines_by_file.values()),
            touched=sorted(difference.lines_by_file)[:TOUCHED_MAX],
            outside=list(ruling.outside)[:TOUCHED_MAX],
            is_reverted=ruling.reverts,
            held=held,
            commits=difference.commits,
            mended=mended.deeds,
            refs_moved=mended.refs_moved,
        )
        reason = None if ruling.reason is None else f"{ruling.reason}; it is kept as {held}"
        return Taken(change=change, cause=ruling.cause, reason=reason)

    async def patch(self, uid: GoalUid, tree: Worktree) -> Patch | None:
        """What the goal's tree changes, kept as it is now below a name of its own; None when it cannot be read.

        One that is too long to be read has no text and no digest of its own: its commits are what binds it.
        """
        commit = await self._worktrees.snapshot(tree, uid=uid, name="proposed")
        if commit is None:
            return None
        said = await self._worktrees.patch(tree, tree.base, commit)
        raw = "" if said is None else said.decode(errors="replace")
        text = redact(raw)
        return Patch(
            base=tree.base,
            commit=commit,
            branch=tree.branch,
            folder=tree.path,
            sha256="" if said is None else hashlib.sha256(said).hexdigest(),
            bytes=len(said or b""),
            how=shlex.join(
                ("git", "-C", tree.repository, "-c", "core.quotePath=false", *PATCH, tree.base, commit)
            ),
            text=None if said is None else text,
            is_redacted=text != raw,
        )

    async def _note_in_place(self, state: GoalState, name: str) -> tuple[Worktree, str] | None:
        """A snapshot of the user's own tree, which nothing but reads; None where it is no repository."""
        workspace = state.spec.workspace
        tree = None if workspace is None else await self._worktrees.here(workspace)
        if tree is None:
            return None
        commit = await self._worktrees.snapshot(
            tree, uid=state.uid, name=name, is_new=name.endswith("before")
        )
        return None if commit is None else (tree, commit)

    async def _after_in_place(self, state: GoalState, act: RunningAct) -> Taken | None:
        """What an attempt changed in the user's tree; what the goal does not allow is put back as it was before.

        Not where somebody changed the same lines meanwhile, and not where it is committed: history is theirs.
        """
        noted = await self._note_in_place(state, f"attempt-{act.number}-after")
        if noted is None:
            return None
        tree, after = noted
        before = await self._worktrees.kept(tree, uid=state.uid, name=f"attempt-{act.number}-before")
        difference = None if before is None else await self._worktrees.difference(tree, before, after)
        if difference is None:
            return None
        assert before is not None, "what was compared is there"
        ruling = judged(state.spec, difference.lines_by_file, prefix=_prefix(tree))
        wanted = tuple(difference.lines_by_file) if ruling.holds else ruling.outside
        left = None
        if ruling.holds:
            await self._note_in_place(state, f"held-{act.number}")
        if ruling.holds or ruling.reverts:
            left = "it is committed" if difference.commits else None
            left = left or await self._worktrees.take_back(tree, before, after, files=wanted)
        is_back = left is None
        ref = f"refs/kazi/{state.uid}/attempt-{act.number}"
        change = Change(
            files=len(difference.lines_by_file),
            lines=sum(difference.lines_by_file.values()),
            touched=sorted(difference.lines_by_file)[:TOUCHED_MAX],
            outside=list(ruling.outside)[:TOUCHED_MAX],
            is_reverted=ruling.reverts and is_back,
            held=f"{ref}-after" if ruling.holds and is_back else None,
            commits=difference.commits,
        )
        if not ruling.holds:
            return Taken(change=change)
        take = f"git diff {ref}-before {ref}-after | git apply"
        where = f"take it: {take}" if is_back else f"it lies in the workspace still ({left})"
        return Taken(change=change, cause=ruling.cause, reason=f"{ruling.reason}; {where}")

    async def deliver(
        self, uid: GoalUid, tree: Worktree, progress: Progress
    ) -> WorktreeDelivered | WorktreeRemoved | str:
        """Write the change into the user's tree; why nothing was written.

        Where somebody edited the same lines meanwhile the tree goes, and its agent makes the change anew on theirs.
        """
        done = await self._worktrees.deliver(tree, uid=uid)
        collision = collided(progress, done.collisions[:TOUCHED_MAX]) if done.collisions else None
        if collision is not None:
            name = collision.saved
            if await self._worktrees.snapshot(tree, uid=uid, name=name) is not None:
                saved = f"refs/kazi/{uid}/{name}"
                await self._worktrees.remove(tree, uid=uid, has_landed=True)
                collision = msgspec.structs.replace(collision, saved=saved)
                return WorktreeRemoved(reason=done.refusal or "", saved=saved, collision=collision)
        if done.refusal is not None:
            kept = f"; it is kept on branch {tree.branch} and as {done.saved}" if done.saved else ""
            return f"the verified change cannot be applied to the workspace: {done.refusal}{kept}"
        return WorktreeDelivered(
            files=list(done.files)[:TOUCHED_MAX], files_total=len(done.files), saved=done.saved
        )

    async def remove(self, uid: GoalUid, tree: Worktree, *, has_landed: bool) -> str | None:
        """Take a tree away; the ref that keeps what was not committed in it."""
        return await self._worktrees.remove(tree, uid=uid, has_landed=has_landed)

    async def forget(self, uid: GoalUid, goal: Goal, progress: Progress, *, before_wall_s: float) -> None:
        """Drop what was kept around attempts before then, of a goal whose work is where it belongs."""
        if goal.workspace is None or not is_done(progress):
            return
        gone = await self._worktrees.forget(goal.workspace, uid=uid, before_wall_s=before_wall_s)
        if gone:
            log.info("worktree.forgotten", goal_id=goal.id, refs=gone)

    async def sweep(self, live: dict[GoalUid, Worktree]) -> None:
        """At a start: what no goal has any more is saved and removed, and what is gone is there again."""
        for uid, tree in live.items():
            unmade = await self._worktrees.revive(tree, uid=uid)
            if unmade is not None:
                log.warning("worktree.lost", path=tree.path, reason=unmade.reason)
        gone = await self._worktrees.sweep(live)
        if gone:
            log.info("worktrees.swept", removed=len(gone))


def _prefix(tree: Worktree) -> str:
    return "" if tree.folder == tree.path else f"{tree.folder.removeprefix(tree.path).strip('/')}/"
