"""`process`: a process runs (by pid file, name or command line), as many as should, as long as they should; or none.

All selectors given have to match one and the same process. A zombie does not run. A pid file names a process that may
have ended and whose number somebody else may have now: with `name` or `command_line` besides it that is seen for
certain, and without them a process that started well after the file was written is not the one that is meant.
"""

import os
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
from kazid.core.watch import PidFileSource, ProcessSource, Source, below
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.accounts import is_account, user_name
from kazid.providers.blocking import THREADS_MAX, Stop, in_thread
from kazid.providers.evidence import shortened
from kazid.providers.options import allowed_s, read_options
from kazid.providers.process_table import COMM_CHARS_MAX, Process, Table, read_one, read_table
from kazid.shim.redaction import redact

PID_FILE_BYTES_MAX = 4096
PID_MAX = 4_194_304
"""The most Linux counts to (PID_MAX_LIMIT)."""
PROCESSES_SHOWN_MAX = 10
STALE_S = 10.0
"""A daemon writes its pid file when it starts; what started so long after that is another process."""
MB = 1_000_000


class ProcessOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    pid_file: str = ""
    name: str = ""
    command_line: str = ""
    owner: str | int | None = None
    expect: Literal["present", "absent"] = "present"
    count_min: int = 1
    count_max: int | None = None
    uptime_min: float | str | None = None
    memory_mb_max: float | None = None
    timeout_ms: int | None = None


class PidFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the pid file says: nothing there, no number in it, or a process id, and how old the file is."""

    path: str
    exists: bool = True
    pid: int | None = None
    age_s: float = 0.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The processes looked through, and the pid file where one is named."""

    table: Table
    pid_file: PidFile | None = None


class ProcessProvider:
    """The provider."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(THREADS_MAX)

    def sources(
        self, options: Mapping[str, Json], folder: str, evidence: Mapping[str, Json]
    ) -> Sequence[Source]:
        """The pid file and its process; by name, those that the last look found, for nobody tells of new ones."""
        pid_file = options.get("pid_file")
        if isinstance(pid_file, str) and pid_file:
            return [PidFileSource(below(folder, pid_file))]
        found = evidence.get("processes") if evidence.get("running") else None
        shown = [p.get("pid") for p in found if isinstance(p, dict)] if isinstance(found, list) else []
        return [ProcessSource(pid) for pid in shown if isinstance(pid, int)]

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Look once, in a thread."""
        read = read_options(options, ProcessOptions)
        if isinstance(read, Verdict):
            return read
        if (problem := problem_of(read)) is not None:
            return errored("invalid_config", problem)
        path = str(Path(look.workspace, read.pid_file)) if read.pid_file else ""
        work = partial(see, path, wall_s=look.wall_s)
        seen = await in_thread(work, deadline_s=allowed_s(read.timeout_ms, look), limiter=self._threads)
        if seen is None:
            return errored("timeout", "/proc or the pid file was not read in time")
        return seen if isinstance(seen, Verdict) else interpret(seen, read)


def problem_of(options: ProcessOptions) -> str | None:
    """What is wrong with the options besides their shapes."""
    if not (options.pid_file or options.name or options.command_line):
        return "one of pid_file, name and command_line has to say which process"
    if options.owner is not None and not is_account(options.owner):
        return "owner must be a name or a number"
    if options.uptime_min is not None and duration_s(options.uptime_min) is None:
        return 'uptime_min must be a duration such as "30s"'
    if options.count_min < 1 or (options.count_max is not None and options.count_max < options.count_min):
        return "count_min must be at least 1, and count_max no less"
    return None


def see(pid_path: str, stop: Stop, *, wall_s: float) -> Seen | Verdict:
    """Read the pid file and its process, or every process; blocks."""
    try:
        if not pid_path:
            return Seen(table=read_table(stop))
        pid_file = _pid_file(pid_path, wall_s=wall_s)
        if isinstance(pid_file, Verdict):
            return pid_file
        return Seen(
            table=Table(processes=()) if pid_file.pid is None else read_one(pid_file.pid), pid_file=pid_file
        )
    except PermissionError as error:
        return errored("permission_denied", f"{shortened(str(error.filename))}: {error.strerror}")
    except (OSError, ValueError) as error:
        return errored("transient", f"the processes cannot be read: {shortened(str(error))}")


def _pid_file(path: str, *, wall_s: float) -> PidFile | Verdict:
    name = shortened(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return PidFile(path=name, exists=False)
    except ValueError as error:
        return errored("invalid_config", f"pid_file: {error}")
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return errored("invalid_path", f"{name} is no regular file")
        text = os.read(descriptor, PID_FILE_BYTES_MAX)
    finally:
        os.close(descriptor)
    return PidFile(path=name, pid=pid_in(text), age_s=max(0.0, wall_s - found.st_mtime))


def pid_in(text: bytes) -> int | None:
    """The process id in the first line of a pid file, or None where there is none."""
    words = text.split(b"\n", 1)[0].split()
    if len(words) != 1 or not words[0].isdigit() or len(words[0]) > len(str(PID_MAX)):
        return None
    pid = int(words[0])
    return pid if 0 < pid <= PID_MAX else None


def interpret(seen: Seen, options: ProcessOptions) -> Verdict:
    """PASS iff as many processes as allowed match every selector and each is as asked, or none where none may."""
    running = [
        process for process in seen.table.processes if matches(process, options) and not process.is_dead
    ]
    dead = [process for process in seen.table.processes if matches(process, options) and process.is_dead]
    pid_file = seen.pid_file
    is_stale = _is_stale(running, pid_file, options)
    if is_stale:
        running = []
    evidence: dict[str, Json] = {
        "expect": options.expect,
        "running": len(running),
        "processes": [
            _shown(p) for p in (running or dead or seen.table.processes[:1] if pid_file else running)
        ][:PROCESSES_SHOWN_MAX],
        "looked_through": len(seen.table.processes),
    }
    if pid_file is not None:
        evidence["pid_file"] = {"path": pid_file.path, "exists": pid_file.exists, "pid": pid_file.pid}
    if not running and seen.table.is_partial:
        hidden = "/proc hides other users' processes from this daemon (hidepid), so none found proves nothing"
        return errored("permission_denied", hidden, **evidence)
    if options.expect == "absent":
        if pid_file is not None and pid_file.exists and pid_file.pid is None:
            return errored("no_pid_in_file", f"{pid_file.path} holds no process id", **evidence)
        if not running:
            return Verdict(status=Status.PASS, evidence=evidence)
        words = f"{len(running)} running that may not: {_named(running)}"
        return Verdict(status=Status.FAIL, reason="running", detail=words, evidence=evidence)
    failure = _too_few(running, dead, seen, options, is_stale=is_stale) or _not_as_asked(running, options)
    if failure is None:
        return Verdict(status=Status.PASS, evidence=evidence)
    return Verdict(status=Status.FAIL, reason=failure[0], detail=failure[1], evidence=evidence)


def matches(process: Process, options: ProcessOptions) -> bool:
    """True when every selector fits; the pid file has selected before."""
    if options.name and not _is_named(process, options.name):
        return False
    if options.command_line and options.command_line not in process.command_line:
        return False
    owner = options.owner
    return owner is None or owner in (process.uid, str(process.uid), user_name(process.uid))


def _is_named(process: Process, name: str) -> bool:
    if process.name == name:
        return True
    program = process.arguments[0].rsplit("/", 1)[-1] if process.arguments else ""
    if program == name:
        return True
    # The kernel keeps 15 bytes of a name; what it was started as decides where that says something else.
    return not program and process.name == name[:COMM_CHARS_MAX]


def _is_stale(running: Sequence[Process], pid_file: PidFile | None, options: ProcessOptions) -> bool:
    if pid_file is None or options.name or options.command_line or not running:
        return False
    return pid_file.age_s - running[0].uptime_s > STALE_S


def _too_few(
    running: Sequence[Process],
    dead: Sequence[Process],
    seen: Seen,
    options: ProcessOptions,
    *,
    is_stale: bool,
) -> tuple[str, str] | None:
    if len(running) >= options.count_min:
        return None
    pid_file = seen.pid_file
    if pid_file is not None:
        if not pid_file.exists:
            return "no_pid_file", f"{pid_file.path} does not exist"
        if pid_file.pid is None:
            return "no_pid_in_file", f"{pid_file.path} holds no process id"
        if is_stale:
            other = _named(seen.table.processes)
            return "stale_pid_file", f"{pid_file.path} is older than what has its number now: {other}"
        if seen.table.processes and not dead:
            return "stale_pid_file", f"{pid_file.path} names another process: {_named(seen.table.processes)}"
    if dead:
        return "zombie", f"ended and not waited for by its parent: {_named(dead)}"
    if pid_file is not None:
        return "not_running", f"no process has the number {pid_file.pid} of {pid_file.path}"
    if running:
        return "too_few", f"{len(running)} running, at least {options.count_min} expected: {_named(running)}"
    return "not_running", f"no process matches {_selectors(options)}"


def _not_as_asked(running: Sequence[Process], options: ProcessOptions) -> tuple[str, str] | None:
    if options.count_max is not None and len(running) > options.count_max:
        return "too_many", f"{len(running)} running, at most {options.count_max} allowed: {_named(running)}"
    least_s = duration_s(options.uptime_min)
    if least_s is not None and (young := [p for p in running if p.uptime_s < least_s]):
        since = f"{young[0].uptime_s:.0f} s, at least {least_s:g} s expected"
        return "restarted", f"runs for {since}: {_named(young)}"
    most_mb = options.memory_mb_max
    if most_mb is not None and (large := [p for p in running if p.memory_bytes > most_mb * MB]):
        size = f"{large[0].memory_bytes / MB:.0f} MB resident, at most {most_mb:g} MB allowed"
        return "too_much_memory", f"{size}: {_named(large)}"
    return None


def _selectors(options: ProcessOptions) -> str:
    given = {"name": options.name, "command_line": options.command_line, "owner": options.owner}
    return shortened(", ".join(f"{key} {value!r}" for key, value in given.items() if value not in ("", None)))


def _named(processes: Sequence[Process]) -> str:
    shown = ", ".join(f"{p.pid} ({p.name})" for p in processes[:PROCESSES_SHOWN_MAX])
    more = len(processes) - PROCESSES_SHOWN_MAX
    return shortened(f"{shown} and {more} more" if more > 0 else shown)


def _shown(process: Process) -> Json:
    return {
        "pid": process.pid,
        "name": shortened(process.name),
        "command_line": shortened(redact(process.command_line)),
        "owner": user_name(process.uid),
        "state": process.state,
        "uptime_s": round(process.uptime_s, 1),
        "memory_mb": round(process.memory_bytes / MB, 1),
    }
