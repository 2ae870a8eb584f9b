"""The parent of one executor attempt: it outlives the daemon, and nothing the attempt starts outlives it by accident.

Run by path, stdlib only: `python -I -S attempt.py FOLDER DONE_FD`. Its environment is the child's, so secrets never touch
the disk. It claims the attempt before it runs anything, enforces the idle and the total deadline, drains both streams into
bounded, redacted logs, ends the whole tree where it must (verified), writes the result durably, and closes DONE_FD. What a
successful remedy leaves running is its product: the shim then stays as its log drain and signals nothing.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import proctree  # type: ignore[import-not-found]  # noqa: E402 - by path: -I leaves our folder out
import protocol  # type: ignore[import-not-found]  # noqa: E402
from logs import LogWriter  # type: ignore[import-not-found]  # noqa: E402
from redaction import redact_bytes, secret_values  # type: ignore[import-not-found]  # noqa: E402

PR_SET_CHILD_SUBREAPER = 36
READ_BYTES = 256 * 1024
TICK_S = 1.0
PARTIAL_LINE_S = 0.2
"""A line without an end is written after this long, so that a follower sees a prompt."""
DRAIN_S = 0.2
"""After the end, how long output that is still in the pipes is waited for."""
RETRY_S_MAX = 5.0

EXITED, SIGNALED, CANCELLED = "exited", "signaled", "cancelled"
IDLE_TIMEOUT, TOTAL_TIMEOUT, ORPHANED, NOT_STARTED = "idle_timeout", "total_timeout", "orphaned", "not_started"


def now_s() -> float:
    """Boot time: it counts suspend, and no clock change moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Shim:
    """One attempt from its claim to its result."""

    def __init__(self, folder: str, request: dict[str, Any]) -> None:
        self.folder = folder
        self.request = request
        self.attempt_id = str(request["attempt_id"])
        self.child: int | None = None
        self.status: int | None = None
        self.wants_cancel = False
        self.started_s = now_s()
        self.output_s = self.started_s
        self.orphan_since_s: float | None = None
        secrets = secret_values(os.environ)
        bytes_max = int(request["log_bytes_max"])
        self.writers: dict[int, LogWriter] = {}
        self.logs = {
            name: LogWriter(folder, name, bytes_max=bytes_max, redact=lambda data: redact_bytes(data, secrets))
            for name in ("stdout", "stderr")
        }
        self.wakeup_read, self.wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> dict[str, Any]:
        """The attempt's result; when this returns, all that must be gone is gone."""
        self._listen_to_signals()
        reason = self._spawn()
        if reason is not None:
            return self._result(NOT_STARTED, reason=reason)
        ending = self._watch()
        if ending in (EXITED, SIGNALED) and self._is_product():
            self._drain(DRAIN_S)
            return self._result(ending)
        # a child that is already reaped by here is not in the tree; the rest of its tree is found all the same
        grace_s = float(self.request["grace_s"]) if ending not in (EXITED, SIGNALED) else 0.5
        survivors = proctree.kill_tree(self._tree, grace_s=grace_s, reap=self._reap_and_read)
        self._drain(DRAIN_S)
        return self._result(ending, survivors=survivors)

    def drain_for_ever(self) -> None:
        """Be the log drain of a product until it closes its streams. Signals nothing, and is not to be told to."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while self.writers:
            self._read_ready(timeout_s=PARTIAL_LINE_S if self._has_partial() else None)
            self._reap()

    # --- starting ---------------------------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.set_wakeup_fd(self.wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _on_term(self, *_: object) -> None:
        self.wants_cancel = True

    def _spawn(self) -> str | None:
        """Start the child in a session of its own; why it could not be, None when it runs."""
        argv = [str(a) for a in self.request["argv"]]
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        stdin_name = self.request.get("stdin")
        stdin_path = os.devnull if stdin_name is None else os.path.join(self.folder, str(stdin_name))
        try:
            os.chdir(str(self.request["cwd"]))
            stdin_fd = os.open(stdin_path, os.O_RDONLY | os.O_CLOEXEC)
            self.child = os.posix_spawn(
                argv[0],
                argv,
                {**os.environ, protocol.MARKER: self.attempt_id},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, stdin_fd, 0),
                    (os.POSIX_SPAWN_DUP2, out_write, 1),
                    (os.POSIX_SPAWN_DUP2, err_write, 2),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGXFSZ],
            )
        except OSError as error:
            return f"cannot start {argv[0]} in {self.request['cwd']}: {error.strerror}"
        os.close(stdin_fd)
        for fd, name in ((out_read, "stdout"), (err_read, "stderr")):
            os.set_blocking(fd, False)
            self.writers[fd] = self.logs[name]
        os.close(out_write)
        os.close(err_write)
        os.chdir("/")
        return None

    # --- watching ---------------------------------------------------------------------------------------------

    def _watch(self) -> str:
        """Drain and wait until the child ends or something ends it; how."""
        next_tick_s = now_s() + TICK_S
        while True:
            self._reap()
            if self.status is not None:
                return EXITED if os.WIFEXITED(self.status) else SIGNALED
            if self.wants_cancel:
                return CANCELLED
            now = now_s()
            if now >= next_tick_s:
                next_tick_s = now + TICK_S
                if self._is_orphaned(now):
                    return ORPHANED
            deadline_s, ending = self._deadline()
            if now >= deadline_s:
                return ending
            timeout_s = min(deadline_s, next_tick_s) - now
            if self._has_partial():
                timeout_s = min(timeout_s, PARTIAL_LINE_S)
            self._read_ready(timeout_s=max(0.0, timeout_s))

    def _deadline(self) -> tuple[float, str]:
        total_s = self.started_s + float(self.request["total_timeout_s"])
        idle = self.request.get("idle_timeout_s")
        if idle is not None and self.output_s + float(idle) < total_s:
            return self.output_s + float(idle), IDLE_TIMEOUT
        return total_s, TOTAL_TIMEOUT

    def _is_orphaned(self, now: float) -> bool:
        """True once no daemon has lived for the grace; a new daemon that rewrote the file re-adopts us."""
        if _daemon_lives(str(self.request["daemon_file"])):
            self.orphan_since_s = None
            return False
        if self.orphan_since_s is None:
            self.orphan_since_s = now
        return now - self.orphan_since_s >= float(self.request["orphan_grace_s"])

    def _read_ready(self, *, timeout_s: float | None) -> None:
        """Move what the pipes hold into the logs; wait at most this long for something to happen."""
        poll = select.poll()
        poll.register(self.wakeup_read, select.POLLIN)
        for fd in self.writers:
            poll.register(fd, select.POLLIN)
        ready = poll.poll(None if timeout_s is None else timeout_s * 1000)
        if not ready:
            for writer in self.logs.values():
                writer.flush()
        for fd, _ in ready:
            if fd == self.wakeup_read:
                _empty(fd)
            else:
                self._read(fd)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.output_s = now_s()
            self.writers[fd].feed(data)
            return
        self.writers.pop(fd).flush()
        os.close(fd)

    def _has_partial(self) -> bool:
        return any(writer.has_partial for writer in self.logs.values())

    def _drain(self, limit_s: float) -> None:
        """What is left in the pipes, for a moment: a straggler that holds them delays nobody."""
        deadline_s = now_s() + limit_s
        while self.writers and now_s() < deadline_s:
            self._read_ready(timeout_s=0.02)
        for writer in self.logs.values():
            writer.flush()

    # --- ending -----------------------------------------------------------------------------------------------

    def _is_product(self) -> bool:
        return bool(self.request["keep_on_success"]) and self.status is not None and self.status == 0

    def _tree(self) -> list[int]:
        """Every process of the attempt: our descendants (we are their subreaper) and whoever carries the marker."""
        return list({*proctree.descendants(os.getpid()), *proctree.marked(protocol.MARKER, self.attempt_id)})

    def _reap_and_read(self) -> None:
        self._reap()
        for fd in list(self.writers):
            self._read(fd)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.child:
                self.status = status

    def _result(self, ending: str, *, reason: str | None = None, survivors: list[int] | None = None) -> dict[str, Any]:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        exit_code = signal_number = None
        if self.status is not None:
            if os.WIFEXITED(self.status):
                exit_code = os.WEXITSTATUS(self.status)
            else:
                signal_number = os.WTERMSIG(self.status)
        ended_s = now_s()
        return {
            "version": protocol.VERSION,
            "attempt_id": self.attempt_id,
            "ended": ending,
            "exit_code": exit_code,
            "signal": signal_number,
            "started_boot_s": self.started_s,
            "ended_boot_s": ended_s,
            "duration_s": ended_s - self.started_s,
            "stdout_bytes": self.logs["stdout"].bytes_total,
            "stderr_bytes": self.logs["stderr"].bytes_total,
            "log_bytes_dropped": sum(w.bytes_dropped for w in self.logs.values()),
            "survivors": survivors or [],
            "reason": reason,
            "usage": {"cpu_s": used.ru_utime + used.ru_stime, "max_rss_bytes": used.ru_maxrss * 1024},
        }


def _daemon_lives(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            daemon = json.load(file)
        if daemon["boot_id"] != proctree.boot_id():
            return False
        return bool(proctree.is_alive(int(daemon["pid"]), int(daemon["start_time"])))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _empty(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        return


def _write_result(folder: str, result: dict[str, Any]) -> None:
    """Durably, however long the disk takes: without it the daemon would call the attempt killed."""
    delay_s = 0.1
    while True:
        try:
            protocol.write_durably(folder, protocol.RESULT, result)
        except OSError:
            if not os.path.isdir(folder):
                return  # the attempt was discarded; nobody waits for this
            time.sleep(delay_s)
            delay_s = min(delay_s * 2, RETRY_S_MAX)
        else:
            return


def main(folder: str, done_fd: int | None) -> None:
    """Claim, run, report, and stay only for a product's logs."""
    if done_fd is not None:
        os.set_inheritable(done_fd, False)
    if os.getsid(0) != os.getpid():
        os.setsid()
    me = {
        "version": protocol.VERSION,
        "pid": os.getpid(),
        "start_time": proctree.start_time(os.getpid()),
        "boot_id": proctree.boot_id(),
    }
    request = protocol.read_record(folder, protocol.REQUEST)
    if request is None or protocol.claim(folder, me) is None:
        return  # revoked before we came: run nothing
    if request.get("version") != protocol.VERSION:
        reason = f"request version {request.get('version')!r} is not {protocol.VERSION}"
        result = {"version": protocol.VERSION, "ended": NOT_STARTED, "reason": reason, "survivors": []}
        _write_result(folder, result)
        return
    shim = Shim(folder, request)
    result = shim.run()
    _write_result(folder, result)
    if done_fd is not None:
        os.close(done_fd)
    if shim.writers:
        shim.drain_for_ever()
    for writer in shim.logs.values():
        writer.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] != "-" else None)
