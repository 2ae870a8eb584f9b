"""Whether an owner's agents may cost more today (`core/owner_budget.py`), asked before each dispatch.

There is no second account: each goal's own ledger is summed when somebody asks, with what is about to start and what
goals spent that are deleted since. So a restart asks the same and hears the same.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from kazid.core.event import ActDeferred
from kazid.core.ids import GoalUid
from kazid.core.owner_budget import WAITS_FOR, Exhausted, OwnerBudget, entries_of, exhausted
from kazid.core.window import Spending
from kazid.ports.clock import Clock
from kazid.runtime.fleet import Fleet
from kazid.runtime.state import GoalState

REMEMBERED_S = 1.0
"""A no is given again for so long without adding up: many goals may wait."""


class OwnerSpending:
    """The budgets in force and what they are compared with."""

    def __init__(
        self,
        *,
        clock: Clock,
        fleet: Fleet,
        is_starting: Callable[[GoalUid], bool],
        budgets: Sequence[OwnerBudget] = (),
    ) -> None:
        self._clock = clock
        self._fleet = fleet
        self._is_starting = is_starting
        self._budgets = tuple(budgets)
        self._everyone: Callable[[], Iterable[GoalState]] = tuple
        self._no: dict[str, tuple[float, Exhausted]] = {}

    def attach(self, everyone: Callable[[], Iterable[GoalState]]) -> None:
        """Say where goals are found."""
        self._everyone = everyone

    def take(self, budgets: Sequence[OwnerBudget]) -> None:
        """Go by these from now on."""
        self._budgets = tuple(budgets)
        self._no.clear()

    def waits_for(self, state: GoalState) -> tuple[str, str] | None:
        """What an agent of this goal waits for; None when its owner's day has room."""
        full = self._exhausted(state)
        return None if full is None else (WAITS_FOR, full.detail)

    def dated(self, state: GoalState, deferred: ActDeferred) -> ActDeferred:
        """The deferral with when the day has room again."""
        full = self._exhausted(state) if deferred.waits_for == WAITS_FOR else None
        return deferred if full is None else replace(deferred, until_wall_s=full.until_wall_s)

    def _exhausted(self, state: GoalState) -> Exhausted | None:
        owner = state.header.owner
        if not any(b.is_about(owner) for b in self._budgets):
            return None
        now = self._clock.now()
        asked_s, full = self._no.get(owner, (0.0, None))
        if full is not None and now.boot_s < asked_s + REMEMBERED_S:
            return full
        full = exhausted(self._budgets, owner, self._entries(state, now.wall_s), now.wall_s)
        self._no.pop(owner, None)
        if full is not None:
            self._no[owner] = (now.boot_s, full)
        return full

    def _entries(self, asking: GoalState, wall_s: float) -> Sequence[Spending]:
        owner = asking.header.owner
        entries: list[Spending] = []
        known: set[str] = set()
        for state in self._everyone():
            known.add(state.uid)
            if state.header.owner != owner or state.goal is None or state.goal.harness is None:
                continue
            progress = state.progress
            starts = state is not asking and progress.act is None and self._is_starting(state.uid)
            at_wall_s = wall_s if starts else None
            entries.extend(entries_of(progress.spent, state.goal.budget, starts_at_wall_s=at_wall_s))
        for uid, kept in self._fleet.kept_spending.items():
            if kept.owner == owner and uid not in known:
                entries.extend(kept.spent)
        return entries
