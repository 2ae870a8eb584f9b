"""`process`: found by pid file, name or command line; zombies, stale pid files and hidden processes are no green."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers import process as process_module
from kazid.providers.blocking import Stop
from kazid.providers.catalog import KINDS
from kazid.providers.process import PidFile, ProcessOptions, ProcessProvider, Seen, interpret, pid_in
from kazid.providers.process_table import Process, Table, parse_stat, read_one, read_table
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio
COMMANDS = ScriptedCommandRunner()
MARK = f"kazi-process-test-{os.getpid()}"

Spawn = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Starts real processes that sleep, and ends them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str, program: str = "sleeper") -> subprocess.Popen[bytes]:
        argv = [
            program,
            "-c",
            "import sys; sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()",
            *args,
        ]
        child = subprocess.Popen(
            argv, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.read(1)
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait(5)
        for stream in (child.stdin, child.stdout):
            assert stream is not None
            stream.close()


async def look(folder: Path = Path("/"), *, wall_s: float | None = None, **options: Json) -> Verdict:
    return await ProcessProvider().evaluate(options, a_look(folder, wall_s=wall_s), COMMANDS)


class TestContract(ProviderContract):
    failing: Mapping[str, Json] = {"name": "no-such-process"}
    keys = tuple(ProcessOptions.__struct_fields__)
    kind = KINDS["process"]

    @pytest.fixture(autouse=True)
    def _made(self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
        self.provider = ProcessProvider()
        self.commands = COMMANDS
        folder = tmp_path_factory.mktemp("pids")
        (folder / "pid").write_text(f"{os.getpid()}\n")
        self.passing = {"pid_file": str(folder / "pid"), "command_line": "pytest"}
        self.erring = {"pid_file": str(folder)}
        self.hanging = {"name": "hangs"}
        whole = process_module.read_table

        def read_table_or_hang(stop: Stop) -> Table:
            while not stop.is_set and self.is_hanging:
                time.sleep(0.01)
            return whole(stop)

        self.is_hanging = False
        monkeypatch.setattr(process_module, "read_table", read_table_or_hang)

    async def test_it_ends_within_the_deadline(self, tmp_path: Path) -> None:
        self.is_hanging = True
        await super().test_it_ends_within_the_deadline(tmp_path)


async def test_a_real_process_is_found_in_every_way_until_it_is_killed(spawn: Spawn, tmp_path: Path) -> None:
    child = spawn(MARK, "\udcff")
    (tmp_path / "pid").write_text(f" {child.pid} \n")
    ways: list[dict[str, Json]] = [
        {"pid_file": "pid"},
        {"pid_file": "pid", "command_line": MARK, "owner": os.getuid()},
        {"command_line": MARK, "name": "sleeper", "count_max": 1},
    ]
    for way in ways:
        verdict = await look(tmp_path, **way)
        assert verdict.is_green, verdict
        assert child.pid in [p["pid"] for p in verdict.evidence["processes"]]  # type: ignore[index,union-attr,call-overload]
        assert (await look(tmp_path, **way, expect="absent")).reason == "running"
    os.kill(child.pid, signal.SIGKILL)
    with anyio.fail_after(60):
        while read_one(child.pid).processes[0].state != "Z":
            await anyio.sleep(0.005)
    for way in ways:
        verdict = await look(tmp_path, **way)
        assert verdict.status is Status.FAIL, verdict
    child.wait(5)
    for way in ways:
        assert (await look(tmp_path, **way)).status is Status.FAIL
        assert (await look(tmp_path, **way, expect="absent")).is_green


async def test_instances_are_counted(spawn: Spawn) -> None:
    spawn(MARK + "n")
    spawn(MARK + "n")
    counted: list[tuple[dict[str, Json], str | None]] = [
        ({"count_min": 2, "count_max": 2}, None),
        ({"count_min": 3}, "too_few"),
        ({"count_max": 1}, "too_many"),
        ({"uptime_min": "1h"}, "restarted"),
        ({"uptime_min": "1ms"}, None),
        ({"memory_mb_max": 0.1}, "too_much_memory"),
        ({"memory_mb_max": 4000}, None),
        ({"owner": "nobody"}, "not_running"),
    ]
    for options, reason in counted:
        verdict = await look(command_line=MARK + "n", **options)
        assert verdict.reason == reason, verdict


async def test_a_long_name_is_matched_whole(spawn: Spawn) -> None:
    spawn(program="/opt/a-daemon-with-a-long-name")
    assert (await look(name="a-daemon-with-a-long-name")).is_green
    assert (await look(name="a-daemon-with-a-long-nose")).reason == "not_running"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(None, "no_pid_file", id="no-file"),
        pytest.param(b"", "no_pid_in_file", id="an-empty-file"),
        pytest.param(b"\xff\xfe", "no_pid_in_file", id="no-number"),
        pytest.param(b"0", "no_pid_in_file", id="zero"),
        pytest.param(b"9" * 40, "no_pid_in_file", id="a-number-no-process-has"),
        pytest.param(b"4194304", "not_running", id="nobody"),
    ],
)
async def test_a_pid_file_that_names_nobody_is_red(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "pid").write_bytes(content)
    verdict = await look(tmp_path, pid_file="pid")
    assert (verdict.status, verdict.reason) == (Status.FAIL, reason), verdict


async def test_a_pid_file_older_than_its_process_is_stale(spawn: Spawn, tmp_path: Path) -> None:
    child = spawn(MARK)
    (tmp_path / "pid").write_text(str(child.pid))
    os.utime(tmp_path / "pid", (time.time() - 3600, time.time() - 3600))
    assert (await look(tmp_path, pid_file="pid")).reason == "stale_pid_file"
    assert (await look(tmp_path, pid_file="pid", expect="absent")).is_green
    assert (await look(tmp_path, pid_file="pid", command_line=MARK)).is_green, "its command line proves it"
    other = await look(tmp_path, pid_file="pid", command_line="another daemon")
    assert other.reason == "stale_pid_file"


async def test_a_pid_file_that_is_a_fifo_or_a_folder_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        assert (await look(tmp_path, pid_file=name)).status is Status.ERROR


def a_process(pid: int = 7, **others: Any) -> Process:
    fields: dict[str, Any] = {
        "name": "nginx", "state": "S", "uptime_s": 100.0, "memory_bytes": 5_000_000, "arguments": ("nginx", "-g"),
    }  # fmt: skip
    return Process(pid=pid, **{**fields, **others})


@pytest.mark.parametrize(
    ("table", "options", "status", "reason"),
    [
        pytest.param(Table(processes=(a_process(),)), {}, "pass", None, id="runs"),
        pytest.param(Table(processes=()), {}, "fail", "not_running", id="does-not"),
        pytest.param(
            Table(processes=(a_process(state="Z"),)), {}, "fail", "zombie", id="a-zombie-does-not-run"
        ),
        pytest.param(
            Table(processes=(a_process(state="D"),)), {}, "pass", None, id="waiting-for-a-disk-is-running"
        ),
        pytest.param(Table(processes=(), is_partial=True), {}, "error", "permission_denied", id="hidden"),
        pytest.param(
            Table(processes=(), is_partial=True),
            {"expect": "absent"},
            "error",
            "permission_denied",
            id="proves-nothing",
        ),
        pytest.param(
            Table(processes=(a_process(),), is_partial=True), {}, "pass", None, id="seen-all-the-same"
        ),
        pytest.param(
            Table(processes=(a_process(state="Z"),)), {"expect": "absent"}, "pass", None, id="dead-is-absent"
        ),
        pytest.param(
            Table(processes=(a_process(name="kworker", arguments=()),)),
            {"name": "kworker"},
            "pass",
            None,
            id="kernel",
        ),
        pytest.param(
            Table(processes=(a_process(name="nginx", arguments=("nginx: master process",)),)),
            {},
            "pass",
            None,
            id="a-title-of-its-own",
        ),
    ],
)
def test_what_the_table_shows_is_judged(table: Table, options: Any, status: str, reason: str | None) -> None:
    verdict = interpret(Seen(table=table), ProcessOptions(**{"name": "nginx", **options}))
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict


def test_a_pid_file_without_a_number_proves_no_absence() -> None:
    seen = Seen(table=Table(processes=()), pid_file=PidFile(path="p"))
    assert interpret(seen, ProcessOptions(pid_file="p", expect="absent")).status is Status.ERROR


def test_a_secret_in_a_command_line_is_not_evidence() -> None:
    process = a_process(arguments=("nginx", "--password=hunter2hunter2"))
    verdict = interpret(Seen(table=Table(processes=(process,))), ProcessOptions(name="nginx"))
    assert "hunter2hunter2" not in str(verdict)


def test_a_name_with_parentheses_is_read(tmp_path: Path) -> None:
    text = b"12 (a) R (b\xff) S " + b" ".join(str(n).encode() for n in range(1, 50))
    process = parse_stat(text, uptime_s=1000.0)
    assert process is not None
    assert (process.pid, process.name, process.state) == (12, "a) R (b\udcff", "S")


def test_where_process_one_is_hidden_the_table_is_partial(tmp_path: Path) -> None:
    (tmp_path / "uptime").write_text("100.0 1.0\n")
    assert read_table(Stop(), proc=str(tmp_path)) == Table(processes=(), is_partial=True)


def test_to_read_every_process_takes_bounded_cpu() -> None:
    started_s = time.process_time()
    read_table(Stop())
    assert time.process_time() - started_s < 10


@given(st.binary(max_size=200))
def test_no_bytes_of_a_stat_file_raise(text: bytes) -> None:
    parse_stat(text, uptime_s=1.0)
    parse_stat(b"1 (" + text, uptime_s=1.0)


@given(st.binary(max_size=60))
def test_no_bytes_of_a_pid_file_raise(text: bytes) -> None:
    assert pid_in(text) is None or pid_in(text) == int(text.split(b"\n")[0])
