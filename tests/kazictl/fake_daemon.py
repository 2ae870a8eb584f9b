"""A scripted daemon on a real Unix socket: answers per method and path, keeps what it was asked, dies on request.

Each route has a list of answers; the last one repeats. Documents are made from the wire messages, so a field that the
daemon renames breaks these tests and not a person's terminal.
"""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kazid.wire.messages import (
    AttemptItem,
    BudgetSpent,
    EpisodeItem,
    EventItem,
    Explanation,
    FollowItem,
    GoalDocument,
    GoalList,
    GoalSummary,
    GuardItem,
    Info,
    LintReport,
    PredicateItem,
    ProblemDetails,
    ProblemItem,
)

NOW_S = 1_700_000_000.0
GOAL = "/v1/goals/@me/web"
"""Where the goal is that most tests ask for."""
PROBLEMS = [ProblemItem(message="unknown key", line=3, key="budgett", hint="did you mean budget?")]


@dataclass
class Request:
    """What one connection asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What one connection gets. `hangs_s`: silence before the connection is closed."""

    body: bytes = b""
    status: int = 200
    is_stream: bool = False
    is_cut: bool = False
    """Close without the last bytes."""
    before: Callable[[], None] | None = None
    hold: threading.Event | None = None
    """Keep the connection open, silent, until this is set."""
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeDaemon:
    """Listens on `path` from `start()` to `stop()`; both may be called again."""

    path: str
    requests: list[Request] = field(default_factory=list)
    _answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    _listener: socket.socket | None = None
    _threads: list[threading.Thread] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Script a route (the path without its query)."""
        self._answers[method, path] = list(answers)

    def start(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(64)
        self._listener = listener
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            os.unlink(self.path)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                request = _read(connection)
                if request is None:
                    return
                self.requests.append(request)
                _send(connection, self._answer(request))
            except OSError:
                return

    def _answer(self, request: Request) -> Answer:
        answers = self._answers.get((request.method, request.target.partition("?")[0]))
        if answers is None:
            return refusal(404, "unknown_goal", f"no route {request.method} {request.target}")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _read(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, version = first.split(" ")
    assert version == "HTTP/1.0"
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return Request(method=method, target=target, headers=headers, body=body)


def _send(connection: socket.socket, answer: Answer) -> None:
    if answer.before is not None:
        answer.before()
    if answer.raw is not None:
        connection.sendall(answer.raw)
        return
    head = f"HTTP/1.1 {answer.status} X\r\nconnection: close\r\n"
    if not answer.is_stream:
        head += f"content-length: {len(answer.body) + 100 * answer.is_cut}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    connection.sendall(head.encode() + b"\r\n" + answer.body)
    if answer.hold is not None:
        answer.hold.wait(30)


def a_goal(**changes: Any) -> GoalDocument:
    """A goal document: one green, one red predicate, acting."""
    values: dict[str, Any] = {
        "goal_id": "web",
        "owner": "ops",
        "ref": "ops/web",
        "uid": "f00",
        "name": None,
        "status": "acting",
        "cause": None,
        "reason": "trying remedy 0",
        "since": NOW_S - 75,
        "standing": False,
        "mode": "repair",
        "generation": 2,
        "epoch": 1,
        "workspace": "/srv/web",
        "labels": {"team": "web"},
        "predicates": [
            PredicateItem(
                id="tests", provider="test_runner", verdict="pass", live=False, observed_at=NOW_S - 3
            ),
            PredicateItem(
                id="livez",
                provider="http_probe",
                verdict="fail",
                live=True,
                reason="unreachable",
                detail="connection refused",
                observed_at=NOW_S - 1,
                evidence={"url": "http://127.0.0.1:1/livez", "stderr": "Traceback\n  \x1b[31mboom\x1b[0m\n"},
            ),
        ],
        "iterations": 2,
        "dispatches": 1,
        "budget_spent": BudgetSpent(
            iterations=2, dispatches=1, tokens=1200, wall_clock_ms=34_000, cost_usd=None
        ),
        "budget": {
            "max_iterations": 8,
            "max_tokens": 50_000,
            "max_wall_clock_ms": 600_000,
            "max_dispatches": None,
        },
        "episode": EpisodeItem(number=3, opened_at=NOW_S - 34),
        "next_action": "wait",
        "next_wake_at": NOW_S + 12,
        "guards": [GuardItem(name="backoff", reason="second try", until=NOW_S + 12, predicates=["livez"])],
        "attempts": [
            AttemptItem(
                number=1,
                id="a1",
                rung="remedy:0",
                title="./bin/service restart",
                predicates=["livez"],
                ending="exited",
                exit_code=0,
                duration_s=1.25,
            ),
            AttemptItem(
                number=2, id="a2", rung="harness:claude", title="make livez pass", predicates=["livez"]
            ),
        ],
        "notices": ["file differs from the applied spec"],
        "exit_code": 7,
    }
    return GoalDocument(**{**values, **changes})


def a_converged_goal(**changes: Any) -> GoalDocument:
    green = [
        PredicateItem(id=name, provider="custom_script", verdict="pass", live=False, observed_at=NOW_S)
        for name in ("tests", "livez")
    ]
    values = {"status": "converged", "reason": None, "predicates": green, "next_action": "done", "guards": []}
    return a_goal(**{**values, "notices": [], "exit_code": 0, **changes})


def a_summary(**changes: Any) -> GoalSummary:
    values: dict[str, Any] = {
        "goal_id": "web",
        "owner": "ops",
        "ref": "ops/web",
        "status": "acting",
        "cause": None,
        "reason": "trying remedy 0",
        "since": NOW_S - 75,
        "standing": True,
        "green": 1,
        "total": 2,
        "failing": ["livez"],
        "iterations": 2,
        "labels": {"team": "web"},
    }
    return GoalSummary(**{**values, **changes})


def a_list(*goals: GoalSummary, following: str | None = None, notices: Sequence[str] = ()) -> GoalList:
    return GoalList(goals=goals, next=following, degraded=False, notices=notices)


def an_explanation(**changes: Any) -> Explanation:
    goal = a_goal()
    values = {name: getattr(goal, name) for name in Explanation.__struct_fields__ if hasattr(goal, name)}
    return Explanation(**{**values, "decision": "Hold", **changes})


def an_event(offset: int) -> EventItem:
    return EventItem(
        offset=offset,
        seq=offset,
        goal_id="web",
        owner="ops",
        uid="f00",
        at=NOW_S,
        type="act.finished",
        event={"type": "act.finished", "attempt": 3, "text": "x\x1b[2J"},
    )


def an_info(**changes: Any) -> Info:
    values: dict[str, Any] = {
        "version": "9.9.9",
        "pid": 4711,
        "mode": "user",
        "socket": "/s",
        "state_dir": "/d",
        "started_at": NOW_S,
        "goals": {"holding": 2},
        "degraded": None,
        "settings_file": None,
    }
    return Info(**{**values, **changes})


def a_report(exit_code: int = 0, **changes: Any) -> LintReport:
    values: dict[str, Any] = {"goal_id": "web", "problems": (), "findings": (), "notices": ()}
    return LintReport(**{**values, **changes}, exit_code=exit_code)


def document(value: msgspec.Struct, *, status: int = 200) -> Answer:
    """One JSON document."""
    return Answer(body=msgspec.json.encode(value), status=status)


def lines(*values: msgspec.Struct, hold: threading.Event | None = None) -> Answer:
    """A stream of JSON lines."""
    return Answer(body=b"".join(msgspec.json.encode(v) + b"\n" for v in values), is_stream=True, hold=hold)


def outcome(goal: GoalDocument) -> FollowItem:
    return FollowItem(event="outcome", goal_id=goal.goal_id, document=goal)


def refusal(status: int, kind: str, detail: str = "because", problems: Sequence[ProblemItem] = ()) -> Answer:
    """A problem+json reply."""
    details = ProblemDetails(
        type=kind, title=f"title of {kind}", status=status, detail=detail, problems=problems
    )
    return Answer(body=msgspec.json.encode(details), status=status)
