"""Fixtures: a fake daemon on a short socket path, and `kazictl` as a real process or in this one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kazictl.fake_daemon import FakeDaemon

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 30


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder whose path is short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="kz"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def daemon(folder: Path) -> Iterator[FakeDaemon]:
    fake = FakeDaemon(str(folder / "s"))
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """Nothing of the person who runs the tests."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


Kazictl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kazictl(daemon: FakeDaemon, environment: dict[str, str], folder: Path) -> Kazictl:
    """Run a real kazictl against the fake daemon."""

    def run(*arguments: str, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kazictl", *arguments],
            env={**environment, "KAZI_SOCKET": daemon.path, **extra},
            cwd=cwd or folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    return run


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(daemon: FakeDaemon, environment: dict[str, str], folder: Path) -> Iterator[Start]:
    """Start a real kazictl that will be interrupted; whatever happens, none is left over."""
    processes: list[subprocess.Popen[str]] = []

    def begin(
        *arguments: str, stdout: int = subprocess.PIPE, terminal: str = "xterm"
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "kazictl", *arguments],
            env={**environment, "KAZI_SOCKET": daemon.path, "TERM": terminal},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    # A test run in the background has SIGINT ignored, and so would everything it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield begin
    signal.signal(signal.SIGINT, before)
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def goal_file(folder: Path) -> Path:
    path = folder / "goal.toml"
    path.write_text('id = "web"\n')
    return path


def one_document(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The document on stdout, which holds nothing else, and says the exit code that the process had."""
    told: dict[str, Any] = json.loads(finished.stdout)
    assert finished.stdout.endswith("}\n")
    assert told.get("exit_code", finished.returncode) == finished.returncode
    return told
