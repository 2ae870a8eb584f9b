"""`docs_updated`: commits that change the surface change the documentation, too, or say why not.

What was not committed yet does not count: a commit is the claim that its documentation is complete. `[no-docs]` in a
commit message is such a word, and what follows it is the reason.
"""

from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Finding, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers import matching
from kazid.providers.changes import DIFF, base_of, git
from kazid.providers.evidence import shortened
from kazid.providers.options import allowed_s, read_options

SURFACE = (r"^(?:src|lib|cmd|bin|app|api)/", r"^openapi\.")
DOCS = (r"^docs/", r"^README\.md$", r"^AGENTS\.md$")
MARKER = "[no-docs]"
FILES_SHOWN_MAX = 50
FILES_MAX = 100_000


class DocsUpdatedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    base: str = ""
    surface_patterns: Sequence[str] = SURFACE
    doc_patterns: Sequence[str] = DOCS


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What the commits since the base did."""

    surface: Sequence[str]
    docs: Sequence[str]
    messages: str


class DocsUpdated:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Read the commits once."""
        read = read_options(options, DocsUpdatedOptions)
        if isinstance(read, Verdict):
            return read
        patterns = (*read.surface_patterns, *read.doc_patterns)
        if (problem := matching.bad_regex(patterns)) is not None:
            return problem
        base = await base_of(read.base, look, commands)
        if isinstance(base, Verdict):
            return base
        names = await git((*DIFF, "--name-only", "-z", base, "HEAD", "--"), look, commands)
        messages = await git(("log", "--format=%B", f"{base}..HEAD", "--"), look, commands)
        if isinstance(names, Verdict):
            return names
        if isinstance(messages, Verdict):
            return messages
        files = [name for name in names.split("\0") if name]
        if len(files) > FILES_MAX:
            return errored("too_much_to_read", f"{len(files)} files changed")
        found = await matching.find(patterns, files, look, commands, left_s=allowed_s(None, look))
        if isinstance(found, Verdict):
            return found
        surface, docs = found[: len(read.surface_patterns)], found[len(read.surface_patterns) :]
        changed = Changed(surface=_any(files, surface), docs=_any(files, docs), messages=messages)
        return interpret(changed, base=read.base or base)


def interpret(changed: Changed, *, base: str) -> Verdict:
    """PASS iff no surface changed, or documentation did, or a message says why not."""
    evidence: dict[str, Json] = {"base": base, "surface_files": list(changed.surface[:FILES_SHOWN_MAX])}
    if not changed.surface:
        facts: dict[str, Json] = {"applicable": False, "reason": "no_surface_change"}
        return Verdict(status=Status.PASS, evidence={**evidence, **facts})
    evidence["applicable"] = True
    if changed.docs:
        facts = {"reason": "docs_present", "doc_files": list(changed.docs[:FILES_SHOWN_MAX])}
        return Verdict(status=Status.PASS, evidence={**evidence, **facts})
    marked = next((line for line in changed.messages.split("\n") if MARKER in line), None)
    if marked is not None:
        why = shortened(marked.partition(MARKER)[2].strip())
        return Verdict(status=Status.PASS, evidence={**evidence, "reason": "no_docs_marker", "note": why})
    why = "user-facing surface changed but no docs updated and no [no-docs] justification"
    return Verdict(
        status=Status.FAIL,
        reason="missing_docs",
        detail=f"{why}: {', '.join(changed.surface[:3])}",
        evidence={**evidence, "reason": "missing_docs", "count": len(changed.surface)},
        findings=[
            Finding(
                message=f"{why}: {shortened(file)}", file=shortened(file), rule="docs_updated", level="error"
            )
            for file in changed.surface[:FILES_SHOWN_MAX]
        ],
        score=float(len(changed.surface)),
        direction=Direction.LOWER_BETTER,
    )


def _any(files: Sequence[str], found: Sequence[Sequence[bool]]) -> list[str]:
    """The files in which one of the patterns finds something."""
    return [file for number, file in enumerate(files) if any(row[number] for row in found)]
