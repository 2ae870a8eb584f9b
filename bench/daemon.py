"""A kazid of the bench's own, and what it costs: started in a folder, talked to over its socket, ended by pid.

CPU and memory are read from /proc, from outside: what the operator's `top` would say.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from typing_extensions import override

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
START_S_MAX = 120.0
STOP_S_MAX = 60.0
REPLY_S_MAX = 60.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class BenchFailed(Exception):
    """What should have run did not; the figures would be of something else."""


class Daemon:
    """One kazid: state, socket and log in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        program: Sequence[str | Path] = (BIN / "kazid",),
        env: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.state_dir = folder / "state"
        self.socket = folder / "s"
        self.log = folder / "kazid.log"
        self._program = program
        self._env = env or {}
        self.ready_s = 0.0
        """From exec to the first answer: every goal is loaded."""

    def __enter__(self) -> Self:
        self.start()
        try:
            self.await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, without waiting."""
        self._began_s = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._program, "--state-dir", self.state_dir, "--socket", self.socket],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "NO_COLOR": "1", **self._env},
                cwd=self.folder,
            )
        self.pid = self.process.pid

    def await_ready(self) -> None:
        """Wait for the first answer. Raises BenchFailed."""
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() - self._began_s > START_S_MAX:
                raise BenchFailed(f"kazid did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        self.ready_s = time.monotonic() - self._began_s

    def stop(self) -> float:
        """End it and say how long that took; a kazid that does not end is killed."""
        began_s = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - began_s

    def kazictl(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        """Run a verb that has to succeed, with the bench's own environment unless another is given."""
        run = subprocess.run(
            [BIN / "kazictl", *arguments, "--socket", self.socket],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise BenchFailed(f"kazictl {' '.join(arguments)}: {run.stderr or run.stdout}")

    def apply(self, name: str, goal_file: str) -> None:
        """Store a standing goal and do not wait for it."""
        path = self.folder / f"{name}.goal.toml"
        path.write_text(goal_file)
        self.kazictl("apply", str(path), "--detach", "--allow-vacuous")

    def get(self, path: str) -> bytes:
        """A GET's body. Raises OSError, or BenchFailed at another status than 200."""
        connection = _UnixConnection(self.socket)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            body = reply.read()
            if reply.status != 200:
                raise BenchFailed(f"GET {path}: {reply.status} {body[:200]!r}")
            return body
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """Families without labels, by name."""
        lines = self.get("/metrics").decode().splitlines()
        pairs = [line.split(" ") for line in lines if not line.startswith("#") and "{" not in line]
        return {name: float(value) for name, value in pairs}

    def events(self, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """The journal from an offset to its present end."""
        for line in self.get(f"/v1/events?after={after}").splitlines():
            item = json.loads(line)
            if "event" in item:
                yield item

    def follow(self) -> Iterator[dict[str, Any]]:
        """Events as they come, until the daemon ends."""
        connection = _UnixConnection(self.socket)
        try:
            connection.request("GET", "/v1/events?after=0&follow=true")
            for line in connection.getresponse():
                item = json.loads(line)
                if "event" in item:
                    yield item
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def cpu_s(self) -> float:
        """CPU seconds of the process itself, so far; its children apart."""
        return cpu_s(self.pid)

    def rss_bytes(self) -> int:
        """Resident memory now."""
        return rss_bytes(self.pid)

    def _answers(self) -> bool:
        try:
            return bool(self.get("/healthz"))
        except OSError:
            return False


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("kazid", timeout=REPLY_S_MAX)
        self._path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, user and system, all of its threads; its children apart."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise BenchFailed(f"no VmRSS for pid {pid}")


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
