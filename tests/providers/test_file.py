"""`file`: what is there as it should be, what is not, and what could not be looked at."""

import hashlib
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers import file as file_module
from kazid.providers.blocking import Stop
from kazid.providers.catalog import KINDS
from kazid.providers.file import Absent, File, FileOptions, Seen, TextSearch, examine, interpret
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio
COMMANDS = ScriptedCommandRunner()
NOW_S = 1_800_000_000.0
GB = 1024**3


async def look(
    folder: Path, *, deadline_s: float = 60.0, wall_s: float | None = None, **options: Json
) -> Verdict:
    return await File().evaluate(options, a_look(folder, deadline_s=deadline_s, wall_s=wall_s), COMMANDS)


class TestContract(ProviderContract):
    failing: Mapping[str, Json] = {"path": "none"}
    erring: Mapping[str, Json] = {"path": "x" * 300}
    keys = tuple(FileOptions.__struct_fields__)
    kind = KINDS["file"]

    @pytest.fixture(autouse=True)
    def _made(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.provider = File()
        self.commands = COMMANDS
        folder = tmp_path_factory.mktemp("files")
        (folder / "file").write_text("content")
        with (folder / "huge").open("wb") as huge:
            huge.truncate(64 * GB)  # sparse: it takes no room, and minutes to hash
        self.passing = {"path": str(folder / "file"), "contains": "tent", "mode_max": "0666"}
        self.hanging = {"path": str(folder / "huge"), "sha256": "0" * 64}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"first line\n\xff\xfe second \xe9 line\n")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "ünïcode \udcff name").write_text("x")
    os.utime(tmp_path / "file", (NOW_S - 3600, NOW_S - 3600))
    return tmp_path


FILE_SHA256 = hashlib.sha256(b"first line\n\xff\xfe second \xe9 line\n").hexdigest()


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        pytest.param({"path": "file"}, "pass", None, id="it-is-there"),
        pytest.param({"path": "none"}, "fail", "absent", id="it-is-not"),
        pytest.param({"path": "file/below"}, "fail", "absent", id="nothing-is-below-a-file"),
        pytest.param({"path": "none", "expect": "absent"}, "pass", None, id="absent-as-it-should"),
        pytest.param({"path": "file", "expect": "absent"}, "fail", "present", id="there-and-should-not"),
        pytest.param({"path": "folder", "expect": "absent"}, "fail", "present", id="a-folder-is-something"),
        pytest.param({"path": "dangling"}, "fail", "dangling_link", id="a-link-to-nothing-is-no-file"),
        pytest.param(
            {"path": "dangling", "expect": "absent"}, "fail", "dangling_link", id="and-is-not-nothing"
        ),
        pytest.param({"path": "dangling", "type": "symlink"}, "pass", None, id="as-a-link-it-is-there"),
        pytest.param({"path": "loop"}, "error", "invalid_path", id="a-link-to-itself"),
        pytest.param({"path": "folder"}, "fail", "wrong_type", id="a-program-that-is-a-folder"),
        pytest.param({"path": "folder", "type": "directory"}, "pass", None, id="a-folder"),
        pytest.param({"path": "fifo"}, "fail", "wrong_type", id="a-fifo"),
        pytest.param(
            {"path": "fifo", "type": "any", "contains": "x"}, "fail", "wrong_type", id="is-never-opened"
        ),
        pytest.param({"path": "/dev/zero"}, "fail", "wrong_type", id="a-device"),
        pytest.param(
            {"path": "/dev/zero", "type": "character_device", "sha256": "0" * 64},
            "fail",
            "wrong_type",
            id="neither",
        ),
        pytest.param({"path": "link", "contains": "second"}, "pass", None, id="links-are-followed"),
        pytest.param({"path": "link", "type": "symlink"}, "pass", None, id="or-looked-at"),
        pytest.param({"path": "file", "mode": "0640"}, "pass", None, id="mode"),
        pytest.param({"path": "file", "mode": "0600"}, "fail", "wrong_mode", id="another-mode"),
        pytest.param({"path": "file", "mode_max": "0644"}, "pass", None, id="closed-enough"),
        pytest.param({"path": "file", "mode_max": "0600"}, "fail", "mode_too_open", id="too-open"),
        pytest.param(
            {"path": "file", "owner": os.getuid(), "group": os.getgid()}, "pass", None, id="owner-by-number"
        ),
        pytest.param(
            {"path": "/proc/1/stat", "owner": "root", "group": "root"}, "pass", None, id="owner-by-name"
        ),
        pytest.param({"path": "/proc/1/stat", "owner": "nobody"}, "fail", "wrong_owner", id="another-owner"),
        pytest.param({"path": "file", "group": 54321}, "fail", "wrong_group", id="another-group"),
        pytest.param({"path": "file", "age_max": "2h"}, "pass", None, id="young-enough"),
        pytest.param({"path": "file", "age_max": "30m"}, "fail", "too_old", id="an-old-backup"),
        pytest.param({"path": "file", "age_min": "30m"}, "pass", None, id="old-enough"),
        pytest.param({"path": "file", "age_min": 7200}, "fail", "too_new", id="too-new"),
        pytest.param({"path": "file", "size_bytes_min": 1, "size_bytes_max": 100}, "pass", None, id="size"),
        pytest.param({"path": "empty", "size_bytes_min": 1}, "fail", "too_small", id="an-empty-backup"),
        pytest.param({"path": "file", "size_bytes_max": 1}, "fail", "too_large", id="a-large-one"),
        pytest.param({"path": "file", "sha256": FILE_SHA256.upper()}, "pass", None, id="hash"),
        pytest.param({"path": "empty", "sha256": FILE_SHA256}, "fail", "wrong_hash", id="another-hash"),
        pytest.param(
            {"path": "file", "contains": " second "}, "pass", None, id="text-among-bytes-of-no-encoding"
        ),
        pytest.param({"path": "file", "contains": "third"}, "fail", "text_missing", id="text-missing"),
        pytest.param(
            {"path": "empty", "contains": "x"}, "fail", "text_missing", id="an-empty-file-holds-nothing"
        ),
        pytest.param({"path": "file", "lacks": "third"}, "pass", None, id="lacks"),
        pytest.param({"path": "file", "lacks": "second"}, "fail", "text_present", id="text-present"),
        pytest.param(
            {"path": "/proc/self/status", "contains": "VmRSS"}, "pass", None, id="a-file-without-a-size"
        ),
        pytest.param({"path": "ünïcode \udcff name"}, "pass", None, id="a-name-of-no-encoding"),
        pytest.param({"path": "a\0b"}, "error", "invalid_config", id="a-name-no-file-has"),
        pytest.param({"path": "x" * 300}, "error", "invalid_path", id="a-name-too-long"),
    ],
)
async def test_a_real_file(folder: Path, options: dict[str, Json], status: str, reason: str | None) -> None:
    verdict = await look(folder, wall_s=NOW_S, **options)
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict
    assert verdict.is_green or verdict.detail


async def test_every_failure_is_told_at_once(folder: Path) -> None:
    verdict = await look(folder, wall_s=NOW_S, path="file", mode="0600", size_bytes_max=1, contains="third")
    assert all(word in (verdict.detail or "") for word in ("mode", "bytes", "third"))


async def test_a_file_from_the_future_is_no_fresh_backup(folder: Path) -> None:
    os.utime(folder / "file", (NOW_S + 3600, NOW_S + 3600))
    verdict = await look(folder, wall_s=NOW_S, path="file", age_max="1h")
    assert (verdict.status, verdict.reason) == (Status.ERROR, "clock_skew")


async def test_a_socket_is_a_type(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        assert (await look(tmp_path, path="s", type="socket")).is_green


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody who may not look")
async def test_no_right_to_look_is_an_error_and_no_absence(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(0o700)
    (tmp_path / "closed" / "file").write_text("x")
    for expect in ("present", "absent"):
        as_somebody = _as_nobody(lambda e=expect: examine(f"{tmp_path}/closed/file", _options(e), Stop()))
        assert isinstance(as_somebody, Verdict)
        assert (as_somebody.status, as_somebody.reason) == (Status.ERROR, "permission_denied")


def _options(expect: str) -> FileOptions:
    return FileOptions(path="x", expect="absent" if expect == "absent" else "present")


def _as_nobody(work: Callable[[], object]) -> object:
    """In a thread of its own, whose file system user is nobody's: the kernel keeps it for each thread."""
    import ctypes

    answers: list[object] = []
    libc = ctypes.CDLL(None, use_errno=True)

    def run() -> None:
        libc.setfsuid(65534)
        answers.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return answers[0]


async def test_two_gigabytes_are_hashed_in_little_memory_or_not_in_time(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as big:
        big.truncate(2 * GB)
    tracemalloc.start()
    try:
        verdict = await look(tmp_path, path="big", sha256="0" * 64, timeout_ms=300)
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert verdict.reason in ("timeout", "wrong_hash")


async def test_the_thread_that_is_left_behind_ends(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as big:
        big.truncate(64 * GB)
    provider = File()
    for _ in range(3):
        await provider.evaluate(
            {"path": "big", "sha256": "0" * 64, "timeout_ms": 50}, a_look(tmp_path), COMMANDS
        )
    with anyio.fail_after(60):
        while provider._threads.borrowed_tokens:
            await anyio.sleep(0.01)


class _Rewriting:
    """Stands for `os.fstat`: the file is rewritten behind the reader's back, as often as told."""

    def __init__(self, path: Path, times: int) -> None:
        self.path, self.times, self.calls = path, times, 0

    def __call__(self, descriptor: int) -> os.stat_result:
        self.calls += 1
        if self.calls % 2 == 0 and self.times > 0:
            self.times -= 1
            self.path.write_text("x" * (100 + self.times))
            os.utime(self.path, ns=(0, time.time_ns() + self.calls))
        return os.stat(descriptor)


@pytest.mark.parametrize(("times", "reason"), [(1, "wrong_hash"), (2, "changed_while_read")])
async def test_a_file_rewritten_while_it_is_hashed_is_read_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, reason: str
) -> None:
    (tmp_path / "log").write_text("y" * 1000)
    monkeypatch.setattr(file_module.os, "fstat", _Rewriting(tmp_path / "log", times))
    assert (await look(tmp_path, path="log", sha256="0" * 64)).reason == reason


async def test_a_log_that_grows_and_is_rotated_can_always_be_searched(tmp_path: Path) -> None:
    log, stop = tmp_path / "log", threading.Event()
    log.write_text("here: needle\n" + "." * 300_000)

    def write() -> None:
        while not stop.is_set():
            with log.open("a") as file:
                file.write("line\n" * 100)
            new = tmp_path / "new"
            new.write_text("here: needle\n" + "." * 300_000)
            new.replace(log)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(30):
            assert (await look(tmp_path, path="log", contains="needle")).is_green
    finally:
        stop.set()
        thread.join(60)


@given(st.binary(max_size=200), st.text(min_size=1, max_size=4), st.integers(1, 7))
def test_text_is_found_however_the_content_is_cut(content: bytes, text: str, size: int) -> None:
    wanted = text.encode("utf-8", errors="replace")
    whole = content + wanted + content
    for body, expected in ((whole, True), (content, wanted in content)):
        search = TextSearch(wanted.decode("utf-8"))
        for start in range(0, len(body), size):
            search.feed(body[start : start + size])
        assert search.is_found is expected


def test_a_link_that_leads_nowhere_is_named_with_its_target() -> None:
    verdict = interpret(Absent(dangling_to="/gone"), FileOptions(path="x"), path="/x", wall_s=NOW_S)
    assert "/gone" in (verdict.detail or "")


def test_the_evidence_says_what_was_seen() -> None:
    seen = Seen(type="file", mode=0o4755, uid=0, gid=0, size_bytes=5, modified_wall_s=NOW_S - 1.5)
    verdict = interpret(seen, FileOptions(path="x"), path="/x", wall_s=NOW_S)
    assert verdict.evidence == {
        "path": "/x", "expect": "present", "exists": True, "type": "file", "mode": "4755", "owner": "root",
        "group": "root", "size_bytes": 5, "age_s": 1.5,
    }  # fmt: skip
