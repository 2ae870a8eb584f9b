import errno
import json
import os
import resource
import signal
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from kazid.adapters.system import attempt as attempt_module
from kazid.adapters.system import attempt_folder
from kazid.adapters.system import runner as runner_module
from kazid.adapters.system.attempt import SystemAttempt
from kazid.adapters.system.attempt_folder import Found, folder_of, look
from kazid.adapters.system.clock import SystemClock
from kazid.adapters.system.runner import SystemRunner
from kazid.core.ids import AttemptId, GoalUid
from kazid.ports.runner import AttemptOrder
from kazid.shim import proctree, protocol

pytest.register_assert_rewrite("tests.contracts.runner_contract")
from tests.contracts.runner_contract import A1, LONG_S, UID, RunnerContract, end_of, until_runs

pytestmark = pytest.mark.anyio

SECRET = "q8Zr3mWv0pLk7TyXq8Zr3mWv0pLk"
BASE = {
    "PATH": os.environ["PATH"],
    "HOME": "/home/nobody",
    "KAZI_SOCKET": "/run/kazi/kazid.sock",
    "ANTHROPIC_API_KEY": SECRET,
    "UNRELATED": "x",
}
RUN = 'echo x >> "$RUNS"; '
COMMANDS = {
    "quick": "echo out; echo err >&2; exit 3",
    "ok": "exit 0",
    "short": "sleep 0.3",
    "silent": "sleep 1000; true",
    "tree": "sleep 1000 & setsid sleep 1000 & (trap '' TERM; sleep 1000; true) & sleep 1000; true",
    "product": "sleep 1000 >/dev/null 2>&1 &",
    "echo": "cat",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # the backend of production; a process takes the same real time on the other


class SystemLab:
    """Everything below one folder; whatever still runs at the end is ended by its marker."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.work = home / "work"
        self.work.mkdir()
        self.state = home / "state"
        self.state.mkdir()
        self.root = str(self.state / "attempts")
        self.runner = self.runner_on_state()
        self._prepared: dict[str, AttemptOrder] = {}

    def runner_on_state(self, **fields: Any) -> SystemRunner:
        runner = SystemRunner(
            state_dir=str(self.state), clock=SystemClock(), base_environment=BASE, kill_grace_s=0.2, **fields
        )
        runner.write_identity()
        return runner

    def order(self, command: str, *, attempt_id: str = A1, **fields: Any) -> AttemptOrder:
        argv = (
            ("no-such-command",)
            if command == "missing"
            else ("sh", "-c", RUN + COMMANDS.get(command, command))
        )
        env = {"RUNS": str(self.home / f"runs-{attempt_id}"), **fields.pop("env", {})}
        given = {"argv": argv, "cwd": str(self.work), "path": os.environ["PATH"], "env": env, **fields}
        return AttemptOrder(uid=UID, attempt_id=AttemptId(attempt_id), **given)

    async def crash(self) -> SystemRunner:
        return self.runner_on_state()

    async def kill_shim(self, attempt_id: str = A1) -> None:
        shim = look(self.folder(attempt_id)).shim_pid
        assert shim is not None
        os.kill(shim, signal.SIGKILL)

    async def order_without_start(self, attempt_id: str = A1) -> None:
        order = self._prepared[attempt_id] = self.order("ok", attempt_id=attempt_id)
        attempt_folder.prepare(self.folder(attempt_id), order, executable="/bin/sh", daemon_file="/none")

    async def start_late(self, attempt_id: str = A1) -> None:
        shim, done = runner_module._start_shim(self.folder(attempt_id), dict(os.environ))
        os.close(done)
        await anyio.to_thread.run_sync(partial(shim.wait, timeout=LONG_S))

    def folder(self, attempt_id: str = A1) -> str:
        return folder_of(self.root, UID, AttemptId(attempt_id))

    def runs(self, attempt_id: str = A1) -> int:
        file = self.home / f"runs-{attempt_id}"
        return len(file.read_text().split()) if file.exists() else 0

    def processes(self, attempt_id: str = A1) -> list[int]:
        """The attempt's own, without its shim."""
        return [pid for pid in proctree.marked(protocol.MARKER, attempt_id) if not _is_shim(pid)]

    def alive(self, attempt_id: str = A1) -> int:
        return len(self.processes(attempt_id))

    def clean_up(self) -> None:
        for _, attempt_id, _ in attempt_folder.folders(self.root):
            proctree.kill_tree(partial(proctree.marked, protocol.MARKER, attempt_id), grace_s=0.0)
        self.runner.reap()


def _is_shim(pid: int) -> bool:
    try:
        return b"attempt.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SystemLab]:
    lab = SystemLab(tmp_path)
    yield lab
    lab.clean_up()


async def log_of(lab: SystemLab, attempt_id: str = A1, stream: str = "stdout") -> str:
    data, _, _ = await lab.runner.read_log(UID, AttemptId(attempt_id), stream=stream, offset=0)
    return data.decode()


class TestSystemRunner(RunnerContract):
    # --- the order reaches the command as it should ---

    async def test_the_environment_is_built_and_nothing_secret_touches_the_disk(self, lab: SystemLab) -> None:
        order = lab.order("env -0 | tr '\\0' '\\n'", env_names=("ANTHROPIC_API_KEY",), env={"MODE": "fast"})
        await end_of(await lab.runner.start(order))
        seen = dict(line.split("=", 1) for line in (await log_of(lab)).splitlines() if "=" in line)
        assert seen["MODE"] == "fast"
        assert seen["HOME"] == "/home/nobody"
        assert seen["PATH"] == os.environ["PATH"]
        assert seen[protocol.MARKER] == A1
        assert seen["ANTHROPIC_API_KEY"].startswith("[redacted")
        assert not {"KAZI_SOCKET", "UNRELATED"} & seen.keys()
        on_disk = b"".join(file.read_bytes() for file in lab.state.rglob("*") if file.is_file())
        assert SECRET.encode() not in on_disk

    async def test_an_empty_path_of_the_caller_means_the_daemons(self, lab: SystemLab) -> None:
        await end_of(await lab.runner.start(lab.order("quick", path="")))
        assert lab.runs() == 1

    async def test_a_path_shaped_command_is_looked_up_in_the_workspace(self, lab: SystemLab) -> None:
        script = lab.work / "mend"
        script.write_text("#!/bin/sh\npwd\n")
        script.chmod(0o755)
        result = await end_of(await lab.runner.start(lab.order("", argv=("./mend",))))
        assert (result.exit_code, await log_of(lab)) == (0, f"{lab.work}\n")

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            pytest.param({"argv": ("nope",)}, ["not found: nope", "PATH /bin"], id="not-on-path"),
            pytest.param({"argv": ("./nope",)}, ["not found: ./nope", "work"], id="not-in-workspace"),
            pytest.param({"cwd": "/no/such/folder"}, ["no such folder: /no/such/folder"], id="no-folder"),
            pytest.param({"argv": ("sh", "a\0b")}, ["NUL"], id="nul-in-argument"),
            pytest.param({"argv": ("sh", "\ud800")}, ["surrogate"], id="half-a-character"),
            pytest.param({"env": {"A": "b\0c"}}, ["NUL"], id="nul-in-environment"),
            pytest.param({"argv": ("sh", "x" * 3_000_000)}, ["too long", "sh"], id="too-long"),
        ],
    )
    async def test_not_started_says_what_was_looked_for_and_where(
        self, lab: SystemLab, fields: dict[str, Any], words: list[str]
    ) -> None:
        result = await end_of(await lab.runner.start(lab.order("ok", **{"path": "/bin", **fields})))
        assert result.ending == "not_started"
        assert result.reason is not None
        assert [word for word in words if word not in result.reason] == []
        assert lab.runs() == 0

    async def test_folder_and_files_are_the_daemons_alone(self, lab: SystemLab) -> None:
        old = os.umask(0)
        try:
            await end_of(await lab.runner.start(lab.order("quick", stdin_text="prompt")))
        finally:
            os.umask(old)
        modes = {
            str(path.relative_to(lab.root)): stat.S_IMODE(path.stat().st_mode)
            for path in Path(lab.root).rglob("*")
        }
        folders = {name for name in modes if (Path(lab.root) / name).is_dir()}
        assert {modes[name] for name in folders} == {0o700}
        assert {mode for name, mode in modes.items() if name not in folders} == {0o600}

    async def test_the_prompt_is_in_no_argv(self, lab: SystemLab) -> None:
        attempt = await lab.runner.start(lab.order("silent", stdin_text="the-whole-prompt"))
        await until_runs(lab)
        everything = b"".join(
            Path(f"/proc/{pid}/cmdline").read_bytes() for pid in proctree.marked(protocol.MARKER, A1)
        )
        assert b"attempt.py" in everything
        assert b"the-whole-prompt" not in everything
        await attempt.cancel()
        await end_of(attempt)

    async def test_an_attempt_id_runs_once(self, lab: SystemLab) -> None:
        await end_of(await lab.runner.start(lab.order("ok")))
        with pytest.raises(AssertionError, match="ordered before"):
            await lab.runner.start(lab.order("ok"))
        assert lab.runs() == 1

    # --- while it runs, and its end ---

    async def test_pids_are_those_of_the_tree_while_it_runs(self, lab: SystemLab) -> None:
        attempt = await lab.runner.start(lab.order("tree"))
        with anyio.fail_after(LONG_S):
            while True:
                if lab.alive() >= 6:
                    break
                await anyio.sleep(0.01)
        assert set(lab.processes()) == set(attempt.pids())
        await attempt.cancel()
        await end_of(attempt)

    async def test_a_cancelled_start_leaves_one_of_the_four(self, lab: SystemLab) -> None:
        for number in range(8):
            attempt_id = f"{A1}-c{number}"
            with anyio.move_on_after(number * 0.004):
                await lab.runner.start(lab.order("sleep 0.05", attempt_id=attempt_id))
            result = await end_of(await lab.runner.recover(UID, AttemptId(attempt_id)))
            assert (result.ending, lab.runs(attempt_id)) in (("never_started", 0), ("exited", 1))

    async def test_ended_attempts_leave_no_zombie_and_no_descriptor(self, lab: SystemLab) -> None:
        await end_of(await lab.runner.start(lab.order("quick", attempt_id=f"{A1}-first")))
        before = sorted(os.listdir("/proc/self/fd"))
        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(self._to_the_end, lab, number)
        lab.runner.reap()
        assert lab.runner._children == {}
        assert sorted(os.listdir("/proc/self/fd")) == before

    async def _to_the_end(self, lab: SystemLab, number: int) -> None:
        attempt = await lab.runner.start(
            lab.order("tree" if number % 3 == 0 else "quick", attempt_id=f"{A1}-{number}")
        )
        if number % 3 == 0:
            await attempt.cancel()
        await end_of(attempt)

    async def test_a_shim_that_does_not_answer_is_ended_with_its_tree(
        self, lab: SystemLab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attempt_module, "ESCALATE_S", 0.3)
        attempt = await lab.runner.start(lab.order("tree"))
        await until_runs(lab)
        assert attempt.shim is not None
        os.kill(attempt.shim.pid, signal.SIGSTOP)
        await attempt.cancel()
        result = await end_of(attempt)
        assert (result.ending, tuple(result.survivors)) == ("cancelled", ())
        assert "did not answer" in (result.reason or "")
        assert not attempt.shim.lives()
        assert lab.alive() == 0

    async def test_a_shim_that_breaks_before_its_claim_is_told_in_its_words(
        self, lab: SystemLab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = lab.home / "broken.py"
        broken.write_text("raise SystemExit('the shim is broken')")
        monkeypatch.setattr(runner_module, "SHIM_PROGRAM", str(broken))
        result = await end_of(await lab.runner.start(lab.order("ok")))
        assert (result.ending, result.reason) == ("not_started", "the shim is broken")

    @pytest.mark.parametrize(
        ("exit_s", "leave_s"), [pytest.param(0.5, LONG_S, id="slow"), pytest.param(300, 0.2, id="stuck")]
    )
    @pytest.mark.parametrize("command", ["quick", "tree"])
    async def test_an_attempt_that_is_over_has_no_shim_either(
        self, lab: SystemLab, monkeypatch: pytest.MonkeyPatch, command: str, exit_s: float, leave_s: float
    ) -> None:
        lingers = lab.home / "lingers.py"
        shim = runner_module.SHIM_PROGRAM
        lingers.write_text(
            f"import atexit, runpy, time\natexit.register(time.sleep, {exit_s})\n"
            f"runpy.run_path({shim!r}, run_name='__main__')\n"
        )
        monkeypatch.setattr(runner_module, "SHIM_PROGRAM", str(lingers))
        monkeypatch.setattr(attempt_module, "LEAVE_S", leave_s)
        attempt = await lab.runner.start(lab.order(command))
        if command == "tree":
            await until_runs(lab)
            await attempt.cancel()
        assert (await end_of(attempt)).ending == ("cancelled" if command == "tree" else "exited")
        assert attempt.shim is not None
        assert not attempt.shim.lives()

    async def test_a_shim_that_hangs_before_its_claim_is_revoked_and_ended(
        self, lab: SystemLab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hangs = lab.home / "hangs.py"
        hangs.write_text("import time\ntime.sleep(300)\n")
        monkeypatch.setattr(runner_module, "SHIM_PROGRAM", str(hangs))
        monkeypatch.setattr(attempt_module, "CLAIM_S", 0.2)
        monkeypatch.setattr(attempt_module, "LEAVE_S", 0.2)
        attempt = await lab.runner.start(lab.order("ok"))
        assert (await end_of(attempt)).ending == "not_started"
        assert attempt.shim is not None
        assert not attempt.shim.lives()

    async def test_recovery_waits_for_a_disk_that_refuses_and_then_answers(
        self, lab: SystemLab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refusals = iter([OSError(28, "No space left on device")] * 2)

        def refuse(folder: str) -> Found:
            for refusal in refusals:
                raise refusal
            return attempt_folder.look_or_revoke(folder)

        monkeypatch.setattr(attempt_module, "look_or_revoke", refuse)
        monkeypatch.setattr(attempt_module, "RETRY_S", 0.05)
        await lab.order_without_start()
        attempt = await lab.runner.recover(UID, A1)
        assert (await end_of(attempt)).ending == "never_started"

    async def test_a_daemon_without_descriptors_ends_no_healthy_attempt(
        self, lab: SystemLab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attempt_module, "TICK_S", 0.02)
        monkeypatch.setattr(attempt_module, "POLL_S", 0.02)
        monkeypatch.setattr(attempt_module, "RETRY_S", 0.02)
        started = await lab.runner.start(lab.order("sleep 0.8"))
        other = f"{A1}-other"
        await lab.runner.start(lab.order("sleep 0.8", attempt_id=other))
        taken_over = await (await lab.crash()).recover(UID, AttemptId(other))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with anyio.create_task_group() as group:
            ends: list[str] = []

            async def note(attempt: SystemAttempt) -> None:
                ends.append((await end_of(attempt)).ending)

            group.start_soon(note, started)
            group.start_soon(note, taken_over)
            await anyio.sleep(0.1)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
            try:
                with pytest.raises(OSError, match="Too many open files"):
                    look(lab.folder())
                await anyio.sleep(0.3)
                refused = await lab.runner.start(lab.order("ok", attempt_id=f"{A1}-refused"))
                await anyio.sleep(0.8)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert (await end_of(refused)).ending == "never_started"
        assert ends == ["exited", "exited"]

    async def test_an_attempt_ends_as_orphaned_when_no_daemon_lives(self, lab: SystemLab) -> None:
        runner = lab.runner_on_state(orphan_grace_s=0.5, daemon_file=str(lab.state / "gone.json"))
        (lab.state / "gone.json").unlink()
        result = await end_of(await runner.start(lab.order("tree")))
        assert (result.ending, lab.alive()) == ("orphaned", 0)

    async def test_the_identity_names_this_process(self, lab: SystemLab) -> None:
        identity = json.loads((lab.state / runner_module.IDENTITY_FILE).read_text())
        assert identity == {
            "pid": os.getpid(),
            "start_time": proctree.start_time(os.getpid()),
            "boot_id": proctree.boot_id(),
        }

    async def test_a_result_of_another_boot_has_no_time_in_this_one(self, lab: SystemLab) -> None:
        await end_of(await lab.runner.start(lab.order("quick")))
        claim = Path(lab.folder(), protocol.CLAIM)
        claim.write_text(json.dumps({**json.loads(claim.read_text()), "boot_id": "another"}))
        result = await end_of(await (await lab.crash()).recover(UID, A1))
        assert (result.ending, result.exit_code, result.ended_s) == ("exited", 3, None)

    @pytest.mark.parametrize("written", [b"", b"[]", b"{}", b'{"ended": 7}', b"\xff"])
    async def test_a_result_that_cannot_be_read_is_killed_and_raises_nothing(
        self, lab: SystemLab, written: bytes
    ) -> None:
        await end_of(await lab.runner.start(lab.order("quick")))
        Path(lab.folder(), protocol.RESULT).write_bytes(written)
        assert (await end_of(await (await lab.crash()).recover(UID, A1))).ending == "killed"

    # --- the sweep at start ---

    async def test_the_sweep_ends_what_a_killed_shim_left(self, lab: SystemLab) -> None:
        await lab.runner.start(lab.order("tree"))
        await until_runs(lab)
        await lab.kill_shim()
        swept = await (await lab.crash()).sweep_leftovers()
        assert swept
        assert lab.alive() == 0

    async def test_the_sweep_leaves_products_and_what_runs(self, lab: SystemLab) -> None:
        await end_of(await lab.runner.start(lab.order("product", keep_on_success=True)))
        running = f"{A1}-running"
        attempt = await lab.runner.start(lab.order("silent", attempt_id=running))
        await until_runs(lab, running)
        assert await (await lab.crash()).sweep_leftovers() == ()
        assert await (await lab.crash()).sweep_leftovers({AttemptId(running)}) == ()
        assert (lab.alive(), lab.alive(running) > 0) == (1, True)
        await attempt.cancel()
        await end_of(attempt)

    async def test_the_sweep_ends_what_runs_and_nobody_knows(self, lab: SystemLab) -> None:
        await lab.runner.start(lab.order("silent"))
        await until_runs(lab)
        assert await (await lab.crash()).sweep_leftovers(set())
        assert (lab.alive(), proctree.marked(protocol.MARKER, A1)) == (0, [])

    async def test_the_sweep_touches_no_other_state_folder(self, lab: SystemLab, tmp_path: Path) -> None:
        attempt = await lab.runner.start(lab.order("tree"))
        await until_runs(lab)
        await lab.kill_shim()
        other = SystemRunner(state_dir=str(tmp_path / "other"), clock=SystemClock(), base_environment=BASE)
        assert await other.sweep_leftovers(set()) == ()
        assert lab.alive() >= 1
        await end_of(attempt)

    # --- what the machine lacks ---

    @pytest.mark.parametrize(
        ("number", "ending"),
        [(errno.EMFILE, "never_started"), (errno.ENOMEM, "never_started"), (errno.EACCES, "not_started")],
    )
    async def test_what_the_machine_lacks_for_a_while_is_no_attempt(
        self, lab: SystemLab, monkeypatch: pytest.MonkeyPatch, number: int, ending: str
    ) -> None:
        def refuse(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("kazid.adapters.system.runner._start_shim", refuse)
        result = await end_of(await lab.runner.start(lab.order("silent")))
        assert result.ending == ending
        assert os.strerror(number) in (result.reason or "")

    # --- retention ---

    async def test_discard_keeps_the_newest_and_what_runs(self, lab: SystemLab) -> None:
        running = await lab.runner.start(lab.order("silent", attempt_id=f"{A1}-0"))
        for number in range(1, 5):
            await end_of(await lab.runner.start(lab.order("ok", attempt_id=f"{A1}-{number}")))
            when = 1_000_000_000 + number
            os.utime(Path(lab.folder(f"{A1}-{number}"), protocol.REQUEST), (when, when))
        os.utime(Path(lab.folder(f"{A1}-0"), protocol.REQUEST), (1, 1))
        assert await lab.runner.discard(UID, keep=2) == 2
        left = {attempt_id for _, attempt_id, _ in attempt_folder.folders(lab.root)}
        assert left == {f"{A1}-0", f"{A1}-3", f"{A1}-4"}
        await running.cancel()
        await end_of(running)
        assert await lab.runner.discard(UID, keep=0) == 3
        assert not Path(lab.root, UID).exists()

    async def test_discard_of_an_unknown_incarnation_does_nothing(self, lab: SystemLab) -> None:
        assert await lab.runner.discard(GoalUid("unknown")) == 0
