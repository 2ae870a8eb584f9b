"""What a process belongs to: the marks in its environment and in those of its ancestors, and its control group.

An agent is not its owner (SEMANTICS §8), whatever its uid and however deep in the tree it calls from. A process may
clear or forge its own mark, so the walk goes on to the shim, which is the subreaper of all it started and whose
environment nobody but the daemon wrote. A parent that ends during the walk begins it anew.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from kazid.adapters.system.commands import MARKER as CHECK_MARKER
from kazid.adapters.system.control_groups import SUBGROUP
from kazid.core.errors import StartRefused
from kazid.core.ids import AttemptId
from kazid.ports.belonging import Belonging
from kazid.shim import proctree
from kazid.shim.protocol import MARKER

DEPTH_MAX = 2048
"""Ancestors that are read, some 20 µs each. Nobody's shell is so deep; who is, is nobody's owner."""

WALKS_MAX = 20
"""A walk begins anew when a parent ended meanwhile: its orphans have another one by then."""


class Ancestry:
    """Reads what processes belong to. `check_prefix` begins the marks of this daemon's checks."""

    def __init__(self, *, check_prefix: str, environ: Mapping[str, str]) -> None:
        self._check_prefix = check_prefix
        self._unit = _own_unit(environ)

    def belonging_of(self, pid: int) -> Belonging:
        """What this process belongs to. Blocks for a few reads of /proc."""
        for _ in range(WALKS_MAX):
            found = self._walk(pid)
            if found is not None:
                return found
        return Belonging(is_clear=False)

    def _walk(self, pid: int) -> Belonging | None:
        """None when the process table changed under the walk."""
        attempts: list[AttemptId] = []
        is_check = False
        is_clear = self._unit is None or pid == os.getpid() or not _is_within(_control_group(pid), self._unit)
        for _ in range(DEPTH_MAX):
            if pid <= 1 or pid == os.getpid():
                return Belonging(attempts=tuple(attempts), is_check=is_check, is_clear=is_clear)
            parent = proctree.parent(pid)
            if parent is None:
                return None
            attempt = proctree.environment_value(pid, MARKER)
            if attempt is not None:
                attempts.append(AttemptId(attempt))
            check = proctree.environment_value(pid, CHECK_MARKER)
            is_check = is_check or (check is not None and check.startswith(self._check_prefix))
            if proctree.parent(pid) != parent:
                return None
            pid = parent
        return Belonging(attempts=tuple(attempts), is_check=is_check, is_clear=False)


def refuse_attempts(state_dir: Path) -> None:
    """An attempt does not become the daemon that judges it. Raises StartRefused."""
    ours = {folder.name for folder in (state_dir / "attempts").glob("*/*")}
    pid: int | None = os.getpid()
    for _ in range(DEPTH_MAX):
        if pid is None or pid <= 1 or not ours:
            return
        if proctree.environment_value(pid, MARKER) in ours:
            raise StartRefused(
                f"started from within an attempt of {state_dir}; start it from a session of your own"
            )
        pid = proctree.parent(pid)


def _own_unit(environ: Mapping[str, str]) -> str | None:
    """The control group that is this daemon's alone: that of its service unit, where systemd started it directly."""
    if environ.get("SYSTEMD_EXEC_PID") != str(os.getpid()):
        return None
    group = (_control_group(os.getpid()) or "").removesuffix(f"/{SUBGROUP}")
    return group if group.endswith(".service") else None


def _is_within(group: str | None, unit: str) -> bool:
    """In the unit's own group or in one below it: attempts have theirs there."""
    return group is not None and (group == unit or group.startswith(f"{unit}/"))


def _control_group(pid: int) -> str | None:
    """The process's control group (v2); None where there is none or no such process."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return None
    return next((line[3:] for line in lines if line.startswith("0::")), None)
