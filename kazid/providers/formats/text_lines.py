"""Findings of tools that print lines: dialyzer, tsc, mypy, golangci-lint. Proof that the tool ran is asked for.

Silence looks the same whether all is well or the tool died, so a report without findings is believed only with the
line the tool ends a real run with; where it prints none by default, the note says which flag makes it. A number of
findings in that line has to be the number of findings that were read.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import msgspec

from kazid.core.verdict import Finding
from kazid.providers.formats.report import Report, disbelieved, integer_of, report_of, text_of

LINE_CHARS_MAX = 4000
"""A line longer than this is no finding of these tools."""

_DIALYZER = re.compile(r"([^\s:][^:]*\.(?:exs?|erl|hrl)):(\d{1,8}):(?:(\d{1,8}):?)?(\w+)? +(\S.*)")
_TSC = re.compile(r"(\S.*?)(?:\((\d{1,8}),(\d{1,8})\):|:(\d{1,8}):(\d{1,8}) -) error (TS\d{1,6}): (.*)")
_TSC_GLOBAL = re.compile(r"error (TS\d{1,6}): (.*)")
_MYPY = re.compile(
    r"(\S[^:]*):(?:(\d{1,8}):)?(?:(\d{1,8}):)?(?:\d{1,8}:\d{1,8}:)? error: (.*?)(?:  \[([\w-]+)\])?"
)
_GOLANGCI = re.compile(r"([^\s:][^:]*\.\w+):(\d{1,8})(?::(\d{1,8}))?: (.+?)(?: \(([\w-]+)\))?")


class Matcher(msgspec.Struct, frozen=True):
    """How one tool's lines are read."""

    finding: Callable[[str], Finding | None]
    proof: re.Pattern[str]
    hint: str
    died: re.Pattern[str] | None = None
    indent_of_more: str | None = None
    """What a line begins with that goes on with the finding above it."""


def _dialyzer(line: str) -> Finding | None:
    m = _DIALYZER.fullmatch(line)
    return None if m is None else _finding(m[5], m[1], m[2], m[3], m[4], level="warning")


def _tsc(line: str) -> Finding | None:
    if (m := _TSC_GLOBAL.fullmatch(line)) is not None:
        return _finding(m[2], None, None, None, m[1], level="error")
    m = _TSC.fullmatch(line)
    return None if m is None else _finding(m[7], m[1], m[2] or m[4], m[3] or m[5], m[6], level="error")


def _mypy(line: str) -> Finding | None:
    m = _MYPY.fullmatch(line)
    return None if m is None else _finding(m[4], m[1], m[2], m[3], m[5], level="error")


def _golangci(line: str) -> Finding | None:
    m = _GOLANGCI.fullmatch(line)
    return None if m is None else _finding(m[4], m[1], m[2], m[3], m[5], level="error")


def _finding(
    message: str, file: str | None, line: str | None, column: str | None, rule: str | None, *, level: str
) -> Finding:
    return Finding(
        message=text_of(message) or "",
        file=text_of(file),
        line=integer_of(line),
        column=integer_of(column),
        rule=text_of(rule),
        level=level,
    )


MATCHERS: Mapping[str, Matcher] = MappingProxyType(
    {
        "dialyzer": Matcher(
            _dialyzer,
            re.compile(
                r" *done \((?:passed successfully|(?P<some>warnings were emitted))\).*"
                r"|Total errors: (?P<declared>\d{1,8}), Skipped: .*"
            ),
            'it ends with "done (passed successfully)"',
            died=re.compile(r"dialyzer: .*"),
            indent_of_more=" " * 9,
        ),
        "tsc": Matcher(
            _tsc,
            re.compile(r"Found (?P<declared>\d{1,8}) errors?\b.*|Files: +[1-9]\d{0,7}"),
            "tsc says nothing when all is well: give it --diagnostics, which counts the files it checked",
        ),
        "mypy": Matcher(
            _mypy,
            re.compile(r"Success: no issues found in [1-9].*|Found (?P<declared>\d{1,8}) errors? in .*"),
            'it ends with "Success: no issues found"; do not give it --no-error-summary',
            died=re.compile(r"Found .*\(errors prevented further checking\)"),
        ),
        "golangci-lint": Matcher(
            _golangci,
            re.compile(r"(?P<declared>\d{1,8}) issues?[.:].*"),
            'it ends with a line like "0 issues."; version 1 needs --show-stats',
        ),
    }
)


def read_lines(text: str, tool: str) -> Report:
    """The report of a tool's output."""
    matcher = MATCHERS[tool]
    report = report_of(_findings(text, matcher))
    proofs = [m for line in _lines(text) if (m := matcher.proof.fullmatch(line)) is not None]
    if not proofs and not report.total:
        return disbelieved("no_proof", f"nothing shows that {tool} ran: {matcher.hint}", report)
    if matcher.died is not None and any(matcher.died.fullmatch(line) for line in _lines(text)):
        return disbelieved("incomplete", f"{tool} did not come to its end", report)
    declared = max((_declared(proof) for proof in proofs), default=0)
    if declared > report.total:
        note = f"{tool} says that it found {declared}, and {report.total} could be read"
        return disbelieved("report_contradicts_itself", note, report)
    return report


def _declared(proof: re.Match[str]) -> int:
    """How many findings the line says there are; at least one where it gives no number."""
    groups = proof.groupdict()
    return int(groups.get("declared") or 0) or int(groups.get("some") is not None)


def _findings(text: str, matcher: Matcher) -> Iterator[Finding]:
    lines = (
        _lines(text) if matcher.indent_of_more is None else _unwrapped(_lines(text), matcher.indent_of_more)
    )
    return (found for line in lines if (found := matcher.finding(line)) is not None)


def _unwrapped(lines: Iterator[str], indent: str) -> Iterator[str]:
    """Each line with those that go on with it, as far as a line may go."""
    whole = ""
    for line in lines:
        if whole and line.startswith(indent):
            more = line.lstrip()
            whole += f" {more}" if len(whole) + len(more) < LINE_CHARS_MAX else ""
        else:
            yield whole
            whole = line
    yield whole


def _lines(text: str) -> Iterator[str]:
    return (line for raw in text.split("\n") if 0 < len(line := raw.rstrip("\r \t")) <= LINE_CHARS_MAX)
