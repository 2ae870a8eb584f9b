"""One number measured by a command: its whole output, or what a JSONPath leads to in it (reference 3.4).

Shared by the kinds that compare a measure with a bar. A command that did not end well has measured nothing: ERROR.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Verdict, errored
from kazid.ports.commands import Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers.evidence import command_evidence, exit_code_of, shortened
from kazid.providers.json_path import PathProblem, number_at
from kazid.providers.options import allowed_s

OUTPUT_BYTES_MAX = 4 * 1024 * 1024
TEXT_CHARS_MAX = 200
"""Of an output that should have been a number, in the sentence that says so."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class MetricOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The metric table of a goal-file, as authored."""

    cmd: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    path: str = ""
    timeout_ms: int | None = None


class Measured(msgspec.Struct, frozen=True):
    """The number, and what convinces a stranger that it was measured."""

    signal: float
    evidence: Mapping[str, Json]


async def measure(options: MetricOptions, look: Look, commands: CommandRunner) -> Measured | Verdict:
    """Run the command once; the number, or the ERROR that says why there is none."""
    command = Command(
        argv=(options.cmd, *options.args),
        cwd=look.workspace,
        deadline_s=allowed_s(options.timeout_ms, look),
        path=look.path,
        env=options.env,
        output_bytes_max=OUTPUT_BYTES_MAX,
    )
    return interpret(await commands.run(command), options, workspace=look.workspace)


def interpret(result: CommandResult, options: MetricOptions, *, workspace: str) -> Measured | Verdict:
    """Return the number in this result, or why there is none."""
    evidence = command_evidence(result, args=options.args, workspace=workspace)
    number = _number(result, options)
    if isinstance(number, Verdict):
        return msgspec.structs.replace(number, evidence={**evidence, **number.evidence})
    return Measured(number, evidence)


def _number(result: CommandResult, options: MetricOptions) -> float | Verdict:
    if result.ending is Ending.NOT_STARTED:
        return errored(result.reason_code or "transient", result.reason)
    if result.ending is Ending.TIMED_OUT:
        return errored("timeout", "the measurement did not come to an end")
    exit_code = exit_code_of(result)
    if exit_code != 0:
        said = shortened(result.stderr.text or result.stdout.text)
        return errored("metric_exit", f"exit {exit_code}: {said}" if said else f"exit {exit_code}")
    if result.stdout.truncated:
        total = result.stdout.bytes_total
        return errored("output_truncated", f"{total} bytes are too many to read a number from")
    text = result.stdout.text.strip()
    if not options.path:
        if _NUMBER.fullmatch(text) is None:
            said = shortened(text, TEXT_CHARS_MAX)
            return errored("metric_not_a_number", f"the output is no number: {said!r}")
        return _finite(float(text), "the output")
    try:
        document: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        return errored("metric_invalid_json", f"the output is not JSON: {shortened(str(error))}")
    number = number_at(document, options.path)
    if isinstance(number, PathProblem):
        return errored(number.reason, number.detail)
    return _finite(number, options.path)


def _finite(number: float, what: str) -> float | Verdict:
    try:
        as_float = float(number)
    except OverflowError:
        as_float = math.inf
    if not math.isfinite(as_float):
        return errored("metric_not_a_number", f"{what} is no finite number")
    return as_float
