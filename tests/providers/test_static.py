"""`static`: what counts, what is green only with proof, and ruff, mypy and a report in a file."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from kazid.adapters.memory.commands import exited, not_started, output, signaled, timed_out
from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.ports.commands import CommandResult, Ending
from kazid.providers.kinds.measure_kinds import STATIC
from kazid.providers.static import Static, StaticOptions
from kazid.testing import ProviderContract
from tests.providers.running import answered, really, sh

pytestmark = pytest.mark.anyio

CLEAN = json.dumps({"runs": [{"results": []}]})
TWO = json.dumps({"runs": [{"results": [{"message": {"text": "a"}}, {"message": {"text": "b"}}]}]})


class TestContract(ProviderContract):
    provider = Static()
    kind = STATIC
    passing: Mapping[str, Json] = sh(f"echo '{CLEAN}'", format="sarif")
    failing: Mapping[str, Json] = sh(f"echo '{TWO}'", format="sarif")
    erring: Mapping[str, Json] = sh("exit 2", format="sarif")
    hanging: Mapping[str, Json] = sh(f"echo '{CLEAN}'; sleep 300", format="sarif")
    keys = tuple(StaticOptions.__struct_fields__)


SYNTAX = "b.py:1: error: bad  [syntax]\nFound 1 error in 1 file (errors prevented further checking)\n"


@pytest.mark.parametrize(
    ("result", "options", "status", "reason"),
    [
        pytest.param(exited(0, stdout=CLEAN), {}, "pass", None, id="clean"),
        pytest.param(exited(1, stdout=TWO), {}, "fail", "findings", id="findings"),
        pytest.param(exited(0, stdout=TWO), {}, "fail", "findings", id="findings-with-exit-0"),
        pytest.param(exited(1, stdout=TWO), {"baseline": 2}, "pass", None, id="no-more-than-the-baseline"),
        pytest.param(exited(1, stdout=TWO), {"baseline": 1}, "fail", "findings", id="more-than-the-baseline"),
        pytest.param(
            exited(1, stdout=TWO), {"baseline": 1, "allowed_regression": 1}, "pass", None, id="allowed"
        ),
        pytest.param(exited(0), {}, "error", "no_report", id="silence"),
        pytest.param(
            exited(1, stdout=CLEAN), {}, "error", "unexplained_exit", id="a-failure-without-a-finding"
        ),
        pytest.param(exited(7, stdout=TWO), {"error_codes": [7]}, "error", "error_exit", id="an-error-code"),
        pytest.param(exited(0, stdout='{"runs": []}'), {"baseline": 5}, "error", "no_runs", id="no-runs"),
        pytest.param(signaled(11, stdout=CLEAN), {}, "error", "signaled", id="killed-after-its-report"),
        pytest.param(timed_out(stdout=CLEAN), {}, "error", "timeout", id="hanging-after-its-report"),
        pytest.param(
            not_started("not found: tool", code="cmd_unrunnable"),
            {},
            "error",
            "cmd_unrunnable",
            id="no-program",
        ),
        pytest.param(
            CommandResult(
                ending=Ending.EXITED, executable="t", exit_code=0, stdout=output(CLEAN, truncated=True)
            ),
            {},
            "error",
            "output_truncated",
            id="too-much-output",
        ),
        pytest.param(
            exited(0, stdout=CLEAN),
            {"baseline": "main"},
            "error",
            "baseline_ref_unresolved",
            id="a-ref-without-a-checkout",
        ),
        pytest.param(
            exited(2, stdout=SYNTAX), {"format": "mypy"}, "fail", "findings", id="stopped-by-a-finding"
        ),
        pytest.param(
            exited(2, stdout=SYNTAX),
            {"format": "mypy", "baseline": 9},
            "fail",
            "incomplete",
            id="a-baseline-does-not-cover-what-was-not-checked",
        ),
        pytest.param(
            exited(0, stdout="done (warnings were emitted)"),
            {"format": "dialyzer"},
            "error",
            "report_contradicts_itself",
            id="findings-that-were-not-read",
        ),
    ],
)
async def test_a_run_is_judged(
    result: CommandResult, options: dict[str, Any], status: str, reason: str | None
) -> None:
    verdict = await answered(Static(), result, {"format": "sarif", **options})
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict


async def test_a_suppressed_finding_explains_an_exit_code() -> None:
    suppressed = {"message": {"text": "a"}, "suppressions": [{"kind": "inSource"}]}
    text = json.dumps({"runs": [{"results": [suppressed]}]})
    verdict = await answered(Static(), exited(1, stdout=text), {"format": "sarif"})
    assert (verdict.status, verdict.evidence["suppressed"]) == (Status.PASS, 1)


async def test_a_stored_baseline_is_seeded_tightened_and_never_loosened() -> None:
    options = {"format": "sarif", "baseline": "stored"}
    answers = [
        await answered(Static(), exited(1, stdout=TWO), options, stored=stored) for stored in (None, 5, 1)
    ]
    assert [(v.status.value, v.baseline) for v in answers] == [("pass", 2), ("pass", 2), ("fail", None)]


async def test_a_git_refs_findings_are_the_baseline(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, text in ((here, TWO), (there, CLEAN)):
        folder.mkdir()
        (folder / "r.sarif").write_text(text)
    options: dict[str, Json] = {"cmd": "cat", "args": ["r.sarif"], "format": "sarif", "baseline": "main"}
    worse = await really(Static(), options, here, reference=there)
    assert (worse.status, worse.evidence["baseline_source"], worse.baseline) == (Status.FAIL, "git_ref", None)
    same = await really(Static(), options, here, reference=here)
    assert (same.status, same.evidence["baseline"]) == (Status.PASS, 2)
    (there / "r.sarif").write_text("nope")
    unknown = await really(Static(), options, here, reference=there)
    assert (unknown.status, unknown.reason) == (Status.ERROR, "baseline_metric")


async def test_all_findings_of_a_long_report_count(tmp_path: Path) -> None:
    results = [{"ruleId": f"R{n}", "message": {"text": "x" * 100}} for n in range(5000)]
    (tmp_path / "r.sarif").write_text(json.dumps({"runs": [{"results": results}]}))
    verdict = await really(Static(), {"cmd": "cat", "args": ["r.sarif"], "format": "sarif"}, tmp_path)
    assert (verdict.status, verdict.score, len(verdict.findings)) == (Status.FAIL, 5000, 50)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param(f"echo '{CLEAN}' > r.sarif", None, id="written"),
        pytest.param("true", "report_missing", id="not-written"),
        pytest.param("mkdir r.sarif", "report_unreadable", id="a-folder"),
        pytest.param("mkfifo r.sarif", "report_unreadable", id="a-pipe"),
        pytest.param("printf '\\377' > r.sarif", "no_report", id="not-utf-8"),
        pytest.param("truncate -s 2G r.sarif", "report_too_large", id="two-gigabytes"),
    ],
)
async def test_a_report_in_a_file_is_read(tmp_path: Path, script: str, reason: str | None) -> None:
    options = sh(script, format="sarif", report_path="r.sarif")
    verdict = await really(Static(), options, tmp_path)
    assert verdict.reason == reason, verdict


async def test_a_report_of_an_earlier_run_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "r.sarif").write_text(CLEAN)
    verdict = await really(Static(), sh("true", format="sarif", report_path="r.sarif"), tmp_path)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "report_stale")


@pytest.mark.parametrize("path", ["/etc/passwd", "../r.sarif", "a/../../r"])
async def test_a_report_is_below_the_workspace(tmp_path: Path, path: str) -> None:
    verdict = await really(Static(), sh("true", format="sarif", report_path=path), tmp_path)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "invalid_config")


RUFF = ("-m", "ruff", "check", "--isolated", "--no-cache", "--output-format=sarif", "a.py")
MYPY = ("-m", "mypy", "--no-incremental", "--cache-dir=/dev/null", "a.py")


@pytest.mark.parametrize(
    ("args", "tool", "bad", "rule"),
    [
        pytest.param(RUFF, "sarif", "import os\n", "F401", id="ruff"),
        pytest.param(MYPY, "mypy", "x: int = 'a'\n", "assignment", id="mypy"),
    ],
)
async def test_a_real_analyser_turns_it_red_and_green(
    tmp_path: Path, args: tuple[str, ...], tool: str, bad: str, rule: str
) -> None:
    options: dict[str, Json] = {"cmd": sys.executable, "args": list(args), "format": tool}
    (tmp_path / "a.py").write_text(bad)
    red = await really(Static(), options, tmp_path)
    assert (red.status, red.score, red.findings[0].rule, red.findings[0].line) == (Status.FAIL, 1, rule, 1)
    (tmp_path / "a.py").write_text("x = 1\n")
    green = await really(Static(), options, tmp_path)
    assert (green.status, green.score) == (Status.PASS, 0), green


ERLANG_BAD = """\
-module(m).
-export([f/1, g/0]).
f(X) when is_integer(X) -> X;
f(X) when is_atom(X) -> X.
g() -> f("text").
"""
ERLANG_GOOD = ERLANG_BAD.replace('"text"', "text")


@pytest.mark.skipif(
    not {which("dialyzer"), which("erlc")}.isdisjoint({None}),
    reason="dialyzer is not installed (Debian: apt-get install erlang-dialyzer)",
)
async def test_a_real_dialyzer_turns_it_red_green_and_unbelieved(tmp_path: Path) -> None:
    """The table of known types is made of the module itself: the one of the standard library takes minutes."""
    module = tmp_path / "m.erl"
    table = "erlc +debug_info m.erl && dialyzer --build_plt --output_plt types m.beam >/dev/null"
    options: dict[str, Json] = {
        "cmd": "sh",
        "args": ["-c", f"{{ {table}; }}; dialyzer --plt types --src m.erl"],
        "format": "dialyzer",
        "env": {"HOME": str(tmp_path)},
    }
    module.write_text(ERLANG_GOOD)
    green = await really(Static(), options, tmp_path)
    assert (green.status, green.score) == (Status.PASS, 0), green
    module.write_text(ERLANG_BAD)
    red = await really(Static(), options, tmp_path)
    assert (red.status, [f.line for f in red.findings]) == (Status.FAIL, [5, 5]), red
    assert "will never return since it differs" in red.findings[1].message
    module.write_text("-module(m).\nf( -> .\n")
    broken = await really(Static(), {**options, "baseline": 9}, tmp_path)
    assert (broken.status, broken.reason) == (Status.FAIL, "incomplete"), broken
