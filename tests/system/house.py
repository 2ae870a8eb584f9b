"""A real kazid in a folder of its own, and what a test may do to it: talk, kill -9, restart, look for leftovers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_S = 60.0
STOP_S = 40.0


def eventually(claim: Callable[[], Any], *, within_s: float, what: str) -> Any:
    """What `claim` answers once it is truthy; fails with `what` at the deadline."""
    deadline = time.monotonic() + within_s
    while True:
        answer = claim()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


class RealDaemon:
    """State and socket outlive the process, as they do in life."""

    def __init__(self, base: Path, *, environment: dict[str, str] | None = None) -> None:
        self.base = base
        self.state_dir = base / "state"
        self.socket = base / "s"
        self.log = base / "kazid.log"
        self.environment = {**_clean_environment(base), **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, is_awaited: bool = True) -> "RealDaemon":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BIN / "kazid", "--state-dir", self.state_dir, "--socket", self.socket],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self.environment,
                cwd=self.base,
            )
        if is_awaited:
            eventually(self.is_listening, within_s=START_S, what=f"kazid listens; its log: {self.log_tail()}")
        return self

    def is_listening(self) -> bool:
        assert self.process is None or self.process.poll() is None, f"kazid ended: {self.log_tail()}"
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                probe.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                return probe.recv(64).startswith(b"HTTP/1.1 200")
            except OSError:
                return False

    def kill9(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, *, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"kazid did not stop within {STOP_S} s: {self.log_tail()}") from None

    def kazictl(
        self, *arguments: str, cwd: Path | None = None, timeout_s: float = 60.0
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [BIN / "kazictl", *arguments, "--socket", self.socket],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=self.environment,
            cwd=cwd or self.base,
            check=False,
        )

    def json(self, *arguments: str, timeout_s: float = 60.0) -> Any:
        run = self.kazictl(*arguments, "--json", timeout_s=timeout_s)
        assert run.stdout, f"{arguments}: {run.stderr}"
        return json.loads(run.stdout)

    def apply(self, goal_file: Path, *arguments: str, timeout_s: float = 60.0) -> Any:
        return self.json("apply", str(goal_file), *arguments, timeout_s=timeout_s)

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        return list(self.json("events", *arguments)["events"])

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def leftovers(self) -> dict[int, str]:
        """Processes other than the daemon that live in, or were started from, this folder.

        One without a command line is at its end: the kernel has taken its memory, and it can do nothing any more.
        """
        needle, found = str(self.base), {}
        mine = {os.getpid(), self.process.pid if self.process and self.process.poll() is None else -1}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in mine:
                continue
            try:
                status = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if (
                    line
                    and status not in "ZX"
                    and (needle in line or os.readlink(entry / "cwd").startswith(needle))
                ):
                    found[int(entry.name)] = line
            except OSError:
                continue
        return found

    def leftovers_but_looks(self, look: str) -> dict[int, str]:
        """Likewise without a look under way, which until it runs its own program has the daemon's command line."""
        assert self.process is not None
        own = Path(f"/proc/{self.process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return {
            pid: line for pid, line in self.leftovers().items() if line.strip() not in (own.strip(), look)
        }

    def executors(self) -> dict[int, str]:
        """Those of them that are part of an attempt; a look may be under way whatever is suspended."""
        return {pid: line for pid, line in self.leftovers().items() if _is_of_an_attempt(pid)}

    def end_everything(self) -> None:
        """Whatever a failed test left: only processes of this folder, by their id."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for _ in range(3):
            for pid in self.leftovers():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.05)


def _is_of_an_attempt(pid: int) -> bool:
    try:
        return b"KAZI_ATTEMPT=" in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _clean_environment(base: Path) -> dict[str, str]:
    kept = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "TZ") if k in os.environ}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "XDG_STATE_HOME": str(base / "xdg"), "NO_COLOR": "1"}


def write_goal(folder: Path, text: str, *, name: str = "goal.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
