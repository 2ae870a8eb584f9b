"""An act that needs a yes: asked once for one plan, given by others than who submitted it or acts, used once."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kazid.core.approval import refusal, refusal_to_reject, unmeetable
from kazid.core.approval_event import (
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalVoided,
    AutonomyLowered,
)
from kazid.core.decision import Act, Look
from kazid.core.delivery import DEPLOY, DEPLOYED, Deploy
from kazid.core.event import ActEnded, ActIntended, WorktreeCreated, WorktreeDelivered
from kazid.core.goal import Goal
from kazid.core.guards import guards_of
from kazid.core.ids import Epoch, Generation
from kazid.core.level import ApprovalRule, Autonomy, Gate, Level
from kazid.core.notice import APPROVAL, NoticeKind, noticed
from kazid.core.plan import Plan, differences
from kazid.core.replay import replay
from kazid.core.roles import Given, Grant, Role
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed
from kazid.core.worktree import Worktree
from tests.builders import FAIL, PASS, a_goal, a_harness, a_predicate, a_remedy
from tests.played import Played

APPROVED = Autonomy(level=Level.APPROVE)
APPROVER = (Grant(role=Role.APPROVER),)


def a_service(**others: Any) -> Goal:
    """A standing goal with one remedy, which a person has to approve."""
    return a_goal(
        a_predicate("livez", live=True),
        remedies=others.pop("remedies", [a_remedy("livez")]),
        standing=True,
        **{"autonomy": APPROVED, **others},
    )


def a_waiting_service(**others: Any) -> Played:
    play = Played(a_service(**others)).looks(FAIL, FAIL)
    play.turn()
    return play


def looked_again(play: Played) -> Played:
    """What waited is looked at once more, and says the same."""
    decision = play.turn()
    assert not isinstance(decision, Act), "nothing is done on an old red"
    due = decision.predicates if isinstance(decision, Look) else play.due
    play.advance(2.0)
    for name in due or play.goal.predicate_ids:
        verdict = play.state(name).verdict or FAIL
        play.looks(verdict, verdict, of=name)
    return play


def kinds(play: Played) -> list[str]:
    return [
        type(r.event).__name__ for r in play.records if type(r.event).__name__.startswith(("Appro", "ActI"))
    ]


# --- asking and acting ------------------------------------------------------------------------------------------------


def test_an_act_that_needs_a_yes_asks_once_and_waits_and_says_whom_for_and_until_when() -> None:
    play = a_waiting_service()
    for _ in range(3):
        hold = play.held()
        assert (hold.status, play.status) == (GoalStatus.WAITING, GoalStatus.WAITING)
        play.advance(30.0).looks(FAIL, FAIL)
    guard = play.guard("approval")
    assert "1 of approver" in guard.reason
    assert "not ada" in guard.reason
    assert guard.until_s is not None
    assert guard in guards_of(play.goal, play.progress, play.vector, play.now)
    assert kinds(play) == ["ApprovalRequested"]
    assert play.episode.iterations == 0, "waiting costs nothing"


def test_what_was_approved_is_looked_at_again_and_then_done_and_recorded_with_what_it_rests_on() -> None:
    play = looked_again(a_waiting_service().approve("pia"))
    act = play.act_intended()
    (asked,) = [r.event for r in play.records if isinstance(r.event, ApprovalRequested)]
    assert (act.plans, act.approved_by) == ((asked.plan_sha256,), ("pia",))
    assert asked.plan.sha256 == asked.plan_sha256
    (intent,) = [r.event for r in play.records if isinstance(r.event, ActIntended)]
    assert (intent.plans, intent.approved_by) == (act.plans, act.approved_by)
    assert play.progress.approvals == {}, "a yes is used once"
    assert not replay(play.records).differences


def test_a_red_that_is_gone_cancels_the_act_and_the_yes() -> None:
    play = a_waiting_service().approve()
    play.turn()
    play.advance(2.0).looks(PASS, PASS).turn()
    assert play.status is GoalStatus.HOLDING
    assert play.progress.approvals == {}
    play.advance(400.0).looks(FAIL, FAIL).held()
    assert kinds(play) == ["ApprovalRequested", "ApprovalGranted", "ApprovalRequested"]


def test_the_next_attempt_needs_a_yes_of_its_own() -> None:
    play = looked_again(a_waiting_service().approve())
    play.acted()
    play.advance(60.0).looks(FAIL, FAIL)
    assert play.held().status is GoalStatus.WAITING


def test_a_request_survives_a_restart_and_so_does_the_yes() -> None:
    play = a_waiting_service().restart_daemon(down_s=60.0)
    play.turn()
    play.advance(2.0).looks(FAIL, FAIL).held()
    play.approve().restart_daemon(down_s=60.0)
    play.turn()
    play.advance(2.0).looks(FAIL, FAIL)
    assert play.act_intended().approved_by == ("pia",)
    assert kinds(play) == ["ApprovalRequested", "ApprovalGranted", "ActIntended"]


def test_a_rejection_ends_the_waiting_by_name() -> None:
    play = a_waiting_service()
    asked = play.asked()
    play.record(
        ApprovalRejected(
            gate=asked.plan.gate, plan_sha256=asked.sha256, by="pia", by_uid=2001, reason="not now"
        )
    )
    hold = play.held()
    assert (hold.status, hold.cause) == (GoalStatus.STUCK, Cause.REJECTED)
    assert "pia" in (hold.reason or "")
    assert "not now" in (hold.reason or "")
    play.resume().looks(FAIL, FAIL)
    assert play.advance(2.0).looks(FAIL, FAIL).held().status is GoalStatus.WAITING, (
        "asked anew after a resume"
    )


def test_a_request_that_nobody_answers_expires_and_is_asked_anew() -> None:
    play = a_waiting_service(approvals=(ApprovalRule(gate=Gate.EXECUTION, expires_s=3600.0),))
    first = play.asked().sha256
    play.advance(3601.0).looks(FAIL, FAIL).turn()
    assert play.asked().sha256 != first
    assert kinds(play) == ["ApprovalRequested", "ApprovalVoided", "ApprovalRequested"]


def test_people_are_told_that_an_act_waits_and_who_took_it() -> None:
    play = a_waiting_service()
    asked = next(r.event for r in play.records if isinstance(r.event, ApprovalRequested))
    notice = noticed(asked)
    assert notice is not None
    assert (notice.kind, notice.status) == (NoticeKind.PROBLEM, APPROVAL)
    assert asked.plan_sha256 in notice.reason
    given_event = play.approve().records[-1].event
    taken = noticed(given_event)
    assert taken is not None
    assert (taken.kind, taken.by) == (NoticeKind.TAKEN, "pia")


# --- what voids it ----------------------------------------------------------------------------------------------------


def _reapplied(play: Played) -> object:
    return play.reapply(replace(play.goal, description="another word"))


def _new_generation(play: Played) -> object:
    remedy = replace(play.goal.remedies[0], args=("--force",))
    play.reapply(replace(play.goal, remedies=(remedy,)), generation=2)
    return play.advance(2.0).looks(FAIL, FAIL)


def _other_evidence(play: Played) -> object:
    return play.advance(2.0).looks(failed("refused"), failed("refused"))


def _other_set(play: Played) -> object:
    return play.looks(FAIL, FAIL, of="other")


def _fenced(play: Played) -> object:
    return play.suspend().resume()


def _other_executor(play: Played) -> object:
    return play.record(replace(play.restart_daemon().records[-1].event, executor_uid=991))


CHANGES = [
    pytest.param(_reapplied, "spec_sha256", id="the-spec"),
    pytest.param(_new_generation, None, id="a-new-generation-with-another-argv"),
    pytest.param(_other_evidence, "evidence", id="the-evidence"),
    pytest.param(_other_set, "evidence", id="what-else-is-red"),
    pytest.param(_fenced, "epoch", id="a-fence"),
    pytest.param(_other_executor, "executor_uid", id="whom-it-runs-as"),
    pytest.param(lambda play: play.advance(90_000.0), "expired", id="time"),
]


@pytest.mark.parametrize(("change", "named"), CHANGES)
def test_whatever_changes_between_the_yes_and_the_act_voids_it(
    change: Callable[[Played], object], named: str | None
) -> None:
    goal = replace(a_service(), predicates=(a_predicate("livez", live=True), a_predicate("other", live=True)))
    play = Played(goal).looks(PASS, PASS, of="other").looks(FAIL, FAIL, of="livez")
    play.turn()
    play.approve()
    change(play)
    for _ in range(4):
        looked_again(play)
    if named is not None:
        stale = [r.event for r in play.records if isinstance(r.event, ApprovalVoided)]
        assert stale, "it is said that the request is void"
        assert named in stale[0].reason
    assert play.progress.approvals, "it is asked anew"
    assert not any(a.given for a in play.progress.approvals.values())


PLAN = Plan(
    gate=Gate.EXECUTION, act="remedy:0", title="restart", predicates=(), evidence="e", spec_sha256="s",
    generation=Generation(1), epoch=Epoch(1), episode=1, attempt=1, roles=(Role.APPROVER,), count=1, until_wall_s=9.0,
)  # fmt: skip
OTHERS: dict[str, object] = {
    "gate": Gate.DEPLOY, "act": "remedy:1", "title": "x", "predicates": ("p",), "evidence": "x", "trees": ("t",),
    "argv": ("x",), "env_names": ("X",), "harness": "x", "model": "x", "effort": "x", "workspace": "/x",
    "spec_sha256": "x", "generation": Generation(2), "epoch": Epoch(2), "episode": 2, "attempt": 2, "executor_uid": 7,
    "roles": (Role.ADMIN,), "count": 2, "until_wall_s": 10.0,
}  # fmt: skip


@pytest.mark.parametrize("field", [pytest.param(f, id=f) for f in Plan.__struct_fields__])
def test_every_field_of_a_plan_is_bound_by_its_hash(field: str) -> None:
    other = replace(PLAN, **{field: OTHERS[field]})
    assert other.sha256 != PLAN.sha256
    assert differences(PLAN, other) == [field]


# --- who may ----------------------------------------------------------------------------------------------------------


def _refused(play: Played, **who: Any) -> str | None:
    person = {"login": "pia", "uid": 2001, "grants": APPROVER, **who}
    sha256 = person.pop("plan", None) or play.asked().sha256
    refused = refusal(play.goal, play.progress, sha256, now=play.now, **person)
    return None if refused is None else refused.type


@pytest.mark.parametrize(
    ("who", "refused"),
    [
        pytest.param({}, None, id="an-approver"),
        pytest.param({"login": "ada", "uid": 1000}, "four_eyes", id="the-submitter"),
        pytest.param({"uid": 990}, "four_eyes", id="the-executors-user"),
        pytest.param({"grants": ()}, "denied", id="no-role"),
        pytest.param({"grants": (), "login": "root", "uid": 0}, "denied", id="root-without-the-role"),
        pytest.param({"grants": (Grant(role=Role.ADMIN),)}, "denied", id="an-admin-is-no-approver"),
        pytest.param({"grants": (Grant(role=Role.OPERATOR),)}, "denied", id="an-operator-is-none"),
        pytest.param(
            {"grants": (Grant(role=Role.APPROVER, owners=("bob",)),)}, "denied", id="of-others-goals"
        ),
        pytest.param({"plan": "0" * 64}, "approval_stale", id="another-hash"),
    ],
)
def test_who_may_say_yes(who: dict[str, Any], refused: str | None) -> None:
    assert _refused(a_waiting_service(), **who) == refused


def test_an_expired_request_takes_no_yes() -> None:
    assert _refused(a_waiting_service().advance(90_000.0)) == "approval_stale"


def test_nobody_is_counted_twice() -> None:
    play = a_waiting_service(approvals=(ApprovalRule(gate=Gate.EXECUTION, count=2),)).approve("pia")
    assert _refused(play) == "four_eyes"
    play.record(replace(play.records[-1].event, is_enough=True))
    assert looked_again(play).held().status is GoalStatus.WAITING, "not in what was recorded either"
    looked_again(play.approve("kim", uid=2002))
    assert set(play.act_intended().approved_by) == {"pia", "kim"}


def test_a_yes_of_the_submitter_or_the_executor_counts_for_nothing_even_if_it_was_recorded() -> None:
    play = a_waiting_service().approve("ada", uid=1000).approve("daemon", uid=990)
    play.advance(2.0).looks(FAIL, FAIL)
    assert play.held().status is GoalStatus.WAITING


def test_a_role_of_the_goals_choice_may() -> None:
    play = a_waiting_service(approvals=(ApprovalRule(gate=Gate.EXECUTION, roles=(Role.OPERATOR,)),))
    assert _refused(play, grants=(Grant(role=Role.OPERATOR),)) is None
    assert _refused(play) == "denied", "an approver is no operator"


def test_whoever_may_approve_may_reject_and_a_rejection_is_final() -> None:
    play = a_waiting_service()
    asked = play.asked()
    says = {"login": "pia", "grants": APPROVER}
    assert refusal_to_reject(play.goal, play.progress, asked.sha256, **says) is None
    play.record(ApprovalRejected(gate=asked.plan.gate, plan_sha256=asked.sha256, by="pia", by_uid=2001))
    refused = refusal_to_reject(play.goal, play.progress, asked.sha256, **says)
    assert refused is not None
    assert refused.type == "conflict"


def test_what_can_never_be_given_is_known_before_anybody_waits() -> None:
    team = (Given(grant=Grant(role=Role.APPROVER), users=("pia",)),)
    assert unmeetable(a_service(), is_one_uid=False, given=team) == []
    assert "four eyes" in unmeetable(a_service(), is_one_uid=True, given=team)[0]
    assert "to nobody" in unmeetable(a_service(), is_one_uid=False, given=())[0]
    others = (Given(grant=Grant(role=Role.APPROVER, owners=("bob",)), users=("pia",)),)
    assert "to nobody" in unmeetable(a_service(), is_one_uid=False, given=others)[0]
    assert unmeetable(a_service(autonomy=Autonomy()), is_one_uid=True, given=()) == []


# --- gates ------------------------------------------------------------------------------------------------------------


def an_agents_task(**others: Any) -> Goal:
    return a_goal(a_predicate("tests"), harness=a_harness(), workspace="/w", **others)


def test_an_agent_is_sent_after_the_finding_and_the_plan_were_approved_by_different_people() -> None:
    gates = tuple(ApprovalRule(gate=gate) for gate in (Gate.DETECTION, Gate.EXECUTION))
    play = Played(an_agents_task(approvals=gates)).look("tests", FAIL, tree="t1")
    play.turn()
    assert play.asked().plan.gate is Gate.DETECTION
    assert play.asked().plan.harness is None, "it is the finding that is confirmed"
    play.approve("pia").turn()
    play.advance(1.0).look("tests", FAIL, tree="t1")
    play.turn()
    assert play.asked().plan.gate is Gate.EXECUTION
    assert play.asked().plan.harness == "claude"
    assert _refused(play) == "four_eyes", "nobody is on both gates"
    execution = play.asked().sha256
    play.approve("pia").turn()
    play.advance(1.0).look("tests", FAIL, tree="t1")
    assert play.held().status is GoalStatus.WAITING, "nor counts there if it was recorded"
    play.approve("kim", uid=2002, plan=execution).turn()
    play.advance(1.0).look("tests", FAIL, tree="t1")
    act = play.act_intended()
    assert act.approved_by == ("pia", "kim")
    assert len(act.plans) == 2


def test_a_deploy_is_asked_for_and_its_rollback_rests_on_the_same_yes() -> None:
    goal = a_goal(
        a_predicate("livez", live=True),
        a_predicate("deployed", live=True),
        autonomy=Autonomy(risks={"deploy": Level.APPROVE}),
        deploy=Deploy(cmd="ship", args=("now",), vars={"ENV": "prod"}, rollback_cmd="back"),
    )
    play = Played(goal).looks(PASS, PASS, of="livez").looks(FAIL, FAIL, of=DEPLOYED)
    play.turn()
    plan = play.asked().plan
    assert (plan.gate, plan.argv, plan.env_names) == (Gate.DEPLOY, ("ship", "now"), ("ENV",))
    play.approve().turn()
    play.advance(2.0).looks(PASS, PASS, of="livez").looks(FAIL, FAIL, of=DEPLOYED)
    act = play.acted()
    assert (act.rung, act.approved_by) == (DEPLOY, ("pia",))
    play.advance(2.0).looks(PASS, PASS, of=DEPLOYED).looks(FAIL, FAIL, of="livez")
    back = play.turn()
    assert isinstance(back, Act)
    assert (back.rung, back.plans) == ("rollback", act.plans)


TREE = Worktree(path="/s/wt", folder="/s/wt", repository="/w", branch="kazi/web", base="0" * 40)


def an_agents_green(level: Level) -> Played:
    """An agent made it green in the goal's own tree."""
    play = Played(an_agents_task(autonomy=Autonomy(level=level))).look("tests", FAIL, tree="t1")
    play.turn()
    play.record(WorktreeCreated(worktree=TREE)).look("tests", FAIL, tree="t1")
    play.acted()
    return play.advance(1.0).look("tests", PASS, tree="t2")


def test_work_that_may_only_be_proposed_is_kept_in_its_tree() -> None:
    play = an_agents_green(Level.PROPOSE)
    for _ in range(3):
        hold = play.held()
        assert (hold.status, hold.cause) == (GoalStatus.STUCK, Cause.PROPOSED)
        assert "/s/wt" in (hold.reason or "")
        assert "kazi/web" in (hold.reason or "")
        play.advance(1.0).look("tests", PASS, tree="t2")


def test_work_of_a_goal_that_was_lowered_to_observing_is_kept_in_its_tree() -> None:
    play = an_agents_green(Level.PROPOSE)
    play.record(
        AutonomyLowered(harness="claude", model=None, attempt=1, reason="attempt 1 turned 1 green red")
    )
    for _ in range(3):
        hold = play.held()
        assert (hold.status, hold.cause) == (GoalStatus.STUCK, Cause.PROPOSED)
        play.advance(1.0).look("tests", PASS, tree="t2")


def test_exactly_the_tree_that_was_approved_is_delivered() -> None:
    play = an_agents_green(Level.APPROVE)
    assert play.held().status is GoalStatus.WAITING
    assert (play.asked().plan.gate, play.asked().plan.trees) == (Gate.LANDING, ("t2",))
    play.approve()
    play.turn()
    play.advance(1.0).look("tests", PASS, tree="t3")
    assert play.held().status is GoalStatus.WAITING, "another tree is another patch"
    assert play.asked().plan.trees == ("t3",)
    play.approve("kim", uid=2002).turn()
    play.advance(1.0).look("tests", PASS, tree="t3").turn()
    assert play.status is GoalStatus.CONVERGED
    assert isinstance(play.record(WorktreeDelivered(files=(), files_total=0, saved="r")), Played)


def test_a_remedy_that_may_only_be_proposed_is_named_and_not_run() -> None:
    play = a_waiting_service(autonomy=Autonomy(level=Level.PROPOSE))
    hold = play.held()
    assert (hold.status, hold.cause) == (GoalStatus.STUCK, Cause.PROPOSED)
    assert "restart" in (hold.reason or "")


# --- in general -------------------------------------------------------------------------------------------------------


@given(st.data())
def test_no_act_is_intended_without_its_approval_chain(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 2), label="count")
    play = Played(a_service(approvals=(ApprovalRule(gate=Gate.EXECUTION, count=count, expires_s=600.0),)))
    people = {"ada": 1000, "daemon": 990, "pia": 2001, "kim": 2002}
    for _ in range(data.draw(st.integers(1, 25), label="steps")):
        step = data.draw(
            st.sampled_from(["red", "red", "other", "green", "yes", "yes", "no", "fence", "wait", "restart"])
        )
        decision = play.turn()
        if isinstance(decision, Act):
            _assert_chain(play, decision, count)
            play.acted(ending=data.draw(st.sampled_from(["exited", "never_started", "killed"])))
        match step:
            case "red":
                play.advance(2.0).looks(FAIL, FAIL)
            case "other":
                play.advance(2.0).looks(failed("refused"), failed("refused"))
            case "green":
                play.advance(2.0).looks(PASS, PASS)
            case "fence":
                play.suspend().resume()
            case "wait":
                play.advance(601.0)
            case "restart":
                play.restart_daemon(down_s=1.0)
            case _ if play.progress.approvals:
                (asked,) = play.progress.approvals.values()
                by = data.draw(st.sampled_from(sorted(people)))
                if step == "yes":
                    play.approve(by, uid=people[by], plan=asked.sha256)
                else:
                    play.record(
                        ApprovalRejected(
                            gate=asked.plan.gate, plan_sha256=asked.sha256, by=by, by_uid=people[by]
                        )
                    )
            case _:
                pass
    assert not replay(play.records).differences


def _assert_chain(play: Played, act: Act, count: int) -> None:
    """By the records alone, and by none of the rules that decided."""
    (plan,) = act.plans
    events = [r.event for r in play.records]
    at = max(i for i, e in enumerate(events) if isinstance(e, ApprovalRequested) and e.plan_sha256 == plan)
    asked = events[at]
    assert isinstance(asked, ApprovalRequested)
    since = events[at:]
    assert not any(isinstance(e, ApprovalRejected | ApprovalVoided) for e in since)
    assert {e.ending for e in since if isinstance(e, ActEnded)} <= {"never_started"}, "a yes is to one act"
    said = {e.by for e in since if isinstance(e, ApprovalGranted) and e.plan_sha256 == plan}
    assert len(said - {"ada", "daemon"}) >= count
    assert play.now.wall_s < asked.plan.until_wall_s
    assert (asked.plan.epoch, asked.plan.evidence) == (play.progress.epoch, act.fingerprint)
