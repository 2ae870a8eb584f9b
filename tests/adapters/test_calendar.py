"""When a window holds, by the calendar: every day, over midnight, and on the nights when the clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from kazid.adapters.system.calendar import span_of
from kazid.core.change_window import WindowRule

HOUR_S = 3600.0


def _rule(cron: str, hours: float, zone: str = "Europe/Berlin") -> WindowRule:
    return WindowRule(name="w", is_allow=True, cron=cron, duration_s=hours * HOUR_S, zone=zone)


def _wall_s(text: str) -> float:
    """`2026-03-29T01:30:00+01:00`, with its offset, so that no hour is meant twice."""
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("rule", "at", "opens", "closes"),
    [
        pytest.param(
            _rule("0 9 * * 1-5", 8), "2026-11-20T10:00+01:00", "2026-11-20T09:00+01:00", "2026-11-20T17:00+01:00",
            id="within",
        ),
        pytest.param(
            _rule("0 9 * * 1-5", 8), "2026-11-20T09:00+01:00", "2026-11-20T09:00+01:00", "2026-11-20T17:00+01:00",
            id="its-first-moment",
        ),
        pytest.param(
            _rule("0 9 * * 1-5", 8), "2026-11-20T17:00+01:00", "2026-11-23T09:00+01:00", "2026-11-23T17:00+01:00",
            id="at-its-end-the-next-over-the-weekend",
        ),
        pytest.param(
            _rule("0 22 * * *", 8), "2026-11-21T03:00+01:00", "2026-11-20T22:00+01:00", "2026-11-21T06:00+01:00",
            id="over-midnight",
        ),
        pytest.param(
            _rule("30 2 * * *", 1), "2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00",
            id="spring-a-time-that-is-skipped-is-the-first-behind-the-gap",
        ),
        pytest.param(
            _rule("0 0 * * *", 6), "2026-03-29T05:00+02:00", "2026-03-29T00:00+01:00", "2026-03-29T07:00+02:00",
            id="spring-six-hours-are-six-hours",
        ),
        pytest.param(
            _rule("30 2 * * *", 1), "2026-10-25T02:45+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00",
            id="autumn-a-time-that-comes-twice-is-the-first",
        ),
        pytest.param(
            _rule("30 2 * * *", 1), "2026-10-25T02:45+01:00", "2026-10-26T02:30+01:00", "2026-10-26T03:30+01:00",
            id="autumn-it-does-not-open-again-an-hour-later",
        ),
        pytest.param(
            _rule("0 0 * * *", 6), "2026-10-25T04:59+01:00", "2026-10-25T00:00+02:00", "2026-10-25T05:00+01:00",
            id="autumn-six-hours-are-six-hours",
        ),
        pytest.param(
            _rule("0 9 * * *", 8, "America/New_York"), "2026-11-20T15:00+01:00", "2026-11-20T09:00-05:00",
            "2026-11-20T17:00-05:00", id="in-another-zone",
        ),
        pytest.param(
            _rule("0 * * * *", 2), "2026-11-20T10:30+01:00", "2026-11-20T09:00+01:00", None, id="overlaps-are-one-span"
        ),
    ],
)  # fmt: skip
def test_spans(rule: WindowRule, at: str, opens: str, closes: str | None) -> None:
    span = span_of(rule, _wall_s(at))
    assert span is not None
    assert datetime.fromtimestamp(span.opens_wall_s, ZoneInfo("UTC")) == datetime.fromisoformat(opens)
    if closes is not None:
        assert datetime.fromtimestamp(span.closes_wall_s, ZoneInfo("UTC")) == datetime.fromisoformat(closes)
    assert span.closes_wall_s > _wall_s(at)


def test_a_span_closes_after_the_moment_asked_for_in_every_quarter_of_the_year() -> None:
    rule = _rule("15 1-3 * * *", 0.75)
    start_s = _wall_s("2026-01-01T00:00+00:00")
    for quarter in range(0, 365 * 96, 7):
        at_s = start_s + quarter * 900.0
        span = span_of(rule, at_s)
        assert span is not None
        assert span.closes_wall_s > at_s
        if span.holds_at(at_s):
            assert at_s - span.opens_wall_s <= 5 * HOUR_S
