"""`apply` as a real process: what it sends, what it tells on the way, how it ends, and how it leaves."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kazid.wire import exit_codes
from kazid.wire.approval_messages import HeldItem
from kazid.wire.messages import ApplyRequest, FollowItem, GoalDocument, ProblemItem
from tests.kazictl.conftest import TIMEOUT_S, Kazictl, Start
from tests.kazictl.fake_daemon import (
    Answer,
    FakeDaemon,
    a_converged_goal,
    a_goal,
    document,
    lines,
    outcome,
    refusal,
)

GOAL = "/v1/goals/ops/web"
NOTICE = FollowItem(event="notice", goal_id="web", text="ceiling: 10 dispatches an episode", at=1.0)
STATUS = FollowItem(event="status", goal_id="web", status="acting", text="trying remedy 0", at=1.0)
ITERATION = FollowItem(
    event="iteration",
    goal_id="web",
    iteration=1,
    failing=["livez", "tests"],
    next_action="wait",
    text="./bin/service restart",
    at=2.0,
)


@pytest.fixture(autouse=True)
def _applied(daemon: FakeDaemon, goal_file: Path) -> None:
    created = a_goal(applied="created", notices=["ceiling: 10 dispatches an episode"], workspace="/")
    daemon.on("POST", "/v1/goals", document(created, status=201))
    daemon.on("GET", f"{GOAL}/follow", lines(NOTICE, STATUS, ITERATION, outcome(a_converged_goal())))
    daemon.on("GET", GOAL, document(a_goal(iterations=5)))


def _sent(daemon: FakeDaemon) -> ApplyRequest:
    """What the daemon was asked, decoded as strictly as the daemon does."""
    return msgspec.json.decode(daemon.requests[0].body, type=ApplyRequest)


def test_progress_and_then_the_outcome_with_its_proof(kazictl: Kazictl) -> None:
    finished = kazictl("apply", "goal.toml")
    assert finished.returncode == 0
    assert finished.stderr == ""
    assert finished.stdout == (
        "ops/web: created (generation 2)\n"
        "  note: ceiling: 10 dispatches an episode\n"
        "ops/web: acting; trying remedy 0\n"
        "ops/web: iteration 1; failing livez, tests; ./bin/service restart; next: wait\n"
        "ops/web: converged; 2 of 2 pass; 2 of 8 iterations, 1 dispatch, 1,200 of 50,000 tokens, 34 s of 10 min\n"
    )


@pytest.mark.parametrize(("status", "code"), exit_codes.BY_STATUS.items())
def test_apply_exits_by_the_outcome(daemon: FakeDaemon, kazictl: Kazictl, status: str, code: int) -> None:
    daemon.on("GET", f"{GOAL}/follow", lines(outcome(a_goal(status=status, exit_code=code))))
    assert kazictl("apply", "goal.toml").returncode == code


def test_json_is_the_final_document_and_nothing_else(kazictl: Kazictl) -> None:
    finished = kazictl("apply", "goal.toml", "--json")
    assert finished.returncode == 0
    assert finished.stderr == ""
    assert finished.stdout.count("\n") == 1
    told = msgspec.json.decode(finished.stdout, type=GoalDocument)
    assert (told.status, told.applied, told.exit_code) == ("converged", "created", 0)
    assert told.notices == ["ceiling: 10 dispatches an episode"]


@pytest.mark.parametrize("options", [["--json", "--stream"], ["--stream"]], ids=" ".join)
def test_stream_is_a_line_for_each_event_and_last_the_plain_document(
    kazictl: Kazictl, options: list[str]
) -> None:
    finished = kazictl("apply", "goal.toml", *options)
    told = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [item.get("event") for item in told] == ["applied", "status", "iteration", None]
    assert (told[0]["applied"], told[0]["notices"]) == ("created", ["ceiling: 10 dispatches an episode"])
    assert told[2]["failing"] == ["livez", "tests"]
    assert (told[3]["status"], told[3]["exit_code"]) == ("converged", 0)


def test_what_is_sent_is_the_text_and_where_it_was_typed(
    daemon: FakeDaemon, kazictl: Kazictl, folder: Path
) -> None:
    text = "# ünïcode\r\nid = 'web'\n"
    (folder / "sub").mkdir()
    (folder / "sub" / "g.toml").write_bytes(text.encode())
    options = [
        "--workspace",
        "../other",
        "--standing",
        "--harness",
        "claude",
        "--model=opus",
        "--allow-vacuous",
    ]
    kazictl("apply", "--detach", *options, "g.toml", cwd=folder / "sub", PATH="/opt/bin:/usr/bin:/bin")
    assert _sent(daemon) == ApplyRequest(
        goal_file=text,
        source_path=str(folder / "sub" / "g.toml"),
        cwd=str(folder / "sub"),
        workspace=str(folder / "sub" / ".." / "other"),
        standing=True,
        harness="claude",
        model="opus",
        path="/opt/bin:/usr/bin:/bin",
        allow_vacuous=True,
    )


def test_what_was_not_said_is_not_sent(daemon: FakeDaemon, kazictl: Kazictl, folder: Path) -> None:
    kazictl("apply", "--detach", str(folder / "goal.toml"), cwd=Path("/"))
    sent = _sent(daemon)
    assert (sent.workspace, sent.harness, sent.model, sent.standing) == (None, None, None, False)
    assert (sent.cwd, sent.source_path) == ("/", str(folder / "goal.toml"))


def test_a_workspace_that_is_not_there_is_said_at_once(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("POST", "/v1/goals", document(a_goal(applied="created", workspace="/no/such/folder")))
    told = kazictl("apply", "goal.toml", "--detach").stdout
    assert "note: the workspace /no/such/folder is not there: nothing can act before it is" in told


@pytest.mark.parametrize("applied", ["created", "attached", "updated", "generation", "revived", "reopened"])
def test_detach_says_what_was_done_and_exits_0(daemon: FakeDaemon, kazictl: Kazictl, applied: str) -> None:
    daemon.on("POST", "/v1/goals", document(a_goal(applied=applied)))
    finished = kazictl("apply", "goal.toml", "--detach")
    assert finished.returncode == 0
    assert finished.stdout.startswith("ops/web: ")
    assert "kazictl status ops/web" in finished.stdout
    assert len(daemon.requests) == 1
    told = json.loads(kazictl("apply", "goal.toml", "--detach", "--json").stdout)
    assert (told["applied"], told["exit_code"]) == (applied, 0)


@pytest.mark.parametrize(
    ("goal", "code"), [(a_converged_goal(), 0), (a_goal(exit_code=1), 1)], ids=["green", "red"]
)
def test_check_prints_the_verdicts_and_stores_nothing(
    daemon: FakeDaemon, kazictl: Kazictl, goal: GoalDocument, code: int
) -> None:
    daemon.on("POST", "/v1/check", document(goal))
    finished = kazictl("apply", "goal.toml", "--check")
    assert finished.returncode == code
    assert "PREDICATE" in finished.stdout
    assert finished.stdout.endswith("of 2 pass (checked once, nothing stored)\n")
    assert json.loads(kazictl("apply", "goal.toml", "--check", "--json").stdout)["exit_code"] == code
    assert {request.target for request in daemon.requests} == {"/v1/check"}


def test_a_timeout_detaches_with_124(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    hold = threading.Event()
    daemon.on("GET", f"{GOAL}/follow", lines(STATUS, hold=hold))
    finished = kazictl("apply", "goal.toml", "--timeout", "0.3s")
    assert finished.returncode == exit_codes.TIMED_OUT
    assert "timed out; the goal goes on" in finished.stderr
    assert "kazictl wait ops/web" in finished.stderr
    finished = kazictl("apply", "goal.toml", "--timeout", "0.3s", "--json")
    hold.set()
    told = json.loads(finished.stdout)
    assert (finished.returncode, told["exit_code"], told["problem"]) == (124, 124, "timeout")
    assert told["iterations"] == 5


@pytest.mark.parametrize("options", [[], ["--json"], ["--stream"]], ids=["people", "json", "stream"])
def test_ctrl_c_detaches_and_says_how_to_come_back(
    daemon: FakeDaemon, start: Start, options: list[str]
) -> None:
    hold = threading.Event()
    followed = threading.Event()
    stream = lines(STATUS, hold=hold)
    stream.before = followed.set
    daemon.on("GET", f"{GOAL}/follow", stream)
    process = start("apply", "goal.toml", *options)
    assert followed.wait(TIMEOUT_S)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    hold.set()
    assert process.returncode == exit_codes.INTERRUPTED
    for way in ("kazictl apply goal.toml", "kazictl wait ops/web", "kazictl status ops/web"):
        assert way in stderr
    assert not any(request.target.endswith("/stop") for request in daemon.requests)
    if options:
        told: dict[str, Any] = json.loads(stdout.splitlines()[-1])
        assert (told["problem"], told["exit_code"]) == ("interrupted", exit_codes.INTERRUPTED)


def test_a_daemon_that_restarts_is_followed_on(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    cut = lines(STATUS, ITERATION)
    cut.before = daemon.stop
    daemon.on("GET", f"{GOAL}/follow", cut, lines(STATUS, ITERATION, outcome(a_converged_goal())))
    restart = threading.Timer(0.5, daemon.start)
    restart.start()
    finished = kazictl("apply", "goal.toml")
    restart.join()
    assert finished.returncode == 0
    assert finished.stderr == "kazictl: lost the daemon; trying again\n"
    assert finished.stdout.count("iteration 1") == 1


def test_the_apply_itself_is_sent_again_under_the_same_key(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("POST", "/v1/goals", Answer(raw=b""), document(a_goal(applied="created")))
    assert kazictl("apply", "goal.toml", "--detach").returncode == 0
    assert len({request.headers["idempotency-key"] for request in daemon.requests}) == 1


def test_every_problem_of_a_goal_file_is_shown_with_its_place(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    problems = [
        ProblemItem(message="unknown key", line=3, key="budgett", hint="did you mean budget?"),
        ProblemItem(message="duplicate id\n'livez'", line=9, key="predicate.id"),
        ProblemItem(message="no predicate"),
    ]
    daemon.on("POST", "/v1/goals", refusal(422, "goal_file", "all of them; in one line", problems))
    finished = kazictl("apply", "goal.toml")
    assert finished.returncode == exit_codes.USAGE
    assert finished.stdout == ""
    assert finished.stderr == (
        "kazictl: title of goal_file\n"
        "  goal.toml:3: budgett: unknown key\n"
        "    did you mean budget?\n"
        "  goal.toml:9: predicate.id: duplicate id 'livez'\n"
        "  goal.toml: no predicate\n"
    )
    told = json.loads(kazictl("apply", "goal.toml", "--json").stdout)
    assert [problem.get("line") for problem in told["problems"]] == [3, 9, None]
    assert told["exit_code"] == exit_codes.USAGE


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [(409, "refused", 2), (409, "conflict", 1), (403, "denied", 1), (507, "degraded", 1)],
)
def test_a_refused_apply_exits_by_its_kind(
    daemon: FakeDaemon, kazictl: Kazictl, status: int, kind: str, code: int
) -> None:
    daemon.on("POST", "/v1/goals", refusal(status, kind, "because of X"))
    finished = kazictl("apply", "goal.toml")
    assert (finished.returncode, finished.stderr) == (code, f"kazictl: title of {kind}: because of X\n")


def _missing(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _latin(path: Path) -> None:
    path.write_bytes(b"id = 'a'\n# caf\xe9\n")


def _long(path: Path) -> None:
    path.write_bytes(b"#" * 1_000_001)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_missing, "no such file"),
        (_folder, "it is a folder"),
        (_latin, "line 2 is not UTF-8"),
        (_long, "longer than 1 MB"),
    ],
)
def test_a_file_that_is_no_goal_file_never_leaves_the_client(
    daemon: FakeDaemon, kazictl: Kazictl, goal_file: Path, spoil: Any, said: str
) -> None:
    spoil(goal_file)
    for verb in ("apply", "lint"):
        finished = kazictl(verb, "goal.toml")
        assert finished.returncode == exit_codes.USAGE
        assert finished.stderr.startswith(f"kazictl: cannot read goal.toml: {said}\n  ")
    assert daemon.requests == []


def test_a_goal_file_may_come_through_a_pipe(daemon: FakeDaemon, kazictl: Kazictl, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    writer = threading.Thread(target=(folder / "pipe").write_text, args=("id = 'p'",))
    writer.start()
    assert kazictl("apply", "pipe", "--detach").returncode == 0
    writer.join()
    assert _sent(daemon).goal_file == "id = 'p'"


@pytest.mark.parametrize("options", [["--check", "--detach"], ["--detach", "--stream"]], ids=" ".join)
def test_options_that_contradict_each_other_are_refused(
    daemon: FakeDaemon, kazictl: Kazictl, options: list[str]
) -> None:
    finished = kazictl("apply", "goal.toml", *options)
    assert finished.returncode == exit_codes.USAGE
    assert "exclude each other" in finished.stderr + finished.stdout
    assert daemon.requests == []


def test_a_daemon_is_started_from_the_command_line_and_that_is_said(
    daemon: FakeDaemon, environment: dict[str, str], folder: Path
) -> None:
    """The whole way through `cli.run`, with a launch of its own: nothing in the product lets a test do that."""
    daemon.stop()
    (folder / "run" / "kazi").mkdir(parents=True)
    daemon.path = str(folder / "run" / "kazi" / "kazid.sock")
    program = (
        "import os, sys; from kazid.wire import paths;"
        "paths.SYSTEM_SOCKET_UNITS = (); paths.SYSTEM_SOCKET = '/nowhere';"
        "from kazictl.cli import run; launch = lambda log: os.utime(log + '.started');"
        "sys.exit(run(['apply', 'goal.toml', '--json', '--start'], launch=launch))"
    )
    started = folder / "state" / "kazi" / "kazid.log.started"
    started.parent.mkdir(parents=True)
    started.touch()
    os.utime(started, (1, 1))

    def start_when_launched() -> None:
        while started.stat().st_mtime == 1:
            time.sleep(0.01)
        daemon.start()

    starter = threading.Thread(target=start_when_launched)
    starter.start()
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    starter.join()
    assert (finished.returncode, json.loads(finished.stdout)["status"]) == (0, "converged")
    assert (
        finished.stderr
        == f"kazictl: no daemon is running; starting kazid (its log: {started.parent}/kazid.log)\n"
    )


@pytest.mark.parametrize(
    "flags", [pytest.param((), id="follows"), pytest.param(("--detach",), id="detaches")]
)
def test_a_looser_spec_that_is_held_is_told_and_not_followed(
    daemon: FakeDaemon, kazictl: Kazictl, flags: tuple[str, ...]
) -> None:
    held = HeldItem(
        plan_sha256="ab" * 32, loosened=["[budget] max_dispatches 3 -> 30"], by="ops", since=1.0, until=2.0,
        roles=["approver"], count=1, given=[],
    )  # fmt: skip
    goal = a_goal(
        applied="held", held=held, problem="held", exit_code=exit_codes.WAITING, notices=["how to approve"]
    )
    daemon.on("POST", "/v1/goals", document(goal, status=202))
    finished = kazictl("apply", "goal.toml", *flags)
    assert finished.returncode == exit_codes.WAITING
    assert finished.stdout == (
        "ops/web: looser than what is in force, so it waits for an approval (generation 2)\n"
        "  note: how to approve\n"
        "  loosens: [budget] max_dispatches 3 -> 30\n"
        "  kazictl approvals shows it to whoever may approve\n"
    )
    answer = kazictl("apply", "goal.toml", "--json", *flags)
    assert answer.returncode == exit_codes.WAITING
    assert json.loads(answer.stdout)["held"]["plan_sha256"] == "ab" * 32
    assert [r.target for r in daemon.requests] == ["/v1/goals", "/v1/goals"]
