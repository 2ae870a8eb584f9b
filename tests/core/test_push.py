"""A storm of pushes is a few looks, and an end waits for what was pushed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.push import LOOKS_AT_ONCE, REFILL_S_MAX, Pushed, due_s, is_awaited, looked, pushed


def played(
    pushes: list[float], *, until_s: float, took_s: float = 0.01, news: bool = False
) -> tuple[Pushed, list[float]]:
    """Pushes at these times, and a look each time that one is due; the looks' beginnings."""
    state, looks, ahead = Pushed(), list[float](), sorted(pushes)
    now_s = 0.0
    while now_s <= until_s:
        due = due_s(state)
        if due is not None and due <= now_s:
            looks.append(now_s)
            ends_s = now_s + took_s
            while ahead and ahead[0] <= ends_s:
                state = pushed(state, ahead.pop(0))
            state = looked(state, began_s=now_s, ended_s=ends_s, has_news=news)
            now_s = ends_s
            continue
        times = [t for t in (due, ahead[0] if ahead else None) if t is not None]
        if not times:
            break
        now_s = max(now_s, min(times))
        while ahead and ahead[0] <= now_s:
            state = pushed(state, ahead.pop(0))
    return state, looks


def test_the_first_pushes_are_answered_at_once() -> None:
    _, looks = played([100.0, 100.1, 100.2], until_s=200.0)
    assert looks == [100.0, 100.1, 100.2]


def test_pushes_that_come_together_are_one_look() -> None:
    state, looks = played([100.0] * 50, until_s=200.0)
    assert looks == [100.0]
    assert (state.pushes, state.looks, state.owed_s) == (50, 1, None)


def test_a_push_during_a_look_asks_for_one_more() -> None:
    _, looks = played([100.0, 102.0, 103.0], until_s=200.0, took_s=5.0)
    assert looks == [100.0, 105.0]


def test_a_storm_without_news_is_no_more_than_polling_twice_as_often() -> None:
    storm = [100.0 + 0.1 * n for n in range(36_000)]
    _, looks = played(storm, until_s=3700.0)
    assert len(looks) <= LOOKS_AT_ONCE + 10 + 3600 / REFILL_S_MAX


def test_a_storm_of_news_is_a_look_a_second() -> None:
    storm = [100.0 + 0.01 * n for n in range(6000)]
    _, looks = played(storm, until_s=160.0, news=True)
    assert len(looks) <= LOOKS_AT_ONCE + 61


def test_looks_that_take_long_fill_a_quarter_of_the_time_at_most() -> None:
    storm = [100.0 + 0.5 * n for n in range(7200)]
    _, looks = played(storm, until_s=3700.0, took_s=60.0, news=True)
    assert len(looks) * 60.0 <= 3600 / 4 + (LOOKS_AT_ONCE + 1) * 60.0


def test_after_a_storm_a_push_is_answered_at_once_again() -> None:
    storm = [100.0 + 0.01 * n for n in range(6000)]
    _, looks = played([*storm, 1000.0], until_s=1100.0)
    assert looks[-1] == 1000.0


def test_a_look_that_was_asked_for_otherwise_answers_what_was_pushed_before_it() -> None:
    state = looked(pushed(Pushed(), 10.0), began_s=10.5, ended_s=11.0, has_news=False)
    assert due_s(state) is None


def test_a_look_that_began_before_the_push_does_not_answer_it() -> None:
    state = looked(pushed(Pushed(), 10.0), began_s=9.9, ended_s=11.0, has_news=False)
    assert due_s(state) == 10.0


@pytest.mark.parametrize(
    ("looks", "is_held"), [pytest.param(1, True, id="once-more"), pytest.param(2, False, id="then-it-stands")]
)
def test_after_two_disturbed_looks_in_a_row_the_verdict_stands(looks: int, is_held: bool) -> None:
    state = Pushed()
    for n in range(looks):
        state = pushed(state, n + 0.5)
        state = looked(state, began_s=float(n), ended_s=n + 0.9, has_news=False)
    assert is_awaited(state) is is_held


@given(st.lists(st.floats(0.0, 1000.0), max_size=200), st.floats(0.0, 30.0), st.booleans())
def test_every_push_is_answered_by_a_look_that_began_after_it(
    times: list[float], took_s: float, news: bool
) -> None:
    state, looks = played(times, until_s=1e9, took_s=took_s, news=news)
    assert state.owed_s is None
    assert all(any(began_s >= at_s for began_s in looks) for at_s in times)
