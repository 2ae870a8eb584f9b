"""Logs are bounded, can be followed while they are written, say what is missing, and hold no secret."""

import os
import resource
import sys
import threading
from pathlib import Path

import pytest

from kazid.shim import logs
from kazid.shim.logs import BoundedLog, read_log
from tests.shim.shims import Shims, until
from tests.shim.test_redaction import PEM

BOUND = 8192
HEAD, SEGMENT = BOUND // 2, BOUND // 4


def disk_bytes(folder: Path, stream: str = "stdout") -> int:
    return sum(path.stat().st_size for path in folder.glob(f"{stream}.*"))


def read_all(folder: Path, offset: int = 0) -> list[tuple[int, bytes]]:
    """Pieces of the log with the offset each began at."""
    pieces: list[tuple[int, bytes]] = []
    while True:
        data, following, omitted = read_log(str(folder), "stdout", offset)
        if not data:
            return pieces
        pieces.append((offset + omitted, data))
        offset = following


def numbered(count: int, *, start: int = 0) -> bytes:
    """Lines of eight bytes, so that an offset tells which line it is."""
    return b"".join(b"%07d\n" % number for number in range(start, start + count))


def test_a_short_log_is_whole(tmp_path: Path) -> None:
    log = BoundedLog(str(tmp_path), "stdout", bytes_max=BOUND)
    log.write(numbered(100))
    assert read_all(tmp_path) == [(0, numbered(100))]
    log.write(numbered(50, start=100))
    assert read_log(str(tmp_path), "stdout", 800) == (numbered(50, start=100), 1200, 0)
    assert read_log(str(tmp_path), "stdout", 1200) == (b"", 1200, 0)


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_log(str(tmp_path), "stdout", 0) == (b"", 0, 0)
    assert read_log(str(tmp_path / "none"), "stdout", 5) == (b"", 5, 0)


@pytest.mark.parametrize("piece", [1, 7, 100, 5000, 100_000])
def test_a_long_log_keeps_head_and_tail_and_says_what_is_between(tmp_path: Path, piece: int) -> None:
    log = BoundedLog(str(tmp_path), "stdout", bytes_max=BOUND)
    content = numbered(12_500)
    for at in range(0, len(content), piece):
        log.write(content[at : at + piece])
        if piece > 1000 or at % 5000 == 0:
            assert disk_bytes(tmp_path) <= BOUND
    pieces = read_all(tmp_path)
    head, tail = pieces[0], pieces[1:]
    assert head == (0, content[:HEAD])
    assert b"".join(data for _, data in tail) == content[tail[0][0] :], "the tail is the end, without a gap"
    assert len(content) - tail[0][0] >= SEGMENT
    assert log.dropped_bytes == 0


def test_a_gap_is_told_where_it_is(tmp_path: Path) -> None:
    log = BoundedLog(str(tmp_path), "stdout", bytes_max=BOUND)
    log.write(numbered(HEAD // 8))
    log.omit(1000)
    log.write(b"after\n")
    assert read_log(str(tmp_path), "stdout", HEAD) == (b"after\n", HEAD + 1006, 1000)
    assert read_log(str(tmp_path), "stdout", HEAD + 400) == (b"after\n", HEAD + 1006, 600)


def test_a_follower_sees_everything_once_or_is_told_what_it_missed(tmp_path: Path) -> None:
    log = BoundedLog(str(tmp_path), "stdout", bytes_max=BOUND)
    content = numbered(60_000)
    done = threading.Event()

    def write() -> None:
        for at in range(0, len(content), 333):
            log.write(content[at : at + 333])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    offset = seen = missed = 0
    while True:
        is_last = done.is_set()
        data, following, omitted = read_log(str(tmp_path), "stdout", offset, bytes_max=1000)
        assert data == content[offset + omitted : offset + omitted + len(data)]
        seen, missed = seen + len(data), missed + (omitted if data else 0)
        if is_last and not data:
            break
        offset = following
    writer.join()
    assert seen + missed == len(content)


def test_a_log_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not yours")
    (tmp_path / "stdout.0").symlink_to(tmp_path / "secret")
    assert read_log(str(tmp_path), "stdout", 0) == (b"", 0, 0)
    os.unlink(tmp_path / "stdout.0")
    os.mkfifo(tmp_path / "stdout.0")
    assert read_log(str(tmp_path), "stdout", 0) == (b"", 0, 0), "and a pipe does not hang the reader"


def test_a_disk_that_refuses_costs_what_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "RETRY_S", 0.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = BoundedLog(str(tmp_path), "stdout", bytes_max=BOUND)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (800, hard))
        log.write(numbered(125))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        log.write(numbered(125, start=125))
        log.write(numbered(125, start=250))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.write(numbered(125, start=375))
    log.close()
    assert log.dropped_bytes == 2200
    assert read_all(tmp_path) == [(0, numbered(100)), (3000, numbered(125, start=375))]
    assert len(list(tmp_path.iterdir())) == 2, "no empty files are left"


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        pytest.param("yes 'a line of ordinary output with a number 12345'", b"END\n", id="lines"),
        pytest.param("cat /dev/zero", b"\0\0END\n", id="one-endless-line"),
    ],
)
def test_a_gigabyte_is_bounded_on_disk_and_in_memory(shims: Shims, command: str, ending: bytes) -> None:
    bound = 4 * 1024 * 1024
    shim = shims.shell(
        f"{command} | head -c 1000000000; echo END; sleep 60 & exit 0",
        log_bytes_max=bound,
        keep_on_success=True,
    )
    result = shim.result(within_s=30)
    assert (result["ended"], result["stdout_bytes"]) == ("exited", 1_000_000_004)
    assert disk_bytes(shim.folder) <= bound
    status = Path(f"/proc/{shim.pid}/status").read_text()
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    assert peak_kib < 64 * 1024, "the shim stays small"
    log = shim.log()
    assert log.endswith(ending)
    assert b" omitted]" in log
    assert len(log) > bound // 2 + 500_000, "a head, and a tail worth reading"


def test_a_prompt_without_a_line_end_is_seen(shims: Shims) -> None:
    shim = shims.shell("printf 'Continue? '; sleep 60")
    shim.until_printed(b"Continue? ")


def test_a_secret_in_two_writes_is_still_one(shims: Shims) -> None:
    token = "ghp_" + "a1B2" * 9
    script = f"printf 'first {token[:20]}'; sleep 0.5; printf '{token[20:]} last'; sleep 0.5; echo; echo end"
    shim = shims.shell(script)
    shim.result()
    assert shim.log() == b"first [redacted:github-token] last\nend\n"


def test_a_value_of_the_environment_with_blanks_in_two_writes_is_still_one(shims: Shims) -> None:
    script = "printf 'it is correct horse'; sleep 0.5; echo ' battery staple, yes'"
    shim = shims.shell(script, env={"VAULT_PASSWORD": "correct horse battery staple"})
    shim.result()
    assert shim.log() == b"it is [redacted:environment], yes\n"


def test_a_private_key_line_by_line_is_left_out(shims: Shims) -> None:
    lines = ["before", *PEM.splitlines(), "after"]
    script = f"import time\nfor line in {lines}:\n    print(line, flush=True)\n    time.sleep(0.05)"
    shim = shims.python(script)
    shim.result()
    assert shim.log() == b"before\n[redacted:private-key]\nafter\n"


def test_secrets_in_a_flood_are_redacted_too(shims: Shims) -> None:
    script = (
        "import os\nblock = b'token=s3cr3t-value-%d password: hunter2hunter\\n' % os.getpid() * 2000\n"
        "for _ in range(400): os.write(1, block)"
    )
    shim = shims.run(sys.executable, "-c", script, log_bytes_max=256 * 1024)
    assert shim.result(within_s=20)["stdout_bytes"] > 30_000_000
    log = shim.log()
    assert b"s3cr3t" not in log
    assert b"hunter2" not in log
    assert b"[redacted:token] password: [redacted:password]\n" in log
    until(lambda: disk_bytes(shim.folder) <= 256 * 1024)


def test_a_very_long_line_passes_unchanged(shims: Shims) -> None:
    """An agent prints its report as one line of JSON, and the daemon parses it."""
    script = "import json; print(json.dumps({'text': 'a word and \\\\ \"another\", ' * 20000, 'end': True}))"
    shim = shims.python(script, log_bytes_max=4 * 1024 * 1024)
    result = shim.result()
    assert len(shim.log()) == result["stdout_bytes"] > 400_000
    assert shim.log().endswith(b'"end": true}\n')
