"""lcov's trace file: lines and branches of each source file, its records merged.

Several test runs append to one file, so a source file may come twice and a line counts as run when any record says so.
A record without its end is a report that was cut.
"""

import re

from kazid.providers.formats.coverage_report import CoverageProblem, CoverageReport, FileCoverage, checked
from kazid.providers.formats.report import text_of

LINES_MAX = 2_000_000
_LINE = re.compile(r"DA:([0-9]{1,9}),(-?[0-9]{1,18})(?:,.*)?")
_BRANCH = re.compile(r"BRDA:([0-9]{1,9}),(e?[0-9]{1,9}),(.*),(-|[0-9]{1,18})")


class _Trace:
    """What the records have said so far."""

    def __init__(self) -> None:
        self.files: dict[str, dict[int, bool]] = {}
        self.branches: dict[tuple[str, str, str, str], bool] = {}
        self.count = 0
        self.is_open = False
        self.bad: str | None = None
        self._path = ""

    def read(self, line: str) -> None:
        """Take one line."""
        if line.startswith("SF:"):
            self.bad = self.bad or ("a record without end_of_record" if self.is_open else None)
            self.is_open, self._path = True, line.removeprefix("SF:")
            self.files.setdefault(self._path, {})
        elif line == "end_of_record":
            self.is_open = False
        elif line.startswith("DA:") and self.is_open:
            self._line(line)
        elif line.startswith("BRDA:") and self.is_open:
            self._branch(line)

    def _line(self, line: str) -> None:
        matched = _LINE.fullmatch(line)
        if matched is None or self.count >= LINES_MAX:
            self.bad = self.bad or f"not a line that can be read: {line[:80]}"
            return
        lines, number = self.files[self._path], int(matched[1])
        self.count += number not in lines
        lines[number] = lines.get(number, False) or int(matched[2]) > 0

    def _branch(self, line: str) -> None:
        matched = _BRANCH.fullmatch(line)
        if matched is None or len(self.branches) >= LINES_MAX:
            self.bad = self.bad or f"not a branch that can be read: {line[:80]}"
            return
        key = self._path, matched[1], matched[2], matched[3]
        self.branches[key] = self.branches.get(key, False) or matched[4] not in ("-", "0")


def read_lcov(text: str) -> CoverageReport | CoverageProblem:
    """The report of an output; lines of no record are passed over."""
    trace = _Trace()
    for line in text.split("\n"):
        trace.read(line.strip())
    if not trace.files:
        return CoverageProblem("no_report", "no lcov record in the output")
    if trace.is_open or trace.bad is not None:
        detail = trace.bad or "a record without end_of_record"
        return CoverageProblem("report_unreadable", f"the lcov report cannot be read to its end: {detail}")
    return checked(
        CoverageReport(
            lines_covered=sum(is_hit for file in trace.files.values() for is_hit in file.values()),
            lines_total=trace.count,
            branches_covered=sum(trace.branches.values()),
            branches_total=len(trace.branches),
            files=tuple(
                FileCoverage(
                    path=text_of(path) or "",
                    lines_total=len(file),
                    missing=tuple(number for number, is_hit in file.items() if not is_hit),
                )
                for path, file in trace.files.items()
            ),
        )
    )
