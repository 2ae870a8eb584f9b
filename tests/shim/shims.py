"""Real shims for tests: started as the daemon starts them, watched through the same files and the same pipe."""

import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kazid.shim import logs, proctree, protocol

PROGRAM = Path(protocol.__file__).with_name("attempt.py")
WAIT_S = 60.0
LOG_BYTES_MAX = 64 * 1024

_numbers = itertools.count(1)


def until(condition: Callable[[], object], *, within_s: float = WAIT_S) -> None:
    """Wait for a condition, and fail when it does not come."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "the condition never came true"
        time.sleep(0.005)


def identity_of(pid: int) -> dict[str, object]:
    return {"pid": pid, "start_time": proctree.start_time(pid), "boot_id": proctree.boot_id()}


class Shim:
    """One attempt, from outside."""

    def __init__(self, folder: Path, attempt_id: str) -> None:
        self.folder = folder
        self.attempt_id = attempt_id
        self.popen: subprocess.Popen[bytes] | None = None
        self.done_fd = -1

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    def spawn(self, *, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()) -> "Shim":
        done_read, done_write = os.pipe()
        with (self.folder / "shim.stderr").open("ab") as stderr:
            self.popen = subprocess.Popen(
                [*prefix, sys.executable, "-I", "-S", str(PROGRAM), str(self.folder), str(done_write)],
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                env={"PATH": os.environ["PATH"], **(env or {}), protocol.MARKER: self.attempt_id},
                pass_fds=(done_write,),
                start_new_session=True,
            )
        os.close(done_write)
        self.done_fd = done_read
        return self

    def result(self, *, within_s: float = WAIT_S) -> dict[str, Any]:
        """Wait for the end of the done pipe, and read the result."""
        ready, _, _ = select.select([self.done_fd], [], [], within_s)
        assert ready, "no result in time"
        assert os.read(self.done_fd, 1) == b"", "nothing is ever written to it"
        record = protocol.read_record(str(self.folder), protocol.RESULT)
        assert record is not None, (self.folder / "shim.stderr").read_text()
        return record

    def wait(self, *, within_s: float = WAIT_S) -> int:
        """Wait for the shim itself."""
        assert self.popen is not None
        return self.popen.wait(within_s)

    def cancel(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def log(self, stream: str = "stdout") -> bytes:
        """All of a log, with a mark where something was omitted."""
        parts: list[bytes] = []
        offset = 0
        while True:
            data, offset, omitted = logs.read_log(str(self.folder), stream, offset)
            if omitted:
                parts.append(b"[%d omitted]" % omitted)
            if not data:
                return b"".join(parts)
            parts.append(data)

    def until_printed(self, text: bytes, stream: str = "stdout") -> None:
        until(lambda: text in self.log(stream))

    def marked(self) -> list[int]:
        """Processes of the attempt, the shim among them while it lives."""
        return proctree.marked(protocol.MARKER, self.attempt_id)

    def printed_pid(self) -> int:
        """The pid that the command printed on a line of its own."""
        self.until_printed(b"\n")
        return int(self.log().split()[0])


class Shims:
    """Makes attempts in a folder of the test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir()
        self.daemon_file = root / "daemon.json"
        self.be_daemon(os.getpid())
        self._made: list[Shim] = []

    def be_daemon(self, pid: int) -> None:
        """Say that this process is the daemon."""
        protocol.write_durably(str(self.root), self.daemon_file.name, identity_of(pid))

    def prepare(self, *argv: str, **request: Any) -> Shim:
        """Write a request; nothing is started."""
        attempt_id = f"test-{os.getpid()}-{next(_numbers)}"
        folder = self.root / attempt_id
        folder.mkdir(mode=0o700)
        record: dict[str, Any] = {
            "version": protocol.VERSION,
            "attempt_id": attempt_id,
            "argv": argv,
            "cwd": str(self.root),
            "stdin": None,
            "idle_timeout_s": None,
            "total_timeout_s": 60.0,
            "grace_s": 5.0,
            "keep_on_success": False,
            "log_bytes_max": LOG_BYTES_MAX,
            "daemon_file": str(self.daemon_file),
            "orphan_grace_s": 600.0,
        } | request
        (folder / protocol.REQUEST).write_text(json.dumps(record))
        shim = Shim(folder, attempt_id)
        self._made.append(shim)
        return shim

    def run(self, *argv: str, env: Mapping[str, str] | None = None, **request: Any) -> Shim:
        return self.prepare(*argv, **request).spawn(env=env)

    def shell(self, script: str, *, env: Mapping[str, str] | None = None, **request: Any) -> Shim:
        return self.run("/bin/sh", "-c", script, env=env, **request)

    def python(self, script: str, *, env: Mapping[str, str] | None = None, **request: Any) -> Shim:
        return self.run(sys.executable, "-u", "-c", script, env=env, **request)

    def end_all(self) -> None:
        """End whatever a test left running."""
        for shim in self._made:
            if shim.popen is not None:
                shim.popen.kill()
                shim.popen.wait()
                os.close(shim.done_fd)
            left = proctree.kill_tree(shim.marked, grace_s=0.0)
            assert left == []
