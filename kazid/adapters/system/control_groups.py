"""Where attempts get control groups of their own: a subtree of cgroup v2 that was delegated to this daemon, if one was.

Found once, at the start, and tried out, not believed: a process is moved in. systemd marks what it delegates. Limits
need controllers switched on for the subtree, which the kernel refuses while processes are in its top, and then nobody
can be started there again. So they are had where systemd starts the daemon in a group below (`DelegateSubgroup=`,
systemd 254), or where `[cgroup] folder` names one; else groups only end attempts. Nothing is moved but attempts.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from kazid.core.ids import AttemptId
from kazid.shim import control_group

OFF = "off"
SUBGROUP = "daemon"
"""What `systemd/kazid.service` calls the group that the daemon itself is started in."""
CONTROLLERS: Mapping[str, str] = {"cpu": "cpu.max", "memory": "memory.max", "pids": "pids.max"}
PREFIX = "attempt-"
FRESH_S = 60.0
"""A group so young may be about to be entered."""
TRIAL_S_MAX = 10.0


class Delegated(msgspec.Struct, frozen=True, kw_only=True):
    """The subtree; which controllers limit there, and whether the kernel can end a group. `reason`: why not more."""

    folder: str | None = None
    controllers: frozenset[str] = frozenset()
    kills: bool = False
    reason: str = ""


class ControlGroups:
    """One per daemon."""

    def __init__(self, found: Delegated) -> None:
        self.found = found

    def of_attempt(self, attempt_id: AttemptId) -> str | None:
        """The path of the group that this attempt is to have; None where it gets none."""
        folder = self.found.folder
        return None if folder is None else os.path.join(folder, f"{PREFIX}{attempt_id}")

    def sweep(self, *, now_wall_s: float | None = None) -> None:
        """Remove what is empty and was not made just now: of products that ended, of shims that were killed."""
        folder = self.found.folder
        if folder is None:
            return
        before_s = (time.time() if now_wall_s is None else now_wall_s) - FRESH_S
        for group in Path(folder).glob(f"{PREFIX}*"):
            try:
                is_old = group.stat().st_ctime < before_s
            except OSError:
                continue
            if is_old:
                control_group.remove(str(group))


def delegated(setting: str = "", *, proc: Path = Path("/proc/self")) -> Delegated:
    """What this process may use. Changes nothing but switching controllers on, where that is its right."""
    if setting == OFF:
        return Delegated(reason="switched off by [cgroup] folder")
    if setting:
        return _tried(Path(setting), may_enable=True)
    own = own_group(proc)
    if own is None:
        return Delegated(reason="no cgroup v2 is mounted")
    if own.name == SUBGROUP and _is_marked(own.parent):
        return _tried(own.parent, may_enable=True)
    if _is_marked(own):
        return _tried(own, may_enable=False)
    return Delegated(reason="no cgroup is delegated to the daemon")


def own_group(proc: Path = Path("/proc/self")) -> Path | None:
    """The folder of the group that this process is in; None where none of cgroup v2 is mounted."""
    try:
        lines = (proc / "cgroup").read_text(errors="replace").splitlines()
        mounts = (proc / "mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in lines if line.startswith("0::/")), None)
    if path is None or ".." in path.split("/"):
        return None  # it is outside of what this mount namespace is shown
    for mount in mounts:
        fields, _, rest = mount.partition(" - ")
        words = fields.split(" ")
        if rest.split(" ")[0] == "cgroup2" and len(words) > 4:  # proc(5): root and mount point
            root, point = words[3], words[4]
            below = os.path.relpath(path, root)
            if below.startswith(".."):
                continue  # this mount shows another part of the tree
            return Path(point) if below == "." else Path(point) / below
    return None


def _is_marked(folder: Path) -> bool:
    """systemd's own word (251 and newer) that it leaves what is below to the service."""
    for name in ("user.delegate", "trusted.delegate"):
        try:
            if os.getxattr(folder, name) == b"1":
                return True
        except OSError:
            continue
    return False


def _tried(folder: Path, *, may_enable: bool) -> Delegated:
    trial = folder / f"kazid-trial-{os.getpid()}"
    refused = _refused(folder, trial)
    if refused is not None:
        return Delegated(reason=refused)
    controllers, reason = frozenset[str](), f"systemd 254 is needed, with DelegateSubgroup={SUBGROUP}"
    if may_enable:
        controllers = frozenset(name for name in CONTROLLERS if _is_on(folder, name))
        missing = sorted(CONTROLLERS.keys() - controllers)
        reason = f"not delegated there: {', '.join(missing)}" if missing else ""
    kills = (folder / control_group.KILL).exists() or _made_with_kill(trial)
    return Delegated(folder=str(folder), controllers=controllers, kills=kills, reason=reason)


def _refused(folder: Path, trial: Path) -> str | None:
    """Why no process can be moved into a group below it; None when one was."""
    try:
        trial.mkdir()
    except OSError as error:
        return f"{folder} takes no group: {error.strerror}"
    enter = "import sys; open(sys.argv[1], 'r+').write('0')"
    try:
        moved = subprocess.run(
            [sys.executable, "-I", "-S", "-c", enter, trial / control_group.PROCS],
            capture_output=True,
            timeout=TRIAL_S_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no process can be moved below {folder}: {error}"
    finally:
        control_group.remove(str(trial))
    if moved.returncode != 0:
        last = moved.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return f"no process can be moved below {folder}: {''.join(last)}"
    return None


def _is_on(folder: Path, controller: str) -> bool:
    """Whether groups below have this controller; it is switched on where that is possible."""
    file = folder / "cgroup.subtree_control"
    try:
        if controller not in file.read_text().split():
            file.write_text(f"+{controller}")
        return controller in file.read_text().split()
    except OSError:
        return False


def _made_with_kill(trial: Path) -> bool:
    """The top of a hierarchy has no such file, and groups below it do."""
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        return (trial / control_group.KILL).exists()
    finally:
        control_group.remove(str(trial))
