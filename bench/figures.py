"""What a bench found: figures, each beside a peer or a limit that was measured in the same run, and how they are shown.

A machine that others use is noisy, so a figure alone says little; the ratio is what may be compared between machines.
"""

import contextlib
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run: `quick` keeps every bench under half a minute and its figures rough."""

    folder: Path
    quick: bool
    profile: Path | None = None
    """Where the idle bench leaves a cProfile of its biggest daemon."""


class Beside(msgspec.Struct, frozen=True):
    """What the figure is measured against: a peer at the same work, or a limit of this machine."""

    name: str
    value: float


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One result. `target_max` is of the value, `ratio_max` of the ratio; without either it is for information."""

    name: str
    value: float
    unit: str
    beside: Beside | None = None
    target_max: float | None = None
    ratio_max: float | None = None

    @property
    def ratio(self) -> float | None:
        """The value in units of what it is beside."""
        return self.value / self.beside.value if self.beside is not None and self.beside.value else None

    @property
    def is_met(self) -> bool | None:
        """Whether every target holds; None when there is none."""
        claims = []
        if self.target_max is not None:
            claims.append(self.value <= self.target_max)
        if self.ratio_max is not None and self.ratio is not None:
            claims.append(self.ratio <= self.ratio_max)
        return all(claims) if claims else None


class Report(msgspec.Struct, kw_only=True):
    """All that one bench has to say. `skipped`: each peer that was missing, and why."""

    bench: str
    figures: list[Figure] = []
    notes: list[str] = []
    skipped: list[str] = []
    took_s: float = 0.0

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        beside: Beside | None = None,
        target_max: float | None = None,
        ratio_max: float | None = None,
    ) -> None:
        """Take a figure."""
        self.figures.append(
            Figure(
                name=name, value=value, unit=unit, beside=beside, target_max=target_max, ratio_max=ratio_max
            )
        )

    def add_spread(
        self, name: str, values_s: Sequence[float], *, target_p95_max: float | None = None
    ) -> None:
        """Take p50, p95 and max of times in seconds; the target is of the p95."""
        if not values_s:
            self.skipped.append(f"{name}: nothing was measured")
            return
        for share, label in ((0.50, "p50"), (0.95, "p95"), (1.0, "max")):
            target = target_p95_max if label == "p95" else None
            self.add(f"{name}, {label}", quantile(values_s, share), "s", target_max=target)


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
        yield "  ".join(part for part in _columns(figure)).rstrip()
    for note in report.notes:
        yield f"   {note}"
    for reason in report.skipped:
        yield f"   skipped: {reason}"


def _columns(figure: Figure) -> Iterator[str]:
    yield f"   {figure.name:<58}"
    yield f"{number(figure.value):>10} {figure.unit:<9}"
    if figure.beside is not None and figure.ratio is not None:
        yield f"{figure.ratio:>8.3g} x {figure.beside.name} ({number(figure.beside.value)})"
    limits = []
    if figure.target_max is not None:
        limits.append(f"<= {number(figure.target_max)} {figure.unit}")
    if figure.ratio_max is not None:
        limits.append(f"<= {figure.ratio_max:.3g} x")
    if limits and figure.is_met is not None:
        yield f"[{' and '.join(limits)}: {'met' if figure.is_met else 'MISSED'}]"


def number(value: float) -> str:
    """Three digits that count, and no exponent."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    with contextlib.suppress(ValueError, OverflowError):
        if abs(value) >= 100:
            return f"{value:.0f}"
        if abs(value) >= 10:
            return f"{value:.1f}"
        return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
    return str(value)
