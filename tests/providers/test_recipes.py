"""Every recipe of config/goals/recipes loads clean and is run: with its tool, or with a stub that behaves as it.

Each trap is a row: the run that looks green by its exit code and is not.
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kazid.core.goal import Goal
from kazid.core.verdict import Verdict
from kazid.ports.provider import Look
from kazid.providers.browser import Visual
from kazid.providers.browser_host import PROGRAMS, BrowserHost
from kazid.providers.builtin import BUILTIN
from kazid.testing import real_commands
from tests.goalfile.loading import loaded

pytestmark = pytest.mark.anyio

RECIPES = sorted((Path(__file__).parents[2] / "config" / "goals" / "recipes").glob("*.toml"))
Stub = Callable[[str, str], None]


def recipe(name: str) -> Goal:
    path = next(path for path in RECIPES if path.name == f"{name}.goal.toml")
    return loaded(path.read_bytes(), path=str(path)).goal


@pytest.mark.parametrize("path", [pytest.param(p, id=p.name) for p in RECIPES])
def test_a_recipe_loads_clean_and_explains_its_trap(path: Path) -> None:
    result = loaded(path.read_bytes(), path=str(path))
    assert result.goal.id == path.name.removesuffix(".goal.toml")
    assert (result.unbuilt, result.findings) == ((), ())
    assert "trap" in path.read_text().partition("\nid =")[0]


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "work").mkdir()
    return folder


@pytest.fixture
def stub(bin_folder: Path) -> Stub:
    def make(name: str, script: str) -> None:
        (bin_folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_folder / name).chmod(0o755)

    return make


async def looked(name: str, predicate_id: str, bin_folder: Path, *, stored: float | None = None) -> Verdict:
    predicate = next(p for p in recipe(name).predicates if p.id == predicate_id)
    path = f"{bin_folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    look = Look(
        predicate_id=predicate_id,
        workspace=str(bin_folder.parent / "work"),
        deadline_s=60,
        path=path,
        wall_s=1.8e9,
        baseline=stored,
    )
    return await BUILTIN[predicate.provider]().evaluate(predicate.options, look, real_commands())


def sarif(*rules: str) -> str:
    return json.dumps({"runs": [{"results": [{"ruleId": rule, "message": {"text": "x"}} for rule in rules]}]})


def said(text: str, exit_code: int = 0) -> str:
    return f"cat <<'END'\n{text}\nEND\nexit {exit_code}"


LEAK = '{"SourceMetadata": {}, "Verified":true, "Raw": "x"}'
UNVERIFIED = '{"SourceMetadata": {}, "Verified":false, "Raw": "x"}'
AUDIT = '{"vulnerabilities": {}, "metadata": {"vulnerabilities": {"total": %d}}}'
SCORE = '{"categories": {"accessibility": {"score": %s}}}'
SPEED = (
    'for a; do case $a in --export-json=*) echo \'{"results": [{"median": %s}]}\' > "${a#*=}";; esac; done'
)
JUNIT = (
    'for a; do case $a in --report-junit-path=*) mkdir -p .kazi; echo "<testsuite>%s</testsuite>" > "${a#*=}";; '
    "esac; done; exit %d"
)
OK_CASE, BAD_CASE = "<testcase name='a'/>", "<testcase name='a'><failure message='500'/></testcase>"


@pytest.mark.parametrize(
    ("name", "predicate_id", "tool", "script", "status", "reason"),
    [
        pytest.param("secrets", "gitleaks", "gitleaks", said(sarif()), "pass", None, id="gitleaks-clean"),
        pytest.param("secrets", "gitleaks", "gitleaks", said(sarif("key"), 1), "fail", "findings", id="gitleaks-leak"),
        pytest.param("secrets", "gitleaks", "gitleaks", "exit 1", "error", "no_report", id="gitleaks-broke"),
        pytest.param("secrets", "gitleaks", "gitleaks", said(sarif(), 1), "error", "unexplained_exit",
                     id="gitleaks-broke-late"),
        pytest.param("secrets", "trufflehog", "trufflehog", said(UNVERIFIED), "pass", None, id="trufflehog-clean"),
        pytest.param("secrets", "trufflehog", "trufflehog", said(LEAK), "fail", "pass_when",
                     id="trufflehog-exits-0-with-a-secret"),
        pytest.param("secrets", "trufflehog", "trufflehog", "echo cannot >&2; exit 1", "error", "error_exit",
                     id="trufflehog-broke"),
        pytest.param("contract", "no-breaking-change", "oasdiff", "exit 0", "pass", None, id="oasdiff-clean"),
        pytest.param("contract", "no-breaking-change", "oasdiff", "exit 1", "fail", "exit_code", id="oasdiff-breaking"),
        pytest.param("contract", "no-breaking-change", "oasdiff", "exit 102", "error", "error_exit",
                     id="oasdiff-cannot-read"),
        pytest.param("contract", "keeps-its-promises", "schemathesis", JUNIT % (OK_CASE, 0), "pass", None,
                     id="schemathesis-clean"),
        pytest.param("contract", "keeps-its-promises", "schemathesis", JUNIT % (BAD_CASE, 1), "fail", "findings",
                     id="schemathesis-failure"),
        pytest.param("contract", "keeps-its-promises", "schemathesis", "exit 2", "error", "report_missing",
                     id="schemathesis-wrong-call"),
        pytest.param("infrastructure", "trivy", "trivy", said(sarif()), "pass", None, id="trivy-clean"),
        pytest.param("infrastructure", "trivy", "trivy", said(sarif("AVD-1")), "fail", "findings",
                     id="trivy-exits-0-with-findings"),
        pytest.param("infrastructure", "trivy", "trivy", "exit 0", "error", "no_report", id="trivy-silent"),
        pytest.param("accessibility", "lighthouse", "lighthouse", said(SCORE % "0.95"), "pass", None,
                     id="lighthouse-good"),
        pytest.param("accessibility", "lighthouse", "lighthouse", said(SCORE % "0.42"), "fail", "pass_when",
                     id="lighthouse-exits-0-with-a-bad-score"),
        pytest.param("accessibility", "lighthouse", "lighthouse", said(SCORE % "null"), "error", "not_a_number",
                     id="lighthouse-without-a-page"),
        pytest.param("accessibility", "pa11y", "pa11y", said("[]"), "pass", None, id="pa11y-clean"),
        pytest.param("accessibility", "pa11y", "pa11y", said('[{"code": "H37", "message": "no alt"}]', 2), "fail",
                     "pass_when", id="pa11y-issue"),
        pytest.param("accessibility", "pa11y", "pa11y", said("[]", 1), "error", "error_exit", id="pa11y-broke"),
        pytest.param("dependencies", "npm-audit", "npm", said(AUDIT % 0), "pass", None, id="npm-clean"),
        pytest.param("dependencies", "npm-audit", "npm", said(AUDIT % 3, 1), "fail", "findings", id="npm-vulnerable"),
        pytest.param("dependencies", "npm-audit", "npm", said('{"error": {"code": "ENOLOCK"}}', 1), "error",
                     "path_missing", id="npm-without-a-lock"),
        pytest.param("size-and-speed", "speed", "hyperfine", SPEED % "0.11", "pass", None, id="speed-within"),
        pytest.param("size-and-speed", "speed", "hyperfine", SPEED % "0.2", "fail", "regression", id="speed-slower"),
        pytest.param("size-and-speed", "speed", "hyperfine", "exit 1", "error", "metric_exit", id="speed-of-a-crash"),
        pytest.param("sarif", "ruff", "ruff", "exit 2", "error", "no_report", id="ruff-broke"),
        pytest.param("mutation", "mutants", "mutmut", "exit 1", "error", "invalid_json_output", id="mutmut-broke"),
        pytest.param("tap", "node-tests", "node", said("TAP version 13\n1..0"), "error", "no_tests", id="node-no-test"),
        pytest.param("junit", "tests", "python3", "exit 5", "error", "report_missing", id="pytest-not-there"),
    ],
)  # fmt: skip
async def test_a_tool_that_behaves_as_measured_is_judged(
    bin_folder: Path,
    stub: Stub,
    name: str,
    predicate_id: str,
    tool: str,
    script: str,
    status: str,
    reason: str | None,
) -> None:
    stub(tool, script)
    verdict = await looked(name, predicate_id, bin_folder, stored=0.1)
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict


def workspace_of(bin_folder: Path, files: Mapping[str, str]) -> Path:
    work = bin_folder.parent / "work"
    for name, text in files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return work


async def test_pytest_itself(bin_folder: Path) -> None:
    none = await looked("junit", "tests", bin_folder)
    assert (none.status.value, none.reason) == ("error", "no_tests"), none
    workspace_of(bin_folder, {"test_a.py": "def test_a():\n    assert 1 == 2\n"})
    red = await looked("junit", "tests", bin_folder)
    assert (red.status.value, red.findings[0].file, red.findings[0].line) == ("fail", "test_a.py", 2), red
    workspace_of(bin_folder, {"test_a.py": "def test_a():\n    assert 1 == 1\n"})
    assert (await looked("junit", "tests", bin_folder)).status.value == "pass"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_node_itself(bin_folder: Path) -> None:
    none = await looked("tap", "node-tests", bin_folder)
    assert none.status.value == "error", none
    test = "require('node:test')('adds', () => { if (1 + 1 !== %d) throw new Error('no'); });\n"
    workspace_of(bin_folder, {"a.test.js": test % 3})
    red = await looked("tap", "node-tests", bin_folder)
    assert (red.status.value, red.findings[0].rule) == ("fail", "adds"), red
    workspace_of(bin_folder, {"a.test.js": test % 2})
    assert (await looked("tap", "node-tests", bin_folder)).status.value == "pass"


async def test_ruff_itself(bin_folder: Path) -> None:
    workspace_of(bin_folder, {"a.py": "import os\n"})
    assert (await looked("sarif", "ruff", bin_folder)).findings[0].rule == "F401"
    workspace_of(bin_folder, {"a.py": "x = 1\n"})
    assert (await looked("sarif", "ruff", bin_folder)).status.value == "pass"


async def test_mutmut_itself_counts_what_no_test_reaches(bin_folder: Path) -> None:
    reached = "def f(x):\n    return x + 1\n"
    files = {
        "src/a.py": f"{reached}\n\ndef g(x):\n    return x * 2\n",
        "tests/test_a.py": "from a import f\n\n\ndef test_f():\n    assert f(1) == 2\n",
        "pyproject.toml": '[tool.mutmut]\nsource_paths = ["src"]\n[tool.pytest.ini_options]\npythonpath = ["src"]\n',
    }
    workspace_of(bin_folder, files)
    red = await looked("mutation", "mutants", bin_folder)
    assert (red.status.value, red.reason, red.score) == ("fail", "threshold", 0.5), red


async def test_a_bundle_that_is_missing_is_no_small_one(bin_folder: Path) -> None:
    missing = await looked("size-and-speed", "size", bin_folder)
    assert (missing.status.value, missing.reason, missing.baseline) == ("error", "metric_exit", None)
    workspace_of(bin_folder, {"dist/app.js": "x" * 5000})
    grown = await looked("size-and-speed", "size", bin_folder, stored=3000)
    assert (grown.status.value, grown.score) == ("fail", 5000)
    assert (await looked("size-and-speed", "size", bin_folder, stored=4500)).status.value == "pass"


class _Page(BaseHTTPRequestHandler):
    colour = "red"

    def do_GET(self) -> None:
        page = "<!doctype html><body style='margin:0'><main style='height:90vh;background:%s'></main>"
        self.send_response(200)
        self.end_headers()
        self.wfile.write((page % self.colour).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.skipif(
    not any(shutil.which(name) for name in PROGRAMS),
    reason="no Chromium is installed (Debian: apt-get install chromium)",
)
async def test_chromium_itself_and_a_first_picture_is_never_green(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (predicate,) = recipe("visual").predicates
    host = BrowserHost()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        options = {**predicate.options, "url": address}
        look = Look(
            predicate_id="home",
            workspace=str(workspace_of(bin_folder, {})),
            deadline_s=60,
            path=os.environ["PATH"],
            wall_s=1.8e9,
        )
        try:
            said: list[str] = []
            for colour in ("red", "red", "green"):
                monkeypatch.setattr(_Page, "colour", colour)
                verdict = await Visual(host).evaluate(options, look, real_commands())
                said.append(f"{verdict.status.value} {verdict.reason}")
        finally:
            await host.close()
            server.shutdown()
    assert said == ["error baseline_seeded", "pass None", "fail assertion_failed"]
    assert len(list((bin_folder.parent / "work" / ".kazi" / "visual-baselines").iterdir())) == 2
