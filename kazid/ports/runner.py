"""Running executor attempts that outlive the daemon.

Contract: an attempt is identified before it starts; `start` returns once it runs or has ended, and nothing of it runs
if `start` never happened; `recover` answers exactly one of never started, ended, killed, running; whoever of shim and
recovery claims first wins, so nothing runs twice; after `cancel` or an end that is not a product's, every process of
the attempt is verified gone, or named in `survivors`; cancelling the *caller* of `wait` leaves the attempt running.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from kazid.core.confinement import Confinement
from kazid.core.goal import Limits, SecretRef
from kazid.core.ids import AttemptId, GoalUid
from kazid.core.status import Cause

LOG_BYTES_MAX = 4 * 1024 * 1024
"""Of one stream of one attempt on disk; head kept, tail as a ring."""


class AttemptOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `argv[0]` is as authored; the adapter resolves it in `cwd`, then on `path`."""

    uid: GoalUid
    attempt_id: AttemptId
    argv: Sequence[str]
    cwd: str
    path: str
    env: Mapping[str, str] = {}
    env_names: Sequence[str] = ()
    """Variables taken by name from the daemon's environment (credentials), never stored."""
    secrets: Mapping[str, SecretRef] = {}
    """Variables whose values are read where they lie, never stored; one that is not there ends it before it starts."""
    config_homes: Sequence[str] = ()
    """Of `env_names`: folders that have to be there where the variable is set."""
    stdin_text: str | None = None
    idle_timeout_s: float | None = None
    total_timeout_s: float = 60.0
    keep_on_success: bool = False
    """Processes left by exit 0 are its product (remedies, deploys): never swept (SEMANTICS §3)."""
    confinement: Confinement | None = None
    """Bounds that it runs within, or not at all."""
    limits: Limits = Limits()


class AttemptResult(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended. A claim about processes, never about the goal.

    `ending`: exited, signaled, idle_timeout, total_timeout, cancelled, orphaned, not_started, killed, never_started.
    """

    ending: str
    exit_code: int | None = None
    signal: int | None = None
    duration_s: float = 0.0
    ended_s: float | None = None
    """Boot seconds; None when nobody saw the end."""
    reason: str | None = None
    cause: Cause | None = None
    """What was missing, of an attempt that could not start."""
    survivors: Sequence[int] = ()


class Attempt(Protocol):
    """One attempt that was started or re-adopted."""

    async def wait(self) -> AttemptResult:
        """The end, once it has come. May be called again."""
        ...

    async def cancel(self) -> None:
        """Ask for the end; `wait` tells when every process is gone. Idempotent."""
        ...

    def pids(self) -> Sequence[int]:
        """Processes known to belong to it now."""
        ...


class Runner(Protocol):
    """Starts and recovers attempts. Adapters: system (the shim), memory (scripted)."""

    async def start(self, order: AttemptOrder) -> Attempt:
        """Start the attempt. A command that cannot be started ends as `not_started`; this does not raise for it."""
        ...

    async def recover(self, uid: GoalUid, attempt_id: AttemptId) -> Attempt:
        """Take over an attempt whose daemon died; ends at once unless it still runs."""
        ...

    async def read_log(
        self, uid: GoalUid, attempt_id: AttemptId, *, stream: str, offset: int
    ) -> tuple[bytes, int, int]:
        """(bytes, next offset, bytes omitted before them) of `stdout` or `stderr` from a stream offset."""
        ...
