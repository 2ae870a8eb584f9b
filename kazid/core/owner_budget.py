"""What the agents of one owner may cost in a day, over all their goals: `[[owner_budget]]`. Pure.

The day rolls, as every window does (`core/window.py`). What runs counts with what is set aside for it; what reported
nothing counts with the same. Ceilings trip at usage ≥ limit, and an agent that is due waits until the day has room.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.event import SpendingCarried
from kazid.core.goal import Budget
from kazid.core.window import DAY_S, USD_DIGITS, Ledger, Spending

WAITS_FOR = "owner_budget"


class OwnerBudget(msgspec.Struct, frozen=True, kw_only=True):
    """Ceilings of each of these owners; none named: of every owner. None: no ceiling."""

    owners: Sequence[str] = ()
    cost_usd_max: float | None = None
    tokens_max: int | None = None

    def is_about(self, owner: str) -> bool:
        """True for whoever it caps."""
        return not self.owners or owner in self.owners


class Exhausted(msgspec.Struct, frozen=True, kw_only=True):
    """What is used up, in words, and when there is room again; None: when what runs has ended."""

    detail: str
    until_wall_s: float | None


def entries_of(ledger: Ledger, budget: Budget, *, starts_at_wall_s: float | None) -> Sequence[Spending]:
    """What one goal's agents cost, nothing left open; `starts_at_wall_s`: one is about to start."""
    entries = [
        replace(
            entry,
            tokens=budget.tokens_per_dispatch * entry.dispatches if entry.tokens is None else entry.tokens,
            cost_usd=(
                budget.cost_usd_per_dispatch * entry.dispatches if entry.cost_usd is None else entry.cost_usd
            ),
        )
        for entry in ledger
    ]
    if starts_at_wall_s is not None:
        entries.append(
            Spending(
                at_wall_s=starts_at_wall_s,
                tokens=budget.tokens_per_dispatch,
                cost_usd=budget.cost_usd_per_dispatch,
            )
        )
    return entries


def exhausted(
    budgets: Sequence[OwnerBudget],
    owner: str,
    entries: Sequence[Spending],
    wall_s: float,
) -> Exhausted | None:
    """Whether an owner's agents have used up a day; None while another may start."""
    mine = [b for b in budgets if b.is_about(owner)]
    full = [said for b in mine if (said := _full(b, owner, entries, wall_s)) is not None]
    if not full:
        return None
    leaving = sorted(e.at_wall_s + DAY_S for e in entries if e.at_wall_s + DAY_S > wall_s)
    opens = (at for at in leaving if not any(_full(b, owner, entries, at) for b in mine))
    return Exhausted(detail=full[0], until_wall_s=next(opens, None))


def kept_after(
    kept: Mapping[str, SpendingCarried], event: SpendingCarried, wall_s: float
) -> Mapping[str, SpendingCarried]:
    """What deleted goals spent, by their uid, with one more; what no day holds any more is dropped."""
    fresh = {u: k for u, k in kept.items() if any(e.at_wall_s + DAY_S > wall_s for e in k.spent)}
    return {**fresh, event.uid: event}


def _full(budget: OwnerBudget, owner: str, entries: Sequence[Spending], wall_s: float) -> str | None:
    mine = [e for e in entries if e.at_wall_s + DAY_S > wall_s]
    cost_usd = round(sum(e.cost_usd or 0.0 for e in mine), USD_DIGITS)
    tokens = sum(e.tokens or 0 for e in mine)
    if budget.cost_usd_max is not None and cost_usd >= budget.cost_usd_max:
        return f"{owner} has used {cost_usd:.2f} of {budget.cost_usd_max:.2f} USD in 24 h"
    if budget.tokens_max is not None and tokens >= budget.tokens_max:
        return f"{owner} has used {tokens} of {budget.tokens_max} tokens in 24 h"
    return None
