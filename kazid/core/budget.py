"""What an episode may cost, and whether it has.

Ceilings trip at usage ≥ limit, in a fixed order: iterations, wall clock, tokens, cost, dispatches, windows.
Iterations count turns that started an act; looking and waiting are free (SEMANTICS §4). Reserve before spending.
"""

import enum

import msgspec

from kazid.core import window
from kazid.core.event import Usage
from kazid.core.goal import Budget
from kazid.core.instant import Now
from kazid.core.progress import Episode, Progress


class Ceiling(enum.Enum):
    """Which limit was reached. The values are the predecessor's stop reasons."""

    ITERATIONS = "max_iterations"
    WALL_CLOCK = "wall_clock"
    TOKENS = "token_budget"
    DISPATCHES = "max_dispatches"
    COST = "max_cost_usd"
    WINDOW = "window"


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """What one act may be charged at most where nothing is reported. None: that resource has no ceiling."""

    tokens: int | None = None
    cost_usd: float | None = None


class Exceeded(msgspec.Struct, frozen=True, kw_only=True):
    """The first ceiling reached, and what it is in words."""

    ceiling: Ceiling
    detail: str


def clock_used_s(episode: Episode, *, now_s: float) -> float:
    """Wall clock of the episode: while the daemon ran, without suspended and waiting time."""
    running_s = 0.0 if episode.clock_since_s is None else max(0.0, now_s - episode.clock_since_s)
    return episode.clock_used_s + running_s


def exceeded(budget: Budget, episode: Episode, *, now_s: float) -> Exceeded | None:
    """The first ceiling that forbids any further act; None while acts may go on."""
    if budget.iterations_max is not None and episode.iterations >= budget.iterations_max:
        return Exceeded(
            ceiling=Ceiling.ITERATIONS,
            detail=f"{episode.iterations} of {budget.iterations_max} iterations used",
        )
    over = clock_exceeded(budget, episode, now_s=now_s)
    if over is not None:
        return over
    if budget.tokens_max is not None and (episode.tokens or 0) >= budget.tokens_max:
        return Exceeded(ceiling=Ceiling.TOKENS, detail=f"{episode.tokens} of {budget.tokens_max} tokens used")
    if budget.cost_usd_max is not None and _cost_left_usd(budget.cost_usd_max, episode) <= 0:
        return Exceeded(
            ceiling=Ceiling.COST,
            detail=f"{episode.cost_usd or 0.0:.2f} of {budget.cost_usd_max:.2f} USD used",
        )
    return None


def clock_exceeded(budget: Budget, episode: Episode, *, now_s: float) -> Exceeded | None:
    """Whether the episode's wall clock ran out; acts during a dispatch too."""
    limit_s = budget.wall_clock_s_max
    if limit_s is None:
        return None
    deadline_s = clock_deadline_s(budget, episode)
    if (episode.clock_used_s < limit_s) if deadline_s is None else (now_s < deadline_s):
        return None
    return Exceeded(ceiling=Ceiling.WALL_CLOCK, detail=f"{limit_s:g} s of wall clock used")


def clock_deadline_s(budget: Budget, episode: Episode | None) -> float | None:
    """The boot time at which the wall clock runs out; None while it stands still or has no limit."""
    if episode is None or budget.wall_clock_s_max is None or episode.clock_since_s is None:
        return None
    return episode.clock_since_s + budget.wall_clock_s_max - episode.clock_used_s


def dispatches_exceeded(budget: Budget, progress: Progress, now: Now) -> Exceeded | None:
    """Whether another agent may be dispatched: per episode and per window."""
    episode = progress.episode
    assert episode is not None, "a dispatch belongs to an episode"
    if budget.dispatches_max is not None and episode.dispatches >= budget.dispatches_max:
        return Exceeded(
            ceiling=Ceiling.DISPATCHES,
            detail=f"{episode.dispatches} of {budget.dispatches_max} dispatches used",
        )
    full = window.exhausted(budget, progress.spent, now.wall_s)
    return None if full is None else Exceeded(ceiling=Ceiling.WINDOW, detail=full)


def tokens_reserved(budget: Budget, progress: Progress, now: Now) -> int | None:
    """What one dispatch may at most be charged: min(remaining, per dispatch). None without a token ceiling."""
    left = window.tokens_left(budget, progress.spent, now.wall_s)
    if budget.tokens_max is not None and progress.episode is not None:
        of_episode = max(0, budget.tokens_max - (progress.episode.tokens or 0))
        left = of_episode if left is None else min(left, of_episode)
    return None if left is None else min(budget.tokens_per_dispatch, left)


def cost_reserved_usd(budget: Budget, progress: Progress, now: Now) -> float | None:
    """What one dispatch may cost at most: min(remaining, per dispatch). None without a ceiling in dollars."""
    left_usd = window.cost_left_usd(budget, progress.spent, now.wall_s)
    if budget.cost_usd_max is not None and progress.episode is not None:
        of_episode_usd = max(0.0, _cost_left_usd(budget.cost_usd_max, progress.episode))
        left_usd = of_episode_usd if left_usd is None else min(left_usd, of_episode_usd)
    return None if left_usd is None else min(budget.cost_usd_per_dispatch, left_usd)


def _cost_left_usd(limit_usd: float, episode: Episode) -> float:
    return round(limit_usd - (episode.cost_usd or 0.0), window.USD_DIGITS)


def reservation(budget: Budget, progress: Progress, now: Now, *, rung: str) -> Reservation:
    """What is set aside before an act starts; a remedy costs nothing."""
    if not rung.startswith("harness:"):
        return Reservation()
    return Reservation(
        tokens=tokens_reserved(budget, progress, now), cost_usd=cost_reserved_usd(budget, progress, now)
    )


def cost_charged_usd(usage: Usage | None, *, reserved_usd: float | None) -> tuple[float | None, bool]:
    """Dollars to charge for one dispatch, and whether that is the reservation because nothing was reported."""
    if usage is not None and usage.cost_usd is not None:
        return usage.cost_usd, False
    return reserved_usd, reserved_usd is not None


def tokens_used(usage: Usage, *, cached_read_weight: float) -> int | None:
    """Budgeted tokens of one dispatch: cached reads count by their weight. None when nothing was reported."""
    parts = (usage.input_tokens, usage.output_tokens, usage.cache_write_tokens, usage.cached_input_tokens)
    if all(p is None for p in parts):
        return None
    cached = usage.cached_input_tokens or 0
    raw = sum(p or 0 for p in parts)
    return max(0, raw - round(cached * (1 - cached_read_weight)))
