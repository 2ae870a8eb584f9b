"""What helps to write a goal-file, as real processes: `kazictl lint` and `kazictl schema`."""

import json
from pathlib import Path

import msgspec

from kazid.wire import exit_codes
from kazid.wire.messages import LintFindingItem, LintRequest
from tests.kazictl.conftest import Kazictl, one_document
from tests.kazictl.fake_daemon import PROBLEMS, Answer, FakeDaemon, a_report, document


def test_lint_exits_0_1_2_and_names_every_finding(
    daemon: FakeDaemon, kazictl: Kazictl, goal_file: Path
) -> None:
    finding = LintFindingItem(
        predicate="livez", code="no_assertion", severity="warning", why="any 2xx passes", line=7
    )
    reports = [
        a_report(0),
        a_report(1, findings=[finding]),
        a_report(2, problems=PROBLEMS),
    ]
    daemon.on("POST", "/v1/lint", *(document(report) for report in reports))
    finished = [kazictl("lint", "goal.toml") for _ in range(3)]
    assert [f.returncode for f in finished] == [0, 1, 2]
    assert finished[0].stdout == "goal.toml: clean\n"
    assert finished[1].stdout == (
        "  goal.toml:7: warning: livez: any 2xx passes [no_assertion]\ngoal.toml: loads, with 1 doubt\n"
    )
    assert finished[2].stdout == (
        "  goal.toml:3: budgett: unknown key\n    did you mean budget?\ngoal.toml: does not load: 1 problem\n"
    )
    sent = msgspec.json.decode(daemon.requests[0].body, type=LintRequest)
    assert (sent.goal_file, sent.source_path) == ('id = "web"\n', str(goal_file))
    assert one_document(kazictl("lint", "goal.toml", "--json"))["problems"][0]["line"] == 3
    assert not sent.no_run
    kazictl("lint", "goal.toml", "--no-run")
    assert msgspec.json.decode(daemon.requests[-1].body, type=LintRequest).no_run


def test_schema_shows_tables_and_prints_json_schema(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    probe = {
        "title": "http_probe",
        "description": "one request",
        "type": "object",
        "required": ["url"],
        "properties": {
            "url": {"type": "string", "description": "where\x1b[2J"},
            "expect_status": {"type": "integer", "default": 200, "description": "what"},
            "method": {"type": "string", "enum": ["GET", "HEAD"], "description": "how"},
            "timeout": {"oneOf": [{"type": "string"}, {"type": "number"}], "description": "deadline"},
        },
        "x-kazid-built": True,
    }
    table = {"type": "object", "properties": {"cmd": {"type": "string", "description": "what to run"}}}
    entry = {"properties": {"provider": {"enum": ["http_probe"]}, "url": {"description": "of some kinds"}}}
    goal_file = {
        "required": ["id"],
        "properties": {
            "id": {"type": "string"},
            "remedy": {"type": "array", "items": table},
            "scope": table,
            "predicate": {"type": "array", "items": entry},
        },
        "$defs": {"http_probe": probe, "browser": {"description": "a page", "x-kazid-built": False}},
    }
    daemon.on("GET", "/v1/schema", Answer(body=json.dumps(goal_file).encode()))
    daemon.on("GET", "/v1/schema/http_probe", Answer(body=json.dumps(probe).encode()))
    assert kazictl("schema", "http_probe").stdout.splitlines() == [
        "http_probe: one request",
        "",
        "KEY            TYPE              DEFAULT     ABOUT",
        "url            string            (required)  where",
        "expect_status  integer           200         what",
        "method         GET | HEAD                    how",
        "timeout        string or number              deadline",
    ]
    shown = kazictl("schema").stdout
    for line in ("[[remedy]]", "[scope]", "browser     not built yet  a page"):
        assert line in shown.splitlines()
    assert "[[predicate]]" in shown
    assert "of some kinds" not in shown
    assert one_document(kazictl("schema", "http_probe", "--json")) == probe
    assert json.loads(kazictl("schema", "--json-schema").stdout) == goal_file
    assert kazictl("schema", "htp").returncode == exit_codes.USAGE
