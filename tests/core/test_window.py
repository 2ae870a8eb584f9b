"""Windows of a budget: rolling, bounded, and open again exactly when they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.goal import Budget, BudgetWindow
from kazid.core.window import (
    DAY_S,
    ENTRIES_MAX,
    WINDOW_S_MAX,
    Ledger,
    Spending,
    charged,
    exhausted,
    renews_wall_s,
    reserved,
    span,
    spent,
    tokens_left,
    unspent,
    windows,
)

NOW_S = 1_000_000.0
HOUR = BudgetWindow(per_s=3600.0, dispatches_max=2)


def at(*seconds_ago: float, **usage: float) -> Ledger:
    return tuple(Spending(at_wall_s=NOW_S - ago, **usage) for ago in seconds_ago)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        pytest.param(Budget(), [], id="none"),
        pytest.param(Budget(window=HOUR), [3600.0], id="authored"),
        pytest.param(Budget(dispatches_per_day_max=20), [DAY_S], id="the-day-of-the-settings"),
        pytest.param(Budget(window=HOUR, dispatches_per_day_max=20), [3600.0, DAY_S], id="both"),
    ],
)
def test_a_budget_has_its_own_window_and_the_day_of_the_settings(
    budget: Budget, expected: list[float]
) -> None:
    assert [w.per_s for w in windows(budget)] == expected


@pytest.mark.parametrize(
    ("window", "ledger", "words"),
    [
        pytest.param(HOUR, (), None, id="nothing-spent"),
        pytest.param(HOUR, at(10.0), None, id="one-of-two"),
        pytest.param(HOUR, at(3599.0, 0.0), "2 of 2 dispatches in 1 h used", id="two-of-two"),
        pytest.param(HOUR, at(3600.0, 0.0), None, id="what-is-as-old-as-the-window-left-it"),
        pytest.param(
            BudgetWindow(per_s=60.0, tokens_max=10),
            at(5.0, 1.0, tokens=5),
            "10 of 10 tokens in 1 m used",
            id="tokens",
        ),
        pytest.param(
            BudgetWindow(per_s=60.0, tokens_max=10), at(5.0, 1.0), None, id="absent-tokens-are-not-spent"
        ),
        pytest.param(
            BudgetWindow(per_s=2 * DAY_S, cost_usd_max=0.3),
            at(3.0, 2.0, 1.0, cost_usd=0.1),
            "0.30 of 0.30 USD in 2 d used",
            id="dollars-add-up-exactly",
        ),
        pytest.param(
            HOUR, at(-500.0, -400.0), "2 of 2 dispatches in 1 h used", id="a-clock-set-back-frees-nothing"
        ),
    ],
)
def test_a_window_is_exhausted_at_its_limit(window: BudgetWindow, ledger: Ledger, words: str | None) -> None:
    assert exhausted(Budget(window=window), ledger, NOW_S) == words


def test_the_latest_of_several_windows_says_when_to_go_on() -> None:
    budget = Budget(window=HOUR, dispatches_per_day_max=2)
    assert renews_wall_s(budget, at(100.0, 50.0), NOW_S) == NOW_S - 100.0 + DAY_S
    assert renews_wall_s(budget, at(100.0), NOW_S) is None
    assert tokens_left(budget, at(100.0), NOW_S) is None


def test_a_large_dispatch_frees_its_window_only_when_it_leaves() -> None:
    window = BudgetWindow(per_s=3600.0, tokens_max=100)
    ledger = (*at(300.0, tokens=10), *at(200.0, tokens=95), *at(100.0, tokens=3))
    assert renews_wall_s(Budget(window=window), ledger, NOW_S) == NOW_S - 300.0 + 3600.0, (
        "98 of 100 are left then"
    )
    ledger = (*at(300.0, tokens=1), *at(200.0, tokens=95), *at(100.0, tokens=5))
    assert renews_wall_s(Budget(window=window), ledger, NOW_S) == NOW_S - 200.0 + 3600.0


def test_what_was_reserved_is_replaced_by_what_it_cost_or_taken_back() -> None:
    ledger = reserved((), at_wall_s=NOW_S, tokens=500, cost_usd=2.0)
    assert charged(ledger, tokens=7, cost_usd=None) == (Spending(at_wall_s=NOW_S, tokens=7),)
    assert unspent(ledger) == ()
    assert charged((), tokens=1, cost_usd=1.0) == ()


def test_what_is_older_than_every_window_is_forgotten() -> None:
    ledger = reserved(at(WINDOW_S_MAX, 5.0), at_wall_s=NOW_S, tokens=None, cost_usd=None)
    assert [e.at_wall_s for e in ledger] == [NOW_S - 5.0, NOW_S]


@given(
    gaps_s=st.lists(st.floats(0.0, 50_000.0), min_size=1, max_size=3 * ENTRIES_MAX),
    tokens=st.none() | st.integers(0, 50),
    per_s=st.sampled_from([60.0, 3600.0, DAY_S, WINDOW_S_MAX]),
    limit=st.integers(1, 200),
)
def test_a_bounded_ledger_never_frees_a_window_early(
    gaps_s: list[float], tokens: int | None, per_s: float, limit: int
) -> None:
    """Every dispatch ever made, against the ledger: the window says no less than what really counts."""
    window = BudgetWindow(per_s=per_s, dispatches_max=limit, tokens_max=limit)
    budget = Budget(window=window)
    ledger: Ledger = ()
    made: list[float] = []
    wall_s = NOW_S
    for gap_s in gaps_s:
        wall_s += gap_s
        made.append(wall_s)
        ledger = reserved(ledger, at_wall_s=wall_s, tokens=99, cost_usd=None)
        ledger = charged(ledger, tokens=tokens, cost_usd=None)
        assert len(ledger) <= ENTRIES_MAX
    real = sum(1 for m in made if m > wall_s - per_s)
    used = spent(ledger, window, wall_s)
    assert used.dispatches >= real
    assert (used.tokens or 0) >= real * (tokens or 0)
    opens_s = renews_wall_s(budget, ledger, wall_s)
    assert (opens_s is None) == (exhausted(budget, ledger, wall_s) is None)
    if opens_s is not None:
        assert exhausted(budget, ledger, opens_s) is None
        assert exhausted(budget, ledger, opens_s - 0.01) is not None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (DAY_S, "24 h"),
        (7 * DAY_S, "7 d"),
        (5400.0, "90 m"),
        (30.0, "30 s"),
        (0.5, "0.5 s"),
        (36 * 3600.0, "36 h"),
    ],
)
def test_a_window_is_named_as_it_is_written(seconds: float, words: str) -> None:
    assert span(seconds) == words
