"""JUnit, TAP and cucumber: what is a finding, what is no report, and what the real runners write."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kazid.core.verdict import Finding
from kazid.providers.formats.cucumber import read_cucumber, read_scenarios
from kazid.providers.formats.junit import read_junit
from kazid.providers.formats.report import FINDINGS_MAX
from kazid.providers.formats.tap import read_tap

# --- JUnit --------------------------------------------------------------------------------------------------


def suite(*cases: str, attributes: str = "") -> str:
    return f"<testsuite {attributes}>{''.join(cases)}</testsuite>"


OK = '<testcase classname="A" name="ok"/>'
BAD = '<testcase classname="A" name="bad"><failure message="boom">trace</failure></testcase>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(suite(OK), None, id="one-that-passes"),
        pytest.param(suite(BAD), None, id="one-that-fails"),
        pytest.param(f"<testsuites>{suite(suite(OK))}</testsuites>", None, id="nested-suites"),
        pytest.param(f"collected\n{suite(OK)}\ndone", None, id="between-log-lines"),
        pytest.param("", "no_report", id="empty-output"),
        pytest.param('<?xml version="1.0"?><html><testcase/></html>', "report_unreadable", id="other-xml"),
        pytest.param("<testsuites/>", "no_tests", id="no-test"),
        pytest.param(suite(attributes='tests="7"'), "no_tests", id="a-header-that-lies"),
        pytest.param(suite('<testcase name="s"><skipped/></testcase>'), "no_tests", id="all-skipped"),
        pytest.param(
            suite(OK, attributes='failures="1"'),
            "report_contradicts_itself",
            id="a-failure-that-is-not-shown",
        ),
        pytest.param(suite(OK, BAD)[:-20], "report_unreadable", id="cut"),
        pytest.param("<testsuite>" * 5000, "report_unreadable", id="too-deep"),
        pytest.param(
            '<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>',
            "report_unreadable",
            id="entities-without-a-type",
        ),
        pytest.param(
            f'<?xml version="1.0"?><!DOCTYPE t [<!ENTITY a "aaaa">]>{suite(OK)}',
            "report_unreadable",
            id="entity",
        ),
        pytest.param(f'<?xml version="1.0" encoding="latin-1"?>{suite(OK)}', None, id="another-encoding"),
    ],
)
def test_a_junit_report_is_believed_or_says_why_not(text: str, reason: str | None) -> None:
    report = read_junit(text)
    assert report.reason == reason
    assert (report.note is None) == (reason is None)


def test_a_failure_outside_a_case_counts() -> None:
    report = read_junit(suite(OK, "<error message='no database'/>"))
    assert (report.total, report.findings[0].message, report.findings[0].rule) == (1, "no database", None)


def test_more_failures_than_are_kept_are_counted() -> None:
    report = read_junit(suite(*[BAD] * (FINDINGS_MAX + 7)))
    assert (report.total, len(report.findings)) == (FINDINGS_MAX + 7, FINDINGS_MAX)


def test_the_place_of_a_long_failure_is_at_its_end() -> None:
    text = "x" * 300_000 + "\nlib/a.py:7: AssertionError"
    report = read_junit(suite(f"<testcase name='t'><failure>{text}</failure></testcase>"))
    assert (report.findings[0].file, report.findings[0].line) == ("lib/a.py", 7)


def test_pytests_own_report_has_the_place_of_the_failure(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_ok(): pass\ndef test_bad():\n    assert 1 == 2\n")
    run_pytest(tmp_path, "--junit-xml=j.xml")
    report = read_junit((tmp_path / "j.xml").read_text())
    assert (report.tests, report.total, report.reason) == (2, 1, None)
    [found] = report.findings
    assert (found.file, found.line, found.rule) == ("test_a.py", 3, "test_a.test_bad")
    assert "assert 1 == 2" in found.message


def test_pytest_that_finds_no_test_is_not_believed(tmp_path: Path) -> None:
    run_pytest(tmp_path, "--junit-xml=j.xml")
    assert read_junit((tmp_path / "j.xml").read_text()).reason == "no_tests"


def run_pytest(folder: Path, *args: str) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", *args]
    subprocess.run(argv, cwd=folder, capture_output=True, timeout=60, check=False)


# --- TAP ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason", "total"),
    [
        pytest.param("TAP version 13\nok 1 - a\n1..1\n", None, 0, id="plan-at-the-end"),
        pytest.param("1..2\nok 1\nnot ok 2 - b\n", None, 1, id="plan-at-the-start"),
        pytest.param("1..2\nok\nnot ok\n", None, 1, id="without-numbers"),
        pytest.param("1..2\r\nok 1\r\nnot ok 2 # TODO later\r\n", "no_tests_", 0, id="todo-does-not-fail"),
        pytest.param("noise\n1..1\nok 1\nok then, more noise\n", "plan_not_kept", 0, id="noise-like-a-test"),
        pytest.param("", "no_report", 0, id="empty-output"),
        pytest.param("ok 1\nok 2\n", "no_plan", 0, id="died-before-its-plan"),
        pytest.param("1..3\nok 1\nok 2\n", "plan_not_kept", 0, id="died-after-its-plan"),
        pytest.param("1..2\nok 1\nok 1\n", "plan_not_kept", 0, id="one-number-twice"),
        pytest.param("1..0 # skip no database\n", "no_tests", 0, id="nothing-planned"),
        pytest.param("1..1\nok 1 # SKIP not today\n", "no_tests", 0, id="all-skipped"),
        pytest.param("1..2\nok 1\nBail out! no disk\n", "bailed_out", 0, id="bailed-out"),
        pytest.param("1..1\nok 1\n1..1\n", "report_contradicts_itself", 0, id="two-plans"),
        pytest.param("1..1\nok 1 - a \\# SKIP is in its name\n", None, 0, id="an-escaped-hash"),
        pytest.param("1..1\n    not ok 1 - inner\n    1..1\nok 1 - parent decides\n", None, 0, id="subtest"),
        pytest.param("1..1\nok 1 - a\n  ---\n  x: |\n    not ok 2\n  ...\n", None, 0, id="a-line-in-a-block"),
        pytest.param("1..1\nok 1 - a\n  ---\nnot ok 2\n", "plan_not_kept", 1, id="a-block-without-end"),
        pytest.param("TAP version 13\n1..1\nok 1 - /w/empty.test.js\n", "no_tests", 0, id="only-a-file-name"),
    ],
)
def test_a_tap_report_is_believed_or_says_why_not(text: str, reason: str | None, total: int) -> None:
    report = read_tap(text)
    assert (report.reason, report.total) == (reason if reason != "no_tests_" else None, total)


NODE_TEST = """
const test = require('node:test'); const assert = require('node:assert');
test('adds', () => assert.strictEqual(1 + 1, 2));
test('fails', () => assert.strictEqual(1 + 1, 3));
test('skips', {skip: 'later'}, () => {});
test.describe('suite', () => { test('inner', () => { throw new Error('boom'); }); test('fine', () => {}); });
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_nodes_runner_names_the_tests_that_failed_and_not_their_suites(tmp_path: Path) -> None:
    (tmp_path / "a.test.js").write_text(NODE_TEST)
    report = read_tap(run_node(tmp_path, "a.test.js"))
    assert (report.tests, report.skipped, report.total, report.reason) == (4, 1, 2, None)
    told = [(f.file, f.line, f.rule, f.message) for f in report.findings]
    path = str(tmp_path / "a.test.js")
    assert told == [
        (path, 4, "fails", "Expected values to be strictly equal:"),
        (path, 6, "suite > inner", "boom"),
    ]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_nodes_runner_passes_an_empty_file_and_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "empty.test.js").write_text("")
    assert read_tap(run_node(tmp_path, "empty.test.js")).reason == "no_tests"


def run_node(folder: Path, name: str) -> str:
    argv = ["node", "--test", "--test-reporter=tap", name]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False).stdout


# --- cucumber -----------------------------------------------------------------------------------------------


def feature(*elements: dict[str, Any]) -> str:
    return json.dumps([{"uri": "a.feature", "name": "F", "elements": list(elements)}])


def element(name: str, *statuses: str | None, **rest: Any) -> dict[str, Any]:
    steps = [{"name": "s", "line": 4, "result": {"status": s} if s else {}} for s in statuses]
    return {"type": "scenario", "name": name, "line": 3, "steps": steps, **rest}


@pytest.mark.parametrize(
    ("made", "status"),
    [
        pytest.param(element("S", "passed", "passed"), "passed", id="all-passed"),
        pytest.param(element("S", "passed", "failed", "skipped"), "failed", id="failed"),
        pytest.param(element("S", "passed", "undefined"), "undefined", id="undefined"),
        pytest.param(element("S", "pending"), "pending", id="pending"),
        pytest.param(element("S", "passed", None), "no status", id="a-step-without-a-result"),
        pytest.param(element("S"), "no steps", id="no-steps"),
        pytest.param(
            element("S", "passed", after=[{"result": {"status": "failed"}}]),
            "failed",
            id="a-hook-that-failed",
        ),
    ],
)
def test_a_scenario_passes_when_every_step_of_it_did(made: dict[str, Any], status: str) -> None:
    scenarios = read_scenarios(feature(element("B", "failed", type="background"), made))
    assert isinstance(scenarios, list)
    assert [(s.name, s.status) for s in scenarios] == [("S", status)]


def test_a_scenario_that_failed_is_a_finding_with_its_step() -> None:
    made = element("S", "failed")
    made["steps"][0]["result"]["error_message"] = "expected 2"
    report = read_cucumber("> runner\n" + feature(made, element("T", "passed")))
    assert (report.tests, report.total, report.reason) == (2, 1, None)
    assert report.findings[0] == Finding(
        message="failed: expected 2", file="a.feature", line=4, rule="S", level="error"
    )


@pytest.mark.parametrize(
    ("text", "reason"), [("", "no_report"), ("{}", "no_report"), ("[]", "no_tests"), ("[1]", "no_report")]
)
def test_a_cucumber_report_of_nothing_is_not_believed(text: str, reason: str) -> None:
    assert read_cucumber(text).reason == reason
