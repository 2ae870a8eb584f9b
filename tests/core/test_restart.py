"""Restart intensity: how many crashes of a goal's own task are too many (DESIGN §4)."""

from kazid.core.restart import PERIOD_S, GiveUp, Restart, on_crash


def crashes(*at_s: float) -> Restart | GiveUp:
    recent: tuple[float, ...] = ()
    outcome: Restart | GiveUp = Restart(recent=())
    for now_s in at_s:
        outcome = on_crash(recent, now_s=now_s)
        if isinstance(outcome, GiveUp):
            return outcome
        recent = tuple(outcome.recent)
    return outcome


def test_fifth_crash_within_a_minute_parks_the_goal() -> None:
    assert isinstance(crashes(0, 1, 2, 3), Restart)
    assert crashes(0, 1, 2, 3, 4) == GiveUp(crashes=5)
    assert crashes(0, 1, 2, 3, 59.9) == GiveUp(crashes=5)


def test_a_crash_a_minute_ago_is_forgotten() -> None:
    assert crashes(0, 1, 2, 3, PERIOD_S) == Restart(recent=(1, 2, 3, PERIOD_S))


def test_a_slow_trickle_of_crashes_never_gives_up() -> None:
    assert isinstance(crashes(*(position * 16.0 for position in range(200))), Restart)


def test_what_is_remembered_is_bounded() -> None:
    outcome = crashes(*(position * 16.0 for position in range(200)))
    assert isinstance(outcome, Restart)
    assert len(outcome.recent) <= 4
