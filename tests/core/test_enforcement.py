"""What `[enforcement]` and `[seal]` ask for; and a pass that skipped something is a fail."""

import pytest
from msgspec.structs import replace

from kazid.core.enforcement import SKIPPED, Enforcement, enforcement_of, without_skips
from kazid.core.goal import Goal, Mode
from kazid.core.verdict import Status, Verdict, failed, passed
from tests.builders import a_goal, a_predicate

TESTS = a_predicate("tests")


def _goal(**tables: object) -> Goal:
    return replace(a_goal(TESTS), tables=tables)


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        pytest.param(
            _goal(),
            Enforcement(is_enabled=False, fails_on_skip=False, wants_clean_tree=False),
            id="a-repair-is-not-enforced-unasked",
        ),
        pytest.param(
            replace(_goal(), mode=Mode.CREATE),
            Enforcement(is_enabled=True, fails_on_skip=True, wants_clean_tree=True),
            id="a-creation-is",
        ),
        pytest.param(
            _goal(
                enforcement={
                    "read_only_paths": ["tests"],
                    "clean_tree": False,
                    "roles": {"fixer": {"read_only_paths": ["pins"]}},
                }
            ),
            Enforcement(
                is_enabled=True, fails_on_skip=True, wants_clean_tree=False, read_only=("tests", "pins")
            ),
            id="the-table-opts-in",
        ),
        pytest.param(
            replace(_goal(enforcement={"enabled": False, "read_only_paths": ["x"]}), mode=Mode.CREATE),
            Enforcement(is_enabled=False, fails_on_skip=False, wants_clean_tree=False),
            id="and-out",
        ),
        pytest.param(
            _goal(seal={"sealed_inputs": ["a"], "mutable_inputs": ["a/b"]}),
            Enforcement(
                is_enabled=False,
                fails_on_skip=False,
                wants_clean_tree=False,
                sealed=("a",),
                mutable=("a/b",),
            ),
            id="a-seal-needs-no-enforcement",
        ),
        pytest.param(
            _goal(seal={"enabled": False, "sealed_inputs": ["a"]}),
            Enforcement(is_enabled=False, fails_on_skip=False, wants_clean_tree=False),
            id="a-seal-may-be-off",
        ),
    ],
)
def test_what_is_enforced(goal: Goal, expected: Enforcement) -> None:
    assert enforcement_of(goal) == expected


ENFORCED = _goal(enforcement={})


@pytest.mark.parametrize(
    "printed",
    [
        "1 passed, 1 skipped in 0.01s", "2 passed, 1 xfailed in 0.10s", "1 xpassed in 0.1s", "no tests ran in 0.01s",
        "Ran 0 tests in 0.000s\n\nOK", "OK (skipped=1)", "OK (expected failures=2)", "collected 0 items",
        "ok  \texample/pkg\t[no test files]", "--- SKIP: TestAdd (0.00s)",
        "test result: ok. 3 passed; 0 failed; 1 ignored",
        "Tests:       1 skipped, 4 passed, 5 total", "ok 2 # SKIP no network",
        '<testcase name="a"><skipped/></testcase>',
        "  2 passing\n  1 pending", "No tests found, exiting with code 0", "testing: warning: no tests to run\nPASS",
    ],
)  # fmt: skip
def test_a_pass_that_did_not_run_everything_is_a_fail(printed: str) -> None:
    verdict = without_skips(ENFORCED, TESTS, passed(exit=0, stdout=printed))
    assert (verdict.status, verdict.reason) == (Status.FAIL, SKIPPED)
    assert verdict.detail


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(passed(stdout="12 passed in 0.3s"), id="all-ran"),
        pytest.param(
            passed(stdout="test result: ok. 3 passed; 0 failed; 0 ignored; 0 filtered out"), id="none-ignored"
        ),
        pytest.param(passed(stdout="Tests: 0 skipped, 4 passed"), id="none-skipped"),
        pytest.param(passed(stdout="Ran 10 tests in 0.1s\n\nOK"), id="unittest"),
        pytest.param(passed(exit=0), id="silent"),
        pytest.param(failed("exit_1", None, stdout="1 failed, 1 skipped"), id="red-anyway"),
    ],
)
def test_what_ran_is_left_alone(verdict: Verdict) -> None:
    assert without_skips(ENFORCED, TESTS, verdict) == verdict


def test_where_it_is_not_enforced_a_skip_is_the_authors_business() -> None:
    verdict = passed(stdout="1 passed, 1 skipped")
    assert without_skips(_goal(), TESTS, verdict) == verdict
    assert without_skips(_goal(enforcement={"fail_on_skip": False}), TESTS, verdict) == verdict
    assert without_skips(ENFORCED, replace(TESTS, live=True), verdict) == verdict
