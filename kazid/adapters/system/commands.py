"""The CommandRunner port for real processes: resolve, build the environment, run bounded, say what happened.

Every process of a check carries `KAZI_CHECK=<state id>.<this daemon>.<number>` in its environment. What outlives its
check all the same (a daemon that closed the pipes and left the session) is found by that marker:
`sweep_leaked_checks` runs now and then, and at start, where it also ends the checks of a daemon that was killed.
"""

import itertools
import secrets
import signal
from collections.abc import Mapping
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread

from kazid.adapters.system.capture import Capture
from kazid.adapters.system.child_process import END_S, ChildProcess
from kazid.adapters.system.resolve import TRANSIENT, Refusal, Runnable, refusal_of, resolve
from kazid.core.environment import build_environment
from kazid.ports.commands import Command, CommandResult, Ending, Output
from kazid.shim.proctree import marked_by_prefix, signal_process, start_time
from kazid.shim.redaction import secret_values

MARKER = "KAZI_CHECK"

SPAWNS_AT_ONCE_MAX = 4
"""Throughput is flat from two in flight and latency is not (reference/feasibility.md, section 2)."""

LOOKUPS_AT_ONCE_MAX = 16
"""Threads that look for an executable: as many as there are process slots, apart from everybody else's."""

LATE_BYTES_MAX = 1024 * 1024
"""Of each stream of a command that its deadline ended: shown, never parsed; redacting 8 MiB takes a second."""

_REDACT_ON_LOOP_BYTES_MAX = 256 * 1024
_SWEEP_ROUNDS_MAX = 5


class SystemCommandRunner:
    """Runs checks as processes of this machine.

    `state_id` names this daemon's state folder and is the same after a restart: the sweep ends what carries it and
    nothing else. `environ` is the daemon's environment, from which children get the allow-listed part.
    """

    def __init__(self, *, state_id: str, environ: Mapping[str, str]) -> None:
        assert state_id, "an empty state id would mark everybody's checks as ours"
        assert "." not in state_id, "the dot ends the state id in a marker"
        self._environ = dict(environ)
        self._secrets = secret_values(environ)
        self.state_prefix = f"{state_id}."
        self._prefix = f"{state_id}.{secrets.token_hex(4)}."
        self._numbers = itertools.count(1)
        self._running: set[str] = set()
        self._spawn_gate = anyio.CapacityLimiter(SPAWNS_AT_ONCE_MAX)
        self._lookups = anyio.CapacityLimiter(LOOKUPS_AT_ONCE_MAX)

    async def run(self, command: Command) -> CommandResult:
        """Run to its end or its deadline and say what happened; raises for nothing that the command does.

        Cancelled, it kills the whole tree first, for KILL_S at most.
        """
        check_id = f"{self._prefix}{next(self._numbers)}"
        self._running.add(check_id)
        try:
            return await self._run(command, marker=(MARKER, check_id))
        finally:
            self._running.discard(check_id)

    async def sweep_leaked_checks(self) -> tuple[int, ...]:
        """Kill the processes of this state's checks that no longer run here; return their pids."""
        swept: set[int] = set()
        thread = anyio.CapacityLimiter(1)
        for _ in range(_SWEEP_ROUNDS_MAX):
            marked = await anyio.to_thread.run_sync(
                marked_by_prefix, MARKER, self.state_prefix, limiter=thread, abandon_on_cancel=True
            )
            leaked = {
                pid: start_time(pid) for pid, check_id in marked.items() if check_id not in self._running
            }
            if not leaked:
                break
            for pid, started in leaked.items():
                signal_process(pid, signal.SIGKILL, started)
            swept |= leaked.keys()
        return tuple(sorted(swept))

    async def _run(self, command: Command, *, marker: tuple[str, str]) -> CommandResult:
        assert command.argv, "a command has at least its name"
        deadline = anyio.current_time() + command.deadline_s
        env = build_environment(self._environ, path=command.path, extra=command.env, marker=marker)
        found: Runnable | Refusal = Refusal(code=TRANSIENT, reason=f"the disk does not answer: {command.cwd}")
        with anyio.CancelScope(deadline=deadline):
            found = await self._look_up(command, path=env["PATH"])
        if isinstance(found, Refusal):
            return _not_started(command, found)
        return await self._attend(command, found.executable, env=env, marker=marker, deadline=deadline)

    async def _look_up(self, command: Command, *, path: str) -> Runnable | Refusal:
        """Resolve in a thread: a stat on a dead network disk hangs, and must hang nobody else."""
        lookup = partial(resolve, command.argv[0], cwd=command.cwd, path=path)
        return await anyio.to_thread.run_sync(lookup, abandon_on_cancel=True, limiter=self._lookups)

    async def _attend(
        self,
        command: Command,
        executable: str,
        *,
        env: Mapping[str, str],
        marker: tuple[str, str],
        deadline: float,
    ) -> CommandResult:
        stdout = Capture(command.output_bytes_max)
        stderr = None if command.merge_stderr else Capture(command.output_bytes_max)
        child = ChildProcess(
            (executable, *command.argv[1:]),
            cwd=command.cwd,
            env=env,
            marker=marker,
            stdout=stdout,
            stderr=stderr,
            stdin=None if command.stdin_text is None else command.stdin_text.encode("utf-8", "replace"),
        )
        started_s = anyio.current_time()
        try:
            with anyio.CancelScope(deadline=deadline):
                async with self._spawn_gate:
                    try:
                        child.start()
                    except (OSError, ValueError) as error:
                        return _not_started(command, refusal_of(error, cmd=command.argv[0], cwd=command.cwd))
                    await anyio.lowlevel.checkpoint()
                await child.attend()
        finally:
            with anyio.move_on_after(END_S, shield=True):
                await child.end()
        duration_s = anyio.current_time() - started_s
        if not child.has_exited:
            for stream in filter(None, (stdout, stderr)):
                stream.shrink(LATE_BYTES_MAX)
        texts = await self._texts(command, stdout, stderr)
        return _result(command, child, executable=executable, duration_s=duration_s, texts=texts)

    async def _texts(
        self, command: Command, stdout: Capture, stderr: Capture | None
    ) -> tuple[Output, Output]:
        known = (*secret_values(command.env), *self._secrets)

        def texts() -> tuple[Output, Output]:
            return stdout.output(known), Output() if stderr is None else stderr.output(known)

        bytes_total = stdout.bytes_total + (0 if stderr is None else stderr.bytes_total)
        if bytes_total <= _REDACT_ON_LOOP_BYTES_MAX:
            return texts()
        return await anyio.to_thread.run_sync(texts, limiter=anyio.CapacityLimiter(1))


def _result(
    command: Command, child: ChildProcess, *, executable: str, duration_s: float, texts: tuple[Output, Output]
) -> CommandResult:
    if not child.has_started:
        return _not_started(
            command, Refusal(code=TRANSIENT, reason=f"no turn to start {command.argv[0]} in time")
        )
    if child.has_exited and child.exit_code is None and child.signal is None:
        return _not_started(
            command, Refusal(code=TRANSIENT, reason="the exit status was taken by somebody else")
        )
    if not child.has_exited:
        ending = Ending.TIMED_OUT
    else:
        ending = Ending.EXITED if child.signal is None else Ending.SIGNALED
    return CommandResult(
        ending=ending,
        executable=executable,
        exit_code=child.exit_code if ending is Ending.EXITED else None,
        signal=child.signal if ending is Ending.SIGNALED else None,
        duration_s=duration_s,
        stdout=texts[0],
        stderr=texts[1],
        reason=f"could not be killed: {', '.join(map(str, child.survivors))}" if child.survivors else None,
    )


def _not_started(command: Command, refusal: Refusal) -> CommandResult:
    return CommandResult(
        ending=Ending.NOT_STARTED, executable=command.argv[0], reason=refusal.reason, reason_code=refusal.code
    )
