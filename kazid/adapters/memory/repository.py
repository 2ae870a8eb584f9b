"""The Repositories port in memory: commits of memory folders that a test makes."""

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from kazid.adapters.memory.workspace import MemoryWorkspaces
from kazid.core.patterns import is_named
from kazid.ports.repository import ABSENT, Checkout


class MemoryRepositories:
    """Commits by folder; a folder without one is no repository."""

    def __init__(self, workspaces: MemoryWorkspaces) -> None:
        self._workspaces = workspaces
        self._commits: dict[str, dict[str, dict[str, str]]] = {}
        self._broken: str | None = None

    def break_checkouts(self, reason: str) -> None:
        """From now on there are none."""
        self._broken = reason

    def make_commit(self, path: str) -> str:
        """Commit everything in the folder, and return the commit's id."""
        files = dict(self._workspaces.files(path) or {})
        commits = self._commits.setdefault(path, {})
        commit = hashlib.sha1(repr((len(commits), sorted(files.items()))).encode()).hexdigest()  # noqa: S324
        commits[commit] = files
        return commit

    def take_commit(self, path: str, commit: str, files: Mapping[str, str]) -> None:
        """Make the folder a repository that begins at this commit."""
        self._commits[path] = {commit: dict(files)}

    async def commit(self, path: str, ref: str = "HEAD") -> str | None:
        """The newest commit, or the one of this id."""
        commits = self._commits.get(path, {})
        if ref == "HEAD":
            return next(reversed(commits), None)
        return ref if ref in commits else None

    async def changed(self, path: str, base: str | None) -> Mapping[str, str] | None:
        """What differs from the base; None when the folder cannot be read."""
        now = self._workspaces.files(path)
        then: Mapping[str, str] | None = {} if base is None else self._commits.get(path, {}).get(base)
        if now is None or then is None:
            return None
        differing = {n: hashlib.sha256(t.encode()).hexdigest() for n, t in now.items() if then.get(n) != t}
        return differing | {name: ABSENT for name in then if name not in now}

    @asynccontextmanager
    async def candidate(
        self, path: str, *, base: str, pinned: Sequence[str], name: str
    ) -> AsyncGenerator[Checkout]:
        """A memory folder at the base with the changes over it."""
        changed = await self.changed(path, base)
        if changed is None or self._broken is not None:
            yield Checkout(folder=None, reason=self._broken or "no repository")
            return
        folder = f"/checkouts/{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        kept = sorted(n for n in changed if any(is_named(n, p) for p in pinned))
        files = dict(self._commits[path][base])
        for each in set(changed) - set(kept):
            text = self._workspaces.read(path, each)
            if text is None:
                files.pop(each, None)
            else:
                files[each] = text
        self._workspaces.make(folder)
        for each, text in files.items():
            self._workspaces.write(folder, each, text)
        try:
            yield Checkout(folder=folder, pinned=tuple(kept))
        finally:
            self._workspaces.remove(folder)
