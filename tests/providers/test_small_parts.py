"""The pure parts that providers share: comparisons, paths, findings, excerpts, options."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.verdict import EVIDENCE_TEXT_CHARS_MAX, Finding
from kazid.providers.evidence import clean, excerpt, shortened
from kazid.providers.findings import FINDINGS_MAX, read_report
from kazid.providers.json_path import PathProblem, number_at, value_at
from kazid.providers.pass_when import parse_pass_when

# --- pass_when ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("== 5", 5.0, True), ("==5", 5, True), (" >= -1.5 ", -1.5, True), ("!= 1", 1.0, False), ("< 2", 1.99, True),
        ("<= 2", 2, True), ("> 1", 10**30, True), ("< -2", -3, True), ("> 0.30000000000000004", 0.3, False),
    ],
)  # fmt: skip
def test_a_comparison_holds(text: str, value: float, holds: bool) -> None:
    parsed = parse_pass_when(text)
    assert parsed is not None
    assert parsed.holds(value) is holds


@pytest.mark.parametrize(
    "text",
    ["", "5", "= 5", "== +5", "== 1e3", "== .5", "== 5.", "=> 5", "== 5 6", "== ٥", "== " + "9" * 5000],
)
def test_what_is_not_in_the_grammar_is_no_comparison(text: str) -> None:
    assert parse_pass_when(text) is None


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse_pass_when(text)
    read_report(text, "sarif")
    read_report(text, "junit")
    read_report(text, "json")
    number_at({}, text)
    excerpt(text, 50)


# --- JSON path ----------------------------------------------------------------------------------------------

DOCUMENT = {"a": {"b": [10, {"c": 2.5}]}, "list": [], "true": True, "null": None, "text": "1", "ü ñ": 1}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.a.b[0]", 10), ("$.a.b[1].c", 2.5), ("$.a.b", 2), ("$.list", 0), ("$.ü ñ", 1),
        ("$.a.x", "path_missing"), ("$.a[0]", "path_missing"), ("$.a.b.c", "path_missing"),
        ("$.a.b[2]", "path_index_out_of_range"), ("$.list[99999999999999999999]", "path_index_out_of_range"),
        ("$.true", "not_a_number"), ("$.null", "not_a_number"), ("$.text", "not_a_number"), ("$.a", "not_a_number"),
        ("$", "not_a_number"), ("a", "invalid_path"), ("$.", "invalid_path"), ("$.a[-1]", "invalid_path"),
        ("$.a]", "invalid_path"), ("", "invalid_path"), ("$..a", "invalid_path"),
    ],
)  # fmt: skip
def test_a_path_leads_to_a_number_or_says_why_not(path: str, expected: object) -> None:
    found = number_at(DOCUMENT, path)
    assert (found.reason if isinstance(found, PathProblem) else found) == expected


def test_the_root_of_a_list_is_its_length() -> None:
    assert number_at([1, 2, 3], "$") == 3
    assert value_at([1, 2, 3], "$[1]") == 2


# --- findings -----------------------------------------------------------------------------------------------


def a_result(**rest: Any) -> dict[str, Any]:
    return {"ruleId": "R1", "level": "error", "message": {"text": "bad"}, **rest}


def sarif(*results: dict[str, Any]) -> str:
    return json.dumps({"runs": [{"results": list(results)}]})


def test_a_sarif_result_becomes_a_finding() -> None:
    region = {"startLine": 3, "startColumn": 2}
    location = {"physicalLocation": {"artifactLocation": {"uri": "src/a.py"}, "region": region}}
    report = read_report(sarif(a_result(locations=[location]), a_result(level="weird")), "sarif")
    assert report is not None
    assert report.total == 2
    assert report.findings[0] == Finding(
        message="bad", file="src/a.py", line=3, column=2, rule="R1", level="error"
    )
    assert report.findings[1].level is None


@pytest.mark.parametrize(
    ("rest", "counts"),
    [
        pytest.param({"suppressions": [{"kind": "inSource"}]}, False, id="suppressed"),
        pytest.param({"suppressions": [{"status": "accepted"}]}, False, id="suppression-accepted"),
        pytest.param({"suppressions": [{"status": "rejected"}]}, True, id="suppression-rejected"),
        pytest.param({"suppressions": [{"status": "underReview"}]}, True, id="suppression-not-decided"),
        pytest.param({"suppressions": []}, True, id="no-suppression"),
        pytest.param({"kind": "pass"}, False, id="a-check-that-passed"),
        pytest.param({"baselineState": "absent"}, False, id="gone-since-the-baseline"),
        pytest.param({"baselineState": "unchanged"}, True, id="still-there"),
    ],
)
def test_a_sarif_result_that_does_not_complain_is_no_finding(rest: dict[str, Any], counts: bool) -> None:
    report = read_report(sarif(a_result(**rest)), "sarif")
    assert report is not None
    assert report.total == int(counts)


def test_a_report_between_log_lines_is_found() -> None:
    assert (report := read_report(f"scanning…\n{sarif(a_result())}\ndone\n", "sarif"))
    assert report.total == 1
    assert (report := read_report(f"[1/2] scanning\n[1]\n{sarif(a_result())}", "sarif"))
    assert report.total == 1
    assert (report := read_report('[INFO] start\n[1, 2]\n[{"message": "bad"}]\n', "json"))
    assert report.total == 1
    assert (report := read_report(f"collected 2\n{JUNIT}\n2 passed\n", "junit"))
    assert report.tests == 4


def test_more_findings_than_are_kept_are_counted() -> None:
    report = read_report(sarif(*(a_result() for _ in range(FINDINGS_MAX + 50))), "sarif")
    assert report is not None
    assert (report.total, len(report.findings)) == (FINDINGS_MAX + 50, FINDINGS_MAX)


JUNIT = (
    '<?xml version="1.0"?><testsuites><testsuite name="s"><testcase classname="A" name="ok"/>'
    '<testcase classname="A" name="f" file="t.py" line="7"><failure message="boom">trace</failure></testcase>'
    '<testcase classname="A" name="e"><error>first line\nsecond</error></testcase>'
    '<testcase classname="A" name="s"><skipped/></testcase></testsuite></testsuites>'
)


def test_a_junit_failure_becomes_a_finding() -> None:
    report = read_report(JUNIT, "junit")
    assert report is not None
    assert (report.tests, report.skipped, report.total, report.note) == (4, 1, 2, None)
    assert report.findings[0] == Finding(message="boom", file="t.py", line=7, rule="A.f", level="error")
    assert report.findings[1].message.startswith("first line")


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("", "no JUnit report"),
        ("<testsuites></testsuites>", "no test case"),
        (JUNIT[:-40], "cannot be read to its end"),
        ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><testsuite>&a;</testsuite>', "entity"),
    ],
)
def test_a_junit_report_that_proves_nothing_is_noted(text: str, note: str) -> None:
    report = read_report(text, "junit")
    assert report is not None
    assert note in (report.note or "")


@pytest.mark.parametrize(
    "text",
    [
        '[{"file": "a.py", "line": 3, "col": 1, "code": "E1", "message": "bad", "severity": "ERROR"}]',
        '{"results": [{"path": "a.py", "start": {"line": 3, "col": 1}, "check_id": "E1", "message": "bad",'
        ' "level": "error"}]}',
        '{"issues": [{"filename": "a.py", "location": {"row": 3, "column": 1}, "rule": "E1", "text": "bad",'
        ' "severity": "error"}]}',
    ],
)  # fmt: skip
def test_findings_in_plain_json_go_by_the_usual_names(text: str) -> None:
    report = read_report(text, "json")
    assert report is not None
    assert report.findings == [
        Finding(message="bad", file="a.py", line=3, column=1, rule="E1", level="error")
    ]


@pytest.mark.parametrize("evidence_format", ["sarif", "json", "junit"])
@pytest.mark.parametrize(
    "text",
    [
        "nope", "{}", "[]", "null", "[" * 100_000, "<a" * 1000, '{"runs": 5}',
        '{"runs": [5, {"results": [5, null, {}]}]}',
    ],
)  # fmt: skip
def test_a_report_that_is_none_is_no_error(evidence_format: str, text: str) -> None:
    report = read_report(text, evidence_format)
    assert report is not None
    msgspec.json.encode(report)


def test_text_no_encoder_takes_is_made_one_that_every_encoder_takes() -> None:
    report = read_report(sarif(a_result(message={"text": "\ud800 lone \x00 surrogate"})), "sarif")
    assert report is not None
    assert b"lone" in msgspec.json.encode(report)


# --- excerpts -----------------------------------------------------------------------------------------------


def test_short_text_is_shown_as_it_is() -> None:
    assert excerpt("a\nb\tü\n") == "a\nb\tü\n"


def test_colours_and_control_characters_are_not_shown() -> None:
    assert clean("\x1b[31mred\x1b[0m\x07 bell\x00") == "red bell"
    assert shortened("x" * 400).endswith("…")


@given(st.text(min_size=0, max_size=20_000))
def test_an_excerpt_is_never_longer_than_its_bound(text: str) -> None:
    assert len(excerpt(text)) <= EVIDENCE_TEXT_CHARS_MAX


def test_an_excerpt_says_how_much_is_left_out() -> None:
    assert "characters left out" in excerpt("plain\n" * 5000)
    assert "decisive lines" in excerpt("plain\n" * 2000 + "E   assert 1 == 2\n" + "plain\n" * 2000)
