"""`property`: what each library says of a failure, and what says nothing; Hypothesis itself."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from kazid.adapters.memory.commands import exited, signaled
from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.ports.commands import CommandResult
from kazid.providers.kinds.measure_kinds import PROPERTY
from kazid.providers.property import Property, PropertyOptions
from kazid.testing import ProviderContract
from tests.providers.running import answered, really, sh

pytestmark = pytest.mark.anyio


class TestContract(ProviderContract):
    provider = Property()
    kind = PROPERTY
    passing: Mapping[str, Json] = sh("echo 'OK: Passed 100 test(s).'")
    failing: Mapping[str, Json] = sh("echo 'Failed: After 3 test(s).'; exit 1")
    erring: Mapping[str, Json] = sh("echo 'compile error'; exit 1")
    hanging: Mapping[str, Json] = sh("echo 'OK: Passed 100 test(s).'; sleep 300")
    keys = tuple(PropertyOptions.__struct_fields__)

    async def test_no_options_at_all_is_an_error(self, tmp_path: Path) -> None:
        """Its command has a default, `mix`, which is there or not."""
        assert (await self.look({}, tmp_path)).status is Status.ERROR


@pytest.mark.parametrize(
    ("text", "cases", "counterexample"),
    [
        pytest.param(
            "Failed: After 7 test(s).\nShrinking...(2 times)\n{1,2}\n\nrest\n", 6, "{1,2}", id="propcheck"
        ),
        pytest.param("Failed: After 1 test(s).\nCounter-Example is:\n[0]\n\n", 0, "[0]", id="proper"),
        pytest.param(
            "*** Failed! Falsifiable (after 7 tests and 3 shrinks):\n-1\n\n", 6, "-1", id="quickcheck"
        ),
        pytest.param(
            "Property failed after 5 tests\n{ seed: 1 }\nCounterexample: [2]\nShrunk 1 time\n\n",
            4,
            "[2]\nShrunk 1 time",
            id="fast-check",
        ),
        pytest.param(
            "Failed with generated values (after 12 successful runs):\n\n    * Clause: n <- integer()\n",
            12,
            "",
            id="stream-data",
        ),
        pytest.param("[rapid] failed after 3 tests: boom", 2, "", id="rapid"),
        pytest.param(
            "Test failed: x; minimal failing input: n = 0\n\tsuccesses: 4\n",
            4,
            "n = 0\n\tsuccesses: 4",
            id="proptest",
        ),
    ],
)
async def test_a_failure_is_read_in_the_words_of_its_library(
    text: str, cases: int, counterexample: str
) -> None:
    verdict = await answered(Property(), exited(1, stdout=text), {})
    assert (verdict.status, verdict.reason) == (Status.FAIL, "falsified"), verdict
    assert verdict.evidence["cases_passed"] == cases
    assert str(verdict.evidence["counterexample"]).startswith(counterexample)


@pytest.mark.parametrize(
    ("result", "status", "reason", "score"),
    [
        pytest.param(exited(0, stdout="OK: Passed 50 test(s)."), "pass", None, 0.5, id="cases-are-the-score"),
        pytest.param(
            exited(0, stdout="3 properties, 1 test, 0 failures"), "pass", None, 1.0, id="no-cases-told"
        ),
        pytest.param(exited(0), "error", "no_property_verdict", None, id="silence"),
        pytest.param(exited(0, stdout="xyzzy"), "error", "no_property_verdict", None, id="noise"),
        pytest.param(exited(0, stdout="ok  \texample.org/p\t0.012s"), "pass", None, 1.0, id="go"),
        pytest.param(exited(0, stdout="collected 0 items"), "error", "no_tests", None, id="no-test"),
        pytest.param(exited(0, stdout="0 properties, 0 tests"), "error", "no_tests", None, id="no-property"),
        pytest.param(exited(0, stdout="10 tests, 0 failures"), "pass", None, 1.0, id="ten-are-not-none"),
        pytest.param(
            exited(1, stdout="1 failed"), "error", "no_property_verdict", None, id="another-failure"
        ),
        pytest.param(signaled(6, stdout="OK: Passed 100 test(s)."), "error", "signaled", None, id="killed"),
    ],
)
async def test_what_says_nothing_of_a_property_is_no_verdict(
    result: CommandResult, status: str, reason: str | None, score: float | None
) -> None:
    verdict = await answered(Property(), result, {})
    assert (verdict.status.value, verdict.reason, verdict.score) == (status, reason, score), verdict


HYPOTHESIS = """
from hypothesis import given, settings, strategies as st

@settings(database=None)
@given(st.integers())
def test_small(n):
    assert n < {bound}
"""


async def test_hypothesis_own_counterexample_is_told(tmp_path: Path) -> None:
    args: list[Json] = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "test_p.py"]
    options: dict[str, Json] = {"cmd": sys.executable, "args": args}
    (tmp_path / "test_p.py").write_text(HYPOTHESIS.format(bound=1000))
    red = await really(Property(), options, tmp_path)
    assert (red.status, red.reason) == (Status.FAIL, "falsified"), red
    assert "test_small(" in str(red.evidence["counterexample"])
    (tmp_path / "test_p.py").write_text(HYPOTHESIS.format(bound="float('inf')"))
    green = await really(Property(), options, tmp_path)
    assert green.status is Status.PASS, green
