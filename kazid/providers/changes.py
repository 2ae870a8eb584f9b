"""What a repository's changes are, read through git: the base they count from, added lines, changed names, messages.

git is told to run nothing of the repository: no external diff, no text conversion, no monitor. What it says is parsed
whole or not at all.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from kazid.core.git_words import ENVIRONMENT, git_words
from kazid.core.verdict import Verdict, errored
from kazid.ports.commands import OUTPUT_BYTES_MAX, Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers.evidence import shortened
from kazid.providers.options import allowed_s

USUAL_BASE = "origin/main"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
DIFF = (
    "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty",
    "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(r"\\([abfnrtv\"\\]|[0-7]{3})")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}


class AddedLine(msgspec.Struct, frozen=True):
    """A line that was not there before."""

    file: str
    line: int
    text: str


async def git(args: Sequence[str], look: Look, commands: CommandRunner) -> str | Verdict:
    """What git says on stdout, or the ERROR that says why it says nothing."""
    result = await commands.run(
        Command(
            argv=("git", *git_words(*args)),
            cwd=look.workspace,
            deadline_s=allowed_s(None, look),
            path=look.path,
            env=ENVIRONMENT,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )
    )
    return _said(result)


def _said(result: CommandResult) -> str | Verdict:
    if result.ending is Ending.NOT_STARTED:
        return errored(result.reason_code or "transient", result.reason)
    if result.ending is Ending.TIMED_OUT:
        return errored("timeout", "git did not come to its end")
    if result.ending is not Ending.EXITED or result.exit_code != 0:
        said = shortened(result.stderr.text.strip()) or f"git ended with {result.exit_code}"
        if "not a git repository" in said:
            return errored("not_a_git_repo", said)
        return errored("git_failed", said)
    if result.stdout.truncated:
        return errored(
            "output_truncated", f"{result.stdout.bytes_total} bytes of changes are too many to read"
        )
    return result.stdout.text


async def base_of(authored: str, look: Look, commands: CommandRunner) -> str | Verdict:
    """The commit that changes count from: the authored one, else where HEAD left origin/main, else the first."""
    if authored.startswith("-"):
        return errored("invalid_config", f"not a git ref: {shortened(authored)}")
    if authored:
        named = await git(("rev-parse", "--verify", "--quiet", f"{authored}^{{commit}}"), look, commands)
        if isinstance(named, Verdict) and named.reason == "git_failed":
            return errored("base_unresolved", f"git knows no {shortened(authored)}")
        return named if isinstance(named, Verdict) else named.strip()
    merged = await git(("merge-base", USUAL_BASE, "HEAD"), look, commands)
    if isinstance(merged, str):
        return merged.strip()
    if merged.reason != "git_failed":
        return merged
    roots = await git(("rev-list", "--max-parents=0", "HEAD"), look, commands)
    if isinstance(roots, str):
        return roots.split()[-1] if roots.split() else EMPTY_TREE
    return EMPTY_TREE if roots.reason == "git_failed" else roots


def added_lines(diff: str) -> Iterator[AddedLine]:
    """The added lines of `git diff --unified=0`, in order."""
    file: str | None = None
    line = left = 0
    for text in diff.split("\n"):
        if left and text.startswith("+"):
            if file is not None:
                yield AddedLine(file, line, text[1:].removesuffix("\r"))
            line, left = line + 1, left - 1
        elif (hunk := _HUNK.match(text)) is not None:
            line, left = int(hunk[1]), int(hunk[2] if hunk[2] is not None else 1)
        elif text.startswith("+++ "):
            file = _name(text.removeprefix("+++ ").removesuffix("\t"))


def _name(written: str) -> str | None:
    if written.startswith('"') and written.endswith('"'):
        written = _ESCAPE.sub(_unescaped, written[1:-1])
    return written.removeprefix("b/") if written.startswith("b/") else None


def _unescaped(escape: re.Match[str]) -> str:
    told = escape[1]
    return _ESCAPED[told] if told in _ESCAPED else chr(int(told, 8))
