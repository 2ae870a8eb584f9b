"""One number measured by a command: its whole output, what a JSONPath leads to in it, or a share of a coverage report.

Shared by the kinds that compare a measure with a bar (reference 3.4). A command that did not end well has measured
nothing: ERROR.
"""

import enum
import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Finding, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.evidence import shortened
from kazid.providers.formats.cobertura import read_cobertura
from kazid.providers.formats.coverage_py import read_coverage_py
from kazid.providers.formats.coverage_report import Counts, CoverageProblem, CoverageReport, uncovered
from kazid.providers.formats.json_text import NotJson, parse_json
from kazid.providers.formats.lcov import read_lcov
from kazid.providers.json_path import PathProblem, number_at
from kazid.providers.ran import Ran, Tool, could_not_look, evidence_of, read_off_the_loop, run_tool

TEXT_CHARS_MAX = 200
"""Of an output that should have been a number, in the sentence that says so."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class MetricFormat(enum.Enum):
    """What the report is."""

    NUMBER = "number"
    COVERAGE_PY = "coverage_py"
    COBERTURA = "cobertura"
    LCOV = "lcov"


READERS: Mapping[MetricFormat, Callable[[str], CoverageReport | CoverageProblem]] = MappingProxyType(
    {
        MetricFormat.COVERAGE_PY: read_coverage_py,
        MetricFormat.COBERTURA: read_cobertura,
        MetricFormat.LCOV: read_lcov,
    }
)


class MetricOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The metric table of a goal-file, as authored."""

    cmd: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    path: str = ""
    format: MetricFormat = MetricFormat.NUMBER
    counts: Counts = Counts.LINES
    report_path: str = ""
    timeout_ms: int | None = None

    @property
    def tool(self) -> Tool:
        """What is run."""
        return Tool(
            argv=(self.cmd, *self.args),
            env=self.env,
            timeout_ms=self.timeout_ms,
            report_path=self.report_path,
        )


class Measured(msgspec.Struct, frozen=True):
    """The number, what convinces a stranger that it was measured, and where it could be better."""

    signal: float
    evidence: Mapping[str, Json]
    findings: Sequence[Finding] = ()
    duration_s: float = 0.0


async def measure(options: MetricOptions, look: Look, commands: CommandRunner) -> Measured | Verdict:
    """Run the command once; the number, or the ERROR that says why there is none."""
    ran = await run_tool(options.tool, look, commands)
    return await read_off_the_loop(ran, lambda: interpret(ran, options, workspace=look.workspace))


def interpret(ran: Ran, options: MetricOptions, *, workspace: str) -> Measured | Verdict:
    """Return the number in this result, or why there is none."""
    evidence = evidence_of(ran, options.tool, workspace=workspace)
    if options.format is not MetricFormat.NUMBER:
        evidence |= {"format": options.format.value, "counts": options.counts.value}
    measured = _stopped(ran, options) or _measured(ran, options)
    if isinstance(measured, Verdict):
        return msgspec.structs.replace(measured, evidence={**evidence, **measured.evidence})
    return msgspec.structs.replace(
        measured, evidence={**evidence, **measured.evidence}, duration_s=ran.result.duration_s
    )


def _stopped(ran: Ran, options: MetricOptions) -> Verdict | None:
    result, exit_code = ran.result, ran.exit_code
    if exit_code:
        said = shortened(result.stderr.text or result.stdout.text)
        return errored("metric_exit", f"exit {exit_code}: {said}" if said else f"exit {exit_code}")
    return could_not_look(ran, options.tool)


def _measured(ran: Ran, options: MetricOptions) -> Measured | Verdict:
    text = ran.report if isinstance(ran.report, str) else ""
    if options.format is not MetricFormat.NUMBER:
        return _covered(text, options)
    text = text.strip()
    if not options.path:
        if _NUMBER.fullmatch(text) is None:
            said = shortened(text, TEXT_CHARS_MAX)
            return errored("metric_not_a_number", f"the output is no number: {said!r}")
        return _finite(float(text), "the output")
    try:
        document: Json = parse_json(text)
    except NotJson as error:
        return errored("metric_invalid_json", f"the output is not JSON: {error}")
    number = number_at(document, options.path)
    if isinstance(number, PathProblem):
        return errored(number.reason, number.detail)
    return _finite(number, options.path)


def _covered(text: str, options: MetricOptions) -> Measured | Verdict:
    report = READERS[options.format](text)
    if isinstance(report, CoverageProblem):
        return errored(report.reason, report.detail)
    percent = report.percent(options.counts)
    if percent is None:
        return errored("nothing_measured", f"the coverage report counts no {options.counts.value}")
    covered, total = report.counted(options.counts)
    return Measured(percent, {"covered": covered, "total": total}, list(uncovered(report)))


def _finite(number: float, what: str) -> Measured | Verdict:
    try:
        as_float = float(number)
    except OverflowError:
        as_float = math.inf
    if not math.isfinite(as_float):
        return errored("metric_not_a_number", f"{what} is no finite number")
    return Measured(as_float, {})
