"""What an episode may cost, and whether it has (SEMANTICS §4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.budget import (
    Ceiling,
    Reservation,
    clock_deadline_s,
    clock_exceeded,
    clock_used_s,
    cost_charged_usd,
    cost_reserved_usd,
    dispatches_exceeded,
    exceeded,
    reservation,
    tokens_reserved,
    tokens_used,
)
from kazid.core.event import ActEnded, ActIntended, Usage
from kazid.core.fold import advance
from kazid.core.goal import Budget, BudgetWindow
from kazid.core.ids import AttemptId, Epoch, Generation
from kazid.core.instant import Now
from kazid.core.window import Spending
from tests.builders import a_goal, a_harness, a_predicate, a_progress, an_episode

NOW = Now(boot_s=1000.0, wall_s=1_000_000.0)


@pytest.mark.parametrize(
    ("budget", "spent", "ceiling"),
    [
        pytest.param(Budget(), {"iterations": 99, "tokens": 10**9, "cost_usd": 1e6}, None, id="no-ceiling"),
        pytest.param(Budget(iterations_max=3), {"iterations": 2}, None, id="below"),
        pytest.param(Budget(iterations_max=3), {"iterations": 3}, Ceiling.ITERATIONS, id="at"),
        pytest.param(Budget(iterations_max=3), {"iterations": 4}, Ceiling.ITERATIONS, id="beyond"),
        pytest.param(Budget(tokens_max=10), {"tokens": 10}, Ceiling.TOKENS, id="tokens"),
        pytest.param(Budget(tokens_max=10), {}, None, id="no-usage-yet"),
        pytest.param(Budget(cost_usd_max=1.0), {"cost_usd": 1.0}, Ceiling.COST, id="cost"),
        pytest.param(Budget(wall_clock_s_max=1000.0), {}, Ceiling.WALL_CLOCK, id="clock"),
    ],
)
def test_a_ceiling_trips_at_the_limit(
    budget: Budget, spent: dict[str, float], ceiling: Ceiling | None
) -> None:
    over = exceeded(budget, an_episode(**spent), now_s=NOW.boot_s)
    assert (None if over is None else over.ceiling) is ceiling


def test_ceilings_trip_in_a_fixed_order() -> None:
    left = {
        Ceiling.ITERATIONS: {"iterations_max": 1},
        Ceiling.WALL_CLOCK: {"wall_clock_s_max": 1.0},
        Ceiling.TOKENS: {"tokens_max": 1},
        Ceiling.COST: {"cost_usd_max": 1.0},
    }
    episode = an_episode(iterations=1, tokens=1, cost_usd=1.0)
    for ceiling in list(left):
        limits = {k: v for keys in left.values() for k, v in keys.items()}
        over = exceeded(Budget(**limits), episode, now_s=NOW.boot_s)
        assert over is not None
        assert over.ceiling is ceiling
        del left[ceiling]


@pytest.mark.parametrize(
    ("since_s", "used_s", "expected_s"),
    [(900.0, 0.0, 100.0), (900.0, 50.0, 150.0), (None, 50.0, 50.0), (1100.0, 0.0, 0.0)],
    ids=["running", "resumed", "standing-still", "never-negative"],
)
def test_wall_clock_is_what_ran_before_and_what_runs_now(
    since_s: float | None, used_s: float, expected_s: float
) -> None:
    episode = an_episode(clock_since_s=since_s, clock_used_s=used_s)
    assert clock_used_s(episode, now_s=NOW.boot_s) == expected_s


@pytest.mark.parametrize("used_s", [0.0, 0.1, 1 / 3, 17.3])
@pytest.mark.parametrize("since_s", [0.1, 1e6 / 7, 12345.678])
def test_the_clock_is_exceeded_exactly_at_its_deadline(used_s: float, since_s: float) -> None:
    budget = Budget(wall_clock_s_max=100.1)
    episode = an_episode(clock_since_s=since_s, clock_used_s=used_s)
    deadline_s = clock_deadline_s(budget, episode)
    assert deadline_s is not None
    assert clock_exceeded(budget, episode, now_s=deadline_s) is not None
    assert clock_exceeded(budget, episode, now_s=deadline_s - 0.001) is None


def test_a_clock_that_stands_still_has_no_deadline() -> None:
    budget = Budget(wall_clock_s_max=100.0)
    assert clock_deadline_s(budget, an_episode(clock_since_s=None)) is None
    assert clock_deadline_s(budget, None) is None
    assert clock_deadline_s(Budget(), an_episode()) is None
    assert clock_exceeded(budget, an_episode(clock_since_s=None, clock_used_s=100.0), now_s=0.0) is not None
    assert clock_exceeded(budget, an_episode(clock_since_s=None, clock_used_s=99.0), now_s=1e9) is None


def test_the_episode_ends_before_the_window_does() -> None:
    spent = (Spending(at_wall_s=NOW.wall_s - 5), Spending(at_wall_s=NOW.wall_s))
    progress = a_progress(episode=an_episode(dispatches=2), spent=spent)
    assert dispatches_exceeded(Budget(), progress, NOW) is None
    assert dispatches_exceeded(Budget(dispatches_max=3, dispatches_per_day_max=3), progress, NOW) is None
    episode_over = dispatches_exceeded(Budget(dispatches_max=2, dispatches_per_day_max=2), progress, NOW)
    day_over = dispatches_exceeded(Budget(dispatches_max=3, dispatches_per_day_max=2), progress, NOW)
    assert episode_over is not None
    assert day_over is not None
    assert (episode_over.ceiling, day_over.ceiling) == (Ceiling.DISPATCHES, Ceiling.WINDOW)


@pytest.mark.parametrize(
    ("tokens_max", "used", "expected"),
    [
        (None, 5, None),
        (1_000_000, None, Budget().tokens_per_dispatch),
        (1_000_000, 900_000, 100_000),
        (1_000, 5_000, 0),
    ],
)
def test_a_dispatch_reserves_what_is_left_and_no_more_than_one_costs(
    tokens_max: int | None, used: int | None, expected: int | None
) -> None:
    assert (
        tokens_reserved(Budget(tokens_max=tokens_max), a_progress(episode=an_episode(tokens=used)), NOW)
        == expected
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(Usage(), None, id="nothing-reported-is-not-zero"),
        pytest.param(Usage(cost_usd=1.0), None, id="money-is-no-tokens"),
        pytest.param(Usage(input_tokens=100, output_tokens=50), 150, id="in-and-out"),
        pytest.param(Usage(input_tokens=100, cached_input_tokens=1000), 200, id="cached-reads-weigh-a-tenth"),
        pytest.param(Usage(output_tokens=0), 0, id="zero-reported"),
    ],
)
def test_cached_reads_count_by_their_weight(usage: Usage, expected: int | None) -> None:
    assert tokens_used(usage, cached_read_weight=0.1) == expected


@pytest.mark.parametrize(
    ("cost_usd_max", "used", "expected"),
    [
        pytest.param(None, 5.0, None, id="no-ceiling"),
        pytest.param(5.0, None, Budget().cost_usd_per_dispatch, id="one-dispatch"),
        pytest.param(5.0, 4.5, 0.5, id="what-is-left"),
        pytest.param(0.1, None, 0.1, id="less-than-one-dispatch"),
        pytest.param(1.0, 5.0, 0.0, id="overspent"),
    ],
)
def test_a_dispatch_reserves_dollars_as_it_reserves_tokens(
    cost_usd_max: float | None, used: float | None, expected: float | None
) -> None:
    assert (
        cost_reserved_usd(
            Budget(cost_usd_max=cost_usd_max), a_progress(episode=an_episode(cost_usd=used)), NOW
        )
        == expected
    )


def test_a_remedy_reserves_nothing() -> None:
    budget = Budget(cost_usd_max=5.0, tokens_max=500)
    progress = a_progress(episode=an_episode())
    assert reservation(budget, progress, NOW, rung="remedy:0") == Reservation()
    reserved = reservation(budget, progress, NOW, rung="harness:claude")
    assert reserved == Reservation(tokens=500, cost_usd=2.0)


def test_a_dispatch_reserves_no_more_than_its_window_has_left() -> None:
    window = BudgetWindow(per_s=3600.0, tokens_max=1_000, cost_usd_max=1.5)
    budget = Budget(tokens_max=700, cost_usd_max=5.0, window=window, tokens_per_dispatch=600)
    spent = (Spending(at_wall_s=NOW.wall_s - 10.0, tokens=500, cost_usd=1.25),)
    progress = a_progress(episode=an_episode(), spent=spent)
    reserved = reservation(budget, progress, NOW, rung="harness:claude")
    assert reserved == Reservation(tokens=500, cost_usd=0.25), "the window is the tighter one"
    later = Now(boot_s=NOW.boot_s, wall_s=NOW.wall_s + 3600.0)
    reserved = reservation(budget, progress, later, rung="harness:claude")
    assert reserved == Reservation(tokens=600, cost_usd=1.5), (
        "renewed: one dispatch of the settings, the window"
    )


@pytest.mark.parametrize(
    ("usage", "reserved_usd", "expected"),
    [
        pytest.param(Usage(cost_usd=7.0), 2.0, (7.0, False), id="reported-as-it-is"),
        pytest.param(Usage(cost_usd=0.0), 2.0, (0.0, False), id="zero-is-a-report"),
        pytest.param(Usage(input_tokens=5), 2.0, (2.0, True), id="tokens-are-no-money"),
        pytest.param(None, 2.0, (2.0, True), id="nothing-reported"),
        pytest.param(None, None, (None, False), id="no-ceiling"),
    ],
)
def test_a_dispatch_that_reports_no_cost_is_charged_its_reservation(
    usage: Usage | None, reserved_usd: float | None, expected: tuple[float | None, bool]
) -> None:
    assert cost_charged_usd(usage, reserved_usd=reserved_usd) == expected


@given(
    ceiling_usd=st.floats(0.01, 50.0),
    parts=st.lists(st.none() | st.floats(0.0, 2.0), max_size=60),
)
def test_never_more_than_one_reservation_above_the_ceiling_is_spent(
    ceiling_usd: float, parts: list[float | None]
) -> None:
    """An agent reports nothing, or up to twice what it was told: its last message comes after its limit."""
    budget = Budget(cost_usd_max=ceiling_usd)
    goal = a_goal(a_predicate("tests"), harness=a_harness(), budget=budget)
    progress = a_progress(episode=an_episode())
    for number, part in enumerate(parts, start=1):
        assert progress.episode is not None
        if exceeded(budget, progress.episode, now_s=NOW.boot_s) is not None:
            break
        reserved_usd = reservation(budget, progress, NOW, rung="harness:claude").cost_usd
        assert reserved_usd is not None
        assert reserved_usd > 0, "nothing starts unreserved"
        attempt_id = AttemptId(f"a{number}")
        intent = ActIntended(
            attempt_id=attempt_id, rung="harness:claude", predicates=("tests",), epoch=Epoch(1),
            generation=Generation(1), fingerprint=str(number), number=number, cost_usd_reserved=reserved_usd,
        )  # fmt: skip
        progress = advance(goal, progress, intent, at=NOW)
        assert progress.act is not None
        assert progress.act.cost_usd_reserved == reserved_usd
        usage = None if part is None else Usage(cost_usd=reserved_usd * part)
        charged_usd, is_estimate = cost_charged_usd(usage, reserved_usd=progress.act.cost_usd_reserved)
        ended = ActEnded(
            attempt_id=attempt_id, ending="exited", ended_s=NOW.boot_s, usage=usage,
            cost_usd_charged=charged_usd, cost_estimated=is_estimate,
        )  # fmt: skip
        progress = advance(goal, progress, ended, at=NOW)
    assert progress.episode is not None
    assert (progress.episode.cost_usd or 0.0) <= ceiling_usd + Budget().cost_usd_per_dispatch + 1e-5
    assert progress.episode.cost_estimated is (None in parts[: progress.acts])


def test_a_cost_without_a_charge_in_an_old_journal_still_counts() -> None:
    goal = a_goal(a_predicate("tests"), harness=a_harness())
    progress = a_progress(episode=an_episode(cost_usd=0.1))
    intent = ActIntended(
        attempt_id=AttemptId("a1"), rung="harness:claude", predicates=("tests",), epoch=Epoch(1),
        generation=Generation(1), fingerprint="f", number=1,
    )  # fmt: skip
    ended = ActEnded(attempt_id=AttemptId("a1"), ending="exited", ended_s=0.0, usage=Usage(cost_usd=0.2))
    progress = advance(goal, advance(goal, progress, intent, at=NOW), ended, at=NOW)
    assert progress.episode is not None
    assert progress.episode.cost_usd == 0.3, "to the micro-dollar"
