"""The scripted CommandRunner answers as the real one would, in virtual time where there is one."""

from pathlib import Path

import anyio
import pytest

from kazid.adapters.memory.commands import ScriptedCommandRunner, exited, signaled, timed_out
from kazid.ports.commands import Command, CommandResult, Ending

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def run(runner: ScriptedCommandRunner, line: str, *, deadline_s: float = 10.0) -> CommandResult:
    return await runner.run(Command(argv=line.split(), cwd="/w", deadline_s=deadline_s))


async def test_a_command_is_answered_by_its_line_before_its_first_word() -> None:
    runner = ScriptedCommandRunner({"go": exited(0), "go vet": exited(1)})
    assert [(await run(runner, line)).exit_code for line in ("go test", "go vet")] == [0, 1]
    assert [command.argv for command in runner.commands] == [["go", "test"], ["go", "vet"]]


async def test_answers_come_in_turn_and_the_last_one_stays() -> None:
    runner = ScriptedCommandRunner({"check": (exited(1), signaled(9), exited(0))})
    endings = [(await run(runner, "check")).ending for _ in range(4)]
    assert endings == [Ending.EXITED, Ending.SIGNALED, Ending.EXITED, Ending.EXITED]


async def test_an_answer_may_look_at_the_world_of_the_test(tmp_path: Path) -> None:
    state = tmp_path / "fixed"
    runner = ScriptedCommandRunner({"check": lambda _: exited(0 if state.exists() else 1)})
    assert (await run(runner, "check")).exit_code == 1
    state.touch()
    assert (await run(runner, "check")).exit_code == 0


async def test_what_the_script_does_not_know_cannot_be_run() -> None:
    result = await run(ScriptedCommandRunner(), "nope")
    assert (result.ending, result.reason_code, result.reason) == (
        Ending.NOT_STARTED, "cmd_unrunnable", "not found: nope",
    )  # fmt: skip


async def test_what_takes_longer_than_it_may_is_timed_out() -> None:
    runner = ScriptedCommandRunner({"slow": exited(0, duration_s=60), "hang": timed_out(stdout="so far")})
    for line in ("slow", "hang"):
        started = anyio.current_time()
        result = await run(runner, line, deadline_s=0.05)
        assert (result.ending, result.exit_code) == (Ending.TIMED_OUT, None)
        assert anyio.current_time() - started >= 0.05
