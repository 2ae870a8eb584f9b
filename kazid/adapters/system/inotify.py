"""inotify through libc: one descriptor for all names, read when the loop says that it is readable.

`watchfiles` is not used here: it holds a thread for each set of paths, takes that set once and for all, and does not
watch a name that is not there yet (ADR 7). Nothing here knows goals. `trace` adds what has to be watched for one
path, link by link, and blocks like any look at a file system: it belongs into a thread.
"""

import ctypes
import errno
import os
import stat
import struct
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
OVERFLOW, IGNORED = 0x4000, 0x8000
ONLYDIR, DONT_FOLLOW, MASK_ADD = 0x1000000, 0x2000000, 0x20000000

NAMES = CREATE | DELETE | MOVED_FROM | MOVED_TO
GONE = DELETE_SELF | MOVE_SELF | IGNORED
STRUCTURE = NAMES | GONE
"""What may make a path another thing than it was."""
CONTENT = MODIFY | ATTRIB | CLOSE_WRITE

LINKS_MAX = 40
"""As many as the kernel follows (path_resolution(7))."""
TRIES_MAX = 5
READ_BYTES = 64 * 1024
_EVENT = struct.Struct("iIII")


class Event(NamedTuple):
    """One event: of which watch, what, and the name in a folder."""

    watch: int
    mask: int
    name: str


class Point(NamedTuple):
    """One kernel watch, and the name in it that a path needs; None: everything it says counts."""

    watch: int
    name: str | None


class Inotify:
    """One inotify instance. Raises OSError where the kernel gives none."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify")

    def add(self, path: str, mask: int) -> int:
        """The number of the watch; the same inode has the same number. Raises OSError."""
        answer = self._libc.inotify_add_watch(
            self.descriptor, os.fsencode(path), ctypes.c_uint32(mask | MASK_ADD)
        )
        return self._checked(answer, path)

    def remove(self, watch: int) -> None:
        """A watch that is gone already is nothing."""
        self._libc.inotify_rm_watch(self.descriptor, watch)

    def read(self) -> Iterator[Event]:
        """What is there to read now."""
        try:
            data = os.read(self.descriptor, READ_BYTES)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            yield Event(watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0")))
            at += length

    def close(self) -> None:
        """Forget everything."""
        os.close(self.descriptor)

    def _checked(self, answer: int, path: str) -> int:
        if answer >= 0:
            return answer
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


class Traced(NamedTuple):
    """What a path needs watched as it is now, and why that is not all; "" where it is."""

    points: tuple[Point, ...]
    problem: str = ""


def trace(inotify: Inotify, path: str) -> Traced:
    """Watch the name, each link on the way to it, and what it leads to; blocks.

    Of a name that is not there the nearest folder is watched for the next part of the way. Each folder is watched
    before what is in it is looked at, so that nothing changes unseen in between.
    """
    points: list[Point] = []
    todo, here, links = deque(part for part in path.split("/") if part not in ("", ".")), "/", 0
    try:
        while todo:
            name = todo.popleft()
            if name == "..":
                here = os.path.dirname(here)
                continue
            full = os.path.join(here, name)
            mode = _mode_of(full)
            is_on_the_way = mode is not None and stat.S_ISDIR(mode) and bool(todo)
            if is_on_the_way:
                here = full
                continue
            points.append(Point(inotify.add(here, NAMES | DELETE_SELF | MOVE_SELF | ONLYDIR), name))
            mode = _mode_of(full)  # again: it may have come while nobody watched
            if mode is None:
                return Traced(tuple(points))
            if stat.S_ISLNK(mode):
                links += 1
                if links > LINKS_MAX:
                    return Traced(tuple(points), f"{path}: too many links")
                target = os.readlink(full)
                here = "/" if target.startswith("/") else here
                todo.extendleft(part for part in reversed(target.split("/")) if part not in ("", "."))
            elif not todo:
                mask = CONTENT | DELETE_SELF | MOVE_SELF | (NAMES if stat.S_ISDIR(mode) else 0)
                points.append(Point(inotify.add(full, mask | DONT_FOLLOW), None))
            elif stat.S_ISDIR(mode):
                here = full
            else:
                return Traced(tuple(points))  # a file where a folder would have to be
    except FileNotFoundError:
        return Traced(tuple(points), "" if points else f"{path}: changed while it was looked at")
    except (OSError, ValueError) as error:
        return Traced(tuple(points), _words(error))
    return Traced(tuple(points))


def _mode_of(path: str) -> int | None:
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _words(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    match error.errno:
        case errno.ENOSPC:
            return "the kernel has no more watches for this user (fs.inotify.max_user_watches)"
        case errno.EMFILE | errno.ENFILE:
            return "no inotify instance is left (fs.inotify.max_user_instances)"
        case _:
            return f"{error.filename}: {error.strerror}"
