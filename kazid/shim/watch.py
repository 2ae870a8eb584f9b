"""One attempt from its start to its verified end: deadlines, cancellation, orphanhood, and whom to kill when.

One thread, one poll: pipes, signals and timers in turn; idle it wakes every few seconds. The shim is the subreaper of
all it starts, so "gone" is the kernel's own word: no child left to wait for. A command that exited 0 with
`keep_on_success` leaves a product: nothing is signalled, and the shim stays as its log drain. Writes logs, never the
result.
"""

import os
import select
import signal
import time

from kazid.shim import control_group, proctree, protocol
from kazid.shim.child import Child, become_subreaper
from kazid.shim.drain import Drain
from kazid.shim.logs import BoundedLog
from kazid.shim.order import Order
from kazid.shim.redaction import secret_values

TYPE_CHECKING = False
if TYPE_CHECKING:  # see protocol
    from typing import Any

DRAIN_S = 0.2
"""After the end, how long output is waited for: what was printed is in the pipe, and a straggler delays nobody."""

ORPHAN_CHECK_S = 5.0
"""How often the daemon is looked for. The grace is minutes; this is what an idle shim costs."""

_ENV_ERRORS = "surrogateescape"


def boot_s() -> float:
    """Boot time: it counts suspend, and no clock change moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Signals:
    """SIGTERM asks for the end, SIGCHLD wakes, SIGINT and SIGHUP mean nothing here."""

    def __init__(self) -> None:
        self._is_asked = False
        self.fd, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGCHLD, self._wake)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def was_asked_to_end(self) -> bool:
        """True once the end was asked for."""
        return self._is_asked

    def clear(self) -> None:
        """Take the wake-ups that came."""
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            return

    def _wake(self, *_: object) -> None:
        """Only a signal with a handler is written to the wake-up descriptor."""

    def _ask(self, *_: object) -> None:
        self._is_asked = True


class Watch:
    """Runs one order. `run` returns the result; `pump` goes on moving output for whoever is left."""

    def __init__(self, folder: str, order: Order, env: dict[bytes, bytes], signals: Signals) -> None:
        self._folder, self._order, self._signals = folder, order, signals
        self._env = {**env, protocol.MARKER.encode(): order.attempt_id.encode("utf-8", _ENV_ERRORS)}
        self._secrets = secret_values(
            {
                name.decode("utf-8", _ENV_ERRORS): value.decode("utf-8", _ENV_ERRORS)
                for name, value in env.items()
            }
        )
        self._poll = select.poll()
        self._poll.register(signals.fd, select.POLLIN)
        self._drains: dict[str, Drain] = {}
        self._child: Child | None = None
        self._status: int | None = None
        """What wait said of the command itself."""
        self._is_childless = False
        self._cpu_s, self._max_rss_bytes = 0.0, 0
        self._started_boot_s = boot_s()
        self._output_s = time.monotonic()
        self._orphaned_since_s: float | None = None

    @property
    def has_open_pipes(self) -> bool:
        """True while somebody may still print."""
        return any(drain.is_open for drain in self._drains.values())

    def run(self) -> "dict[str, Any]":
        """Run to the verified end and return the result; what a success left running is left alone."""
        order = self._order
        if self._signals.was_asked_to_end():
            return self._result(protocol.CANCELLED, reason="cancelled before it started")
        try:
            self._start()
        except OSError as error:
            return self._result(protocol.NOT_STARTED, reason=f"cannot start {order.argv[0]}: {error}")
        ending, reason = self._live()
        if ending == protocol.EXITED and self._status == 0 and order.keeps_on_success:
            self._drain_for(DRAIN_S)
            if not self._signals.was_asked_to_end():
                return self._result(ending)
            ending, reason = protocol.CANCELLED, "cancelled as it exited"
        survivors = self.end_tree(order.grace_s)
        self._drain_for(DRAIN_S)
        reason = reason or self._memory_used_up()
        if ending in (protocol.EXITED, protocol.SIGNALED):
            assert self._child is not None, "what ended was started"
            why = self._child.why_not_started()
            if why is not None:
                ending, reason, self._status = protocol.NOT_STARTED, why, None
        return self._result(ending, reason=reason, survivors=survivors)

    def pump(self, until_s: float | None) -> None:
        """Wait until something happens or this moment (monotonic), and take it in: output, ended children, signals."""
        for drain in self._drains.values():
            if drain.due_s is not None:
                until_s = drain.due_s if until_s is None else min(until_s, drain.due_s)
        timeout_ms = None if until_s is None else max(0.0, until_s - time.monotonic()) * 1000
        # Again where it came back empty: after a SIGSTOP it says so without having looked.
        ready = {fd for fd, _ in self._poll.poll(timeout_ms) or self._poll.poll(0)}
        if self._signals.fd in ready:
            self._signals.clear()
        now_s = time.monotonic()
        for drain in self._drains.values():
            if drain.fd in ready:
                self._read(drain, now_s)
            if drain.due_s is not None and drain.due_s <= now_s:
                drain.flush()
        self._reap()

    def end_tree(self, grace_s: float) -> list[int]:
        """End all of the attempt, TERM, grace, KILL, and verify; whom it could not end."""

        def pause(seconds: float) -> None:
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                self.pump(end_s)

        group = self._order.control_group
        survivors = proctree.kill_tree(
            self._find,
            grace_s=grace_s,
            reap=self._reap,
            pause=pause,
            kill_all=lambda: None if group is None else control_group.kill(group),
        )
        deadline_s = time.monotonic() + proctree.KILL_ROUNDS_MAX * proctree.ROUND_S
        while not survivors and not self._is_childless:
            # It forks faster than /proc is read; a child that was not waited for keeps its number.
            children = _children()
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline_s:
                return children
            self.pump(time.monotonic())
        return survivors

    def close(self) -> None:
        """Write what is left of the logs, and leave no empty group."""
        for drain in self._drains.values():
            drain.close()
        if self._order.control_group is not None:
            control_group.remove(self._order.control_group)

    def _start(self) -> None:
        """Fork the command between its pipes. Raises OSError; then nothing was started."""
        order = self._order
        become_subreaper()
        ours: list[int] = []
        theirs: list[int] = []
        try:
            theirs.append(self._open_stdin())
            for _ in protocol.STREAMS:
                read_end, write_end = os.pipe2(os.O_CLOEXEC)
                ours.append(read_end)
                theirs.append(write_end)
            stdin_fd, stdout_fd, stderr_fd = theirs
            self._started_boot_s = boot_s()
            self._child = Child(
                order.argv,
                cwd=order.cwd,
                env=self._env,
                stdin_fd=stdin_fd,
                stdout_fd=stdout_fd,
                stderr_fd=stderr_fd,
                limits=order.limits,
                group=order.control_group,
            )
        except OSError:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        for stream, fd in zip(protocol.STREAMS, ours, strict=True):
            log = BoundedLog(self._folder, stream, bytes_max=order.log_bytes_max)
            self._drains[stream] = Drain(fd, log, self._secrets)
            self._poll.register(fd, select.POLLIN)
        self._output_s = time.monotonic()

    def _open_stdin(self) -> int:
        """A file that ends by itself: an agent that waits for input would wait for ever."""
        if self._order.stdin is None:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        fd = protocol.open_regular(os.path.join(self._folder, self._order.stdin))
        os.set_blocking(fd, True)
        return fd

    def _live(self) -> tuple[str, str | None]:
        """Attend to the command until it ends or has to be ended; how, and why.

        Reads before it judges: an end or output that is there already wins over a deadline.
        """
        order = self._order
        check_s = min(ORPHAN_CHECK_S, order.orphan_grace_s / 4)
        next_check_s = time.monotonic() + check_s
        while True:
            if self._status is not None:
                return (protocol.EXITED if os.WIFEXITED(self._status) else protocol.SIGNALED), None
            if self._signals.was_asked_to_end():
                return protocol.CANCELLED, None
            now_s = time.monotonic()
            total_left_s = self._started_boot_s + order.total_timeout_s - boot_s()
            if total_left_s <= 0:
                return protocol.TOTAL_TIMEOUT, f"ran longer than {order.total_timeout_s:g} s"
            until_s = min(now_s + total_left_s, next_check_s)
            if order.idle_timeout_s is not None:
                # Not boot time: a command cannot have printed while the machine slept.
                idle_until_s = self._output_s + order.idle_timeout_s
                if now_s >= idle_until_s:
                    return protocol.IDLE_TIMEOUT, f"printed nothing for {order.idle_timeout_s:g} s"
                until_s = min(until_s, idle_until_s)
            if now_s >= next_check_s:
                next_check_s = now_s + check_s
                if self._is_orphaned(now_s):
                    return protocol.ORPHANED, f"no daemon for {order.orphan_grace_s:g} s"
            self.pump(min(until_s, next_check_s))

    def _is_orphaned(self, now_s: float) -> bool:
        """True once no daemon has lived for the grace; a new one that writes the file takes over."""
        folder, name = os.path.split(self._order.daemon_file)
        daemon = protocol.read_record(folder, name) or {}
        pid, started = daemon.get("pid"), daemon.get("start_time")
        is_this_boot = daemon.get("boot_id") == proctree.boot_id()
        if (
            is_this_boot
            and isinstance(pid, int)
            and isinstance(started, int)
            and proctree.is_alive(pid, started)
        ):
            self._orphaned_since_s = None
            return False
        if self._orphaned_since_s is None:
            self._orphaned_since_s = now_s
        return now_s - self._orphaned_since_s >= self._order.orphan_grace_s

    def _drain_for(self, seconds: float) -> None:
        """Take what is still in the pipes, for a moment."""
        end_s = time.monotonic() + seconds
        while self.has_open_pipes and time.monotonic() < end_s:
            self.pump(end_s)
        for drain in self._drains.values():
            if drain.is_open:
                drain.flush()

    def _read(self, drain: Drain, now_s: float) -> None:
        fd = drain.fd
        if drain.read(now_s):
            self._output_s = now_s
        if not drain.is_open:
            self._poll.unregister(fd)

    def _reap(self) -> None:
        """Wait for whoever ended, adopted orphans too, and count what they used."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._is_childless = True
                return
            self._is_childless = False
            if pid == 0:
                return
            self._cpu_s += used.ru_utime + used.ru_stime
            self._max_rss_bytes = max(self._max_rss_bytes, used.ru_maxrss * 1024)
            if self._child is not None and pid == self._child.pid:
                self._status = status

    def _find(self) -> list[int]:
        """Every process of the attempt: below us, or marked (by whoever was asked to start it elsewhere)."""
        group = self._order.control_group
        inside = [] if group is None else control_group.members(group)
        return [
            *proctree.descendants(os.getpid()),
            *proctree.marked(protocol.MARKER, self._order.attempt_id),
            *inside,
        ]

    def _memory_used_up(self) -> str | None:
        group = self._order.control_group
        killed = 0 if group is None else control_group.killed_for_memory(group)
        return f"its memory was used up: {killed} of its processes were killed" if killed else None

    def _result(
        self, ending: str, *, reason: str | None = None, survivors: list[int] | None = None
    ) -> "dict[str, Any]":
        """The record. Exit code and signal are told only where the command ended by itself."""
        status = self._status if ending in (protocol.EXITED, protocol.SIGNALED) else None
        ended_boot_s = boot_s()
        return {
            "version": protocol.VERSION,
            "attempt_id": self._order.attempt_id,
            "ended": ending,
            "exit_code": os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
            "started_boot_s": self._started_boot_s,
            "ended_boot_s": ended_boot_s,
            "duration_s": ended_boot_s - self._started_boot_s,
            "stdout_bytes": 0,
            "stderr_bytes": 0,
            **{f"{stream}_bytes": drain.bytes_total for stream, drain in self._drains.items()},
            "log_bytes_dropped": sum(drain.log.dropped_bytes for drain in self._drains.values()),
            "survivors": survivors or [],
            "reason": reason,
            "usage": {"cpu_s": self._cpu_s, "max_rss_bytes": self._max_rss_bytes},
        }


def _children() -> list[int]:
    """Our direct children, as the kernel lists them; empty where it was built without the list."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []
