"""The processes of this machine as /proc shows them: the effect half of `process`. Linux only.

Each is read on its own and may vanish meanwhile; then it was not there. Where /proc is mounted with `hidepid`, other
users' processes cannot be seen, and that is said, because an absence proves nothing then.
"""

import os
from pathlib import Path

import msgspec

from kazid.providers.blocking import Stop

COMMAND_LINE_BYTES_MAX = 64 * 1024
STAT_BYTES_MAX = 4096
COMM_CHARS_MAX = 15
"""The kernel cuts a process's name there."""

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process: `name` as the kernel cut it, `arguments` as it was started, `uid` it acts as."""

    pid: int
    name: str
    state: str
    uptime_s: float
    memory_bytes: int
    arguments: tuple[str, ...] = ()
    uid: int = -1

    @property
    def command_line(self) -> str:
        """Its arguments with spaces between them; a kernel thread has none."""
        return " ".join(self.arguments)

    @property
    def is_dead(self) -> bool:
        """True for a zombie: it has ended, and its parent has not asked yet."""
        return self.state in "ZXx"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The processes that could be seen, and whether there may be others."""

    processes: tuple[Process, ...]
    is_partial: bool = False


def read_table(stop: Stop, *, proc: str = "/proc") -> Table:
    """Every process that can be seen now; blocks for some milliseconds."""
    uptime_s = _uptime_s(proc)
    found: list[Process] = []
    # Process 1 is always there; who cannot see it cannot see others either.
    is_partial = not Path(proc, "1").exists()
    for name in os.listdir(proc):  # noqa: PTH208  a Path for each of a thousand names costs more than reading them
        if stop.is_set:
            break
        if name.isdigit():
            try:
                process = read_process(int(name), uptime_s=uptime_s, proc=proc)
            except PermissionError:
                is_partial = True
            else:
                if process is not None:
                    found.append(process)
    return Table(processes=tuple(found), is_partial=is_partial)


def read_one(pid: int, *, proc: str = "/proc") -> Table:
    """That process alone, if it is there and can be seen."""
    try:
        process = read_process(pid, uptime_s=_uptime_s(proc), proc=proc)
    except PermissionError:
        return Table(processes=(), is_partial=True)
    is_partial = process is None and not Path(proc, "1").exists()
    return Table(processes=() if process is None else (process,), is_partial=is_partial)


def read_process(pid: int, *, uptime_s: float, proc: str) -> Process | None:
    """One process, or None when it is gone. Raises PermissionError where /proc hides it."""
    folder = f"{proc}/{pid}"
    try:
        process = parse_stat(_read(f"{folder}/stat", STAT_BYTES_MAX), uptime_s=uptime_s)
        if process is None or process.pid != pid:
            return None
        raw = _read(f"{folder}/cmdline", COMMAND_LINE_BYTES_MAX)
        arguments = tuple(os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0")) if raw else ()
        return msgspec.structs.replace(
            process, arguments=arguments, uid=_uid(_read(f"{folder}/status", STAT_BYTES_MAX))
        )
    except PermissionError:
        raise
    except OSError:
        return None


def parse_stat(text: bytes, *, uptime_s: float) -> Process | None:
    """What /proc/PID/stat says; None where it is cut short. The name may hold spaces and parentheses."""
    first, last = text.find(b"("), text.rfind(b")")
    fields = text[last + 1 :].split()
    if first < 0 or last < first or len(fields) < 22:
        return None
    try:
        return Process(
            pid=int(text[:first]),
            name=os.fsdecode(text[first + 1 : last]),
            state=fields[0].decode("ascii", errors="replace"),
            uptime_s=max(0.0, uptime_s - int(fields[19]) / TICKS_PER_S),
            memory_bytes=int(fields[21]) * PAGE_BYTES,
        )
    except ValueError:
        return None


def _uid(status: bytes) -> int:
    """The effective user; /proc/PID itself belongs to root where a process may not be dumped."""
    for line in status.splitlines():
        if line.startswith(b"Uid:"):
            words = line.split()
            return int(words[2]) if len(words) > 2 and words[2].isdigit() else -1
    return -1


def _uptime_s(proc: str) -> float:
    return float(_read(f"{proc}/uptime", STAT_BYTES_MAX).split()[0])


def _read(path: str, bytes_max: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = bytearray()
        while len(text) < bytes_max and (piece := os.read(descriptor, bytes_max - len(text))):
            text += piece
        return bytes(text)
    finally:
        os.close(descriptor)
