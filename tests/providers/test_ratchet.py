"""`ratchet` and its metric: what is measured, what is not, and how the bar comes in and goes out."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.commands import exited, not_started, signaled, timed_out
from kazid.adapters.system.commands import SystemCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.ports.commands import CommandResult
from kazid.providers.catalog import KINDS
from kazid.providers.metric import Measured, MetricOptions
from kazid.providers.metric import interpret as measured_in
from kazid.providers.ran import Ran
from kazid.providers.ratchet import Ratchet, RatchetOptions, interpret
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio


def a_ratchet(script: str, **others: Json) -> dict[str, Json]:
    metric = {"cmd": "sh", "args": ["-c", script]}
    return {"metric": metric, "direction": "higher_better", "baseline": 80, **others}


class TestContract(ProviderContract):
    passing: Mapping[str, Json] = a_ratchet("echo 82")
    failing: Mapping[str, Json] = a_ratchet("echo 70")
    erring: Mapping[str, Json] = a_ratchet("echo many")
    hanging: Mapping[str, Json] = a_ratchet("echo 82; sleep 300")
    keys = tuple(RatchetOptions.__struct_fields__)
    kind = KINDS["ratchet"]

    @pytest.fixture(autouse=True)
    def _made(self) -> None:
        self.provider = Ratchet()
        self.commands = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)


HUGE = "9" * 400


@pytest.mark.parametrize(
    ("result", "path", "expected"),
    [
        pytest.param(exited(0, stdout=" 82.5\n"), "", 82.5, id="a-plain-number"),
        pytest.param(exited(0, stdout="-1e3"), "", -1000.0, id="an-exponent"),
        pytest.param(exited(0, stdout='{"a": {"b": [1, 2, 3]}}'), "$.a.b", 3.0, id="a-list-is-its-length"),
        pytest.param(exited(0, stdout='{"a": 7}'), "$.a", 7.0, id="a-number-in-json"),
        pytest.param(exited(1, stdout="82"), "", "metric_exit", id="a-failed-command-measured-nothing"),
        pytest.param(signaled(9), "", "metric_exit", id="a-killed-one-neither"),
        pytest.param(timed_out(), "", "timeout", id="a-hanging-one-neither"),
        pytest.param(
            not_started("not found: x", code="cmd_unrunnable"), "", "cmd_unrunnable", id="no-program"
        ),
        pytest.param(exited(0, stdout=""), "", "metric_not_a_number", id="silence-is-not-zero"),
        pytest.param(exited(0, stdout="82 %"), "", "metric_not_a_number", id="more-than-a-number"),
        pytest.param(exited(0, stdout="1_000"), "", "metric_not_a_number", id="an-underscore"),
        pytest.param(exited(0, stdout="nan"), "", "metric_not_a_number", id="nan"),
        pytest.param(exited(0, stdout="inf"), "", "metric_not_a_number", id="infinity"),
        pytest.param(exited(0, stdout=HUGE), "", "metric_not_a_number", id="too-large"),
        pytest.param(
            exited(0, stdout=f'{{"a": {HUGE}}}'), "$.a", "metric_not_a_number", id="too-large-in-json"
        ),
        pytest.param(exited(0, stdout="82"), "$.a", "path_missing", id="no-such-path"),
        pytest.param(exited(0, stdout="x"), "$.a", "metric_invalid_json", id="no-json"),
        pytest.param(exited(0, stdout='{"a": true}'), "$.a", "not_a_number", id="a-boolean-is-no-number"),
    ],
)
def test_a_measure_is_a_number_or_an_error(result: CommandResult, path: str, expected: float | str) -> None:
    measured = measured_in(
        Ran(result=result, report=result.stdout.text), MetricOptions(cmd="m", path=path), workspace="/w"
    )
    if isinstance(measured, Verdict):
        assert (measured.status, measured.reason) == (Status.ERROR, expected)
    else:
        assert measured.signal == expected


def judged(signal: float, *, stored: float | None = None, **options: Any) -> Verdict:
    read = msgspec.convert(a_ratchet("x", **options), RatchetOptions)
    return interpret(Measured(signal, {}), read, baseline=stored if read.is_stored else read.baseline)


@pytest.mark.parametrize(
    ("verdict", "status", "baseline", "source"),
    [
        pytest.param(judged(82), "pass", None, "literal", id="literal-holds-and-is-not-stored"),
        pytest.param(judged(79), "fail", None, "literal", id="literal-fails"),
        pytest.param(judged(82, baseline="stored"), "pass", 82, "seed", id="the-first-look-seeds"),
        pytest.param(judged(90, baseline="Prior", stored=82), "pass", 90, "stored", id="better-tightens"),
        pytest.param(
            judged(70, baseline="stored", stored=82), "fail", None, "stored", id="worse-stores-nothing"
        ),
        pytest.param(
            judged(81, baseline="stored", stored=82, allowed_regression=2), "pass", 82, "stored", id="allowed"
        ),
        pytest.param(
            judged(0, direction="lower_better", baseline=0), "pass", None, "literal", id="zero-is-a-number"
        ),
    ],
)
def test_the_bar_goes_out_with_the_verdict(
    verdict: Verdict, status: str, baseline: float | None, source: str
) -> None:
    assert (verdict.status.value, verdict.baseline) == (status, baseline)
    assert verdict.evidence["baseline_source"] == source


async def test_a_git_ref_without_its_checkout_is_an_error_and_no_seed(tmp_path: Path) -> None:
    commands = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)
    options = a_ratchet("echo 82", baseline="main")
    verdict = await Ratchet().evaluate(options, a_look(tmp_path), commands)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "baseline_ref_unresolved")


@pytest.mark.parametrize(
    ("there", "status", "reason"),
    [
        pytest.param("80", Status.PASS, None, id="better"),
        pytest.param("90", Status.FAIL, "regression", id="worse"),
        pytest.param("none", Status.ERROR, "baseline_metric", id="no-number-there"),
    ],
)
async def test_a_git_ref_is_measured_in_its_own_checkout(
    tmp_path: Path, there: str, status: Status, reason: str | None
) -> None:
    commands = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)
    for name, number in (("here", "82"), ("there", there)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "number").write_text(number)
    look = replace(a_look(tmp_path / "here"), reference=str(tmp_path / "there"))
    verdict = await Ratchet().evaluate(a_ratchet("cat number", baseline="v1"), look, commands)
    assert (verdict.status, verdict.reason) == (status, reason), verdict
    assert verdict.baseline is None, "a commit is a bar for ever"
    if status is not Status.ERROR:
        assert (verdict.evidence["baseline"], verdict.evidence["baseline_source"]) == (
            float(there),
            "git_ref",
        )
