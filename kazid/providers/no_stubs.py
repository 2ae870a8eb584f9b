"""`no_stubs`: the lines that were added hold no stub, mock, placeholder or todo.

Files that git does not know yet are read as well: what an agent just wrote counts before it is committed. Tests may
hold what they like.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import anyio.to_thread
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Finding, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.changes import DIFF, AddedLine, added_lines, base_of, git
from kazid.providers.evidence import shortened
from kazid.providers.options import read_options

PATTERNS = ("stub", "mock", "fake", "dummy", "placeholder", "todo", "fixme", "notimplemented")
HITS_MAX = 50
SNIPPET_CHARS_MAX = 200
PATTERNS_MAX = 200
UNTRACKED_MAX = 2000
UNTRACKED_BYTES_MAX = 16 * 1024 * 1024
"""Of all new files together; more than that is generated, and belongs into .gitignore."""

_TEST = re.compile(
    r"(?:^|/)(?:tests?|__tests__|spec)/|_tests?\.\w+$|(?:^|/)test_[^/]*$|[._](?:test|spec)\.[cm]?[jt]sx?$"
)


class NoStubsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    patterns: Sequence[str] = PATTERNS
    base: str = ""
    exclude: Sequence[str] = ()


class _Hit(msgspec.Struct, frozen=True):
    """A pattern in an added line."""

    line: AddedLine
    pattern: str


class _Looked(msgspec.Struct, frozen=True):
    """What was found, in how many files."""

    hits: Sequence[_Hit]
    files: int


class NoStubs:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Read what was added once."""
        read = read_options(options, NoStubsOptions)
        if isinstance(read, Verdict):
            return read
        if not any(read.patterns) or len(read.patterns) > PATTERNS_MAX:
            return errored("invalid_config", f"patterns are none, or more than {PATTERNS_MAX}")
        base = await base_of(read.base, look, commands)
        if isinstance(base, Verdict):
            return base
        diff = await git((*DIFF, "--unified=0", base, "--"), look, commands)
        if isinstance(diff, Verdict):
            return diff
        names = await git(("ls-files", "--others", "--exclude-standard", "-z"), look, commands)
        if isinstance(names, Verdict):
            return names
        untracked = [name for name in names.split("\0") if name]
        return await anyio.to_thread.run_sync(
            lambda: _judged(diff, untracked, read, look.workspace, base), abandon_on_cancel=True
        )


def _judged(
    diff: str, untracked: Sequence[str], options: NoStubsOptions, workspace: str, base: str
) -> Verdict:
    new = [name for name in untracked if not _is_exempt(name, options)]
    if len(new) > UNTRACKED_MAX:
        return errored("too_much_to_read", f"{len(new)} files are new: generated ones belong into .gitignore")
    lines = _lines_of(new, workspace)
    if isinstance(lines, Verdict):
        return lines
    looked = find((*added_lines(diff), *lines), options)
    return interpret(looked.hits, files=looked.files, base=options.base or base)


def find(lines: Iterable[AddedLine], options: NoStubsOptions) -> _Looked:
    """The first pattern of each added line that has one. Pure."""
    patterns = [
        (p, re.compile(rf"(?<![^\W_])(?<!_){re.escape(p)}", re.IGNORECASE)) for p in options.patterns if p
    ]
    hits: list[_Hit] = []
    files: set[str] = set()
    for line in lines:
        if _is_exempt(line.file, options):
            continue
        files.add(line.file)
        found = next((p for p, regex in patterns if regex.search(line.text)), None)
        if found is not None:
            hits.append(_Hit(line, found))
    return _Looked(hits, len(files))


def interpret(hits: Sequence[_Hit], *, files: int, base: str) -> Verdict:
    """PASS iff there is none."""
    evidence: dict[str, Json] = {"base": base, "scanned_files": files, "count": len(hits)}
    if not hits:
        return Verdict(status=Status.PASS, evidence=evidence)
    evidence["hits"] = [
        {
            "file": hit.line.file,
            "line": hit.line.line,
            "pattern": hit.pattern,
            "snippet": shortened(hit.line.text.strip(), SNIPPET_CHARS_MAX),
        }
        for hit in hits[:HITS_MAX]
    ]
    first = hits[0].line
    return Verdict(
        status=Status.FAIL,
        reason="stubs",
        detail=f"{len(hits)} added lines hold a stub or placeholder; first: {first.file}:{first.line}",
        evidence=evidence,
        findings=list(_findings(hits[:HITS_MAX])),
        score=float(len(hits)),
        direction=Direction.LOWER_BETTER,
    )


def _findings(hits: Sequence[_Hit]) -> Iterator[Finding]:
    for hit in hits:
        snippet = shortened(hit.line.text.strip(), SNIPPET_CHARS_MAX)
        yield Finding(
            message=f"stub/placeholder marker '{hit.pattern}' added in a production file: {snippet}",
            file=hit.line.file,
            line=hit.line.line,
            rule=f"no_stubs:{hit.pattern}",
            level="error",
        )


def _is_exempt(file: str, options: NoStubsOptions) -> bool:
    return _TEST.search(file) is not None or any(
        file.startswith(prefix) for prefix in options.exclude if prefix
    )


def _lines_of(names: Sequence[str], workspace: str) -> list[AddedLine] | Verdict:
    """All lines of files that are new to git; links, folders and what is no text have none."""
    lines: list[AddedLine] = []
    left = UNTRACKED_BYTES_MAX
    for name in names:
        path = Path(workspace) / name
        try:
            if path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file:
                content = file.read(left + 1)
        except OSError as error:
            return errored("unreadable", f"{shortened(name)}: {error.strerror}")
        left -= len(content)
        if left < 0:
            return errored("too_much_to_read", f"new files of more than {UNTRACKED_BYTES_MAX} bytes")
        if b"\0" not in content:
            text = content.decode("utf-8", errors="replace")
            lines += [AddedLine(name, number, line) for number, line in enumerate(text.split("\n"), start=1)]
    return lines
