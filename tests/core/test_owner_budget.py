"""What an owner's agents may cost in a day: sums over all goals, what waits for room, and until when."""

from typing import Any

import pytest

from kazid.core.event import SpendingCarried
from kazid.core.goal import Budget
from kazid.core.owner_budget import Exhausted, OwnerBudget, entries_of, exhausted, kept_after
from kazid.core.window import Spending

DAY_S = 86_400.0
BUDGET = Budget(tokens_per_dispatch=100, cost_usd_per_dispatch=1.5)


def spent(at: float, **fields: Any) -> Spending:
    return Spending(at_wall_s=at, **fields)


@pytest.mark.parametrize(
    ("owners", "owner", "caps"),
    [
        pytest.param((), "ada", True, id="none-named-is-everybody"),
        pytest.param(("ada", "ben"), "ben", True, id="named"),
        pytest.param(("ada",), "ben", False, id="somebody-else"),
    ],
)
def test_a_ceiling_is_for_who_is_named(owners: tuple[str, ...], owner: str, caps: bool):
    assert OwnerBudget(owners=owners).is_about(owner) is caps


@pytest.mark.parametrize(
    ("entry", "tokens", "cost_usd"),
    [
        pytest.param(spent(5.0, tokens=7, cost_usd=0.25), 7, 0.25, id="reported"),
        pytest.param(spent(5.0, tokens=0, cost_usd=0.0), 0, 0.0, id="reported-as-nothing"),
        pytest.param(spent(5.0), 100, 1.5, id="not-reported"),
        pytest.param(spent(5.0, dispatches=3), 300, 4.5, id="several-not-reported"),
        pytest.param(spent(5.0, dispatches=2, tokens=9), 9, 3.0, id="one-of-them-reported"),
    ],
)
def test_what_reported_nothing_counts_with_what_was_set_aside(entry: Spending, tokens: int, cost_usd: float):
    (counted,) = entries_of([entry], BUDGET, starts_at_wall_s=None)
    assert (counted.at_wall_s, counted.tokens, counted.cost_usd) == (5.0, tokens, cost_usd)


def test_what_is_about_to_start_counts_with_what_is_set_aside_for_it():
    first, last = entries_of([spent(5.0, tokens=7)], BUDGET, starts_at_wall_s=9.0)
    assert first.at_wall_s == 5.0
    assert (last.at_wall_s, last.dispatches, last.tokens, last.cost_usd) == (9.0, 1, 100, 1.5)


@pytest.mark.parametrize(
    ("budget", "detail"),
    [
        pytest.param(OwnerBudget(tokens_max=60), "ada has used 60 of 60 tokens in 24 h", id="tokens-reached"),
        pytest.param(OwnerBudget(tokens_max=59), "ada has used 60 of 59 tokens in 24 h", id="tokens-beyond"),
        pytest.param(OwnerBudget(tokens_max=61), None, id="tokens-below"),
        pytest.param(
            OwnerBudget(cost_usd_max=2.3), "ada has used 2.30 of 2.30 USD in 24 h", id="usd-reached"
        ),
        pytest.param(OwnerBudget(cost_usd_max=2.300001), None, id="usd-below-by-a-millionth"),
        pytest.param(
            OwnerBudget(cost_usd_max=1.0, tokens_max=1),
            "ada has used 2.30 of 1.00 USD in 24 h",
            id="both-and-dollars-are-named",
        ),
        pytest.param(OwnerBudget(owners=("ben",), tokens_max=1), None, id="of-somebody-else"),
        pytest.param(
            OwnerBudget(owners=("ada",), tokens_max=60),
            "ada has used 60 of 60 tokens in 24 h",
            id="of-this-owner-by-name",
        ),
        pytest.param(OwnerBudget(), None, id="no-ceiling"),
    ],
)
def test_a_ceiling_trips_at_its_figure_over_the_last_day(budget: OwnerBudget, detail: str | None):
    entries = [
        spent(100.0, tokens=1000, cost_usd=1000.0),  # a day ago to the second
        spent(101.0, tokens=20, cost_usd=1.1),
        spent(500.0, tokens=40, cost_usd=1.2),
        spent(600.0),
    ]
    full = exhausted([budget], "ada", entries, 100.0 + DAY_S)
    assert (None if full is None else full.detail) == detail


def test_one_ceiling_that_is_full_is_enough_and_the_first_of_them_is_named():
    entries = [spent(10.0, tokens=50)]
    wide, tight, tighter = (OwnerBudget(tokens_max=n) for n in (90, 50, 20))
    full = exhausted([wide, tight, tighter], "ada", entries, 20.0)
    assert full == Exhausted(detail="ada has used 50 of 50 tokens in 24 h", until_wall_s=10.0 + DAY_S)


@pytest.mark.parametrize(
    ("entries", "until_wall_s"),
    [
        pytest.param([(30.0, 10), (10.0, 10), (20.0, 10)], 10.0 + DAY_S, id="the-oldest-is-enough"),
        pytest.param([(30.0, 10), (10.0, 5), (20.0, 20)], 20.0 + DAY_S, id="the-oldest-is-not-enough"),
        pytest.param([(10.0, 1), (20.0, 50)], 20.0 + DAY_S, id="one-big-one"),
    ],
)
def test_a_full_day_opens_when_enough_has_left_it(entries: list[tuple[float, int]], until_wall_s: float):
    made = [spent(at, tokens=tokens) for at, tokens in entries]
    full = exhausted([OwnerBudget(tokens_max=30)], "ada", made, 40.0)
    assert full is not None
    assert full.until_wall_s == until_wall_s


def test_a_day_opens_when_every_ceiling_has_room():
    entries = [spent(10.0, tokens=20, cost_usd=0.0), spent(20.0, tokens=1, cost_usd=5.0)]
    budgets = [OwnerBudget(tokens_max=20), OwnerBudget(cost_usd_max=5.0)]
    full = exhausted(budgets, "ada", entries, 30.0)
    assert full is not None
    assert full.until_wall_s == 20.0 + DAY_S


def test_a_ceiling_of_nothing_never_opens():
    assert exhausted([OwnerBudget(tokens_max=0)], "ada", [], 30.0) == Exhausted(
        detail="ada has used 0 of 0 tokens in 24 h", until_wall_s=None
    )


def test_what_a_deleted_goal_spent_is_kept_for_a_day():
    def of(uid: str, *at: float) -> SpendingCarried:
        return SpendingCarried(uid=uid, owner="ada", spent=tuple(spent(a) for a in at))

    kept = {"old": of("old", 1.0, 2.0), "new": of("new", 1.0, 2.5), "again": of("again", 9.0)}
    after = kept_after(kept, of("again", 9.0, 9.5), 2.0 + DAY_S)
    assert after == {"new": of("new", 1.0, 2.5), "again": of("again", 9.0, 9.5)}
