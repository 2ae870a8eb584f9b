"""Whether a goal's change windows are open now (`core/change_window.py`), asked before each act and while one waits.

The answer is journalled with the goal as `act.deferred`, so its wait survives a restart and what was red is looked at
again before the act. Rules come from the settings and change with them.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from kazid.core.change_window import WAITS_FOR, Closed, Span, SpanOf, WindowRule, closed
from kazid.core.event import ActDeferred
from kazid.ports.clock import Clock
from kazid.runtime.state import GoalState


class ChangeWindows:
    """The rules in force, and what was worked out of them."""

    def __init__(self, *, clock: Clock, span_of: SpanOf, rules: Sequence[WindowRule] = ()) -> None:
        self._clock = clock
        self._span_of = span_of
        self._rules = tuple(rules)
        self._spans: dict[int, tuple[float, Span | None]] = {}
        """By rule: since when which span is the one. It is until it closes, or the clock goes back."""
        self._closed: dict[tuple[int, ...], tuple[float, Closed]] = {}
        """By the rules that select a goal: since when they close it."""

    def take(self, rules: Sequence[WindowRule]) -> None:
        """Go by these rules from now on."""
        self._rules = tuple(rules)
        self._spans.clear()
        self._closed.clear()

    def waits_for(self, state: GoalState) -> tuple[str, str] | None:
        """What a goal waits for before it may act; None when it may."""
        held = self._held(state)
        return None if held is None else (WAITS_FOR, held.reason)

    def dated(self, state: GoalState, deferred: ActDeferred) -> ActDeferred:
        """The deferral with when it ends, where the calendar says so."""
        held = self._held(state) if deferred.waits_for == WAITS_FOR else None
        return deferred if held is None else replace(deferred, until_wall_s=held.until_wall_s)

    def _held(self, state: GoalState) -> Closed | None:
        if not self._rules:
            return None
        owner, labels = state.header.owner, state.spec.labels
        mine = tuple(n for n, rule in enumerate(self._rules) if rule.selects(owner, labels))
        if not mine:
            return None
        now_wall_s = self._clock.now().wall_s
        since_wall_s, known = self._closed.get(mine, (0.0, None))
        until_wall_s = None if known is None else known.until_wall_s
        if until_wall_s is not None and since_wall_s <= now_wall_s < until_wall_s:
            return known
        held = closed([self._rules[n] for n in mine], now_wall_s, self._known_span)
        self._closed.pop(mine, None)
        if held is not None:
            self._closed[mine] = (now_wall_s, held)
        return held

    def _known_span(self, rule: WindowRule, at_wall_s: float) -> Span | None:
        number = self._rules.index(rule)
        since_wall_s, span = self._spans.get(number, (0.0, None))
        if span is None or not since_wall_s <= at_wall_s < span.closes_wall_s:
            span = self._span_of(rule, at_wall_s)
            self._spans[number] = (at_wall_s, span)
        return span
