"""What was, as real processes: the audit trail, an incident made again, and the report."""

import json
from pathlib import Path
from typing import Any

from kazid.wire import exit_codes
from kazid.wire.chain import GENESIS, exported_line, link
from tests.kazictl.conftest import Kazictl, one_document
from tests.kazictl.fake_daemon import Answer, FakeDaemon, document


def test_audit_checks_an_export_by_its_bytes_without_a_daemon(kazictl: Kazictl, folder: Path) -> None:
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


def test_replay_of_what_is_no_incident_says_so_like_every_other_failure(
    kazictl: Kazictl, folder: Path
) -> None:
    run = kazictl("replay", str(folder / "nope"))
    assert (run.returncode, run.stdout) == (exit_codes.USAGE, "")
    assert run.stderr.startswith("kazictl: cannot read ")
    said = one_document(kazictl("replay", str(folder / "nope"), "--json"))
    assert (said["type"], said["exit_code"], said["problems"]) == ("input", exit_codes.USAGE, [])


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
