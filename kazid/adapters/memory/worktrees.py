"""The Worktrees port in memory: memory folders, of which some are repositories, copied and written back."""

import hashlib
from collections.abc import Collection, Mapping, Sequence

from kazid.adapters.memory.repository import MemoryRepositories
from kazid.adapters.memory.workspace import MemoryWorkspaces
from kazid.core.ids import GoalUid
from kazid.core.kept_refs import Ref, droppable
from kazid.core.worktree import Worktree
from kazid.ports.worktree import Delivered, Difference, Mended, Unmade, Wish

_Files = Mapping[str, str]


class MemoryWorktrees:
    """Folders become repositories by `make_repository`; the others are worked in as they are."""

    def __init__(self, workspaces: MemoryWorkspaces, repositories: MemoryRepositories) -> None:
        self._workspaces = workspaces
        self._seen = repositories
        self._repositories: set[str] = set()
        self._commits: dict[str, _Files] = {}
        self._refs: dict[tuple[GoalUid, str], str] = {}
        self._trees: dict[GoalUid, Worktree] = {}
        self.forgotten: list[tuple[GoalUid, float]] = []
        """Each time `forget` was asked."""

    def make_repository(self, path: str) -> None:
        """From now on the folder is a repository, with what is in it as its commit."""
        self._repositories.add(path)

    async def make(self, wish: Wish) -> Worktree | Unmade:
        """See the port."""
        if wish.workspace not in self._repositories:
            return Unmade(reason=f"{wish.workspace} is no repository", is_in_place=True)
        path = f"/worktrees/{wish.uid}"
        await self._clear(path, wish.uid)
        base = self._commit(self._files(wish.workspace))
        self._lay(path, self._commits[base])
        self._seen.take_commit(path, base, self._commits[base])
        tree = Worktree(
            path=path,
            folder=path,
            repository=wish.workspace,
            branch=wish.branch,
            base=base,
            base_branch="main",
            has_uncommitted=wish.takes_uncommitted,
        )
        self._trees[wish.uid] = tree
        return tree

    async def here(self, workspace: str) -> Worktree | None:
        """See the port."""
        if workspace not in self._repositories:
            return None
        base = self._commit(self._files(workspace))
        return Worktree(path=workspace, folder=workspace, repository=workspace, branch="", base=base)

    async def has(self, tree: Worktree) -> bool:
        """See the port."""
        return self._workspaces.files(tree.path) is not None

    async def revive(self, tree: Worktree, *, uid: GoalUid) -> Unmade | None:
        """See the port."""
        if not await self.has(tree):
            self._lay(tree.path, self._commits[self._refs.get((uid, "latest"), tree.base)])
            self._trees[uid] = tree
        return None

    async def snapshot(self, tree: Worktree, *, uid: GoalUid, name: str, is_new: bool = True) -> str | None:
        """See the port."""
        if not is_new and (uid, name) in self._refs:
            return self._refs[uid, name]
        commit = self._commit(self._files(tree.path))
        self._refs[uid, name] = self._refs[uid, "latest"] = commit
        return commit

    async def kept(self, tree: Worktree, *, uid: GoalUid, name: str) -> str | None:
        """See the port."""
        assert tree.path.endswith(uid) or tree.path in self._repositories, "a goal asks for what is its own"
        return self._refs.get((uid, name))

    async def mend(self, tree: Worktree, *, uid: GoalUid, before: str) -> Mended:
        """There is nothing in memory that an agent could break but the folder itself."""
        assert before in self._commits, "a snapshot that was taken"
        if tree.repository not in self._repositories:
            return Mended(lost=f"the repository {tree.repository} is gone")
        if await self.has(tree):
            return Mended()
        await self.revive(tree, uid=uid)
        return Mended(deeds=("it deleted .git",))

    async def difference(self, tree: Worktree, before: str, after: str) -> Difference | None:
        """See the port."""
        assert tree.base in self._commits, "a tree of ours"
        old, new = self._commits[before], self._commits[after]
        names = sorted(n for n in {*old, *new} if old.get(n) != new.get(n))
        return Difference(lines_by_file={n: _lines(old.get(n)) + _lines(new.get(n)) for n in names})

    async def patch(self, tree: Worktree, before: str, after: str) -> bytes | None:
        """See the port."""
        old, new = self._commits[before], self._commits[after]
        names = sorted(n for n in {*old, *new} if old.get(n) != new.get(n))
        texts = [f"--- a/{n}\n+++ b/{n}\n-{old.get(n, '')}\n+{new.get(n, '')}\n" for n in names]
        return "".join(texts).encode()

    async def restore(self, tree: Worktree, before: str, *, files: Collection[str] | None) -> bool:
        """See the port."""
        then, now = self._commits[before], self._files(tree.path)
        self._lay(tree.path, {n: t for n, t in now.items() if files is not None and n not in set(files)}
                  | {n: t for n, t in then.items() if files is None or n in set(files)})  # fmt: skip
        return True

    async def deliver(self, tree: Worktree, *, uid: GoalUid) -> Delivered:
        """See the port."""
        after = await self.snapshot(tree, uid=uid, name="delivered")
        assert after is not None, "a memory tree can be read"
        old, new = self._commits[tree.base], self._commits[after]
        names = sorted(n for n in {*old, *new} if old.get(n) != new.get(n))
        conflicts = self._conflicts(tree.repository, names, old=old, new=new)
        refusal = self._write(tree.repository, names, old=old, new=new)
        saved = f"refs/kazi/{uid}/delivered"
        return Delivered(files=names, saved=saved, refusal=refusal, collisions=conflicts)

    async def take_back(
        self, tree: Worktree, before: str, after: str, *, files: Collection[str]
    ) -> str | None:
        """See the port."""
        return self._write(
            tree.repository, sorted(files), old=self._commits[after], new=self._commits[before]
        )

    def _write(self, repository: str, names: Sequence[str], *, old: _Files, new: _Files) -> str | None:
        here = self._files(repository)
        conflicts = self._conflicts(repository, names, old=old, new=new)
        if conflicts:
            return f"the workspace was changed meanwhile where the change is: {', '.join(conflicts)}"
        for name in names:
            if (text := new.get(name)) is not None:
                self._workspaces.write(repository, name, text)
            elif name in here:
                self._workspaces.delete(repository, name)
        return None

    def _conflicts(self, repository: str, names: Sequence[str], *, old: _Files, new: _Files) -> list[str]:
        here = self._files(repository)
        return [n for n in names if here.get(n) not in (old.get(n), new.get(n))]

    async def remove(self, tree: Worktree, *, uid: GoalUid, has_landed: bool) -> str | None:
        """See the port."""
        del has_landed
        return await self._clear(tree.path, uid)

    async def sweep(self, live: Mapping[GoalUid, Worktree]) -> Sequence[str]:
        """See the port."""
        gone = [tree.path for uid, tree in self._trees.items() if uid not in live]
        for uid in [u for u in self._trees if u not in live]:
            await self._clear(self._trees[uid].path, uid)
        return gone

    async def forget(self, workspace: str, *, uid: GoalUid, before_wall_s: float) -> int:
        """See the port. Memory keeps no times: all was made long ago."""
        self.forgotten.append((uid, before_wall_s))
        kept = [Ref(name, commit, float("-inf")) for (of, name), commit in self._refs.items() if of == uid]
        gone = droppable(kept, before_wall_s=before_wall_s)
        for ref in gone:
            del self._refs[uid, ref.name]
        return len(gone)

    async def _clear(self, path: str, uid: GoalUid) -> str | None:
        tree = self._trees.pop(uid, None)
        files = self._workspaces.files(path)
        if files is None or tree is None:
            return None
        commit = self._commit(files)
        self._workspaces.remove(path)
        if files == self._commits[tree.base]:
            return None
        name = f"saved-{commit[:12]}"
        self._refs[uid, name] = commit
        return f"refs/kazi/{uid}/{name}"

    def _files(self, path: str) -> _Files:
        return dict(self._workspaces.files(path) or {})

    def _lay(self, path: str, files: _Files) -> None:
        self._workspaces.make(path)
        for name, text in files.items():
            self._workspaces.write(path, name, text)

    def _commit(self, files: _Files) -> str:
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()  # noqa: S324
        self._commits[commit] = dict(files)
        return commit


def _lines(text: str | None) -> int:
    return 0 if text is None else len(text.splitlines())
