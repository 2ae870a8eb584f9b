"""`explain` lists every guard: what is listed holds, what is not listed never blocks, and each opens when it says."""

from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from kazid.core.decide import decide
from kazid.core.decision import Act, Guard, Hold, Look, OpenEpisode
from kazid.core.event import EpisodeOpened, GoalFrozen
from kazid.core.fold import advance
from kazid.core.goal import Budget, BudgetWindow
from kazid.core.guards import guards_of, without
from kazid.core.ids import Epoch
from kazid.core.status import Cause, GoalStatus
from kazid.core.window import Spending
from tests.builders import a_goal, a_predicate, a_remedy, act_ended, act_intended
from tests.core.strategies import FAIL, stories
from tests.core.test_properties import quick
from tests.played import Played

OPENS_BY_TIME = {"backoff", "half_open"}
INSTANT_S = 0.01
BY_WORD = {"suspended", "frozen"}


def listed(play: Played) -> tuple[Guard, ...]:
    return guards_of(play.goal, play.progress, play.vector, play.now)


def names(play: Played) -> list[str]:
    return [guard.name for guard in listed(play)]


def held_back() -> Played:
    """A standing goal whose remedy did nothing, again and again; seen red since, while its backoff runs."""
    remedy = a_remedy("livez", attempts=9)
    play = Played(a_goal(a_predicate("livez", live=True), standing=True, remedies=[remedy]))
    play.looks(FAIL, FAIL)
    play.turn()
    for number in range(1, 7):
        _try_in_vain(play, number)
    return play


def _try_in_vain(play: Played, number: int) -> None:
    play.record(act_intended(attempt_id=f"a{number}", number=number)).advance(1.0)
    play.record(act_ended(at=play.now.boot_s, attempt_id=f"a{number}")).advance(1.0)
    play.looks(FAIL, FAIL)
    play.turn()


def freeze(play: Played) -> None:
    play.record(GoalFrozen(epoch=Epoch(play.progress.epoch + 1), number=1, reason="x", until_wall_s=None))


@pytest.mark.parametrize("hold", [Played.suspend, freeze])
def test_a_red_that_is_not_confirmed_is_listed_beneath_a_fence(hold: Any) -> None:
    play = Played(a_goal(a_predicate("livez", live=True), standing=True, remedies=[a_remedy("livez")]))
    play.look("livez", FAIL)
    hold(play)
    assert names(play)[1:] == ["confirm"]


def test_a_backoff_is_listed_beneath_a_confirmation() -> None:
    play = held_back()
    play.record(act_intended(attempt_id="a9", number=9)).advance(1.0)
    play.record(act_ended(at=play.now.boot_s, attempt_id="a9")).advance(1.0)
    play.look("livez", FAIL)
    assert names(play) == ["confirm", "backoff"]


def test_the_backoff_of_a_crash_loop_is_listed_although_its_episode_is_not_open_yet() -> None:
    play = held_back().suspend()
    state = play.state("livez")
    looping = replace(state, acts=0, backoff_n=0, repairs_s=(play.now.boot_s,) * 12)
    progress = replace(play.progress, episode=None, predicates={"livez": looping})
    play.folded = replace(play.folded, progress=progress)
    assert names(play) == ["suspended", "backoff"]


def test_the_half_open_hour_is_listed_beneath_a_suspension_with_the_person_who_may_end_it() -> None:
    play = Played(
        a_goal(a_predicate("livez", live=True), standing=True, remedies=[a_remedy("livez", attempts=1)])
    )
    play.looks(FAIL, FAIL)
    play.turn()
    _try_in_vain(play, 1)
    assert names(play) == ["person", "half_open"]
    assert names(play.suspend()) == ["suspended", "person", "half_open"]


def test_a_window_is_listed_beneath_a_suspension() -> None:
    budget = Budget(dispatches_max=9, window=BudgetWindow(per_s=3600.0, dispatches_max=1))
    play = Played(
        a_goal(a_predicate("livez", live=True), standing=True, remedies=[a_remedy("livez")], budget=budget)
    )
    spent = (Spending(at_wall_s=play.now.wall_s),)
    play.folded = replace(
        play.folded,
        progress=replace(
            play.progress, status=GoalStatus.OVER_BUDGET, cause=Cause.WINDOW_EXHAUSTED, spent=spent
        ),
    )
    assert names(play.suspend()) == ["suspended", "person", "window"]
    until_s = listed(play)[-1].until_s
    assert until_s == pytest.approx(play.now.boot_s + 3600.0)


def test_what_may_act_has_no_guard() -> None:
    play = held_back()
    until_s = listed(play)[0].until_s
    assert until_s is not None
    play.at(until_s).looks(FAIL, FAIL)
    assert isinstance(play.decide(), Act)
    assert listed(play) == ()


@quick
@given(stories())
def test_what_decides_is_listed(play: Played) -> None:
    decision = play.decide()
    hold = decision.hold if isinstance(decision, Look) else decision
    if isinstance(hold, Hold):
        assert set(map(repr, hold.guards)) <= set(map(repr, listed(play)))


@quick
@given(stories())
def test_what_is_not_listed_never_blocks(play: Played) -> None:
    """With each listed guard gone it acts, ends or looks, or is held by what is listed and no time opens."""
    found = listed(play)
    progress, vector = play.progress, play.vector
    for _ in found:
        for guard in found:
            progress, vector = without(guard, play.goal, progress, vector, play.now)
    decision = decide(play.goal, progress, vector, play.now)
    if isinstance(decision, OpenEpisode):
        opened = EpisodeOpened(number=progress.episodes + 1, red=decision.red)
        progress = advance(play.goal, progress, opened, at=play.now)
        decision = decide(play.goal, progress, vector, play.now)
    if isinstance(decision, Hold) and decision.guards:
        left = {guard.name for guard in decision.guards}
        assert left <= {guard.name for guard in found}
        assert not left & (OPENS_BY_TIME | BY_WORD)


@quick
@given(stories())
def test_every_time_that_is_listed_is_to_come(play: Played) -> None:
    assert all(guard.until_s is None or guard.until_s > play.now.boot_s for guard in listed(play))


@quick
@given(stories())
def test_what_time_opens_holds_until_then_and_no_longer(play: Played) -> None:
    for guard in listed(play):
        if guard.name not in OPENS_BY_TIME or guard.until_s is None:
            continue
        for by_s, is_held in ((-INSTANT_S, True), (INSTANT_S, False)):
            now = replace(play.now, boot_s=guard.until_s + by_s)
            if now.boot_s < play.now.boot_s:
                continue
            decision = decide(play.goal, play.progress, play.vector, now)
            found = guards_of(play.goal, play.progress, play.vector, now)
            is_there = any((g.name, g.until_s) == (guard.name, guard.until_s) for g in found)
            acts_on_it = isinstance(decision, Act) and set(guard.predicates) & set(decision.predicates)
            assert not (is_held and acts_on_it), "it acts before the announced time"
            assert is_held or not is_there, "the announced time came, and it still holds"
