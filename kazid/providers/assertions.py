"""What a goal-file asserts of one run of a command, and whether it holds.

`expected` is compared as authored: nothing is trimmed. A value in JSON equals what it is written as, so 5 is "5".
"""

import difflib
import enum
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from kazid.core.json import Json
from kazid.ports.commands import CommandResult
from kazid.providers.evidence import excerpt, exit_code_of, shortened
from kazid.providers.formats.json_text import NotJson, parse_json
from kazid.providers.json_path import PathProblem, value_at
from kazid.providers.ran import NoReport, path_below

GOLDEN_BYTES_MAX = 1024 * 1024
DIFF_CHARS_MAX = 4000
DIFF_LINES_MAX = 2000
"""Of each side that is compared line by line; what is longer differs all the same."""
SHOWN_CHARS_MAX = 300


class Target(enum.Enum):
    """What is asserted of."""

    EXIT_CODE = "exit_code"
    STDOUT = "stdout"
    STDERR = "stderr"


class Match(enum.Enum):
    """How it is compared."""

    EQUALS = "equals"
    CONTAINS = "contains"
    REGEX = "regex"
    JSON_PATH = "json_path"
    GOLDEN = "golden"


class Assertion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One assertion, as authored."""

    target: Target
    match: Match = Match.EQUALS
    expected: Json = None
    path: str = ""
    golden: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One run, with what was looked up for its assertions: which expressions found something, and golden files."""

    result: CommandResult
    found: Mapping[str, Sequence[bool]]
    goldens: Mapping[str, str | NoReport]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """An assertion and whether it holds. `got` is what was there, `reason` why it could not be evaluated."""

    assertion: Assertion
    holds: bool
    got: str = ""
    reason: str | None = None
    diff: str = ""

    @property
    def rule(self) -> str:
        """What is compared, and how."""
        return f"{self.assertion.target.value}:{self.assertion.match.value}"

    @property
    def wanted(self) -> str:
        """What is asked for, as a person writes it."""
        golden = self.assertion.golden if self.assertion.match is Match.GOLDEN else ""
        return golden or shortened(_written(self.assertion.expected), SHOWN_CHARS_MAX)

    @property
    def sentence(self) -> str:
        """Why it does not hold."""
        what = f"{self.assertion.target.value} {self.assertion.path}".strip()
        why = self.reason or f"got {self.got!r}"
        return f"{what}: {self.assertion.match.value} {self.wanted!r} does not hold: {why}"

    @property
    def told(self) -> dict[str, Json]:
        """As evidence."""
        told: dict[str, Json] = {
            "target": self.assertion.target.value,
            "match": self.assertion.match.value,
            "expected": self.wanted,
            "passed": self.holds,
        }
        more = {"path": self.assertion.path, "reason": self.reason, "diff": self.diff}
        told |= {key: value for key, value in more.items() if value}
        return told if self.holds else {**told, "got": self.got}


def checked(assertion: Assertion, answer: Answer) -> Check:
    """Whether it holds of this run."""
    if assertion.target is Target.EXIT_CODE:
        code = exit_code_of(answer.result)
        holds = isinstance(assertion.expected, int) and not isinstance(assertion.expected, bool)
        return Check(assertion=assertion, holds=holds and code == assertion.expected, got=str(code))
    text = text_of_stream(answer.result, assertion.target)
    got = shortened(text, SHOWN_CHARS_MAX)
    expected = assertion.expected
    match assertion.match:
        case Match.JSON_PATH:
            return _at_path(assertion, text)
        case Match.GOLDEN:
            return _golden(assertion, text, answer.goldens.get(assertion.golden))
        case _ if not isinstance(expected, str):
            return Check(assertion=assertion, holds=False, got=got, reason="expected is no text")
        case Match.EQUALS:
            return Check(assertion=assertion, holds=text == expected, got=got)
        case Match.CONTAINS:
            return Check(assertion=assertion, holds=bool(expected) and expected in text, got=got)
        case Match.REGEX:
            stdout, stderr = answer.found.get(expected, (False, False))
            holds = stdout if assertion.target is Target.STDOUT else stderr
            return Check(assertion=assertion, holds=holds, got=got)


def text_of_stream(result: CommandResult, target: Target) -> str:
    """What the stream said."""
    return result.stderr.text if target is Target.STDERR else result.stdout.text


def golden_texts(assertions: Sequence[Assertion], workspace: str) -> dict[str, str | NoReport]:
    """The golden files these assertions name, below the workspace. Reads files: not for the loop."""
    names = {each.golden for each in assertions if each.match is Match.GOLDEN}
    return {name: _golden_text(name, workspace) for name in names}


def _golden_text(name: str, workspace: str) -> str | NoReport:
    path = path_below(workspace, name)
    if isinstance(path, NoReport):
        return path
    if not Path(path).is_file():
        return NoReport("golden_missing", f"no file {shortened(name)}")
    try:
        with Path(path).open("rb") as file:
            text = file.read(GOLDEN_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        return NoReport("golden_unreadable", str(error))
    if len(text) > GOLDEN_BYTES_MAX:
        return NoReport("golden_too_large", f"{shortened(name)} has more than {GOLDEN_BYTES_MAX} bytes")
    return text.decode("utf-8", errors="replace")


def _at_path(assertion: Assertion, text: str) -> Check:
    try:
        found = value_at(parse_json(text), assertion.path)
    except NotJson as error:
        return Check(assertion=assertion, holds=False, reason=f"not JSON: {error}")
    if isinstance(found, PathProblem):
        return Check(assertion=assertion, holds=False, reason=found.detail)
    got = _written(found)
    holds = got == _written(assertion.expected)
    return Check(assertion=assertion, holds=holds, got=shortened(got, SHOWN_CHARS_MAX))


def _written(value: Json) -> str:
    """A text as it is, anything else as JSON, a whole number without its point."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return repr(value)


def _golden(assertion: Assertion, text: str, golden: str | NoReport | None) -> Check:
    if golden is None or isinstance(golden, NoReport):
        reason = golden.detail if isinstance(golden, NoReport) else "no golden file is named"
        return Check(assertion=assertion, holds=False, reason=reason)
    if text == golden:
        return Check(assertion=assertion, holds=True)
    diff = difflib.unified_diff(
        golden.split("\n")[:DIFF_LINES_MAX], text.split("\n")[:DIFF_LINES_MAX], n=2, lineterm=""
    )
    marked = [f"{line[0]} {line[1:]}" for line in diff if not line.startswith(("---", "+++", "@@"))]
    return Check(
        assertion=assertion,
        holds=False,
        got=shortened(text, SHOWN_CHARS_MAX),
        diff=excerpt("\n".join(marked), DIFF_CHARS_MAX),
    )
