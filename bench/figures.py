"""What a bench found: figures, each beside a peer or a limit that was measured in the same run, and how they are shown.

A machine that others use is noisy, so a figure alone says little; the ratio is what may be compared between machines.
"""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run: `quick` makes fewer rounds and goals, and its figures are rough."""

    folder: Path
    quick: bool
    profile: Path | None = None
    """Where the idle bench leaves a cProfile of its biggest daemon."""


class Beside(msgspec.Struct, frozen=True):
    """What a figure is measured against, a peer at the same work or a limit, and how many times that it may be."""

    name: str
    value: float
    ratio_max: float | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One result. Without a target for the value or a ratio it is for information."""

    name: str
    value: float
    unit: str
    beside: Sequence[Beside] = ()
    target_max: float | None = None

    def ratio(self, beside: Beside) -> float:
        """The value in units of what it is beside."""
        return self.value / beside.value if beside.value else float("inf")

    @property
    def is_met(self) -> bool | None:
        """Whether every target holds; None when there is none."""
        claims = [self.ratio(b) <= b.ratio_max for b in self.beside if b.ratio_max is not None]
        if self.target_max is not None:
            claims.append(self.value <= self.target_max)
        return all(claims) if claims else None


class Report(msgspec.Struct, kw_only=True):
    """All that one bench has to say. `skipped`: each peer that was missing, and why."""

    bench: str
    figures: list[Figure] = []
    notes: list[str] = []
    skipped: list[str] = []
    took_s: float = 0.0

    def add(
        self, name: str, value: float, unit: str, *beside: Beside, target_max: float | None = None
    ) -> None:
        """Take a figure."""
        self.figures.append(Figure(name=name, value=value, unit=unit, beside=beside, target_max=target_max))


SHARES = (("p50", 0.50), ("p95", 0.95), ("max", 1.0))
"""What is told of a spread."""


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed: never one that was not seen."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle one: what a noisy machine disturbs least."""
    return statistics.median(values)


def shown(report: Report) -> Iterator[str]:
    """The report as lines for people."""
    yield f"== {report.bench} ({report.took_s:.0f} s)"
    for figure in report.figures:
        yield from _lines(figure)
    for note in report.notes:
        yield f"   {note}"
    for reason in report.skipped:
        yield f"   skipped: {reason}"


def _lines(figure: Figure) -> Iterator[str]:
    """One line for the figure and what it is beside first, one for each thing more."""
    columns = [f"   {figure.name:<50} {number(figure.value):>8} {figure.unit:<9}"]
    if figure.target_max is not None:
        is_met = figure.value <= figure.target_max
        columns.append(f"[<= {number(figure.target_max)} {figure.unit}: {_judged(is_met)}]")
    for beside in figure.beside:
        ratio = figure.ratio(beside)
        columns.append(f"{number(ratio)} x {beside.name} ({number(beside.value)})")
        if beside.ratio_max is not None:
            columns[-1] += f" [<= {number(beside.ratio_max)} x: {_judged(ratio <= beside.ratio_max)}]"
    yield "  ".join(columns[:2]).rstrip()
    for column in columns[2:]:
        yield " " * 73 + column


def _judged(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def number(value: float) -> str:
    """Three digits that count, and no exponent."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"
