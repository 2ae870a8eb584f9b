"""The Workspaces port for the system's folders: one git call where the folder is a repository, a bounded walk else.

git lists what it knows with its blob ids, and what differs from that or is untracked; only the latter is read and
given the id git would give it. So nothing is written, a commit changes nothing, and a repository costs one process
and as much reading as there is work in progress. What cannot be told exactly is None, never a guess.
"""

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from kazid.adapters.system.file_hashes import file_hashes
from kazid.adapters.system.git import git
from kazid.adapters.system.git_settings import git_settings
from kazid.adapters.system.tree_content import (
    SKIPPED_NAMES,
    Bounds,
    OutOfBounds,
    hash_of,
    tokens_of,
    walk,
)
from kazid.core.ids import TreeHash
from kazid.ports.workspace import WorkspaceId

HASH_DEADLINE_S = 30.0
LISTING_BYTES_MAX = 64 * 1024 * 1024
"""What git may list: some 600,000 files."""

NESTING_MAX = 8
"""Repositories within repositories; deeper ones are walked."""

THREADS_MAX = 8

_GITLINK = b"160000"
_UNTRACKED = b"? "
_CLEAN = b"H "
_T = TypeVar("_T")


class SystemWorkspaces:
    """Looks at folders of this machine, in threads: a dead network disk hangs nobody but who asked."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(THREADS_MAX)

    async def identify(self, path: str) -> WorkspaceId | None:
        """Which folder this is; None when it is not there, is not a folder or does not answer in time."""

        def look() -> WorkspaceId | None:
            try:
                found = os.stat(path)
            except (OSError, ValueError):
                return None
            if not stat.S_ISDIR(found.st_mode):
                return None
            return WorkspaceId(path=path, device=found.st_dev, inode=found.st_ino)

        with anyio.move_on_after(HASH_DEADLINE_S):
            return await self._in_thread(look)
        return None

    async def tree_hash(self, path: str) -> TreeHash | None:
        """What is in it, committed or not; None when it cannot be told."""
        if await self.identify(path) is None:
            return None
        bounds = Bounds(seconds=HASH_DEADLINE_S)
        with anyio.move_on_after(HASH_DEADLINE_S):
            try:
                return await self._hash(path, bounds, depth=0)
            except OutOfBounds:
                return None
        return None

    async def tokens(self, path: str) -> dict[str, str] | None:
        """What each file holds, as git would write it into a tree (`100644 <blob id>`); None when it cannot be told."""
        bounds = Bounds(seconds=HASH_DEADLINE_S)
        with anyio.move_on_after(HASH_DEADLINE_S):
            try:
                tokens = await self._tokens(path, bounds, depth=0)
            except OutOfBounds:
                return None
            return {os.fsdecode(name): os.fsdecode(token) for name, token in tokens.items()}
        return None

    async def file_hashes(self, path: str, patterns: Sequence[str]) -> Mapping[str, str] | None:
        """What the named files hold; None when it cannot be told."""
        bounds = Bounds(seconds=HASH_DEADLINE_S)
        with anyio.move_on_after(HASH_DEADLINE_S):
            try:
                return await self._in_thread(partial(file_hashes, path, patterns, bounds))
            except (OutOfBounds, OSError, RecursionError):
                return None
        return None

    async def git_settings(self, path: str) -> Mapping[str, str] | None:
        """Config, hooks and attributes of its repository; None when it cannot be told."""
        bounds = Bounds(seconds=HASH_DEADLINE_S)
        with anyio.move_on_after(HASH_DEADLINE_S):
            try:
                return await self._in_thread(partial(git_settings, path, bounds))
            except (OutOfBounds, OSError, ValueError, RecursionError):
                return None
        return None

    async def _hash(self, path: str, bounds: Bounds, *, depth: int) -> TreeHash:
        tokens = await self._tokens(path, bounds, depth=depth)
        return await self._in_thread(partial(hash_of, tokens))

    async def _tokens(self, path: str, bounds: Bounds, *, depth: int) -> dict[bytes, bytes]:
        tokens = await self._git_tokens(path, bounds, depth=depth) if depth < NESTING_MAX else None
        return await self._in_thread(partial(walk, path, bounds)) if tokens is None else tokens

    async def _git_tokens(self, path: str, bounds: Bounds, *, depth: int) -> dict[bytes, bytes] | None:
        """Return tokens by path; None where git does not answer for this folder. Raises OutOfBounds."""
        if not await self._is_gits(path, bounds):
            return None
        listing = await git(
            ("ls-files", "-z", "-v", "--stage", "--cached", "--modified", "--deleted", "--others",
             "--exclude-standard"),
            cwd=path, deadline_s=bounds.seconds_left, output_bytes_max=LISTING_BYTES_MAX,
        )  # fmt: skip
        if listing.truncated:
            raise OutOfBounds
        if not listing.is_ok:
            return None
        tokens, to_read, nested = await self._in_thread(partial(_parse, listing.stdout))
        tokens |= await self._in_thread(partial(tokens_of, path, to_read, bounds))
        for name in nested:
            folder = os.path.join(path, os.fsdecode(name))
            bounds.count_file()
            if await self._in_thread(partial(_is_repository, folder)):
                tokens[name] = (await self._hash(folder, bounds, depth=depth + 1)).encode()
        return tokens

    async def _is_gits(self, path: str, bounds: Bounds) -> bool:
        """True when git's listing tells all about this folder: a repository, or in one that does not ignore it."""
        if await self._in_thread(partial(_is_repository, path)):
            return True
        ignored = await git(("check-ignore", "-q", "."), cwd=path, deadline_s=bounds.seconds_left)
        return ignored.exit_code == 1

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._threads)


def _is_repository(path: str) -> bool:
    return os.path.lexists(os.path.join(path, ".git"))


def _parse(listing: bytes) -> tuple[dict[bytes, bytes], set[bytes], set[bytes]]:
    """Return git's tokens, the files to read instead, and the folders that are repositories of their own.

    A line is `? PATH` or `TAG MODE ID STAGE<tab>PATH`. Only `H` is taken at its word: `C` and `R` differ, `M` is
    unmerged, and `S` or a small letter means that git was told not to look, by whomever.
    """
    tokens: dict[bytes, bytes] = {}
    to_read: set[bytes] = set()
    nested: set[bytes] = set()
    for line in listing.split(b"\0"):
        if line.startswith(_UNTRACKED):
            path = line[len(_UNTRACKED) :]
            if SKIPPED_NAMES.isdisjoint(os.fsdecode(path).split("/")):
                (nested if path.endswith(b"/") else to_read).add(path.rstrip(b"/"))
        elif line:
            stage, _, path = line.partition(b"\t")
            tag, rest = stage[:2], stage[2:]
            if rest.startswith(_GITLINK):
                tokens[path] = rest.rpartition(b" ")[0]
                nested.add(path)
            elif tag == _CLEAN and path not in to_read:
                tokens[path] = rest.rpartition(b" ")[0]
            else:
                tokens.pop(path, None)
                to_read.add(path)
    return tokens, to_read, nested
