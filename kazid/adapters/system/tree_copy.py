"""A bounded copy of a folder tree, for trials: what is in it, and no way out of it.

Regular files, folders and links that stay inside; sockets, pipes and devices are left out. All or nothing: what is too
much, takes too long, vanishes or cannot be read makes no copy. The caller removes what was begun.
"""

import os
import posixpath
import stat
import time
from pathlib import Path

import msgspec

CHUNK_BYTES = 1024 * 1024


class TooMuch(Exception):
    """The tree is above a bound; nobody is at fault, the caller does without a copy."""


class CopyBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Of one copy. `files`: everything counts, folders and links too."""

    bytes: int
    files: int
    seconds: float


def copy_tree(source: Path, target: Path, bounds: CopyBounds) -> None:
    """Copy what is below `source` into the empty folder `target`. Raises TooMuch, OSError."""
    _Copying(bounds).copy(source, target)


class _Copying:
    """One copy: what is left of its bounds."""

    def __init__(self, bounds: CopyBounds) -> None:
        self._bytes_left = bounds.bytes
        self._files_left = bounds.files
        self._until_s = time.monotonic() + bounds.seconds
        self._links: list[Path] = []

    def copy(self, source: Path, target: Path) -> None:
        todo = [""]
        while todo:
            folder = todo.pop()
            with os.scandir(source / folder) as entries:
                for entry in entries:
                    self._count()
                    name = posixpath.join(folder, entry.name)
                    if entry.is_symlink():
                        self._link(source, target, name)
                    elif entry.is_dir(follow_symlinks=False):
                        (target / name).mkdir(0o700)
                        todo.append(name)
                    elif entry.is_file(follow_symlinks=False):
                        self._file(source / name, target / name)
        self._cut_ways_out(target)

    def _count(self) -> None:
        self._files_left -= 1
        if self._files_left < 0 or time.monotonic() > self._until_s:
            raise TooMuch

    def _link(self, source: Path, target: Path, name: str) -> None:
        aim = os.readlink(source / name)
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), aim))
        if not (posixpath.isabs(aim) or inside == ".." or inside.startswith("../")):
            os.symlink(aim, target / name)
            self._links.append(target / name)

    def _file(self, source: Path, target: Path) -> None:
        """Without following a link that was put there meanwhile, and without waiting at a pipe."""
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as read:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                return
            with open(target, "xb") as write:
                while chunk := read.read(CHUNK_BYTES):
                    self._bytes_left -= len(chunk)
                    if self._bytes_left < 0 or time.monotonic() > self._until_s:
                        raise TooMuch
                    write.write(chunk)
                os.fchmod(write.fileno(), 0o600 | (info.st_mode & 0o111))

    def _cut_ways_out(self, target: Path) -> None:
        """Links that stay inside by their text may lead out together, by way of a folder that is a link."""
        top = os.path.realpath(target)
        for link in self._links:
            if not (os.path.realpath(link) + "/").startswith(top + "/"):
                link.unlink()
