"""How a command is run and what is said about its end: descriptors, signals, environment, deadlines, no start."""

import json
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from kazid.shim import protocol
from tests.shim.shims import Shims, until

SECRET = "correct-horse-battery"


def test_a_result_says_how_the_command_ended(shims: Shims) -> None:
    shim = shims.shell("echo out; echo err >&2; exit 3")
    result = shim.result()
    assert (result["ended"], result["exit_code"], result["signal"]) == ("exited", 3, None)
    assert (result["stdout_bytes"], result["stderr_bytes"]) == (4, 4)
    assert (shim.log("stdout"), shim.log("stderr")) == (b"out\n", b"err\n"), "streams are kept apart"
    assert result["attempt_id"] == shim.attempt_id
    assert 0 <= result["duration_s"] == pytest.approx(result["ended_boot_s"] - result["started_boot_s"])
    assert result["usage"]["max_rss_bytes"] > 0
    assert (result["survivors"], result["reason"]) == ([], None)
    assert shim.wait() == 0


def test_a_signal_is_told_as_a_signal(shims: Shims) -> None:
    result = shims.shell("kill -SEGV $$").result()
    assert (result["ended"], result["exit_code"], result["signal"]) == ("signaled", None, signal.SIGSEGV)


def test_everything_in_the_folder_is_its_owners_alone(shims: Shims) -> None:
    shim = shims.shell("echo out; echo err >&2")
    shim.result()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in shim.folder.iterdir()}
    ours = {"claim", "result.json", "stdout.0", "stderr.0"}
    assert {name: modes[name] for name in ours} == dict.fromkeys(ours, 0o600)
    assert not [name for name in modes if name.startswith(".")], "temporary files are removed"


def test_secrets_of_the_environment_never_reach_the_disk(shims: Shims) -> None:
    shim = shims.shell('echo "my key is $DEPLOY_KEY"', env={"DEPLOY_KEY": SECRET})
    shim.result()
    assert shim.log() == b"my key is [redacted:environment]\n"
    for path in shim.folder.iterdir():
        assert SECRET not in path.read_text(), path.name


def test_the_command_gets_three_descriptors_and_nothing_else(shims: Shims) -> None:
    shim = shims.python(
        "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:-1], os.read(0, 9))"
    )
    shim.result()
    assert shim.log() == b"[0, 1, 2] b''\n", "the last one is the listing itself; stdin is /dev/null"


def test_the_command_starts_with_default_signals(shims: Shims) -> None:
    # cat, because a Python would set its own
    shim = shims.run("/bin/cat", "/proc/self/status")
    shim.result()
    masks = dict(line.split(b":\t", 1) for line in shim.log().splitlines() if line.startswith(b"Sig"))
    threads_own = 1 << 31 | 1 << 32  # signals 32 and 33 belong to the C library, which lets nobody set them
    for name in (b"SigBlk", b"SigIgn"):
        assert int(masks[name], 16) & ~threads_own == 0, name


def test_the_command_leads_a_session_of_its_own(shims: Shims) -> None:
    shim = shims.python("import os; print(os.getpid(), os.getsid(0), os.getpgid(0), os.getppid())")
    shim.result()
    pid, session, group, parent = map(int, shim.log().split())
    assert pid == session == group != shim.pid
    assert parent == shim.pid


def test_the_environment_is_the_shims_and_the_marker(shims: Shims) -> None:
    shim = shims.run("/usr/bin/env", "-0", env={"LANG": "C", "A": "ä", "LINES": "1\n2"})
    shim.result()
    names = dict(entry.split(b"=", 1) for entry in shim.log().rstrip(b"\0").split(b"\0"))
    assert names == {
        b"PATH": os.environb[b"PATH"],
        b"LANG": b"C",
        b"A": "ä".encode(),
        b"LINES": b"1\n2",
        b"KAZI_ATTEMPT": shim.attempt_id.encode(),
    }, "Python's own LC_CTYPE is not among them"


def test_arguments_pass_unchanged_in_any_locale(shims: Shims) -> None:
    argument = "ä 'x' \\ \udcff"
    shim = shims.run("/usr/bin/printf", "%s", argument, env={"LANG": "de_DE.ISO-8859-1"})
    shim.result()
    assert shim.log() == argument.encode("utf-8", "surrogateescape")


def test_stdin_is_a_file_that_ends(shims: Shims) -> None:
    shim = shims.prepare("/bin/cat", stdin="prompt")
    (shim.folder / "prompt").write_text("do it\n")
    shim.spawn().result()
    assert shim.log() == b"do it\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        pytest.param(("/no/such/command",), "ENOENT", id="missing"),
        pytest.param(("no-such-command",), "ENOENT", id="not-on-path"),
        pytest.param(("/etc/passwd",), "EACCES", id="not-executable"),
        pytest.param(("/etc",), "EACCES", id="a-folder"),
        pytest.param(("./script",), "interpreter is missing", id="missing-interpreter"),
    ],
)
def test_what_cannot_be_executed_did_not_start(shims: Shims, argv: tuple[str, ...], words: str) -> None:
    (shims.root / "script").write_text("#!/no/such/interpreter\n")
    (shims.root / "script").chmod(0o755)
    result = shims.run(*argv).result()
    assert (result["ended"], result["exit_code"], result["signal"]) == ("not_started", None, None)
    assert words in result["reason"]


def test_a_missing_folder_did_not_start(shims: Shims) -> None:
    result = shims.run("/bin/true", cwd="/no/such/folder").result()
    assert result["ended"] == "not_started"
    assert "ENOENT" in result["reason"]
    assert "/no/such/folder" in result["reason"]


def test_a_prompt_that_is_a_link_is_not_followed(shims: Shims) -> None:
    shim = shims.prepare("/bin/cat", stdin="prompt")
    (shim.folder / "prompt").symlink_to("/etc/passwd")
    assert shim.spawn().result()["ended"] == "not_started"
    assert shim.log() == b""


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        pytest.param({"version": 2}, "version 2", id="newer-version"),
        pytest.param({"total_timeout_s": "soon"}, "cannot be read", id="no-number"),
        pytest.param({"argv": ()}, "no command", id="no-command"),
        pytest.param({"argv": ("x", "a\0b")}, "NUL", id="nul"),
        pytest.param({"argv": ("x", "\ud800")}, "surrogate", id="half-a-surrogate-pair"),
        pytest.param({"stdin": "../elsewhere"}, "outside", id="stdin-elsewhere"),
    ],
)
def test_an_order_that_cannot_be_read_is_never_started(
    shims: Shims, request_: dict[str, object], words: str
) -> None:
    result = shims.prepare(**{"argv": ("/bin/touch", "ran"), **request_}).spawn().result()
    assert (result["ended"], result["exit_code"]) == ("never_started", None)
    assert words in result["reason"]
    assert not (shims.root / "ran").exists()


def test_without_a_request_nothing_is_claimed(shims: Shims) -> None:
    shim = shims.prepare("/bin/true")
    (shim.folder / protocol.REQUEST).write_text("{")
    assert shim.spawn().wait() == 1
    assert not (shim.folder / protocol.CLAIM).exists()


def test_silence_beyond_the_idle_timeout_ends_it(shims: Shims) -> None:
    shim = shims.shell("echo started; exec sleep 600", idle_timeout_s=0.3)
    result = shim.result()
    assert (result["ended"], result["exit_code"], result["signal"]) == ("idle_timeout", None, None)
    assert 0.3 <= result["duration_s"] < 60
    assert shim.log() == b"started\n"


def test_output_on_either_stream_is_not_idleness(shims: Shims) -> None:
    script = "for i in 1 2 3 4 5 6; do sleep 0.2; echo $i; sleep 0.2; echo $i >&2; done"
    result = shims.shell(script, idle_timeout_s=2.0).result()
    assert (result["ended"], result["exit_code"]) == ("exited", 0)


def test_talking_does_not_stretch_the_total_timeout(shims: Shims) -> None:
    shim = shims.shell("while :; do echo tick; sleep 0.02; done", total_timeout_s=0.4, idle_timeout_s=5)
    result = shim.result()
    assert result["ended"] == "total_timeout"
    assert 0.4 <= result["duration_s"] < 60


def test_a_timeout_is_our_word_and_never_the_commands_exit_code(shims: Shims) -> None:
    polite = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print(1); time.sleep(60)"
    shim = shims.python(polite, total_timeout_s=0.6, keep_on_success=True)
    result = shim.result()
    assert (result["ended"], result["exit_code"]) == ("total_timeout", None), "it exited 0 when it was ended"


def test_a_shim_that_was_stopped_reads_before_it_judges(shims: Shims) -> None:
    shim = shims.shell("while :; do echo tick; sleep 0.02; done", idle_timeout_s=1.5, total_timeout_s=4)
    shim.until_printed(b"tick")
    os.kill(shim.pid, signal.SIGSTOP)
    try:
        signal.sigtimedwait([], 1.8)
    finally:
        os.kill(shim.pid, signal.SIGCONT)
    assert shim.result()["ended"] == "total_timeout"


def test_hangup_and_interrupt_mean_nothing_to_a_shim(shims: Shims) -> None:
    shim = shims.shell("echo ready; read line; echo done", stdin=None)
    quiet = shims.shell("echo ready; sleep 0.3; echo done")
    quiet.until_printed(b"ready")
    os.kill(quiet.pid, signal.SIGHUP)
    os.kill(quiet.pid, signal.SIGINT)
    assert quiet.result()["exit_code"] == 0
    assert shim.result()["exit_code"] == 0


def test_a_result_that_cannot_be_written_is_written_later(shims: Shims) -> None:
    shim = shims.prepare("/bin/echo", "hello")
    obstacle = shim.folder / protocol.RESULT
    obstacle.mkdir()  # a rename onto a folder fails, for root too
    shim.spawn()
    until(lambda: shim.log() == b"hello\n")
    assert protocol.is_locked(str(shim.folder)), "the shim does not give up"
    obstacle.rmdir()
    assert shim.result()["exit_code"] == 0


def test_a_shim_whose_folder_is_gone_gives_up(shims: Shims) -> None:
    shim = shims.shell("echo ready; sleep 0.2")
    shim.until_printed(b"ready")
    for path in shim.folder.iterdir():
        path.unlink()
    shim.folder.rmdir()
    assert shim.wait() == 0


def test_a_full_disk_loses_output_and_nothing_else(shims: Shims) -> None:
    script = (
        "import sys; sys.stdout.write('line\\n' * 20000); sys.stdout.flush(); print('end', file=sys.stderr)"
    )
    shim = shims.prepare(sys.executable, "-c", script, log_bytes_max=1 << 20)
    # No file may grow beyond 8 KiB: an error like a full disk's, for Python takes the error and not the signal.
    shim.spawn(prefix=("/bin/bash", "-c", 'ulimit -f 8; exec "$@"', "-"))
    result = shim.result()
    assert (result["ended"], result["exit_code"], result["stdout_bytes"]) == ("exited", 0, 100_000)
    assert result["log_bytes_dropped"] > 0
    assert shim.log().startswith(b"line\nline\n")
    assert shim.log("stderr") == b"end\n"


def test_an_idle_shim_hardly_ever_wakes(shims: Shims) -> None:
    shim = shims.shell("echo ready; exec sleep 60")
    shim.until_printed(b"ready")
    until(lambda: _switches(shim.pid) == (before := _switches(shim.pid)) and before > 0)
    before = _switches(shim.pid)
    signal.sigtimedwait([], 1.0)
    assert _switches(shim.pid) - before <= 2


def _switches(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def test_files_of_an_attempt_are_json_of_this_version(shims: Shims) -> None:
    shim = shims.run("/bin/true")
    shim.result()
    claim = json.loads((shim.folder / protocol.CLAIM).read_text())
    assert claim.keys() == {"version", "pid", "start_time", "boot_id"}
    assert claim["pid"] == shim.pid
    assert json.loads((shim.folder / protocol.RESULT).read_text())["version"] == protocol.VERSION
