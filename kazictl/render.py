"""Tables and lines for people: what every verb's output is put together from. Knows no goal and no daemon."""

from kazictl.document import is_list, is_object
from kazictl.terminal import Terminal, clip, one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Cell: TypeAlias = str | tuple[str, str]
    """Text, or text and its colour."""

GAP = "  "
STATUS_COLOURS = {
    "converged": "green",
    "holding": "green",
    "observing": "blue",
    "acting": "blue",
    "waiting": "yellow",
    "suspended": "yellow",
    "stopped": "dim",
    "pass": "green",
    "fail": "red",
    "error": "magenta",
    "unknown": "yellow",
}
"""Of statuses and verdicts; every other word for a goal is bad news, and red."""


def status_cell(word: str) -> "Cell":
    """A status or a verdict in its colour."""
    return word, STATUS_COLOURS.get(word, "red")


def table(terminal: Terminal, headings: "Sequence[str]", rows: "Sequence[Sequence[Cell]]") -> list[str]:
    """Aligned lines under their headings. On a terminal the last column is cut at the edge, so no row wraps."""
    cells = [[(cell, "") if isinstance(cell, str) else cell for cell in row] for row in rows]
    every = [[(heading, "bold") for heading in headings], *cells]
    widths = [max(len(row[column][0]) for row in every) for column in range(len(headings))]
    room = terminal.width - sum(widths[:-1]) - len(GAP) * (len(widths) - 1)
    last = max(8, room) if terminal.is_terminal else max(widths[-1], 1)
    lines: list[str] = []
    for row in every:
        padded = [
            terminal.paint(text, colour) + " " * (width - len(text))
            for (text, colour), width in zip(row[:-1], widths, strict=False)
        ]
        text, colour = row[-1]
        padded.append(terminal.paint(clip(text, last), colour))
        lines.append(GAP.join(padded).rstrip())
    return lines


def fields(terminal: Terminal, pairs: "Sequence[tuple[str, str]]") -> list[str]:
    """`name  value` lines with the values aligned; pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    return [f"{terminal.paint(name, 'bold')}{' ' * (width - len(name))}{GAP}{value}" for name, value in shown]


def value_text(value: object) -> str:
    """A JSON value in one line, as a person would write it: `true`, `[-e, flag]`, `status: 200`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if is_list(value):
        return f"[{', '.join(value_text(item) for item in value)}]"
    if is_object(value):
        return ", ".join(f"{one_line(key)}: {value_text(item)}" for key, item in value.items())
    return one_line(value)


def plural(count: int, noun: str) -> str:
    """`1 goal`, `2 goals`, with thousands set apart."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
