"""Defects that the predecessor showed while running, tried on a real daemon: none of them is ours.

Which test stands for which defect is the table in tests/conformance/test_observed_defects.py.
"""

import json
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import BIN, RealDaemon, eventually, write_goal

RESULT = '{"type":"result","is_error":false,"result":"done","usage":{"input_tokens":9,"output_tokens":5}}'
DENIED = RESULT.replace('"usage"', '"permission_denials":[{"tool_name":"Bash","tool_input":{}}],"usage"')


@pytest.fixture(scope="module")
def one() -> Iterator[RealDaemon]:
    """One daemon for all tests here that do not stop it."""
    base = Path(tempfile.mkdtemp(prefix="kz"))
    daemon = RealDaemon(base)
    try:
        yield daemon.start()
    finally:
        daemon.end_everything()
        shutil.rmtree(base, ignore_errors=True)


def _predicate(line: str) -> str:
    return (
        f'[[predicate]]\nid = "tests"\nprovider = "custom_script"\ncmd = "sh"\nargs = ["-c", """{line}"""]\n'
    )


def _agent(folder: Path, lines: str) -> str:
    """The harness table of an agent that runs these shell lines; its prompt is kept beside it."""
    agent = folder.parent / f"{folder.name}-agent"
    agent.write_text(f"#!/bin/sh\ncat > {agent}.prompt\n{lines}\n")
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    return f'[harness]\nid = "claude"\ncommand = "{agent}"\n'


def _prompt(folder: Path) -> str:
    return (folder.parent / f"{folder.name}-agent.prompt").read_bytes().decode()


def _drive(daemon: RealDaemon, name: str, predicate: str, executor: str, *arguments: str) -> dict[str, Any]:
    text = f'id = "{name}"\n{predicate}{executor}'
    document: dict[str, Any] = daemon.apply(write_goal(daemon.base / name, text), *arguments)
    return document


def test_a_denied_agent_that_fixed_and_committed_all_the_same_converges(one: RealDaemon):
    folder = one.base / "denied"
    folder.mkdir()
    who = "-c user.name=a -c user.email=a@example.invalid"
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    agent = _agent(folder, f"touch fixed\ngit add -A\ngit {who} commit -q -m fix\necho '{DENIED}'")
    document = _drive(one, "denied", _predicate("test -e fixed"), agent)
    assert (document["status"], document["dispatches"]) == ("converged", 1)


def test_a_denied_agent_that_did_nothing_ends_as_denied(one: RealDaemon):
    folder = one.base / "idle"
    document = _drive(one, "idle", _predicate("test -e fixed"), _agent(folder, f"echo '{DENIED}'"))
    assert (document["status"], document["cause"]) == ("stuck", "permission_denied")


def test_a_check_that_reads_stdin_finds_its_end(one: RealDaemon):
    document = _drive(
        one, "stdin", _predicate("cat; test -e fixed"), '[[remedy]]\ncmd = "touch"\nargs = ["fixed"]\n'
    )
    assert document["status"] == "converged"


def test_a_wall_clock_ends_a_dispatch_that_outlasts_it(one: RealDaemon):
    agent = _agent(one.base / "long", "sleep 600")
    started = time.monotonic()
    document = _drive(
        one, "long", _predicate("test -e fixed"), f"{agent}[budget]\nmax_wall_clock_ms = 2000\n"
    )
    assert document["status"] == "over_budget"
    assert time.monotonic() - started < 300
    assert one.executors() == {}


def test_output_that_is_not_utf_8_is_evidence_like_any_other(one: RealDaemon):
    folder = one.base / "bytes"
    check = _predicate(r"printf '\\377\\376 broken'; test -e fixed")
    goal = write_goal(folder, f'id = "bytes"\n{check}{_agent(folder, f"touch fixed; echo {RESULT!r}")}')
    seen = one.json("apply", str(goal), "--check")
    assert [p["verdict"] for p in seen["predicates"]] == ["fail"]
    assert "broken" in json.dumps(seen)
    assert one.apply(goal)["status"] == "converged"
    assert "broken" in _prompt(folder)
    assert "<<" not in _prompt(folder), "a prompt holds text, no terms of a language"


def test_a_goal_without_a_workspace_runs(one: RealDaemon):
    live = 'live = true\nsamples = 1\n[observe]\nconfirm = 1\nrecheck = "100ms"\ninterval = "500ms"\n'
    remedy = '[[remedy]]\ncmd = "touch"\nargs = ["MARK"]\n'.replace("MARK", str(one.base / "mark"))
    document = _drive(one, "nowhere", _predicate(f"test -e {one.base / 'mark'}") + live, remedy)
    assert document["status"] == "converged"


def test_a_workspace_that_is_not_there_is_named_and_nothing_is_dispatched(one: RealDaemon):
    goal = write_goal(
        one.base / "gone", f'id = "gone"\n{_predicate("test -d /usr")}[harness]\nid = "claude"\n'
    )
    run = one.kazictl("apply", str(goal), "--workspace", str(one.base / "not-there"), "--json")
    document = json.loads(run.stdout)
    assert run.returncode in (2, 3)
    assert "not-there" in run.stdout
    assert document.get("dispatches", 0) == 0
    if run.returncode == 3:
        assert document["cause"] == "workspace_missing"


def test_a_missing_agent_binary_is_said_and_not_tried_twice(one: RealDaemon):
    missing = '[harness]\nid = "claude"\ncommand = "no-such-agent-anywhere"\n'
    document = _drive(one, "binary", _predicate("test -e fixed"), missing)
    assert (document["status"], document["cause"]) == ("stuck", "capability_unreachable")
    assert "no-such-agent-anywhere" in document["reason"]
    assert len([e for e in one.events("binary") if e["type"] == "act.intended"]) == 1
    assert (document["dispatches"], document["iterations"]) == (0, 0), "nothing ran"
    assert any("[agent-absent]" in notice for notice in document["notices"]), "said before it was needed"


def test_what_an_agent_leaves_running_is_gone_when_its_dispatch_is_over(one: RealDaemon):
    folder = one.base / "leaving"
    lines = f"nohup sleep 4321 >/dev/null 2>&1 &\nsetsid -f env -i sleep 4321\ntouch fixed\necho '{RESULT}'"
    document = _drive(one, "leaving", _predicate("test -e fixed"), _agent(folder, lines))
    assert document["status"] == "converged"
    assert not [line for line in one.leftovers().values() if "sleep 4321" in line]


def test_a_stuck_goal_tells_each_iteration_once_and_its_outcome_once(one: RealDaemon):
    check, remedy = _predicate("false"), '[[remedy]]\ncmd = "true"\nattempts = 1\n'
    goal = write_goal(one.base / "stream", f'id = "stream"\n{check}{remedy}')
    run = one.kazictl("apply", str(goal), "--stream")
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    said = [
        json.dumps({**line, "at": None}, sort_keys=True) for line in lines if line.get("event") != "status"
    ]
    assert len(said) == len(set(said)), "no line is told twice"
    assert len([line for line in lines if line.get("event") == "iteration"]) == 1
    assert lines[-1]["status"] == "stuck"


def test_under_json_every_failure_is_one_document_on_stdout(one: RealDaemon):
    for arguments in (("apply", "/no/such.toml"), ("status", "nobody"), ("frobnicate",), ("apply",)):
        run = subprocess.run(
            [BIN / "kazictl", *arguments, "--json", "--socket", str(one.socket)],
            capture_output=True,
            text=True,
            env=one.environment,
            check=False,
        )
        assert run.returncode == 2, f"{arguments}: {run.stdout}"
        assert isinstance(json.loads(run.stdout), dict), arguments


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["sigint", "sigterm"])
def test_an_ended_daemon_ends_and_records_its_attempts_and_logs_nothing_on_stdout(
    base: Path, number: signal.Signals
):
    daemon = RealDaemon(base)
    out = base / "stdout"
    with out.open("wb") as stdout, daemon.log.open("ab") as log:
        daemon.process = subprocess.Popen(
            [BIN / "kazid", "--state-dir", daemon.state_dir, "--socket", daemon.socket],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=log,
            env=daemon.environment,
            cwd=base,
        )
    try:
        eventually(daemon.is_listening, within_s=60, what="it listens")
        text = f'id = "slow"\n{_predicate("false")}[[remedy]]\ncmd = "sh"\nargs = ["-c", "touch started; sleep 1000"]\n'
        daemon.kazictl("apply", str(write_goal(base / "w", text)), "--detach")
        eventually((base / "w" / "started").exists, within_s=60, what="the remedy runs")
        assert daemon.stop(number=number) == 0
        eventually(lambda: daemon.leftovers() == {}, within_s=60, what="nothing is left")
        daemon.start()
        ended = [e["event"] for e in daemon.events("slow") if e["type"] == "act.ended"]
        assert ended[0]["ending"] == "cancelled"
        assert out.read_bytes() == b""
        assert b"daemon.started" in daemon.log.read_bytes(), "logs go to stderr"
    finally:
        daemon.end_everything()
