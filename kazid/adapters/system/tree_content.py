"""What is in a folder, file by file: tokens of content, and the bounds within which they are taken.

A token is what git would write into a tree (`100644 <blob id>`), so that a file has the same one before and after it
is committed. Blocks on the disk: run it in a thread.
"""

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Mapping

from kazid.core.ids import TreeHash

FILES_MAX = 20_000
"""Files read or walked for one hash: some seconds on a cold disk. A bigger tree belongs into git."""

BYTES_READ_MAX = 256 * 1024 * 1024
BIG_FILE_BYTES = 8 * 1024 * 1024
"""A file beyond this, or beyond what may be read in all, is told by its size and modification time."""

SKIPPED_NAMES = frozenset(
    {
        ".git", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv", "__pycache__",
        "node_modules",
    }
)  # fmt: skip
"""Caches that looking itself writes: with them in the hash, no verdict would be of the tree it was taken from."""


class OutOfBounds(Exception):
    """The tree is too big or too slow to be told; nothing is known about it."""


class Bounds:
    """What one hash may still cost. Shared by a repository and those nested in it."""

    def __init__(self, *, seconds: float) -> None:
        self.files_left = FILES_MAX
        self.bytes_left = BYTES_READ_MAX
        self._ends_s = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """Until the answer is no longer wanted; never negative."""
        return max(0.0, self._ends_s - time.monotonic())

    def count_file(self) -> None:
        """One more file; raises OutOfBounds."""
        self.files_left -= 1
        if self.files_left < 0 or not self.seconds_left:
            raise OutOfBounds

    def may_read(self, size: int) -> bool:
        """True when a file of this size is to be read, and takes it from what is left."""
        if size > min(BIG_FILE_BYTES, self.bytes_left):
            return False
        self.bytes_left -= size
        return True


def walk(top: str, bounds: Bounds) -> dict[bytes, bytes]:
    """Return the tokens of all files below `top` by their relative path. Links are not followed. Raises OutOfBounds."""
    tokens: dict[bytes, bytes] = {}
    folders = [os.fsencode(top)]
    prefix_length = len(folders[0].rstrip(b"/")) + 1
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            continue
        except OSError:
            tokens[folder[prefix_length:]] = b"unreadable"
            continue
        for entry in entries:
            if os.fsdecode(entry.name) in SKIPPED_NAMES:
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
                bounds.count_file()
            elif (token := file_token(entry.path, bounds)) is not None:
                tokens[entry.path[prefix_length:]] = token
    return tokens


def tokens_of(top: str, paths: Iterable[bytes], bounds: Bounds) -> dict[bytes, bytes]:
    """Return the tokens of these files; one that is gone, or a folder now, has none. Raises OutOfBounds."""
    found = {path: file_token(os.path.join(os.fsencode(top), path), bounds) for path in paths}
    return {path: token for path, token in found.items() if token is not None}


def file_token(path: bytes, bounds: Bounds) -> bytes | None:
    """Return the token of one file; None when it is gone or a folder. Raises OutOfBounds."""
    bounds.count_file()
    try:
        found = os.lstat(path)
        if stat.S_ISDIR(found.st_mode):
            return None
        if stat.S_ISLNK(found.st_mode):
            return b"120000 " + _blob_id(os.readlink(path))
        if not stat.S_ISREG(found.st_mode):
            return b"special %d" % stat.S_IFMT(found.st_mode)
        mode = b"100755 " if found.st_mode & stat.S_IXUSR else b"100644 "
        if not bounds.may_read(found.st_size):
            return mode + b"big %d %d" % (found.st_size, found.st_mtime_ns)
        with open(path, "rb") as file:
            content = file.read(found.st_size + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return b"unreadable"
    return mode + _blob_id(content)


def hash_of(tokens: Mapping[bytes, bytes]) -> TreeHash:
    """Return one hash for all tokens, whatever order they were found in."""
    digest = hashlib.sha256()
    for path in sorted(tokens):
        digest.update(b"%b\0%b\0" % (path, tokens[path]))
    return TreeHash(digest.hexdigest())


def _blob_id(content: bytes) -> bytes:
    blob = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    blob.update(content)
    return blob.hexdigest().encode()
