"""Cutting text to a bound without losing what decides: the ends, and the lines that say what went wrong and where.

Pure. Used on evidence before it goes into a prompt. Bounds are UTF-8 bytes, and a cut never splits a character.
"""

import re
from collections.abc import Iterable

_ESCAPES = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DECISIVE = re.compile(
    r"\b(?:assert\w*|error|exception|fail(?:ed|ure|ures|s)?|fatal|panic(?:ked)?|traceback|expected|actual|received"
    r"|undefined|not found|denied|refused|timed? ?out|segfault|abort(?:ed)?|mismatch)\b"
    r"|\b[A-Z]\w*(?:Error|Exception|Failure)\b"
    r"|^E\s|^\s*[-+]\s|^not ok\b|^\s*(?:×|✗|✘)"
    r"|\.\w{1,8}:\d+",
    re.IGNORECASE,
)
END_SHARE = 0.2
"""Of a bound, kept for the first and for the last lines each; decisive lines between them get the rest."""

LINE_BYTES_MAX = 400
"""Of one decisive line: a minified file on one line must not push all others out."""

assert 2 * END_SHARE < 1


def plain(text: str) -> str:
    """The text as UTF-8 can carry it, without colours and control characters; whatever ends a line is a newline."""
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text))
    return _CONTROLS.sub("", text).encode(errors="replace").decode()


def size(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text.encode(errors="replace"))


def clip(text: str, bytes_max: int) -> str:
    """Head and tail of the text around a mark that says how much is missing; never longer than the bound."""
    data = text.encode(errors="replace")
    if len(data) <= bytes_max:
        return data.decode()
    room = bytes_max - size(_mark(len(data)))
    if room <= 0:
        return data[: max(0, bytes_max)].decode(errors="ignore")
    head = data[: room - room // 2].decode(errors="ignore")
    tail = data[len(data) - room // 2 :].decode(errors="ignore")
    return f"{head}{_mark(len(data) - size(head) - size(tail))}{tail}"


def _mark(left_out: int) -> str:
    return f"\n[… {left_out} bytes left out …]\n"


def excerpt(text: str, bytes_max: int) -> str:
    """The text within the bound: whole when it fits, else first lines, decisive lines and last lines, in order."""
    text = plain(text).strip("\n")
    if size(text) <= bytes_max:
        return text
    lines = text.split("\n")
    share = int(bytes_max * END_SHARE)
    head = _take(range(len(lines)), lines, share)
    tail = _take(range(len(lines) - 1, max(head, default=-1), -1), lines, share)
    between = range(max(head, default=-1) + 1, min(tail, default=len(lines)))
    gaps_bytes = 64
    room = bytes_max - sum(_cost(lines[i]) for i in {*head, *tail}) - gaps_bytes
    # From the end: the last failure is nearest to the summary that the tail holds.
    decisive = _take(
        (i for i in reversed(between) if _DECISIVE.search(lines[i][:LINE_BYTES_MAX])),
        lines,
        room,
        is_greedy=True,
    )
    kept = sorted({*head, *tail, *decisive})
    if not kept:
        return clip(text, bytes_max)
    return clip("\n".join(_with_gaps(kept, lines)), bytes_max)


def _take(indices: Iterable[int], lines: list[str], room: int, *, is_greedy: bool = False) -> list[int]:
    """Indices, in the order given, whose lines fit into the room; stops at the first that does not unless greedy."""
    taken: list[int] = []
    for index in indices:
        cost = _cost(lines[index])
        if cost > room:
            if is_greedy and room > LINE_BYTES_MAX:
                continue
            break
        taken.append(index)
        room -= cost
    return taken


def _cost(line: str) -> int:
    """Bytes the line takes in the result, its newline and a possible gap mark before it included."""
    return min(size(line), LINE_BYTES_MAX) + 4


def _with_gaps(kept: list[int], lines: list[str]) -> Iterable[str]:
    """The kept lines, with a mark wherever some are missing."""
    previous = -1
    for index in kept:
        if index != previous + 1:
            yield "…"
        yield clip(lines[index], LINE_BYTES_MAX)
        previous = index
    if previous != len(lines) - 1:
        yield "…"
