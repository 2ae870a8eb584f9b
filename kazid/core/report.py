"""What a stretch of time was like: gaps, age, drift and cost, goal by goal and label by label. Pure.

A gap is a predicate that is not green now; drift is an episode that opened in the time, and what was mended of it. What
was not reported is absent, never zero. Told from each goal as it stands and from its events of that time.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kazid.core.event import ActEnded, ActIntended, EpisodeClosed, EpisodeOpened, Event
from kazid.core.status import NEVER_RAN
from kazid.core.window import USD_DIGITS

TOLD_BY = (ActIntended, ActEnded, EpisodeOpened, EpisodeClosed)
"""The events that a report is made of."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One goal now."""

    uid: str
    ref: str
    labels: Mapping[str, str]
    status: str
    cause: str | None
    since_wall_s: float
    predicates: int
    gaps: Sequence[str]


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the time."""

    uid: str
    event: Event


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One goal's, or all goals' with one label."""

    name: str
    goals: int
    statuses: Mapping[str, int]
    cause: str | None
    age_s: float
    """Since it stands as it does; of several, the oldest that has a gap."""
    predicates: int
    gaps: Sequence[str]
    drifts: int
    mended: int
    mended_s: float | None
    """Mean time to repair of those."""
    acts: int
    dispatches: int
    tokens: int | None
    cost_usd: float | None
    is_estimated: bool
    """Some of the cost is what was set aside, for nothing was reported."""


class _Count:
    """What is added up of one goal's time."""

    def __init__(self) -> None:
        self.drifts = self.acts = self.dispatches = 0
        self.repairs_s: list[float] = []
        self.tokens: int | None = None
        self.cost_usd: float | None = None
        self.is_estimated = False
        self._sent: set[str] = set()
        """Attempts of agents. What one reports tells it too, where its intent was before the time."""

    def add(self, event: Event) -> None:
        """Count one event, in the order of the journal."""
        match event:
            case EpisodeOpened():
                self.drifts += bool(event.red)
            case EpisodeClosed():
                self.repairs_s.append(event.duration_s)
            case ActIntended():
                if event.rung.startswith("harness:"):
                    self._sent.add(event.attempt_id)
            case ActEnded():
                self.acts += 1
                cost_usd = event.cost_usd_charged
                if cost_usd is None and event.usage is not None:
                    cost_usd = event.usage.cost_usd
                has_reported = (
                    event.usage is not None or event.tokens_charged is not None or cost_usd is not None
                )
                if has_reported or (event.attempt_id in self._sent and event.ending not in NEVER_RAN):
                    self.dispatches += 1
                if event.tokens_charged is not None:
                    self.tokens = (self.tokens or 0) + event.tokens_charged
                if cost_usd is not None:
                    self.cost_usd = round((self.cost_usd or 0.0) + cost_usd, USD_DIGITS)
                self.is_estimated = self.is_estimated or event.cost_estimated or event.charge_estimated
            case _:
                raise AssertionError("only what a report is made of")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; `labels` by `key=value`. `total` is of every goal, each counted once."""

    goals: Sequence[Row]
    labels: Sequence[Row]
    total: Row


def report(standings: Sequence[Standing], happened: Iterable[Happened], *, now_wall_s: float) -> Report:
    """The report over these goals; events of others are left out."""
    counts = {standing.uid: _Count() for standing in standings}
    for each in happened:
        if each.uid in counts:
            counts[each.uid].add(each.event)
    by_label: dict[str, list[Standing]] = {}
    for standing in standings:
        for key, value in standing.labels.items():
            by_label.setdefault(f"{key}={value}", []).append(standing)
    return Report(
        goals=[_row(s.ref, [s], counts, now_wall_s) for s in standings],
        labels=[_row(label, by_label[label], counts, now_wall_s) for label in sorted(by_label)],
        total=_row("all", standings, counts, now_wall_s),
    )


def _row(name: str, standings: Sequence[Standing], counts: Mapping[str, _Count], now_wall_s: float) -> Row:
    mine = [counts[s.uid] for s in standings]
    statuses: dict[str, int] = {}
    for standing in standings:
        statuses[standing.status] = statuses.get(standing.status, 0) + 1
    is_one = len(standings) == 1
    ages = [max(0.0, now_wall_s - s.since_wall_s) for s in standings if s.gaps or is_one]
    repairs_s = [s for c in mine for s in c.repairs_s]
    tokens = [c.tokens for c in mine if c.tokens is not None]
    costs = [c.cost_usd for c in mine if c.cost_usd is not None]
    return Row(
        name=name,
        goals=len(standings),
        statuses=statuses,
        cause=standings[0].cause if is_one else None,
        age_s=max(ages, default=0.0),
        predicates=sum(s.predicates for s in standings),
        gaps=[gap if is_one else f"{s.ref}: {gap}" for s in standings for gap in s.gaps],
        drifts=sum(c.drifts for c in mine),
        mended=len(repairs_s),
        mended_s=sum(repairs_s) / len(repairs_s) if repairs_s else None,
        acts=sum(c.acts for c in mine),
        dispatches=sum(c.dispatches for c in mine),
        tokens=sum(tokens) if tokens else None,
        cost_usd=round(sum(costs), USD_DIGITS) if costs else None,
        is_estimated=any(c.is_estimated for c in mine),
    )
