"""`prod_log`: what a service logged decides, each line once, whatever happens to the files it is in."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.ports.provider import Look
from kazid.providers import prod_log
from kazid.providers.formats.journald import read_entries
from kazid.providers.formats.json_text import NotJson
from kazid.providers.kinds.live_kinds import PROD_LOG
from kazid.providers.log_files import LINE_BYTES_MAX
from kazid.providers.log_time import time_of
from kazid.providers.prod_log import ProdLog
from kazid.testing import real_commands
from tests.providers.provider_contract import ProviderContract

pytestmark = pytest.mark.anyio

NOON_S = 1_795_262_400.0
"""2026-11-21 12:00:00 UTC."""


class TestContract(ProviderContract):
    provider = ProdLog()
    kind = PROD_LOG
    passing: Mapping[str, Json] = {"cmd": "printf", "args": ["GET / 200\n"]}
    failing: Mapping[str, Json] = {"cmd": "printf", "args": ["status=500 /a\npanic: x\n"]}
    erring: Mapping[str, Json] = {"cmd": "false"}
    hanging: Mapping[str, Json] = {"cmd": "sleep", "args": ["30"]}
    keys = (
        "cmd",
        "args",
        "env",
        "window_minutes",
        "max_5xx",
        "server_error_regex",
        "panic_regex",
        "timeout_ms",
    )


class Watch:
    """Looks in a row at the logs of one folder: each begins with what the one before left."""

    def __init__(self, folder: Path, **options: Json) -> None:
        self.folder = folder
        self.options: dict[str, Json] = {"files": "app.log", **options}
        self.carry: Json = None
        self.now_s = NOON_S
        self.verdict = Verdict(status=Status.UNKNOWN)

    async def look(self, *, after_s: float = 10.0) -> tuple[int, int]:
        """Look `after_s` after the last time; how many server errors and panics count now."""
        self.now_s += after_s
        look = Look(
            predicate_id="p", workspace=str(self.folder), deadline_s=30, path=os.environ["PATH"],
            wall_s=self.now_s, carry=self.carry,
        )  # fmt: skip
        self.verdict = await ProdLog().evaluate(self.options, look, real_commands())
        if self.verdict.carry is not None:
            # As the journal would keep it.
            self.carry = msgspec.json.decode(msgspec.json.encode(self.verdict.carry))
        counted = [self.verdict.evidence.get(key) for key in ("server_error_count", "panic_count")]
        return counted[0], counted[1]  # type: ignore[return-value]

    def write(self, *lines: str, name: str = "app.log", mode: str = "a") -> None:
        with (self.folder / name).open(mode) as log:
            log.write("".join(f"{line}\n" for line in lines))


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    made = Watch(tmp_path)
    made.write("started without a time, status=500 long ago")
    return made


async def test_a_line_counts_once_until_it_leaves_the_window(watch: Watch) -> None:
    assert await watch.look() == (0, 0)
    assert "history" in watch.verdict.evidence
    watch.write("status=503 /a", "GET /b 200", "panic: boom")
    assert await watch.look() == (1, 1)
    assert (watch.verdict.status, watch.verdict.reason) == (Status.FAIL, "panic")
    assert watch.verdict.evidence["matched_lines"] == ["panic: boom", "status=503 /a"]
    for _ in range(3):
        assert await watch.look() == (1, 1)
    watch.write("status=500 /c")
    assert await watch.look() == (2, 1)
    assert await watch.look(after_s=295) == (1, 0)
    assert await watch.look(after_s=30) == (0, 0)
    assert watch.verdict.is_green


async def test_more_server_errors_than_allowed_fail(tmp_path: Path) -> None:
    watch = Watch(tmp_path, max_5xx=2)
    watch.write("", mode="w")
    await watch.look()
    watch.write("status=500", "status=500")
    assert await watch.look() == (2, 0)
    assert watch.verdict.is_green
    watch.write("status=500")
    assert await watch.look() == (3, 0)
    assert (watch.verdict.status, watch.verdict.reason) == (Status.FAIL, "server_errors")


async def test_a_renamed_log_is_read_to_its_end_and_its_successor_from_its_start(watch: Watch) -> None:
    await watch.look()
    watch.write("status=500 before the rotation")
    (watch.folder / "app.log").rename(watch.folder / "app.log.1")
    watch.write("status=501 after the rotation")
    assert await watch.look() == (2, 0)
    # A process that has not reopened its log yet still writes to the old one.
    watch.write("status=502 late", name="app.log.1")
    assert await watch.look() == (3, 0)
    (watch.folder / "app.log.1").rename(watch.folder / "app.log.2")
    (watch.folder / "app.log").rename(watch.folder / "app.log.1")
    watch.write("status=504 in the third")
    assert await watch.look() == (4, 0)
    assert await watch.look() == (4, 0)


async def test_a_log_that_is_copied_and_truncated_is_read_to_its_end(watch: Watch) -> None:
    watch.write("a line that is long enough to know the file by it again, whatever it is called by then")
    await watch.look()
    watch.write("status=500 before")
    shutil.copy(watch.folder / "app.log", watch.folder / "app.log.1")
    watch.write("status=501 after", mode="w")
    assert await watch.look() == (2, 0)
    assert await watch.look() == (2, 0)


async def test_a_copy_beside_the_log_counts_nothing_twice(tmp_path: Path) -> None:
    watch = Watch(tmp_path, files=["app.log*"])
    watch.write("a line that is long enough to know the file by it again, whatever it is called by then")
    await watch.look()
    watch.write("status=500")
    assert await watch.look() == (1, 0)
    shutil.copy(watch.folder / "app.log", watch.folder / "app.log.copy")
    (watch.folder / "app.log.copy").rename(watch.folder / "app.log.old")
    assert await watch.look() == (1, 0)
    (watch.folder / "app.log").rename(watch.folder / "app.log.1")
    watch.write("status=502")
    assert await watch.look() == (2, 0)


async def test_a_truncated_log_is_read_from_its_start(watch: Watch) -> None:
    await watch.look()
    watch.write("status=500 a", mode="w")
    assert await watch.look() == (1, 0)
    # As long as before, with other content: the length alone would not tell.
    watch.write("status=501 b", mode="w")
    assert await watch.look() == (2, 0)


async def test_a_replaced_log_is_read_from_its_start(watch: Watch) -> None:
    await watch.look()
    watch.write("status=500 in another file", name="new")
    (watch.folder / "new").replace(watch.folder / "app.log")
    assert await watch.look() == (1, 0)


async def test_a_log_replaced_while_it_is_read_loses_no_line_and_counts_none_twice(watch: Watch) -> None:
    """Between any two reads of a look the file may be another: forty times, by a writer that waits for nobody."""
    await watch.look()
    replaced, lines = 40, 25

    def write() -> None:
        for number in range(replaced):
            watch.write(*(f"status=500 {number}-{line} {'x' * 2000}" for line in range(lines)))
            (watch.folder / "app.log").rename(watch.folder / f"app.log.{number + 1}")
            watch.write("status=200 the next one")

    seen = 0
    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, write)
            while seen < replaced * lines:
                errors, _ = await watch.look(after_s=0.0)
                if watch.verdict.status is not Status.ERROR:  # looked for between a rename and the next file
                    assert seen <= errors <= replaced * lines
                    seen = errors
    assert await watch.look(after_s=0.0) == (replaced * lines, 0)
    assert watch.verdict.status is Status.FAIL


async def test_a_log_that_is_gone_is_an_error_and_loses_nothing(watch: Watch) -> None:
    await watch.look()
    watch.write("status=500 unseen")
    (watch.folder / "app.log").rename(watch.folder / "app.log.1")
    await watch.look()
    assert (watch.verdict.status, watch.verdict.reason) == (Status.ERROR, "log_missing")
    watch.write("status=502 in the new one")
    assert await watch.look() == (2, 0)


async def test_a_line_without_its_end_is_seen_and_counted_once(watch: Watch) -> None:
    await watch.look()
    with (watch.folder / "app.log").open("a") as log:
        log.write("panic: died in the mid")
    assert await watch.look() == (0, 1)
    assert await watch.look() == (0, 1)
    watch.write("dle of a word")
    assert await watch.look() == (0, 1)
    assert await watch.look() == (0, 1)


async def test_times_in_the_lines_place_them(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.write(
        "2026-11-21T11:00:00Z status=500 an hour ago",
        "2026-11-21T11:58:00Z status=500 two minutes ago",
        '10.0.0.1 - - [21/Nov/2026:12:59:00 +0100] "GET / HTTP/1.1" 502 1',
        "2026-11-21T11:59:30Z it begins here",
        "  panic: and goes on here",
    )
    assert await watch.look(after_s=0) == (2, 1)
    assert await watch.look(after_s=181) == (1, 1)


async def test_a_new_line_with_the_time_of_another_zone_counts_from_now(watch: Watch) -> None:
    await watch.look()
    watch.write("2026-11-21 03:00:00 status=500 whose clock is this")
    assert await watch.look() == (1, 0)


async def test_what_says_nothing_leaves_the_carry_alone(watch: Watch) -> None:
    await watch.look()
    first = watch.carry
    watch.write("GET / 200")
    await watch.look()
    assert watch.carry == first
    watch.write("status=500")
    await watch.look()
    assert watch.carry != first


@pytest.mark.parametrize("carry", ["x", 5, [], {}, {"wall_s": "x"}, {"wall_s": 1, "cursors": [[1]]}])
async def test_a_carry_that_cannot_be_read_is_none(watch: Watch, carry: Json) -> None:
    watch.carry = carry
    assert await watch.look() == (0, 0)


async def test_bytes_that_are_no_text_and_lines_without_end_are_read(watch: Watch) -> None:
    await watch.look()
    with (watch.folder / "app.log").open("ab") as log:
        log.write(b"\xff\xfe status=500 \x00\n" + b"x" * (2 * LINE_BYTES_MAX))
    assert await watch.look() == (1, 0)
    watch.write(" status=500 in the same line")
    assert await watch.look() == (2, 0)


async def test_what_is_no_log_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, reason in (
        ("fifo", "not_a_log"),
        (".", "not_a_log"),
        ("gone", "log_missing"),
        ("x/*", "log_missing"),
    ):
        watch = Watch(tmp_path, files=name)
        await watch.look()
        assert (watch.verdict.status, watch.verdict.reason) == (Status.ERROR, reason)


async def test_a_log_that_grows_faster_than_it_can_be_read_is_never_green(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watch.look()
    monkeypatch.setattr("kazid.providers.log_files.READ_BYTES_MAX", 1000)
    watch.write(*["GET / 200 of no interest"] * 100, "status=500")
    await watch.look()
    assert (watch.verdict.status, watch.verdict.reason) == (Status.ERROR, "log_too_fast")
    for _ in range(3):
        counted = await watch.look()
    assert counted == (1, 0), "it catches up"


async def test_an_expression_that_explodes_is_an_error_in_time(watch: Watch) -> None:
    watch.options |= {"panic_regex": "(a+)+$", "timeout_ms": 2000}
    await watch.look()
    watch.write("a" * 40 + "!")
    await watch.look()
    assert (watch.verdict.status, watch.verdict.reason) == (Status.ERROR, "match_timeout")


async def test_lines_of_a_route_are_told_apart(watch: Watch) -> None:
    watch.options["correlate"] = {"route": "/pay"}
    await watch.look()
    watch.write("status=500 /pay", "status=500 /other", "status=200 /pay")
    assert await watch.look() == (2, 0)
    assert watch.verdict.evidence["correlated_lines"] == ["status=500 /pay"]


async def test_many_hits_leave_a_small_carry(watch: Watch) -> None:
    await watch.look()
    for _ in range(30):
        watch.write(*["status=500 " + "x" * 1000] * 50)
        await watch.look()
    assert watch.verdict.evidence["server_error_count"] == 1500
    assert len(json.dumps(watch.carry)) < 16_000


ROWS = st.lists(
    st.sampled_from(["write", "rename", "copytruncate", "truncate", "look", "partial"]),
    max_size=12,
)


@given(ROWS)
@example(["truncate", "look", "truncate", "look", "write", "copytruncate"])
def test_no_line_is_counted_twice_whatever_happens(steps: list[str]) -> None:
    """Of what was written before the last look, a truncation may lose some and nothing may count twice."""
    import tempfile

    import anyio

    async def play(folder: Path) -> None:
        watch = Watch(folder, window_minutes=600)
        watch.write("the beginning of this log is long enough to be known again by its fingerprint, surely")
        await watch.look()
        written, may_be_lost, is_anew = 0, 0, False
        for number, step in enumerate(steps):
            log = folder / "app.log"
            match step:
                case "write":
                    watch.write(f"status=500 number {number}")
                    written += 1
                case "partial":
                    with log.open("a") as file:
                        file.write(f"status=500 part {number} ")
                    watch.write("")
                    written += 1
                case "rename":
                    for old in range(8, 0, -1):
                        if (folder / f"app.log.{old}").exists():
                            (folder / f"app.log.{old}").rename(folder / f"app.log.{old + 1}")
                    log.rename(folder / "app.log.1")
                    watch.write(
                        f"a new log begins here, and is known by this sentence and a number: {number}"
                    )
                case "copytruncate":
                    # Begun anew, copied and begun anew once more between two looks: nobody can know that copy.
                    may_be_lost = written if is_anew else may_be_lost
                    shutil.copy(log, folder / f"app.log.{number + 20}")
                    watch.write(
                        f"a truncated log begins here, known by this sentence and a number: {number}",
                        mode="w",
                    )
                case "truncate":
                    may_be_lost, is_anew = written, True
                    watch.write(
                        f"a log begins here anew, known by this sentence and this number: {number}", mode="w"
                    )
                case _:
                    counted, is_anew = (await watch.look())[0], False
                    assert written - may_be_lost <= counted <= written, steps
        counted = (await watch.look())[0]
        assert written - may_be_lost <= counted <= written, steps

    with tempfile.TemporaryDirectory() as folder:
        anyio.run(play, Path(folder))


@pytest.mark.parametrize(
    ("line", "expected_s"),
    [
        ("2026-11-21T12:00:00Z x", NOON_S),
        ("2026-11-21T13:00:00.250+01:00 x", NOON_S + 0.25),
        ("[2026-11-21 12:00:00,500 +0000] x", NOON_S + 0.5),
        ("2026/11/21 12:00:00Z [error]", NOON_S),
        ('1.2.3.4 - - [21/Nov/2026:07:00:00 -0500] "GET"', NOON_S),
        ('{"ts": 1795262400.5, "msg": "x"}', NOON_S + 0.5),
        ("1795262400123 x", NOON_S + 0.123),
        ("x", None), ("", None), ("9999-99-99T99:99:99Z", None), ("Foo 99 00:00:00", None), ("12345", None),
        ("2026-11-21T12:00:00+99:99", ...),
    ],
)  # fmt: skip
def test_a_line_says_its_time(line: str, expected_s: Any) -> None:
    found = time_of(line, now_s=NOON_S)
    assert expected_s is ... or found == expected_s


def test_a_syslog_line_of_december_is_last_years_in_november() -> None:
    found = time_of("Dec 24 12:00:00 host x: y", now_s=NOON_S)
    assert found is not None
    assert NOON_S - 370 * 86400 < found < NOON_S


@given(st.text())
def test_no_line_breaks_the_reading_of_times(line: str) -> None:
    found = time_of(line, now_s=NOON_S)
    assert found is None or isinstance(found, float)


RECORDED = "\n".join(
    json.dumps({"__CURSOR": cursor, "__REALTIME_TIMESTAMP": str(int(at_s * 1e6)), "MESSAGE": message})
    for cursor, at_s, message in [
        ("s=1;i=1", NOON_S - 3600, "panic: long ago"),
        ("s=1;i=2", NOON_S - 60, "status=500 /a"),
        ("s=1;i=2", NOON_S - 60, "status=500 /a"),
        ("s=1;i=3", NOON_S - 30, [112, 97, 110, 105, 99, 255]),
        ("s=1;i=4", NOON_S - 20, "Traceback\n  status=502"),
        ("s=1;i=5", NOON_S - 10, None),
    ]
)


def a_journalctl(folder: Path, script: str) -> None:
    program = folder / "journalctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


async def journal(folder: Path, **options: Json) -> Verdict:
    look = Look(
        predicate_id="p",
        workspace=str(folder),
        deadline_s=30,
        path=f"{folder}:{os.environ['PATH']}",
        wall_s=NOON_S,
    )
    return await ProdLog().evaluate({"unit": "app.service", **options}, look, real_commands())


async def test_entries_of_the_journal_count_within_the_window(tmp_path: Path) -> None:
    (tmp_path / "recorded").write_text(RECORDED)
    a_journalctl(tmp_path, f'echo "$@" >> {tmp_path}/asked; cat {tmp_path}/recorded')
    verdict = await journal(tmp_path)
    assert (verdict.evidence["server_error_count"], verdict.evidence["panic_count"]) == (2, 1)
    assert verdict.status is Status.FAIL
    asked = (tmp_path / "asked").read_text()
    assert f"--since=@{int(NOON_S - 300)} --all --unit=app.service" in asked


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param('case "$*" in *lines=1*) echo "{}";; esac', "pass None", id="nothing-in-the-window"),
        pytest.param("true", "error log_missing", id="no-entry-at-all"),
        pytest.param("echo 'Failed to open' >&2; exit 1", "error query_failed", id="it-fails"),
        pytest.param("echo '{\"MESSAGE\": '", "error unreadable_journal", id="cut"),
        pytest.param("echo '-- No entries --'", "error unreadable_journal", id="no-json"),
        pytest.param("sleep 300", "error timeout", id="it-hangs"),
    ],
)
async def test_what_journalctl_says_means(tmp_path: Path, script: str, expected: str) -> None:
    a_journalctl(tmp_path, script)
    verdict = await journal(tmp_path, timeout_ms=1000 if script.startswith("sleep") else 30_000)
    assert f"{verdict.status.value} {verdict.reason}" == expected, verdict


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["MESSAGE", "__CURSOR", "__REALTIME_TIMESTAMP"]), inner)).map(json.dumps))  # fmt: skip
def test_no_output_crashes_the_reader_of_entries(text: str) -> None:
    try:
        for entry in read_entries(text):
            assert "\n" not in entry.text
    except NotJson as error:
        assert str(error)  # noqa: PT017


WRITER = Path("/lib/systemd/systemd-journal-remote")


@pytest.fixture(scope="module")
def journal_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real journal with three entries of the last minute and one of an hour ago."""
    if not WRITER.exists() or shutil.which("journalctl") is None:
        pytest.skip("no journal can be made here (Debian: apt-get install systemd-journal-remote)")
    folder = tmp_path_factory.mktemp("journal")
    export = b""
    for number, (age_s, message) in enumerate(
        [(3600, b"panic: old"), (50, b"status=500 /a"), (40, b"panic: \xff"), (30, b"two\nlines status=502")]
    ):
        at_us = int((NOON_S - age_s) * 1e6)
        export += (
            (
                b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=4a3c3f3ed1a34f3c9b8f8d5f0e6c7b8a\n"
                b"_SYSTEMD_UNIT=app.service\nMESSAGE\n" % (at_us, 1000 + number)
            )
            + len(message).to_bytes(8, "little")
            + message
            + b"\n\n"
        )
    subprocess.run(
        [str(WRITER), "-o", f"{folder}/x.journal", "-"], input=export, check=True, capture_output=True
    )
    return folder


@pytest.mark.parametrize(
    ("options", "expected", "counted"),
    [
        ({"unit": "app.service"}, "fail panic", (2, 1)),
        ({}, "fail panic", (2, 1)),
        ({"window_minutes": 0.6}, "fail server_errors", (1, 0)),
        ({"window_minutes": 0.1}, "pass None", (0, 0)),
        ({"unit": "ap.service"}, "error log_missing", (None, None)),
    ],
    ids=["of-a-unit", "of-a-folder", "of-half-a-minute", "nothing-new", "of-no-unit"],
)
async def test_a_real_journal_is_read(
    journal_dir: Path, options: Mapping[str, Json], expected: str, counted: tuple[int | None, int | None]
) -> None:
    look = Look(predicate_id="p", workspace="/", deadline_s=9, path=os.environ["PATH"], wall_s=NOON_S)
    verdict = await ProdLog().evaluate({"journal_dir": str(journal_dir), **options}, look, real_commands())
    assert f"{verdict.status.value} {verdict.reason}" == expected, verdict
    assert (verdict.evidence.get("server_error_count"), verdict.evidence.get("panic_count")) == counted


SOURCES: Sequence[Mapping[str, Json]] = (
    {"cmd": "x", "files": "y"}, {"files": "x", "unit": "y"}, {"files": "x", "window_minutes": 0},
    {"files": "x", "window_minutes": -1}, {"files": "x", "panic_regex": "("},
)  # fmt: skip


@pytest.mark.parametrize("options", SOURCES, ids=repr)
async def test_what_cannot_be_meant_is_invalid(options: Mapping[str, Json]) -> None:
    look = Look(predicate_id="p", workspace="/", deadline_s=30, path="/bin", wall_s=NOON_S)
    verdict = await prod_log.ProdLog().evaluate(options, look, real_commands())
    assert (verdict.status, verdict.reason) == (Status.ERROR, "invalid_config")
