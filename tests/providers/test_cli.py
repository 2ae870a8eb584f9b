"""`cli`: what an assertion means, scripts and samples, and what cannot be evaluated does not hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.memory.commands import exited, signaled
from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.ports.commands import CommandResult
from kazid.providers.assertions import Answer, Assertion, Match, Target, checked
from kazid.providers.cli import Cli, CliOptions
from kazid.providers.kinds.command_kinds import CLI
from kazid.testing import ProviderContract
from tests.providers.running import really, sh

pytestmark = pytest.mark.anyio

EXIT_0: list[Json] = [{"target": "exit_code", "expected": 0}]


class TestContract(ProviderContract):
    provider = Cli()
    kind = CLI
    passing: Mapping[str, Json] = sh("echo hi", assertions=EXIT_0)
    failing: Mapping[str, Json] = sh("exit 3", assertions=EXIT_0)
    erring: Mapping[str, Json] = {"cmd": "no-such-program", "assertions": EXIT_0}
    hanging: Mapping[str, Json] = sh("sleep 300", assertions=EXIT_0)
    keys = tuple(CliOptions.__struct_fields__)


def an_answer(result: CommandResult, **found: list[bool]) -> Answer:
    return Answer(result=result, found=found, goldens={})


OUT = Target.STDOUT


@pytest.mark.parametrize(
    ("assertion", "result", "holds"),
    [
        pytest.param(Assertion(target=OUT, expected="hi\n"), exited(0, stdout="hi\n"), True, id="equals"),
        pytest.param(
            Assertion(target=OUT, expected="hi"), exited(0, stdout="hi\n"), False, id="nothing-is-trimmed"
        ),
        pytest.param(
            Assertion(target=Target.STDERR, expected=""),
            exited(0, stdout="x"),
            True,
            id="the-streams-are-apart",
        ),
        pytest.param(
            Assertion(target=OUT, match=Match.CONTAINS, expected="i"),
            exited(0, stdout="hi"),
            True,
            id="contains",
        ),
        pytest.param(
            Assertion(target=OUT, match=Match.CONTAINS, expected=""),
            exited(0),
            False,
            id="nothing-is-not-contained",
        ),
        pytest.param(
            Assertion(target=Target.EXIT_CODE, expected=137),
            signaled(9),
            True,
            id="a-signal-is-a-code-as-in-a-shell",
        ),
        pytest.param(
            Assertion(target=Target.EXIT_CODE, expected=True), exited(1), False, id="true-is-no-exit-code"
        ),
        pytest.param(
            Assertion(target=OUT, match=Match.JSON_PATH, path="$.a", expected="5"),
            exited(0, stdout='{"a": 5}'),
            True,
            id="json-number-as-text",
        ),
        pytest.param(
            Assertion(target=OUT, match=Match.JSON_PATH, path="$.a", expected=5),
            exited(0, stdout='{"a": 5.0}'),
            True,
            id="json-number",
        ),
        pytest.param(
            Assertion(target=OUT, match=Match.JSON_PATH, path="$.a", expected=1),
            exited(0, stdout='{"a": true}'),
            False,
            id="json-true-is-not-1",
        ),
        pytest.param(
            Assertion(target=OUT, match=Match.JSON_PATH, path="$.a", expected="null"),
            exited(0, stdout="{}"),
            False,
            id="json-nothing-there",
        ),
        pytest.param(
            Assertion(target=OUT, match=Match.JSON_PATH, path="$", expected="x"),
            exited(0, stdout="[" * 100_000),
            False,
            id="json-too-deep",
        ),
        pytest.param(
            Assertion(target=OUT, match=Match.GOLDEN, golden="g"), exited(0), False, id="golden-not-there"
        ),
    ],
)
def test_an_assertion_holds_or_not(assertion: Assertion, result: CommandResult, holds: bool) -> None:
    check = checked(assertion, an_answer(result))
    assert check.holds is holds
    assert check.told["passed"] is holds
    assert holds or check.sentence


def test_a_value_of_json_is_no_text_of_its_type() -> None:
    assertion = Assertion(target=OUT, match=Match.JSON_PATH, path="$.a", expected="true")
    assert checked(assertion, an_answer(exited(0, stdout='{"a": true}'))).holds
    assert not checked(assertion, an_answer(exited(0, stdout='{"a": "True"}'))).holds


@given(text=st.text(), path=st.text(), expected=st.one_of(st.text(), st.floats(), st.booleans(), st.none()))
def test_no_output_and_no_path_raises(text: str, path: str, expected: Json) -> None:
    for match in Match:
        checked(
            Assertion(target=OUT, match=match, path=path, expected=expected),
            an_answer(exited(0, stdout=text)),
        )


async def test_a_golden_file_is_the_whole_stream_and_its_difference_is_told(tmp_path: Path) -> None:
    (tmp_path / "golden.txt").write_text("one\ntwo\nthree\n")
    assertions: list[Json] = [{"target": "stdout", "match": "golden", "golden": "golden.txt"}]
    green = await really(Cli(), sh("printf 'one\\ntwo\\nthree\\n'", assertions=assertions), tmp_path)
    assert green.status is Status.PASS, green
    red = await really(Cli(), sh("printf 'one\\nTWO\\nthree\\n'", assertions=assertions), tmp_path)
    [failure] = red.evidence["assertion_failures"]  # type: ignore[misc, union-attr]
    assert failure["diff"] == "  one\n- two\n+ TWO\n  three\n  "  # type: ignore[index, call-overload]


@pytest.mark.parametrize("golden", ["nope.txt", "../x", "/etc/passwd", "."])
async def test_a_golden_file_that_is_none_is_a_fail_with_its_reason(tmp_path: Path, golden: str) -> None:
    assertions: list[Json] = [{"target": "stdout", "match": "golden", "golden": golden}]
    verdict = await really(Cli(), sh("true", assertions=assertions), tmp_path)
    assert verdict.status is Status.FAIL
    assert golden in (verdict.detail or "")


async def test_a_regular_expression_finds_something_in_its_stream(tmp_path: Path) -> None:
    def assertions(target: str) -> list[Json]:
        return [{"target": target, "match": "regex", "expected": r"^v\d+\.\d+$"}]

    script = "echo v1.2; echo oops >&2"
    assert (await really(Cli(), sh(script, assertions=assertions("stdout")), tmp_path)).status is Status.PASS
    assert (await really(Cli(), sh(script, assertions=assertions("stderr")), tmp_path)).status is Status.FAIL


async def test_an_expression_that_explodes_is_an_error_in_time(tmp_path: Path) -> None:
    assertions: list[Json] = [{"target": "stdout", "match": "regex", "expected": r"(a+)+$"}]
    options = sh("printf 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'", assertions=assertions)
    verdict = await really(Cli(), options, tmp_path, deadline_s=3)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "match_timeout")


async def test_a_script_stops_at_the_first_run_that_does_not_hold(tmp_path: Path) -> None:
    def step(code: int) -> dict[str, Any]:
        return {"args": ["-c", f"echo {code} >> ran; exit {code}"], "assertions": EXIT_0}

    options: dict[str, Json] = {"cmd": "sh", "script": [step(0), step(0), step(5), step(0)]}
    verdict = await really(Cli(), options, tmp_path)
    assert (verdict.status, verdict.score) == (Status.FAIL, 2)
    assert verdict.evidence["failed_step"] == 2
    assert (verdict.evidence["passing_steps"], verdict.evidence["steps_required"]) == (2, 4)
    assert (tmp_path / "ran").read_text() == "0\n0\n5\n"


async def test_samples_are_passing_runs_in_a_row(tmp_path: Path) -> None:
    script = "echo x >> ran; [ $(wc -l < ran) -lt 3 ]"
    verdict = await really(Cli(), sh(script, assertions=EXIT_0, samples=5), tmp_path)
    assert (verdict.status, verdict.score) == (Status.FAIL, 2)
    assert (verdict.evidence["samples_required"], verdict.evidence["passing_count"]) == (5, 2)
    assert (tmp_path / "ran").read_text() == "x\nx\nx\n"


async def test_output_that_is_too_long_to_compare_is_an_error(tmp_path: Path) -> None:
    assertions: list[Json] = [{"target": "stdout", "match": "contains", "expected": "x"}]
    verdict = await really(Cli(), sh("yes x | head -c 3000000", assertions=assertions), tmp_path)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "output_truncated")


@pytest.mark.parametrize(
    "options", [{}, {"assertions": []}, {"script": []}, {"assertions": EXIT_0, "samples": 0}]
)
async def test_nothing_asserted_is_no_pass(tmp_path: Path, options: dict[str, Json]) -> None:
    verdict = await really(Cli(), {"cmd": "true", **options}, tmp_path)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "invalid_config")
