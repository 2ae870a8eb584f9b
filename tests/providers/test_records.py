"""`records`: which records fail, and that a register that cannot be read whole is never green."""

import datetime as dt
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.catalog import KINDS
from kazid.providers.record_rules import condition_of, date_s
from kazid.providers.record_source import Format, Unreadable, format_of, read_records
from kazid.providers.records import Records, RecordsOptions, Rules, interpret, rules_of
from kazid.testing import ProviderContract, a_look, objections, real_commands

pytestmark = pytest.mark.anyio

NOW = dt.datetime(2026, 3, 15, 12, tzinfo=dt.UTC).timestamp()
AUDIT = """\
id,severity,status,opened,due
A-1,high,open,2026-01-10,2026-02-01
A-2,low,open,2026-03-10,2026-04-01
A-3,high,closed,2025-01-01,2025-02-01
A-4,critical,open,2026-03-14T08:00:00+01:00,2026-03-15
"""


class TestContract(ProviderContract):
    provider = Records()
    kind = KINDS["records"]
    keys = tuple(RecordsOptions.__struct_fields__)
    passing: Mapping[str, Json] = {"cmd": "echo", "args": ['[{"id": 1}]'], "key": "id", "max": 1}
    failing: Mapping[str, Json] = {"cmd": "echo", "args": ['[{"id": 1}]'], "key": "id"}
    erring: Mapping[str, Json] = {"file": "no-such-file", "key": "id"}
    hanging: Mapping[str, Json] = {"cmd": "sleep", "args": ["300"], "key": "id"}


def judged(text: str = AUDIT, *, written: Format = Format.CSV, **options: Any) -> Verdict:
    read = msgspec.convert({"file": "audit.csv", "key": "id", **options}, RecordsOptions)
    rules = rules_of(read)
    assert isinstance(rules, Rules), rules
    found = read_records(text, written=written, rows=read.rows, delimiter=read.delimiter)
    return interpret(found, read, rules, wall_s=NOW)


@pytest.mark.parametrize(
    ("options", "failing"),
    [
        pytest.param({}, ["A-1", "A-2", "A-3", "A-4"], id="without-a-rule-each-record-counts"),
        pytest.param({"where": ["status != closed"]}, ["A-1", "A-2", "A-4"], id="which-count"),
        pytest.param({"where": ["status == open", "severity in high|critical"]}, ["A-1", "A-4"], id="all-of"),
        pytest.param({"where": ["severity not in high|critical"]}, ["A-2"], id="none-of"),
        pytest.param(
            {"where": ["status == open"], "date": "opened", "max_age": "30d"}, ["A-1"], id="too-old"
        ),
        pytest.param({"date": "opened", "max_age": "24h"}, ["A-1", "A-2", "A-3", "A-4"], id="to-the-hour"),
        pytest.param(
            {"where": ["status == open"], "due": "due"}, ["A-1"], id="overdue-the-day-after-its-day"
        ),
        pytest.param({"where": ["status == 'open'"], "due": "due", "max": 1}, [], id="so-many-are-allowed"),
    ],
)
def test_the_failing_records_are_the_findings(options: dict[str, Any], failing: list[str]) -> None:
    verdict = judged(**options)
    if not failing:
        assert verdict.status is Status.PASS
        return
    assert verdict.status is Status.FAIL
    assert [f.message.split(":")[0] for f in verdict.findings] == failing
    assert verdict.score == len(failing)


def test_a_finding_says_where_and_why() -> None:
    verdict = judged(where=["status == open"], date="opened", max_age="30d")
    [finding] = verdict.findings
    assert (finding.file, finding.line) == ("audit.csv", 2)
    assert finding.message == "A-1: opened is 64 d ago, 30 d allowed"
    assert verdict.detail == f"1 failing, 0 allowed; first: {finding.message}"


@pytest.mark.parametrize("date", ["", "soon", "2026-13-01", "0"])
def test_a_date_that_is_none_is_no_excuse(date: str) -> None:
    text = json.dumps([{"id": "r", "reviewed": date}])
    verdict = judged(text, written=Format.JSON, date="reviewed", max_age="30d")
    assert (verdict.status, verdict.reason) == (Status.FAIL, "records")
    assert "is no date" in verdict.findings[0].message


@pytest.mark.parametrize(
    ("text", "written", "options", "reason"),
    [
        pytest.param("", Format.CSV, {}, "invalid_csv", id="an-empty-file"),
        pytest.param("id,status\n", Format.CSV, {}, "too_few_records", id="a-header-alone"),
        pytest.param("[]", Format.JSON, {}, "too_few_records", id="an-empty-list"),
        pytest.param("id,a\n1\n", Format.CSV, {}, "invalid_csv", id="a-short-row"),
        pytest.param("id,a\n1,2,3\n", Format.CSV, {}, "invalid_csv", id="a-long-row"),
        pytest.param("id,id\n1,2\n", Format.CSV, {}, "invalid_csv", id="a-column-twice"),
        pytest.param('id\n"1', Format.CSV, {}, "invalid_csv", id="a-quote-that-stays-open"),
        pytest.param("id\n" + "x" * 200_000, Format.CSV, {}, "invalid_csv", id="a-field-without-end"),
        pytest.param(
            AUDIT, Format.CSV, {"where": ["statsu == open"]}, "column_missing", id="a-misspelt-column"
        ),
        pytest.param(AUDIT, Format.CSV, {"due": "until"}, "column_missing", id="a-missing-date"),
        pytest.param("{", Format.JSON, {}, "invalid_json", id="no-json"),
        pytest.param('{"a": 1}', Format.JSON, {}, "invalid_register", id="no-list"),
        pytest.param("[1]", Format.JSON, {}, "invalid_register", id="no-records"),
        pytest.param(
            '{"a": []}', Format.JSON, {"rows": "$.b"}, "path_missing", id="a-path-that-leads-nowhere"
        ),
        pytest.param("[" * 100_000, Format.JSON, {}, "invalid_json", id="depth"),
        pytest.param("a: [", Format.YAML, {}, "invalid_yaml", id="no-yaml"),
        pytest.param(
            "!!python/object/apply:os.system [x]", Format.YAML, {}, "invalid_yaml", id="code-in-yaml"
        ),
        pytest.param("- [" * 5000, Format.YAML, {}, "invalid_yaml", id="deep-yaml"),
    ],
)
def test_what_cannot_be_read_is_an_error(
    text: str, written: Format, options: dict[str, Any], reason: str
) -> None:
    verdict = judged(text, written=written, **options)
    assert (verdict.status, verdict.reason) == (Status.ERROR, reason), verdict


def test_an_empty_register_is_green_where_it_may_be_empty() -> None:
    assert judged("id,status\n", where=["status == open"], min_records=0).status is Status.PASS


def test_a_yaml_bomb_costs_nothing() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 20))
    verdict = judged(
        f"l0: &l0 [x]\n{levels}list: [{{id: 1, all: *l19}}]\n", written=Format.YAML, rows="$.list"
    )
    assert verdict.status is Status.FAIL
    assert len(msgspec.json.encode(verdict)) < 1000


@pytest.mark.parametrize("written", list(Format), ids=lambda f: f.value)
@given(text=st.text(max_size=200))
def test_no_text_raises(written: Format, text: str) -> None:
    found = read_records(text, written=written, rows="$", delimiter=",")
    assert isinstance(found, Unreadable) or all(isinstance(r.values, dict) for r in found)


@given(text=st.text(max_size=80))
def test_no_condition_and_no_date_raises(text: str) -> None:
    condition = condition_of(text)
    assert condition is None or isinstance(condition.holds({condition.column: "x"}), bool)
    assert date_s(text) is None or isinstance(date_s(text), float)


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        pytest.param("n >= 7", "10", True, id="numbers-as-numbers"),
        pytest.param("n < 7", "", False, id="nothing-is-not-less"),
        pytest.param("n == 7", 7.0, True, id="a-number-is-one-however-written"),
        pytest.param("n == true", True, True, id="a-boolean"),
        pytest.param("n is empty", None, True, id="absent-is-empty"),
        pytest.param("n is set", " ", False, id="space-is-empty"),
        pytest.param("n > 2026-01-01", "2026-02-01", True, id="iso-dates"),
        pytest.param("n == 'a | b'", "a | b", True, id="quoted"),
        pytest.param("n != x", None, True, id="absent-is-unequal"),
    ],
)
def test_a_condition_compares(condition: str, value: Json, holds: bool) -> None:
    read = condition_of(condition)
    assert read is not None
    assert read.holds({"n": value}) is holds


def test_a_file_names_its_format() -> None:
    assert [format_of(n) for n in ("a.CSV", "a.yml", "a.ndjson", "a")] == [
        Format.CSV, Format.YAML, Format.JSONL, Format.JSON,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "key"),
    [
        pytest.param({"key": "id"}, "file", id="no-source"),
        pytest.param({"key": "id", "file": "a", "url": "http://x"}, "url", id="two-sources"),
        pytest.param({"key": "id", "database": "a"}, "query", id="no-query"),
        pytest.param({"key": "id", "file": "a", "max_age": "3d"}, "date", id="an-age-of-nothing"),
        pytest.param({"key": "id", "file": "a", "where": ["a == b", "open"]}, "where[2]", id="no-condition"),
    ],
)
def test_what_is_wrong_is_said_when_the_goal_file_is_read(options: dict[str, Json], key: str) -> None:
    assert [p.key for p in objections(KINDS["records"], options)] == [key]


async def looked(folder: Path, **options: Json) -> Verdict:
    look = msgspec.structs.replace(a_look(folder), wall_s=NOW)
    return await Records().evaluate({"key": "id", **options}, look, real_commands())


async def test_sqlite_is_read_and_never_written(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "r.db") as made:
        made.execute("create table findings (id text, status text)")
        made.execute("insert into findings values ('F1', 'open'), ('F2', 'closed')")
    made.close()
    query = "select id, status from findings where status = 'open'"
    verdict = await looked(tmp_path, database="r.db", query=query)
    assert (verdict.status, verdict.findings[0].message) == (Status.FAIL, "F1: is in the register")
    wrote = await looked(tmp_path, database="r.db", query="delete from findings")
    assert (wrote.status, wrote.reason) == (Status.ERROR, "register_failed")
    missing = await looked(tmp_path, database="none.db", query="select 1")
    assert (missing.status, missing.reason) == (Status.ERROR, "register_failed")
    assert not (tmp_path / "none.db").exists()
    endless = "with recursive n(id) as (select 1 union all select id + 1 from n) select count(*) as id from n"
    assert (await looked(tmp_path, database="r.db", query=endless, timeout_ms=300)).reason == "timeout"


class _Register(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_there = self.path == "/reviews.json" and self.headers["Authorization"] == "Bearer letmein"
        self.send_response(200 if is_there else 404)
        self.end_headers()
        self.wfile.write(
            b'{"items": [{"id": "R1", "next": "2026-01-01"}, {"id": "R2", "next": "2027-01-01"}]}'
        )

    @override
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Register)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_overdue_reviews_behind_http(tmp_path: Path, url: str) -> None:
    options: dict[str, Json] = {
        "rows": "$.items",
        "due": "next",
        "headers": {"Authorization": "Bearer letmein"},
    }
    verdict = await looked(tmp_path, url=f"{url}/reviews.json", **options)
    assert [f.message for f in verdict.findings] == ["R1: next was 72 d ago"]
    assert (await looked(tmp_path, url=f"{url}/gone", **options)).reason == "unexpected_status"
    assert "letmein" not in str(verdict)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"id\n\xff\n", "register_not_utf8", id="not-utf8"),
        pytest.param(b"id\n" + b"1\n" * 5_000_000, "register_too_large", id="too-large"),
    ],
)
async def test_a_file_that_is_no_text_is_an_error(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "r.csv").write_bytes(content)
    assert (await looked(tmp_path, file="r.csv")).reason == reason


async def test_only_files_below_the_workspace_are_named_relatively(tmp_path: Path) -> None:
    assert (await looked(tmp_path, file="../r.csv")).reason == "invalid_config"
    (tmp_path / "folder").mkdir()
    assert (await looked(tmp_path, file="folder")).reason == "register_unreadable"
