"""How long a predicate is left alone: 5 s · 2ⁿ, cap 5 min, full jitter, and when n is forgotten (SEMANTICS §4)."""

import pytest

from kazid.core import backoff
from kazid.core.backoff import crash_loops, delay_s, exponent, next_attempt_s, stable_after_s
from kazid.core.progress import PredicateState
from tests.builders import FAIL, PASS, a_goal, a_predicate, a_remedy, a_service, a_state
from tests.played import Played

LIVEZ = a_predicate("livez", live=True)


def a_failed(n: int, **fields: object) -> PredicateState:
    """A predicate after n acts that no green followed, the last of which ended at 100."""
    return a_state(FAIL, **{"backoff_n": n, "acts": n, "last_act_ended_s": 100.0, **fields})


@pytest.mark.parametrize(
    ("n", "ceiling_s"), [(1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (7, 300), (1000, 300)]
)
def test_the_delay_doubles_up_to_five_minutes_with_full_jitter(n: int, ceiling_s: float) -> None:
    delays = [delay_s(LIVEZ, a_failed(n, last_act_ended_s=100.0 + i), now_s=0.0) for i in range(400)]
    assert 0.0 <= min(delays) < 0.05 * ceiling_s
    assert 0.95 * ceiling_s < max(delays) < ceiling_s
    assert 0.4 * ceiling_s < sum(delays) / len(delays) < 0.6 * ceiling_s


def test_the_first_act_starts_at_once() -> None:
    assert next_attempt_s(LIVEZ, a_state(FAIL), now_s=7.0) == 0.0


def test_the_first_act_of_an_episode_starts_at_once_whatever_failed_before() -> None:
    state = a_failed(5, acts=0)
    assert exponent(state, now_s=100.0) == 0
    assert next_attempt_s(LIVEZ, state, now_s=100.0) == 100.0


def test_the_second_act_of_an_episode_remembers_what_failed_before() -> None:
    play = Played(a_service(remedies=[a_remedy(attempts=9)])).looks(FAIL, FAIL)
    for _ in range(2):
        play.acted()
        play.looks(FAIL, FAIL).advance(60.0).look("livez", FAIL)
    play.acted()
    play.looks(PASS, PASS).turn()
    play.advance(2.0).looks(FAIL, FAIL).turn()
    assert (play.episode.number, exponent(play.state("livez"), now_s=play.now.boot_s)) == (2, 0)
    play.acted()
    assert exponent(play.state("livez"), now_s=play.now.boot_s) == 2 + 1


def test_the_delay_is_the_same_at_every_replay() -> None:
    assert delay_s(LIVEZ, a_failed(3), now_s=0.0) == delay_s(LIVEZ, a_failed(3), now_s=50.0)


@pytest.mark.parametrize(
    ("repairs_s", "loops"),
    [
        ((), 0),
        ((700, 800, 900), 0),
        ((700, 800, 900, 950), 1),
        ((700, 800, 900, 950, 960), 2),
        ((100, 200, 300, 350, 360), 0),
        ((400, 800, 900, 950), 0),
    ],
)
def test_repairs_beyond_the_third_in_ten_minutes_are_a_crash_loop(
    repairs_s: tuple[float, ...], loops: int
) -> None:
    assert crash_loops(a_state(repairs_s=repairs_s), now_s=1000.0) == loops


def test_a_crash_loop_slows_down_even_the_first_act_of_an_episode() -> None:
    state = a_failed(0, acts=0, repairs_s=(40.0, 60.0, 80.0, 100.0, 110.0), last_act_ended_s=110.0)
    assert exponent(state, now_s=120.0) == 2
    assert next_attempt_s(LIVEZ, state, now_s=120.0) > 110.0


def test_a_verified_green_takes_its_own_act_off_the_count() -> None:
    play = Played(a_service(remedies=[a_remedy(attempts=9)])).looks(FAIL, FAIL)
    for _ in range(2):
        play.acted()
        play.looks(FAIL, FAIL).advance(60.0).look("livez", FAIL)
    play.acted()
    assert play.state("livez").backoff_n == 3
    play.looks(PASS, PASS)
    assert (play.state("livez").backoff_n, len(play.state("livez").repairs_s)) == (2, 1)


@pytest.mark.parametrize(
    ("interval_s", "last_delay_s", "expected_s"),
    [
        pytest.param(10.0, 0.0, 60.0, id="a-minute"),
        pytest.param(50.0, 0.0, 100.0, id="two-intervals"),
        pytest.param(30.0, 200.0, 200.0, id="the-last-delay"),
        pytest.param(None, 0.0, 60.0, id="no-interval"),
    ],
)
def test_failures_are_forgotten_after_a_green_that_lasted(
    interval_s: float | None, last_delay_s: float, expected_s: float
) -> None:
    predicate = a_predicate("livez", live=True, interval_s=interval_s)
    assert stable_after_s(predicate, a_state(last_delay_s=last_delay_s)) == expected_s


def test_n_returns_to_0_after_a_green_that_lasted_and_not_before() -> None:
    goal = a_goal(
        LIVEZ, a_predicate("other", live=True), remedies=[a_remedy("livez", attempts=9)], standing=True
    )
    play = Played(goal).looks(FAIL, FAIL)
    for _ in range(3):
        play.acted()
        play.looks(FAIL, FAIL).advance(40.0).look("livez", FAIL)
    play.acted()
    play.looks(PASS, PASS)
    green_s, last_delay_s = play.now.boot_s, play.state("livez").last_delay_s
    stable_s = max(60.0, last_delay_s)
    play.look("livez", PASS, at=green_s + stable_s - 1.0)
    assert play.state("livez").backoff_n == 3
    play.look("livez", PASS, at=green_s + stable_s)
    state = play.state("livez")
    assert (state.backoff_n, state.last_delay_s, tuple(state.repairs_s)) == (0, 0.0, ())
    assert exponent(state, now_s=play.now.boot_s) == 0


def test_a_red_starts_the_lasting_green_again() -> None:
    play = Played(a_service()).looks(FAIL, FAIL)
    play.acted()
    play.looks(PASS, PASS).advance(50.0).looks(PASS, FAIL, PASS, PASS).advance(30.0).look("livez", PASS)
    assert play.state("livez").repairs_s != ()


def test_a_blip_after_a_repair_is_no_second_repair() -> None:
    goal = a_goal(LIVEZ, a_predicate("other", live=True), remedies=[a_remedy("livez")], standing=True)
    play = Played(goal).looks(FAIL, FAIL)
    play.acted()
    play.looks(PASS, PASS)
    for _ in range(6):
        play.advance(2.0).looks(FAIL, PASS, PASS)
    assert len(play.state("livez").repairs_s) == 1
    assert crash_loops(play.state("livez"), now_s=play.now.boot_s) == 0


def test_a_green_without_an_act_is_no_repair() -> None:
    play = Played(a_service()).looks(FAIL, FAIL, PASS, PASS)
    assert play.state("livez").repairs_s == ()


def test_backoff_is_per_predicate() -> None:
    goal = a_goal(LIVEZ, a_predicate("other", live=True), remedies=[a_remedy("livez")], standing=True)
    play = Played(goal).looks(FAIL, FAIL).looks(FAIL, FAIL, of="other")
    play.acted()
    assert (play.state("livez").backoff_n, play.state("other").backoff_n) == (1, 0)


def test_what_is_kept_of_repairs_is_enough_for_the_cap() -> None:
    assert backoff.BASE_S * 2.0 ** (backoff.REPAIRS_KEPT - backoff.REPAIRS_FREE) >= backoff.CAP_S


def test_each_failure_draws_a_delay_of_its_own() -> None:
    shares = {delay_s(LIVEZ, a_failed(n), now_s=0.0) / min(300.0, 5.0 * 2.0**n) for n in range(1, 6)}
    assert len(shares) == 5, "the same share each time would keep goals that fail together in step"
