"""The CommandRunner port for tests: answers commands from a script, in virtual time.

A command that the script does not know is one that this imaginary machine does not have: `cmd_unrunnable`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, Union

import anyio
import msgspec

from kazid.ports.commands import Command, CommandResult, Ending, Output

Answer: TypeAlias = Union[CommandResult, Callable[[Command], CommandResult]]


class ScriptedCommandRunner:
    """Answers each command by its whole line (`go test ./...`), else by its first word.

    Several answers are given in turn, and the last one from then on. An answer takes its `duration_s`; one that takes
    longer than the command may is TIMED_OUT, as it would be.
    """

    def __init__(self, script: Mapping[str, Answer | Sequence[Answer]] | None = None) -> None:
        self.commands: list[Command] = []
        """What was run, in order."""
        self._script: dict[str, list[Answer]] = {}
        for line, answers in (script or {}).items():
            if isinstance(answers, CommandResult) or callable(answers):
                self.answer(line, answers)
            else:
                self.answer(line, *answers)

    def answer(self, line: str, *answers: Answer) -> None:
        """From now on, answer this command line (or all that begin with this word) so."""
        assert answers, "a scripted command has an answer"
        self._script[line] = list(answers)

    async def run(self, command: Command) -> CommandResult:
        """Give the next answer of the script."""
        self.commands.append(command)
        answers = self._script.get(" ".join(command.argv)) or self._script.get(command.argv[0])
        if answers is None:
            return not_started(f"not found: {command.argv[0]}")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        result = answer if isinstance(answer, CommandResult) else answer(command)
        if result.ending is Ending.TIMED_OUT or result.duration_s > command.deadline_s:
            await anyio.sleep(command.deadline_s)
            return msgspec.structs.replace(
                result, ending=Ending.TIMED_OUT, exit_code=None, signal=None, duration_s=command.deadline_s
            )
        await anyio.sleep(result.duration_s)
        return result


def exited(
    exit_code: int = 0,
    *,
    stdout: str = "",
    stderr: str = "",
    duration_s: float = 0.0,
    executable: str = "/bin/sh",
) -> CommandResult:
    """A command that ended by itself."""
    return CommandResult(
        ending=Ending.EXITED,
        executable=executable,
        exit_code=exit_code,
        duration_s=duration_s,
        stdout=output(stdout),
        stderr=output(stderr),
    )


def signaled(number: int, *, stdout: str = "", stderr: str = "") -> CommandResult:
    """A command that ended by a signal."""
    return CommandResult(
        ending=Ending.SIGNALED,
        executable="/bin/sh",
        signal=number,
        stdout=output(stdout),
        stderr=output(stderr),
    )


def timed_out(*, stdout: str = "", stderr: str = "") -> CommandResult:
    """A command that was still running at its deadline."""
    return CommandResult(
        ending=Ending.TIMED_OUT, executable="/bin/sh", stdout=output(stdout), stderr=output(stderr)
    )


def not_started(reason: str, *, code: str = "cmd_unrunnable") -> CommandResult:
    """A command that could not be started."""
    executable = reason.rpartition(" ")[2]
    return CommandResult(ending=Ending.NOT_STARTED, executable=executable, reason=reason, reason_code=code)


def output(text: str, *, truncated: bool = False) -> Output:
    """What a stream showed."""
    return Output(text=text, bytes_total=len(text.encode()), truncated=truncated)
