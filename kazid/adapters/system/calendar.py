"""When a change window holds: cron, duration and time zone to seconds, by cronsim and the machine's zone data.

As Debian's cron has it: a time that the clocks skip in spring is the first one behind the gap, and one that comes twice
in autumn is the first of the two. A duration is time that passes, whatever the clocks on the wall do meanwhile.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from kazid.core.change_window import Span, WindowRule

JOINED_MAX = 1_000
"""Firings that are joined into one span where they overlap; a span of more is told piece by piece."""


def span_of(rule: WindowRule, at_wall_s: float) -> Span | None:
    """The span that holds at this moment, else the next one; None when it never fires again."""
    start = datetime.fromtimestamp(at_wall_s - rule.duration_s, tz=ZoneInfo(rule.zone))
    opens_wall_s = closes_wall_s = 0.0
    try:
        firings = CronSim(rule.cron, start)
        for number in range(JOINED_MAX):
            fires_wall_s = next(firings).timestamp()
            if number == 0:
                opens_wall_s = fires_wall_s
            elif fires_wall_s > closes_wall_s:
                break
            closes_wall_s = fires_wall_s + rule.duration_s
    except (StopIteration, CronSimError):
        return Span(opens_wall_s, closes_wall_s) if closes_wall_s else None
    return Span(opens_wall_s, closes_wall_s)
