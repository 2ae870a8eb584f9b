"""Hashes of the files that patterns name below a folder: what a seal is made of. Blocks on the disk.

A pattern is a path, a folder (all in it) or a glob. A path that names nothing is "absent", so that its appearance is a
change too. Links are not followed: where one points is its content.
"""

import glob
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence

from kazid.adapters.system.tree_content import SKIPPED_NAMES, Bounds, OutOfBounds

ABSENT = "absent"
FILES_MAX = 2000
"""Sealed files are listed in the journal once; a bigger set belongs into a few folders of its own."""

_CHUNK_BYTES = 1 << 20


def file_hashes(top: str, patterns: Sequence[str], bounds: Bounds) -> dict[str, str]:
    """The hash of each file by its path from `top`. Raises OutOfBounds (too many, too slow), OSError (unreadable)."""
    hashes: dict[str, str] = {}
    for pattern in patterns:
        is_glob = glob.has_magic(pattern)
        named = (
            sorted(glob.iglob(pattern, root_dir=top, recursive=True, include_hidden=True))
            if is_glob
            else [pattern]
        )
        for name in named:
            for path in _files(top, os.path.normpath(name), bounds):
                hashes[path] = _hash(os.path.join(top, path))
                if len(hashes) > FILES_MAX:
                    raise OutOfBounds
        if not is_glob and not os.path.lexists(os.path.join(top, pattern)):
            hashes[os.path.normpath(pattern)] = ABSENT
    return hashes


def _files(top: str, name: str, bounds: Bounds) -> Iterator[str]:
    path = os.path.join(top, name)
    bounds.count_file()
    if not os.path.lexists(path):
        return
    if os.path.islink(path) or not os.path.isdir(path):
        yield name
        return
    for entry in sorted(os.listdir(path)):
        if entry not in SKIPPED_NAMES:
            yield from _files(top, os.path.join(name, entry), bounds)


def _hash(path: str) -> str:
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return f"link {os.readlink(path)}"
    if not stat.S_ISREG(found.st_mode):
        return f"special {stat.S_IFMT(found.st_mode)}"
    digest = hashlib.sha256(b"x" if found.st_mode & stat.S_IXUSR else b"-")
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
