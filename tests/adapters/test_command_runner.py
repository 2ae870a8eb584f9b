"""The CommandRunner port on real processes: each sentence of its contract is a test."""

import errno
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from kazid.adapters.system import child_process
from kazid.adapters.system.commands import MARKER, SystemCommandRunner
from kazid.ports.commands import OUTPUT_BYTES_MAX, Command, CommandResult, Ending
from kazid.shim.proctree import environment_value, is_alive, marked_by_prefix

pytestmark = pytest.mark.anyio

ONE_WORD = "(cmd is one executable; the rest belongs into args)"
PATH = "/usr/local/bin:/usr/bin:/bin"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def state_id(tmp_path: Path) -> str:
    return f"test-{os.getpid()}-{tmp_path.name.replace('.', '-')}"


@pytest.fixture
def runner(state_id: str) -> Iterator[SystemCommandRunner]:
    descriptors = len(os.listdir("/proc/self/fd"))
    yield SystemCommandRunner(
        state_id=state_id, environ={**os.environ, "DAEMON_SECRET_KEY": "correct-horse-battery"}
    )
    assert marked_by_prefix(MARKER, f"{state_id}.") == {}, "a check left processes behind"
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 4, "descriptors leak"


def command(*argv: str, cwd: Path, **rest: Any) -> Command:
    return Command(argv=argv, cwd=str(cwd), **{"deadline_s": 10.0, "path": PATH, **rest})


def shell(script: str, *, cwd: Path, **rest: Any) -> Command:
    return command("sh", "-c", script, cwd=cwd, **rest)


async def until(condition: Callable[[], object], *, within_s: float = 5.0) -> None:
    with anyio.fail_after(within_s):
        while not condition():
            await anyio.sleep(0.01)


async def test_stdin_is_dev_null(runner: SystemCommandRunner, tmp_path: Path) -> None:
    result = await runner.run(shell("readlink /proc/self/fd/0; cat; echo end", cwd=tmp_path))
    assert result.stdout.text == "/dev/null\nend\n"


@pytest.mark.parametrize("text", ["", "ä line\n", "x" * 3_000_000], ids=["empty", "a-line", "3-mb"])
async def test_stdin_is_a_file_of_what_it_is_given_to_read(
    runner: SystemCommandRunner, tmp_path: Path, text: str
) -> None:
    result = await runner.run(command("cat", cwd=tmp_path, stdin_text=text))
    assert (result.exit_code, result.stdout.text) == (0, text)
    unread = await runner.run(command("true", cwd=tmp_path, stdin_text=text))
    assert unread.exit_code == 0


async def test_stdout_and_stderr_stay_apart(runner: SystemCommandRunner, tmp_path: Path) -> None:
    result = await runner.run(shell("echo out; echo err >&2; exit 3", cwd=tmp_path))
    assert (result.ending, result.exit_code) == (Ending.EXITED, 3)
    assert (result.stdout.text, result.stderr.text) == ("out\n", "err\n")


async def test_merged_streams_keep_their_order(runner: SystemCommandRunner, tmp_path: Path) -> None:
    result = await runner.run(shell("echo 1; echo 2 >&2; echo 3", cwd=tmp_path, merge_stderr=True))
    assert (result.stdout.text, result.stderr.text) == ("1\n2\n3\n", "")


async def test_the_environment_is_built_from_an_allow_list(
    runner: SystemCommandRunner, tmp_path: Path, state_id: str
) -> None:
    result = await runner.run(command("env", cwd=tmp_path, env={"AUTHORED": "yes"}))
    environment = dict(line.partition("=")[::2] for line in result.stdout.text.splitlines())
    assert environment["AUTHORED"] == "yes"
    assert environment["PATH"] == PATH
    assert environment[MARKER].startswith(f"{state_id}.")
    assert "DAEMON_SECRET_KEY" not in environment


async def test_a_path_shaped_command_is_one_of_the_workspace(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    script = tmp_path / "bin" / "check"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho here\n")
    script.chmod(0o755)
    result = await runner.run(command("bin/check", cwd=tmp_path))
    assert (result.stdout.text, result.executable) == ("here\n", str(script))


async def test_a_bare_name_is_looked_up_on_the_callers_path(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    (tmp_path / "tools").mkdir()
    tool = tmp_path / "tools" / "only-here"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    found = await runner.run(command("only-here", cwd=tmp_path, path=f"{tmp_path}/tools:{PATH}"))
    assert found.stdout.text == "found\n"
    lost = await runner.run(command("only-here", cwd=tmp_path))
    assert (lost.ending, lost.reason_code, lost.reason) == (
        Ending.NOT_STARTED, "cmd_unrunnable", "not found: only-here",
    )  # fmt: skip


async def test_on_the_deadline_the_whole_tree_is_killed_and_verified_gone(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    tree = "setsid sh -c 'echo $$ > inner; sleep 300' & (setsid sleep 300 &) & echo $$ > outer; sleep 300"
    result = await runner.run(shell(tree, cwd=tmp_path, deadline_s=2.5))
    assert result.ending is Ending.TIMED_OUT
    assert result.exit_code is None, "timed out is our own flag"
    assert result.signal is None
    assert result.reason is None, "nobody survived"
    assert [is_alive(int((tmp_path / name).read_text())) for name in ("inner", "outer")] == [False, False]


async def test_a_command_that_forks_without_end_is_ended(runner: SystemCommandRunner, tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 40 ]; do (setsid sleep 300 >/dev/null 2>&1 &); i=$((i+1)); done; sleep 300"
    result = await runner.run(shell(script, cwd=tmp_path, deadline_s=0.5))
    assert (result.ending, result.reason) == (Ending.TIMED_OUT, None)


async def test_what_hides_its_marker_is_found_by_its_parents(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    script = "env -i /usr/bin/setsid /bin/sh -c 'echo $$ > hidden; exec /bin/sleep 300' & sleep 300"
    await runner.run(shell(script, cwd=tmp_path, deadline_s=2.5))
    assert not is_alive(int((tmp_path / "hidden").read_text()))


async def test_a_straggler_that_holds_a_pipe_delays_nobody_beyond_the_grace(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    started = time.monotonic()
    result = await runner.run(shell("setsid sleep 300 & echo done", cwd=tmp_path))
    took_s = time.monotonic() - started
    assert (result.ending, result.exit_code, result.stdout.text) == (Ending.EXITED, 0, "done\n")
    assert child_process.STRAGGLER_GRACE_S <= took_s < 60, "it holds the pipe for 300 s"


async def test_what_a_straggler_prints_within_the_grace_is_kept(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    result = await runner.run(shell("(sleep 0.1; echo late) & echo early", cwd=tmp_path))
    assert result.stdout.text == "early\nlate\n"


async def test_a_straggler_that_left_session_and_pipes_is_swept(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    daemon = "echo $$ > pid.new; mv pid.new pid; exec sleep 300"
    script = f"(setsid sh -c '{daemon}' >/dev/null 2>&1 &); while [ ! -f pid ]; do sleep 0.01; done"
    result = await runner.run(shell(script, cwd=tmp_path))
    assert result.exit_code == 0
    straggler = int((tmp_path / "pid").read_text())
    assert is_alive(straggler), "it escaped, as daemons do"
    assert await runner.sweep_leaked_checks() == (straggler,)
    await until(lambda: not is_alive(straggler))


async def test_the_sweep_at_start_ends_the_checks_of_a_killed_daemon_only(
    state_id: str, tmp_path: Path
) -> None:
    orphan, stranger, neighbour = (
        subprocess.Popen(["sleep", "300"], env={"PATH": PATH, MARKER: value}, start_new_session=True)
        for value in (f"{state_id}.dead.1", "other-state.dead.1", f"{state_id}x.dead.1")
    )
    try:
        await until(lambda: all(environment_value(p.pid, MARKER) for p in (orphan, stranger, neighbour)))
        restarted = SystemCommandRunner(state_id=state_id, environ=os.environ)
        assert await restarted.sweep_leaked_checks() == (orphan.pid,)
        assert orphan.wait(5) == -signal.SIGKILL
        assert is_alive(stranger.pid)
        assert is_alive(neighbour.pid)
    finally:
        for process in (orphan, stranger, neighbour):
            process.kill()
            process.wait(5)


async def test_the_sweep_leaves_running_checks_alone(runner: SystemCommandRunner, tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            runner.run, shell("touch up; while [ ! -f go ]; do sleep 0.01; done; touch end", cwd=tmp_path)
        )
        await until((tmp_path / "up").exists)
        assert await runner.sweep_leaked_checks() == ()
        (tmp_path / "go").touch()
    assert (tmp_path / "end").exists()


async def test_output_beyond_the_bound_is_dropped_and_counted_never_buffered(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gigabyte = 1_000_000_000
    script = f"echo first; head -c {gigabyte} /dev/zero | tr '\\0' x; echo; echo last"
    result = await runner.run(shell(script, cwd=tmp_path, deadline_s=60))
    assert result.exit_code == 0, "it was drained to its end"
    assert result.stdout.bytes_total == gigabyte + len("first\n\nlast\n")
    assert result.stdout.truncated
    assert result.stdout.text.startswith("first\n")
    assert result.stdout.text.endswith("last\n")
    assert len(result.stdout.text) <= OUTPUT_BYTES_MAX + 100
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert grown_kb < 16 * OUTPUT_BYTES_MAX / 1024


async def test_a_flood_on_both_streams_blocks_neither(runner: SystemCommandRunner, tmp_path: Path) -> None:
    script = "head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait"
    result = await runner.run(shell(script, cwd=tmp_path, output_bytes_max=1000))
    assert (result.stdout.bytes_total, result.stderr.bytes_total) == (3_000_000, 3_000_000)


@pytest.mark.parametrize(
    ("cmd", "reason"),
    [
        pytest.param("no-such-binary", "not found: no-such-binary", id="missing-binary"),
        pytest.param("./missing", "not found: ./missing", id="missing-in-workspace"),
        pytest.param("/nope/x", "not found: /nope/x", id="missing-absolute"),
        pytest.param("./plain", "permission denied: ./plain", id="not-executable"),
        pytest.param("./sub", "not a regular file: ./sub", id="folder"),
        pytest.param("./no-shebang", "not a program (no #! line?): ./no-shebang", id="exec-format"),
        pytest.param("./bad-shebang", "not found: the interpreter of ./bad-shebang", id="missing-interpreter"),
        pytest.param("go test ./...", f"not found: go test ./... {ONE_WORD}", id="whole-line"),
        pytest.param("nul\0byte", "not a command: 'nul\\x00byte'", id="nul-byte"),
    ],
)  # fmt: skip
async def test_a_missing_executable_is_a_value(
    runner: SystemCommandRunner, tmp_path: Path, cmd: str, reason: str
) -> None:
    (tmp_path / "sub").mkdir()
    for name, content, mode in (
        ("plain", "#!/bin/sh\n", 0o644), ("no-shebang", "exit 0\n", 0o755), ("bad-shebang", "#!/nope\n", 0o755),
    ):  # fmt: skip
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    result = await runner.run(command(cmd, cwd=tmp_path))
    assert (result.ending, result.reason_code, result.reason) == (
        Ending.NOT_STARTED,
        "cmd_unrunnable",
        reason,
    )


async def test_a_missing_folder_is_a_value(runner: SystemCommandRunner, tmp_path: Path) -> None:
    gone = await runner.run(command("true", cwd=tmp_path / "gone"))
    assert (gone.ending, gone.reason_code) == (Ending.NOT_STARTED, "workspace_missing")
    assert gone.reason == f"no such folder: {tmp_path}/gone"
    (tmp_path / "file").touch()
    no_folder = await runner.run(command("true", cwd=tmp_path / "file"))
    assert no_folder.reason == f"not a folder: {tmp_path}/file"


async def test_a_folder_that_vanishes_before_the_start_is_a_value(
    runner: SystemCommandRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    start = child_process.ChildProcess.start

    def remove_and_start(self: child_process.ChildProcess) -> None:
        workspace.rmdir()
        start(self)

    monkeypatch.setattr(child_process.ChildProcess, "start", remove_and_start)
    result = await runner.run(command("true", cwd=workspace))
    assert (result.ending, result.reason_code) == (Ending.NOT_STARTED, "workspace_missing")


async def test_a_folder_that_vanishes_under_a_running_command_is_no_exception(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    result = await runner.run(shell(f"rm -rf {workspace}; echo gone; exit 1", cwd=workspace))
    assert (result.exit_code, result.stdout.text) == (1, "gone\n")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM])
async def test_a_machine_out_of_resources_is_transient(
    runner: SystemCommandRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    result = await runner.run(command("true", cwd=tmp_path))
    assert (result.ending, result.reason_code) == (Ending.NOT_STARTED, "transient")


async def test_really_out_of_descriptors_is_transient(runner: SystemCommandRunner, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    await runner.run(command("true", cwd=tmp_path))  # threads and selectors have theirs
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), hard))
    try:
        result = await runner.run(command("true", cwd=tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (result.ending, result.reason_code) == (Ending.NOT_STARTED, "transient")


async def test_a_child_without_a_pidfd_is_not_left_running(
    runner: SystemCommandRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(child_process.os, "pidfd_open", refuse)
    result = await runner.run(shell("echo $$ > pid; sleep 300", cwd=tmp_path))
    monkeypatch.undo()
    assert (result.ending, result.reason_code) == (Ending.NOT_STARTED, "transient")


async def test_an_exit_status_that_somebody_else_took_is_never_zero(
    runner: SystemCommandRunner, tmp_path: Path
) -> None:
    ignored = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps, and tells nobody
    try:
        result = await runner.run(shell("exit 0", cwd=tmp_path))
    finally:
        signal.signal(signal.SIGCHLD, ignored)
    assert (result.ending, result.reason_code) == (Ending.NOT_STARTED, "transient")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_an_exit_by_signal_says_which(runner: SystemCommandRunner, tmp_path: Path, number: int) -> None:
    result = await runner.run(shell(f"echo before; kill -{int(number)} $$", cwd=tmp_path))
    assert (result.ending, result.signal, result.exit_code) == (Ending.SIGNALED, number, None)
    assert result.stdout.text == "before\n"


async def test_bytes_that_are_not_utf8_are_replaced(runner: SystemCommandRunner, tmp_path: Path) -> None:
    result = await runner.run(shell(r"printf '\377\376ab\n'", cwd=tmp_path))
    assert result.stdout.text == "��ab\n"
    assert result.stdout.bytes_total == 5


async def test_output_is_redacted_at_capture(runner: SystemCommandRunner, tmp_path: Path) -> None:
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    result = await runner.run(
        shell(
            f"echo {key}; echo $MY_TOKEN >&2; echo correct-horse-battery",
            cwd=tmp_path, env={"MY_TOKEN": "hunter2-hunter2"},
        )
    )  # fmt: skip
    assert key not in result.stdout.text
    assert "correct-horse-battery" not in result.stdout.text, "the daemon's own secrets"
    assert "hunter2-hunter2" not in result.stderr.text


async def test_a_cancelled_caller_leaves_nothing_running(
    runner: SystemCommandRunner, tmp_path: Path, state_id: str
) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runner.run, shell("(setsid sleep 300 &); touch up; sleep 300", cwd=tmp_path))
            await until((tmp_path / "up").exists)
            scope.cancel()
    assert marked_by_prefix(MARKER, f"{state_id}.") == {}


async def test_many_at_once_all_end(runner: SystemCommandRunner, tmp_path: Path) -> None:
    results: list[CommandResult] = []

    async def one(number: int) -> None:
        results.append(await runner.run(shell(f"echo {number}", cwd=tmp_path)))

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(one, number)
    assert sorted(int(result.stdout.text) for result in results) == list(range(40))


async def test_the_loop_goes_on_while_a_command_floods(runner: SystemCommandRunner, tmp_path: Path) -> None:
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            await anyio.sleep(0.01)
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await runner.run(shell("yes 'a line that is printed again and again'", cwd=tmp_path, deadline_s=1.0))
        tasks.cancel_scope.cancel()
    assert turns >= 10, "the others waited for the flood"


@pytest.mark.parametrize("env", [{"BAD=NAME": "x"}, {"NUL": "a\0b"}])
async def test_an_impossible_environment_is_a_value(
    runner: SystemCommandRunner, tmp_path: Path, env: Mapping[str, str]
) -> None:
    result = await runner.run(command("true", cwd=tmp_path, env=env))
    assert (result.ending, result.reason_code) == (Ending.NOT_STARTED, "cmd_unrunnable")
