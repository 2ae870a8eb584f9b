"""What of a log counts now: server errors and panics of the last minutes, kept from look to look. Pure.

Lines are gathered in slots of a 120th of the window, so what is kept is bounded however much goes wrong; a slot leaves
the window as a whole. The newest lines are kept as they are, for people.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from kazid.providers.log_files import Cursor

SLOTS = 120
LINES_KEPT_MAX = 20


class Hit(NamedTuple):
    """A line that counts, and when it was written."""

    at_s: float
    text: str
    is_error: bool
    is_panic: bool
    is_correlated: bool = False


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """How many lines of a stretch of time counted."""

    number: int
    errors: int
    panics: int


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one look leaves for the next: how far files were read, and what of them still counts."""

    wall_s: float
    """When it was: a line that is new at the next look is no older."""
    window_s: float
    cursors: Sequence[Cursor] = ()
    slots: Sequence[Slot] = ()
    lines: Sequence[tuple[float, str, bool, bool, bool]] = ()

    @property
    def errors(self) -> int:
        """Server errors within the window."""
        return sum(slot.errors for slot in self.slots)

    @property
    def panics(self) -> int:
        """Panics within the window."""
        return sum(slot.panics for slot in self.slots)


def advanced(
    kept: Kept | None, hits: Sequence[Hit], *, cursors: Sequence[Cursor], now_s: float, window_s: float
) -> Kept:
    """Return what counts at `now_s`, with these new hits and without what left the window."""
    width_s = window_s / SLOTS
    oldest_s = now_s - window_s
    counts: dict[int, tuple[int, int]] = {}
    for slot in kept.slots if kept else ():
        assert kept is not None
        # Another window than before has slots of another width.
        number = slot.number if kept.window_s == window_s else int(slot.number * kept.window_s / window_s)
        errors, panics = counts.get(number, (0, 0))
        counts[number] = (errors + slot.errors, panics + slot.panics)
    for hit in hits:
        if hit.at_s > oldest_s:
            errors, panics = counts.get(int(hit.at_s // width_s), (0, 0))
            counts[int(hit.at_s // width_s)] = (errors + hit.is_error, panics + hit.is_panic)
    first, last = int(oldest_s // width_s), int(now_s // width_s)
    merged: dict[int, tuple[int, int]] = {}
    for number, (errors, panics) in counts.items():
        # The wall clock was set back: what was seen ahead of now was seen by now.
        number = min(number, last)
        before = merged.get(number, (0, 0))
        merged[number] = (before[0] + errors, before[1] + panics)
    slots = [Slot(number, *merged[number]) for number in sorted(merged) if number > first]
    lines = sorted([*(tuple(kept.lines) if kept else ()), *(line_of(hit) for hit in hits)])
    lines = [line for line in lines if line[0] > oldest_s]
    # Panics stay longest, then the newest.
    lines = sorted(lines, key=lambda line: (line[3], line[0]))[-LINES_KEPT_MAX:]
    return Kept(wall_s=now_s, window_s=window_s, cursors=cursors, slots=slots, lines=lines)


def line_of(hit: Hit) -> tuple[float, str, bool, bool, bool]:
    """A hit as it is kept."""
    return (hit.at_s, hit.text, hit.is_error, hit.is_panic, hit.is_correlated)


def line_time_s(own_s: float | None, kept: Kept | None, *, now_s: float) -> float | None:
    """Return when a new line was written; None for a line of before the first look that does not say.

    What is new since the last look is no older than that: a time outside of this is of another zone or clock, and then
    it was written now.
    """
    if kept is None:
        return None if own_s is None else min(own_s, now_s)
    if own_s is None or not kept.wall_s <= own_s <= now_s:
        return now_s
    return own_s
