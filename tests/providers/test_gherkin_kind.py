"""`gherkin`: what a report says of one scenario, and one run for all that ask for it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.memory.commands import exited, not_started, signaled
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.ports.commands import CommandResult
from kazid.ports.provider import Moment
from kazid.providers.gherkin import Gherkin, GherkinOptions, interpret, reported
from kazid.providers.ran import Ran
from kazid.testing import ProviderContract, a_look, real_commands

pytestmark = pytest.mark.anyio


def element(name: str, *statuses: str, line: int = 3) -> dict[str, Any]:
    steps = [{"line": 4, "result": {"status": status}} for status in statuses]
    return {"type": "scenario", "name": name, "line": line, "steps": steps}


def report(*elements: dict[str, Any], uri: str = "a.feature") -> str:
    return json.dumps([{"uri": uri, "elements": list(elements)}])


def runner(script: str, **others: Json) -> dict[str, Json]:
    named: dict[str, Json] = {"feature": "a.feature", "scenario": "S"}
    return {**named, "runner_cmd": "sh", "runner_args": ["-c", script], **others}


class TestContract(ProviderContract):
    provider = Gherkin()
    passing: Mapping[str, Json] = runner(f"echo '{report(element('S', 'passed'))}'")
    failing: Mapping[str, Json] = runner(f"echo '{report(element('S', 'failed'))}'")
    erring: Mapping[str, Json] = {"feature": "a.feature"}
    hanging: Mapping[str, Json] = runner("sleep 300")
    keys = tuple(GherkinOptions.__struct_fields__)


def judged(result: CommandResult, **others: Any) -> Verdict:
    options = msgspec.convert({"feature": "a.feature", "scenario": "S", **others}, GherkinOptions)
    return interpret(
        reported(Ran(result=result, report=result.stdout.text), options, workspace="/w"), options
    )


MAP = {"verdict_format": "scenario_map"}
ROW = {"scenario": "A <card>", "row_key": "x", "example": {"card": "red"}}


@pytest.mark.parametrize(
    ("verdict", "status", "reason"),
    [
        pytest.param(judged(exited(1, stdout=report(element("S", "passed")))), "pass", None, id="exit-decides-nothing"),
        pytest.param(judged(exited(0, stdout=report(element("S", "passed", "undefined")))), "fail",
                     "scenario_failed", id="undefined"),
        pytest.param(judged(exited(0, stdout=report(element("S")))), "fail", "scenario_failed", id="no-steps"),
        pytest.param(judged(exited(0, stdout=report(element("T", "passed")))), "unknown",
                     "scenario_absent_from_report", id="not-named"),
        pytest.param(judged(exited(0, stdout="")), "error", "report_unreadable", id="silence"),
        pytest.param(judged(signaled(9, stdout=report(element("S", "passed")))), "error", "signaled", id="killed"),
        pytest.param(judged(not_started("not found: x", code="cmd_unrunnable")), "error", "cmd_unrunnable",
                     id="no-runner"),
        pytest.param(judged(exited(0, stdout=report(element("S", "failed"), element("S", "passed")))), "fail",
                     "scenario_failed", id="a-later-report-does-not-hide-a-failure"),
        pytest.param(judged(exited(0, stdout=report(element("A red", "passed"), element("A <card>", "failed"))), **ROW),
                     "pass", None, id="a-row-by-its-filled-in-name"),
        pytest.param(judged(exited(0, stdout=report(element("A <card>", "passed"), element("A <card>", "failed"))),
                            **ROW), "fail", "scenario_failed", id="rows-under-one-name-are-green-together"),
        pytest.param(judged(exited(0, stdout='{"S": "OK"}'), **MAP), "pass", None, id="map-word"),
        pytest.param(judged(exited(0, stdout='{"S": true}'), **MAP), "pass", None, id="map-true"),
        pytest.param(judged(exited(0, stdout='{"S": 1}'), **MAP), "fail", "scenario_failed", id="map-1"),
        pytest.param(judged(exited(0, stdout='{"S": {"S": true}}'), **MAP), "fail", "scenario_failed", id="map-object"),
        pytest.param(judged(exited(0, stdout='{"S": false, "S": true}'), **MAP), "fail", "scenario_failed",
                     id="map-a-name-twice"),
        pytest.param(judged(exited(0, stdout="[]"), **MAP), "error", "report_unreadable", id="map-none"),
    ],
)  # fmt: skip
def test_a_scenario_is_what_its_report_says(verdict: Verdict, status: str, reason: str | None) -> None:
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict


def test_reports_of_another_feature_do_not_count() -> None:
    features = json.loads(report(element("S", "passed"), uri="features/a.feature"))
    features += json.loads(report(element("S", "failed"), uri="features/b.feature"))
    assert judged(exited(0, stdout=json.dumps(features))).status is Status.PASS


@given(st.text(), st.sampled_from(["cucumber_json", "scenario_map"]))
def test_no_report_raises(text: str, verdict_format: str) -> None:
    assert judged(exited(0, stdout=text), verdict_format=verdict_format).status is not Status.PASS


async def test_without_a_runner_there_is_no_claim(tmp_path: Path) -> None:
    options: Mapping[str, Json] = {"feature": "a.feature", "scenario": "S"}
    verdict = await Gherkin().evaluate(options, a_look(tmp_path), real_commands())
    assert (verdict.status, verdict.reason) == (Status.UNKNOWN, "no_runner")


async def runs_of(tmp_path: Path, *moments: Moment | None) -> int:
    """How often the runner ran for looks of these times and trees, all at once."""
    provider = Gherkin()
    options = runner(f"echo x >> ran; echo '{report(element('S', 'passed'))}'")

    async def look(moment: Moment | None) -> None:
        looked = msgspec.structs.replace(a_look(tmp_path), moment=moment)
        assert (await provider.evaluate(options, looked, real_commands())).status is Status.PASS

    for moment in moments[: len(moments) // 2]:
        await look(moment)
    async with anyio.create_task_group() as group:
        for moment in moments[len(moments) // 2 :]:
            group.start_soon(look, moment)
    return len((tmp_path / "ran").read_text().splitlines())


def at(asked_s: float, started_s: float, tree: str) -> Moment:
    return Moment(asked_s=asked_s, started_s=started_s, tree=tree)


@pytest.mark.parametrize(
    ("moments", "runs"),
    [
        pytest.param([at(1.0, 1.0, "t")] * 6, 1, id="one-round-is-one-run"),
        pytest.param([at(1.0, 1.0, "t"), at(1.0, 3.0, "t")], 1, id="asked-for-before-the-run-began"),
        pytest.param([at(1.0, 1.0, "t"), at(2.0, 2.0, "t")], 2, id="asked-for-after-the-run-began"),
        pytest.param([at(1.0, 1.0, "t"), at(1.0, 1.0, "u")], 2, id="another-tree"),
        pytest.param([None] * 2, 2, id="a-look-without-a-moment-shares-nothing"),
    ],
)
async def test_looks_share_a_run_that_began_after_they_were_asked_for(
    tmp_path: Path, moments: list[Moment | None], runs: int
) -> None:
    assert await runs_of(tmp_path, *moments) == runs


async def test_a_run_that_is_cancelled_leaves_the_others_to_run_their_own(tmp_path: Path) -> None:
    provider, done = Gherkin(), list[Verdict]()
    options = runner(f"sleep 0.3; echo '{report(element('S', 'passed'))}'")
    look = msgspec.structs.replace(a_look(tmp_path), moment=at(1.0, 1.0, "t"))

    async def first() -> None:
        with anyio.move_on_after(0.1):
            await provider.evaluate(options, look, real_commands())

    async def second() -> None:
        await anyio.sleep(0.05)
        done.append(await provider.evaluate(options, look, real_commands()))

    async with anyio.create_task_group() as group:
        group.start_soon(first)
        group.start_soon(second)
    assert [verdict.status for verdict in done] == [Status.PASS]
