"""What was written to log files since the last look: each line once, whatever rotation does to the files.

A cursor knows a file by its inode and by a fingerprint of its beginning, so a renamed log is read to its end, a
truncated or replaced one from its start, and a copy made before truncation (`copytruncate`) from where the original was
left. Only whole lines are read; a last line without its end is seen and not yet counted. Effects are reads, in the
thread of whoever calls.
"""

import glob
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

FILES_MAX = 64
READ_BYTES_MAX = 16 * 1024 * 1024
"""Of all files in one look; what is beyond is read by the next."""

LINE_BYTES_MAX = 256 * 1024
"""A longer line is read in pieces."""

PRINT_BYTES_MAX = 1024
PRINT_BYTES_MIN = 64
"""Two files that are the same for less than this are not taken for copies of one another."""

_ROTATED = (".", "-")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".Z")
_NUMBERED = re.compile(r"[.-][0-9][0-9T:._-]*$")
"""How the names of rotated logs end: a number, or a date."""

_SIBLINGS_MAX = 500
_SIBLINGS_KEPT_MAX = 8
"""Rotated files that may still be written to, by a process that has not reopened its log: the newest of them."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far a file was read, and how it is known again."""

    device: int
    inode: int
    offset: int
    print_bytes: int = 0
    fingerprint: str = ""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """The new lines of one file. `is_history`: they were there before anybody looked."""

    path: str
    lines: Sequence[str]
    partial: str = ""
    is_history: bool = False


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was new in all files, and how far they are read now."""

    chunks: Sequence[Chunk] = ()
    cursors: Sequence[Cursor] = ()
    bytes_read: int = 0
    bytes_behind: int = 0
    lost_files: int = 0
    is_anew: bool = False
    """Some file was not read on from where its own cursor was left."""
    """Files that were rotated out of sight before they were read to their end, perhaps."""


class LogUnreadable(Exception):
    """A log cannot be read; a reason for rules and a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _File:
    """An open log."""

    def __init__(self, path: str, *, is_target: bool) -> None:
        self.path = path
        self.is_target = is_target
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        found = os.fstat(self.descriptor)
        self.is_regular = stat.S_ISREG(found.st_mode)
        self.device, self.inode, self.size = found.st_dev, found.st_ino, found.st_size
        self.modified_ns = found.st_mtime_ns

    def fingerprint(self, size: int) -> str:
        return hashlib.blake2b(os.pread(self.descriptor, size, 0), digest_size=8).hexdigest()

    def continues(self, cursor: Cursor) -> bool:
        """Whether this is what the cursor was left in, as far as it was read."""
        return self.size >= cursor.offset and self.fingerprint(cursor.print_bytes) == cursor.fingerprint

    def cursor(self, offset: int) -> Cursor:
        print_bytes = min(offset, PRINT_BYTES_MAX)
        return Cursor(self.device, self.inode, offset, print_bytes, self.fingerprint(print_bytes))


def read_new(patterns: Sequence[str], cursors: Sequence[Cursor] | None) -> Reading:
    """Read what is new in these files; without cursors what is there is history. Raises LogUnreadable."""
    targets = list(dict.fromkeys(path for pattern in patterns for path in _matching(pattern)))
    if len(targets) > FILES_MAX:
        raise LogUnreadable("too_many_logs", f"{len(targets)} files are more than {FILES_MAX}")
    files: list[_File] = []
    try:
        files.extend(map(_opened, targets))
        if cursors:
            files += _siblings(targets, {(f.device, f.inode) for f in files})
        return _read(files, cursors)
    finally:
        for file in files:
            os.close(file.descriptor)


def _read(files: Sequence[_File], cursors: Sequence[Cursor] | None) -> Reading:
    starts, unused = _starts(files, cursors)
    chunks: list[Chunk] = []
    after: list[Cursor] = []
    room, behind = READ_BYTES_MAX, 0
    left_at = {(c.device, c.inode): c.offset for c in cursors or ()}
    rotated = sorted((i for i in starts if not files[i].is_target), key=lambda i: files[i].modified_ns)
    recent = frozenset(rotated[-_SIBLINGS_KEPT_MAX:])
    # What was rotated away is older than what took its place.
    for index in sorted(starts, key=lambda i: files[i].is_target):
        file, start = files[index], starts[index]
        skips = cursors is None and start > 0
        data = os.pread(file.descriptor, min(room, max(0, file.size - start)), start)
        end = _end_of_lines(data)
        is_at_end = start + len(data) >= file.size
        partial = data[end:] if is_at_end else b""
        room -= end
        behind += max(0, file.size - start - len(data))
        lines = [line.removesuffix("\r") for line in data[:end].decode("utf-8", errors="replace").split("\n")]
        chunks.append(
            Chunk(
                path=file.path,
                lines=[line for line in (lines[1:] if skips else lines) if line],
                partial=partial.decode("utf-8", errors="replace"),
                is_history=cursors is None,
            )
        )
        if file.is_target or not is_at_end or index in recent:
            after.append(file.cursor(start + end))
    return Reading(
        chunks=chunks,
        cursors=after,
        bytes_read=READ_BYTES_MAX - room,
        bytes_behind=behind,
        lost_files=len(unused),
        is_anew=any(left_at.get((files[i].device, files[i].inode)) != start for i, start in starts.items()),
    )


def _starts(
    files: Sequence[_File], cursors: Sequence[Cursor] | None
) -> tuple[dict[int, int], Sequence[Cursor]]:
    """Return where each file that is to be read begins, and the cursors that lead nowhere."""
    if cursors is None:
        return {
            i: max(0, file.size - READ_BYTES_MAX // max(1, len(files))) for i, file in enumerate(files)
        }, ()
    starts: dict[int, int] = {}
    unused = list(cursors)
    for index, file in enumerate(files):
        own = next((c for c in unused if (c.device, c.inode) == (file.device, file.inode)), None)
        if own is not None and file.continues(own):
            starts[index] = own.offset
            unused.remove(own)
    known = {(c.device, c.inode) for c in cursors}
    used = [cursor for cursor in cursors if cursor not in unused]
    for index, file in enumerate(files):
        if index in starts:
            continue
        copied = next((c for c in unused if c.print_bytes >= PRINT_BYTES_MIN and file.continues(c)), None)
        if copied is not None:
            starts[index] = copied.offset
            unused.remove(copied)
        elif file.is_target or (file.device, file.inode) in known:
            is_copy = any(c.print_bytes >= PRINT_BYTES_MIN and file.continues(c) for c in used)
            starts[index] = file.size if is_copy else 0
    for index in _rotated_twice(files, starts):
        is_copy = any(c.print_bytes >= PRINT_BYTES_MIN and files[index].continues(c) for c in used)
        if not is_copy:
            starts[index] = 0
    return starts, [c for c in unused if c.offset and not _was_truncated(c, files)]


def _rotated_twice(files: Sequence[_File], starts: Mapping[int, int]) -> Sequence[int]:
    """Return the logs that came and went between two looks: named like rotated ones, newer than one that was read."""
    read = [files[i].modified_ns for i in starts if not files[i].is_target]
    return [
        index
        for index, file in enumerate(files)
        if read and index not in starts and file.modified_ns >= min(read) and _NUMBERED.search(file.path)
    ]


def _was_truncated(cursor: Cursor, files: Sequence[_File]) -> bool:
    """Whether the file is still there and begins anew: that nobody has read the rest cannot be helped."""
    return any((f.device, f.inode) == (cursor.device, cursor.inode) for f in files)


def _end_of_lines(data: bytes) -> int:
    """Return how much of it is whole lines."""
    end = data.rfind(b"\n") + 1
    return len(data) if end == 0 and len(data) >= LINE_BYTES_MAX else end


def _matching(pattern: str) -> Iterator[str]:
    if not glob.has_magic(pattern):
        yield pattern
        return
    found = sorted(
        path
        for path in glob.glob(pattern)  # noqa: PTH207
        if not path.endswith(_PACKED) and Path(path).is_file()
    )
    if not found:
        raise LogUnreadable("log_missing", f"no file is named like {pattern}")
    yield from found


def _opened(path: str) -> _File:
    try:
        file = _File(path, is_target=True)
    except PermissionError:
        raise LogUnreadable("permission_denied", f"{path} may not be read by the daemon") from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise LogUnreadable("log_missing", f"{path}: {reason}") from None
    if not file.is_regular:
        os.close(file.descriptor)
        raise LogUnreadable("not_a_log", f"{path} is no ordinary file")
    return file


def _siblings(targets: Sequence[str], seen: set[tuple[int, int]]) -> Iterator[_File]:
    """What targets may have been renamed or copied to: files beside them whose names begin with theirs."""
    count = 0
    for target in targets:
        folder, name = os.path.split(target)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            is_rotated = entry.name.startswith(tuple(name + mark for mark in _ROTATED))
            if not is_rotated or entry.name.endswith(_PACKED) or count >= _SIBLINGS_MAX:
                continue
            count += 1
            try:
                file = _File(entry.path, is_target=False)
            except OSError:
                continue
            if not file.is_regular or (file.device, file.inode) in seen:
                os.close(file.descriptor)
                continue
            seen.add((file.device, file.inode))
            yield file
