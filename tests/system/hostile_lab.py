"""One daemon that lives through every hostility of a test module, beside a healthy goal that must never notice.

A module imports the fixtures `lab` and `only_lab`. Each of its cases ends with nothing running that it started.
The healthy goal looks once a second at a small HTTP server of the lab's own, a process by itself: its diary says when
the daemon really looked, whatever the daemon says of itself.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import Answer, UnixConnection, connected
from tests.system.house import RealDaemon, eventually, free_port, write_goal

GAP_S = 20.0
"""Between two looks of the healthy goal: its interval is 1 s, and the rest is for slow machines."""
MB = 1024 * 1024
GROWTH_BYTES_MAX = 60 * MB

SERVER = r"""
import asyncio, os, sys, time
from pathlib import Path

folder, diary = Path(os.environ["UP"]), open(os.environ["DIARY"], "a", buffering=1)

async def serve(reader, writer):
    try:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        diary.write(f"{time.monotonic()} {path}\n")
        if path.startswith("/hole"):
            await reader.read()
            return
        is_up = not path.startswith("/up/") or (folder / path[4:]).exists()
        status, body = ("200 OK", "ok") if is_up else ("503 Down", "down")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()

asyncio.run(main())
"""

HEALTHY = """
id = "healthy"
standing = true
[observe]
interval = "1s"
recheck = "500ms"
timeout = "5s"
[[predicate]]
id = "livez"
provider = "http_probe"
url = "URL/healthy"
expect_body = "ok"
"""


class Lab:
    """The daemon, its healthy goal, and what tests do to both."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.daemon = RealDaemon(base)
        self.kept = {"healthy"}
        """Goals that `clear` leaves."""
        self.known_pids: set[int] = set()
        """Processes that are no leftovers: a case of their own."""
        self.up = base / "up"
        self.up.mkdir()
        self._diary = base / "diary"
        self._diary.touch()
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.pid = 0
        self._server: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start the server, the daemon, and the healthy goal."""
        self._server = subprocess.Popen(
            [sys.executable, "-I", "-c", SERVER],
            cwd="/",
            env={"PORT": str(self._port), "UP": str(self.up), "DIARY": str(self._diary)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == b"ready\n"
        self.daemon.start()
        self.pid = int(self.daemon.json("info")["pid"])
        self.apply("healthy", HEALTHY.replace("URL", self.url))
        self.until(lambda: self.status("healthy")["status"] == "holding", "the healthy goal holds")

    def close(self) -> None:
        self.daemon.end_everything()
        if self._server is not None:
            self._server.communicate(timeout=60)  # it ends with its standard input

    # --- asking ---

    def ask(self, method: str, target: str, document: Any = None) -> Answer:
        """One request on a connection of its own."""
        connection = UnixConnection(self.daemon.socket, timeout_s=60.0)
        content = None if document is None else json.dumps(document).encode()
        try:
            connection.request(method, target, content)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def status(self, name: str) -> dict[str, Any]:
        return self.ask("GET", f"/v1/goals/@me/{name}").json

    def verdict(self, name: str) -> dict[str, Any]:
        """The first predicate of a goal, as it counts now."""
        return dict(self.status(name)["predicates"][0])

    def request(self, text: str, folder: Path) -> dict[str, Any]:
        return {
            "goal_file": text,
            "source_path": str(folder / "goal.toml"),
            "cwd": str(folder),
            "workspace": str(folder),
            "path": self.daemon.environment["PATH"],
        }

    def apply(self, name: str, text: str, *, folder: Path | None = None) -> dict[str, Any]:
        """Submit a goal from a folder of its own; what the daemon answered."""
        folder = folder or self.base / "w" / name
        write_goal(folder, text)
        request = self.request(text, folder)
        request["allow_vacuous"] = True  # hostile checks are made to be looked at, whatever they can say
        answer = self.ask("POST", "/v1/goals", request)
        assert answer.status in (200, 201), answer.body
        return answer.json

    def all_at_once(self, requests: Sequence[tuple[str, str, Any]]) -> list[tuple[int, dict[str, Any]]]:
        """Every request sent before the first reply is read."""
        peers = [connected(self.daemon.socket, timeout_s=60.0) for _ in requests]
        try:
            for peer, (method, target, document) in zip(peers, requests, strict=True):
                body = b"" if document is None else json.dumps(document).encode()
                peer.sendall(
                    f"{method} {target} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
                )
            return [_parsed(rest(peer)) for peer in peers]
        finally:
            for peer in peers:
                peer.close()

    def until(self, claim: Any, what: str, *, within_s: float = 60.0) -> Any:
        return eventually(claim, within_s=within_s, what=what)

    # --- what must go on ---

    def looks(self) -> list[float]:
        """When the daemon looked at the healthy service (monotonic)."""
        return [
            float(line.split()[0])
            for line in self._diary.read_text().splitlines()
            if line.endswith(" /healthy")
        ]

    @contextmanager
    def others_go_on(self) -> Iterator[None]:
        """Whatever is done in the block: the healthy goal is looked at throughout, and the daemon is the same."""
        began_s = time.monotonic()
        yield
        ended_s = time.monotonic()
        self.until(lambda: self.looks()[-1] > ended_s, "the healthy goal is looked at again", within_s=GAP_S)
        times = [began_s, *(t for t in self.looks() if t > began_s)]
        gap_s = max(b - a for a, b in itertools.pairwise(times))
        assert gap_s < GAP_S, f"the healthy goal was not looked at for {gap_s:.1f} s"
        self.until(lambda: self.status("healthy")["status"] == "holding", "the healthy goal holds")
        livez = self.verdict("healthy")
        assert time.time() - livez["observed_at"] < GAP_S
        assert self.daemon.json("info")["pid"] == self.pid, "the daemon lives"

    def assert_quiet_log(self) -> None:
        """What others do wrong is no failure of the daemon's."""
        text = self.daemon.log.read_text(errors="replace")
        for word in ("request.failed", "provider.raised", "child.restarted", "goal.parked", "Traceback"):
            assert word not in text, f"{word} in the log: {text[max(0, text.find(word) - 1000) :][:4000]}"

    def clear(self) -> None:
        """Back to the goals that are kept, and to no process but theirs."""
        rows = self.ask("GET", "/v1/goals?limit=500").json["goals"]
        names = [row["goal_id"] for row in rows if row["goal_id"] not in self.kept]
        for start in range(0, len(names), 100):
            piece = names[start : start + 100]
            self.all_at_once([("DELETE", f"/v1/goals/@me/{name}", None) for name in piece])
        self.until(lambda: not self.left(), f"nothing is left running: {self.left()}")

    def left(self) -> dict[int, str]:
        """Processes of the lab that nobody may have left."""
        return {p: line for p, line in self.daemon.leftovers().items() if p not in self.known_pids}

    # --- the daemon's process ---

    def rss_bytes(self) -> int:
        return self._memory("VmRSS")

    @contextmanager
    def bounded_memory(self) -> Iterator[None]:
        """The daemon's memory at its highest in the block is little above what it was before."""
        with suppress(OSError):  # not everywhere; then the peak is that of its whole life
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        before = self.rss_bytes()
        yield
        growth = self._memory("VmHWM") - before
        assert growth < GROWTH_BYTES_MAX, f"the daemon grew by {growth // MB} MB"

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def _memory(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {name}")


def goal(
    name: str,
    *,
    cmd: str,
    args: Sequence[str] = (),
    timeout_s: float = 2.0,
    options: str = "",
    remedy: str = "",
) -> str:
    """A standing goal of one command, looked at once an hour, and acted on at the first red."""
    return f"""
id = "{name}"
standing = true
[observe]
interval = "1h"
confirm = 1
recover = 1
[[predicate]]
id = "check"
provider = "custom_script"
live = true
cmd = {json.dumps(cmd)}
args = {json.dumps(list(args))}
timeout_ms = {int(timeout_s * 1000)}
{options}
{"[[remedy]]" if remedy else ""}
{remedy}
"""


def rest(peer: Any) -> bytes:
    """What comes until the connection ends, however it ends."""
    received = b""
    with suppress(ConnectionResetError):
        while piece := peer.recv(65536):
            received += piece
    return received


def _parsed(reply: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), reply[:200]
    return int(head.split()[1]), json.loads(body)


@pytest.fixture(scope="module")
def only_lab() -> Iterator[Lab]:
    base = Path(tempfile.mkdtemp(prefix="kz"))
    lab = Lab(base)
    try:
        lab.open()
        yield lab
    finally:
        lab.close()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def lab(only_lab: Lab) -> Iterator[Lab]:
    yield only_lab
    only_lab.clear()
    only_lab.assert_quiet_log()
