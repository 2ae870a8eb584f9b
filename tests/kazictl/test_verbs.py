"""Every verb as a real process: its exit code, what it asked for, and `--json` as one document."""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kazid.wire import exit_codes
from kazid.wire.messages import (
    Acknowledged,
    AckRequest,
    LintFindingItem,
    LintRequest,
    ProblemItem,
    ResumeRequest,
    SuspendRequest,
)
from tests.kazictl.conftest import Kazictl, one_document
from tests.kazictl.fake_daemon import (
    Answer,
    FakeDaemon,
    a_converged_goal,
    a_goal,
    a_list,
    a_report,
    a_summary,
    an_explanation,
    an_info,
    document,
    refusal,
)

GOAL = "/v1/goals/@me/web"
PROBLEMS = [ProblemItem(message="unknown key", line=3, key="budgett", hint="did you mean budget?")]


@pytest.mark.parametrize(("status", "code"), exit_codes.BY_STATUS.items())
def test_status_exits_by_the_goals_status(
    daemon: FakeDaemon, kazictl: Kazictl, status: str, code: int
) -> None:
    daemon.on("GET", GOAL, document(a_goal(status=status, exit_code=code)))
    finished = kazictl("status", "web")
    assert finished.returncode == code
    assert finished.stderr == ""
    assert finished.stdout.startswith(f"ops/web  {status}")


def test_status_json_is_the_daemons_own_document(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/goals/ann/a~1b%20c", document(a_goal(status="stuck", exit_code=3)))
    finished = kazictl("--json", "status", "ann/a/b c")
    assert finished.returncode == exit_codes.STUCK
    assert finished.stdout.encode() == msgspec.json.encode(a_goal(status="stuck", exit_code=3)) + b"\n"
    assert finished.stderr == ""


def test_control_characters_of_a_goal_never_reach_the_terminal(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", GOAL, document(a_goal(reason="\x1b]0;x\x07a\x1b[2Jb\u202e\nc", workspace="/\x9bs")))
    shown = kazictl("status", "web").stdout
    assert "ab c" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


@pytest.mark.parametrize("verb", ["list", "status"])
def test_list_and_bare_status_exit_0_whatever_the_goals_are(
    daemon: FakeDaemon, kazictl: Kazictl, verb: str
) -> None:
    daemon.on("GET", "/v1/goals", document(a_list(a_summary(status="stuck"), a_summary(ref="ops/db"))))
    finished = kazictl(verb)
    assert finished.returncode == 0
    assert "2 goals: 1 acting, 1 stuck" in finished.stdout
    assert len(one_document(kazictl(verb, "--json"))["goals"]) == 2


def test_list_says_what_holds_all_goals(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    notices = ["all goals are frozen: move", "6 goals turned red together (incident 4); ada/web tries first"]
    daemon.on("GET", "/v1/goals", document(a_list(a_summary(), notices=notices)))
    assert kazictl("list").stdout.splitlines()[:2] == notices
    assert one_document(kazictl("list", "--json"))["notices"] == notices


def test_an_empty_list_says_how_to_begin(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/goals", document(a_list()))
    assert "kazictl apply GOAL.toml" in kazictl("list").stdout


def test_list_selects_by_label_and_joins_pages(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    first, last = a_list(a_summary(ref="ops/a"), following="ops/a"), a_list(a_summary(ref="ops/b"))
    daemon.on("GET", "/v1/goals", document(first), document(last))
    told = one_document(kazictl("list", "-l", "team=a b", "-l", "x=y", "--json"))
    assert [goal["ref"] for goal in told["goals"]] == ["ops/a", "ops/b"]
    assert told["next"] is None
    asked = [request.target for request in daemon.requests]
    assert asked == ["/v1/goals?l=team%3Da%20b&l=x%3Dy", "/v1/goals?l=team%3Da%20b&l=x%3Dy&after=ops%2Fa"]


def test_wait_exits_by_what_it_waited_for(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    early = document(a_goal(problem="timeout", exit_code=124))
    daemon.on("GET", f"{GOAL}/wait", early, Answer(raw=b""), document(a_converged_goal()))
    finished = kazictl("wait", "web", "--for", "holding")
    assert finished.returncode == 0
    assert finished.stdout.startswith("ops/web: converged; 2 of 2 pass")
    assert "for=holding&timeout_s=" in daemon.requests[0].target
    assert len(daemon.requests) == 3


def test_wait_times_out_with_124(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    timed_out = document(a_goal(problem="timeout", exit_code=124))
    timed_out.before = lambda: time.sleep(0.25)
    daemon.on("GET", f"{GOAL}/wait", timed_out)
    finished = kazictl("wait", "web", "--timeout", "0.2s", "--json")
    assert finished.returncode == exit_codes.TIMED_OUT
    assert one_document(finished)["problem"] == "timeout"
    assert daemon.requests[0].target.startswith(f"{GOAL}/wait?for=converged&timeout_s=0.")


def test_wait_ends_with_the_goals_code_when_the_state_cannot_come(
    daemon: FakeDaemon, kazictl: Kazictl
) -> None:
    daemon.on("GET", f"{GOAL}/wait", document(a_goal(status="stuck", problem="unreachable", exit_code=3)))
    finished = kazictl("wait", "web")
    assert finished.returncode == exit_codes.STUCK
    assert finished.stderr == "kazictl: converged cannot come without a person\n"
    assert finished.stdout.startswith("ops/web: stuck: trying")


def test_wait_refuses_a_state_that_does_not_exist(kazictl: Kazictl) -> None:
    finished = kazictl("wait", "web", "--for", "convergd")
    assert finished.returncode == exit_codes.USAGE
    assert "did you mean converged?" in finished.stderr


def test_explain_names_the_rule_and_what_holds(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", f"{GOAL}/explain", document(an_explanation()))
    finished = kazictl("explain", "web")
    assert finished.returncode == 0
    assert "decided: Hold" in finished.stdout
    assert "backoff: second try" in finished.stdout
    assert one_document(kazictl("explain", "web", "--json"))["decision"] == "Hold"


def test_explain_ends_with_what_a_person_can_do(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    steps = ("mend it by hand", "kazictl resume ops/web --reason TEXT")
    daemon.on("GET", f"{GOAL}/explain", document(msgspec.structs.replace(an_explanation(), next_steps=steps)))
    assert kazictl("explain", "web").stdout.endswith(
        "\nNext\n  mend it by hand\n  kazictl resume ops/web --reason TEXT\n"
    )


@pytest.mark.parametrize(
    ("argv", "action", "kind", "body"),
    [
        pytest.param(["reconcile", "web"], "reconcile", None, None, id="reconcile"),
        pytest.param(["stop", "web"], "stop", None, None, id="stop"),
        pytest.param(
            ["suspend", "web", "--reason", "disk", "--for", "2h"],
            "suspend",
            SuspendRequest,
            SuspendRequest(reason="disk", for_s=7200.0),
            id="suspend",
        ),
        pytest.param(
            ["resume", "web", "--reason", "fixed"],
            "resume",
            ResumeRequest,
            ResumeRequest(reason="fixed"),
            id="resume",
        ),
    ],
)
@pytest.mark.parametrize(
    ("problem", "code"),
    [(None, 0), ("suspending", exit_codes.UNDER_WAY), ("degraded", exit_codes.ERROR)],
)
def test_steering_exits_by_what_became_of_it(
    daemon: FakeDaemon,
    kazictl: Kazictl,
    argv: list[str],
    action: str,
    kind: type[msgspec.Struct] | None,
    body: msgspec.Struct | None,
    problem: str | None,
    code: int,
) -> None:
    daemon.on(
        "POST",
        f"{GOAL}/{action}",
        document(a_goal(status="suspended", problem=problem, pids=[41], exit_code=6)),
    )
    finished = kazictl(*argv)
    assert finished.returncode == code
    assert finished.stdout.startswith("ops/web: ")
    assert ("pid 41" in finished.stdout) == (problem == "suspending")
    told = one_document(kazictl(*argv, "--json"))
    assert (told["status"], told["exit_code"]) == ("suspended", code)
    if kind is not None:
        assert msgspec.json.decode(daemon.requests[0].body, type=kind) == body


def test_ack_says_that_the_goal_stays_what_it_is(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("POST", f"{GOAL}/ack", document(a_goal(status="stuck", exit_code=3)))
    finished = kazictl("ack", "web", "--reason", "on it")
    assert (finished.returncode, finished.stdout) == (0, "ops/web: acknowledged; still stuck\n")
    assert msgspec.json.decode(daemon.requests[0].body, type=AckRequest) == AckRequest(reason="on it")
    assert one_document(kazictl("ack", "web", "--json"))["exit_code"] == 0


@pytest.mark.parametrize("verb", ["reconcile", "stop", "suspend", "resume"])
def test_steering_by_label_acts_on_each_and_reports_each(
    daemon: FakeDaemon, kazictl: Kazictl, verb: str
) -> None:
    goals = [a_summary(goal_id=name, ref=f"ops/{name}") for name in ("a", "b", "c")]
    daemon.on("GET", "/v1/goals", document(a_list(*goals)))
    daemon.on("POST", f"/v1/goals/ops/a/{verb}", document(a_goal(ref="ops/a")))
    daemon.on("POST", f"/v1/goals/ops/b/{verb}", refusal(403, "denied"))
    daemon.on("POST", f"/v1/goals/ops/c/{verb}", document(a_goal(ref="ops/c", problem="suspending")))
    reason = ["--reason", "x"] if verb in ("suspend", "resume") else []
    finished = kazictl(verb, "-l", "team=web", *reason)
    assert finished.returncode == exit_codes.ERROR
    assert [line.split(":")[0] for line in finished.stdout.splitlines()] == ["ops/a", "ops/b", "ops/c"]
    assert "refused" in finished.stdout
    told = one_document(kazictl(verb, "-l", "team=web", *reason, "--json"))
    assert [goal["exit_code"] for goal in told["goals"]] == [0, exit_codes.ERROR, exit_codes.UNDER_WAY]


def test_steering_needs_a_goal_or_a_label_that_matches(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/goals", document(a_list()))
    assert kazictl("stop").returncode == exit_codes.USAGE
    assert kazictl("stop", "web", "-l", "a=b").returncode == exit_codes.USAGE
    finished = kazictl("stop", "-l", "a=b")
    assert finished.returncode == exit_codes.USAGE
    assert "no goal matches -l a=b" in finished.stderr


def test_delete_removes_one_goal(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("DELETE", GOAL, document(a_goal(status="stopped", exit_code=1)))
    finished = kazictl("delete", "web")
    assert finished.returncode == 0
    assert finished.stdout == "ops/web: deleted\n"
    assert one_document(kazictl("delete", "web", "--json"))["exit_code"] == 0
    assert kazictl("delete", "-l", "a=b").returncode == exit_codes.USAGE


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


def test_info_shows_the_daemon(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/info", document(an_info(degraded="no space left")))
    finished = kazictl("info")
    assert finished.returncode == 0
    assert "2 holding" in finished.stdout
    assert "no space left" in finished.stdout
    assert one_document(kazictl("info", "--json"))["pid"] == 4711


def test_version_needs_no_daemon(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/info", document(an_info()))
    assert "kazid 9.9.9" in kazictl("version").stdout
    assert one_document(kazictl("--version", "--json"))["daemon"] == "9.9.9"
    daemon.stop()
    finished = kazictl("version")
    assert finished.returncode == 0
    assert "kazid: no daemon listens" in finished.stdout
    assert one_document(kazictl("version", "--json"))["daemon"] is None


def test_restart_waits_for_the_next_daemon(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    old, new = document(an_info()), document(an_info(started_at=9.0))
    for options in ([], ["--json"]):
        daemon.on("GET", "/v1/info", old, old, Answer(raw=b""), new)
        daemon.on("POST", "/v1/restart", document(Acknowledged(message="restarting")))
        finished = kazictl("restart", *options)
        assert finished.returncode == 0
    assert one_document(finished)["message"] == "restarting"


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        pytest.param(["status", "nope"], exit_codes.USAGE, id="unknown-goal"),
        pytest.param(["statsu"], exit_codes.USAGE, id="unknown-verb"),
        pytest.param(["run", "g.toml"], exit_codes.USAGE, id="replaced-verb"),
        pytest.param(["status", "/x"], exit_codes.USAGE, id="no-reference"),
        pytest.param(["list", "--socket", "/nowhere/s"], exit_codes.NO_DAEMON, id="no-daemon"),
    ],
)
def test_under_json_a_failure_is_one_document_too(kazictl: Kazictl, argv: list[str], code: int) -> None:
    finished = kazictl(*argv, "--json")
    assert finished.returncode == code
    assert finished.stderr == ""
    told = one_document(finished)
    assert told["exit_code"] == code
    assert told["schema_version"] == 2
    assert {"error", "type", "detail", "problems"} <= set(told)
    people = kazictl(*argv)
    assert (people.returncode, people.stdout) == (code, "")
    assert people.stderr.startswith("kazictl: ")


def test_audit_checks_an_export_by_its_bytes_without_a_daemon(kazictl: Kazictl, folder: Path) -> None:
    from kazid.wire.chain import GENESIS, exported_line, link

    digest, lines = GENESIS, []
    for number in range(1, 4):
        record = b'{"number":%d,"type":"goal.stopped","event":{"by":"ada"}}' % number
        digest = link(digest, record)
        lines.append(exported_line(record, digest) + b"\n")
    file = folder / "trail"
    file.write_bytes(b"".join(lines))
    run = kazictl("audit", "verify", str(file), "--head", f"3:{digest.hex()}")
    assert (run.returncode, run.stdout) == (0, f"3 records, sound; head 3:{digest.hex()}\n")
    file.write_bytes(b"".join(lines).replace(b"ada", b"eve", 1))
    run = kazictl("audit", "verify", str(file), "--json")
    assert (run.returncode, one_document(run)["problems"]) == (1, [{"number": 1, "what": "was changed"}])
    assert kazictl("audit", "forge").returncode == exit_codes.USAGE


def test_audit_shows_what_a_new_generation_changed(kazictl: Kazictl, daemon: FakeDaemon) -> None:
    records = [
        {"number": n, "type": "goal.applied", "event": {"by": "ada", "goal": {"budget": budget, "id": "web"}}}
        for n, budget in ((1, "5 USD"), (2, "9 USD"))
    ]
    body = "".join(f'{{"hash":"{"0" * 64}","record":{json.dumps(r)}}}\n' for r in records).encode()
    daemon.on("GET", "/v1/audit", Answer(body, is_stream=True))
    run = kazictl("audit", "show", "web")
    assert run.stdout.splitlines() == [
        "1  goal.applied  by ada",
        "2  goal.applied  by ada",
        "      budget: 5 USD -> 9 USD",
    ]


def test_audit_shows_values_as_people_write_them(kazictl: Kazictl, daemon: FakeDaemon) -> None:
    event = {"duration_s": 1.0363428439954534, "red": ["x", "y"], "fresh": True}
    record = {"number": 1, "type": "act.ended", "event": event}
    line = f'{{"hash":"{"0" * 64}","record":{json.dumps(record)}}}\n'
    daemon.on("GET", "/v1/audit", Answer(line.encode(), is_stream=True))
    assert (
        kazictl("audit", "show", "web").stdout == "1  act.ended  duration_s 1.036, red [x, y], fresh true\n"
    )


def test_audit_of_a_goal_without_a_record_is_an_unknown_goal(kazictl: Kazictl, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/v1/audit", Answer(b"", is_stream=True))
    run = kazictl("audit", "show", "nope")
    assert (run.returncode, run.stdout) == (exit_codes.USAGE, "")
    assert "no record of 'nope'" in run.stderr


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        pytest.param(["audit", "forge"], "audit cannot 'forge'", id="no-such-action"),
        pytest.param(["audit", "show"], "audit show needs REF", id="show-what"),
        pytest.param(["audit", "verify", "--head", "7:ab"], "--head 7:ab: not NUMBER:HASH", id="short-head"),
        pytest.param(["audit", "verify", "--head", "x"], "--head x: not NUMBER:HASH", id="no-head"),
        pytest.param(["harness", "bla"], "harness cannot 'bla'", id="harness-action"),
        pytest.param(["harness", "check"], "harness check needs ID", id="check-what"),
    ],
)
def test_a_slip_in_an_action_is_told_before_any_daemon_is_asked(
    kazictl: Kazictl, argv: list[str], said: str
) -> None:
    run = kazictl(*argv)
    assert (run.returncode, run.stdout) == (exit_codes.USAGE, "")
    assert said in run.stderr


def test_replay_of_what_is_no_incident_says_so_like_every_other_failure(
    kazictl: Kazictl, folder: Path
) -> None:
    run = kazictl("replay", str(folder / "nope"))
    assert (run.returncode, run.stdout) == (exit_codes.USAGE, "")
    assert run.stderr.startswith("kazictl: cannot read ")
    said = one_document(kazictl("replay", str(folder / "nope"), "--json"))
    assert (said["type"], said["exit_code"], said["problems"]) == ("input", exit_codes.USAGE, [])


def test_doctor_shows_what_to_do_and_fails_when_something_does(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    findings = [
        {"name": "git", "state": "fail", "found": "no git", "todo": "install git"},
        {"name": "disk", "state": "ok", "found": "9 MiB free", "todo": ""},
    ]
    daemon.on("GET", "/v1/doctor", document({"schema_version": 2, "findings": findings}))
    finished = kazictl("doctor")
    assert finished.returncode == exit_codes.ERROR
    assert "-> install git" in finished.stdout
    assert one_document(kazictl("doctor", "--json"))["findings"] == findings


def _report_row(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name, "goals": 1, "statuses": {"stuck": 1}, "cause": None, "age_s": 7200.0, "predicates": 3,
        "gaps": ["livez"], "drifts": 2, "mended": 1, "mended_s": 61.0, "acts": 4, "dispatches": 1, "tokens": None,
        "cost_usd": 1.5, "is_estimated": True, **fields,
    }  # fmt: skip


def test_a_report_as_markdown_csv_and_json(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    row = _report_row("=ada|web")
    reply = {
        "since": 0.0,
        "until": 7 * 86400.0,
        "goals": [row],
        "labels": [_report_row("team=web")],
        "total": row,
        "exit_code": 0,
    }
    daemon.on("GET", "/v1/report", document(reply))
    told = kazictl("report", "--since", "7d", "-l", "team=web").stdout
    assert told.startswith("# Goals, the last 7 d\n")
    assert "| =ada/web | stuck | 2 h | 1 of 3 | 2, 1 mended | 1 min 1 s | 4 | 1 | - | ~1.50 |" in told
    assert "- =ada|web: livez" in told
    assert daemon.requests[0].target == "/v1/report?l=team%3Dweb&since_s=604800.0"
    lines = kazictl("report", "--format", "csv").stdout.splitlines()
    assert lines[0].startswith("by,name,goals,statuses,age_s")
    assert lines[1].startswith("label,team=web,1,stuck=1,7200.0,3,livez,2")
    assert lines[2].startswith("goal,'=ada|web,"), "no spreadsheet takes it for a formula"
    assert "true" in lines[1].split(","), "what is true or false is written as in JSON"
    assert "True" not in "".join(lines)
    assert one_document(kazictl("report", "--format", "json"))["total"]["name"] == "=ada|web"
    assert one_document(kazictl("report", "--json"))["exit_code"] == 0
    assert kazictl("report", "--format", "pdf").returncode == 2


def test_doctor_names_program_credential_and_config_home_of_each_agent(
    daemon: FakeDaemon, kazictl: Kazictl
) -> None:
    daemon.on("GET", "/v1/doctor", document({"schema_version": 2, "findings": []}))
    common = {"credentials": ["KEY"], "credentials_set": [], "config_home": None, "is_default": False}
    agents = [
        {
            **common,
            "id": "ready",
            "command": "sh",
            "credentials_set": ["KEY"],
            "config_home": "/home/u/.agent",
        },
        {**common, "id": "bare", "command": "sh"},
        {**common, "id": "gone", "command": "no-such-agent", "is_default": True},
        {**common, "id": "other", "command": "no-such-agent-either"},
    ]
    daemon.on("GET", "/v1/harnesses", document({"schema_version": 2, "harnesses": agents}))
    told = one_document(kazictl("doctor", "--json"))["agents"]
    assert [(a["name"], a["state"]) for a in told] == [
        ("agent ready", "ok"),
        ("agent bare", "warn"),
        ("agent gone", "warn"),
    ]
    assert "credential KEY; config home /home/u/.agent" in told[0]["found"]
    assert "log in" in told[1]["todo"]
    assert "no-such-agent is not on your PATH" in kazictl("doctor").stdout


HASH = "ab" * 32
WAITING = {
    "approvals": [
        {
            "ref": "ops/web", "owner": "ops", "goal_id": "web", "plan_sha256": HASH, "since": 1.0, "given": ["kim"],
            "is_met": False,
            "plan": {
                "gate": "deploy", "title": "deploy: ship", "argv": ["ship", "now"], "roles": ["approver"], "count": 2,
                "until": 0.0,
            },
        },
        {"ref": "ops/web", "is_met": True, "plan": {}},
    ],
    "schema_version": 1,
    "exit_code": 0,
}  # fmt: skip


def test_approvals_shows_what_waits_with_the_words_to_say_yes(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/approvals", Answer(body=msgspec.json.encode(WAITING)))
    lines = kazictl("approvals").stdout.splitlines()
    assert lines[0] == "ops/web: deploy: deploy: ship"
    assert "needs 2 of approver, not ops; said yes: kim" in lines[1]
    assert lines[2:] == ["  runs: ship now", f"  kazictl approve ops/web --plan {HASH}"]
    assert one_document(kazictl("approvals", "--json"))["exit_code"] == 0


@pytest.mark.parametrize(
    ("argv", "path", "body", "said"),
    [
        pytest.param(["approve", "web", "--plan", HASH], "approve", {"plan": HASH}, "approved", id="yes"),
        pytest.param(
            ["approve", "goal:web", "--plan", HASH], "approve", {"plan": HASH}, "approved", id="typed"
        ),
        pytest.param(["reject", "web", "--reason", "no"], "reject", {"reason": "no"}, "rejected", id="no"),
    ],
)
def test_a_word_on_a_plan_is_sent_and_what_the_goal_does_then_is_said(
    daemon: FakeDaemon, kazictl: Kazictl, argv: list[str], path: str, body: dict[str, str], said: str
) -> None:
    daemon.on("POST", f"{GOAL}/{path}", document(a_goal(status="waiting", exit_code=6)))
    finished = kazictl(*argv)
    assert (finished.returncode, finished.stdout) == (0, f"ops/web: {said}; now waiting\n")
    assert msgspec.json.decode(daemon.requests[0].body) == body


@pytest.mark.parametrize(
    "plan", ["abc", HASH[:12], HASH.upper(), HASH + "0"], ids=["a-word", "short", "capitals", "long"]
)
@pytest.mark.parametrize("verb", [["approve", "web"], ["reject", "web", "--reason", "no"]], ids=["yes", "no"])
def test_what_is_no_hash_is_not_sent(
    daemon: FakeDaemon, kazictl: Kazictl, verb: list[str], plan: str
) -> None:
    finished = kazictl(*verb, "--plan", plan)
    assert finished.returncode == 2
    assert "kazictl approvals shows it" in finished.stderr
    assert not daemon.requests


def test_what_is_no_goal_cannot_be_approved_yet(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    finished = kazictl("approve", "draft:web", "--plan", HASH)
    assert finished.returncode == 2
    assert "only goals wait" in finished.stderr
