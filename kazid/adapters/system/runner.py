"""The Runner port for real processes: every attempt runs under a shim that outlives the daemon (kazid/shim).

The daemon asks (`request.json`, SIGTERM) and learns (`result.json`, the end of a pipe that only the shim holds); it
never waits for the shim itself, which stays as the log drain of what a remedy left running. A shim that vanished
without a result is answered by killing everything that carries its attempt's marker.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from functools import partial

import anyio
import anyio.to_thread
import msgspec

from kazid.adapters.system import attempt_folder
from kazid.adapters.system.attempt import SystemAttempt, end_tree
from kazid.adapters.system.attempt_folder import UNCLAIMED, folder_of, look, prepare
from kazid.adapters.system.control_groups import ControlGroups
from kazid.adapters.system.resolve import TRANSIENT, Refusal, Runnable, resolve
from kazid.adapters.system.secrets import SecretMissing, absent_home, resolved
from kazid.core.environment import build_environment
from kazid.core.ids import AttemptId, GoalUid
from kazid.core.status import Cause
from kazid.ports.clock import Clock
from kazid.ports.runner import AttemptOrder, AttemptResult
from kazid.ports.sandbox import Sandbox
from kazid.shim import logs, proctree, protocol

SPAWNS_AT_ONCE_MAX = 4
"""Shims that are starting up: throughput is flat from two in flight, latency is not (reference/feasibility.md §2)."""

THREADS_MAX = 8
"""For the disk and /proc, apart from everybody else's: an end must not wait behind a hanging look-up."""

RESOLVE_S = 30.0
"""A folder on a network disk that does not answer by then is as good as missing."""

DISCARDS_PER_CALL_MAX = 256
ATTEMPTS_KEPT = 50
"""Folders of one incarnation that `discard` leaves: at 8 MB of logs each, 400 MB at the very most."""

IDENTITY_FILE = "daemon.json"
SHIM_PROGRAM = os.path.join(os.path.dirname(protocol.__file__), "attempt.py")


PASSING = frozenset(
    {errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EIO}
)
"""What a machine lacks for a while: descriptors, processes, memory, disk. It says nothing of the program."""


class SystemRunner:
    """Runs attempts as processes of this machine, below `<state_dir>/attempts`.

    `base_environment` is the daemon's: children get its allow-listed part and what an order names. `daemon_file` says
    who the daemon is, so that shims notice when none lives; `write_identity` writes it.
    """

    def __init__(
        self,
        *,
        state_dir: str,
        clock: Clock,
        base_environment: Mapping[str, str],
        daemon_file: str | None = None,
        kill_grace_s: float = attempt_folder.KILL_GRACE_S,
        orphan_grace_s: float = attempt_folder.ORPHAN_GRACE_S,
        sandbox: Sandbox | None = None,
        control_groups: ControlGroups | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._control_groups = control_groups
        self._root = os.path.join(state_dir, "attempts")
        self._daemon_file = daemon_file or os.path.join(state_dir, IDENTITY_FILE)
        self._clock = clock
        self._base_environment = dict(base_environment)
        self._kill_grace_s = kill_grace_s
        self._orphan_grace_s = orphan_grace_s
        self._live: dict[tuple[GoalUid, AttemptId], SystemAttempt] = {}
        self._children: dict[int, subprocess.Popen[bytes] | None] = {}
        """Shims to reap; None for one that was started before this process image (execv keeps the children)."""
        self._spawn_gate = anyio.CapacityLimiter(SPAWNS_AT_ONCE_MAX)
        self._threads = anyio.CapacityLimiter(THREADS_MAX)

    def write_identity(self) -> None:
        """Say who the daemon is, so that running shims are orphans no longer. Raises OSError."""
        me = os.getpid()
        identity = {"pid": me, "start_time": proctree.start_time(me), "boot_id": proctree.boot_id()}
        folder, name = os.path.split(self._daemon_file)
        protocol.write_durably(folder, name, identity)

    async def start(self, order: AttemptOrder) -> SystemAttempt:
        """Start the attempt under a shim; returns once it is claimed, or with what kept it from starting.

        Cancelled before the shim is spawned, nothing runs and `recover` answers never started; after that it is
        not cancelled any more.
        """
        assert order.argv, "an order says what to run"
        key = (order.uid, order.attempt_id)
        assert key not in self._live, f"attempt {order.attempt_id} was started twice"
        self.reap()
        try:
            secret = await anyio.to_thread.run_sync(
                resolved, order.secrets, self._base_environment, limiter=self._threads
            )
        except SecretMissing as missing:
            return self._not_started(order, str(missing), cause=Cause.CREDENTIAL_MISSING)
        env = build_environment(
            self._base_environment,
            path=order.path,
            extra={**order.env, **secret},
            names=order.env_names,
            marker=(protocol.MARKER, order.attempt_id),
        )
        folder = folder_of(self._root, order.uid, order.attempt_id)
        refused = _unspeakable(order, env)
        if refused is not None:
            return self._not_started(order, refused)
        gone = await anyio.to_thread.run_sync(absent_home, order.config_homes, env, limiter=self._threads)
        if gone is not None:
            reason = f"{gone} names a folder that is not there: {env[gone]}"
            return self._not_started(order, reason, cause=Cause.CONFIG_HOME_MISSING)
        found = await self._resolve(order, path=env["PATH"])
        if isinstance(found, Refusal):
            reason = f"{found.reason} (in {order.cwd}, PATH {env['PATH']})"
            return self._not_started(order, reason, is_passing=found.code == TRANSIENT)
        executable = found.executable
        if order.confinement is not None:
            assert self._sandbox is not None, "whoever orders confinement has a sandbox"
            line = self._sandbox.wrap((executable, *order.argv[1:]), order.confinement, cwd=order.cwd)
            executable, order = line[0], msgspec.structs.replace(order, argv=line)
        make = partial(
            prepare,
            folder,
            order,
            executable=executable,
            daemon_file=self._daemon_file,
            kill_grace_s=self._kill_grace_s,
            orphan_grace_s=self._orphan_grace_s,
            control_group=self._control_groups.of_attempt(order.attempt_id) if self._control_groups else None,
        )
        try:
            await anyio.to_thread.run_sync(make, limiter=self._threads)
        except FileExistsError:
            raise AssertionError(f"attempt {order.attempt_id} was ordered before") from None
        except OSError as error:
            return self._not_started(
                order, f"cannot prepare the attempt: {error}", is_passing=_is_passing(error)
            )
        async with self._spawn_gate:
            return await self._spawn(order, folder, env)

    async def recover(self, uid: GoalUid, attempt_id: AttemptId) -> SystemAttempt:
        """Take over an attempt: the one that runs here, else what its folder tells; `wait` says which of the four."""
        attempt = self._live.get((uid, attempt_id))
        if attempt is not None:
            return attempt
        self.reap()
        attempt = self._attempt(uid, attempt_id)
        self._live[(uid, attempt_id)] = attempt
        await attempt.inspect()
        if attempt.shim is not None and proctree.parent(attempt.shim.pid) == os.getpid():
            self._children.setdefault(attempt.shim.pid, None)
        return attempt

    async def read_log(
        self, uid: GoalUid, attempt_id: AttemptId, *, stream: str, offset: int
    ) -> tuple[bytes, int, int]:
        """See the port. At most 1 MiB a call and never across a gap: read on until nothing comes."""
        assert stream in protocol.STREAMS, f"no such stream: {stream}"
        folder = folder_of(self._root, uid, attempt_id)
        return await anyio.to_thread.run_sync(logs.read_log, folder, stream, offset, limiter=self._threads)

    def reap(self) -> None:
        """Take the exit status of every shim that ended; never waits, and takes nobody else's child."""
        for pid, popen in list(self._children.items()):
            if popen.poll() is not None if popen is not None else _is_reaped(pid):
                del self._children[pid]

    async def sweep_leftovers(self, known: Collection[AttemptId] | None = None) -> tuple[int, ...]:
        """Kill what attempts of this state folder left behind and nobody will recover; the pids found.

        Call it at start, before goals recover. Products are never touched. An attempt that is `known` (its act is open
        in the journal) is left to `recover`; without `known`, everything that still runs is.
        """
        return await anyio.to_thread.run_sync(partial(self._sweep, known), limiter=self._threads)

    async def discard(self, uid: GoalUid, *, keep: int = ATTEMPTS_KEPT) -> int:
        """Remove the oldest attempt folders of an incarnation beyond `keep`, never one whose shim lives."""
        return await anyio.to_thread.run_sync(
            partial(
                attempt_folder.discard_old, self._root, uid, keep=keep, removals_max=DISCARDS_PER_CALL_MAX
            ),
            limiter=self._threads,
        )

    async def _resolve(self, order: AttemptOrder, *, path: str) -> Runnable | Refusal:
        """Look in a thread, and give up on a disk that does not answer."""
        with anyio.move_on_after(RESOLVE_S):
            lookup = partial(resolve, order.argv[0], cwd=order.cwd, path=path)
            # A thread of its own: one that hangs must not take a slot from those that end attempts.
            return await anyio.to_thread.run_sync(
                lookup, limiter=anyio.CapacityLimiter(1), abandon_on_cancel=True
            )
        return Refusal(code=TRANSIENT, reason=f"the disk does not answer: {order.cwd}")

    async def _spawn(self, order: AttemptOrder, folder: str, env: Mapping[str, str]) -> SystemAttempt:
        """Start the shim and see it claim the attempt, or end."""
        try:
            popen, done_read = _start_shim(folder, env)
        except (OSError, ValueError) as error:
            reason = f"cannot start the shim of {order.argv[0]}: {error}"
            return self._not_started(order, reason, is_passing=_is_passing(error))
        self._children[popen.pid] = popen
        attempt = self._attempt(order.uid, order.attempt_id)
        self._live[(order.uid, order.attempt_id)] = attempt
        attempt.follow(popen.pid, done_fd=done_read)
        with anyio.CancelScope(shield=True):
            await attempt.until_claimed()
        return attempt

    def _attempt(self, uid: GoalUid, attempt_id: AttemptId) -> SystemAttempt:
        return SystemAttempt(
            folder_of(self._root, uid, attempt_id),
            attempt_id,
            clock=self._clock,
            threads=self._threads,
            on_end=lambda: self._ended(uid, attempt_id),
        )

    def _ended(self, uid: GoalUid, attempt_id: AttemptId) -> None:
        self._live.pop((uid, attempt_id), None)
        self.reap()

    def _not_started(
        self, order: AttemptOrder, reason: str, *, is_passing: bool = False, cause: Cause | None = None
    ) -> SystemAttempt:
        """An attempt that ended before it ran; where the machine lacked something it is none, and is tried again."""
        attempt = self._attempt(order.uid, order.attempt_id)
        ending = "never_started" if is_passing else "not_started"
        attempt.result = AttemptResult(
            ending=ending, reason=reason, ended_s=self._clock.now().boot_s, cause=cause
        )
        return attempt

    def _sweep(self, known: Collection[AttemptId] | None) -> tuple[int, ...]:
        ours = {attempt_id: folder for _, attempt_id, folder in attempt_folder.folders(self._root)}
        swept: set[int] = set()
        marked = proctree.marked_by_prefix(protocol.MARKER, "")
        for attempt_id in sorted({AttemptId(value) for value in marked.values()} & ours.keys()):
            folder = ours[attempt_id]
            try:
                found = look(folder)
            except OSError:
                continue  # recovery asks again, and the next start sweeps again
            may_run = found.state in (UNCLAIMED, protocol.RUNNING)
            is_adopted = (may_run if known is None else attempt_id in known) and found.state != protocol.ENDED
            for pid in (pid for pid, value in marked.items() if value == attempt_id):
                if proctree.parent(pid) == os.getpid():
                    self._children.setdefault(pid, None)
            if is_adopted or attempt_folder.is_product(folder, found):
                continue
            swept |= {pid for pid, value in marked.items() if value == attempt_id}
            end_tree(attempt_id, folder=folder)
        return tuple(sorted(swept))


def _start_shim(folder: str, env: Mapping[str, str]) -> tuple["subprocess.Popen[bytes]", int]:
    """Start the shim with the child's environment; the process, and the end of the pipe that says when it is over."""
    done_read, done_write = os.pipe()
    try:
        return _spawn_shim(folder, done_write, env), done_read
    except BaseException:
        os.close(done_read)
        raise
    finally:
        os.close(done_write)


def _spawn_shim(folder: str, done_write: int, env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    stderr = os.open(os.path.join(folder, attempt_folder.SHIM_STDERR), flags, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", SHIM_PROGRAM, folder, str(done_write)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd="/",
            env=env,
            start_new_session=True,
            pass_fds=(done_write,),
        )
    finally:
        os.close(stderr)


def _unspeakable(order: AttemptOrder, env: Mapping[str, str]) -> str | None:
    """Why no command line can carry this order: a NUL or half a surrogate pair in an argument or a variable."""
    for text in (*order.argv, order.cwd, *env, *env.values()):
        try:
            if b"\0" in os.fsencode(text):
                return "a command line cannot carry a NUL"
        except UnicodeEncodeError:
            return "a command line cannot carry half a surrogate pair"
    return None


def _is_reaped(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is not None
    except ChildProcessError:
        return True


def _is_passing(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in PASSING
