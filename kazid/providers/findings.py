"""Findings in a checker's report: SARIF, JUnit or plain JSON, read from the whole output.

Reading a report explains a verdict and never moves it (reference 4.6), so what cannot be read is a note. Reports often
stand between log lines; what comes before and after them is passed over.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from xml.parsers import expat

import msgspec

from kazid.core.json import Json, JsonObject
from kazid.core.verdict import Finding
from kazid.providers.evidence import shortened

FINDINGS_MAX = 100
"""Kept of one look; the total is told. Nobody repairs a hundred things at once."""

DOCUMENTS_MAX = 100
"""Places in the output at which a report may begin."""

_MESSAGE_CHARS_MAX = 1000
_DOCUMENT_START = re.compile(r"^[{\[]", re.MULTILINE)
_LEVELS = frozenset({"error", "warning", "note", "info"})
_NOTHING: JsonObject = {}
_LIST_KEYS = ("findings", "results", "diagnostics", "issues", "errors", "violations", "problems")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `total` counts all findings, `findings` holds the first; `note` is for people."""

    findings: Sequence[Finding] = ()
    total: int = 0
    tests: int | None = None
    skipped: int | None = None
    note: str | None = None


def read_report(text: str, evidence_format: str) -> Report | None:
    """Return what the report says; None for `raw`, which is not read."""
    match evidence_format:
        case "sarif":
            return _read_sarif(text)
        case "junit":
            return _read_junit(text)
        case "json":
            return _read_json(text)
        case _:
            return None


def _read_sarif(text: str) -> Report:
    reports = (_object(document).get("runs") for document in _documents(text))
    runs = next((found for found in reports if isinstance(found, list)), None)
    if runs is None:
        return Report(note="no SARIF report in the output")
    results = [result for run in _objects(runs) for result in _objects(run.get("results"))]
    if not runs:
        return Report(note="the SARIF report has no runs")
    return _report(_sarif_finding(result) for result in results if _counts(result))


def _counts(result: JsonObject) -> bool:
    """True for a result that complains and still does: suppressed, absent and informative ones do not."""
    suppressions = _objects(result.get("suppressions"))
    is_suppressed = bool(suppressions) and all(s.get("status") in (None, "accepted") for s in suppressions)
    is_complaint = result.get("kind", "fail") in ("fail", "open", "review")
    return is_complaint and not is_suppressed and result.get("baselineState") != "absent"


def _sarif_finding(result: JsonObject) -> Finding:
    location = next(iter(_objects(result.get("locations"))), _NOTHING)
    physical = _object(location.get("physicalLocation"))
    region = _object(physical.get("region"))
    level = result.get("level")
    return Finding(
        message=_text(_object(result.get("message")).get("text")) or "",
        file=_text(_object(physical.get("artifactLocation")).get("uri")),
        line=_integer(region.get("startLine")),
        column=_integer(region.get("startColumn")),
        rule=_text(result.get("ruleId")) or _text(_object(result.get("rule")).get("id")),
        level=level if level in ("error", "warning", "note") else None,
    )


class _JUnit:
    """Test cases and their failures, in the order of the file. Streams: a report of any size costs no tree."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.tests = 0
        self.skipped = 0
        self._case: Mapping[str, str] = {}
        self._failure: Mapping[str, str] | None = None
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "testcase":
                self.tests += 1
                self._case = attributes
            case "failure" | "error":
                self._failure, self._text = attributes, []
            case "skipped":
                self.skipped += 1
            case _:
                pass

    def characters(self, text: str) -> None:
        if self._failure is not None and len(self._text) < _MESSAGE_CHARS_MAX:
            self._text.append(text)

    def end(self, name: str) -> None:
        if name not in ("failure", "error") or self._failure is None:
            return
        where = [self._case.get(key, "") for key in ("classname", "name")]
        message = self._failure.get("message") or "".join(self._text).strip()
        self.findings.append(
            Finding(
                message=shortened(message, _MESSAGE_CHARS_MAX),
                file=_text(self._case.get("file")),
                line=_integer(self._case.get("line")),
                rule=_text(".".join(part for part in where if part)),
                level="error",
            )
        )
        self._failure = None


def _read_junit(text: str) -> Report:
    start = min((at for mark in ("<?xml", "<testsuite") if (at := text.find(mark)) >= 0), default=-1)
    end = max(text.rfind(mark) + len(mark) for mark in ("</testsuites>", "</testsuite>", "/>"))
    if start < 0:
        return Report(note="no JUnit report in the output")
    junit = _JUnit()
    parser = expat.ParserCreate()
    parser.StartElementHandler = junit.start
    parser.EndElementHandler = junit.end
    parser.CharacterDataHandler = junit.characters
    parser.StartDoctypeDeclHandler = _refuse_doctype
    note = None
    try:
        parser.Parse(text[start:end].encode("utf-8", errors="replace"), True)
    except (expat.ExpatError, _DoctypeRefused) as error:
        note = f"the JUnit report cannot be read to its end: {error}"
    if note is None and not junit.tests:
        note = "the JUnit report has no test case"
    report = _report(iter(junit.findings))
    return msgspec.structs.replace(report, tests=junit.tests, skipped=junit.skipped, note=note)


class _DoctypeRefused(Exception):
    """A report with a document type: no test tool writes one, and entities in one can explode."""


def _refuse_doctype(*_: object) -> None:
    raise _DoctypeRefused("it declares a document type")


def _read_json(text: str) -> Report:
    for document in _documents(text):
        lists = [document, *(_object(document).get(key) for key in _LIST_KEYS)]
        entries = next((found for found in lists if isinstance(found, list)), None)
        if entries is not None and len(_objects(entries)) == len(entries):
            return _report(_json_finding(entry) for entry in _objects(entries))
    return Report(note="no list of findings in the output")


def _json_finding(entry: JsonObject) -> Finding:
    """Take what goes by the usual names; checkers agree on little more."""
    position = {**_object(entry.get("location")), **_object(entry.get("start"))}
    message = _first(entry, "message", "text", "description", "title", "msg")
    return Finding(
        message=_text(message) or _text(_object(message).get("text")) or shortened(json.dumps(entry)),
        file=_text(_first(entry, "file", "path", "filename", "uri")) or _text(position.get("file")),
        line=_integer(_first(entry, "line", "line_number", "row") or _first(position, "line", "row")),
        column=_integer(_first(entry, "column", "col") or _first(position, "column", "col")),
        rule=_text(_first(entry, "rule", "code", "ruleId", "rule_id", "check_id", "id")),
        level=_level(_first(entry, "level", "severity")),
    )


def _report(findings: Iterator[Finding]) -> Report:
    kept: list[Finding] = []
    total = 0
    for finding in findings:
        total += 1
        if len(kept) < FINDINGS_MAX:
            kept.append(finding)
    return Report(findings=kept, total=total)


def _documents(text: str) -> Iterator[Json]:
    """Yield the JSON documents of the output: the whole of it, or what begins on a line of its own between others."""
    decoder = json.JSONDecoder()
    first = len(text) - len(text.lstrip())
    starts = [first, *(match.start() for match in islice(_DOCUMENT_START.finditer(text), DOCUMENTS_MAX))]
    end = 0
    for start in starts:
        if start < end:
            continue
        try:
            document: Json
            document, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        yield document


def _objects(value: Json) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, Mapping) else _NOTHING


def _first(entry: JsonObject, *keys: str) -> Json:
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def _text(value: Json) -> str | None:
    return shortened(value, _MESSAGE_CHARS_MAX) if isinstance(value, str) and value else None


def _integer(value: Json) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _level(value: Json) -> str | None:
    level = value.lower() if isinstance(value, str) else None
    return level if level in _LEVELS else None
