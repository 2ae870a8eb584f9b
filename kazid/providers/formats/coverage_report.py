"""What a coverage report counted, whichever tool wrote it, and the share of it that was run.

Formats agree on counts and on no percentage: one run was 71 % with branches and 80 % of its lines, so what is counted
is always named. Nothing counted is no 100 %.
"""

import enum
from collections.abc import Iterator, Sequence

import msgspec

from kazid.core.verdict import Finding

FILES_MAX = 20
"""Files that are told, those with most to do first."""
LINES_TOLD_MAX = 12


class Counts(enum.Enum):
    """What a percentage is a share of."""

    LINES = "lines"
    BRANCHES = "branches"
    BOTH = "both"


class FileCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """One file's lines: how many count, and which were not run."""

    path: str
    lines_total: int
    missing: Sequence[int] = ()


class CoverageReport(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a report that was read to its end."""

    lines_covered: int
    lines_total: int
    branches_covered: int = 0
    branches_total: int = 0
    files: Sequence[FileCoverage] = ()

    def counted(self, counts: Counts) -> tuple[int, int]:
        """How many were run, of how many."""
        match counts:
            case Counts.LINES:
                return self.lines_covered, self.lines_total
            case Counts.BRANCHES:
                return self.branches_covered, self.branches_total
            case Counts.BOTH:
                return (
                    self.lines_covered + self.branches_covered,
                    self.lines_total + self.branches_total,
                )

    def percent(self, counts: Counts) -> float | None:
        """The share in percent; None where there is nothing to count."""
        covered, total = self.counted(counts)
        return 100.0 * covered / total if total else None


class CoverageProblem(msgspec.Struct, frozen=True):
    """Why a report cannot be believed: a word for rules, a sentence for people."""

    reason: str
    detail: str


def checked(report: CoverageReport) -> CoverageReport | CoverageProblem:
    """The report, or why its counts cannot be."""
    pairs = (report.counted(Counts.LINES), report.counted(Counts.BRANCHES))
    if any(covered < 0 or covered > total for covered, total in pairs):
        return CoverageProblem("report_contradicts_itself", "more was covered than there is")
    if not report.lines_total:
        return CoverageProblem("nothing_measured", "the coverage report counts no line")
    return report


def uncovered(report: CoverageReport) -> Iterator[Finding]:
    """The files with most lines that were not run, each with its first such line."""
    worst = sorted((f for f in report.files if f.missing), key=lambda f: (-len(f.missing), f.path))
    for file in worst[:FILES_MAX]:
        yield Finding(
            message=f"{len(file.missing)} of {file.lines_total} lines not run: {_ranges(file.missing)}",
            file=file.path,
            line=min(file.missing),
            rule="uncovered",
            level="warning",
        )


def _ranges(lines: Sequence[int]) -> str:
    told: list[str] = []
    first = last = None
    for line in [*sorted(set(lines)), None]:
        if first is not None and last is not None and line == last + 1:
            last = line
            continue
        if first is not None:
            told.append(f"{first}-{last}" if last != first else f"{first}")
        first = last = line
    return ", ".join(told[:LINES_TOLD_MAX]) + (", …" if len(told) > LINES_TOLD_MAX else "")
