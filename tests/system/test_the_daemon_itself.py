"""Starting, refusing to start, talking to systemd, and ending: one clear line each, and no race."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kazid.command_line import parsed
from tests.system.house import BIN, RealDaemon, eventually, write_goal

GREEN = """
id = "green"
standing = true
[[predicate]]
id = "true"
provider = "custom_script"
live = true
cmd = "test"
args = ["-d", "/usr"]
"""


def _refusal(daemon: RealDaemon, *arguments: str | Path, code: int = 2) -> str:
    run = subprocess.run(
        [BIN / "kazid", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env=daemon.environment,
        check=False,
    )
    assert run.returncode == code, (run.returncode, run.stderr)
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1, f"one clear line, not {lines}"
    assert lines[0].startswith("kazid: ")
    return lines[0]


@pytest.mark.parametrize("option", ["--state-dir", "--socket", "--config"])
def test_an_empty_path_is_refused_and_never_the_default(option: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        parsed([option, ""])
    assert caught.value.code == 2
    assert f"{option}: it is empty" in capsys.readouterr().err


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on(daemon: RealDaemon, base: Path):
    line = _refusal(daemon, "--state-dir", daemon.state_dir, "--socket", base / "other")
    assert "another kazid" in line
    assert str(daemon.process.pid) in line
    assert daemon.is_listening()


def test_a_socket_somebody_listens_on_is_never_taken(daemon: RealDaemon, base: Path):
    line = _refusal(daemon, "--state-dir", base / "state2", "--socket", daemon.socket)
    assert str(daemon.socket) in line
    assert daemon.is_listening()


def test_a_socket_path_that_is_too_long_says_so(daemon: RealDaemon, base: Path):
    line = _refusal(daemon, "--state-dir", base / "state2", "--socket", base / ("x" * 120))
    assert "107" in line


def test_a_newer_database_is_refused(daemon: RealDaemon, base: Path):
    daemon.stop()
    with sqlite3.connect(daemon.state_dir / "journal.db") as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    assert "newer" in _refusal(daemon, "--state-dir", daemon.state_dir, "--socket", daemon.socket)


def test_a_file_that_is_no_database_is_refused(daemon: RealDaemon, base: Path):
    daemon.stop()
    (daemon.state_dir / "journal.db").write_bytes(b"not a database at all" * 500)
    for suffix in ("-wal", "-shm"):
        (daemon.state_dir / f"journal.db{suffix}").unlink(missing_ok=True)
    assert "database" in _refusal(daemon, "--state-dir", daemon.state_dir, "--socket", daemon.socket)


def test_bad_settings_are_refused_with_every_problem(daemon: RealDaemon, base: Path):
    settings = base / "kazid.toml"
    settings.write_text('admins = 5\n[concurrency]\nremedies = "many"\nfoo = 1\n')
    line = _refusal(daemon, "--config", settings, "--state-dir", base / "state2", "--socket", base / "t")
    for word in ("admins", "concurrency.remedies", "concurrency.foo"):
        assert word in line


def test_state_and_socket_are_the_owners_alone(daemon: RealDaemon):
    assert daemon.state_dir.stat().st_mode & 0o777 == 0o700
    assert daemon.socket.stat().st_mode & 0o777 == 0o600
    assert (daemon.state_dir / "journal.db").stat().st_mode & 0o077 == 0


def test_a_clean_stop_leaves_no_socket_and_a_killed_daemons_socket_is_replaced(daemon: RealDaemon):
    daemon.kill9()
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.stop() == 0
    assert not daemon.socket.exists()


def test_a_socket_that_was_taken_away_comes_back_while_those_connected_stay(daemon: RealDaemon):
    with socket.socket(socket.AF_UNIX) as connected:
        connected.settimeout(60)
        connected.connect(str(daemon.socket))
        daemon.socket.unlink()
        eventually(daemon.socket.exists, within_s=60, what="the socket is back")
        assert daemon.kazictl("info", "--no-start").returncode == 0
        connected.sendall(b"GET /v1/info HTTP/1.1\r\nHost: kazid\r\n\r\n")
        assert b"200 OK" in connected.recv(4096)
    assert "api.bound_anew" in daemon.log_tail()


def test_sighup_reads_settings_again_and_a_bad_file_changes_nothing(base: Path):
    daemon = RealDaemon(base)
    config = base / "xdg-config" / "kazi" / "kazid.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[log]\nlevel = "info"\n')
    daemon.environment["XDG_CONFIG_HOME"] = str(base / "xdg-config")
    try:
        daemon.start()
        config.write_text('[log]\nlevel = "shouting"\n')
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "settings.refused" in daemon.log_tail(), within_s=60, what="a refusal is logged")
        config.write_text('[log]\nlevel = "debug"\n')
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "settings.reloaded" in daemon.log_tail(), within_s=60, what="a reload is logged")
        assert daemon.is_listening()
        assert daemon.stop() == 0
    finally:
        daemon.end_everything()


def test_sd_notify_tells_ready_watchdog_and_stopping(base: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(base / "notify"))
        manager.settimeout(20)
        daemon = RealDaemon(
            base, environment={"NOTIFY_SOCKET": str(base / "notify"), "WATCHDOG_USEC": "3000000"}
        )
        try:
            daemon.start()
            seen = ""
            while "WATCHDOG=1" not in seen or "READY=1" not in seen:
                seen += manager.recv(4096).decode() + "\n"
            assert f"MAINPID={daemon.process.pid}" in seen
            assert daemon.stop() == 0
            while "STOPPING=1" not in seen:
                seen += manager.recv(4096).decode() + "\n"
        finally:
            daemon.end_everything()


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd is not installed here")
def test_socket_activation_serves_on_the_passed_socket(base: Path):
    path = base / "activated"
    environment = {**RealDaemon(base).environment}
    process = subprocess.Popen(
        ["systemd-socket-activate", "--fdname=api", "-l", path]
        + [f"--setenv={name}" for name in environment]
        + [str(BIN / "kazid"), "--state-dir", str(base / "state"), "--socket", str(path)],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(path.exists, within_s=60, what="the manager listens")
        run = subprocess.run(
            [BIN / "kazictl", "info", "--json", "--socket", path],
            capture_output=True,
            text=True,
            timeout=30,
            env=environment,
            check=False,
        )
        assert json.loads(run.stdout)["pid"] == process.pid
    finally:
        process.terminate()
        process.wait(30)
    assert path.exists(), "the socket is the manager's"


def test_restart_keeps_the_pid_and_a_running_attempt(daemon: RealDaemon, base: Path):
    goal = write_goal(
        base / "w",
        """
        id = "slow"
        [[predicate]]
        id = "there"
        provider = "custom_script"
        cmd = "test"
        args = ["-e", "there"]
        [[remedy]]
        cmd = "sh"
        args = ["-c", "echo x >> runs; sleep 3; touch there"]
        """,
    )
    daemon.kazictl("apply", str(goal), "--detach")
    eventually((base / "w" / "runs").exists, within_s=60, what="the remedy runs")
    pid = daemon.json("info")["pid"]
    with ThreadPoolExecutor(max_workers=1) as beside:
        restart = beside.submit(daemon.kazictl, "restart")
        told = [daemon.kazictl("version", "--json")]
        while not restart.done():
            told.append(daemon.kazictl("info"))
    assert {asked.returncode for asked in told} == {0}, "between two processes a command waits"
    assert restart.result().returncode == 0
    assert daemon.json("info")["pid"] == pid
    assert daemon.kazictl("wait", "slow", "--for", "converged", "--timeout", "120s").returncode == 0
    assert (base / "w" / "runs").read_text().split() == ["x"], "the attempt was taken over, not repeated"


def _daemons_of(daemon: RealDaemon) -> list[int]:
    """Every kazid that writes to this folder's log, the one that found the lock taken included."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            is_daemon = b"-m\0kazid" in (entry / "cmdline").read_bytes()
            if is_daemon and os.readlink(entry / "fd" / "2").startswith(str(daemon.base)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_kazictl_starts_a_daemon_and_two_at_once_start_one(base: Path):
    goal = write_goal(base / "w", GREEN)
    daemon = RealDaemon(base, environment={"XDG_RUNTIME_DIR": str(base / "run")})
    (base / "run").mkdir(mode=0o700)
    command = [BIN / "kazictl", "apply", goal, "--detach", "--start"]
    try:
        both = [
            subprocess.Popen(
                command, env=daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for _ in range(2)
        ]
        outputs = [process.communicate(timeout=60)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], outputs
        daemon.socket = base / "run" / "kazi" / "kazid.sock"
        info = daemon.json("info")
        assert sum(info["goals"].values()) == 1, info
        eventually(
            lambda: set(_daemons_of(daemon)) == {info["pid"]},
            within_s=60,
            what="the second one left by itself",
        )
    finally:
        try:
            os.kill(daemon.json("info")["pid"], signal.SIGTERM)
        except (AssertionError, ProcessLookupError):
            pass
        eventually(lambda: not daemon.socket.exists(), within_s=60, what="the daemon ends")
        daemon.end_everything()


def test_no_start_and_verbs_that_never_start_exit_8_with_the_command_to_run(base: Path):
    daemon = RealDaemon(base)
    for arguments in (("list",), ("apply", str(write_goal(base / "w", GREEN)), "--no-start")):
        run = subprocess.run(
            [BIN / "kazictl", *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            env={**daemon.environment, "XDG_RUNTIME_DIR": str(base / "run")},
            check=False,
        )
        assert run.returncode == 8
        assert "kazid" in run.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_degrades_and_recovers_without_losing_what_was_acknowledged(base: Path):
    disk = base / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"tmpfs cannot be mounted here: {mounted.stderr.decode()}")
    daemon = RealDaemon(base)
    daemon.state_dir = disk / "state"
    try:
        daemon.start()
        goal = write_goal(base / "w", GREEN)
        assert daemon.kazictl("apply", str(goal)).returncode == 0
        filler = disk / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(b"x" * 65536)
                    file.flush()
            except OSError:
                pass
        other = write_goal(base / "w2", GREEN.replace('"green"', '"other"'))
        eventually(
            lambda: daemon.kazictl("apply", str(other), "--detach").returncode == 1 or None,
            within_s=60,
            what="mutations are refused",
        )
        eventually(lambda: daemon.json("info")["degraded"], within_s=60, what="degraded is said")
        assert daemon.kazictl("status", "green").returncode in (0, 7), "reading goes on"
        suspended = daemon.kazictl("suspend", "green", "--reason", "full")
        assert suspended.returncode in (0, 6), (
            f"the reserve is for this: {suspended.stdout}{suspended.stderr}"
        )
        filler.unlink()
        eventually(lambda: not daemon.json("info")["degraded"], within_s=60, what="it recovers by itself")
        daemon.kill9()
        daemon.start()
        assert daemon.json("status", "green")["status"] == "suspended"
        assert daemon.kazictl("apply", str(other), "--detach").returncode == 0
    finally:
        daemon.end_everything()
        for _ in range(50):
            if subprocess.run(["umount", disk], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
