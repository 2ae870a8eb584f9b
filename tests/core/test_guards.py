"""Every guard is listed, also those beneath what people and others hold; lifted, they hold no more."""

import pytest
from msgspec.structs import replace

from kazid.core.decide import decide
from kazid.core.decision import Act, Hold, OpenEpisode
from kazid.core.goal import Goal
from kazid.core.guards import guards_of
from kazid.core.progress import Deferred, Desired, Frozen, Progress
from kazid.core.vector import assess
from tests.builders import FAIL, PASS, a_goal, a_predicate, a_remedy
from tests.core.lifting import lifted
from tests.played import Played


def held_by_backoff() -> Played:
    """A service that is red again right after a remedy, so that a backoff runs."""
    goal = a_goal(a_predicate("livez", live=True), remedies=[a_remedy(attempts=9)], standing=True)
    play = Played(goal).looks(FAIL, FAIL)
    while isinstance(play.decide(), Act | OpenEpisode):
        play.acted()
        play.looks(FAIL, FAIL)
    assert [g.name for g in play.held().guards] == ["backoff"]
    return play


def names(goal: Goal, progress: Progress, play: Played) -> list[str]:
    return [g.name for g in guards_of(goal, progress, assess(goal, progress, play.now), play.now)]


SUSPENDED = {"desired": Desired.SUSPENDED, "suspend_reason": "x"}
FROZEN = {"frozen": Frozen(number=1, reason="x")}
DEFERRED = {"deferred": Deferred(waits_for="lease", holder="ada/other", since_s=0.0)}


@pytest.mark.parametrize(
    ("besides", "expected"),
    [
        pytest.param({}, ["backoff"], id="alone"),
        pytest.param(SUSPENDED, ["suspended", "backoff"], id="beneath-a-suspension"),
        pytest.param({**SUSPENDED, **FROZEN}, ["frozen", "suspended", "backoff"], id="beneath-both-fences"),
        pytest.param(DEFERRED, ["backoff", "lease"], id="beside-somebody-elses-lease"),
        pytest.param({**FROZEN, **DEFERRED}, ["frozen", "backoff", "lease"], id="all-at-once"),
    ],
)
def test_what_holds_beneath_is_listed_too(besides: dict[str, object], expected: list[str]) -> None:
    play = held_by_backoff()
    assert names(play.goal, replace(play.progress, **besides), play) == expected


def test_each_guard_that_is_lifted_is_gone_and_the_others_stay() -> None:
    play = held_by_backoff()
    progress = replace(play.progress, **SUSPENDED, **FROZEN, **DEFERRED)
    vector = assess(play.goal, progress, play.now)
    listed = guards_of(play.goal, progress, vector, play.now)
    for guard in listed:
        without = lifted(play.goal, progress, guard, play.now)
        left = names(play.goal, without, play)
        assert left == [g.name for g in listed if g is not guard]
    for guard in listed:
        progress = lifted(play.goal, progress, guard, play.now)
    after = decide(play.goal, progress, assess(play.goal, progress, play.now), play.now)
    assert not isinstance(after, Hold), "nothing that was not listed holds it"


def test_a_stopped_goal_is_held_by_that_alone() -> None:
    play = held_by_backoff()
    stopped = replace(play.progress, desired=Desired.STOPPED, **DEFERRED)
    assert names(play.goal, stopped, play) == ["stopped"]


def test_a_goal_that_holds_lists_nothing() -> None:
    play = Played(a_goal(a_predicate("livez", live=True), standing=True)).looks(PASS, PASS)
    play.turn()
    assert guards_of(play.goal, play.progress, play.vector, play.now) == ()
