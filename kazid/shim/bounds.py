"""What an attempt may use of the machine, laid on the command before it starts: a control group, or resource limits.

Inherited by all that it starts. A group (`control_group.py`) holds for all of it together. The other walls stand around
each process: memory is each process's own data, open files are its own, and processes are counted over everything of
the same user, so what runs already is added. Root is not held by that last one.
"""

import os
import resource
from collections.abc import Mapping

from kazid.shim import control_group


class Bounds:
    """Worked out before the fork; `apply` is called in the child and only makes system calls."""

    def __init__(self, limits: "list[tuple[int, int]]", cpus: "set[int]", group: "str | None" = None) -> None:
        self._limits = limits
        self._cpus = cpus
        self._group = group

    def apply(self) -> None:
        """From here on this process is bound. Raises OSError."""
        if self._group is not None:
            control_group.enter(self._group)
        for kind, most in self._limits:
            _, hard = resource.getrlimit(kind)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
        if self._cpus:
            os.sched_setaffinity(0, self._cpus)


def bounds_of(limits: Mapping[str, int], *, group: "str | None" = None) -> Bounds:
    """The bounds of an order's limits: `cpu`, `memory_bytes`, `pids`, `files`, each where it is given.

    With the path of a control group that is not there yet, it is made, and what it can hold is left to it.
    """
    if group is not None:
        try:
            held = control_group.make(group, limits)
        except OSError:
            group = None  # the resource limits are as good as can be had
        else:
            limits = {name: value for name, value in limits.items() if name not in held}
    found: list[tuple[int, int]] = []
    if "memory_bytes" in limits:
        found.append((resource.RLIMIT_DATA, limits["memory_bytes"]))
    if "files" in limits:
        found.append((resource.RLIMIT_NOFILE, max(limits["files"], 8)))
    if "pids" in limits:
        found.append((resource.RLIMIT_NPROC, limits["pids"] + _tasks_of(os.getuid())))
    mine = sorted(os.sched_getaffinity(0))
    count = limits.get("cpu", len(mine))
    return Bounds(found, set(_chosen(mine, count)) if count < len(mine) else set(), group)


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
