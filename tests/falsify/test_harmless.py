"""Only what cannot change the world is tried, and only what asserts that something is there."""

import pytest

from kazid.falsify.harmless import is_harmless
from tests.falsify.corpus import UNSOUND

TRIED = (
    "find . | grep -q .",
    "ls -a | grep -q .",
    "grep -q ok status.txt",
    "test -f a && test -f b",
    "[ -s report ]",
    "cat VERSION | grep -qx 2.0",
    "diff expected actual > /dev/null 2>&1",
    "wc -l < data.csv",
    "set -e; test -d src; find src | grep -q py",
)
NOT_TRIED = (
    "rm -rf .",
    "grep -q ok /etc/passwd",
    "cat ../secret",
    "cat ~/x",
    "grep -f/etc/passwd x",
    "diff --from-file=/etc/passwd x",
    "grep x f > out",
    "grep x f >> out",
    "find . -delete",
    "find . -exec rm {} +",
    "find . -fprint out",
    "$CMD x",
    "echo $(rm x) | grep .",
    "echo `rm x`",
    "cat <(rm x)",
    "sort -o out in",
    "curl -f http://x",
    "test -f a & rm b",
    "f() { rm x; }; f",
    "PATH=. ls",
    "./ls",
    "eval rm x",
    "sh -c 'rm x'",
    "! test -e lock",
    "test ! -e lock",
    '[ -z "$(ls)" ]',
    "grep -v x f",
    "exec rm x",
    "while true; do ls; done",
    "ls; rm x",
    "test -e /dev/tcp/localhost/1",
    "cat < /dev/tcp/localhost/1",
    "pytest",
)


@pytest.mark.parametrize("script", TRIED)
def test_what_only_reads_may_be_tried(script: str) -> None:
    assert is_harmless(["sh", "-c", script])


@pytest.mark.parametrize("script", NOT_TRIED)
def test_everything_else_is_never_run(script: str) -> None:
    assert not is_harmless(["sh", "-c", script])


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["grep", "-q", "x", "f"], True),
        (["./grep", "x"], False),
        (["rm", "x"], False),
        (["find", ".", "-delete"], False),
        (["sh", "check.sh"], False),
        (["bash", "--rcfile", "x", "-c", "true"], False),
    ],
)
def test_commands_without_a_shell_are_judged_the_same(argv: list[str], expected: bool) -> None:
    assert is_harmless(argv) is expected


def test_nothing_that_writes_slips_through_the_unsound_corpus() -> None:
    assert not any(is_harmless(["sh", "-c", s]) for s, _ in UNSOUND if ">" in s and "/dev/null" not in s)
