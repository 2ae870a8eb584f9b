"""What the kinds share that run a tool and read its report: options, the text, and whether the tool ran at all.

A tool that did not start, did not end, ended by a signal or said more than was kept has shown nothing, whatever its
report says so far: ERROR. A report in a file has to be one that this run wrote, or yesterday's would be green.
"""

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

import anyio.to_thread
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Verdict, errored
from kazid.ports.commands import OUTPUT_BYTES_MAX, Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers.evidence import command_evidence, exit_code_of, shortened
from kazid.providers.options import allowed_s, read_options

REPORT_BYTES_MAX = 32 * 1024 * 1024
"""Of a report in a file: the coverage of a million lines fits."""

LONG_TEXT_CHARS = 64 * 1024
"""From here on reading takes milliseconds, which a thread spends without holding up everybody else."""

_Options = TypeVar("_Options", bound=msgspec.Struct)
_Read = TypeVar("_Read")
_Identity = tuple[int, int, int, int]


class NoReport(msgspec.Struct, frozen=True):
    """Why a file is no report of this run."""

    reason: str
    detail: str


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a tool: how it ended, and its report."""

    result: CommandResult
    report: str | NoReport

    @property
    def exit_code(self) -> int | None:
        """As a shell gives it."""
        return exit_code_of(self.result)


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, and where its report will be: its output, or a file below the workspace."""

    argv: Sequence[str]
    env: Mapping[str, str] = {}
    merge_stderr: bool = False
    timeout_ms: int | None = None
    report_path: str = ""


def read_command_options(options: Mapping[str, Json], into: type[_Options]) -> _Options | Verdict:
    """Return the options of a kind whose `cmd` has no default, or the ERROR that says what is wrong with them."""
    cmd = options.get("cmd")
    if cmd is None:
        return errored("missing_cmd", "the predicate has no cmd")
    if not isinstance(cmd, str) or not cmd:
        return errored("invalid_cmd", f"cmd is not a command: {shortened(repr(cmd))}")
    return read_options(options, into)


async def run_tool(tool: Tool, look: Look, commands: CommandRunner) -> Ran:
    """Run it once."""
    command = Command(
        argv=tool.argv,
        cwd=look.workspace,
        deadline_s=allowed_s(tool.timeout_ms, look),
        path=look.path,
        env=tool.env,
        merge_stderr=tool.merge_stderr,
        output_bytes_max=OUTPUT_BYTES_MAX,
    )
    return await run_command(command, commands, report_path=tool.report_path)


async def run_command(command: Command, commands: CommandRunner, *, report_path: str) -> Ran:
    """Run it once; its report is what it writes there, or its output where no file is named."""
    path = path_below(command.cwd, report_path) if report_path else None
    before = await anyio.to_thread.run_sync(_identity_of, path) if isinstance(path, str) else None
    result = await commands.run(command)
    match path:
        case None:
            return Ran(result=result, report=result.stdout.text)
        case NoReport():
            return Ran(result=result, report=path)
        case str():
            report = await anyio.to_thread.run_sync(_read_report, path, before, abandon_on_cancel=True)
            return Ran(result=result, report=report)


async def read_off_the_loop(ran: Ran, read: Callable[[], _Read]) -> _Read:
    """The answer of `read`, in a thread where the report is long."""
    is_short = isinstance(ran.report, NoReport) or len(ran.report) < LONG_TEXT_CHARS
    return read() if is_short else await anyio.to_thread.run_sync(read, abandon_on_cancel=True)


def evidence_of(ran: Ran, tool: Tool, *, workspace: str) -> dict[str, Json]:
    """What convinces a stranger that the tool ran."""
    evidence = command_evidence(ran.result, args=tool.argv[1:], workspace=workspace)
    return {**evidence, "report_path": tool.report_path} if tool.report_path else evidence


def could_not_look(ran: Ran, tool: Tool, *, error_codes: Sequence[int] = ()) -> Verdict | None:
    """The ERROR of a run that shows nothing, or None."""
    result, exit_code = ran.result, ran.exit_code
    match result.ending:
        case Ending.NOT_STARTED:
            return errored(result.reason_code or "transient", result.reason)
        case Ending.TIMED_OUT:
            allowed = "the deadline" if tool.timeout_ms is None else f"{tool.timeout_ms} ms"
            return errored("timeout", " ".join(filter(None, (f"no end within {allowed}", result.reason))))
        case Ending.EXITED | Ending.SIGNALED if exit_code in error_codes:
            return errored("error_exit", f"exit {exit_code} means it could not look")
        case Ending.SIGNALED:
            return errored("signaled", f"ended by signal {result.signal} before it had said all")
        case Ending.EXITED if isinstance(ran.report, NoReport):
            return errored(ran.report.reason, ran.report.detail)
        case Ending.EXITED if result.stdout.truncated and not tool.report_path:
            total = result.stdout.bytes_total
            return errored("output_truncated", f"{total} bytes of output are too many to read")
        case Ending.EXITED:
            return None


def with_evidence(verdict: Verdict, evidence: Mapping[str, Json]) -> Verdict:
    """The verdict with this evidence before its own."""
    return msgspec.structs.replace(verdict, evidence={**evidence, **verdict.evidence})


def path_below(workspace: str, name: str) -> str | NoReport:
    """The file's path; what leads out of the workspace by its name is none."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\0" in name:
        return NoReport("invalid_config", f"not a file below the workspace: {shortened(name)}")
    return str(PurePosixPath(workspace) / relative)


def _identity_of(path: str) -> _Identity | None:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _read_report(path: str, before: _Identity | None) -> str | NoReport:
    try:
        # A pipe without a writer would keep us for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                return NoReport("report_unreadable", f"not a file: {path}")
            if before == (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns):
                return NoReport(
                    "report_stale", f"{path} is from before this run: the command did not write it"
                )
            text = file.read(REPORT_BYTES_MAX + 1)
    except FileNotFoundError:
        return NoReport("report_missing", f"the command wrote no {path}")
    except (OSError, ValueError) as error:
        return NoReport("report_unreadable", f"{path}: {error}")
    if len(text) > REPORT_BYTES_MAX:
        return NoReport("report_too_large", f"{path} has more than {REPORT_BYTES_MAX} bytes")
    return text.decode("utf-8", errors="replace")
