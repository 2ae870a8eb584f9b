"""The Worktrees port for the system's git: `git worktree`, snapshots by an index of our own, refs below refs/kazi/.

A tree lies at `<state>/worktrees/<uid>/<name>`, registered and locked in the user's repository, so that no prune of
theirs takes it. A snapshot never touches the tree's own index: all files are added to a copy. Nothing of the user's is
ever reset, cleaned or checked out; beside the files of a delivery all that appears in their repository are
objects, the goal's branch and refs/kazi/.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from kazid.adapters.system.delivery import deliver
from kazid.adapters.system.file_times import later_second
from kazid.adapters.system.git import GitResult, git
from kazid.adapters.system.kept_refs import forget
from kazid.adapters.system.worktree_entries import (
    Entry,
    entries_below,
    forget_entry,
    note_entry,
    tidy,
)
from kazid.adapters.system.worktree_facts import (
    BRANCHES_MAX,
    absent_from_a_fresh_tree,
    ask,
    commit_of,
    common_folder,
    files_of,
    free_branch,
    is_ancestor,
    is_folder,
    is_linked,
    is_same_place,
    is_same_tree,
    no_repository,
    noted,
    refs_of,
    registration_of,
    repository_of,
    trouble_in,
    unfinished,
    why_of,
    without_links,
)
from kazid.core.ids import GoalUid
from kazid.core.status import Cause
from kazid.core.worktree import Worktree
from kazid.ports.worktree import PATCH, Delivered, Difference, Mended, Unmade, Wish

MAKE_DEADLINE_S = 120.0
"""A checkout of a big repository on a slow disk."""
NOWHERE: Mapping[str, str] = {}
OURS = "kazi/"
"""Branches of this prefix are the daemon's; any other that a tree is put on is somebody's, and goes back."""
_AUTHOR = {
    "GIT_AUTHOR_NAME": "kazid", "GIT_AUTHOR_EMAIL": "kazid@localhost",
    "GIT_COMMITTER_NAME": "kazid", "GIT_COMMITTER_EMAIL": "kazid@localhost",
}  # fmt: skip


class SystemWorktrees:
    """git, as the user that runs kazid."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks: dict[str, anyio.Lock] = {}

    async def make(self, wish: Wish) -> Worktree | Unmade:
        """See the port."""
        places = await git(
            ("rev-parse", "--is-bare-repository", "--is-inside-work-tree"), cwd=wish.workspace
        )  # fmt: skip
        if places.exit_code is None or "dubious ownership" in places.stderr:
            return Unmade(reason=why_of("git cannot tell", places))
        answers = places.stdout.decode().split()
        if answers[:1] == ["true"]:
            return Unmade(reason=f"{wish.workspace} is a bare repository: there is no tree to work in")
        if answers[1:2] != ["true"]:
            return await anyio.to_thread.run_sync(no_repository, wish.workspace, places)
        top = await ask(("rev-parse", "--show-toplevel"), cwd=wish.workspace)
        prefix = await ask(("rev-parse", "--show-prefix"), cwd=wish.workspace) or ""
        if top is None:
            return Unmade(reason="git does not say where the tree begins")
        if (await git(("check-ignore", "-q", "."), cwd=wish.workspace)).exit_code == 0:
            return Unmade(reason=f"{wish.workspace} is ignored by its repository", is_in_place=True)
        async with self._lock(top):
            return await self._make(wish, top=top, prefix=prefix)

    async def _make(self, wish: Wish, *, top: str, prefix: str) -> Worktree | Unmade:
        trouble = await trouble_in(top, wish)
        if trouble is not None:
            return trouble
        head = await ask(("rev-parse", "--verify", "--quiet", "HEAD^{commit}"), cwd=top)
        base, has_uncommitted = head, False
        if wish.takes_uncommitted:
            base = await self._commit_of(top, parent=head, message=f"kazid: what {wish.branch} starts from")
            if base is None:
                return Unmade(
                    reason="what is in the workspace cannot be read into git: a file that is not readable, or more "
                    'than git takes in two minutes; ignore it, or say [workspace] mode = "in_place"'
                )
            if head is not None and await is_same_tree(top, head, base):
                base = head
            has_uncommitted = base != head
        if base is None:
            return Unmade(reason="the repository has no commit yet, so nothing can be landed from it")
        path = self._root / wish.uid / (os.path.basename(top) or "tree")
        await self._clear(path, top=top, uid=wish.uid)
        branch = await free_branch(top, wish.branch, base)
        if branch is None:
            return Unmade(
                reason=f"{wish.branch} and {BRANCHES_MAX} names like it hold work that is not in {base[:12]}"
            )
        if not await self._keep(top, wish.uid, "base", base):
            return Unmade(reason="refs/kazi/ cannot be written in the repository")
        tree = Worktree(
            path=str(path),
            folder=os.path.join(path, prefix).rstrip("/"),
            repository=top,
            branch=branch,
            base=base,
            base_branch=await ask(("symbolic-ref", "--short", "--quiet", "HEAD"), cwd=top),
            has_uncommitted=has_uncommitted,
            absent=await absent_from_a_fresh_tree(wish.workspace),
        )
        was_there = None if branch.startswith(OURS) else await commit_of(top, f"refs/heads/{branch}")
        await anyio.to_thread.run_sync(note_entry, path.parent, Entry(tree=tree, branch_was=was_there))
        made = await _added(top, ("-B", branch, str(path), base), branch=branch)
        return tree if made.is_ok else Unmade(reason=why_of("git worktree add failed", made))

    async def here(self, workspace: str) -> Worktree | None:
        """See the port."""
        top = await ask(("rev-parse", "--show-toplevel"), cwd=workspace)
        head = None if top is None else await commit_of(top, "HEAD")
        if top is None or head is None:
            return None
        prefix = await ask(("rev-parse", "--show-prefix"), cwd=workspace) or ""
        folder = os.path.join(top, prefix).rstrip("/")
        return Worktree(path=top, folder=folder, repository=top, branch="", base=head)

    async def has(self, tree: Worktree) -> bool:
        """See the port."""
        if not await is_folder(tree.folder):
            return False
        if await anyio.to_thread.run_sync(is_linked, tree.path):
            return True  # git would say the same; at a start there may be many of them
        top = await ask(("rev-parse", "--show-toplevel"), cwd=tree.path)
        return top is not None and is_same_place(top, tree.path)

    async def revive(self, tree: Worktree, *, uid: GoalUid) -> Unmade | None:
        """See the port."""
        if await self.has(tree):
            return None
        if not await is_folder(tree.repository):
            return Unmade(reason=f"{tree.repository} is gone", cause=Cause.WORKSPACE_MISSING)
        if await is_folder(tree.path) and await self._repoint(tree):
            return None
        async with self._lock(tree.repository):
            saved = await self._clear(Path(tree.path), top=tree.repository, uid=uid)
            there = await commit_of(tree.repository, f"refs/heads/{tree.branch}")
            what = (tree.path, tree.branch) if there else ("-b", tree.branch, tree.path, tree.base)
            Path(tree.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = await _added(tree.repository, what, branch=tree.branch)
        if not made.is_ok:
            return Unmade(reason=why_of("the tree is gone and cannot be made again", made))
        last = saved or await self.kept(tree, uid=uid, name="latest")
        if last is not None and not await self.restore(tree, last, files=None):
            return Unmade(reason=f"what {last[:12]} saved of the tree cannot be put back")
        return None

    async def snapshot(self, tree: Worktree, *, uid: GoalUid, name: str, is_new: bool = True) -> str | None:
        """See the port. Which branches and tags there are is in the message, for `mend`."""
        if not is_new and (known := await self.kept(tree, uid=uid, name=name)) is not None:
            return known
        head = await commit_of(tree.path, "HEAD")
        refs = await refs_of(tree.repository)
        message = msgspec.json.encode({"head": head, "refs": refs}).decode()
        commit = await self._commit_of(tree.path, parent=head, message=message)
        if commit is None or not await self._keep(tree.repository, uid, name, commit):
            return None
        await self._keep(tree.repository, uid, "latest", commit)
        if is_new:
            await later_second(tree.path, await files_of(tree.repository, commit) or ())
        return commit

    async def kept(self, tree: Worktree, *, uid: GoalUid, name: str) -> str | None:
        """See the port."""
        return await commit_of(tree.repository, f"refs/kazi/{uid}/{name}")

    async def mend(self, tree: Worktree, *, uid: GoalUid, before: str) -> Mended:
        """See the port."""
        if not await is_folder(tree.repository) or await commit_of(tree.repository, tree.base) is None:
            return Mended(lost=f"the repository {tree.repository} is gone or without what the work began at")
        deeds: list[str] = []
        if not await self.has(tree):
            unmade = await self.revive(tree, uid=uid)
            if unmade is not None:
                return Mended(lost=unmade.reason)
            deeds.append("it deleted .git")
        message = await git(("log", "-1", "--format=%B", before), cwd=tree.repository)
        then = noted(message.stdout)
        branch = f"refs/heads/{tree.branch}"
        tip, head = await commit_of(tree.path, branch), await commit_of(tree.path, "HEAD")
        on = await ask(("symbolic-ref", "--quiet", "HEAD"), cwd=tree.path)
        was = then.head or tree.base
        strayed = None
        if on != branch:
            deeds.append(f"it left the branch for {on or 'a detached HEAD'}")
            strayed = head
        elif tip is None or not await is_ancestor(tree.repository, was, tip):
            deeds.append("it rewrote the branch's history")
            strayed = tip
        if strayed is not None:
            await self._keep(tree.repository, uid, f"strayed-{before[:12]}", strayed)
        for operation in await unfinished(tree.path):
            deeds.append(f"it left a {operation} unfinished")
            await git((operation, "--quit"), cwd=tree.path)  # forgets it, and leaves the files
            await git(("read-tree", "--reset", "HEAD"), cwd=tree.path)
        if on != branch or tip is None or not await is_ancestor(tree.repository, was, tip):
            await git(("update-ref", branch, was), cwd=tree.path)
            await git(("symbolic-ref", "HEAD", branch), cwd=tree.path)
            await git(("read-tree", "--reset", branch), cwd=tree.path)
        return Mended(deeds=deeds, refs_moved=await self._refs_moved(tree, uid, then.refs))

    async def _refs_moved(self, tree: Worktree, uid: GoalUid, then: Mapping[str, str]) -> list[str]:
        """Refs that went back, elsewhere or away; where they were is kept."""
        now = await refs_of(tree.repository)
        moved: list[str] = []
        for name, old in then.items():
            new = now.get(name)
            if new == old or name == f"refs/heads/{tree.branch}":
                continue
            if new is not None and await is_ancestor(tree.repository, old, new):
                continue
            await self._keep(tree.repository, uid, f"moved/{name.removeprefix('refs/')}", old)
            moved.append(name.removeprefix("refs/heads/"))
        return moved

    async def difference(self, tree: Worktree, before: str, after: str) -> Difference | None:
        """See the port. A binary file counts as one line."""
        said = await git(
            ("diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", before, after), cwd=tree.repository
        )
        if not said.is_ok:
            return None
        lines: dict[str, int] = {}
        for entry in said.stdout.split(b"\0"):
            if entry:
                added, removed, name = entry.split(b"\t", 2)
                lines[os.fsdecode(name)] = 1 if added == b"-" else int(added) + int(removed)
        first, last = f"{before}^", f"{after}^"
        made = await git(("rev-list", "--count", f"{first}..{last}"), cwd=tree.repository)
        return Difference(lines_by_file=lines, commits=int(made.stdout or b"0") if made.is_ok else 0)

    async def patch(self, tree: Worktree, before: str, after: str) -> bytes | None:
        """See the port."""
        said = await git((*PATCH, before, after), cwd=tree.repository, deadline_s=MAKE_DEADLINE_S)
        return said.stdout if said.is_ok else None

    async def restore(self, tree: Worktree, before: str, *, files: Collection[str] | None) -> bool:
        """See the port: the content alone; index and branch stay what they are."""
        assert tree.path.startswith(f"{self._root}/"), "only a tree of ours is ever put back"
        now = await self._commit_of(tree.path, parent=None, message="kazid: now")
        if now is None:
            return False
        difference = await self.difference(tree, before, now)
        if difference is None:
            return False
        wanted = [n for n in difference.lines_by_file if files is None or n in set(files)]
        there = await files_of(tree.repository, before)
        if there is None:
            return False
        await later_second(tree.path, wanted)
        await anyio.to_thread.run_sync(_take_away, tree.path, wanted)
        index = self._root / f".index-{secrets.token_hex(6)}"
        env = {"GIT_INDEX_FILE": str(index)}
        try:
            read = await git(("read-tree", before), cwd=tree.path, env=env)
            back = [n for n in wanted if n in there]
            for start in range(0, len(back), 200):
                out = await git(
                    ("checkout-index", "--force", "--", *back[start : start + 200]), cwd=tree.path, env=env
                )
                if not out.is_ok:
                    return False
        finally:
            _forget_index(index)
        return read.is_ok

    async def take_back(
        self, tree: Worktree, before: str, after: str, *, files: Collection[str]
    ) -> str | None:
        """See the port: a delivery the other way round."""
        async with self._lock(tree.repository):
            refused = await deliver(tree.repository, base=after, after=before, files=sorted(files))
        return None if refused is None else refused.reason

    async def deliver(self, tree: Worktree, *, uid: GoalUid) -> Delivered:
        """See the port."""
        after = await self.snapshot(tree, uid=uid, name="delivered")
        difference = None if after is None else await self.difference(tree, tree.base, after)
        if after is None or difference is None:
            return Delivered(refusal="what the tree holds cannot be told")
        async with self._lock(tree.repository):
            refused = await deliver(
                tree.repository, base=tree.base, after=after, files=sorted(difference.lines_by_file)
            )
            if refused is None:
                await self._keep(tree.repository, uid, "applied", after)
        return Delivered(
            files=sorted(difference.lines_by_file),
            saved=f"refs/kazi/{uid}/delivered",
            refusal=None if refused is None else refused.reason,
            collisions=() if refused is None else refused.collisions,
        )

    async def remove(self, tree: Worktree, *, uid: GoalUid, has_landed: bool) -> str | None:
        """See the port."""
        assert tree.path.startswith(f"{self._root}/"), "only a tree of ours is ever removed"
        async with self._lock(tree.repository):
            return await self._take_down(tree, uid, has_landed=has_landed)

    async def _take_down(self, tree: Worktree, uid: GoalUid, *, has_landed: bool) -> str | None:
        """The ref that keeps what was not committed. The branch goes before the tree: what a kill leaves is found."""
        saved = await self._save(tree.path, tree.repository, uid)
        await self._drop_branch(tree, uid, has_landed=has_landed)
        await self._clear(Path(tree.path), top=tree.repository, uid=uid, is_saved=True)
        await self._drop_branch(tree, uid, has_landed=has_landed)  # git keeps one that a broken tree is on
        await anyio.to_thread.run_sync(forget_entry, self._root / uid)
        return saved

    async def _drop_branch(self, tree: Worktree, uid: GoalUid, *, has_landed: bool) -> None:
        """Take the branch away that nobody's work hangs on any more, or put it back where it was before the tree.

        By `git branch`, which refuses where somebody has it checked out.
        """
        top, ref = tree.repository, f"refs/heads/{tree.branch}"
        tip = await commit_of(top, ref)
        if tip is None:
            return
        applied = await self.kept(tree, uid=uid, name="applied")
        is_in_the_workspace = applied is not None and await is_ancestor(top, tip, applied)
        if not (tip == tree.base or has_landed or is_in_the_workspace):
            return
        await self._keep(top, uid, "branch", tip)
        if await self.has(tree) and await ask(("symbolic-ref", "--quiet", "HEAD"), cwd=tree.path) == ref:
            await git(("update-ref", "--no-deref", "HEAD", tip), cwd=tree.path)
        entry = {e.uid: e.entry for e in entries_below(self._root)}.get(uid)
        was = None if entry is None or entry.tree.branch != tree.branch else entry.branch_was
        words = ("-D", "--quiet", tree.branch) if was is None else ("-f", "--quiet", tree.branch, was)
        await git(("branch", *words), cwd=top)

    async def sweep(self, live: Mapping[GoalUid, Worktree]) -> Sequence[str]:
        """See the port."""
        gone: list[str] = []
        for left in await anyio.to_thread.run_sync(entries_below, self._root):
            for path in left.trees:
                if any(is_same_place(str(path), tree.path) for tree in live.values()):
                    continue
                if left.entry is not None and is_same_place(str(path), left.entry.tree.path):
                    await self._take_down(left.entry.tree, left.uid, has_landed=False)
                else:
                    top = await anyio.to_thread.run_sync(repository_of, path)
                    await self._clear(path, top=top, uid=left.uid)
                gone.append(str(path))
        await anyio.to_thread.run_sync(tidy, self._root)
        return gone

    async def forget(self, workspace: str, *, uid: GoalUid, before_wall_s: float) -> int:
        """See the port."""
        return await forget(workspace, f"refs/kazi/{uid}", before_wall_s=before_wall_s)

    def _lock(self, top: str) -> anyio.Lock:
        return self._locks.setdefault(os.path.realpath(top), anyio.Lock())

    async def _clear(
        self, path: Path, *, top: str | None, uid: GoalUid, is_saved: bool = False
    ) -> str | None:
        """Take away what is at a place of ours, saved first; the ref that keeps it."""
        assert path.is_relative_to(self._root), "only what we made"
        saved = None
        if top is not None and await _is_there(path):
            if not is_saved:
                saved = await self._save(str(path), top, uid)
            await git(("worktree", "remove", "--force", "--force", str(path)), cwd=top)
        if await _is_there(path):
            await anyio.to_thread.run_sync(_remove, path)
        common = None if top is None else await common_folder(top)
        entry = None if common is None else registration_of(common, str(path))
        if entry is not None:
            await anyio.to_thread.run_sync(_remove, entry)
        return saved

    async def _save(self, path: str, top: str, uid: GoalUid) -> str | None:
        """The ref that keeps what a tree holds beyond its commit; None when there is nothing beyond."""
        if not (await is_folder(path) and await is_folder(top)):
            return None
        here = await ask(("rev-parse", "--show-toplevel"), cwd=path)
        is_whole = here is not None and is_same_place(here, path)
        # Without its `.git` the folder is not a tree, and git would answer for one above it.
        common = None if is_whole else await common_folder(top)
        of = {} if common is None else {"GIT_DIR": common, "GIT_WORK_TREE": path}
        if not (is_whole or of):
            return None
        head = await commit_of(path, "HEAD") if is_whole else None
        message = "kazid: saved before the tree was removed"
        commit = await self._commit_of(path, parent=head, message=message, of=of)
        if commit is None or (head is not None and await is_same_tree(path, head, commit)):
            return None
        name = f"saved-{commit[:12]}"
        return f"refs/kazi/{uid}/{name}" if await self._keep(top, uid, name, commit) else None

    async def _keep(self, top: str, uid: GoalUid, name: str, commit: str) -> bool:
        return (await git(("update-ref", f"refs/kazi/{uid}/{name}", commit), cwd=top)).is_ok

    async def _commit_of(
        self, path: str, *, parent: str | None, message: str, of: Mapping[str, str] = NOWHERE
    ) -> str | None:
        """A commit of all that a tree holds but for what is ignored; its own index is only read.

        `of` says to git whose tree it is, where that is not found in it.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        index = self._root / f".index-{secrets.token_hex(6)}"
        own = None if of else await ask(("rev-parse", "--git-path", "index"), cwd=path)
        try:
            if own is not None:
                await anyio.to_thread.run_sync(_copy_index, os.path.join(path, own), index)
            env = {"GIT_INDEX_FILE": str(index), **of}
            if not await without_links(path, env):
                return None
            added = await git(("add", "--all", "--", ":/"), cwd=path, env=env, deadline_s=MAKE_DEADLINE_S)
            written = await git(("write-tree",), cwd=path, env=env)
        except OSError:
            return None
        finally:
            _forget_index(index)
        if not (added.is_ok and written.is_ok):
            return None
        parents = () if parent is None else ("-p", parent)
        words = ("commit-tree", "--no-gpg-sign", *parents, "-m", message, written.stdout.decode().strip())
        return await ask(words, cwd=path, env={**_AUTHOR, **of})

    async def _repoint(self, tree: Worktree) -> bool:
        """Write the tree's `.git` again, where an agent deleted it. False when the registration is gone, too."""
        common = await common_folder(tree.repository)
        entry = None if common is None else registration_of(common, tree.path)
        if entry is None:
            return False
        await anyio.to_thread.run_sync(_point, Path(tree.path, ".git"), entry)
        return await self.has(tree)


async def _added(top: str, what: Sequence[str], *, branch: str) -> GitResult:
    """Twice --force: also in the place of a tree of ours that is registered, locked and gone."""
    words = ("worktree", "add", "--quiet", "--force", "--force", "--lock", "--reason", f"kazid: {branch}")
    tracking = ("--no-track",) if what[0].startswith("-") else ()
    return await git((*words, *tracking, *what), cwd=top, deadline_s=MAKE_DEADLINE_S)


async def _is_there(path: Path) -> bool:
    return await anyio.to_thread.run_sync(os.path.lexists, path, abandon_on_cancel=True)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _copy_index(source: str, target: Path) -> None:
    """With its time: by that git tells which entries are as young as the index, and looks at those files' content."""
    if os.path.isfile(source):
        shutil.copy2(source, target)


def _forget_index(index: Path) -> None:
    for left in (index, Path(f"{index}.lock")):
        left.unlink(missing_ok=True)


def _take_away(top: str, names: Collection[str]) -> None:
    for name in names:
        target = Path(top, name)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()


def _point(pointer: Path, entry: Path) -> None:
    """A folder in the pointer's place, a repository that an agent began, is kept beside it."""
    if pointer.is_dir() and not pointer.is_symlink():
        pointer.rename(pointer.with_name(f".git-left-{secrets.token_hex(3)}"))
    pointer.write_text(f"gitdir: {entry}\n")
