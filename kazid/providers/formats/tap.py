"""TAP, versions 12 to 14: the test points of the outermost level against the plan.

A plan that is missing, or that names another number of tests, is a run that died. Subtests are indented; the parent's
own line counts, and where it failed its failed children are the findings. TODO and SKIP do not fail. A point that is
only a file's name holds no test (node's runner passes an empty file so).
"""

import re
from collections.abc import Sequence

from kazid.core.verdict import Finding
from kazid.providers.formats.report import (
    FINDINGS_MAX,
    Report,
    disbelieved,
    integer_of,
    place_in,
    text_of,
    without_tests,
)

_POINT = re.compile(r"( *)(not )?ok\b(?:[ \t]+([0-9]{1,9})\b)?(.*)")
_PLAN = re.compile(r"1\.\.([0-9]{1,9})[ \t]*(#.*)?")
_DIRECTIVE = re.compile(r"(?<!\\)#[ \t]*(skip|todo)", re.IGNORECASE)
_BLOCK = re.compile(r"( +)---[ \t]*")
_FIELD = re.compile(r" *([a-z_]{1,40}):[ \t]*(.*)")
_FILE_NAME = re.compile(r"/.*\.[cm]?[jt]sx?")
_PLACES = ("location", "at", "file")
_MESSAGES = ("error", "message", "reason")
_BLOCK_LINES_MAX = 1000
_PENDING_MAX = 10 * FINDINGS_MAX


class _Failed:
    """A test point that failed, while its block is still read."""

    def __init__(self, *, indent: int, name: str) -> None:
        self.indent = indent
        self.name = name
        self.fields: dict[str, str] = {}

    def finding(self) -> Finding:
        told = next((self.fields[key] for key in _MESSAGES if self.fields.get(key)), "not ok")
        line = integer_of(self.fields.get("line"))
        place = next((p for key in _PLACES if (p := place_in(self.fields.get(key, ""))) is not None), None)
        file, line, column = place or (self.fields.get("file"), line, None)
        return Finding(
            message=text_of(told) or "not ok",
            file=text_of(file),
            line=line,
            column=column,
            rule=text_of(self.name),
            level="error",
        )


class _Stream:
    """What the lines have said so far."""

    def __init__(self) -> None:
        self.plan: int | None = None
        self.plans = 0
        self.points = 0
        self.numbers: set[int] = set()
        self.files = 0
        self.skipped = 0
        self.failed: list[_Failed] = []
        self.failed_total = 0
        self.bailed_out: str | None = None
        self._nested = 0
        """Points of the inner levels since the last one of the outermost."""

    def plan_line(self, plan: int) -> None:
        self.plans += 1
        self.plan = plan

    def point(self, *, indent: int, is_ok: bool, number: int | None, rest: str) -> _Failed | None:
        """Count one test point; a failed one is returned, for its block."""
        directive = _DIRECTIVE.search(rest)
        name = (rest[: directive.start()] if directive else rest).strip().removeprefix("-").strip()
        has_failed = not is_ok and directive is None
        if indent == 0:
            self.points += 1
            self.numbers.add(number if number is not None else self.points)
            is_file = _FILE_NAME.fullmatch(name) is not None and not self._nested
            self.files += is_file and is_ok
            self.skipped += directive is not None
            self.failed_total += has_failed
            self._nested = 0
        else:
            self._nested += 1
        return self._settle(indent=indent, name=name, has_failed=has_failed)

    def _settle(self, *, indent: int, name: str, has_failed: bool) -> _Failed | None:
        children = 0
        while self.failed and children < len(self.failed) and self.failed[-1 - children].indent > indent:
            children += 1
        if not has_failed:
            del self.failed[len(self.failed) - children :]
            return None
        for child in self.failed[len(self.failed) - children :]:
            child.indent = indent
            child.name = f"{name} > {child.name}" if name else child.name
        if children or len(self.failed) >= _PENDING_MAX:
            return None
        self.failed.append(_Failed(indent=indent, name=name))
        return self.failed[-1]


def read_tap(text: str) -> Report:
    """The report of an output; lines that are no TAP are passed over."""
    stream = _Stream()
    lines = text.split("\n")
    at = 0
    last: _Failed | None = None
    blocks = _Blocks(lines)
    while at < len(lines):
        line = lines[at].removesuffix("\r")
        at += 1
        if line.startswith("Bail out!"):
            stream.bailed_out = line.removeprefix("Bail out!").strip() or "without a word"
        elif (point := _POINT.fullmatch(line)) is not None:
            last = stream.point(
                indent=len(point[1]), is_ok=point[2] is None, number=integer_of(point[3]), rest=point[4]
            )
        elif (plan := _PLAN.fullmatch(line)) is not None:
            stream.plan_line(int(plan[1]))
        elif (block := _BLOCK.fullmatch(line)) is not None:
            end = blocks.end(at, indent=len(block[1]))
            if end is not None:
                if last is not None:
                    last.fields = _fields(lines[at:end])
                at = end + 1
            last = None
    return _judged(stream)


def _judged(stream: _Stream) -> Report:
    report = Report(
        findings=tuple(failed.finding() for failed in stream.failed[:FINDINGS_MAX]),
        total=max(stream.failed_total, len(stream.failed)),
        tests=stream.points - stream.files,
        skipped=stream.skipped,
    )
    if stream.bailed_out is not None:
        return disbelieved("bailed_out", f"the tests bailed out: {text_of(stream.bailed_out)}", report)
    if stream.plan is None:
        what = "it ended before its plan" if stream.points else "no TAP in the output"
        return disbelieved("no_plan" if stream.points else "no_report", what, report)
    if stream.plans > 1:
        return disbelieved("report_contradicts_itself", "the TAP report has several plans", report)
    if stream.points != stream.plan or stream.numbers != set(range(1, stream.points + 1)):
        note = f"the TAP plan is 1..{stream.plan}, and {stream.points} tests are there"
        return disbelieved("plan_not_kept", note, report)
    return without_tests(report, "TAP")


class _Blocks:
    """Where blocks end. A block without an end is looked through once for each depth, whatever begins within it."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._none_before: dict[int, int] = {}

    def end(self, at: int, *, indent: int) -> int | None:
        """The line that ends the block, or None for one that does not: then its lines are read like any other."""
        if at < self._none_before.get(indent, 0):
            return None
        margin = " " * indent
        number = at
        for number in range(at, min(len(self._lines), at + _BLOCK_LINES_MAX)):
            line = self._lines[number].removesuffix("\r")
            if line == f"{margin}...":
                return number
            if line and not line.startswith(margin):
                break
        self._none_before[indent] = number
        return None


def _fields(lines: Sequence[str]) -> dict[str, str]:
    """The fields of a YAML block by name, unquoted; of a text of several lines, the first that says something."""
    fields: dict[str, str] = {}
    open_key: str | None = None
    base = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    for line in lines:
        field = _FIELD.fullmatch(line.rstrip("\r"))
        if field is not None and not line[base : base + 1].isspace():
            value = field[2].strip()
            open_key = field[1] if value in ("|", "|-", ">", ">-", "") else None
            fields.setdefault(field[1], "" if open_key else value.strip("'\""))
        elif open_key is not None and line.strip() and not fields.get(open_key):
            fields[open_key] = line.strip()
    return fields
