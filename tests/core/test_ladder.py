"""The model ladder: the cheapest first, the next when a rung is stuck or has used its own budget, then a person."""

import pytest

from kazid.core.budget import Reservation
from kazid.core.decision import Act, StepUp
from kazid.core.event import LadderClimbed
from kazid.core.goal import Budget, Escalation, Goal, HarnessChoice, Route
from kazid.core.ladder import allowance, within
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed
from tests.builders import PASS, a_goal, a_predicate
from tests.played import Played

MODELS = ("haiku", "sonnet", "opus")
AGENT = HarnessChoice(id="claude", model="never-used")


def climber(
    *, ladder: Escalation | None = None, budget: Budget | None = None, routes: tuple[Route, ...] = ()
) -> Goal:
    return a_goal(
        a_predicate("tests"),
        harness=AGENT,
        escalation=ladder or Escalation(ladder=MODELS),
        budget=budget or Budget(dispatches_max=20),
        routes=routes,
    )


def work(play: Played, *, until: int = 30, tokens: int | None = None) -> list[str | None]:
    """Dispatch after dispatch that changes nothing; the models that were sent, up to the end."""
    sent: list[str | None] = []
    for number in range(until):
        play.looks(failed("broken"))
        decision = play.turn()
        if not isinstance(decision, Act):
            if play.status in (GoalStatus.STUCK, GoalStatus.OVER_BUDGET):
                return sent
            play.advance(400)
            continue
        assert decision.assignment is not None
        sent.append(decision.assignment.model)
        play.act_intended()
        play.act_ended(after=1.0, tokens=tokens)
        play.advance(400 + number)
    raise AssertionError("it does not end")


def climbs(play: Played) -> list[LadderClimbed]:
    return [r.event for r in play.records if isinstance(r.event, LadderClimbed)]


def test_each_rung_is_left_by_the_stuck_rule_and_a_person_is_the_last() -> None:
    play = Played(climber())
    assert work(play) == ["haiku", "haiku", "sonnet", "sonnet", "opus", "opus"]
    assert [(c.step, c.model) for c in climbs(play)] == [(1, "sonnet"), (2, "opus")]
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    assert "opus was the last of 3 on the ladder" in (play.progress.reason or "")


def test_a_step_says_which_model_came_to_what() -> None:
    play = Played(climber())
    work(play)
    assert climbs(play)[0].reason == "haiku: 2 dispatches in a row changed nothing that matters"


def test_the_dispatch_says_that_the_ladder_chose() -> None:
    play = Played(climber())
    play.looks(failed("broken"))
    act = play.turn()
    assert isinstance(act, Act)
    assert act.assignment is not None
    assert (act.assignment.by, act.assignment.step) == ("ladder 1 of 3", 0)


def test_a_rung_with_a_budget_of_its_own_is_left_when_it_is_used() -> None:
    play = Played(climber(ladder=Escalation(ladder=MODELS, dispatches_max=1)))
    assert work(play) == ["haiku", "sonnet", "opus"]
    assert climbs(play)[0].reason == "haiku: 1 of its 1 dispatches used"
    assert (play.status, play.cause) == (GoalStatus.OVER_BUDGET, Cause.BUDGET_EXHAUSTED)


def test_tokens_of_a_rung_count_from_its_first_dispatch() -> None:
    play = Played(climber(ladder=Escalation(ladder=MODELS[:2], tokens_max=100)))
    assert work(play, tokens=100) == ["haiku", "sonnet"]
    assert climbs(play)[0].reason == "haiku: 100 of its 100 tokens used"
    assert play.progress.episode is not None
    assert play.progress.episode.ladder.tokens == 100
    assert play.progress.episode.tokens == 200


def test_without_a_budget_of_their_own_rungs_share_the_episodes_so_that_the_last_has_one() -> None:
    play = Played(climber(budget=Budget(dispatches_max=4)))
    assert work(play) == ["haiku", "haiku", "sonnet", "opus"]
    assert play.status is GoalStatus.OVER_BUDGET


def test_the_episodes_own_ceiling_holds_every_rung() -> None:
    play = Played(
        climber(ladder=Escalation(ladder=MODELS, dispatches_max=9), budget=Budget(dispatches_max=3))
    )
    assert work(play) == ["haiku", "haiku", "sonnet"]
    assert play.status is GoalStatus.OVER_BUDGET


def test_what_a_route_gives_to_another_model_is_not_the_ladders() -> None:
    play = Played(climber(routes=(Route(name="route 1", model="special"),)))
    assert work(play) == ["special", "special"]
    assert climbs(play) == []
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)


def test_an_end_that_no_model_mends_is_not_climbed_over() -> None:
    play = Played(climber())
    play.looks(failed("broken"))
    play.act_intended()
    play.act_ended(after=1.0, cause=Cause.AUTH_FAILED)
    play.advance(60)
    play.looks(failed("broken"))
    play.turn()
    assert (play.status, play.cause, climbs(play)) == (GoalStatus.STUCK, Cause.AUTH_FAILED, [])


def test_an_episode_starts_at_the_bottom_again() -> None:
    play = Played(climber())
    work(play)
    play.resume()
    play.looks(failed("broken"))
    act = play.turn()
    assert isinstance(act, Act)
    assert act.assignment is not None
    assert act.assignment.model == "haiku"


def test_a_green_on_any_rung_converges() -> None:
    play = Played(climber(ladder=Escalation(ladder=MODELS, dispatches_max=1)))
    for _ in range(2):
        play.looks(failed("broken"))
        play.acted(after=1.0)
        play.advance(400)
    play.looks(PASS)
    play.turn()
    assert play.status is GoalStatus.CONVERGED


def test_a_step_is_decided_before_a_backoff_is_waited_out() -> None:
    play = Played(climber(ladder=Escalation(ladder=MODELS, dispatches_max=1)))
    play.looks(failed("broken"))
    play.acted(after=1.0)
    play.looks(failed("broken"))
    assert isinstance(play.decide(), StepUp)


@pytest.mark.parametrize(
    ("ladder", "used", "reserved", "expected"),
    [
        pytest.param(
            Escalation(ladder=MODELS, tokens_max=100),
            70,
            Reservation(tokens=50),
            Reservation(tokens=30),
            id="what-the-rung-has-left",
        ),
        pytest.param(
            Escalation(ladder=MODELS, cost_usd_max=9.0),
            0,
            Reservation(),
            Reservation(cost_usd=2.0),
            id="per-dispatch-where-only-the-rung-has-a-ceiling",
        ),
        pytest.param(
            Escalation(ladder=MODELS), 70, Reservation(tokens=50), Reservation(tokens=50), id="no-own-ceiling"
        ),
    ],
)
def test_no_more_is_reserved_than_the_rung_has_left(
    ladder: Escalation, used: int, reserved: Reservation, expected: Reservation
) -> None:
    play = Played(climber(ladder=ladder))
    play.looks(failed("broken"))
    act = play.act_intended()
    play.act_ended(after=1.0, tokens=used)
    assert within(play.goal, play.episode, act.assignment, reserved) == expected
    assert within(play.goal, play.episode, None, reserved) == reserved


def test_an_even_share_is_of_what_is_left_for_the_rungs_that_are_left() -> None:
    play = Played(climber(budget=Budget(dispatches_max=10)))
    play.looks(failed("broken"))
    play.turn()
    assert allowance(play.goal, play.episode).dispatches == 4
