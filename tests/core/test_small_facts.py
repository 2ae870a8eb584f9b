"""Small facts that the rules tell people and other modules: each was once changed by a planted fault, unnoticed."""

import pytest
from msgspec.structs import replace

from kazid.core.bundling import bundle_of
from kazid.core.decide import decide
from kazid.core.decision import Act, Cancel, CloseEpisode, Conclude, Look
from kazid.core.event import EpisodeClosed
from kazid.core.fight import _clock
from kazid.core.flake import forgotten
from kazid.core.fleet import fences
from kazid.core.guards import without
from kazid.core.ids import AttemptId, PredicateId
from kazid.core.oscillation import traded
from kazid.core.progress import ActSummary, Frozen, Seal
from kazid.core.replay import replay, sentence_of
from kazid.core.seal import BASE
from kazid.core.status import Cause, GoalStatus
from kazid.core.vector import assess
from kazid.core.window import ENTRIES_MAX, Ledger, reserved
from tests.builders import (
    FAIL,
    PASS,
    a_goal,
    a_predicate,
    a_progress,
    a_remedy,
    a_running_act,
    a_state,
    an_episode,
)
from tests.played import Played


def a_red_service(**others: object) -> Played:
    """Confirmed red, and its episode open."""
    goal = a_goal(a_predicate("livez", live=True), remedies=[a_remedy(attempts=9)], standing=True, **others)
    played = Played(goal).looks(FAIL, FAIL)
    played.turn()
    return played


def an_act(number: int, rung: str, *predicates: str) -> ActSummary:
    return ActSummary(
        attempt_id=AttemptId(f"a{number}"),
        number=number,
        rung=rung,
        title="t",
        predicates=tuple(map(PredicateId, predicates)),
        ending="exited",
    )


def test_an_episode_that_was_closed_is_closed_again_in_a_replay():
    played = a_red_service()
    played.acted(after=1.0)
    played.looks(PASS, PASS)
    played.turn()
    assert any(isinstance(record.event, EpisodeClosed) for record in played.records)
    assert replay(played.records).is_same
    assert sentence_of(CloseEpisode()) == "CloseEpisode"


@pytest.mark.parametrize(
    ("wall_s", "said"),
    [
        (0.0, "00:00:00Z"),
        (86_399.9, "23:59:59Z"),
        (86_400.0, "00:00:00Z"),
        (86_400.0 * 3 + 3661, "01:01:01Z"),
    ],
)
def test_the_time_of_day_begins_again_at_midnight(wall_s: float, said: str):
    assert _clock(wall_s) == said


def test_what_an_attempt_cost_is_added_and_one_without_a_figure_adds_nothing():
    played = a_red_service()
    for tokens in (700, None, 11):
        played.act_intended()
        played.act_ended(after=1.0, tokens=tokens)
        played.looks(FAIL, FAIL)
        played.advance(400.0).looks(FAIL, FAIL)
    assert played.episode.tokens == 711


def test_a_fence_says_when_it_ends_by_the_clock_of_acts():
    played = a_red_service()
    until_wall_s = played.now.wall_s + 90.0
    progress = replace(played.progress, frozen=Frozen(number=1, reason="r", until_wall_s=until_wall_s))
    (guard,) = fences(progress, played.vector, played.now)
    assert guard.until_s == pytest.approx(played.now.boot_s + 90.0)


def test_without_its_backoff_a_goal_acts_and_its_history_is_its_own():
    played = a_red_service()
    while isinstance(played.decide(), Act):
        played.acted(after=0.5)
        played.looks(FAIL, FAIL)
    (guard,) = played.held().guards
    assert guard.name == "backoff"
    freed, vector = without(guard, played.goal, played.progress, played.vector, played.now)
    assert isinstance(decide(played.goal, freed, vector, played.now), Act)
    assert freed.predicate(PredicateId("livez")).verdict == FAIL


def test_a_bundle_names_the_episode_the_base_and_what_each_attempt_was_for():
    played = a_red_service()
    played.acted(after=1.0)
    end = Conclude(status=GoalStatus.STUCK, cause=Cause.NO_PROGRESS, reason="r", proof={})
    progress = replace(played.progress, seal=Seal(files={BASE: "c0ffee"}, acts=0))
    bundle = bundle_of(progress, played.vector, end, played.now, changed=None)
    assert (bundle.episode, bundle.base) == (played.episode.number, "c0ffee")
    assert [tuple(attempt.predicates) for attempt in bundle.tried] == [("livez",)]


def test_an_attempt_that_tampers_is_cancelled_by_its_id():
    played = a_red_service()
    act = a_running_act(attempt_id=AttemptId("a7"), epoch=played.progress.epoch)
    progress = replace(
        played.progress, act=act, seal=Seal(files={}, acts=0, broken=("sealed:tests/test_a.py",))
    )
    decision = decide(played.goal, progress, assess(played.goal, progress, played.now), played.now)
    assert isinstance(decision, Cancel)
    assert decision.attempt_id == "a7"
    assert "tampered" in decision.reason


def test_an_end_that_nobody_may_mend_carries_its_proof():
    played = Played(a_goal(a_predicate("livez", live=True), standing=True)).looks(FAIL, FAIL)
    played.turn()
    ended = [r.event for r in played.records if getattr(r.event, "cause", None) is Cause.NO_EXECUTOR]
    assert ended
    assert getattr(ended[-1], "proof", {}) == {"livez": "fail"}


def test_a_red_from_before_a_wait_is_observed_again_and_says_so():
    played = a_red_service()
    assert isinstance(played.decide(), Act)
    waited = replace(played.progress, act_floor_s=played.now.boot_s + 1.0)
    played.advance(2.0)
    decision = decide(played.goal, waited, assess(played.goal, waited, played.now), played.now)
    assert isinstance(decision, Look)
    assert [guard.name for guard in decision.hold.guards] == ["observe"]


def test_dispatches_that_undo_each_other_are_named_and_remedies_are_no_dispatches():
    states = {"a": a_state(PASS, passes=2), "b": a_state(FAIL, fails=2)}
    goal = a_goal(a_predicate("a"), a_predicate("b"), standing=True)
    vector = assess(goal, a_progress(states=states), Played(goal).now)
    assert vector.reds
    by_agents = an_episode(acts=(an_act(1, "harness:claude", "a"),), fingerprints=("f",))
    by_remedies = an_episode(acts=(an_act(1, "remedy:0", "a"),), fingerprints=("f",))
    won_nothing = an_episode(acts=(an_act(1, "harness:claude", "b"),), fingerprints=("f",))
    assert traded(by_agents, vector) == (
        "dispatches undo each other: a was mended while b broke, and the score is no better"
    )
    assert traded(by_remedies, vector) is None
    assert traded(won_nothing, vector) is None


def test_re_runs_that_were_owed_are_forgotten_with_the_red():
    state = forgotten(a_state(FAIL, reruns_left=2, was_red=True))
    assert (state.reruns_left, state.was_red) == (0, False)


def test_entries_that_are_put_together_leave_their_window_with_the_later_one():
    ledger: Ledger = ()
    for number in range(ENTRIES_MAX + 1):
        ledger = reserved(ledger, at_wall_s=1000.0 + number, tokens=1, cost_usd=None)
    assert [entry.at_wall_s for entry in ledger[:2]] == [1001.0, 1002.0]
    stepped = reserved((), at_wall_s=2000.0, tokens=1, cost_usd=None)
    for number in range(ENTRIES_MAX):
        stepped = reserved(stepped, at_wall_s=1000.0 + number, tokens=1, cost_usd=None)
    assert stepped[0].at_wall_s == 2000.0, "a clock that was set back frees nothing early"
