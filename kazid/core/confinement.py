"""What an agent can reach while it works, resolved to paths, and whether a machine can enforce it. Pure.

`worktree`: it reads anything and writes to its tree, git's own folders, temporary folders and its agent's config only.
`strict`: it reads nothing else but what is installed either. The network is open, off, or some TCP ports. What a
machine cannot enforce is a sentence for people, and a goal that demands it is refused rather than run open.
"""

from collections.abc import Sequence

import msgspec

from kazid.core.goal import Goal
from kazid.core.worktree import Worktree

INSTALLED = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc",
    "/opt",
    "/nix",
    "/proc",
    "/sys",
    "/run",
    "/dev",
    "/var/lib",
)
"""What a strict agent may read: programs and their settings, and no home."""
SCRATCH = (
    "/tmp",  # noqa: S108
    "/var/tmp",  # noqa: S108
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/tty",
    "/dev/shm",  # noqa: S108
    "/dev/random",
    "/dev/urandom",
    "/dev/pts",
)
HOMES = (
    "~/.claude",
    "~/.claude.json",
    "~/.codex",
    "~/.gemini",
    "~/.qwen",
    "~/.copilot",
    "~/.pi",
    "~/.aider",
    "~/.config",
    "~/.cache",
    "~/.local/share",
    "~/.local/state",
    "~/.npm",
)
"""Where agents keep their own settings, sessions and caches."""
LANDLOCK_PATHS_ABI, LANDLOCK_PORTS_ABI = 3, 4


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What this machine can enforce."""

    landlock_abi: int
    bubblewrap: str | None
    """Its path, where it was seen to work."""
    bubblewrap_reason: str = ""


class Confinement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The bounds of one attempt. A path that begins with `~` is below the home of whoever runs it."""

    reads: Sequence[str]
    writes: Sequence[str]
    is_offline: bool = False
    ports: Sequence[int] | None = None


def confinement_of(goal: Goal, *, folders: Sequence[str]) -> Confinement | None:
    """The bounds that the goal asks for; None where it asks for none. `folders`: where its agent has to write."""
    asked = goal.sandbox
    if asked.mode == "none" and asked.network == "open":
        return None
    user = (goal.workspace or "/nowhere") + "/"
    scratch = (
        p for p in SCRATCH if not user.startswith(f"{p}/")
    )  # a workspace below /tmp is still the user's
    writes = ("/",) if asked.mode == "none" else (*folders, *scratch, *HOMES, *asked.writes)
    reads = (*INSTALLED, *asked.reads, *goal.path.split(":")) if asked.mode == "strict" else ("/",)
    return Confinement(
        reads=tuple(dict.fromkeys(p for p in reads if p)),
        writes=tuple(dict.fromkeys(writes)),
        is_offline=asked.network == "off",
        ports=tuple(asked.ports) if asked.network == "ports" else None,
    )


def folders_of(cwd: str, worktree: Worktree | None) -> tuple[str, ...]:
    """Where an agent has to write: its tree, and what git keeps of it, but neither hooks nor config."""
    if worktree is None:
        return (cwd,)
    git = f"{worktree.repository}/.git"
    return (worktree.path, *(f"{git}/{part}" for part in ("objects", "refs", "logs", "worktrees")))


def unenforceable(goal: Goal, can: Capabilities) -> str | None:
    """Why what the goal demands cannot be enforced here; None when it can."""
    asked = goal.sandbox
    if asked.mode != "none" and can.landlock_abi < LANDLOCK_PATHS_ABI and can.bubblewrap is None:
        return f'[sandbox] mode = "{asked.mode}" needs bubblewrap or landlock, and this machine has neither'
    if asked.network == "off" and can.bubblewrap is None:
        why = can.bubblewrap_reason or "it is not installed"
        return f'[sandbox] network = "off" needs bubblewrap: {why}'
    if asked.network == "ports" and can.landlock_abi < LANDLOCK_PORTS_ABI:
        return f"[sandbox] ports need landlock {LANDLOCK_PORTS_ABI}, and this kernel has {can.landlock_abi}"
    return None
