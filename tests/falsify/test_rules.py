"""What the rules read besides scripts, and the bounds within which they read."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kazid.falsify import notes
from kazid.falsify.judge import judge
from kazid.falsify.shell import SCRIPT_CHARS_MAX, read_script


def codes(**options: object) -> list[str]:
    return [n.code for n in judge("custom_script", options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"cmd": "true"}, ["cannot-fail"], id="true"),
        pytest.param({"cmd": "curl", "args": ["-s", "http://x"]}, ["curl-no-fail"], id="curl"),
        pytest.param({"cmd": "curl", "args": ["-sf", "http://x"]}, [], id="curl-fail"),
        pytest.param({"cmd": "test", "args": ["-n", "$X"]}, ["constant-test"], id="no-shell-expands-it"),
        pytest.param(
            {"cmd": "bash", "args": ["-eo", "pipefail", "-c", "pytest | tee l"]}, [], id="pipefail-by-flag"
        ),
        pytest.param({"cmd": "bash", "args": ["-ec", "pytest; true"]}, [], id="errexit-by-flag"),
        pytest.param({"cmd": "bash", "args": ["check.sh"]}, [], id="a-script-file"),
        pytest.param(
            {"cmd": "sh", "args": ["-c", "exit 3"], "verdict": "exit_code", "pass_codes": [3]},
            ["cannot-fail"],
            id="always-the-code-that-passes",
        ),
        pytest.param(
            {"cmd": "true", "verdict": "exit_code", "pass_codes": [1]}, [], id="never-the-code-that-passes"
        ),
        pytest.param(
            {"cmd": "x", "verdict": "exit_code", "pass_codes": list(range(256))}, ["every-code-passes"], id="all"
        ),
        pytest.param(
            {"cmd": "x", "verdict": "match_count", "match_regex": "e", "pass_when": ">= 0"},
            ["every-count-passes"],
            id="any-count",
        ),
        pytest.param(
            {"cmd": "curl", "args": ["http://x"], "verdict": "match_count", "match_regex": "ok", "pass_when": "> 0"},
            [],
            id="judged-by-its-output",
        ),
        pytest.param({"cmd": "sh", "args": ["-c", "echo " + "x" * SCRIPT_CHARS_MAX]}, ["unread"], id="too-long"),
        pytest.param({"cmd": "sh", "args": ["-c", "echo 'unclosed"]}, [], id="no-shell-syntax"),
        pytest.param({"cmd": "sh"}, [], id="no-script"),
        pytest.param({"cmd": "sh", "args": ["-c", ""]}, ["cannot-fail"], id="empty-script"),
    ],
)  # fmt: skip
def test_a_predicate_is_judged_by_what_decides_it(options: dict[str, object], expected: list[str]) -> None:
    assert codes(**options) == expected


@pytest.mark.parametrize(
    "part",
    ["(", "$((", "`", "a|", "<<A ", "if ", "{ ", "((1", "${x", "[[ ", "'\"`", "case x in ", "a && ", "! "],
)
def test_hostile_scripts_are_judged_within_a_second_or_not_at_all(part: str) -> None:
    text = (part * SCRIPT_CHARS_MAX)[:SCRIPT_CHARS_MAX]
    started = time.process_time()
    codes(cmd="sh", args=["-c", text])
    assert time.process_time() - started < 10


_WORDS = """
true pytest || && ; | & if then else fi ( ) { } $x ! set -e exit 0 trap case esac in for do done [ ] x=1 f() f ' " <<E
"""
_TEXT = st.lists(st.sampled_from([*_WORDS.split(), "\n"]), max_size=30).map(" ".join)


EXIT = {"target": "exit_code", "expected": 0}
SAYS = {"target": "stdout", "match": "contains", "expected": "x"}


@pytest.mark.parametrize(
    ("provider", "options", "codes"),
    [
        pytest.param("cli", {"cmd": "true", "assertions": [EXIT]}, ["cannot-fail"], id="cli-always-so"),
        pytest.param(
            "cli", {"cmd": "false", "assertions": [{**EXIT, "expected": 1}]}, ["cannot-fail"], id="cli-1"
        ),
        pytest.param("cli", {"cmd": "true", "assertions": [EXIT, SAYS]}, [], id="cli-says-something-too"),
        pytest.param("cli", {"cmd": "true", "script": [{}], "assertions": [EXIT]}, [], id="cli-script"),
        pytest.param("cli", {"cmd": "./a", "assertions": [EXIT]}, [], id="cli-that-may-fail"),
        pytest.param("property", {"cmd": "echo", "args": ["passed 1 test"]}, ["cannot-fail"], id="property"),
        pytest.param("custom_script", {"cmd": "true", "verdict": "report"}, [], id="a-report-decides"),
    ],
)
def test_other_kinds_that_run_a_command_are_judged_by_what_decides_them(
    provider: str, options: dict[str, object], codes: list[str]
) -> None:
    assert [note.code for note in judge(provider, options)] == codes  # type: ignore[arg-type]


@given(_TEXT)
@settings(max_examples=400, deadline=None)
def test_no_script_breaks_the_judge(text: str) -> None:
    codes(cmd="sh", args=["-c", text])


@given(_TEXT)
@settings(max_examples=200, deadline=None)
def test_reading_a_script_keeps_its_text(text: str) -> None:
    tree = read_script(text)
    assert tree is None or tree.text.strip() in text


def test_every_reason_has_its_own_code_and_says_what_to_do() -> None:
    assert len({n.code for n in notes.NOTES}) == len(notes.NOTES)
    assert all(len(n.why) > 15 and len(n.instead) > 10 for n in notes.NOTES)
