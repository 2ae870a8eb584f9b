"""The control group (v2) of one attempt: its limits hold for all of it together, and no fork escapes its end.

A folder below a group that was delegated to this user; who made it writes limits into it before the command enters, so
nothing ever runs unbound. Whatever the kernel has no file for (a controller that is not delegated) is left to the
resource limits of `bounds.py`. Stdlib only: used by the shim, and by the daemon for attempts whose shim is gone.
"""

import os
from collections.abc import Mapping

PERIOD_US = 100_000
"""Of `cpu.max`: the kernel's own default."""
KILL, PROCS = "cgroup.kill", "cgroup.procs"


def make(path: str, limits: Mapping[str, int]) -> frozenset[str]:
    """Make the group, with limits; which of them (`cpu`, `memory_bytes`, `pids`) hold by it. Raises OSError."""
    os.mkdir(path, mode=0o755)
    held: set[str] = set()
    for name, file, value in (
        ("cpu", "cpu.max", f"{limits.get('cpu', 0) * PERIOD_US} {PERIOD_US}"),
        ("memory_bytes", "memory.max", str(limits.get("memory_bytes"))),
        ("pids", "pids.max", str(limits.get("pids"))),
    ):
        if name in limits and _write(path, file, value):
            held.add(name)
    if "memory_bytes" in held:
        _write(
            path, "memory.swap.max", "0"
        )  # absent without swap accounting, and then there is none to bound
    return frozenset(held)


def enter(path: str) -> None:
    """Move this process into the group. Raises OSError."""
    fd = os.open(os.path.join(path, PROCS), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"0")
    finally:
        os.close(fd)


def kill(path: str) -> bool:
    """End everything in it at once; False where the kernel cannot (before 5.14), or the group is gone."""
    return _write(path, KILL, "1")


def members(path: str) -> list[int]:
    """Who is in it, and in groups that were made below it."""
    found: list[int] = []
    for folder, _, _ in os.walk(path):
        try:
            with open(os.path.join(folder, PROCS), "rb") as file:
                found += [int(pid) for pid in file.read().split()]
        except (OSError, ValueError):
            continue  # it went, or holds threads only: then its domain lists them
    return found


def remove(path: str) -> None:
    """Remove it with what was made below it, unless somebody is left in it."""
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            continue  # somebody is in it


def killed_for_memory(path: str) -> int:
    """How many processes of it the kernel killed because its memory was used up."""
    try:
        with open(os.path.join(path, "memory.events"), encoding="ascii") as file:
            pairs = [line.split() for line in file]
    except OSError:
        return 0
    return next((int(count) for name, count in pairs if name == "oom_kill"), 0)


def _write(path: str, file: str, value: str) -> bool:
    """False where there is no such file, or the kernel refuses the value."""
    try:
        fd = os.open(os.path.join(path, file), os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, value.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
