"""`file`: a file is there as it should be (type, mode, owner, size, age, hash, text), or is not there.

Content is read in pieces and only from regular files: a FIFO, a device or a socket is never opened. What is read is
the file as it was when opened, so a log that grows meanwhile is no trouble; one that is rewritten meanwhile is read
again once, and then it is an error. Absent is red, or green with `expect = "absent"`; no right to look is an error.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
import msgspec

from kazid.core.duration import duration_s
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict, errored
from kazid.core.watch import FileSource, Source, below
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.accounts import group_name, is_account, user_name
from kazid.providers.blocking import THREADS_MAX, Stop, in_thread
from kazid.providers.evidence import shortened
from kazid.providers.options import allowed_s, read_options

PIECE_BYTES = 1024 * 1024
UNSIZED_BYTES_MAX = PIECE_BYTES
"""Of a file that says it is empty and is not, as those of /proc."""
SKEW_S_MAX = 60.0
"""A file from further in the future says that a clock is wrong, and nothing about its age."""
TRIES = 2

TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "block_device",
    stat.S_IFCHR: "character_device",
}
FileType = Literal[
    "file", "directory", "symlink", "fifo", "socket", "block_device", "character_device", "any"
]

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
_MODE = re.compile(r"0?[0-7]{3,4}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class FileOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    path: str
    expect: Literal["present", "absent"] = "present"
    type: FileType = "file"
    mode: str = ""
    mode_max: str = ""
    owner: str | int | None = None
    group: str | int | None = None
    size_bytes_min: int | None = None
    size_bytes_max: int | None = None
    age_min: float | str | None = None
    age_max: float | str | None = None
    sha256: str = ""
    contains: str = ""
    lacks: str = ""
    timeout_ms: int | None = None

    @property
    def needs_content(self) -> bool:
        """True when the file has to be read."""
        return bool(self.sha256 or self.contains or self.lacks)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is at the path: its status, and what its content says as far as that was asked."""

    type: str
    mode: int
    uid: int
    gid: int
    size_bytes: int
    modified_wall_s: float
    target: str | None = None
    sha256: str | None = None
    contains: bool | None = None
    lacks: bool | None = None
    bytes_read: int = 0


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is there: no such name, or a link that leads nowhere."""

    dangling_to: str | None = None


class File:
    """The provider."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(THREADS_MAX)

    def sources(
        self, options: Mapping[str, Json], folder: str, evidence: Mapping[str, Json]
    ) -> Sequence[Source]:
        """The file itself, there or not."""
        path = options.get("path")
        return [FileSource(below(folder, path))] if isinstance(path, str) and path else []

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Look once, in a thread."""
        read = read_options(options, FileOptions)
        if isinstance(read, Verdict):
            return read
        if (problem := problem_of(read)) is not None:
            return errored("invalid_config", problem)
        path = str(Path(look.workspace, read.path))
        work = partial(examine, path, read)
        deadline_s = allowed_s(read.timeout_ms, look)
        seen = await in_thread(work, deadline_s=deadline_s, limiter=self._threads)
        if seen is None:
            return errored(
                "timeout", f"{shortened(path)} was not read within {deadline_s:g} s", path=shortened(path)
            )
        if isinstance(seen, Verdict):
            return msgspec.structs.replace(seen, evidence={"path": shortened(path)})
        return interpret(seen, read, path=path, wall_s=look.wall_s)


def problem_of(options: FileOptions) -> str | None:
    """What is wrong with the options besides their shapes."""
    if not options.path or "\0" in options.path:
        return "path must be the name of a file"
    for key, value in (("mode", options.mode), ("mode_max", options.mode_max)):
        if value and _MODE.fullmatch(value) is None:
            return f'{key} must be octal digits such as "0640"'
    for key, age in (("age_min", options.age_min), ("age_max", options.age_max)):
        if age is not None and duration_s(age) is None:
            return f'{key} must be a duration such as "26h"'
    if options.sha256 and _SHA256.fullmatch(options.sha256) is None:
        return "sha256 must be 64 hexadecimal digits"
    for key, name in (("owner", options.owner), ("group", options.group)):
        if name is not None and not is_account(name):
            return f"{key} must be a name or a number"
    return None


def examine(path: str, options: FileOptions, stop: Stop) -> Seen | Absent | Verdict:
    """Look at the path and read what has to be read; blocks, and gives up when told."""
    try:
        for _ in range(TRIES):
            seen = _examine(path, options, stop)
            if seen is not None:
                return seen
        return errored("changed_while_read", "it was rewritten twice while it was read")
    except OSError as error:
        words = f"{shortened(path)}: {error.strerror or error}"
        if error.errno in _GONE:
            return Absent(dangling_to=_link_at(path))
        if error.errno in (errno.EACCES, errno.EPERM):
            return errored("permission_denied", words)
        return errored(
            "invalid_path" if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else "transient", words
        )
    except ValueError as error:
        return errored("invalid_config", f"path cannot be looked up: {error}")


def _examine(path: str, options: FileOptions, stop: Stop) -> Seen | None:
    """None when the content changed while it was read."""
    link = _link_at(path)
    found = Path(path).lstat() if options.type == "symlink" else Path(path).stat()
    seen = Seen(
        type=TYPES.get(stat.S_IFMT(found.st_mode), "unknown"),
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        size_bytes=found.st_size,
        modified_wall_s=found.st_mtime,
        target=link,
    )
    if not options.needs_content or not stat.S_ISREG(found.st_mode):
        return seen
    # O_NONBLOCK: what was a file a moment ago may be a FIFO now, and opening that would wait for ever.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            return None
        digest = hashlib.sha256() if options.sha256 else None
        contains, lacks = TextSearch(options.contains), TextSearch(options.lacks)
        size, bytes_read = before.st_size or UNSIZED_BYTES_MAX, 0
        while bytes_read < size and not stop.is_set:
            piece = file.read(min(PIECE_BYTES, size - bytes_read))
            if not piece:
                break
            bytes_read += len(piece)
            contains.feed(piece)
            lacks.feed(piece)
            if digest is not None:
                digest.update(piece)
        after = os.fstat(file.fileno())
    is_cut = bytes_read < before.st_size
    is_rewritten = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
    if is_cut or (digest is not None and is_rewritten):
        return None
    return msgspec.structs.replace(
        seen,
        size_bytes=before.st_size,
        modified_wall_s=before.st_mtime,
        bytes_read=bytes_read,
        sha256=None if digest is None else digest.hexdigest(),
        contains=contains.is_found if options.contains else None,
        lacks=not lacks.is_found if options.lacks else None,
    )


def interpret(seen: Seen | Absent, options: FileOptions, *, path: str, wall_s: float) -> Verdict:
    """PASS iff the file is as every key says; absent is what `expect` says. The evidence holds what was seen."""
    name = shortened(path)
    evidence: dict[str, Json] = {"path": name, "expect": options.expect, "exists": isinstance(seen, Seen)}
    if isinstance(seen, Absent):
        if seen.dangling_to is not None:
            evidence["dangling_to"] = shortened(seen.dangling_to)
            words = f"{name} is a symbolic link to {shortened(seen.dangling_to)}, which is not there"
            return Verdict(status=Status.FAIL, reason="dangling_link", detail=words, evidence=evidence)
        if options.expect == "absent":
            return Verdict(status=Status.PASS, evidence=evidence)
        return Verdict(
            status=Status.FAIL, reason="absent", detail=f"{name} does not exist", evidence=evidence
        )
    evidence |= evidence_of(seen, wall_s=wall_s)
    if options.expect == "absent":
        words = f"{name} exists: a {seen.type.replace('_', ' ')}, and nothing may be there"
        return Verdict(status=Status.FAIL, reason="present", detail=words, evidence=evidence)
    asks_age = options.age_min is not None or options.age_max is not None
    if asks_age and seen.modified_wall_s - wall_s > SKEW_S_MAX:
        ahead_s = seen.modified_wall_s - wall_s
        words = (
            f"{name} was modified {ahead_s:.0f} s in the future by this machine's clock: one clock is wrong"
        )
        return errored("clock_skew", words, **evidence)
    failures = list(failures_of(seen, options, age_s=max(0.0, wall_s - seen.modified_wall_s)).items())
    if not failures:
        return Verdict(status=Status.PASS, evidence=evidence)
    words = f"{name}: {'; '.join(words for _, words in failures)}"
    return Verdict(status=Status.FAIL, reason=failures[0][0], detail=words, evidence=evidence)


def evidence_of(seen: Seen, *, wall_s: float) -> dict[str, Json]:
    """What was seen, for people and machines."""
    evidence: dict[str, Json] = {
        "type": seen.type,
        "mode": f"{seen.mode:04o}",
        "owner": user_name(seen.uid),
        "group": group_name(seen.gid),
        "size_bytes": seen.size_bytes,
        "age_s": round(wall_s - seen.modified_wall_s, 3),
    }
    if seen.target is not None:
        evidence["link_to"] = shortened(seen.target)
    if seen.sha256 is not None:
        evidence["sha256"] = seen.sha256
    if seen.contains is not None:
        evidence["contains"] = seen.contains
    if seen.lacks is not None:
        evidence["lacks"] = seen.lacks
    return evidence


def failures_of(seen: Seen, options: FileOptions, *, age_s: float) -> dict[str, str]:
    """Each thing that is not as it should be: reason and words."""
    found: dict[str, str] = {}
    if options.type not in ("any", seen.type):
        found["wrong_type"] = f"it is a {seen.type.replace('_', ' ')}, not a {options.type.replace('_', ' ')}"
    elif options.needs_content and seen.type != "file":
        found["wrong_type"] = f"it is a {seen.type.replace('_', ' ')}, and only files have content to read"
    if options.mode and seen.mode != int(options.mode, 8):
        found["wrong_mode"] = f"its mode is {seen.mode:04o}, not {int(options.mode, 8):04o}"
    if options.mode_max and (more := seen.mode & ~int(options.mode_max, 8)):
        found["mode_too_open"] = (
            f"its mode {seen.mode:04o} grants {more:04o} beyond {int(options.mode_max, 8):04o}"
        )
    if options.owner is not None and options.owner not in (seen.uid, str(seen.uid), user_name(seen.uid)):
        found["wrong_owner"] = f"it belongs to {user_name(seen.uid)}, not to {shortened(str(options.owner))}"
    if options.group is not None and options.group not in (seen.gid, str(seen.gid), group_name(seen.gid)):
        found["wrong_group"] = f"its group is {group_name(seen.gid)}, not {shortened(str(options.group))}"
    if options.size_bytes_min is not None and seen.size_bytes < options.size_bytes_min:
        found["too_small"] = f"it has {seen.size_bytes} bytes, at least {options.size_bytes_min} expected"
    if options.size_bytes_max is not None and seen.size_bytes > options.size_bytes_max:
        found["too_large"] = f"it has {seen.size_bytes} bytes, at most {options.size_bytes_max} allowed"
    age_min_s, age_max_s = duration_s(options.age_min), duration_s(options.age_max)
    if age_max_s is not None and age_s > age_max_s:
        found["too_old"] = f"it was modified {age_s:.0f} s ago, at most {age_max_s:g} s allowed"
    if age_min_s is not None and age_s < age_min_s:
        found["too_new"] = f"it was modified {age_s:.0f} s ago, at least {age_min_s:g} s expected"
    if seen.sha256 is not None and seen.sha256 != options.sha256.lower():
        found["wrong_hash"] = f"its SHA-256 is {seen.sha256}"
    if seen.contains is False:
        found["text_missing"] = f"{shortened(options.contains, 100)!r} is not in its {seen.bytes_read} bytes"
    if seen.lacks is False:
        found["text_present"] = f"{shortened(options.lacks, 100)!r} is in it"
    return found


class TextSearch:
    """Looks for a text in pieces of a file that is never held whole."""

    def __init__(self, text: str) -> None:
        self._wanted = text.encode("utf-8", errors="surrogateescape")
        self._tail = b""
        self.is_found = False

    def feed(self, piece: bytes) -> None:
        """Go on with the next piece."""
        if self.is_found or not self._wanted:
            return
        held = self._tail + piece
        self.is_found = self._wanted in held
        self._tail = held[max(0, len(held) - len(self._wanted) + 1) :]


def _link_at(path: str) -> str | None:
    try:
        return str(Path(path).readlink())
    except (OSError, ValueError):
        return None
