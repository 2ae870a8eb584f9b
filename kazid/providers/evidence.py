"""What a verdict shows of long text: bounded, and with the lines in it that decide.

A test run of a thousand lines has its reason somewhere in the middle; head and tail alone would lose it.
"""

import re
from collections.abc import Iterable, Mapping

from kazid.core.json import Json
from kazid.core.verdict import EVIDENCE_TEXT_CHARS_MAX
from kazid.ports.commands import CommandResult, Output
from kazid.shim.redaction import redact

LINE_CHARS_MAX = 300
HEAD_SHARE = 0.25
TAIL_SHARE = 0.5
"""The end of an output says most; what head and tail leave is for decisive lines in between."""

ARGS_MAX = 64

_MARKER_CHARS = 80
_DECISIVE = re.compile(
    r"error|fail|fatal|panic|exception|traceback|assert|denied|refused|not ok|not found|^E  ", re.IGNORECASE
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def excerpt(text: str, chars_max: int = EVIDENCE_TEXT_CHARS_MAX) -> str:
    """Return the text without control characters, in at most `chars_max`: head, decisive lines, tail."""
    text = clean(text)
    if len(text) <= chars_max:
        return text
    head = text[: int(chars_max * HEAD_SHARE)]
    tail = text[len(text) - int(chars_max * TAIL_SHARE) :]
    middle = text[len(head) : len(text) - len(tail)]
    room = chars_max - len(head) - len(tail) - 2 * _MARKER_CHARS
    decisive = _decisive_lines(middle, room)
    left_out = len(middle) - len(decisive)
    between = f"[… decisive lines of what is left out …]\n{decisive}\n" if decisive else ""
    return f"{head}\n{between}[… {left_out} characters left out …]\n{tail}"


def clean(text: str) -> str:
    """Return the text without colours, control characters and what UTF-8 cannot carry: evidence always encodes."""
    return _CONTROL.sub("", text.encode("utf-8", errors="replace").decode())


def shortened(text: str, chars_max: int = LINE_CHARS_MAX) -> str:
    """Return one line of at most `chars_max`, cut at its end."""
    text = clean(text)
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"


def command_evidence(result: CommandResult, *, args: Iterable[str], workspace: str) -> dict[str, Json]:
    """Return what convinces a stranger that the command ran: what it was, where, how it ended, what it printed."""
    evidence: dict[str, Json] = {
        "cmd": shortened(redact(result.executable)),
        "args": [shortened(redact(arg)) for arg in list(args)[:ARGS_MAX]],
        "workspace": workspace,
    }
    if (exit_code := exit_code_of(result)) is not None:
        evidence["exit"] = exit_code
    if result.signal is not None:
        evidence["signal"] = result.signal
    return {**evidence, **_stream("stdout", result.stdout), **_stream("stderr", result.stderr)}


def exit_code_of(result: CommandResult) -> int | None:
    """Return the exit code as a shell gives it: 128 and the signal for a command that ended by one."""
    return result.exit_code if result.signal is None else 128 + result.signal


def _stream(name: str, output: Output) -> Mapping[str, Json]:
    if not output.bytes_total:
        return {}
    shown: dict[str, Json] = {name: excerpt(output.text)}
    if output.truncated:
        shown[f"{name}_bytes"] = output.bytes_total
    return shown


def _decisive_lines(text: str, chars_max: int) -> str:
    kept: list[str] = []
    for line in text.splitlines():
        if _DECISIVE.search(line[:LINE_CHARS_MAX]):
            line = line[:LINE_CHARS_MAX]
            if chars_max < len(line) + 1:
                break
            kept.append(line)
            chars_max -= len(line) + 1
    return "\n".join(kept)
