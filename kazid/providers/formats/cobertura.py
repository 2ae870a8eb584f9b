"""Cobertura XML: lines by file and number, so that a line told by its method and by its class counts once.

The rates and totals of the header are rounded, or absent, or of other lines; they are not read.
"""

import re
from collections.abc import Mapping

from kazid.providers.formats.coverage_report import CoverageProblem, CoverageReport, FileCoverage, checked
from kazid.providers.formats.report import integer_of, text_of
from kazid.providers.formats.xml_text import read_xml

LINES_MAX = 2_000_000
_CONDITIONS = re.compile(r"[0-9.]{1,8} ?%[ \t]*\(([0-9]{1,8})/([0-9]{1,8})\)")


class _Lines:
    """Hits and conditions of each line, in the order of the file."""

    def __init__(self) -> None:
        self.root: str | None = None
        self.hits: dict[str, dict[int, int]] = {}
        self.conditions: dict[tuple[str, int], tuple[int, int]] = {}
        self.bad = 0
        self.count = 0
        self._file = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.root = self.root or name
        if name == "class":
            self._file = attributes.get("filename", "")
        elif name == "line":
            self._line(attributes)

    def _line(self, attributes: Mapping[str, str]) -> None:
        number, hits = integer_of(attributes.get("number")), attributes.get("hits", "")
        if number is None or not (hits.isascii() and hits.isdigit()) or self.count >= LINES_MAX:
            self.bad += 1
            return
        lines = self.hits.setdefault(self._file, {})
        self.count += number not in lines
        lines[number] = max(lines.get(number, 0), int(hits[:18]))
        matched = _CONDITIONS.fullmatch(attributes.get("condition-coverage", ""))
        if matched is not None:
            known = self.conditions.get((self._file, number), (0, 0))
            self.conditions[self._file, number] = max(known, (int(matched[1]), int(matched[2])))

    def end(self, name: str) -> None:
        pass

    def characters(self, text: str) -> None:
        pass


def read_cobertura(text: str) -> CoverageReport | CoverageProblem:
    """The report of an output; what comes before and after it is passed over."""
    start = min((at for mark in ("<?xml", "<coverage") if (at := text.find(mark)) >= 0), default=-1)
    if start < 0:
        return CoverageProblem("no_report", "no cobertura report in the output")
    lines = _Lines()
    end = max(at + len(mark) if (at := text.rfind(mark)) >= 0 else 0 for mark in ("</coverage>", "/>"))
    problem = read_xml(text[start : max(start, end)], lines)
    if problem is not None:
        detail = f"the cobertura report cannot be read to its end: {problem}"
        return CoverageProblem("report_unreadable", detail)
    if lines.root != "coverage":
        return CoverageProblem("no_report", f"not a cobertura report: <{text_of(lines.root)}>")
    if lines.bad:
        return CoverageProblem("report_unreadable", f"{lines.bad} lines of the report cannot be read")
    return checked(
        CoverageReport(
            lines_covered=sum(hits > 0 for file in lines.hits.values() for hits in file.values()),
            lines_total=lines.count,
            branches_covered=sum(covered for covered, _ in lines.conditions.values()),
            branches_total=sum(total for _, total in lines.conditions.values()),
            files=tuple(
                FileCoverage(
                    path=text_of(path) or "",
                    lines_total=len(file),
                    missing=tuple(number for number, hits in file.items() if not hits),
                )
                for path, file in lines.hits.items()
            ),
        )
    )
