"""What the oracle knows of one goal: its looks, its acts, its spending, each as the journal told it.

Written from SEMANTICS and not from `core/`: where the two count differently, one of them is wrong.
"""

from kazid.core.event import ActEnded, ActIntended
from kazid.core.goal import Goal, Predicate
from kazid.core.status import GoalStatus
from kazid.core.verdict import Status
from tests.simulation.approvers import Petitions
from tests.simulation.lowered import Harm
from tests.simulation.truth import MS

TOGETHER_S = 120.0
"""Goals that turned red within this time of each other may be one incident."""
NOTICED_S = 30.0
"""A goal that wanted to act so long ago has been counted."""
STOPPED = (
    GoalStatus.STUCK,
    GoalStatus.OVER_BUDGET,
    GoalStatus.CONTESTED,
    GoalStatus.TAMPERED,
    GoalStatus.PARKED,
)


class Seen:
    """The looks at one predicate that count together."""

    def __init__(self) -> None:
        self.status: Status | None = None
        self.started_s = 0.0
        self.generation = 0
        self.in_a_row = 0
        self.stale_before_s: float | None = None
        """Everything was forgotten: only looks that start after this say anything."""
        self._counted_s = 0.0
        self._side: Status | None = None

    def forget(self, now_s: float) -> None:
        self.in_a_row, self.stale_before_s = 0, now_s

    def look(
        self,
        status: Status,
        started_s: float,
        *,
        generation: int,
        is_current: bool,
        floor_s: float,
        gap_s: float,
    ) -> None:
        self.started_s, self.generation, self.status = started_s, generation, status
        if self.stale_before_s is not None and started_s >= self.stale_before_s - MS:
            self.stale_before_s = None
        if status in (Status.ERROR, Status.UNKNOWN):
            return
        if status is not self._side:
            self.in_a_row, self._side = 0, status
        if self.stale_before_s is not None or not is_current or started_s < floor_s - MS:
            return
        if self.in_a_row == 0 or started_s >= self._counted_s + gap_s - 2 * MS:
            self.in_a_row += 1
            self._counted_s = started_s


class Storm:
    """The incident that stands, as its events say."""

    def __init__(self, opened_s: float, allowed: set[str]) -> None:
        self.opened_s = opened_s
        self.allowed = allowed
        """Whose act was on its way when it opened: one each."""
        self.canary: str | None = None
        self.free: set[str] = set()
        self.is_proved = False


class Account:
    """One incarnation."""

    def __init__(self) -> None:
        self.goal: Goal | None = None
        self.seq = 0
        self.generation = 0
        self.epoch = 0
        self.desired = "active"
        self.is_frozen = False
        self.status = GoalStatus.OBSERVING
        self.spec_sha256 = ""
        self.green_sha256 = ""
        """The spec that was all green once."""
        self.opened_s: float | None = None
        """When the episode that is open did."""
        self.wanted_s: float | None = None
        """When it first wanted to act in it, as this daemon saw."""
        self.seen: dict[str, Seen] = {}
        self.act: ActIntended | None = None
        self.act_ended_s = 0.0
        self.asked_s = 0.0
        self.act_floor_s = 0.0
        self.attempts: dict[str, ActIntended] = {}
        self.announced: dict[str, float] = {}
        """Until when `explain` said that acts on a predicate wait; what happens to the goal takes it back."""
        self.cost_usd = 0.0
        self.spent: dict[str, list[float]] = {}
        """By attempt of an agent: when it began by the wall clock, its tokens, its dollars; reserved, then charged."""
        self.iterations = self.dispatches = self.tokens = 0
        """Of the open episode."""
        self.acted_s: dict[str, list[float]] = {}
        """When acts on each predicate were intended, since somebody last gave it fresh counters."""
        self.ended: set[str] = set()
        self.worktree: str | None = None
        self.petitions = Petitions()
        self.harm = Harm()

    def forget_looks(self, now_s: float) -> None:
        for seen in self.seen.values():
            seen.forget(now_s)

    def why_not(self, predicate: Predicate, status: Status, now_s: float) -> str | None:
        """Why this predicate does not count as settled with that status; None when it does."""
        seen = self.seen.get(predicate.id)
        if seen is None or seen.status is not status:
            return f"was last seen {None if seen is None else seen.status}"
        if seen.stale_before_s is not None:
            return f"is stale since {seen.stale_before_s:.3f}"
        if seen.generation != self.generation:
            return f"was seen in generation {seen.generation}"
        floor_s = max(self.act_ended_s, self.asked_s)
        if seen.started_s < floor_s - MS:
            return f"was seen at {seen.started_s:.3f}, and only looks after {floor_s:.3f} count"
        cadence = predicate.cadence
        if cadence.interval_s is not None:
            age_s = now_s - seen.started_s
            if age_s > 2 * cadence.interval_s + cadence.deadline_s + MS:
                return f"is {age_s:.1f} s old"
        wanted = cadence.confirm if status is Status.FAIL else cadence.recover
        if seen.in_a_row < wanted:
            return f"{seen.in_a_row} of {wanted} in a row"
        return None

    def is_in_trouble(self, now_s: float) -> bool:
        """Red since lately, after green, and has wanted to act for a while."""
        if self.desired != "active" or self.is_frozen or self.status in STOPPED:
            return False
        if self.opened_s is None or self.wanted_s is None or self.green_sha256 != self.spec_sha256:
            return False
        return self.opened_s > now_s - TOGETHER_S and self.wanted_s < now_s - NOTICED_S

    def of_the_window(self, now_wall_s: float) -> list[tuple[str, float, float | None]]:
        """What was spent in the stretch of wall time that ends now, and its ceilings."""
        assert self.goal is not None
        window = self.goal.budget.window
        if window is None:
            return []
        counted = [s for s in self.spent.values() if s[0] + window.per_s > now_wall_s]
        return [
            ("dispatches of the window", len(counted), window.dispatches_max),
            ("tokens of the window", sum(s[1] for s in counted), window.tokens_max),
            ("dollars of the window", round(sum(s[2] for s in counted), 6), window.cost_usd_max),
        ]

    def charge(self, event: ActEnded) -> None:
        """What the act really cost stands in place of what was reserved for it."""
        intent = self.attempts[event.attempt_id]
        self.tokens += event.tokens_charged or 0
        reported_usd = None if event.usage is None else event.usage.cost_usd
        cost_usd = reported_usd if event.cost_usd_charged is None else event.cost_usd_charged
        self.cost_usd += cost_usd or 0.0
        is_agent = intent.rung.startswith("harness:")
        is_free = event.ending == "never_started" or (event.ending == "not_started" and is_agent)
        if event.attempt_id in self.spent:
            self.spent[event.attempt_id][1:] = [event.tokens_charged or 0, cost_usd or 0.0]
            if is_free:
                del self.spent[event.attempt_id]
        if is_free:
            self.iterations -= 1
            self.dispatches -= is_agent
