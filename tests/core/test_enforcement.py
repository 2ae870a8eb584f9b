"""What `[enforcement]` and `[seal]` ask for; and a pass that skipped something is a fail."""

import pytest
from msgspec.structs import replace

from kazid.core.enforcement import (
    LABELS_MAX,
    SKIPPED,
    Enforcement,
    beyond,
    enforcement_of,
    is_graded_clean,
    pinned_for,
    without_skips,
)
from kazid.core.goal import Goal, Mode, Scope
from kazid.core.verdict import Status, Verdict, failed, passed
from tests.builders import a_goal, a_harness, a_predicate

TESTS = a_predicate("tests")
GUARD = replace(a_predicate("guard"), guard=True)


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
            Enforcement(is_enabled=True, fails_on_skip=True, wants_clean_tree=False),
            id="a-creation-is",
        ),
        pytest.param(
            replace(a_goal(GUARD, harness=a_harness()), mode=Mode.CREATE),
            Enforcement(is_enabled=True, fails_on_skip=True, wants_clean_tree=True, seals_git=True),
            id="guards-of-a-creation-are-graded-where-no-agent-works",
        ),
        pytest.param(
            replace(a_goal(GUARD), mode=Mode.CREATE),
            Enforcement(is_enabled=True, fails_on_skip=True, wants_clean_tree=False),
            id="without-an-agent-in-place",
        ),
        pytest.param(
            replace(a_goal(TESTS, harness=a_harness()), scope=Scope(write_paths=("src",))),
            Enforcement(
                is_enabled=False,
                fails_on_skip=False,
                wants_clean_tree=False,
                seals_git=True,
                writable=("src",),
            ),
            id="what-an-agent-may-change-needs-no-table",
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


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"guard": True}, True, id="guard"),
        pytest.param({"held_out": True}, True, id="held-out"),
        pytest.param({}, False, id="what-the-agent-works-on"),
        pytest.param({"guard": True, "live": True}, False, id="a-service-is-nowhere-else"),
    ],
)
def test_guards_and_what_is_held_out_are_graded_clean(fields: dict[str, bool], expected: bool) -> None:
    assert is_graded_clean(replace(a_predicate("p"), **fields)) is expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"cmd": "./guard.sh"}, ("./guard.sh",), id="a-program-of-the-workspace"),
        pytest.param({"cmd": "bash", "args": ["-eu", "ci/guard.sh", "src"]}, ("ci/guard.sh",), id="a-script"),
        pytest.param(
            {"cmd": "/usr/bin/python3.11", "args": ["check.py", "src/app.py"]}, ("check.py",), id="python"
        ),
        pytest.param(
            {"cmd": "python", "args": ["-m", "py_compile", "src/app.py"]}, (), id="a-module-is-no-file"
        ),
        pytest.param(
            {"cmd": "sh", "args": ["-c", "cat src/app.py"]}, (), id="an-inline-script-is-in-the-goal"
        ),
        pytest.param({"cmd": "pytest", "args": ["tests"]}, (), id="what-is-judged-is-never-pinned"),
        pytest.param({"cmd": "bash", "args": ["/opt/guard.sh"]}, (), id="outside-the-workspace"),
        pytest.param({"cmd": ["odd"]}, (), id="odd"),
    ],
)
def test_a_checkout_pins_the_script_that_judges_and_not_what_it_judges(
    options: dict[str, object], expected: tuple[str, ...]
) -> None:
    predicate = replace(GUARD, options=options)
    assert pinned_for(a_goal(predicate), predicate) == expected


def test_a_checkout_pins_what_is_sealed_and_read_only() -> None:
    goal = _goal(enforcement={"read_only_paths": ["tests"]}, seal={"sealed_inputs": ["grade"]})
    assert pinned_for(goal, GUARD) == ("grade", "tests")


@pytest.mark.parametrize(
    ("writable", "expected"),
    [
        pytest.param((), [], id="nothing-asked"),
        pytest.param(("src",), ["docs/a.md", "setup.py", "srcs/x"], id="a-folder"),
        pytest.param(("./src/", "docs/*.md"), ["setup.py", "srcs/x"], id="globs-and-odd-spellings"),
        pytest.param((".",), [], id="everything"),
        pytest.param(("setup.py",), ["docs/a.md", "src/x/y.py", "srcs/x"], id="a-file"),
    ],
)
def test_what_is_beyond_the_write_paths(writable: tuple[str, ...], expected: list[str]) -> None:
    changed = dict.fromkeys(("src/x/y.py", "srcs/x", "docs/a.md", "setup.py"), "token")
    assert [*beyond(changed, writable)] == expected


def test_many_files_beyond_are_one_label_that_still_tells_a_change() -> None:
    many = {f"f{n}": "1" for n in range(LABELS_MAX + 1)}
    one = beyond(many, ("src",))
    assert len(one) == 1
    assert beyond({**many, "f7": "2"}, ("src",)) != one
