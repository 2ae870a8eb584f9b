"""`cve`: reports recorded from the scanners, runs that prove nothing, and npm itself."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kazid.adapters.memory.commands import exited, signaled
from kazid.core.json import Json
from kazid.core.verdict import Finding, Status
from kazid.ports.commands import CommandResult
from kazid.providers.cve import Cve, CveOptions
from kazid.providers.kinds.measure_kinds import CVE
from kazid.testing import ProviderContract
from tests.providers.running import answered, really, sh

pytestmark = pytest.mark.anyio

CONFIG = json.dumps({"config": {"protocol_version": "v1.0.0", "scanner_name": "govulncheck"}}, indent=2)


def found(*frames: dict[str, Any]) -> str:
    return json.dumps({"finding": {"osv": "GO-2021-0113", "fixed_version": "v0.3.7", "trace": list(frames)}})


CALLED = {
    "module": "golang.org/x/text", "package": "golang.org/x/text/language", "function": "Parse",
    "position": {"filename": "main.go", "line": 12, "column": 29},
}  # fmt: skip
IMPORTED = {"module": "golang.org/x/text", "package": "golang.org/x/text/language"}


class TestContract(ProviderContract):
    provider = Cve()
    kind = CVE
    passing: Mapping[str, Json] = sh(f"echo '{CONFIG}'")
    failing: Mapping[str, Json] = sh(f"echo '{CONFIG}{found(CALLED)}'")
    erring: Mapping[str, Json] = sh("exit 1")
    hanging: Mapping[str, Json] = sh(f"echo '{CONFIG}'; sleep 300")
    keys = tuple(CveOptions.__struct_fields__)


@pytest.mark.parametrize(
    ("result", "status", "reason"),
    [
        pytest.param(exited(0, stdout=CONFIG), "pass", None, id="nothing-found"),
        pytest.param(
            exited(0, stdout=CONFIG + found(IMPORTED)), "pass", None, id="imported-is-not-reachable"
        ),
        pytest.param(exited(0, stdout=CONFIG + found(CALLED)), "fail", "findings", id="called"),
        pytest.param(exited(0), "error", "no_proof", id="silence"),
        pytest.param(exited(1), "error", "tool_unrunnable", id="a-failure-without-a-word"),
        pytest.param(exited(1, stdout="no go.mod"), "error", "tool_unrunnable", id="a-failure-in-words"),
        pytest.param(exited(1, stdout=CONFIG), "error", "tool_unrunnable", id="died-after-its-first-message"),
        pytest.param(exited(0, stdout=CONFIG[:-3]), "error", "invalid_json_output", id="cut"),
        pytest.param(
            exited(0, stdout='{\n\t"Vulns": null\n}\n'),
            "error",
            "no_proof",
            id="recorded-of-a-version-before-1",
        ),
        pytest.param(
            exited(0, stdout=CONFIG + '{"finding": '), "error", "invalid_json_output", id="cut-later"
        ),
        pytest.param(signaled(9, stdout=CONFIG), "error", "signaled", id="killed"),
    ],
)
async def test_govulnchecks_stream_is_judged(result: CommandResult, status: str, reason: str | None) -> None:
    verdict = await answered(Cve(), result, {})
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict


async def test_what_is_reachable_is_a_finding_with_its_place() -> None:
    verdict = await answered(Cve(), exited(0, stdout=CONFIG + found(CALLED)), {})
    message = "reachable vulnerability GO-2021-0113 (called via Parse@golang.org/x/text/language)"
    assert verdict.findings == [
        Finding(message=message, file="main.go", line=12, column=29, rule="GO-2021-0113", level="error")
    ]
    assert verdict.score == 1


TRIVY = {
    "Results": [
        {
            "Target": "go.mod",
            "Vulnerabilities": [
                {"VulnerabilityID": "CVE-1", "PkgName": "p", "InstalledVersion": "1.0", "FixedVersion": "1.1",
                 "Severity": "HIGH", "Title": "a hole"}
            ],
        }
    ]
}  # fmt: skip
GRYPE = {
    "matches": [
        {
            "vulnerability": {"id": "CVE-2", "severity": "Low", "fix": {"versions": ["2.1"]}},
            "artifact": {"name": "q", "version": "2.0", "locations": [{"path": "/lock"}]},
        }
    ]
}
NPM = {
    "vulnerabilities": {
        "minimist": {"severity": "critical", "via": [{"title": "pollution", "url": "GHSA-1"}], "range": "<0.2.1",
                     "fixAvailable": True}
    },
    "metadata": {"vulnerabilities": {"critical": 1, "total": 1}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("tool", "report", "path", "finding"),
    [
        ("trivy", TRIVY, "$.Results[0].Vulnerabilities",
         Finding(message="HIGH: p 1.0: a hole: fixed in 1.1", file="go.mod", rule="CVE-1", level="error")),
        ("grype", GRYPE, "$.matches",
         Finding(message="Low: q 2.0: fixed in 2.1", file="/lock", rule="CVE-2", level="note")),
        ("npm_audit", NPM, "$.metadata.vulnerabilities.total",
         Finding(message="critical: minimist <0.2.1: pollution: no fix known", file="package-lock.json",
                 rule="GHSA-1", level="error")),
    ],
)  # fmt: skip
async def test_the_reports_of_the_others_are_counted_and_read(
    tool: str, report: Any, path: str, finding: Finding
) -> None:
    result = exited(1, stdout=json.dumps(report))
    verdict = await answered(Cve(), result, {"tool": tool, "count_path": path})
    assert (verdict.status, verdict.score, verdict.findings) == (Status.FAIL, 1, [finding]), verdict
    allowed = await answered(Cve(), result, {"tool": tool, "count_path": path, "baseline": 1})
    assert allowed.status is Status.PASS


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        pytest.param(
            exited(1, stdout='{"error": {"code": "ENOLOCK"}}'), "path_missing", id="npm-without-a-lock"
        ),
        pytest.param(exited(0), "invalid_json_output", id="silence"),
        pytest.param(
            exited(2, stdout='{"metadata": {"vulnerabilities": {"total": 0}}}'),
            "unexplained_exit",
            id="a-failure-without-a-finding",
        ),
        pytest.param(
            exited(0, stdout='{"metadata": {"vulnerabilities": {"total": -1}}}'), "not_a_count", id="negative"
        ),
    ],
)
async def test_a_report_that_proves_nothing_is_an_error(result: CommandResult, reason: str) -> None:
    options = {"tool": "npm_audit", "count_path": "$.metadata.vulnerabilities.total"}
    verdict = await answered(Cve(), result, options)
    assert (verdict.status, verdict.reason) == (Status.ERROR, reason), verdict


async def test_a_git_ref_is_not_taken_for_the_stored_baseline() -> None:
    verdict = await answered(Cve(), exited(0, stdout=CONFIG), {"baseline": "origin/main"})
    assert (verdict.status, verdict.reason) == (Status.ERROR, "invalid_config")


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
async def test_npms_own_audit_of_nothing_to_audit_passes_and_without_a_lock_errs(tmp_path: Path) -> None:
    options = {"tool": "npm_audit", "count_path": "$.metadata.vulnerabilities.total"}
    (tmp_path / "package.json").write_text('{"name": "x", "version": "1.0.0"}')
    unlocked = await really(Cve(), options, tmp_path)
    assert unlocked.status is Status.ERROR, unlocked
    root = {"name": "x", "version": "1.0.0"}
    lock = {**root, "lockfileVersion": 3, "requires": True, "packages": {"": root}}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    locked = await really(Cve(), options, tmp_path)
    assert (locked.status, locked.score) == (Status.PASS, 0), locked
