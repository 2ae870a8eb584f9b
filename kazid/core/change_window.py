"""When goals may act: change windows and freezes by the calendar, as values; the truth table is the function `closed`.

Without an allowing window every moment is open; with one, only moments within one are. A denying window closes what
others allow: deny wins. Looking never stops. What runs when a window closes runs to its end: half a change is worse
than a late one, and `kazictl freeze` ends it. Knows no calendar: which span of a rule is now or next is asked. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

WAITS_FOR = "change_window"
"""What an act waits for while it is closed."""
STEPS_MAX = 64
"""Spans that are followed to tell when it opens: weeks of nightly freezes."""


class WindowRule(msgspec.Struct, frozen=True, kw_only=True):
    """A window as an operator wrote it: from when `cron` fires in `zone`, for `duration_s`."""

    name: str
    is_allow: bool
    cron: str
    duration_s: float
    zone: str = "UTC"
    owners: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}

    def selects(self, owner: str, labels: Mapping[str, str]) -> bool:
        """True for goals that the window is about; no selection is every goal."""
        is_owner = not self.owners or owner in self.owners
        return is_owner and all(labels.get(key) == value for key, value in self.labels.items())


class Span(msgspec.Struct, frozen=True):
    """One stretch of time of a rule, in wall seconds; what overlaps is one span."""

    opens_wall_s: float
    closes_wall_s: float

    def holds_at(self, wall_s: float) -> bool:
        """True from its first moment until just before its end."""
        return self.opens_wall_s <= wall_s < self.closes_wall_s


SpanOf: TypeAlias = Callable[[WindowRule, float], Span | None]
"""The span of a rule that holds at a moment, else the next one; None when there will be none."""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """Why no act may start, and when one may; None: not within what can be told."""

    reason: str
    until_wall_s: float | None


def closed(rules: Sequence[WindowRule], at_wall_s: float, span_of: SpanOf) -> Closed | None:
    """What holds a goal with these rules at this moment; None when it may act."""
    first = held = _held(rules, at_wall_s, span_of)
    if first is None:
        return None
    for _ in range(STEPS_MAX):
        if held is None or held.until_wall_s is None:
            break
        until_wall_s = held.until_wall_s
        held = _held(rules, until_wall_s, span_of)
        if held is None:
            return Closed(reason=first.reason, until_wall_s=until_wall_s)
    return Closed(reason=first.reason, until_wall_s=None)


def _held(rules: Sequence[WindowRule], at_wall_s: float, span_of: SpanOf) -> Closed | None:
    """The first thing that closes this moment, and when that one ends."""
    for rule in rules:
        span = None if rule.is_allow else span_of(rule, at_wall_s)
        if span is not None and span.holds_at(at_wall_s):
            return Closed(reason=f"freeze {rule.name}", until_wall_s=span.closes_wall_s)
    allowing = [rule for rule in rules if rule.is_allow]
    spans = [span for rule in allowing if (span := span_of(rule, at_wall_s)) is not None]
    if not allowing or any(span.holds_at(at_wall_s) for span in spans):
        return None
    names = ", ".join(rule.name for rule in allowing)
    return Closed(
        reason=f"outside of {names}", until_wall_s=min((s.opens_wall_s for s in spans), default=None)
    )


def is_news(*, told: str, waits_for: str) -> bool:
    """Whether a window closed, or opened, since it was told what an act waits for."""
    return waits_for != told and WAITS_FOR in (waits_for, told)
