"""`disk`: the file system at a path has room, is mounted where it should be and can be written to.

Free is what is left for users other than root, in percent as `df` counts it. An unmounted disk leaves an empty folder
on the one below, which has room: `mount_point = true` asks for the mount itself. A file system that answers nothing
(a dead network disk) is an error within the deadline.
"""

import errno
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored, unknown
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.blocking import THREADS_MAX, Stop, in_thread
from kazid.providers.evidence import shortened
from kazid.providers.options import allowed_s, read_options

MB = 1_000_000


class DiskOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    path: str
    free_percent_min: float | None = None
    free_mb_min: float | None = None
    inodes_free_percent_min: float | None = None
    mount_point: bool = False
    writable: bool = False
    timeout_ms: int | None = None

    @property
    def asks_something(self) -> bool:
        """True when there is something that could be red."""
        bounds = (self.free_percent_min, self.free_mb_min, self.inodes_free_percent_min)
        return any(bound is not None for bound in bounds) or self.mount_point or self.writable


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What statvfs says of the file system at a path; bytes and inodes."""

    size_bytes: int
    free_bytes: int
    used_bytes: int
    inodes: int
    inodes_free: int
    is_read_only: bool
    is_mount_point: bool

    @property
    def free_percent(self) -> float | None:
        """Of what users can have; None for a file system without a size."""
        usable = self.free_bytes + self.used_bytes
        return 100 * self.free_bytes / usable if usable > 0 else None

    @property
    def inodes_free_percent(self) -> float | None:
        """None for a file system that makes inodes as it needs them."""
        return 100 * self.inodes_free / self.inodes if self.inodes > 0 else None


class Disk:
    """The provider."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(THREADS_MAX)

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Look once, in a thread."""
        read = read_options(options, DiskOptions)
        if isinstance(read, Verdict):
            return read
        if not read.path or not read.asks_something:
            return errored("invalid_config", "a path, and something to ask of it, have to be given")
        path = str(Path(look.workspace, read.path))
        deadline_s = allowed_s(read.timeout_ms, look)
        room = await in_thread(partial(measure, path), deadline_s=deadline_s, limiter=self._threads)
        if room is None:
            return errored("timeout", f"{shortened(path)} did not answer within {deadline_s:g} s")
        return room if isinstance(room, Verdict) else interpret(room, read, path=path)


def measure(path: str, stop: Stop) -> Room | Verdict:
    """Ask the file system; blocks for as long as it likes."""
    try:
        found = os.statvfs(path)
        is_mount_point = os.path.ismount(path)
    except OSError as error:
        words = f"{shortened(path)}: {error.strerror or error}"
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Verdict(
                status=Status.FAIL, reason="absent", detail=words, evidence={"path": shortened(path)}
            )
        is_denied = error.errno in (errno.EACCES, errno.EPERM)
        return errored("permission_denied" if is_denied else "transient", words, path=shortened(path))
    except ValueError as error:
        return errored("invalid_config", f"path cannot be looked up: {error}")
    return Room(
        size_bytes=found.f_blocks * found.f_frsize,
        free_bytes=found.f_bavail * found.f_frsize,
        used_bytes=(found.f_blocks - found.f_bfree) * found.f_frsize,
        inodes=found.f_files,
        inodes_free=found.f_favail,
        is_read_only=bool(found.f_flag & os.ST_RDONLY),
        is_mount_point=is_mount_point,
    )


def interpret(room: Room, options: DiskOptions, *, path: str) -> Verdict:
    """PASS iff there is as much room as asked; the score is the free percentage."""
    name, free_percent, inodes_percent = shortened(path), room.free_percent, room.inodes_free_percent
    evidence: dict[str, Json] = {
        "path": name,
        "size_mb": round(room.size_bytes / MB, 1),
        "free_mb": round(room.free_bytes / MB, 1),
        "free_percent": None if free_percent is None else round(free_percent, 2),
        "inodes_free_percent": None if inodes_percent is None else round(inodes_percent, 2),
        "read_only": room.is_read_only,
        "mount_point": room.is_mount_point,
    }
    if options.inodes_free_percent_min is not None and inodes_percent is None:
        return unknown(
            "not_applicable", f"{name}: this file system has no fixed number of inodes", **evidence
        )
    if free_percent is None and (options.free_percent_min is not None or options.free_mb_min is not None):
        return errored("no_size", f"{name}: this file system has no size", **evidence)
    found: dict[str, str] = {}
    if options.mount_point and not room.is_mount_point:
        found["not_mounted"] = "nothing is mounted there"
    if options.writable and room.is_read_only:
        found["read_only"] = "it is mounted read-only"
    if free_percent is not None and free_percent < (options.free_percent_min or 0):
        found["low_space"] = f"{free_percent:.2f} % free, at least {options.free_percent_min:g} % expected"
    if options.free_mb_min is not None and room.free_bytes < options.free_mb_min * MB:
        found.setdefault(
            "low_space", f"{room.free_bytes / MB:.1f} MB free, at least {options.free_mb_min:g} MB expected"
        )
    if inodes_percent is not None and inodes_percent < (options.inodes_free_percent_min or 0):
        least = options.inodes_free_percent_min
        found["low_inodes"] = f"{inodes_percent:.2f} % of its inodes free, at least {least:g} % expected"
    verdict = Verdict(status=Status.PASS, evidence=evidence)
    if found:
        detail = f"{name}: {'; '.join(found.values())}"
        verdict = Verdict(status=Status.FAIL, reason=next(iter(found)), detail=detail, evidence=evidence)
    if free_percent is None:
        return verdict
    return msgspec.structs.replace(verdict, score=round(free_percent, 2), direction=Direction.HIGHER_BETTER)
