"""Every reader on any text: it raises nothing, what it gives is bounded and encodes, and a cut report is no clean one.

Texts are made of the formats' own words, cut and shuffled, so that they get past the first line.
"""

import time
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kazid.providers.formats.cobertura import read_cobertura
from kazid.providers.formats.coverage_py import read_coverage_py
from kazid.providers.formats.coverage_report import Counts, CoverageReport
from kazid.providers.formats.cucumber import read_cucumber
from kazid.providers.formats.json_text import VALUES_MAX, NotJson, parse_json, parse_stream
from kazid.providers.formats.junit import read_junit
from kazid.providers.formats.lcov import read_lcov
from kazid.providers.formats.plain_json import read_plain_json
from kazid.providers.formats.report import FINDINGS_MAX, Report
from kazid.providers.formats.sarif import read_sarif
from kazid.providers.formats.tap import read_tap
from kazid.providers.formats.text_lines import MATCHERS, read_lines

WORDS = (
    "ok 1 - a", "not ok 2", "1..2", "  ---", "  ...", "    ok 1", "Bail out!", "# SKIP", "TAP version 13",
    "<testsuite>", "</testsuite>", '<testcase name="a">', "</testcase>", "<failure>", "</failure>", "<skipped/>",
    '<?xml version="1.0"?>', "<coverage>", "</coverage>", '<class filename="a">', "</class>",
    '<line number="1" hits="1"/>', "&a;", "<!DOCTYPE x>", "SF:a", "DA:1,1", "BRDA:1,0,0,-", "end_of_record",
    '{"runs": [', '{"results": [', "]}", "]", "}", "{", "[", ",", '"meta": {}', '"totals":', '"elements"', "null",
    '"message"', "1e999", "\ud800", "\x00", "a.py:2: error: x", "a.ts(1,2): error TS1: x", "0 issues.",
    "done (passed successfully)", "Success: no issues found in 1 source file", "Found 1 error in 1 file",
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(WORDS), max_size=25).flatmap(
        lambda words: st.sampled_from(("\n", "", " ")).map(lambda joint: joint.join(words))
    ),
)
REPORTS: dict[str, Callable[[str], Report]] = {
    "junit": read_junit,
    "tap": read_tap,
    "sarif": read_sarif,
    "cucumber": read_cucumber,
    "json": read_plain_json,
    **{tool: lambda text, tool=tool: read_lines(text, tool) for tool in MATCHERS},  # type: ignore[misc]
}
COVERAGE = {"coverage_py": read_coverage_py, "cobertura": read_cobertura, "lcov": read_lcov}


@pytest.mark.parametrize("name", sorted(REPORTS))
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_no_text_breaks_a_reader(name: str, text: str) -> None:
    report = REPORTS[name](text)
    msgspec.json.encode(report)
    assert len(report.findings) == min(report.total, FINDINGS_MAX)
    assert (report.reason is None) == (report.note is None)
    if report.tests is not None and report.is_believed:
        assert report.tests > 0


@pytest.mark.parametrize("name", sorted(COVERAGE))
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_no_text_breaks_a_coverage_reader(name: str, text: str) -> None:
    report = COVERAGE[name](text)
    msgspec.json.encode(report)
    if isinstance(report, CoverageReport):
        percent = report.percent(Counts.BOTH)
        assert percent is not None
        assert 0 <= percent <= 100


GOOD = {
    "junit": '<testsuites><testsuite><testcase name="a"/><testcase name="b"/></testsuite></testsuites>',
    "tap": "TAP version 13\n1..2\nok 1 - a\nok 2 - b",
    "sarif": '{"version": "2.1.0", "runs": [{"tool": {}, "results": []}]}',
    "cucumber": '[{"elements": [{"name": "S", "steps": [{"result": {"status": "passed"}}]}]}]',
    "mypy": "Success: no issues found in 3 source files",
    "dialyzer": "done (passed successfully)",
    "golangci-lint": "0 issues.",
}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_good_report_is_believed_and_no_cut_of_it_is(name: str) -> None:
    assert REPORTS[name](GOOD[name]).is_believed
    for end in range(len(GOOD[name])):
        cut = GOOD[name][:end]
        if name == "mypy" and cut.startswith("Success: no issues found in 3"):
            continue  # the line is proof already
        if name == "tap" and cut.startswith("TAP version 13\n1..2\nok 1 - a\nok"):
            continue  # numbers and names may be left out
        assert not REPORTS[name](cut).is_believed, cut


def test_a_bomb_of_values_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(NotJson, match="values are more than"):
        parse_json("[" + "[]," * (VALUES_MAX // 2) + "1]")
    with pytest.raises(NotJson):
        parse_json("[" * 200_000)
    with pytest.raises(NotJson):
        parse_json("9" * 10_000)


@given(st.lists(st.sampled_from(['{"a": 1}', "[1]", "2", "\n", " ", "x"])))
def test_a_stream_of_documents_is_read_whole_or_not_at_all(parts: list[str]) -> None:
    text = " ".join(parts)
    if "x" in parts:
        with pytest.raises(NotJson):
            parse_stream(text)
    else:
        assert len(parse_stream(text)) == sum(bool(part.strip()) for part in parts)


MADE_TO_BE_SLOW = {
    "blocks-without-end": "  ---\n" * 60_000,
    "empty-lines-in-blocks": "".join(" " * n + "---\n" for n in range(1, 600)) + "\n" * 60_000,
    "failures-ever-deeper": "".join(" " * (n % 900) + "not ok\n" for n in range(6000)),
    "documents-without-end": "[\n" * 90 + "1,\n" * 60_000,
    "documents-too-deep": ("[" * 5_000 + "\n") * 90,
    "elements": "<testsuite>" + "<testcase name='a'><failure>x</failure></testcase>" * 8_000,
    "places": "<testsuite>" + f"<testcase><failure>{'a' * 4000}</failure></testcase>" * 200 + "</testsuite>",
    "records": "SF:a\n" * 50_000,
}


@pytest.mark.parametrize("name", sorted(MADE_TO_BE_SLOW))
def test_a_text_made_to_be_slow_is_read_in_time(name: str) -> None:
    text = MADE_TO_BE_SLOW[name]
    for reader in (*REPORTS.values(), *COVERAGE.values()):
        started_s = time.process_time()
        reader(text)
        assert time.process_time() - started_s < 10, reader
