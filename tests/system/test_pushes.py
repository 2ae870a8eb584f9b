"""Reality pushes: real files, sockets and processes change, and a real daemon looks at once, not at its interval."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import RealDaemon, eventually, free_port, write_goal

NOTICED_S_MAX = 60.0
"""Far below the interval of five minutes, and far above what it takes on a machine that is busy."""

HEAD = """
id = "watching"
standing = true
[observe]
interval = "5m"
confirm = 1
recover = 1
[[predicate]]
id = "it"
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


class Goal:
    """One predicate on a real daemon, looked at every five minutes."""

    def __init__(self, daemon: RealDaemon, folder: Path, text: str) -> None:
        self.daemon = daemon
        daemon.apply(write_goal(folder, HEAD + text), "--detach")

    def is_said(self, verdict: str) -> bool:
        (predicate,) = self.explained()["predicates"]
        return bool(predicate["verdict"] == verdict)

    def says(self, verdict: str) -> None:
        eventually(lambda: self.is_said(verdict), within_s=NOTICED_S_MAX, what=f"it is {verdict}")

    def explained(self) -> Any:
        return self.daemon.json("explain", "watching")

    def notices(self, change: Callable[[], object], verdict: str) -> None:
        change()
        self.says(verdict)


def test_a_killed_process_is_noticed_by_its_pid_file(
    daemon: RealDaemon, base: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    (base / "pid").write_text(str(sleeper.pid))
    goal = Goal(daemon, base / "w", f'provider = "process"\npid_file = "{base / "pid"}"\n')
    goal.says("pass")
    os.kill(sleeper.pid, signal.SIGKILL)
    goal.says("fail")
    (event,) = [e for e in daemon.events() if e["type"] == "predicate.observed"][-1:]
    assert event["event"]["verdict"]["reason"] in ("zombie", "not_running")
    explained = daemon.kazictl("explain", "watching").stdout
    assert f"process of {base / 'pid'}" in explained
    assert "woken" in explained


def test_a_killed_process_is_noticed_by_its_name_and_its_successor_too(
    daemon: RealDaemon, base: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    mark = f"6{sleeper.pid}"
    first = subprocess.Popen(["sleep", mark])
    text = f'provider = "process"\ncommand_line = "sleep {mark}"\n'
    goal = Goal(daemon, base / "w", text)
    try:
        goal.says("pass")
        first.kill()
        first.wait()
        goal.says("fail")
    finally:
        first.kill()


def test_a_file_that_is_replaced_removed_and_made_again_is_noticed_each_time(
    daemon: RealDaemon, base: Path
) -> None:
    path = base / "world" / "app.conf"
    path.parent.mkdir()
    path.write_text("good")
    goal = Goal(daemon, base / "w", f'provider = "file"\npath = "{path}"\ncontains = "good"\n')
    goal.says("pass")

    def replace(text: str) -> None:
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").replace(path)

    for _ in range(2):
        goal.notices(lambda: replace("bad"), "fail")
        goal.notices(lambda: replace("good"), "pass")
    goal.notices(path.unlink, "fail")
    goal.notices(lambda: path.write_text("good"), "pass")


def test_the_socket_of_a_service_is_noticed_when_its_process_dies_and_leaves_it(
    daemon: RealDaemon, base: Path
) -> None:
    path = base / "service.sock"
    code = "import socket,sys,time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); time.sleep(600)"
    service = subprocess.Popen(["python3", "-c", code, str(path)])
    try:
        eventually(lambda: _answers(path), within_s=NOTICED_S_MAX, what="the service listens")
        goal = Goal(daemon, base / "w", f'provider = "tcp"\nunix = "{path}"\n')
        goal.says("pass")
        service.kill()
        service.wait()
        goal.says("fail")
        assert path.exists()
        path.unlink()
        service = subprocess.Popen(["python3", "-c", code, str(path)])
        goal.says("pass")
    finally:
        service.kill()
        service.wait()


def test_a_line_in_a_log_is_noticed_and_rotation_loses_none(daemon: RealDaemon, base: Path) -> None:
    path = base / "app.log"
    path.write_text("")
    goal = Goal(daemon, base / "w", f'provider = "prod_log"\nfiles = ["{path}"]\nwindow_minutes = 0.05\n')
    goal.says("pass")
    path.rename(base / "app.log.1")
    path.write_text("GET / HTTP/1.1 500 Internal Server Error\n")
    goal.says("fail")


def test_what_a_goal_file_names_is_watched_for_any_kind(daemon: RealDaemon, base: Path) -> None:
    folder = base / "w"
    text = """provider = "custom_script"
cmd = "test"
args = ["-e", "ready"]
live = true
wake = {files = ["."], unit = "none.service"}
"""
    goal = Goal(daemon, folder, text)
    goal.says("fail")
    (folder / "ready").touch()
    goal.says("pass")
    by_source = {w["source"]: w.get("problem") for w in goal.explained()["watched"]}
    assert by_source[f"file {folder}/."] is None
    if not Path("/run/systemd/system").is_dir():
        assert by_source["unit none.service"] == "systemd does not run here"


def test_a_storm_of_changes_costs_few_looks_and_no_descriptor(daemon: RealDaemon, base: Path) -> None:
    path = base / "busy"
    path.write_text("")
    goal = Goal(daemon, base / "w", f'provider = "file"\npath = "{path}"\n')
    goal.says("pass")
    assert daemon.process is not None
    descriptors = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    ends_s = time.monotonic() + 2.0
    while time.monotonic() < ends_s:
        path.write_text("x")
        path.with_suffix(".new").write_text("y")
        path.with_suffix(".new").replace(path)
    watched = goal.explained()["watched"][0]
    assert watched["pushes"] > watched["looks"]
    assert watched["looks"] <= 8
    assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) <= descriptors + 4


def test_watches_are_made_again_by_the_next_daemon(
    daemon: RealDaemon, base: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    (base / "pid").write_text(str(sleeper.pid))
    goal = Goal(daemon, base / "w", f'provider = "process"\npid_file = "{base / "pid"}"\n')
    goal.says("pass")
    daemon.kill9()
    daemon.start()
    daemon.kazictl("reconcile", "watching")  # the first look after a start may come half a minute later
    eventually(lambda: goal.explained()["watched"], within_s=NOTICED_S_MAX, what="it is watched again")
    sleeper.kill()
    goal.says("fail")


HOOK = 'provider = "file"\npath = "{}"\nwake = {{hook = true, auto = false}}\n'


def _post(request: str, *, to: Path | int) -> int:
    """The status of an answer on a Unix socket or a port of this machine."""
    family = socket.AF_UNIX if isinstance(to, Path) else socket.AF_INET
    with socket.socket(family) as client:
        client.connect(str(to) if isinstance(to, Path) else ("127.0.0.1", to))
        client.sendall(
            f"{request} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
        )
        return int(client.makefile().readline().split()[1])


def test_a_hook_is_rung_on_the_socket_and_its_token_is_nowhere_but_where_it_is_asked_for(
    daemon: RealDaemon, base: Path
) -> None:
    path = base / "flag"
    goal = Goal(daemon, base / "w", HOOK.format(path))
    goal.says("fail")
    told = daemon.kazictl("hook", "watching").stdout.splitlines()
    token = told[0]
    assert len(token) == 43
    path.touch()
    assert _post(f"POST /v1/hooks/{token}", to=daemon.socket) == 202
    goal.says("pass")
    assert _post(f"POST /v1/hooks/{token[::-1]}", to=daemon.socket) == 404
    assert _post(f"GET /v1/hooks/{token}", to=daemon.socket) == 405
    shown = [
        daemon.kazictl(verb, *of).stdout for verb, *of in (("explain", "watching"), ("list",), ("events",))
    ]
    shown += [repr(daemon.json("status", "watching")), daemon.log_tail()]
    assert not any(token in text for text in shown)
    files = [f for f in daemon.state_dir.rglob("*") if f.is_file()]
    assert not any(token.encode() in f.read_bytes() for f in files)
    assert (daemon.state_dir / "hook.key").stat().st_mode & 0o777 == 0o600
    daemon.kill9()
    daemon.start()
    assert daemon.kazictl("hook", "watching").stdout.splitlines() == told
    assert daemon.kazictl("hook", "watching", "other").returncode != 0


def test_over_tcp_only_hooks_answer_and_only_where_it_is_asked_for(base: Path) -> None:
    port, path = free_port(), base / "flag"
    settings = base / "config" / "kazi" / "kazid.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[api]\nlisten = "127.0.0.1:{port}"\n')
    daemon = RealDaemon(base, environment={"XDG_CONFIG_HOME": str(base / "config")}).start()
    try:
        goal = Goal(daemon, base / "w", HOOK.format(path))
        goal.says("fail")
        token = daemon.json("hook", "watching")["token"]
        path.touch()
        assert _post(f"POST /v1/hooks/{token}", to=port) == 202
        goal.says("pass")
        for request in (
            "GET /v1/goals",
            "GET /healthz",
            "POST /v1/restart",
            "GET /",
            f"GET /v1/hooks/{token}",
        ):
            assert _post(request, to=port) == 404, request
        assert token not in daemon.log_tail()
        daemon.kill9()
        settings.write_text("")
        daemon.start()
        with pytest.raises(ConnectionRefusedError):
            _post(f"POST /v1/hooks/{token}", to=port)
    finally:
        daemon.end_everything()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
