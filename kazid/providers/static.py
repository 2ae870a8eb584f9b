"""`static`: runs an analyser and counts what it complains of: none are allowed, or no more than the baseline.

The exit code decides nothing, for analysers agree on none. But no finding is believed without proof that the tool ran:
a report that can be read to its end, or the line it ends a real run with; and a failure that no finding explains is one
of the tool.
"""

import enum
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.counted import FINDINGS_SHOWN_MAX, Bar, bad_baseline, first_of, judged
from kazid.providers.formats.report import Report
from kazid.providers.formats.sarif import read_sarif
from kazid.providers.formats.text_lines import read_lines
from kazid.providers.ran import (
    Ran,
    Tool,
    could_not_look,
    evidence_of,
    read_command_options,
    read_off_the_loop,
    run_tool,
    with_evidence,
)

INCOMPLETE = "incomplete"


class Format(enum.Enum):
    """How findings are read."""

    DIALYZER = "dialyzer"
    SARIF = "sarif"
    TSC = "tsc"
    MYPY = "mypy"
    GOLANGCI_LINT = "golangci-lint"


class StaticOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    cmd: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    format: Format = Format.DIALYZER
    report_path: str = ""
    baseline: float | str | None = None
    allowed_regression: float = 0.0
    merge_stderr: bool = False
    error_codes: Sequence[int] = ()
    store_dir: str = ""
    timeout_ms: int | None = None

    @property
    def tool(self) -> Tool:
        """What is run."""
        return Tool(
            argv=(self.cmd, *self.args),
            env=self.env,
            merge_stderr=self.merge_stderr,
            timeout_ms=self.timeout_ms,
            report_path=self.report_path,
        )


class Static:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Run the analyser once and judge what it found."""
        read = read_command_options(options, StaticOptions)
        if isinstance(read, Verdict):
            return read
        ran = await run_tool(read.tool, look, commands)
        there: float | None = None
        if bad_baseline(read.baseline) is not None:
            counted = await _count_there(read, look, commands)
            if isinstance(counted, Verdict):
                return counted
            there = counted
        return await read_off_the_loop(
            ran, lambda: interpret(ran, read, workspace=look.workspace, stored=look.baseline, there=there)
        )


async def _count_there(options: StaticOptions, look: Look, commands: CommandRunner) -> float | Verdict:
    """How many findings the commit has that the baseline names; or the ERROR that says why nobody knows."""
    if look.reference is None:
        return errored("baseline_ref_unresolved", f"no checkout of {options.baseline!r} to compare with")
    place = msgspec.structs.replace(look, workspace=look.reference)
    ran = await run_tool(options.tool, place, commands)
    counting = msgspec.structs.replace(options, baseline=None)
    verdict = await read_off_the_loop(
        ran, lambda: interpret(ran, counting, workspace=place.workspace, stored=None)
    )
    if verdict.score is not None and verdict.status is not Status.ERROR:
        return verdict.score
    why = f"at {options.baseline}: {verdict.reason}: {verdict.detail}"
    return errored("baseline_metric", why, **verdict.evidence)


def interpret(
    ran: Ran, options: StaticOptions, *, workspace: str, stored: float | None, there: float | None = None
) -> Verdict:
    """PASS iff a believed report has no more findings than allowed."""
    evidence = evidence_of(ran, options.tool, workspace=workspace)
    evidence["format"] = options.format.value
    stopped = could_not_look(ran, options.tool, error_codes=options.error_codes)
    if stopped is not None:
        return with_evidence(stopped, evidence)
    text = ran.report if isinstance(ran.report, str) else ""
    is_sarif = options.format is Format.SARIF
    report = read_sarif(text) if is_sarif else read_lines(text, options.format.value)
    evidence |= {"findings_total": report.total, "suppressed": report.suppressed}
    evidence["gate"] = "zero_findings" if options.baseline is None else "baseline"
    verdict = _judged(report, options, stored=stored, there=there)
    doubt = _doubt(report, ran)
    if doubt is not None and (verdict.status is Status.PASS or not report.total):
        verdict = doubt
    return with_evidence(verdict, evidence)


def _judged(report: Report, options: StaticOptions, *, stored: float | None, there: float | None) -> Verdict:
    if options.baseline is not None:
        bar = Bar(
            baseline=options.baseline,
            allowed_regression=options.allowed_regression,
            stored=stored,
            there=there,
        )
        return judged(report.total, bar, report.findings, what="findings")
    return Verdict(
        status=Status.FAIL if report.total else Status.PASS,
        reason="findings" if report.total else None,
        detail=f"{report.total} findings{first_of(report.findings)}" if report.total else None,
        findings=report.findings[:FINDINGS_SHOWN_MAX],
        score=float(report.total),
        direction=Direction.LOWER_BETTER,
    )


def _doubt(report: Report, ran: Ran) -> Verdict | None:
    """Why a count this low is not believed: the FAIL of a tool that its findings stopped, else an ERROR; or None."""
    if report.reason == INCOMPLETE and report.total:
        detail = f"{report.note}: what it found stopped it{first_of(report.findings)}"
        return Verdict(
            status=Status.FAIL,
            reason=INCOMPLETE,
            detail=detail,
            findings=report.findings[:FINDINGS_SHOWN_MAX],
        )
    if report.reason is not None:
        return errored(report.reason, report.note)
    if ran.exit_code and not report.total and not report.suppressed:
        return errored("unexplained_exit", f"exit {ran.exit_code}, and no finding that explains it")
    return None
