"""SARIF and text lines: which complaints count, what proves that a tool ran, and what ruff and mypy really print."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kazid.core.verdict import Finding
from kazid.providers.formats.sarif import read_sarif
from kazid.providers.formats.text_lines import MATCHERS, read_lines

RESULT = {"ruleId": "R1", "message": {"text": "bad"}}


def log(*runs: Any) -> str:
    return json.dumps({"version": "2.1.0", "runs": list(runs)})


@pytest.mark.parametrize(
    ("text", "reason", "total"),
    [
        pytest.param(log({"results": []}), None, 0, id="a-clean-run"),
        pytest.param(log({"results": [RESULT]}), None, 1, id="a-complaint"),
        pytest.param(f"scanning\n{log({'results': [RESULT]})}\ndone", None, 1, id="between-log-lines"),
        pytest.param("", "no_report", 0, id="empty-output"),
        pytest.param('{"results": []}', "no_report", 0, id="no-key-runs"),
        pytest.param('{"runs": {}}', "no_report", 0, id="runs-is-no-list"),
        pytest.param(log(), "no_runs", 0, id="no-runs"),
        pytest.param(log({"tool": {}}), "no_results", 0, id="a-run-that-did-not-scan"),
        pytest.param(log({"results": None}), "no_results", 0, id="results-of-null"),
        pytest.param(
            log({"results": [], "invocations": [{"executionSuccessful": False}]}),
            "tool_failed",
            0,
            id="failed",
        ),
        pytest.param(log({"results": [RESULT]})[:-9], "no_report", 0, id="cut"),
        pytest.param("[" * 100_000, "no_report", 0, id="too-deep"),
    ],
)
def test_a_sarif_report_is_believed_or_says_why_not(text: str, reason: str | None, total: int) -> None:
    report = read_sarif(text)
    assert (report.reason, report.total) == (reason, total)


def test_suppressed_results_are_told_and_do_not_count() -> None:
    report = read_sarif(log({"results": [RESULT, {**RESULT, "suppressions": [{"kind": "inSource"}]}]}))
    assert (report.total, report.suppressed) == (1, 1)


def test_what_a_result_leaves_out_comes_from_its_rule() -> None:
    rule = {
        "id": "R1",
        "defaultConfiguration": {"level": "note"},
        "messageStrings": {"m": {"text": "{0} is never {1} {2}"}},
    }
    run = {
        "tool": {"driver": {"rules": [rule]}},
        "results": [
            {"ruleIndex": 0, "message": {"id": "m", "arguments": ["x", "used"]}},
            {"ruleId": "R2", "message": {"text": "t"}},
            {"ruleIndex": 99, "message": {"id": "none"}},
        ],
    }
    first, second, third = read_sarif(log(run)).findings
    assert first == Finding(message="x is never used {2}", rule="R1", level="note")
    assert second.level == "warning"
    assert third == Finding(message="", level="warning")


def test_ruffs_own_report(tmp_path: Path) -> None:
    (tmp_path / "a b.py").write_text("import os\n")
    report = read_sarif(ruff(tmp_path, "a b.py"))
    assert (report.reason, report.total) == (None, 1)
    [found] = report.findings
    assert (found.file, found.line, found.column, found.rule, found.level) == (
        str(tmp_path / "a b.py"), 1, 8, "F401", "error",
    )  # fmt: skip
    (tmp_path / "a b.py").write_text("")
    clean = read_sarif(ruff(tmp_path, "a b.py"))
    assert (clean.reason, clean.total) == (None, 0)


def ruff(folder: Path, name: str) -> str:
    argv = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--output-format=sarif", name]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False).stdout


# --- lines --------------------------------------------------------------------------------------------------

MYPY = 'a.py:2: error: Incompatible return value type (got "int")  [return-value]\n'


@pytest.mark.parametrize(
    ("tool", "text", "found"),
    [
        ("dialyzer", "lib/a.ex:3:no_return Function f/0 has no local return",
         Finding(message="Function f/0 has no local return", file="lib/a.ex", line=3, rule="no_return",
                 level="warning")),
        ("dialyzer", "lib/b.ex:10:5:call bad call",
         Finding(message="bad call", file="lib/b.ex", line=10, column=5, rule="call", level="warning")),
        ("dialyzer", "src/m.erl:12:4: The pattern 'a' can never match",
         Finding(message="The pattern 'a' can never match", file="src/m.erl", line=12, column=4, level="warning")),
        ("dialyzer", "m.erl:5:10: The call m:f\n         (\"text\") will never return\n done in 0m0.20s",
         Finding(message='The call m:f ("text") will never return', file="m.erl", line=5, column=10,
                 level="warning")),
        ("tsc", "src/a.ts(3,7): error TS2322: Type 'number' is not assignable to type 'string'.",
         Finding(message="Type 'number' is not assignable to type 'string'.", file="src/a.ts", line=3, column=7,
                 rule="TS2322", level="error")),
        ("tsc", "src/a.ts:3:7 - error TS2322: no",
         Finding(message="no", file="src/a.ts", line=3, column=7, rule="TS2322", level="error")),
        ("tsc", "error TS18003: No inputs were found in config file.",
         Finding(message="No inputs were found in config file.", rule="TS18003", level="error")),
        ("mypy", "a.py:2: error: bad  [return-value]",
         Finding(message="bad", file="a.py", line=2, rule="return-value", level="error")),
        ("mypy", "a.py:2:12: error: bad",
         Finding(message="bad", file="a.py", line=2, column=12, level="error")),
        ("mypy", "nosuch.py: error: Cannot read file",
         Finding(message="Cannot read file", file="nosuch.py", level="error")),
        ("golangci-lint", "cmd/a.go:3:5: Error return value is not checked (errcheck)",
         Finding(message="Error return value is not checked", file="cmd/a.go", line=3, column=5, rule="errcheck",
                 level="error")),
    ],
)  # fmt: skip
def test_a_line_is_a_finding(tool: str, text: str, found: Finding) -> None:
    assert read_lines(text, tool).findings == [found]


def test_a_finding_that_goes_on_for_ever_is_still_one() -> None:
    assert read_lines("m.erl:5:10: The call m:f\n" + '         ("text")\n' * 9000, "dialyzer").total == 1


@pytest.mark.parametrize(
    ("tool", "text", "reason"),
    [
        ("dialyzer", "done (passed successfully)", None),
        ("dialyzer", "Total errors: 0, Skipped: 0, Unnecessary Skips: 0\ndone in 0m0.9s", None),
        ("dialyzer", "done (warnings were emitted)", "report_contradicts_itself"),
        ("dialyzer", "Total errors: 2, Skipped: 0, Unnecessary Skips: 0", "report_contradicts_itself"),
        ("dialyzer", "** (Mix) The task \"dialyzer\" could not be found", "no_proof"),
        ("dialyzer", "done (passed successfully)\ndialyzer: Analysis failed with error:", "incomplete"),
        ("tsc", "", "no_proof"),
        ("tsc", "Files:            76\nLines:   42000", None),
        ("tsc", "Files:            0", "no_proof"),
        ("tsc", "Found 3 errors in 2 files.", "report_contradicts_itself"),
        ("mypy", "", "no_proof"),
        ("mypy", "Success: no issues found in 3 source files", None),
        ("mypy", "Success: no issues found in 0 source files", "no_proof"),
        ("mypy", "Found 1 error in 1 file (errors prevented further checking)", "incomplete"),
        ("mypy", MYPY + "Found 2 errors in 1 file (checked 1 source file)", "report_contradicts_itself"),
        ("mypy", MYPY + "Found 1 error in 1 file (checked 1 source file)", None),
        ("golangci-lint", "", "no_proof"),
        ("golangci-lint", "0 issues.", None),
        ("golangci-lint", "2 issues:\n* errcheck: 2", "report_contradicts_itself"),
    ],
)  # fmt: skip
def test_what_proves_nothing_is_not_believed(tool: str, text: str, reason: str | None) -> None:
    assert read_lines(text, tool).reason == reason


@pytest.mark.parametrize("tool", sorted(MATCHERS))
def test_lines_made_to_be_slow_are_not(tool: str) -> None:
    lines = (":" * 3900, "a" * 3900, " " * 3900, "a.ex:" * 700, "a (b" * 900, "a: error: " + "  [a" * 900)
    started_s = time.thread_time()
    read_lines("\n".join(lines * 20), tool)
    assert time.thread_time() - started_s < 10


def test_mypys_own_output(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f(x: int) -> str:\n    return x\n")
    report = read_lines(mypy(tmp_path), "mypy")
    assert (report.reason, report.total) == (None, 1)
    [found] = report.findings
    assert (found.file, found.line, found.rule) == ("a.py", 2, "return-value")
    (tmp_path / "a.py").write_text("def f(:\n")
    report = read_lines(mypy(tmp_path), "mypy")
    assert report.reason == "incomplete"
    assert report.total


def mypy(folder: Path) -> str:
    argv = [sys.executable, "-m", "mypy", "--no-incremental", "--cache-dir=/dev/null", "a.py"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False).stdout
