"""A yes to an act of which nothing ran still stands: the same plan, no second question, and the act is done once."""

import pytest

from kazid.core.approval_event import ApprovalRequested, ApprovalVoided
from kazid.core.decision import Act
from kazid.core.level import ApprovalRule, Gate
from kazid.core.replay import replay
from kazid.core.status import GoalStatus
from kazid.core.verdict import failed
from tests.builders import FAIL, PASS, a_remedy
from tests.core.test_approval import a_waiting_service, an_agents_task, looked_again
from tests.played import Played

RUNS = {"attempts": 3}


def an_approved_service() -> Played:
    return looked_again(a_waiting_service(remedies=[a_remedy("livez", **RUNS)]).approve("pia"))


def _later(play: Played) -> Played:
    """Past every backoff, seen red again."""
    return play.advance(600.0).looks(FAIL, FAIL)


@pytest.mark.parametrize("ending", [pytest.param(e, id=e) for e in ("never_started", "not_started")])
@pytest.mark.parametrize("is_killed", [pytest.param(True, id="killed"), pytest.param(False, id="alive")])
def test_an_act_of_which_nothing_ran_is_done_on_the_same_yes(ending: str, is_killed: bool) -> None:
    play = an_approved_service()
    first = play.act_intended()
    assert play.progress.approvals == {}, "nobody else may use it meanwhile"
    if is_killed:
        play.restart_daemon(down_s=1.0)
    play.act_ended(ending=ending)
    again = _later(play).act_intended()
    assert (again.plans, again.approved_by) == (first.plans, first.approved_by)
    play.act_ended()
    assert len([r for r in play.records if isinstance(r.event, ApprovalRequested)]) == 1
    assert not [r for r in play.records if isinstance(r.event, ApprovalVoided)]
    assert not replay(play.records).differences


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(e, id=e)
        for e in ("exited", "signaled", "killed", "cancelled", "orphaned", "idle_timeout", "total_timeout")
    ],
)
def test_a_yes_never_covers_two_acts_that_may_both_have_happened(ending: str) -> None:
    play = an_approved_service()
    first = play.act_intended()
    play.act_ended(ending=ending)
    assert _later(play).held().status is GoalStatus.WAITING
    assert play.asked().sha256 not in first.plans
    assert play.asked().given == ()


def test_an_act_that_ran_after_one_that_did_not_uses_the_yes_up_all_the_same() -> None:
    play = an_approved_service()
    play.acted(ending="never_started")
    first = _later(play).acted()
    assert _later(play).held().status is GoalStatus.WAITING
    assert play.asked().plan.attempt == play.progress.acts + 1
    assert play.asked().sha256 not in first.plans


def test_what_changed_while_the_act_did_not_start_voids_the_yes_as_ever() -> None:
    play = an_approved_service()
    play.acted(ending="never_started")
    play.advance(600.0).looks(failed("refused"), failed("refused"))
    play.turn()
    (void,) = [r.event for r in play.records if isinstance(r.event, ApprovalVoided)]
    assert "evidence" in void.reason
    assert play.asked().given == ()


def test_a_yes_expires_although_its_act_did_not_start() -> None:
    gates = (ApprovalRule(gate=Gate.EXECUTION, expires_s=700.0),)
    play = looked_again(a_waiting_service(approvals=gates).approve("pia"))
    play.acted(ending="never_started")
    play.advance(701.0).looks(FAIL, FAIL)
    assert play.held().status is GoalStatus.WAITING


def test_a_yes_does_not_outlive_the_trouble_it_was_for() -> None:
    play = an_approved_service()
    play.acted(ending="never_started")
    _later(play)
    play.advance(2.0).looks(PASS, PASS, PASS).turn()
    assert play.status is GoalStatus.HOLDING
    assert play.progress.approvals == {}


def test_both_yeses_of_an_agent_stand_when_it_did_not_start() -> None:
    gates = tuple(ApprovalRule(gate=gate) for gate in (Gate.DETECTION, Gate.EXECUTION))
    play = Played(an_agents_task(approvals=gates)).look("tests", FAIL, tree="t1")
    for by, uid in (("pia", 2001), ("kim", 2002)):
        play.turn()
        newest = list(play.progress.approvals.values())[-1]
        play.approve(by, uid=uid, plan=newest.sha256).turn()
        play.advance(1.0).look("tests", FAIL, tree="t1")
    first = play.acted(ending="never_started")
    play.advance(600.0).look("tests", FAIL, tree="t1")
    again = play.turn()
    assert isinstance(again, Act)
    assert (again.plans, again.approved_by) == (first.plans, ("pia", "kim"))
