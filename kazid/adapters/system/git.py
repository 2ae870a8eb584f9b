"""The git function: every git call of kazid goes through it, so that a repository cannot make git run what it likes.

`core/git_words.py` says what is off. The environment is built, so no GIT_DIR of the caller leaks in. It runs as whoever
runs kazid, and `safe.directory` is left alone: git refuses a repository that belongs to somebody else, whose config
(filters, for one) would run as us. That refusal is a value like any other failure.
"""

import itertools
import os
from collections.abc import Mapping, Sequence

import anyio
import anyio.lowlevel
import msgspec

from kazid.adapters.system.capture import Capture
from kazid.adapters.system.child_process import END_S, ChildProcess
from kazid.adapters.system.resolve import Refusal, refusal_of, resolve
from kazid.core.environment import build_environment
from kazid.core.git_words import ENVIRONMENT, git_words
from kazid.ports.commands import Output

GIT_DEADLINE_S = 30.0
"""A status of a big tree on a cold disk takes seconds; a git that waits for a lock or a network waits for ever."""

GIT_OUTPUT_BYTES_MAX = 8 * 1024 * 1024
_STDERR_BYTES_MAX = 64 * 1024
_MARKER = "KAZI_GIT"
_numbers = itertools.count(1)


class GitResult(msgspec.Struct, frozen=True, kw_only=True):
    """What git answered. `stdout` is data, as it came; `stderr` is for people, redacted."""

    exit_code: int | None
    """None: it did not end by itself; `reason` says why."""
    stdout: bytes = b""
    stderr: str = ""
    truncated: bool = False
    """`stdout` is not whole: its middle is missing, and it must not be parsed."""
    reason: str | None = None

    @property
    def is_ok(self) -> bool:
        """True when git succeeded and `stdout` is all it said."""
        return self.exit_code == 0 and not self.truncated


async def git(
    args: Sequence[str],
    *,
    cwd: str,
    deadline_s: float = GIT_DEADLINE_S,
    env: Mapping[str, str] | None = None,
    output_bytes_max: int = GIT_OUTPUT_BYTES_MAX,
) -> GitResult:
    """Run git in a folder, to its end or its deadline, and return what it said; raises for nothing git does.

    `env` is for GIT_INDEX_FILE and its like, and for the author of a commit.
    """
    marker = (_MARKER, f"{os.getpid()}.{next(_numbers)}")
    full_env = build_environment(os.environ, path="", extra={**ENVIRONMENT, **(env or {})}, marker=marker)
    found = resolve("git", cwd=cwd, path=full_env["PATH"])
    if isinstance(found, Refusal):
        return GitResult(exit_code=None, reason=found.reason)
    stdout, stderr = Capture(output_bytes_max), Capture(_STDERR_BYTES_MAX)
    child = ChildProcess(
        (found.executable, *git_words(*args)),
        cwd=cwd,
        env=full_env,
        marker=marker,
        stdout=stdout,
        stderr=stderr,
    )
    try:
        with anyio.move_on_after(deadline_s):
            try:
                child.start()
            except (OSError, ValueError) as error:
                return GitResult(exit_code=None, reason=refusal_of(error, cmd="git", cwd=cwd).reason)
            await anyio.lowlevel.checkpoint()
            await child.attend()
    finally:
        with anyio.move_on_after(END_S, shield=True):
            await child.end()
    return _result(child, stdout=stdout, stderr=stderr.output(), deadline_s=deadline_s)


def _result(child: ChildProcess, *, stdout: Capture, stderr: Output, deadline_s: float) -> GitResult:
    reason = None
    if not child.has_exited:
        reason = f"no end within {deadline_s:g} s"
    elif child.exit_code is None:
        reason = (
            f"ended by signal {child.signal}"
            if child.signal
            else "the exit status was taken by somebody else"
        )
    return GitResult(
        exit_code=child.exit_code if child.has_exited else None,
        stdout=stdout.content(),
        stderr=stderr.text,
        truncated=stdout.is_over,
        reason=reason,
    )
