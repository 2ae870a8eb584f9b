"""`kazictl try`: one look with everything that came of it, nothing stored, and for nobody but the daemon's own user."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from tests.system.house import BIN, RealDaemon, write_goal

GOAL = """
id = "tried"
[scope]
workspace = "."
[[predicate]]
id = "tests"
provider = "custom_script"
cmd = "sh"
args = ["-c", "echo 3 passed; echo token=$KAZI_TEST_TOKEN >&2"]
[predicate.env]
KAZI_TEST_TOKEN = "sk-ant-REDACTME0123456789abcdef"
[[predicate]]
id = "lines"
provider = "custom_script"
cmd = "cat"
args = ["NOTES"]
verdict = "match_count"
match_regex = "."
pass_when = "== 0"
[[remedy]]
cmd = "sh"
args = ["-c", "touch acted"]
"""


@pytest.fixture
def goal_file(base: Path) -> Path:
    (base / "work").mkdir()
    (base / "work" / "NOTES").write_text("one\ntwo\n")
    return write_goal(base / "work", GOAL)


def test_verdict_evidence_time_and_raw_answer_are_shown_and_nothing_is_stored(
    daemon: RealDaemon, goal_file: Path
) -> None:
    run = daemon.kazictl("try", str(goal_file))
    assert run.returncode == 1, run.stderr
    assert run.stdout.startswith("tests (custom_script): pass in ")
    assert "\n  $ sh -c echo 3 passed" in run.stdout
    assert "\n      3 passed\n" in run.stdout
    assert "lines (custom_script): fail" in run.stdout
    assert run.stdout.endswith("1 of 2 pass (looked once, nothing stored)\n")
    assert "REDACTME" not in run.stdout

    report = daemon.json("try", str(goal_file), "lines")
    assert report["exit_code"] == 1
    [lines] = report["predicates"]
    assert (lines["id"], lines["verdict"], lines["answers_total"]) == ("lines", "fail", 1)
    assert lines["answers"][0]["said"]["stdout"] == "one\ntwo\n"
    assert lines["evidence"]["cmd"].endswith("/cat")
    assert lines["duration_ms"] >= 0
    assert daemon.json("list")["goals"] == []
    assert not (goal_file.parent / "acted").exists()


def test_one_predicate_is_named_and_a_misspelt_one_is_answered_with_its_neighbour(
    daemon: RealDaemon, goal_file: Path
) -> None:
    assert daemon.kazictl("try", str(goal_file), "tests").returncode == 0
    wrong = daemon.kazictl("try", str(goal_file), "test")
    assert wrong.returncode == 2
    assert "no predicate 'test'; did you mean tests?" in wrong.stderr
    broken = write_goal(goal_file.parent, GOAL.replace("pass_when", "pass_wen"), name="b.toml")
    assert daemon.kazictl("try", str(broken)).returncode == 2


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"down for maintenance")

    @override
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_http_answer_is_shown_as_it_came(daemon: RealDaemon, base: Path, url: str) -> None:
    text = (
        f'id = "h"\n[[predicate]]\nid = "up"\nprovider = "http_probe"\nurl = "{url}"\nexpect_status = 200\n'
    )
    [up] = daemon.json("try", str(write_goal(base, text)))["predicates"]
    assert (up["verdict"], up["reason"]) == ("fail", "unexpected_status")
    [answer] = up["answers"]
    assert answer["what"] == f"GET {url}"
    said = answer["said"]
    assert (said["status"], said["bytes"], said["body"]) == (503, 20, "down for maintenance")
    assert "server: BaseHTTP" in said["headers"]


def test_an_agent_tries_nothing(daemon: RealDaemon, base: Path, goal_file: Path) -> None:
    said = base / "said"
    text = f"""
id = "outer"
[[predicate]]
id = "p"
provider = "custom_script"
cmd = "sh"
args = ["-c", "{BIN}/kazictl try {goal_file} --json --socket {daemon.socket} >{said}; exit 1"]
"""
    daemon.kazictl("apply", str(write_goal(base, text)), "--check")
    refused = json.loads(said.read_text())
    assert (refused["type"], refused["exit_code"]) == ("denied", 1), refused
