"""`coverage` and the coverage formats of a metric: two bars, which of them moves when, and coverage.py itself."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.providers.coverage import Coverage, CoverageOptions, interpret
from kazid.providers.kinds.measure_kinds import COVERAGE
from kazid.providers.metric import Measured
from kazid.providers.ratchet import Ratchet
from kazid.testing import ProviderContract
from tests.providers.running import really, sh

pytestmark = pytest.mark.anyio


class TestContract(ProviderContract):
    provider = Coverage()
    kind = COVERAGE
    passing: Mapping[str, Json] = {"patch": sh("echo 90"), "target": 80, "project": sh("echo 50")}
    failing: Mapping[str, Json] = {"patch": sh("echo 70"), "target": 80}
    erring: Mapping[str, Json] = {"patch": sh("exit 3"), "target": 80}
    hanging: Mapping[str, Json] = {
        "patch": sh("sleep 0.2; echo 90"),
        "target": 80,
        "project": sh("sleep 300"),
    }
    keys = tuple(CoverageOptions.__struct_fields__)


def judged(patch: float, project: float | None, *, stored: float | None = None, **others: Any) -> Any:
    authored = {"patch": sh("x"), "project": sh("y"), "target": 80, **others}
    options = msgspec.convert(authored, CoverageOptions)
    second = None if project is None else Measured(project, {})
    literal = options.project_baseline
    baseline = stored if isinstance(literal, str) else literal
    return interpret(Measured(patch, {}), second, options, baseline=baseline)


@pytest.mark.parametrize(
    ("verdict", "status", "reason", "baseline"),
    [
        pytest.param(judged(80, None), "pass", None, None, id="the-target-is-enough"),
        pytest.param(judged(79.9, None), "fail", "below_target", None, id="below-the-target"),
        pytest.param(judged(90, 60), "pass", None, 60, id="the-first-look-seeds"),
        pytest.param(judged(90, 60, stored=50), "pass", None, 60, id="better-tightens"),
        pytest.param(judged(90, 40, stored=50), "fail", "regression", None, id="worse-fails"),
        pytest.param(judged(70, 60), "fail", "below_target", 60, id="a-red-change-seeds-the-project"),
        pytest.param(judged(70, 60, stored=50), "fail", "below_target", 60, id="a-red-change-tightens-it"),
        pytest.param(
            judged(90, 45, stored=50, project_allowed_regression=5),
            "pass",
            None,
            50,
            id="allowed-loosens-nothing",
        ),
        pytest.param(judged(90, 60, project_baseline=61), "fail", "regression", None, id="a-literal-bar"),
        pytest.param(judged(90, 62, project_baseline=61), "pass", None, None, id="a-literal-is-not-stored"),
    ],
)
def test_both_bars_are_held(verdict: Any, status: str, reason: str | None, baseline: float | None) -> None:
    assert (verdict.status.value, verdict.reason, verdict.baseline) == (status, reason, baseline)
    assert verdict.score == verdict.evidence["patch_coverage"]


async def test_an_error_says_of_which_measure(tmp_path: Path) -> None:
    options = {"patch": sh("echo 90"), "target": 80, "project": sh("exit 4")}
    verdict = await really(Coverage(), options, tmp_path)
    assert (verdict.status, verdict.reason, verdict.evidence["dimension"]) == (
        Status.ERROR, "metric_exit", "project",
    )  # fmt: skip


async def test_a_git_refs_coverage_is_the_baseline(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, number in ((here, 60), (there, 70)):
        folder.mkdir()
        (folder / "number").write_text(str(number))
    options = {"patch": sh("echo 90"), "target": 80, "project": sh("cat number"), "project_baseline": "main"}
    worse = await really(Coverage(), options, here, reference=there)
    assert (worse.status, worse.evidence["project_baseline_source"]) == (Status.FAIL, "git_ref")
    assert (await really(Coverage(), options, there, reference=here)).status is Status.PASS
    nowhere = await really(Coverage(), options, here)
    assert (nowhere.status, nowhere.reason) == (Status.ERROR, "baseline_ref_unresolved")


PROGRAM = "def sign(x):\n    if x > 0:\n        return 1\n    return 0\n\nsign(3)\n"


@pytest.mark.parametrize(
    ("command", "report", "counts", "percent"),
    [
        ("json", "coverage_py", "lines", 80.0),
        ("json", "coverage_py", "branches", 50.0),
        ("xml", "cobertura", "lines", 80.0),
        ("lcov", "lcov", "both", 500 / 7),
    ],
)
async def test_coverage_pys_reports_are_a_metric(
    tmp_path: Path, command: str, report: str, counts: str, percent: float
) -> None:
    (tmp_path / "a.py").write_text(PROGRAM)
    python = sys.executable
    script = f"{python} -m coverage run --branch a.py && {python} -m coverage {command} -o report"
    metric = sh(script, format=report, counts=counts, report_path="report")
    options = {"metric": metric, "direction": "higher_better", "baseline": 90}
    verdict = await really(Ratchet(), options, tmp_path)
    assert (verdict.status, verdict.score) == (Status.FAIL, pytest.approx(percent)), verdict
    assert verdict.evidence["counts"] == counts
    assert (verdict.findings[0].file, verdict.findings[0].line) == ("a.py", 4)


async def test_coverage_of_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    python = sys.executable
    script = f"{python} -m coverage run --include=a.py a.py && {python} -m coverage json -q -o -"
    options = {"patch": sh(script, format="coverage_py"), "target": 80}
    verdict = await really(Coverage(), options, tmp_path)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "nothing_measured"), verdict
