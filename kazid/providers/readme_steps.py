"""What a README tells a newcomer to type, and what came of typing it. Pure.

Fenced blocks of a shell language are steps, each with the line it stands on; `<!-- fresh-clone: skip -->` on the line
above a fence leaves it out. In a console block only what follows a `$ ` is typed. All steps run in one shell, one after
the other, as a newcomer would type them; a command that fails is a gap, and the next one is tried all the same.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from kazid.providers.evidence import shortened

STEPS_MAX = 500
GAPS_MAX = 50
WHY_LINES = 1
SKIP = re.compile(r"\s*<!--\s*fresh-clone:\s*skip\s*-->\s*")

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})\s*([A-Za-z0-9_+-]*)")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")
_PROMPT = re.compile(r"\s*\$ (.*)")
_CONTINUED = re.compile(r"\s*> (.*)")
_CAME_TO = re.compile(r"(step|done) ([0-9]{1,6})")
_GAP = re.compile(r"gap ([0-9]{1,6}) ([0-9]{1,9}) ([0-9]{1,3})")
_SYNTAX_LINE = re.compile(r"line ([0-9]{1,9}):")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One block: where its first line stands, and what is typed there (line for line, so that places stay)."""

    line: int
    text: str

    @property
    def commands(self) -> Sequence[str]:
        """Its lines."""
        return self.text.split("\n")


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Something that did not work as written."""

    line: int
    message: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of all steps said: the gaps in order, and how many steps came to their end."""

    gaps: Sequence[Gap]
    gaps_total: int
    done: int
    at_line: int | None = None
    """Of the step that was under way when the shell ended."""


def steps_in(text: str, *, languages: Sequence[str], section: str) -> list[Step]:
    """The shell blocks of a Markdown text, of one section or of all."""
    lines = text.replace("\r\n", "\n").split("\n")
    steps: list[Step] = []
    number, level = 0, 0 if not section else None
    while number < len(lines):
        heading = _HEADING.fullmatch(lines[number])
        if heading is not None and section:
            depth = len(heading[1])
            if heading[2].casefold() == section.casefold():
                level = depth
            elif level is not None and depth <= level:
                level = None
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        end = _end_of(lines, number + 1, fence[1])
        skipped = number > 0 and SKIP.fullmatch(lines[number - 1]) is not None
        if level is not None and fence[2].lower() in languages and not skipped:
            typed = _typed(lines[number + 1 : end])
            if any(line.strip() and not line.lstrip().startswith("#") for line in typed):
                steps.append(Step(line=number + 2, text="\n".join(typed)))
        number = end + 1
    return steps


def script_of(files: Sequence[str], steps: Sequence[Step], *, token: str) -> str:
    """The shell that reads these files (one for each step, padded to its line) and says where something failed."""
    lines = ["set -o pipefail", "trap '' PIPE"]
    for number, (file, step) in enumerate(zip(files, steps, strict=True)):
        told = f'printf "\\n%s gap {number} %d %d\\n" {token} "$LINENO" "$__kazi"'
        # Only what stands in the block itself: neither what it sources nor the line here that sources it.
        trap = f"""trap '__kazi=$?; if [ "${{BASH_SOURCE[0]}}" = "{file}" ]; then {told}; fi' ERR"""
        lines += [
            f"printf '\\n%s step {number}\\n' {token}",
            "set +e +u +x",
            f"if bash -n '{file}'; then",
            trap,
            f"source '{file}'",
            "trap - ERR",
            f"else printf '\\n%s gap {number} {step.line} 2\\n' {token}; fi",
            f"printf '\\n%s done {number}\\n' {token}",
        ]
    return "\n".join(lines) + "\n"


def told_by(output: str, steps: Sequence[Step], *, token: str) -> Told:
    """What the output of that shell says; each command line that failed is told once."""
    gaps: list[Gap] = []
    seen: set[int] = set()
    said: list[str] = []
    done: set[int] = set()
    current: Step | None = None
    for text in output.split("\n"):
        told = text.removeprefix(f"{token} ") if text.startswith(f"{token} ") else ""
        came_to, gap = _CAME_TO.fullmatch(told), _GAP.fullmatch(told)
        number = int(came_to[2]) if came_to is not None else int(gap[1]) if gap is not None else len(steps)
        if number >= len(steps):
            said.append(text)  # what only looks like ours is anybody's
            continue
        step = steps[number]
        if gap is not None:
            line = _line_of(step, int(gap[2]), said)
            if line not in seen:
                seen.add(line)
                gaps.append(Gap(line=line, message=_message(step, line, int(gap[3]), said)))
        elif told.startswith("done"):
            done.add(number)
            current = None
        else:
            current = step
        said = []
    at_line = None if current is None else current.line
    return Told(gaps=gaps[:GAPS_MAX], gaps_total=len(gaps), done=len(done), at_line=at_line)


def _end_of(lines: Sequence[str], start: int, fence: str) -> int:
    """The line that closes the fence, or the end of the text."""
    for number in range(start, len(lines)):
        closing = lines[number].strip()
        if closing and set(closing) == {fence[0]} and len(closing) >= len(fence):
            return number
    return len(lines)


def _typed(lines: Sequence[str]) -> list[str]:
    """The lines as they are typed: without prompts, and without what a console answered."""
    if not any(_PROMPT.fullmatch(line) for line in lines):
        return list(lines)
    return list(_after_prompts(lines))


def _after_prompts(lines: Sequence[str]) -> Iterator[str]:
    continues = False
    for line in lines:
        prompted = _PROMPT.fullmatch(line)
        more = _CONTINUED.fullmatch(line) if continues else None
        typed = prompted[1] if prompted is not None else more[1] if more is not None else ""
        continues = typed.endswith("\\") if typed else False
        yield typed


def _line_of(step: Step, line: int, said: Sequence[str]) -> int:
    """The line a failed command begins on: the shell tells the one it ends on, and a syntax error tells its own."""
    for text in said:
        found = _SYNTAX_LINE.search(text) if "syntax error" in text else None
        if found is not None:
            line = int(found[1])
    commands = step.commands
    at = min(max(line - step.line, 0), len(commands) - 1)
    while at > 0 and commands[at - 1].rstrip().endswith("\\"):
        at -= 1
    return step.line + at


def _message(step: Step, line: int, exit_code: int, said: Sequence[str]) -> str:
    command = step.commands[line - step.line].strip()
    last = " / ".join([text.strip() for text in said if text.strip()][-WHY_LINES:])
    return f"exit {exit_code}: {shortened(command, 200)}" + (f" ({shortened(last)})" if last else "")
