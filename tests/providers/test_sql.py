"""`sql`: SQLite files and a PostgreSQL server of the test's own."""

import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.catalog import KINDS
from kazid.providers.sql import Sql, SqlOptions, interpret, problem_of
from kazid.providers.sql_answer import Rows
from tests.memory import MIB, bounded_memory
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio
COMMANDS = ScriptedCommandRunner()
FOREVER = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t"


def make_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE jobs (id INTEGER, state TEXT, age_s REAL, payload BLOB);"
        "INSERT INTO jobs VALUES (1, 'done', 5.5, x'00ff'), (2, 'stuck', 9000, NULL), (3, 'done', 1, NULL);"
    )
    connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_database(tmp_path / "jobs.db")
    return tmp_path


async def look(folder: Path, query: str, *, deadline_s: float = 60.0, **options: Json) -> Verdict:
    asked: dict[str, Json] = {"query": query, **options}
    if "url" not in asked:
        asked.setdefault("database", "jobs.db")
    return await Sql().evaluate(asked, a_look(folder, deadline_s=deadline_s), COMMANDS)


class TestContract(ProviderContract):
    keys = tuple(SqlOptions.__struct_fields__)
    kind = KINDS["sql"]

    @pytest.fixture(autouse=True)
    def _made(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.provider = Sql()
        self.commands = COMMANDS
        path = tmp_path_factory.mktemp("databases") / "jobs.db"
        make_database(path)
        self.passing = {"database": str(path), "query": "SELECT count(*) FROM jobs", "pass_when": "== 3"}
        self.failing = {"database": str(path), "query": "SELECT 1 FROM jobs WHERE id = 9"}
        self.erring = {"database": str(path), "query": "SELECT x FROM none"}
        self.hanging = {"database": str(path), "query": FOREVER, "pass_when": "> 0"}


@pytest.mark.parametrize(
    ("query", "options", "status", "reason"),
    [
        pytest.param("SELECT count(*) FROM jobs", {"pass_when": "== 3"}, "pass", None, id="a-count"),
        pytest.param(
            "SELECT max(age_s) FROM jobs", {"pass_when": "< 3600"}, "fail", "pass_when", id="too-old"
        ),
        pytest.param("SELECT state FROM jobs WHERE id = 1", {"equals": "done"}, "pass", None, id="a-text"),
        pytest.param(
            "SELECT state FROM jobs WHERE id = 2", {"equals": "done"}, "fail", "pass_when", id="another"
        ),
        pytest.param("SELECT 5.0", {"equals": 5}, "pass", None, id="a-number-by-value"),
        pytest.param("SELECT 5", {"equals": "5"}, "pass", None, id="a-number-as-text"),
        pytest.param(
            "SELECT state FROM jobs", {"equals": "done"}, "error", "not_a_scalar", id="several-rows"
        ),
        pytest.param("SELECT 1 WHERE 0", {"pass_when": "== 1"}, "unknown", "no_data", id="no-row"),
        pytest.param("SELECT NULL", {"pass_when": "== 0"}, "unknown", "no_data", id="null-is-not-zero"),
        pytest.param("SELECT 'many'", {"pass_when": "> 0"}, "error", "not_a_number", id="no-number"),
        pytest.param("SELECT id FROM jobs WHERE state = 'stuck'", {}, "pass", None, id="there-is-a-row"),
        pytest.param("SELECT id FROM jobs WHERE state = 'lost'", {}, "fail", "no_rows", id="there-is-none"),
        pytest.param(
            "SELECT id FROM jobs WHERE state = 'lost'",
            {"expect": "absent"},
            "pass",
            None,
            id="none-as-it-should",
        ),
        pytest.param(
            "SELECT id, age_s FROM jobs WHERE state = 'stuck'",
            {"expect": "absent"},
            "fail",
            "row_found",
            id="a-stuck-job",
        ),
        pytest.param("PRAGMA quick_check", {"equals": "ok"}, "pass", None, id="a-check-of-the-file"),
        pytest.param(
            "SELECT count(*) FROM none", {"pass_when": "== 0"}, "error", "query_failed", id="no-such-table"
        ),
        pytest.param("SELECT 1; SELECT 2", {"equals": 1}, "error", "invalid_config", id="two-statements"),
        pytest.param("DELETE FROM jobs", {}, "error", "invalid_config", id="a-delete"),
        pytest.param(
            "PRAGMA journal_mode = DELETE", {}, "error", "invalid_config", id="a-pragma-that-writes"
        ),
        pytest.param("ATTACH 'made.db' AS other", {}, "error", "invalid_config", id="an-attach"),
        pytest.param("SELECT load_extension('x')", {}, "error", "invalid_config", id="an-extension"),
        pytest.param("", {}, "error", "invalid_config", id="an-empty-query"),
        pytest.param("-- nothing", {}, "error", "invalid_config", id="a-comment"),
        pytest.param(
            "SELECT hex(zeroblob(900000000))", {"equals": "0"}, "error", "query_failed", id="a-huge-value"
        ),
        pytest.param(FOREVER, {"pass_when": "> 0", "timeout_ms": 100}, "error", "timeout", id="without-end"),
        pytest.param("SELECT payload FROM jobs WHERE id = 1", {"equals": "0x00ff"}, "pass", None, id="bytes"),
        pytest.param("SELECT 9e999", {"pass_when": "> 1"}, "error", "not_a_number", id="infinity"),
    ],
)
async def test_a_real_sqlite_file(
    folder: Path, query: str, options: dict[str, Json], status: str, reason: str | None
) -> None:
    before = (folder / "jobs.db").read_bytes()
    verdict = await look(folder, query, **options)
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict
    assert verdict.is_green or verdict.detail
    assert [p.name for p in folder.iterdir()] == ["jobs.db"]
    assert (folder / "jobs.db").read_bytes() == before


async def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_bytes(b"\xff" * 5000)
    (tmp_path / "folder.db").mkdir()
    os.mkfifo(tmp_path / "fifo.db")
    for name, reason in (
        ("text.db", "not_a_database"),
        ("folder.db", "not_a_database"),
        ("fifo.db", "not_a_database"),
    ):
        assert (await look(tmp_path, "SELECT count(*) FROM sqlite_master", database=name)).reason == reason, (
            name
        )
    absent = await look(tmp_path, "SELECT 1", database="none.db")
    assert (absent.status, absent.reason) == (Status.FAIL, "absent")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("name", ["a b?c#d%e.db", "ünïcode.db", "\udcff.db"])
async def test_a_file_is_found_whatever_its_name(tmp_path: Path, name: str) -> None:
    make_database(tmp_path / name)
    assert (await look(tmp_path, "SELECT count(*) FROM jobs", database=name, equals=3)).is_green


async def test_a_wal_is_read_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    make_database(path)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO jobs VALUES (4, 'new', 0, NULL)")
    assert (await look(tmp_path, "SELECT count(*) FROM jobs", equals=4)).is_green, "what is in the WAL counts"
    writer.close()
    assert (await look(tmp_path, "SELECT count(*) FROM jobs", equals=4)).is_green
    assert [p.name for p in tmp_path.iterdir()] == ["jobs.db"], "no file is made beside it"


async def test_a_locked_file_is_an_error(folder: Path) -> None:
    writer = sqlite3.connect(folder / "jobs.db", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    verdict = await look(folder, "SELECT count(*) FROM jobs", equals=3)
    writer.close()
    assert (verdict.status, verdict.reason) == (Status.ERROR, "busy")


def _binaries() -> Path | None:
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a server that this test started."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: kazi[postgres]")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed")
    who: dict[str, Any] = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="kazi-pg-"))
    server: subprocess.Popen[bytes] | None = None
    try:
        if who:
            os.chown(folder, who["user"], who["group"])
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-A", "trust", "-U", "kazi", "--no-sync", "-E", "UTF8", "--locale=C"],
            check=True, capture_output=True, cwd=folder, timeout=60, **who,
        )  # fmt: skip
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, "-p", str(port), "-h", "127.0.0.1", "-F"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **who,
        )  # fmt: skip
        import psycopg

        url, ends_s = f"postgresql://kazi@127.0.0.1:{port}/postgres", time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(
                        "CREATE TABLE jobs AS SELECT n AS id, n * 1.5 AS age FROM generate_series(1, 5) n"
                    )
                    connection.execute("CREATE SEQUENCE numbers")
                break
            except psycopg.OperationalError:
                assert server.poll() is None, "the server ended"
                assert time.monotonic() < ends_s, "the server does not start"
                time.sleep(0.05)
        yield url
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)
            server.wait(20)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("query", "options", "status", "reason"),
    [
        pytest.param("SELECT count(*) FROM jobs", {"pass_when": "== 5"}, "pass", None, id="a-count"),
        pytest.param("SELECT max(age) FROM jobs", {"pass_when": "<= 7"}, "fail", "pass_when", id="a-decimal"),
        pytest.param("SELECT 'done'::text", {"equals": "done"}, "pass", None, id="a-text"),
        pytest.param("SELECT pg_is_in_recovery()", {"equals": "false"}, "pass", None, id="a-boolean"),
        pytest.param("SELECT NULL::int", {"pass_when": "== 0"}, "unknown", "no_data", id="null"),
        pytest.param("SELECT id FROM jobs", {"equals": 1}, "error", "not_a_scalar", id="several-rows"),
        pytest.param(
            f"SELECT j0.id FROM {', '.join(f'jobs j{n}' for n in range(13))}",
            {},
            "pass",
            None,
            id="only-two-rows-are-sent",
        ),
        pytest.param(
            "SELECT id FROM jobs WHERE id > 9", {"expect": "absent"}, "pass", None, id="none-as-it-should"
        ),
        pytest.param(
            "SELECT id FROM jobs WHERE id > 4", {"expect": "absent"}, "fail", "row_found", id="one-too-many"
        ),
        pytest.param("SELECT x FROM none", {}, "error", "query_failed", id="no-such-table"),
        pytest.param("DELETE FROM jobs", {}, "error", "query_failed", id="a-delete"),
        pytest.param("SELECT setval('s', 1) FROM jobs", {}, "error", "query_failed", id="no-sequence"),
        pytest.param("SELECT nextval('numbers')", {}, "error", "invalid_config", id="a-write-in-a-select"),
        pytest.param("SELECT pg_sleep(30)", {"timeout_ms": 400}, "error", "timeout", id="too-slow"),
        pytest.param("SELECT 100 % 7", {"equals": 2}, "pass", None, id="a-percent-sign"),
        pytest.param("SELECT 7 -- days", {"equals": 7}, "pass", None, id="a-comment-at-the-end"),
        pytest.param("SELECT 7;\n", {"equals": 7}, "pass", None, id="a-semicolon-at-the-end"),
        pytest.param("VALUES (7)", {"equals": 7}, "pass", None, id="values"),
        pytest.param("TABLE jobs", {}, "pass", None, id="a-table"),
        pytest.param("SELECT id, id, age AS id FROM jobs LIMIT 1", {}, "pass", None, id="names-twice"),
        pytest.param("WITH a AS (SELECT 3 AS x) SELECT x FROM a", {"equals": 3}, "pass", None, id="with"),
        pytest.param(
            "SELECT id FROM jobs ORDER BY id DESC LIMIT 1", {"equals": 5}, "pass", None, id="in-order"
        ),
        pytest.param("SELECT FROM jobs WHERE id = 1", {}, "pass", None, id="no-column"),
        pytest.param("SELECT '{\"a\": 1}'::jsonb", {"equals": '{"a": 1}'}, "pass", None, id="json"),
        pytest.param("SELECT ARRAY[1, 2]", {"equals": "{1,2}"}, "pass", None, id="an-array"),
        pytest.param("SELECT '\\x00ff'::bytea", {"equals": "0x00ff"}, "pass", None, id="bytes"),
        pytest.param("SELECT 10::numeric ^ 40", {"pass_when": ">= 1"}, "pass", None, id="a-long-number"),
        pytest.param("SELECT 1; SELECT 2", {}, "error", "query_failed", id="two-statements"),
        pytest.param("SELECT 1) AS a(b), (SELECT 2", {}, "error", "query_failed", id="out-of-the-brackets"),
    ],
)
async def test_a_real_postgres(
    postgres: str, query: str, options: dict[str, Json], status: str, reason: str | None
) -> None:
    verdict = await look(Path("/"), query, url=postgres, **options)
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict
    assert verdict.is_green or verdict.detail


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("SELECT repeat('x', 300000000)", id="a-text"),
        pytest.param("SELECT decode(repeat('78', 100000000), 'hex')", id="bytes"),
        pytest.param("SELECT array_agg(repeat('x', 30000000)) FROM jobs", id="an-array"),
        pytest.param("SELECT " + ", ".join(["repeat('x', 5000000)"] * 40), id="many-columns"),
    ],
)
async def test_a_value_of_hundreds_of_megabytes_stays_with_the_server(postgres: str, query: str) -> None:
    await look(Path("/"), "SELECT 1", url=postgres)
    with bounded_memory(growth_max=100 * MIB):
        verdict = await look(Path("/"), query, url=postgres, deadline_s=30)
    assert verdict.status is Status.PASS, verdict


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        pytest.param("SELECT repeat('x', 20000000)::int", "query_failed", id="within-the-bound"),
        pytest.param("SELECT repeat('x', 100000000)::int", "answer_too_long", id="beyond-it"),
    ],
)
async def test_an_error_that_quotes_hundreds_of_megabytes_is_not_taken_whole(
    postgres: str, query: str, reason: str
) -> None:
    await look(Path("/"), "SELECT 1", url=postgres)
    with bounded_memory(growth_max=200 * MIB):
        verdict = await look(Path("/"), query, url=postgres, deadline_s=60)
    assert (verdict.status, verdict.reason) == (Status.ERROR, reason), verdict
    assert len(verdict.detail or "") < 1000


async def test_a_server_that_lets_us_not_in_is_an_error_and_one_that_is_gone_is_red(postgres: str) -> None:
    nobody = await look(Path("/"), "SELECT 1", url=postgres.replace("kazi@", "nobody@"))
    assert (nobody.status, nobody.reason) == (Status.ERROR, "permission_denied"), nobody
    other = await look(Path("/"), "SELECT 1", url=postgres.replace("/postgres", "/none"))
    assert (other.status, other.reason) == (Status.ERROR, "refused"), other


async def test_a_port_nobody_listens_on_is_red_and_silence_is_too() -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed: kazi[postgres]")
    with socket.socket() as closed, socket.create_server(("127.0.0.1", 0)) as silent:
        closed.bind(("127.0.0.1", 0))
        for sock in (closed, silent):
            url = f"postgresql://kazi@127.0.0.1:{sock.getsockname()[1]}/x"
            verdict = await look(Path("/"), "SELECT 1", url=url, deadline_s=0.6)
            assert (verdict.status, verdict.reason) == (Status.FAIL, "unreachable"), verdict


async def test_an_unknown_host_is_an_error() -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed: kazi[postgres]")
    verdict = await look(Path("/"), "SELECT 1", url="postgresql://nope.invalid/x")
    assert (verdict.status, verdict.reason) == (Status.ERROR, "dns_failed"), verdict


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@h/x",
        "postgresql://h/x?password=secret",
        "mysql://h/x",
        "host=h dbname=x",
        "postgresql://[/",
    ],
)
def test_what_is_no_address_or_holds_a_password_is_refused(url: str) -> None:
    problem = problem_of(SqlOptions(query="SELECT 1", url=url))
    assert problem is not None
    assert "secret" not in problem


CELLS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)


@given(CELLS, st.sampled_from(["== 0", "!= 0", ">= 0", "< 1"]))
def test_no_value_raises_and_only_a_number_is_green(cell: Any, pass_when: str) -> None:
    verdict = interpret(Rows(first=[cell]), SqlOptions(query="q", database="d", pass_when=pass_when))
    is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
    assert is_number or not verdict.is_green
