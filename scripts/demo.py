"""The main job on a real service, from nothing to nothing: `make demo`.

Creates a git repository with a small HTTP service, starts a kazid of its own in a temporary folder, submits a standing
goal, and shows: converged from red; the service killed with -9 and repaired; its config edited by hand and put back.
Exit 0 only if all of it really happened and nothing is left running.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "scripts" / "demo_project"
BIN = Path(sys.executable).parent
REF = "demo-service"
STEP_S_MAX = 60.0
GIT_IDENTITY = {
    "GIT_AUTHOR_NAME": "demo",
    "GIT_AUTHOR_EMAIL": "demo@localhost",
    "GIT_COMMITTER_NAME": "demo",
    "GIT_COMMITTER_EMAIL": "demo@localhost",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


class DemoFailed(Exception):
    """Something that should have happened did not."""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="kazid-demo-") as folder:
        base = Path(folder)
        port = free_port()
        goal_file = make_project(base / "service", port)
        say(f"a git repository with a service, its tests and its declared config: {base / 'service'}")
        with Daemon(base) as daemon:
            try:
                play(daemon, goal_file, port)
            finally:
                end_service(base / "service")
        left = processes_of(base)
        if left:
            raise DemoFailed(f"processes are left running: {left}")
        say("nothing is left running")
    say("all of it happened")
    return 0


def play(daemon: "Daemon", goal_file: Path, port: int) -> None:
    say("the service is down, the tests are red; submitting the goal")
    started = time.monotonic()
    run = daemon.kazictl("apply", str(goal_file), timeout_s=STEP_S_MAX, is_shown=True)
    if run.returncode != 0:
        raise DemoFailed(f"apply ended with {run.returncode}: {run.stderr}")
    say(f"converged from red in {time.monotonic() - started:.1f} s: livez says {livez(port)!r}")

    pid = int((goal_file.parent / "service.pid").read_text())
    say(f"killing the service with -9 (pid {pid})")
    drift(daemon, port, "livez", lambda: os.kill(pid, signal.SIGKILL))
    if livez(port) != "ok" or int((goal_file.parent / "service.pid").read_text()) == pid:
        raise DemoFailed("the service was not replaced")

    config = goal_file.parent / "service.conf"
    declared = config.read_text()
    say("editing the config by hand")
    drift(daemon, port, "config", lambda: config.write_text("[service]\ngreeting = gotcha\n"))
    if config.read_text() != declared:
        raise DemoFailed("the config was not put back")

    daemon.kazictl("status", REF, is_shown=True)
    daemon.kazictl("delete", REF)


def drift(daemon: "Daemon", port: int, predicate_id: str, harm: Callable[[], object]) -> None:
    """Do harm, then wait until kazid noticed it, repaired it and saw it green again; says how long each took."""
    offset = daemon.events(after=0)[-1]["offset"]
    began = time.time()
    harm()
    noticed = repaired = None
    deadline = time.monotonic() + STEP_S_MAX
    while repaired is None:
        if time.monotonic() > deadline:
            raise DemoFailed(f"{predicate_id} was not repaired within {STEP_S_MAX:.0f} s")
        for item in daemon.events(after=offset):
            offset = item["offset"]
            body = item["event"]
            if item["type"] == "episode.opened" and predicate_id in body.get("red", ()):
                noticed = item["at"] - began
            if item["type"] == "episode.closed":
                repaired = item["at"] - began
        time.sleep(0.05)
    if noticed is None:
        raise DemoFailed(f"{predicate_id} was repaired without having been noticed")
    say(
        f"drift of {predicate_id}: noticed after {noticed:.1f} s, repaired and verified after {repaired:.1f} s"
    )


class Daemon:
    """A kazid of our own, with state and socket in the demo's folder."""

    def __init__(self, base: Path) -> None:
        self.state_dir = base / "state"
        self.socket = base / "kazid.sock"
        self.log = base / "kazid.log"

    def __enter__(self) -> "Daemon":
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BIN / "kazid", "--state-dir", self.state_dir, "--socket", self.socket],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        deadline = time.monotonic() + 15
        while self.kazictl("info", "--json").returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise DemoFailed(f"kazid did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        say(f"kazid runs (pid {self.process.pid})")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise DemoFailed("kazid did not stop within 30 s") from None
        if self.process.returncode != 0:
            raise DemoFailed(f"kazid ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")

    def events(self, *, after: int) -> list[dict[str, Any]]:
        document = json.loads(self.kazictl("events", REF, "--after", str(after), "--json").stdout)
        return list(document["events"])

    def kazictl(
        self, *arguments: str, timeout_s: float = 15.0, is_shown: bool = False
    ) -> "subprocess.CompletedProcess[str]":
        command = [str(BIN / "kazictl"), *arguments, "--socket", str(self.socket)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        if is_shown:
            print(f"    $ kazictl {' '.join(arguments)}")
            print("".join(f"    {line}\n" for line in run.stdout.splitlines()), end="", flush=True)
        return run


def make_project(folder: Path, port: int) -> Path:
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "gitignore").rename(folder / ".gitignore")
    goal_file = folder / "service.goal.toml"
    goal_file.write_text(goal_file.read_text().replace("PORT", str(port)))
    environment = {**os.environ, **GIT_IDENTITY}
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["commit", "-q", "-m", "a service and its declared state"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, env=environment)
    return goal_file


def livez(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as reply:
            return str(reply.read().decode())
    except (urllib.error.URLError, OSError) as error:
        raise DemoFailed(f"/livez does not answer: {error}") from error


def end_service(folder: Path) -> None:
    """The service is the goal's product, not kazid's to stop: the demo started the story, it ends it."""
    pid_file = folder / "service.pid"
    if pid_file.exists():
        pid = int(pid_file.read_text())
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)


def processes_of(base: Path) -> list[int]:
    """Processes whose working folder or environment points into the demo's folder, after a moment to go."""
    deadline = time.monotonic() + 5
    while (left := _processes_of(base)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _processes_of(base: Path) -> list[int]:
    needle, found = str(base), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if os.readlink(entry / "cwd").startswith(needle) or needle in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DemoFailed as failure:
        print(f"demo failed: {failure}", file=sys.stderr)
        sys.exit(1)
