"""JUnit XML: cases are counted, never taken from a header, and each failure is a finding.

Headers may lie: the failures they declare and do not show make a report that is not believed. Suites nest; a failure
outside a case (a suite that could not start) counts like one within.
"""

from collections.abc import Mapping

from kazid.core.verdict import Finding
from kazid.providers.evidence import shortened
from kazid.providers.formats.report import (
    FINDINGS_MAX,
    MESSAGE_CHARS_MAX,
    Report,
    disbelieved,
    integer_of,
    place_in,
    text_of,
    without_tests,
)
from kazid.providers.formats.xml_text import read_xml

_TEXT_CHARS_MAX = 64 * 1024
"""Of one failure's text; the place is at the end of a trace, so both ends are kept."""
_ENDS = ("</testsuites>", "</testsuite>", "/>")


class _Cases:
    """Test cases and their failures, in the order of the file."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.failed = 0
        self.tests = 0
        self.skipped = 0
        self.declared = 0
        self.suites = 0
        self._case: Mapping[str, str] = {}
        self._failure: Mapping[str, str] | None = None
        self._text = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        match name:
            case "testsuites" | "testsuite":
                self.suites += 1
                declared = sum(integer_of(attributes.get(key)) or 0 for key in ("failures", "errors"))
                self.declared = max(self.declared, declared)
            case "testcase":
                self.tests += 1
                self._case = attributes
            case "failure" | "error":
                self._failure, self._text = attributes, ""
            case "skipped":
                self.skipped += 1
            case _:
                pass

    def characters(self, text: str) -> None:
        if self._failure is not None:
            self._text += text[:_TEXT_CHARS_MAX]
            if len(self._text) > _TEXT_CHARS_MAX:
                half = _TEXT_CHARS_MAX // 2
                self._text = self._text[:half] + self._text[-half:]

    def end(self, name: str) -> None:
        if name == "testcase":
            self._case = {}
        if name not in ("failure", "error") or self._failure is None:
            return
        self.failed += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(self._finding(self._failure))
        self._failure = None

    def _finding(self, failure: Mapping[str, str]) -> Finding:
        where = ".".join(filter(None, (self._case.get("classname"), self._case.get("name"))))
        message = failure.get("message") or self._text.strip() or failure.get("type") or "failed"
        file, line, column = self._case.get("file"), integer_of(self._case.get("line")), None
        if not file and (place := place_in(self._text)) is not None:
            file, line, column = place
        return Finding(
            message=shortened(message, MESSAGE_CHARS_MAX),
            file=text_of(file),
            line=line,
            column=column,
            rule=text_of(where),
            level="error",
        )


def read_junit(text: str) -> Report:
    """The report of an output; what comes before and after it is passed over."""
    start = min((at for mark in ("<?xml", "<testsuite") if (at := text.find(mark)) >= 0), default=-1)
    if start < 0:
        return disbelieved("no_report", "no JUnit report in the output")
    end = max(at + len(mark) if (at := text.rfind(mark)) >= 0 else 0 for mark in _ENDS)
    cases = _Cases()
    problem = read_xml(text[start : max(start, end)], cases)
    report = Report(findings=cases.findings, total=cases.failed, tests=cases.tests, skipped=cases.skipped)
    if problem is not None:
        note = f"the JUnit report cannot be read to its end: {problem}"
        return disbelieved("report_unreadable", note, report)
    if not cases.suites:
        return disbelieved("no_report", "no JUnit report in the output: it has no suite", report)
    if cases.declared > cases.failed:
        note = f"the JUnit report declares {cases.declared} failures and shows {cases.failed}"
        return disbelieved("report_contradicts_itself", note, report)
    return without_tests(report, "JUnit")
