"""What a goal may spend per window of wall time: `[budget.window]`, and the daily ceiling of the settings.

Windows roll: what was spent counts until it is older than the window, so no midnight gives twice the budget. A remedy
costs nothing. The ledger is bounded; where two entries become one, both count until the later of them leaves.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.goal import Budget, BudgetWindow

DAY_S = 86_400.0
WINDOW_S_MAX = 31 * DAY_S
"""The longest window: a month."""
ENTRIES_MAX = 128
"""Of one ledger: more dispatches than that in one window are counted by fewer entries."""
USD_DIGITS = 6
"""Sums of dollars are kept to the micro-dollar, so that adding up never leaves a dispatch's worth of rounding."""


class Spending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One dispatch, or several of them, by when the newest started. Absent usage is None, never zero."""

    at_wall_s: float
    dispatches: int = 1
    tokens: int | None = None
    cost_usd: float | None = None


Ledger = Sequence[Spending]


def windows(budget: Budget) -> tuple[BudgetWindow, ...]:
    """Every window of a budget: the authored one, and the day of the settings where dispatches have no other."""
    daily = budget.dispatches_per_day_max
    own = () if budget.window is None else (budget.window,)
    return own if daily is None else (*own, BudgetWindow(per_s=DAY_S, dispatches_max=daily))


def spent(ledger: Ledger, window: BudgetWindow, wall_s: float) -> Spending:
    """The sum of what still counts in this window."""
    return _sum([e for e in ledger if e.at_wall_s + window.per_s > wall_s], at_wall_s=wall_s)


def exhausted(budget: Budget, ledger: Ledger, wall_s: float) -> str | None:
    """Which window has nothing left, in words; None while another dispatch may start."""
    return next((d for w in windows(budget) for d in _full(w, spent(ledger, w, wall_s))), None)


def renews_wall_s(budget: Budget, ledger: Ledger, wall_s: float) -> float | None:
    """When every window has room again; None when none is exhausted."""
    waits = [
        _opens_wall_s(w, ledger, wall_s) for w in windows(budget) if any(_full(w, spent(ledger, w, wall_s)))
    ]
    return max(waits, default=None)


def tokens_left(budget: Budget, ledger: Ledger, wall_s: float) -> int | None:
    """Tokens of the tightest window; None without a ceiling."""
    left = [
        max(0, w.tokens_max - (spent(ledger, w, wall_s).tokens or 0))
        for w in windows(budget)
        if w.tokens_max is not None
    ]
    return min(left, default=None)


def cost_left_usd(budget: Budget, ledger: Ledger, wall_s: float) -> float | None:
    """US dollars of the tightest window; None without a ceiling."""
    left = [
        max(0.0, round(w.cost_usd_max - (spent(ledger, w, wall_s).cost_usd or 0.0), USD_DIGITS))
        for w in windows(budget)
        if w.cost_usd_max is not None
    ]
    return min(left, default=None)


def reserved(ledger: Ledger, *, at_wall_s: float, tokens: int | None, cost_usd: float | None) -> Ledger:
    """The ledger with what a dispatch may cost at most, set aside before it starts."""
    kept = [e for e in ledger if e.at_wall_s > at_wall_s - WINDOW_S_MAX]
    kept.append(Spending(at_wall_s=at_wall_s, tokens=tokens, cost_usd=cost_usd))
    if len(kept) > ENTRIES_MAX:
        kept[:2] = [_sum(kept[:2], at_wall_s=max(kept[0].at_wall_s, kept[1].at_wall_s))]
    return tuple(kept)


def charged(ledger: Ledger, *, tokens: int | None, cost_usd: float | None) -> Ledger:
    """The ledger with what the newest dispatch really cost."""
    return ledger and (*ledger[:-1], replace(ledger[-1], tokens=tokens, cost_usd=cost_usd))


def unspent(ledger: Ledger) -> Ledger:
    """The ledger without its newest dispatch, which never started."""
    return ledger[:-1]


def span(seconds: float) -> str:
    """A length of a window as a goal-file would write it: `24 h`, `90 m`, `7 d`."""
    for unit, unit_s in (("d", DAY_S), ("h", 3600.0), ("m", 60.0)):
        if seconds % unit_s == 0 and seconds > DAY_S * (unit == "d"):
            return f"{seconds / unit_s:g} {unit}"
    return f"{seconds:g} s"


def _sum(entries: Sequence[Spending], *, at_wall_s: float) -> Spending:
    tokens = [e.tokens for e in entries if e.tokens is not None]
    costs = [e.cost_usd for e in entries if e.cost_usd is not None]
    return Spending(
        at_wall_s=at_wall_s,
        dispatches=sum(e.dispatches for e in entries),
        tokens=sum(tokens) if tokens else None,
        cost_usd=round(sum(costs), USD_DIGITS) if costs else None,
    )


def _full(window: BudgetWindow, used: Spending) -> Iterator[str]:
    """Every limit of a window that is reached, in words."""
    per = span(window.per_s)
    if window.dispatches_max is not None and used.dispatches >= window.dispatches_max:
        yield f"{used.dispatches} of {window.dispatches_max} dispatches in {per} used"
    if window.tokens_max is not None and (used.tokens or 0) >= window.tokens_max:
        yield f"{used.tokens} of {window.tokens_max} tokens in {per} used"
    if window.cost_usd_max is not None and (used.cost_usd or 0.0) >= window.cost_usd_max:
        yield f"{used.cost_usd:.2f} of {window.cost_usd_max:.2f} USD in {per} used"


def _opens_wall_s(window: BudgetWindow, ledger: Ledger, wall_s: float) -> float:
    """When enough entries have left: entries leave in the order of their times."""
    leaving = sorted(e.at_wall_s + window.per_s for e in ledger if e.at_wall_s + window.per_s > wall_s)
    return next(at for at in leaving if not any(_full(window, spent(ledger, window, at))))
