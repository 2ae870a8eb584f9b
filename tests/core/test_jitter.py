"""Spread without randomness."""

from kazid.core.jitter import INTERVAL_SPREAD, fraction, spread_interval_s


def test_a_fraction_depends_on_nothing_but_its_parts() -> None:
    assert fraction("ada", "web", 3) == fraction("ada", "web", 3)
    assert fraction("ada", "web", 3) != fraction("ada", "web", 4)
    assert fraction("ab", "c") != fraction("a", "bc")


def test_fractions_are_at_least_0_and_below_1_and_evenly_spread() -> None:
    values = [fraction("ada", goal, look) for goal in range(50) for look in range(50)]
    assert all(0.0 <= value < 1.0 for value in values)
    tenths = [sum(1 for value in values if int(value * 10) == tenth) for tenth in range(10)]
    assert min(tenths) > 150


def test_an_interval_is_spread_by_a_tenth_either_way() -> None:
    values = [spread_interval_s(30.0, "ada", "web", look) for look in range(500)]
    assert 30.0 * (1 - INTERVAL_SPREAD) <= min(values) < 27.5
    assert 32.5 < max(values) <= 30.0 * (1 + INTERVAL_SPREAD)


def test_goals_applied_together_do_not_wake_together() -> None:
    wakes = {round(spread_interval_s(30.0, "ada", f"goal-{n}", "livez", 1), 2) for n in range(1000)}
    assert len(wakes) > 400
