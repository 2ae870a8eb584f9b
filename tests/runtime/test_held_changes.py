"""Looser specs that wait for people, in a whole daemon: held, approved, rejected, withdrawn, through crashes."""

from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from kazid.core.approval_event import ApprovalGranted, ApprovalRequested, ApprovalVoided, ChangeHeld
from kazid.core.errors import AdmissionRefused
from kazid.core.event import GoalApplied
from kazid.core.goal import Budget, Goal, Scope
from kazid.core.level import ApprovalRule, Autonomy, Gate, Level
from kazid.core.loosening import Circumstances
from kazid.core.plan import Asked
from kazid.core.roles import Given
from kazid.core.status import GoalStatus
from kazid.runtime.views import Caller
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.house import ME, Daemon, House
from tests.runtime.people import APPROVER, PIA, QUENTIN, WHOSE_WORD_DOES_NOT_COUNT, introduce

pytestmark = pytest.mark.trio

TEAM = Circumstances(given=(Given(grant=APPROVER[0], users=("pia", "quentin")),))
APPROVED = Autonomy(level=Level.APPROVE)


def _house() -> House:
    house = House()
    introduce(house, PIA, QUENTIN)
    house.repairs("restart", "livez")
    return house


def _goal(**others: Any) -> Goal:
    return a_goal(
        a_predicate("livez", live=True, confirm=1, recover=1),
        remedies=others.pop("remedies", [a_remedy("livez")]),
        standing=True,
        **{"autonomy": APPROVED, **others},
    )


async def _apply(daemon: Daemon, goal: Goal, *, key: str | None = None) -> str:
    applied = await daemon.service.apply(goal, caller=ME, circumstances=TEAM, idempotency_key=key)
    return applied.outcome


def _held(daemon: Daemon) -> list[Asked]:
    found = daemon.approving.pending(lambda _owner, _labels: True)
    return [pending.asked for pending in found if pending.asked.plan.gate is Gate.CHANGE]


async def test_a_looser_spec_is_held_and_the_one_before_it_stays_in_force(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        assert await _apply(daemon, _goal()) == "created"
        assert await _apply(daemon, _goal(autonomy=Autonomy())) == "held"
        await anyio.sleep(600)
        view = daemon.service.view("ada", "web")
        assert view.goal.autonomy == APPROVED
        assert view.progress.generation == 1
        assert house.runner.started("restart") == 0
        (asked,) = _held(daemon)
        assert any(asked.sha256 in notice for notice in view.notices)
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        with anyio.fail_after(600):
            while daemon.service.view("ada", "web").status is not GoalStatus.HOLDING:
                await anyio.sleep(1)
        view = daemon.service.view("ada", "web")
        assert (view.goal.autonomy, view.progress.generation, _held(daemon)) == (Autonomy(), 2, [])
    applied = (await house.events_of(GoalApplied))[-1]
    assert (list(applied.plans), list(applied.approved_by), applied.by) == ([asked.sha256], ["pia"], "me")
    assert list(applied.loosened) == ["[autonomy] level approve -> act"]


async def test_it_voids_the_requests_of_acts_that_stood(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        await _apply(daemon, _goal(budget=Budget(cost_usd_max=5.0)))
        with anyio.fail_after(300):
            while not await house.events_of(ApprovalRequested):
                await anyio.sleep(1)
        (act,) = await house.events_of(ApprovalRequested)
        assert await _apply(daemon, _goal(budget=Budget(cost_usd_max=9.0))) == "held"
        (asked,) = _held(daemon)
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        refused = await daemon.approving.approve("ada", "web", plan=act.plan_sha256, caller=QUENTIN)
        assert refused is not None
        assert refused.type == "approval_stale"
        assert house.runner.started("restart") == 0


@pytest.mark.parametrize("when", [pytest.param(w, id=w) for w in ("held", "first-yes", "in-force")])
async def test_a_crash_loses_neither_the_spec_nor_the_yes(autojump_clock, when: str):
    house = _house()
    two = [ApprovalRule(gate=Gate.EXECUTION, count=2)]
    looser = _goal(approvals=[ApprovalRule(gate=Gate.EXECUTION, count=1)])
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await _apply(daemon, _goal(approvals=two))
        assert await _apply(daemon, looser) == "held"
        (asked,) = _held(daemon)
        for who in {"held": (), "first-yes": (PIA,), "in-force": (PIA, QUENTIN)}[when]:
            assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=who) is None
    async with house.daemon() as daemon:
        for who in {"held": (PIA, QUENTIN), "first-yes": (QUENTIN,), "in-force": ()}[when]:
            assert daemon.service.view("ada", "web").goal.approvals[0].count == 2
            assert [a.sha256 for a in _held(daemon)] == [asked.sha256]
            assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=who) is None
        view = daemon.service.view("ada", "web")
        assert (view.goal.approvals[0].count, _held(daemon)) == (1, [])
    assert len(await house.events_of(GoalApplied)) == 2
    assert [e.by for e in await house.events_of(ApprovalGranted)] == ["pia", "quentin"]


@pytest.mark.parametrize(("caller", "type_"), WHOSE_WORD_DOES_NOT_COUNT)
async def test_whose_word_does_not_count_loosens_nothing(autojump_clock, caller: Caller, type_: str):
    house = _house()
    async with house.daemon() as daemon:
        await _apply(daemon, _goal())
        await _apply(daemon, _goal(autonomy=Autonomy()))
        (asked,) = _held(daemon)
        refused = await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=caller)
        assert refused is not None
        assert refused.type == type_
        assert daemon.service.view("ada", "web").goal.autonomy == APPROVED


async def test_one_person_counts_once_and_one_who_lost_the_role_not_at_all(autojump_clock):
    house = _house()
    two = [ApprovalRule(gate=Gate.EXECUTION, count=2)]
    async with house.daemon() as daemon:
        await _apply(daemon, _goal(approvals=two))
        await _apply(daemon, _goal())
        (asked,) = _held(daemon)
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        again = await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA)
        assert again is not None
        assert again.type == "four_eyes"
        house.grants[PIA.uid] = (PIA.login, ())
        refused = await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=QUENTIN)
        assert refused is not None
        assert "pia has no role" in refused.reason
        view = daemon.service.view("ada", "web")
        assert (list(view.goal.approvals), _held(daemon)) == (two, [])
    (void,) = await house.events_of(ApprovalVoided)
    assert void.lost == "pia"


async def test_a_no_leaves_the_goal_as_it_is(autojump_clock):
    house = _house()
    house.scene.up["livez"] = True
    async with house.daemon() as daemon:
        await _apply(daemon, _goal())
        await _apply(daemon, _goal(autonomy=Autonomy()))
        said = await daemon.approving.reject("ada", "web", plan="", reason="not now", caller=PIA)
        assert said is None
        assert _held(daemon) == []
        await anyio.sleep(300)
        view = daemon.service.view("ada", "web")
        assert (view.status, view.goal.autonomy) == (GoalStatus.HOLDING, APPROVED)


@pytest.mark.parametrize(
    ("then", "outcome"),
    [
        pytest.param(_goal(), "attached", id="the-stored-one"),
        pytest.param(_goal(remedies=[a_remedy("livez", attempts=1)]), "generation", id="a-tighter-one"),
        pytest.param(_goal(autonomy=Autonomy(level=Level.ACT), name="x"), "held", id="another-looser-one"),
    ],
)
async def test_who_submits_has_one_wish_at_a_time(autojump_clock, then: Goal, outcome: str):
    house = _house()
    async with house.daemon() as daemon:
        await _apply(daemon, _goal())
        await _apply(daemon, _goal(autonomy=Autonomy()))
        (asked,) = _held(daemon)
        assert await _apply(daemon, then) == outcome
        refused = await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA)
        assert refused is not None
        assert refused.type == "approval_stale"
        assert daemon.service.view("ada", "web").goal.autonomy == APPROVED
    assert [e.plan_sha256 for e in await house.events_of(ApprovalVoided)] == [asked.sha256]


async def test_the_same_again_asks_once_until_it_expired(autojump_clock):
    house = _house()
    hour = [ApprovalRule(gate=Gate.EXECUTION, expires_s=3600.0)]
    async with house.daemon() as daemon:
        await _apply(daemon, _goal(approvals=hour))
        for key in ("k1", "k1", "k2"):
            assert await _apply(daemon, _goal(), key=key) == "held"
        assert len(await house.events_of(ChangeHeld)) == 1
        (asked,) = _held(daemon)
        await anyio.sleep(4000)
        refused = await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA)
        assert refused is not None
        assert "apply it again" in refused.reason
        assert any("apply it again" in notice for notice in daemon.service.view("ada", "web").notices)
        assert await _apply(daemon, _goal()) == "held"
        (anew,) = _held(daemon)
        assert anew.sha256 != asked.sha256
        assert await daemon.approving.approve("ada", "web", plan=anew.sha256, caller=PIA) is None
        assert daemon.service.view("ada", "web").goal.approvals == ()


@pytest.mark.parametrize("how", [pytest.param(h, id=h) for h in ("stopped", "suspended", "finished")])
async def test_a_goal_that_does_nothing_is_loosened_by_nobody_alone_either(autojump_clock, how: str):
    house = _house()
    house.scene.up["livez"] = True
    async with house.daemon() as daemon:
        await _apply(daemon, replace(_goal(), standing=how != "finished"))
        if how == "stopped":
            await daemon.service.stop("ada", "web", caller=ME)
        elif how == "suspended":
            await daemon.service.suspend("ada", "web", reason="r", for_s=None, caller=ME)
        await anyio.sleep(60)
        looser = replace(_goal(autonomy=Autonomy()), standing=how != "finished")
        assert await _apply(daemon, looser) == "held"
        assert daemon.service.view("ada", "web").goal.autonomy == APPROVED
        (asked,) = _held(daemon)
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        assert daemon.service.view("ada", "web").goal.autonomy == Autonomy()


async def test_where_nobody_has_to_approve_acts_nobody_has_to_approve_a_change(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        await _apply(daemon, _goal(autonomy=Autonomy()))
        assert (
            await _apply(daemon, _goal(autonomy=Autonomy(), remedies=[a_remedy("livez", attempts=9)]))
            == "generation"
        )
    assert list((await house.events_of(GoalApplied))[-1].loosened) == ["[[remedy]] restart: attempts 2 -> 9"]
    assert not await house.events_of(ChangeHeld)


async def test_claims_that_somebody_took_meanwhile_are_not_taken_by_a_yes(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        await _apply(daemon, _goal())
        await _apply(daemon, _goal(scope=Scope(owns=["unit:nginx"])))
        (asked,) = _held(daemon)
        other = replace(
            a_goal(a_predicate("up", live=True), goal_id="other"), scope=Scope(owns=["unit:nginx"])
        )
        await _apply(daemon, other)
        with pytest.raises(AdmissionRefused, match="unit:nginx"):
            await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA)
        assert daemon.service.view("ada", "web").goal.scope == Scope()
