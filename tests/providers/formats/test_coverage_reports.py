"""coverage.py JSON, cobertura and lcov: one run gives the same counts in each, and nothing counted is no 100 %."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from kazid.providers.formats.cobertura import read_cobertura
from kazid.providers.formats.coverage_py import read_coverage_py
from kazid.providers.formats.coverage_report import (
    Counts,
    CoverageProblem,
    CoverageReport,
    FileCoverage,
    uncovered,
)
from kazid.providers.formats.lcov import read_lcov

Reader = Callable[[str], CoverageReport | CoverageProblem]

PROGRAM = """
def sign(x):
    if x > 0:
        return 1
    if x < 0:
        return -1
    return 0

sign(3)
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("coverage")
    (folder / "a.py").write_text(PROGRAM)

    def coverage(*args: str) -> str:
        argv = [sys.executable, "-m", "coverage", *args]
        made = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
        return made.stdout

    coverage("run", "--branch", "a.py")
    return {name: coverage(name, "-o", "-") for name in ("json", "xml", "lcov")}


@pytest.mark.parametrize(
    ("name", "reader"), [("json", read_coverage_py), ("xml", read_cobertura), ("lcov", read_lcov)]
)
def test_one_run_has_the_same_counts_in_every_format(
    reports: Mapping[str, str], name: str, reader: Reader
) -> None:
    report = reader(reports[name])
    assert isinstance(report, CoverageReport), report
    assert report.counted(Counts.LINES) == (4, 7)
    assert report.counted(Counts.BRANCHES) == (1, 4)
    assert report.percent(Counts.BOTH) == pytest.approx(500 / 11)
    [found] = uncovered(report)
    assert (found.file, found.line, found.message) == ("a.py", 5, "3 of 7 lines not run: 5-7")
    assert isinstance(reader(f"noise\n{reports[name]}\nmore noise\n"), CoverageReport)


@pytest.mark.parametrize(
    ("name", "reader"), [("json", read_coverage_py), ("xml", read_cobertura), ("lcov", read_lcov)]
)
def test_a_report_that_is_cut_is_not_believed_wherever(
    reports: Mapping[str, str], name: str, reader: Reader
) -> None:
    whole = reports[name].rstrip()
    for end in range(0, len(whole), max(1, len(whole) // 60)):
        found = reader(whole[:end])
        is_short = isinstance(found, CoverageReport) and found.lines_total < 7
        assert isinstance(found, CoverageProblem), (end, is_short)


TOTALS = {"covered_lines": 8, "num_statements": 10, "covered_branches": 1, "num_branches": 4}
CLASS = '<class filename="a"><methods><method><lines><line number="1" hits="1"/></lines></method></methods>'


@pytest.mark.parametrize(
    ("reader", "text", "expected"),
    [
        pytest.param(
            read_coverage_py, json.dumps({"meta": {"format": 3}, "totals": TOTALS}), (8, 10), id="totals"
        ),
        pytest.param(
            read_coverage_py,
            json.dumps(
                {"meta": {"format": 3}, "totals": {**TOTALS, "num_statements": 0, "covered_lines": 0}}
            ),
            "nothing_measured",
            id="nothing-is-no-100-percent",
        ),
        pytest.param(
            read_coverage_py,
            json.dumps({"meta": {"format": 3}, "totals": {**TOTALS, "covered_lines": 11}}),
            "report_contradicts_itself",
            id="more-than-there-is",
        ),
        pytest.param(read_coverage_py, json.dumps({"totals": TOTALS}), "no_report", id="another-json"),
        pytest.param(read_coverage_py, "", "no_report", id="no-json"),
        pytest.param(
            read_cobertura,
            f'<!DOCTYPE coverage SYSTEM "http://x.invalid/coverage-04.dtd"><coverage line-rate="1">{CLASS}<lines>'
            '<line number="1" hits="0"/><line number="2" hits="0"/></lines></class></coverage>',
            (1, 2),
            id="a-line-told-twice-counts-once",
        ),
        pytest.param(read_cobertura, '<coverage line-rate="1"/>', "nothing_measured", id="a-rate-of-nothing"),
        pytest.param(read_cobertura, '<?xml version="1.0"?><testsuite/>', "no_report", id="other-xml"),
        pytest.param(
            read_cobertura,
            '<?xml version="1.0"?><!DOCTYPE coverage [<!ENTITY a "b">]><coverage/>',
            "report_unreadable",
            id="an-entity",
        ),
        pytest.param(
            read_cobertura,
            '<coverage><class filename="a"><line number="x" hits="1"/></class></coverage>',
            "report_unreadable",
            id="a-line-without-a-number",
        ),
        pytest.param(
            read_lcov,
            "SF:a\nDA:1,0\nDA:2,1\nend_of_record\nTN:\nSF:a\nDA:1,4,hash\nDA:2,0\nend_of_record",
            (2, 2),
            id="records-of-one-file-merge",
        ),
        pytest.param(read_lcov, "SF:a\nLF:0\nLH:0\nend_of_record", "nothing_measured", id="no-lines"),
        pytest.param(read_lcov, "SF:a\nDA:1,1\n", "report_unreadable", id="no-end"),
        pytest.param(
            read_lcov, "SF:a\nDA:1,1\nSF:b\nend_of_record", "report_unreadable", id="no-end-between"
        ),
        pytest.param(read_lcov, "SF:a\nDA:one,1\nend_of_record", "report_unreadable", id="no-number"),
        pytest.param(read_lcov, "SF:a\nDA:1,-1\nend_of_record", (0, 1), id="a-negative-count-is-no-run"),
        pytest.param(read_lcov, "hello", "no_report", id="no-record"),
    ],
)
def test_counts_are_believed_or_it_is_said_why_not(
    reader: Reader, text: str, expected: tuple[int, int] | str
) -> None:
    found = reader(text)
    if isinstance(found, CoverageProblem):
        assert found.reason == expected
    else:
        assert found.counted(Counts.LINES) == expected


def test_only_the_worst_files_are_told() -> None:
    files = [FileCoverage(path=f"{n}.py", lines_total=99, missing=range(1, n + 1)) for n in range(50)]
    told = list(uncovered(CoverageReport(lines_covered=0, lines_total=1, files=files)))
    assert [f.file for f in told[:2]] == ["49.py", "48.py"]
    assert len(told) == 20
