"""What this machine has and can enforce, as findings with what to do: state folder, disk, git, sandbox.

Looks only, each within a deadline, and never fails: what cannot be told is a warning. Which socket answers is the
client's to say.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio.to_thread

from kazid.adapters.system.control_groups import CONTROLLERS, Delegated
from kazid.adapters.system.git import git
from kazid.core.confinement import LANDLOCK_PATHS_ABI, LANDLOCK_PORTS_ABI
from kazid.ports.doctor import Finding
from kazid.ports.sandbox import Sandbox

DISK_BYTES_MIN = 200 * 1024 * 1024
"""Less is a warning: journal, attempts and worktrees lie there."""
GIT_MIN = (2, 31)
"""`rev-parse --path-format` is from then."""


class SystemDoctor:
    """Looks at the machine for `kazictl doctor`."""

    def __init__(
        self,
        *,
        state_dir: Path,
        sandbox: Sandbox,
        control_groups: Delegated,
        others: Callable[[], Sequence[Finding]] = tuple,
    ) -> None:
        self._control_groups = control_groups
        self._others = others
        self._state_dir = state_dir
        self._sandbox = sandbox

    async def examine(self) -> Sequence[Finding]:
        """All findings, in a fixed order."""
        state = await anyio.to_thread.run_sync(self._state_folder)
        disk = await anyio.to_thread.run_sync(self._disk)
        return (
            state,
            disk,
            await self._git(),
            *await self._bounds(),
            limits_by(self._control_groups, uid=os.geteuid()),
            *self._others(),
        )

    def _state_folder(self) -> Finding:
        path = str(self._state_dir)
        is_writable = os.access(path, os.W_OK | os.X_OK)
        mode = os.stat(path).st_mode & 0o777
        if not is_writable:
            return Finding(
                name="state",
                state="fail",
                found=f"{path} cannot be written",
                todo="give it to the daemon's user",
            )
        if mode & 0o077:
            return Finding(
                name="state",
                state="warn",
                found=f"{path} is open to others ({mode:o})",
                todo=f"chmod 700 {path}",
            )
        return Finding(name="state", state="ok", found=path)

    def _disk(self) -> Finding:
        free = shutil.disk_usage(self._state_dir).free
        found = f"{free // 2**20} MiB free"
        if free < DISK_BYTES_MIN:
            return Finding(
                name="disk", state="warn", found=found, todo="make room: a full disk stops all acting"
            )
        return Finding(name="disk", state="ok", found=found)

    async def _git(self) -> Finding:
        said = await git(("version",), cwd="/")
        words = said.stdout.decode(errors="replace").split()
        if not said.is_ok or len(words) < 3:
            return Finding(
                name="git", state="fail", found="no git", todo="install git: agents need worktrees"
            )
        numbers = tuple(int(n) for n in words[2].split(".")[:2] if n.isdecimal())
        if numbers < GIT_MIN:
            return Finding(
                name="git", state="warn", found=words[2], todo="git 2.31 or newer is needed for worktrees"
            )
        return Finding(name="git", state="ok", found=words[2])

    async def _bounds(self) -> Sequence[Finding]:
        can = await self._sandbox.capabilities()
        wrap = Finding(
            name="bubblewrap", state="ok", found=f'{can.bubblewrap}: [sandbox] mode and network = "off"'
        )
        if can.bubblewrap is None:
            wrap = Finding(
                name="bubblewrap",
                state="warn",
                found=f'[sandbox] network = "off" cannot be enforced: {can.bubblewrap_reason}',
                todo="install it, or allow unprivileged user namespaces",
            )
        abi = can.landlock_abi
        if abi >= LANDLOCK_PORTS_ABI:
            lock = Finding(
                name="landlock", state="ok", found=f"version {abi}: [sandbox] mode, and network by ports"
            )
        elif abi >= LANDLOCK_PATHS_ABI:
            lock = Finding(
                name="landlock",
                state="warn",
                found=f"version {abi}: no rules for ports",
                todo="Linux 6.7 or newer has them",
            )
        else:
            lock = Finding(
                name="landlock",
                state="warn",
                found="this kernel has none that is enough",
                todo="Linux 6.2 or newer with landlock on",
            )
        return wrap, lock


def limits_by(groups: Delegated, *, uid: int) -> Finding:
    """How `[limits]` is enforced, and why not better."""
    by_group = [name for name in CONTROLLERS if name in groups.controllers]
    others = [name for name in (*CONTROLLERS, "files") if name not in by_group]
    parts = [f"{_listed(by_group)} by cgroup, for an attempt as a whole"] if by_group else []
    parts.append(f"{_listed(others)} by rlimit and CPU affinity, for each of its processes")
    found = f"[limits] {'; '.join(parts)}"
    if groups.reason:
        found = f"{found} ({groups.reason})"
    if groups.kills:
        found = f"{found}; what an attempt leaves is ended by cgroup.kill"
    if uid == 0 and "pids" not in groups.controllers:
        return Finding(
            name="limits",
            state="warn",
            found=f"{found}; pids does not hold root",
            todo="run the daemon as a user of its own",
        )
    return Finding(name="limits", state="ok", found=found)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
