"""What an attempt may use of the machine: resource limits and a set of CPUs, laid on the command before it starts.

Inherited by all that it starts. These walls stand around each process, not around all of them: memory is each
process's own data, open files are its own, and processes are counted over everything of the same user, so what runs
already is added. Root is not held by that last one.
"""

import os
import resource
from collections.abc import Mapping


class Bounds:
    """Worked out before the fork; `apply` is called in the child and only makes system calls."""

    def __init__(self, limits: "list[tuple[int, int]]", cpus: "set[int]") -> None:
        self._limits = limits
        self._cpus = cpus

    def apply(self) -> None:
        """From here on this process is bound. Raises OSError."""
        for kind, most in self._limits:
            _, hard = resource.getrlimit(kind)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
        if self._cpus:
            os.sched_setaffinity(0, self._cpus)


def bounds_of(limits: Mapping[str, int]) -> Bounds:
    """The bounds of an order's limits: `cpu`, `memory_bytes`, `pids`, `files`, each where it is given."""
    found: list[tuple[int, int]] = []
    if "memory_bytes" in limits:
        found.append((resource.RLIMIT_DATA, limits["memory_bytes"]))
    if "files" in limits:
        found.append((resource.RLIMIT_NOFILE, max(limits["files"], 8)))
    if "pids" in limits:
        found.append((resource.RLIMIT_NPROC, limits["pids"] + _tasks_of(os.getuid())))
    mine = sorted(os.sched_getaffinity(0))
    count = limits.get("cpu", len(mine))
    return Bounds(found, set(_chosen(mine, count)) if count < len(mine) else set())


def _chosen(cpus: "list[int]", count: int) -> "list[int]":
    """Some of them, not the same for every attempt."""
    first = os.getpid() % len(cpus)
    return [cpus[(first + n) % len(cpus)] for n in range(count)]


def _tasks_of(uid: int) -> int:
    """Threads of this user that run now."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == uid:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue  # it ended
    return count
