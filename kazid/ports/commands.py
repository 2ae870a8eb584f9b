"""Running one check command, bounded in every direction.

Contract (each sentence has a test): stdin is /dev/null, or a file of what it is given to read; stdout and stderr stay
apart; the environment is built from an allow-list; the executable is looked up in the workspace when path-shaped, else
on the caller's PATH; on the deadline the whole process tree is killed and verified gone; a straggler that holds a pipe
after the command ended delays nobody beyond a short grace; output beyond the bound is dropped and counted, never
buffered; a missing executable or folder is a value, not an exception; nothing raises for what the command does.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

OUTPUT_BYTES_MAX = 8 * 1024 * 1024
"""Of one stream that a parser may see whole. Beyond it head and tail remain and `truncated` is set."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `argv[0]` is as authored; `cwd` absolute; `env` is added to the built environment."""

    argv: Sequence[str]
    cwd: str
    deadline_s: float
    path: str = ""
    env: Mapping[str, str] = {}
    stdin_text: str | None = None
    merge_stderr: bool = False
    output_bytes_max: int = OUTPUT_BYTES_MAX


class Ending(enum.Enum):
    """How a command ended. `TIMED_OUT` is our own flag, never an exit code."""

    EXITED = "exited"
    SIGNALED = "signaled"
    TIMED_OUT = "timed_out"
    NOT_STARTED = "not_started"


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One stream: what was kept (head and tail when `truncated`), redacted, and how much there was."""

    text: str = ""
    bytes_total: int = 0
    truncated: bool = False


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a command showed."""

    ending: Ending
    executable: str
    exit_code: int | None = None
    signal: int | None = None
    duration_s: float = 0.0
    stdout: Output = Output()
    stderr: Output = Output()
    reason: str | None = None
    """Why it was NOT_STARTED, e.g. `not found: go`, `permission denied: ./x`, `no such folder: /w`."""
    reason_code: str | None = None
    """`cmd_unrunnable`, `workspace_missing` or `transient` (out of descriptors, fork refused)."""


class CommandRunner(Protocol):
    """Runs checks. One adapter for real processes, one scripted for tests."""

    async def run(self, command: Command) -> CommandResult:
        """Run to its end or its deadline and say what happened."""
        ...
