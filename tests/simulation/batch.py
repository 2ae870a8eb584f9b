"""Many seeds at once, on all cores, and what they came to."""

import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from tests.simulation.story import Figures, simulate

NICENESS = 5
"""Somebody may be at work on the machine."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    seed: int
    what: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A batch."""

    figures: Sequence[Figures]
    failures: Sequence[Failure]

    @property
    def fired(self) -> Counter[str]:
        """How often each fault came, over all seeds."""
        total: Counter[str] = Counter()
        for figures in self.figures:
            total.update(figures.fired)
        return total


def replay_command(seed: int, horizon_s: float | None = None) -> str:
    """What tells this seed again."""
    horizon = "" if horizon_s is None else f" --horizon {horizon_s:g}"
    return f"python -m tests.simulation --seed {seed}{horizon}"


def run_batch(seeds: Iterable[int], *, horizon_s: float | None = None, jobs: int | None = None) -> Told:
    """Tell them all; a failure does not stop the others."""
    figures: list[Figures] = []
    failures: list[Failure] = []
    work = [(seed, horizon_s) for seed in seeds]
    # spawned, not forked: what a seed does must not depend on who asks for it
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs or os.cpu_count() or 1, initializer=_begin) as pool:
        for one in pool.imap_unordered(_tell, work, chunksize=4):
            (figures if isinstance(one, Figures) else failures).append(one)  # type: ignore[arg-type]
    return Told(
        figures=sorted(figures, key=lambda f: f.seed), failures=sorted(failures, key=lambda f: f.seed)
    )


def summary(told: Told, *, took_s: float, horizon_s: float | None = None) -> str:
    """The figures of a batch, for people."""
    figures = told.figures
    hours = sum(f.virtual_s for f in figures) / 3600
    lines = [f"FAILED seed {f.seed}: {f.what}\n  {replay_command(f.seed, horizon_s)}" for f in told.failures]
    lines.append(
        f"{len(figures) + len(told.failures)} seeds, {len(told.failures)} failed, in {took_s:.0f} s: "
        f"{hours:.0f} virtual hours, {sum(f.goals for f in figures)} goals, {sum(f.lives for f in figures)} daemons, "
        f"{sum(f.starts for f in figures)} executors, {sum(f.events for f in figures)} events"
    )
    lines.append("fired: " + ", ".join(f"{name} {count}" for name, count in sorted(told.fired.items())))
    return "\n".join(lines)


def _begin() -> None:
    os.nice(NICENESS)
    gc.freeze()


def _tell(work: tuple[int, float | None]) -> Figures | Failure:
    seed, horizon_s = work
    try:
        return simulate(seed, horizon_s=horizon_s)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return Failure(seed=seed, what=f"{type(error).__name__}: {error}"[:2000])
