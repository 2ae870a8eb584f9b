"""The Workspaces port in memory: folders with files that a test writes, moves and takes away."""

import hashlib
from collections.abc import Mapping, Sequence

from kazid.core.ids import TreeHash
from kazid.core.patterns import is_named
from kazid.ports.workspace import WorkspaceId

_DEVICE = 1


class MemoryWorkspaces:
    """Folders by path. A folder made anew has a new inode, as on a disk."""

    def __init__(self, *paths: str) -> None:
        self._inodes: dict[str, int] = {}
        self._files: dict[str, dict[str, str]] = {}
        self._made = 0
        self._unreadable: set[str] = set()
        self._git: dict[str, dict[str, str]] = {}
        for path in paths:
            self.make(path)

    async def identify(self, path: str) -> WorkspaceId | None:
        """Which folder this is; None when it is not there."""
        inode = self._inodes.get(path)
        return None if inode is None else WorkspaceId(path=path, device=_DEVICE, inode=inode)

    async def tree_hash(self, path: str) -> TreeHash | None:
        """What is in it; None when it is not there or was made unreadable."""
        if path not in self._inodes or path in self._unreadable:
            return None
        content = repr(sorted(self._files[path].items())).encode()
        return TreeHash(hashlib.sha256(content).hexdigest())

    async def file_hashes(self, path: str, patterns: Sequence[str]) -> Mapping[str, str] | None:
        """What the named files hold; None when the folder is not there or was made unreadable."""
        if path not in self._inodes or path in self._unreadable:
            return None
        files = self._files[path]
        found: dict[str, str] = {}
        for pattern in patterns:
            named = {n: t for n, t in files.items() if is_named(n, pattern)}
            found |= {name: hashlib.sha256(text.encode()).hexdigest() for name, text in named.items()}
            if not named and not set(pattern) & set("*?["):
                found[pattern] = "absent"
        return found

    async def git_settings(self, path: str) -> Mapping[str, str] | None:
        """What a test said; None when the folder is not there or was made unreadable."""
        if path not in self._inodes or path in self._unreadable:
            return None
        said = self._git.get(path, {})
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in said.items()}

    def set_git(self, path: str, name: str, text: str) -> None:
        """Write a setting of the folder's repository; the first one makes the repository."""
        self._git.setdefault(path, {})[name] = text

    def make(self, path: str) -> None:
        """Make an empty folder, in the place of any that was there."""
        self._made += 1
        self._inodes[path] = self._made
        self._files[path] = {}
        self._unreadable.discard(path)

    def write(self, path: str, name: str, text: str) -> None:
        """Write a file of the folder."""
        self._files[path][name] = text

    def delete(self, path: str, name: str) -> None:
        """Delete a file of the folder."""
        del self._files[path][name]

    def read(self, path: str, name: str) -> str | None:
        """What is in a file of the folder; None when there is no such file."""
        return self._files[path].get(name)

    def files(self, path: str) -> Mapping[str, str] | None:
        """Everything in the folder; None when it is not there or was made unreadable."""
        return None if path in self._unreadable else self._files.get(path)

    def remove(self, path: str) -> None:
        """Take the folder away."""
        del self._inodes[path], self._files[path]

    def make_unreadable(self, path: str) -> None:
        """From now on its content cannot be told."""
        self._unreadable.add(path)
