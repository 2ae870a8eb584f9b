"""Export and replay with real processes: what a real daemon recorded, over a kill -9, is decided again the same."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.system.house import BIN, RealDaemon, eventually, write_goal

STANDING = """
id = "web"
standing = true
[observe]
interval = "300ms"
recheck = "100ms"
[[predicate]]
id = "there"
provider = "custom_script"
live = true
cmd = "test"
args = ["-e", "there"]
[[remedy]]
cmd = "touch"
args = ["there"]
"""


@pytest.fixture
def incident(daemon: RealDaemon, base: Path) -> Path:
    """The journal of a goal that drifted, lived through a kill -9 and a suspension, and drifted again, as a file."""
    there = base / "w" / "there"
    assert (
        daemon.apply(write_goal(base / "w", STANDING), "--workspace", str(base / "w"))["status"] == "holding"
    )
    there.unlink()
    eventually(there.exists, within_s=60, what="the drift is repaired")
    daemon.kill9()
    daemon.start()
    assert daemon.kazictl("wait", "web", "--for", "holding", "--timeout", "120s").returncode == 0
    assert daemon.kazictl("suspend", "web", "--reason", "test").returncode == 0
    assert daemon.kazictl("resume", "web", "--reason", "test").returncode == 0
    there.unlink()
    eventually(there.exists, within_s=60, what="the second drift is repaired")
    assert daemon.kazictl("wait", "web", "--for", "holding", "--timeout", "120s").returncode == 0
    path = base / "web.incident"
    exported = daemon.json("export-incident", "web", "--output", str(path))
    assert (exported["exit_code"], exported["path"]) == (0, str(path))
    assert path.stat().st_mode & 0o077 == 0, "evidence in it is its owner's"
    return path


def _replay(daemon: RealDaemon, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BIN / "kazictl", "replay", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=daemon.environment,
        cwd=daemon.base,
        check=False,
    )


def test_what_a_real_daemon_decided_is_decided_again_without_it(daemon: RealDaemon, incident: Path):
    daemon.stop()
    run = _replay(daemon, str(incident), "--json")
    document = json.loads(run.stdout)
    assert (run.returncode, document["exit_code"], document["differences"]) == (0, 0, [])
    assert (document["ref"].split("/")[1], document["status"]) == ("web", "holding")
    assert document["decisions"] >= 8, "two repairs with their episodes, acts and statuses"
    shown = _replay(daemon, str(incident), "--all")
    assert shown.returncode == 0
    assert "0 differ" in shown.stdout
    assert "act.intended" in shown.stdout

    lines = incident.read_bytes().splitlines(keepends=True)
    forged = [line.replace(b'"holding"', b'"converged"') for line in lines]
    assert forged != lines
    (daemon.base / "forged").write_bytes(b"".join(forged))
    run = _replay(daemon, "forged")
    assert run.returncode == 1
    assert "recorded: status.changed converged" in run.stdout

    for name, content in {
        "cut": b"".join(lines[:-1]),
        "torn": b"".join(lines)[:-20],
        "gap": b"".join([*lines[:3], *lines[4:]]),
        "headless": b"".join(lines[1:]),
        "empty": b"",
        "noise": b"\x00\xff\n\x1b[2J",
    }.items():
        (daemon.base / name).write_bytes(content)
        run = _replay(daemon, name)
        assert (run.returncode, run.stdout) == (2, ""), name
        assert run.stderr.startswith(f"kazictl: cannot read {name}: "), run.stderr
        assert "Traceback" not in run.stderr
    missing = _replay(daemon, "nowhere", "--json")
    assert (missing.returncode, json.loads(missing.stdout)["exit_code"]) == (2, 2)


def test_an_export_says_what_is_wrong(daemon: RealDaemon, base: Path):
    assert daemon.kazictl("export-incident", "nobody").returncode == 2
    assert (
        daemon.apply(write_goal(base / "w", STANDING), "--workspace", str(base / "w"))["status"] == "holding"
    )
    refused = daemon.kazictl("export-incident", "web", "--output", str(base / "no" / "such" / "folder"))
    assert refused.returncode == 2
    assert "cannot write" in refused.stderr
