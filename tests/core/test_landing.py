"""When a result is landed, deployed and rolled back, as stories: the lowest step that does not hold comes first."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from kazid.core.decision import Act, Conclude, Hold, Look
from kazid.core.delivery import DEPLOYED, LANDED, Deploy, Integration
from kazid.core.event import ActEnded
from kazid.core.goal import Goal, Group
from kazid.core.ids import PredicateId
from kazid.core.landing import RESOLUTIONS_MAX, lowest_red_layer, own_predicates
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Verdict, errored, failed
from tests.builders import FAIL, PASS, a_goal, a_harness, a_predicate, a_remedy
from tests.played import Played

LIVE: dict[str, Any] = {"confirm": 1, "recover": 1}


def a_delivering_goal(*, rollback: bool = False, layers: tuple[str, ...] = (), attempts: int = 2) -> Goal:
    """Tests, landed, deployed and a live probe, with an agent."""
    goal = a_goal(
        a_predicate("tests"),
        a_predicate("up", live=True, **LIVE),
        a_predicate(LANDED, provider="landed"),
        *(a_predicate(name, live=True, **LIVE) for name in layers),
        a_predicate(DEPLOYED, live=True, provider="deployed", **LIVE),
        harness=a_harness(),
    )
    deploy = Deploy(
        cmd="./deploy",
        rollback_cmd="./back" if rollback else None,
        attempts=attempts,
        layers=tuple(map(PredicateId, layers)),
    )
    return replace(
        goal, integration=Integration(mode="merge", branch="task/g", attempts=attempts), deploy=deploy
    )


def seen(play: Played, **verdicts: Verdict) -> Played:
    """All predicates looked at, green unless said otherwise; whatever has to be looked at again says the same."""
    shown: Mapping[str, Verdict] = {p.id: verdicts.get(p.id, PASS) for p in play.goal.predicates}
    play.turn()
    for name, verdict in shown.items():
        play.look(name, verdict)
    for _ in range(20):
        decision = play.turn()
        if isinstance(decision, Look):
            for name in decision.predicates:
                play.look(name, shown[name])
        elif (
            isinstance(decision, Hold)
            and decision.until_s
            and any(g.name == "backoff" for g in decision.guards)
        ):
            play.at(decision.until_s)
            for name, verdict in shown.items():
                play.look(name, verdict)
        else:
            return play
    return play


def due(play: Played) -> str:
    decision = play.turn()
    assert isinstance(decision, Act), decision
    return decision.rung


def test_the_whole_way_is_one_step_after_the_other_and_converges_only_at_its_end() -> None:
    play = Played(a_delivering_goal())
    for reds, rung in (
        (("tests", "up", LANDED, DEPLOYED), "harness:claude"),
        (("up", LANDED, DEPLOYED), "land"),
        (("up", DEPLOYED), "deploy"),
    ):
        seen(play, **dict.fromkeys(reds, FAIL))
        assert play.status is not GoalStatus.CONVERGED
        assert due(play) == rung
        play.acted()
    seen(play)
    assert play.status is GoalStatus.CONVERGED


def test_no_agent_works_before_it_was_seen_how_the_tree_is() -> None:
    play = Played(a_delivering_goal())
    play.turn()
    play.look("tests", FAIL)
    assert "before any work" in play.guard("delivery").reason
    play.look(LANDED, errored("remote_unreachable"))
    assert "before any work" in play.guard("delivery").reason
    play.look(LANDED, PASS)
    assert due(play) == "harness:claude"


def test_nothing_is_landed_while_a_check_of_the_code_gives_no_verdict() -> None:
    play = seen(Played(a_delivering_goal()), tests=errored("dns_failure"), landed=FAIL, deployed=FAIL)
    hold = play.held()
    assert play.progress.acts == 0
    assert "delivery" not in {g.name for g in hold.guards} or hold.status is not GoalStatus.CONVERGED


def test_a_check_that_can_never_be_looked_at_ends_the_goal_although_landed_is_red() -> None:
    play = seen(Played(a_delivering_goal()), tests=errored("cmd_unrunnable"), landed=FAIL)
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.ERROR_WEDGED)


def test_no_agent_mends_a_live_red_that_the_next_deploy_may_mend() -> None:
    play = seen(Played(a_delivering_goal()), up=FAIL, deployed=FAIL)
    assert due(play) == "deploy"


def test_after_a_deploy_what_is_live_and_red_is_the_agents_work() -> None:
    play = seen(Played(a_delivering_goal()), tests=FAIL)
    play.acted()
    assert due(seen(play, up=FAIL)) == "harness:claude"


def test_a_remedy_without_names_never_lands_or_deploys_and_a_live_red_is_its_work_at_once() -> None:
    goal = replace(a_delivering_goal(), remedies=(a_remedy(cmd="restart"),))
    play = seen(Played(goal), up=FAIL, deployed=FAIL)
    assert due(play) == "remedy:0"
    play.acted()
    assert due(seen(play, deployed=FAIL)) == "deploy"


@pytest.mark.parametrize("rung", ["land", "deploy"])
def test_failures_are_backed_off_counted_and_end(rung: str) -> None:
    red = LANDED if rung == "land" else DEPLOYED
    cause = Cause.UNLANDED if rung == "land" else Cause.UNDEPLOYED
    play = seen(Played(a_delivering_goal(attempts=2)), **{red: FAIL})
    times: list[float] = []
    for _ in range(2):
        assert due(play) == rung
        times.append(play.now.boot_s)
        play.acted(exit_code=1)
        seen(play, **{red: FAIL})
    assert times[1] > times[0]
    assert (play.status, play.cause) == (GoalStatus.STUCK, cause)
    assert "every attempt is used" in (play.progress.reason or "")


def test_a_landing_that_would_end_the_same_again_is_not_tried_again() -> None:
    play = seen(Played(a_delivering_goal()), landed=FAIL)
    play.acted(exit_code=3, cause=Cause.UNLANDED)
    seen(play, landed=FAIL)
    assert (play.status, play.cause, play.progress.acts) == (GoalStatus.STUCK, Cause.UNLANDED, 1)


def test_resume_gives_a_landing_fresh_counters() -> None:
    play = seen(Played(a_delivering_goal()), landed=FAIL)
    play.acted(exit_code=3, cause=Cause.UNLANDED)
    seen(play, landed=FAIL)
    play.resume()
    assert due(seen(play, landed=FAIL)) == "land"


def test_a_deploy_that_turned_green_ones_red_is_rolled_back_and_a_person_is_asked() -> None:
    play = seen(Played(a_delivering_goal(rollback=True)), deployed=FAIL)
    assert due(play) == "deploy"
    play.acted()
    assert due(seen(play, up=FAIL)) == "rollback"
    play.acted()
    seen(play, deployed=failed("old_version"))
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.ROLLED_BACK)
    assert "up red and was rolled back" in (play.progress.reason or "")


def test_a_rollback_that_fails_is_tried_once_more_and_told() -> None:
    play = seen(Played(a_delivering_goal(rollback=True)), deployed=FAIL)
    play.acted()
    for _ in range(2):
        assert due(seen(play, up=FAIL)) == "rollback"
        play.acted(exit_code=1)
    seen(play, up=FAIL)
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.ROLLED_BACK)
    assert "could not be rolled back" in (play.progress.reason or "")


def test_what_was_red_before_a_deploy_is_no_reason_to_roll_back() -> None:
    play = seen(Played(a_delivering_goal(rollback=True)), up=FAIL, deployed=FAIL)
    assert due(play) == "deploy"
    play.acted()
    assert due(seen(play, up=FAIL)) == "harness:claude"


def test_without_a_rollback_the_agent_mends_what_the_deploy_broke() -> None:
    play = seen(Played(a_delivering_goal()), deployed=FAIL)
    play.acted()
    assert due(seen(play, up=FAIL)) == "harness:claude"


def test_layers_are_deployed_together_and_the_lowest_red_one_is_named() -> None:
    goal = a_delivering_goal(layers=("built", "pushed", "ready"))
    play = seen(Played(goal), pushed=FAIL, ready=FAIL, deployed=FAIL)
    lowest = lowest_red_layer(play.goal, play.vector)
    assert lowest is not None
    assert lowest.predicate_id == "pushed"
    decision = play.turn()
    assert isinstance(decision, Act)
    assert (decision.rung, decision.predicates) == ("deploy", ("pushed", "ready", DEPLOYED))
    assert decision.title.endswith("lowest red layer: pushed")


def test_what_the_daemon_makes_is_no_agents_work() -> None:
    goal = a_delivering_goal(layers=("built",))
    assert own_predicates(goal) == {LANDED, "built", DEPLOYED}


def test_groups_act_in_the_order_of_their_needs() -> None:
    goal = replace(
        a_goal(
            a_predicate("last", group="c"),
            a_predicate("second", group="b"),
            a_predicate("first", group="a"),
            harness=a_harness(),
        ),
        groups=(
            Group(id="a", name="a"),
            Group(id="b", name="b", needs=("a",)),
            Group(id="c", name="c", needs=("b",)),
        ),
    )
    play = Played(goal)
    order: list[str] = []
    reds = ["last", "second", "first"]
    while reds:
        decision = seen(play, **dict.fromkeys(reds, FAIL)).turn()
        assert isinstance(decision, Act), decision
        order.append(*decision.predicates)
        reds.remove(decision.predicates[0])
        play.acted()
    seen(play)
    assert order == ["first", "second", "last"]
    assert play.status is GoalStatus.CONVERGED


def test_a_group_whose_need_is_stuck_is_never_worked_on() -> None:
    goal = replace(
        a_goal(a_predicate("b", group="b"), a_predicate("a", group="a"), harness=a_harness()),
        groups=(Group(id="a", name="a"), Group(id="b", name="b", needs=("a",))),
    )
    play = Played(goal)
    for _ in range(6):
        seen(play, a=FAIL, b=FAIL)
        decision = play.turn()
        if not isinstance(decision, Act):
            break
        assert decision.predicates == ("a",)
        play.acted()
    assert not isinstance(play.turn(), Conclude)
    assert play.status is GoalStatus.STUCK


CONFLICT = failed("merge_conflict", "a.py")


def test_a_conflict_is_the_agents_work_before_any_code_and_bounded() -> None:
    play = Played(a_delivering_goal(attempts=9))
    for number in range(RESOLUTIONS_MAX):
        # What is red of the code may be the marks.
        seen(play, tests=failed("red", n=number), **{LANDED: CONFLICT, DEPLOYED: FAIL})
        decision = play.turn()
        assert isinstance(decision, Act)
        assert (decision.rung, list(decision.predicates)) == ("harness:claude", [LANDED])
        play.acted()
    seen(play, **{LANDED: CONFLICT, DEPLOYED: FAIL})
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.UNLANDED)
    assert (play.progress.reason or "").startswith("merge_conflict: a.py; tried 2 times")


def test_a_landing_that_only_moved_the_work_is_waited_for_by_nobody() -> None:
    play = Played(a_delivering_goal())
    seen(play, tests=FAIL, **{LANDED: FAIL, DEPLOYED: FAIL})
    play.acted()
    for _ in range(4):
        seen(play, **{LANDED: FAIL, DEPLOYED: FAIL})
        assert due(play) == "land"
        play.act_intended()
        assert play.progress.act is not None
        moved = ActEnded(
            attempt_id=play.progress.act.attempt_id,
            ending="exited",
            ended_s=play.now.boot_s,
            exit_code=0,
            reason="rebased: onto abc",
        )
        play.record(moved)
        assert play.progress.predicate(LANDED).backoff_n == 0
