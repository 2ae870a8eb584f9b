"""`property`: runs property tests: how many cases held, and the shrunk counterexample of the one that did not.

Each library words a failure its own way, so the words of several are known. An exit code without a word of a
property proves nothing: silence and a run of no test are ERROR.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Finding, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.evidence import excerpt, shortened
from kazid.providers.options import read_options
from kazid.providers.ran import (
    Ran,
    Tool,
    could_not_look,
    evidence_of,
    read_off_the_loop,
    run_tool,
    with_evidence,
)

COUNTEREXAMPLE_CHARS_MAX = 2000
SCORE_DIGITS = 4

_FAILED_AFTER = (
    re.compile(r"Failed: After (\d{1,9}) test", re.IGNORECASE),  # PropEr, PropCheck
    re.compile(r"Falsifiable \(after (\d{1,9}) test", re.IGNORECASE),  # QuickCheck
    re.compile(r"Property failed after (\d{1,9}) tests", re.IGNORECASE),  # fast-check
    re.compile(r"\[rapid\] (?:failed|panic) after (\d{1,9}) tests", re.IGNORECASE),  # rapid
)
_HELD_BEFORE = (
    re.compile(r"\(after (\d{1,9}) successful runs?\)", re.IGNORECASE),  # StreamData
    re.compile(r"^\s*successes: (\d{1,9})$", re.MULTILINE),  # proptest
)
_FALSIFIED = re.compile(r"^.{0,20}(?:Falsifying example|Failing test case):", re.MULTILINE)  # Hypothesis
_PASSED = re.compile(r"\bpassed (\d{1,9}) tests?\b", re.IGNORECASE)
_NO_TEST = re.compile(
    r"\b(?:no test files|no tests (?:ran|to run|found|collected)|collected 0 items|running 0 tests"
    r"|0 tests?\b|0 properties\b)",
    re.IGNORECASE,
)
_SOME_TEST = re.compile(
    r"\b[1-9]\d{0,8} (?:tests?|propert(?:y|ies)|passed|passing|examples?)\b"
    r"|^ok[ \t]+\S+[ \t]+[\d(]",  # go test, of a package
    re.IGNORECASE | re.MULTILINE,
)
_A_WORD = re.compile(r"\b(?:tests?|propert(?:y|ies)|pass(?:ed|ing)?|examples?|checks?|ok)\b", re.IGNORECASE)
"""What every runner says that ran something, in one form or another (go test says `ok`)."""

_EXAMPLES = (
    re.compile(r"Shrinking\b[. ()\d a-z]*", re.IGNORECASE),
    re.compile(r"Counter-?Example(?: is)?:", re.IGNORECASE),
    re.compile(r"(?:Falsifying example|Failing test case):"),
    re.compile(r"minimal failing input:"),
    re.compile(r"Failed with generated values"),
    re.compile(r"Falsifiable \(after[^\n]{0,80}\):"),
    re.compile(r"\[rapid\] draw"),
)
_BLANK = re.compile(r"\r?\n[ \t]*\r?\n")


class PropertyOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    cmd: str = "mix"
    args: Sequence[str] = ("test",)
    env: Mapping[str, str] = {}
    num_tests: int = 100
    merge_stderr: bool = True
    timeout_ms: int | None = None

    @property
    def tool(self) -> Tool:
        """What is run."""
        return Tool(
            argv=(self.cmd, *self.args),
            env=self.env,
            merge_stderr=self.merge_stderr,
            timeout_ms=self.timeout_ms,
        )


class Property:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Run the property tests once and judge what they said."""
        read = read_options(options, PropertyOptions)
        if isinstance(read, Verdict):
            return read
        if not read.cmd or read.num_tests < 1:
            return errored("invalid_config", "cmd is empty, or num_tests below 1")
        ran = await run_tool(read.tool, look, commands)
        return await read_off_the_loop(ran, lambda: interpret(ran, read, workspace=look.workspace))


def interpret(ran: Ran, options: PropertyOptions, *, workspace: str) -> Verdict:
    """FAIL with the counterexample where one is told; PASS with exit 0 and a word of a test."""
    evidence = evidence_of(ran, options.tool, workspace=workspace)
    stopped = could_not_look(ran, options.tool)
    return with_evidence(stopped or _judged(ran, options), {**evidence, "num_tests": options.num_tests})


def _judged(ran: Ran, options: PropertyOptions) -> Verdict:
    text = ran.report if isinstance(ran.report, str) else ""
    if (held := _held_before_failure(text)) is not None:
        return _scored(_counterexample(text), held, options)
    if ran.exit_code:
        return errored("no_property_verdict", f"exit {ran.exit_code}, and no property is said to have failed")
    passed = [int(m[1]) for m in _PASSED.finditer(text)]
    if not text.strip():
        return errored(
            "no_property_verdict", "exit 0 without a word: nothing shows that a property was tested"
        )
    if _NO_TEST.search(text) is None and _A_WORD.search(text) is None:
        detail = "exit 0, and no word of a test: nothing shows that a property was tested"
        return errored("no_property_verdict", detail)
    if not any(passed) and _NO_TEST.search(text) and not _SOME_TEST.search(text):
        return errored("no_tests", "no test ran")
    cases = max(passed) if passed else options.num_tests
    return _scored(None, cases, options)


def _held_before_failure(text: str) -> int | None:
    """How many cases held before one did not; None where none failed."""
    for pattern in _FAILED_AFTER:
        if (found := pattern.search(text)) is not None:
            return max(0, int(found[1]) - 1)
    for pattern in _HELD_BEFORE:
        if (found := pattern.search(text)) is not None:
            return int(found[1])
    return 0 if _FALSIFIED.search(text) else None


def _scored(counterexample: str | None, cases: int, options: PropertyOptions) -> Verdict:
    facts: dict[str, Json] = {"cases_passed": cases}
    score = round(min(cases / options.num_tests, 1.0), SCORE_DIGITS)
    if counterexample is None:
        return Verdict(status=Status.PASS, evidence=facts, score=score, direction=Direction.HIGHER_BETTER)
    facts["counterexample"] = counterexample
    told = shortened(" ".join(counterexample.split())) or "a counterexample that is not told"
    return Verdict(
        status=Status.FAIL,
        reason="falsified",
        detail=f"falsified after {cases} cases: {told}",
        evidence=facts,
        findings=[Finding(message=told, rule="property", level="error")],
        score=score,
        direction=Direction.HIGHER_BETTER,
    )


def _counterexample(text: str) -> str:
    """The text after the last word that announces one, up to a blank line."""
    for pattern in _EXAMPLES:
        ends = [announced.end() for announced in pattern.finditer(text)]
        if ends:
            rest = text[ends[-1] : ends[-1] + 2 * COUNTEREXAMPLE_CHARS_MAX].lstrip("\r\n .")
            blank = _BLANK.search(rest)
            return excerpt((rest[: blank.start()] if blank else rest).strip(), COUNTEREXAMPLE_CHARS_MAX)
    return ""
