"""`custom_script`: runs a command in the workspace and judges how it ended or what it printed.

Five rules: `exit_zero`, `exit_code`, `json` (a number in its JSON output), `match_count` (how many of its lines match)
and `report` (a report that can be believed and has no finding). `error_codes` come before all of them. What could not
be run, did not end in time, or said too much to be read is ERROR; a command that ended by a signal has ended with 128
and its number, as in a shell.
"""

import enum
import json
import re
import sys
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict, errored
from kazid.ports.commands import OUTPUT_BYTES_MAX, Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers import line_matcher
from kazid.providers.counted import first_of
from kazid.providers.evidence import command_evidence, exit_code_of, shortened
from kazid.providers.findings import Report, read_report
from kazid.providers.formats.json_text import NotJson, parse_json
from kazid.providers.json_path import PathProblem, number_at
from kazid.providers.options import allowed_s, read_options
from kazid.providers.pass_when import parse_pass_when
from kazid.providers.ran import NoReport, Ran, read_off_the_loop, run_command

MATCHED_LINES_MAX = 20
RAW_OUTPUT_BYTES_MAX = 256 * 1024
"""Where nobody parses the output: enough to find the lines that decide."""

MATCHING_S_MIN = 1.0
"""What matching the lines may take, however long the command took: within the observer's own grace."""

_INTEGER_DIGITS_MAX = 300


class Rule(enum.Enum):
    """How the command is judged."""

    EXIT_ZERO = "exit_zero"
    EXIT_CODE = "exit_code"
    JSON = "json"
    MATCH_COUNT = "match_count"
    REPORT = "report"


class EvidenceFormat(enum.Enum):
    """How findings are read from its output."""

    RAW = "raw"
    SARIF = "sarif"
    JUNIT = "junit"
    TAP = "tap"
    CUCUMBER = "cucumber"
    JSON = "json"


class CustomScriptOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    cmd: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    verdict: Rule = Rule.EXIT_ZERO
    pass_codes: Sequence[int] = ()
    fail_codes: Sequence[int] = ()
    error_codes: Sequence[int] = ()
    path: str = ""
    pass_when: str = ""
    match_regex: str = ""
    merge_stderr: bool = False
    evidence_format: EvidenceFormat = EvidenceFormat.RAW
    report_path: str = ""
    timeout_ms: int | None = None

    @property
    def is_parsed(self) -> bool:
        """True when the whole output decides or explains, not how the command ended."""
        return (
            self.verdict in (Rule.JSON, Rule.MATCH_COUNT, Rule.REPORT)
            or self.evidence_format is not EvidenceFormat.RAW
        )


class Matches(msgspec.Struct, frozen=True):
    """Lines of the output that `match_regex` matches: how many, and the first of them."""

    count: int
    lines: Sequence[str] = ()


class CustomScript:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Run the command once and judge it."""
        cmd = options.get("cmd")
        if cmd is None:
            return errored("missing_cmd", "the predicate has no cmd")
        if not isinstance(cmd, str) or not cmd:
            return errored("invalid_cmd", f"cmd is not a command: {shortened(repr(cmd))}")
        read = read_options(options, CustomScriptOptions)
        if isinstance(read, Verdict):
            return read
        ran = await run_command(command_for(read, look), commands, report_path=read.report_path)
        result = ran.result
        matches = await _matches(result, read, look, commands)
        return await read_off_the_loop(
            ran, lambda: interpret(ran, read, workspace=look.workspace, matches=matches)
        )


def command_for(options: CustomScriptOptions, look: Look) -> Command:
    """Return what to run for these options."""
    return Command(
        argv=(options.cmd, *options.args),
        cwd=look.workspace,
        deadline_s=allowed_s(options.timeout_ms, look),
        path=look.path,
        env=options.env,
        merge_stderr=options.merge_stderr,
        output_bytes_max=OUTPUT_BYTES_MAX if options.is_parsed else RAW_OUTPUT_BYTES_MAX,
    )


def matcher_for(result: CommandResult, options: CustomScriptOptions, look: Look) -> Command | None:
    """Return what matches the lines of the output, in a process that can be ended; None where none is to be matched."""
    has_lines = result.ending is Ending.EXITED and result.stdout.text and not result.stdout.truncated
    if options.verdict is not Rule.MATCH_COUNT or not has_lines or _regex_problem(options) is not None:
        return None
    request = {"regex": options.match_regex, "text": result.stdout.text, "lines_max": MATCHED_LINES_MAX}
    return Command(
        argv=(sys.executable, "-I", "-S", line_matcher.__file__),
        cwd=look.workspace,
        deadline_s=max(MATCHING_S_MIN, allowed_s(options.timeout_ms, look) - result.duration_s),
        path=look.path,
        stdin_text=json.dumps(request, ensure_ascii=False),
    )


def matches_of(result: CommandResult) -> Matches | Verdict:
    """Return what the matcher said, or why the lines could not be matched."""
    if result.ending is Ending.TIMED_OUT:
        return errored("match_timeout", "match_regex did not come to an end on the output")
    if result.ending is Ending.EXITED and result.exit_code == 0:
        try:
            return msgspec.json.decode(result.stdout.text, type=Matches)
        except msgspec.MsgspecError as error:
            return errored("transient", f"the matcher's answer cannot be read: {error}")
    why = result.reason or shortened(result.stderr.text) or f"the matcher {result.ending.value}"
    return errored(result.reason_code or "transient", f"the lines could not be matched: {why}")


async def _matches(
    result: CommandResult, options: CustomScriptOptions, look: Look, commands: CommandRunner
) -> Matches | Verdict:
    matcher = matcher_for(result, options, look)
    return Matches(count=0) if matcher is None else matches_of(await commands.run(matcher))


def interpret(
    ran: Ran,
    options: CustomScriptOptions,
    *,
    workspace: str,
    matches: Matches | Verdict,
) -> Verdict:
    """Return what the result means: could it look at all, is the code an error, then the rule; findings explain."""
    result = ran.result
    evidence = command_evidence(result, args=options.args, workspace=workspace)
    evidence["verdict"] = options.verdict.value
    could_not_look = _could_not_look(result, options)
    text = "" if isinstance(ran.report, NoReport) else ran.report
    report = read_report(text, options.evidence_format.value)
    verdict = could_not_look or _judge(ran, options, matches, report)
    if report is None or result.ending is Ending.NOT_STARTED:
        return msgspec.structs.replace(verdict, evidence={**evidence, **verdict.evidence})
    is_whole = bool(options.report_path) or not result.stdout.truncated
    evidence |= _report_evidence(report, ran, is_whole=is_whole)
    return msgspec.structs.replace(
        verdict, evidence={**evidence, **verdict.evidence}, findings=report.findings
    )


def _could_not_look(result: CommandResult, options: CustomScriptOptions) -> Verdict | None:
    exit_code = exit_code_of(result)
    match result.ending:
        case Ending.NOT_STARTED:
            return errored(result.reason_code or "transient", result.reason)
        case Ending.TIMED_OUT:
            timeout_ms = options.timeout_ms
            allowed = "the deadline" if timeout_ms is None else f"{timeout_ms} ms"
            return errored("timeout", " ".join(filter(None, (f"no end within {allowed}", result.reason))))
        case Ending.EXITED | Ending.SIGNALED if exit_code in options.error_codes:
            return errored("error_exit", f"exit {exit_code} means it could not look")
        case _:
            return None


def _judge(
    ran: Ran, options: CustomScriptOptions, matches: Matches | Verdict, report: Report | None
) -> Verdict:
    result = ran.result
    reads_output = not options.report_path or options.verdict is Rule.MATCH_COUNT
    match options.verdict:
        case Rule.EXIT_ZERO:
            return _by_exit_code(result, pass_codes=(0,))
        case Rule.EXIT_CODE if not options.pass_codes:
            return errored("invalid_config", "verdict exit_code needs pass_codes")
        case Rule.EXIT_CODE:
            facts: dict[str, Json] = {
                "pass_codes": list(options.pass_codes),
                "fail_codes": list(options.fail_codes),
            }
            exit_code = exit_code_of(result)
            if exit_code not in (*options.pass_codes, *options.fail_codes):
                facts["unmatched_code"] = exit_code
            return _with(_by_exit_code(result, pass_codes=options.pass_codes), facts)
        case Rule.JSON | Rule.MATCH_COUNT | Rule.REPORT if result.ending is Ending.SIGNALED:
            return errored("signaled", f"ended by signal {result.signal} before it had said all")
        case Rule.JSON | Rule.MATCH_COUNT | Rule.REPORT if reads_output and result.stdout.truncated:
            return errored(
                "output_truncated", f"{result.stdout.bytes_total} bytes of output are too many to read"
            )
        case Rule.JSON | Rule.REPORT if isinstance(ran.report, NoReport):
            return errored(ran.report.reason, ran.report.detail)
        case Rule.JSON:
            return _by_number("" if isinstance(ran.report, NoReport) else ran.report, options)
        case Rule.REPORT:
            return _by_report(ran, report)
        case Rule.MATCH_COUNT:
            return _by_matches(result, options, matches)


def _by_exit_code(result: CommandResult, *, pass_codes: Sequence[int]) -> Verdict:
    exit_code = exit_code_of(result)
    if exit_code in pass_codes:
        return Verdict(status=Status.PASS)
    if result.signal is not None:
        return Verdict(status=Status.FAIL, reason="signaled", detail=f"ended by signal {result.signal}")
    return Verdict(status=Status.FAIL, reason="exit_code", detail=f"exit {exit_code}")


def _by_report(ran: Ran, report: Report | None) -> Verdict:
    """PASS iff the report is believed, has no finding, and the exit code does not say otherwise."""
    if report is None:
        return errored("invalid_config", "verdict report needs an evidence_format")
    if report.total:
        what = "findings" if report.tests is None else f"of {report.tests} tests failed"
        return Verdict(
            status=Status.FAIL, reason="findings", detail=f"{report.total} {what}{first_of(report.findings)}"
        )
    if report.reason is not None:
        return errored(report.reason, report.note)
    if ran.exit_code and not report.suppressed:
        return errored("unexplained_exit", f"exit {ran.exit_code}, and nothing in the report explains it")
    return Verdict(status=Status.PASS)


def _by_number(text: str, options: CustomScriptOptions) -> Verdict:
    facts: dict[str, Json] = {"path": options.path, "pass_when": options.pass_when}
    try:
        document = parse_json(text)
    except NotJson as error:
        return _with(errored("invalid_json_output", f"the output is not JSON: {error}"), facts)
    number = number_at(document, options.path)
    if isinstance(number, PathProblem):
        return _with(errored(number.reason, number.detail), facts)
    if isinstance(number, int) and abs(number) >= 10**_INTEGER_DIGITS_MAX:
        return _with(
            errored("not_a_number", f"{options.path} has more than {_INTEGER_DIGITS_MAX} digits"), facts
        )
    return _compared(number, options, facts, what=options.path)


def _by_matches(result: CommandResult, options: CustomScriptOptions, matches: Matches | Verdict) -> Verdict:
    facts: dict[str, Json] = {"match_regex": options.match_regex, "pass_when": options.pass_when}
    if not options.match_regex:
        return errored("invalid_config", "verdict match_count needs match_regex")
    problem = _regex_problem(options)
    if problem is not None:
        return _with(errored("invalid_match_regex", f"not a regular expression: {problem}"), facts)
    if exit_code_of(result) != 0 and not result.stdout.bytes_total and not result.stderr.bytes_total:
        silent = f"exit {exit_code_of(result)} without a word: nothing tells that it looked"
        return _with(errored("no_output", silent), facts)
    if isinstance(matches, Verdict):
        return _with(matches, facts)
    facts["matched_lines"] = [shortened(line) for line in matches.lines]
    return _compared(matches.count, options, facts, what="lines that match")


def _regex_problem(options: CustomScriptOptions) -> str | None:
    try:
        re.compile(options.match_regex)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return None


def _compared(number: float, options: CustomScriptOptions, facts: dict[str, Json], *, what: str) -> Verdict:
    pass_when = parse_pass_when(options.pass_when)
    if pass_when is None:
        return _with(
            errored("invalid_config", f"pass_when is not a comparison: {options.pass_when!r}"), facts
        )
    facts["observed"] = number
    if pass_when.holds(number):
        return _with(Verdict(status=Status.PASS), facts)
    detail = f"{what}: {number}, and not {options.pass_when.strip()}"
    return _with(Verdict(status=Status.FAIL, reason="pass_when", detail=detail), facts)


def _with(verdict: Verdict, facts: Mapping[str, Json]) -> Verdict:
    return msgspec.structs.replace(verdict, evidence={**verdict.evidence, **facts})


def _report_evidence(report: Report, ran: Ran, *, is_whole: bool) -> dict[str, Json]:
    evidence: dict[str, Json] = {"findings_total": report.total}
    if isinstance(ran.report, NoReport):
        return {**evidence, "note": ran.report.detail}
    if report.tests is not None:
        evidence |= {"tests": report.tests, "skipped": report.skipped}
    notes = [report.note] if report.note else []
    if not is_whole:
        notes.append("the output was too long to be read whole; findings may be missing")
    if notes:
        evidence["note"] = "; ".join(notes)
    return evidence
