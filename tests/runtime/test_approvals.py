"""Acts that wait for people, in a whole daemon: asked, approved, looked at again, done; and all that voids it."""

import hashlib
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.core.approval_event import ApprovalRequested, ApprovalVoided
from kazid.core.event import ActIntended, ReconcileRequested, WorktreeDelivered
from kazid.core.goal import Goal, Isolation
from kazid.core.ids import GoalUid
from kazid.core.level import ApprovalRule, Autonomy, Gate, Level
from kazid.core.plan import Asked
from kazid.core.proposal import is_whole
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed
from kazid.core.worktree import Worktree
from kazid.runtime.ending import SEALS_MAX
from kazid.runtime.views import Caller
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.house import DAEMON_UID, ME, Daemon, FileReads, House
from tests.runtime.people import APPROVER, PIA, WHOSE_WORD_DOES_NOT_COUNT, introduce

pytestmark = pytest.mark.trio

APPROVED = Autonomy(level=Level.APPROVE)


def _house() -> House:
    house = House()
    introduce(house, PIA)
    house.repairs("restart", "livez")
    return house


def _service(**others: Any) -> Goal:
    return a_goal(
        a_predicate("livez", live=True, confirm=1, recover=1),
        remedies=others.pop("remedies", [a_remedy("livez")]),
        standing=True,
        **{"autonomy": APPROVED, **others},
    )


async def _asked(daemon: Daemon) -> Asked:
    """The request that stands, as soon as one does."""
    with anyio.fail_after(300):
        while True:
            for pending in daemon.approving.pending(lambda _owner, _labels: True):
                if not pending.is_met:
                    return pending.asked
            await anyio.sleep(0.5)


async def _status(daemon: Daemon, status: GoalStatus, cause: Cause | None = None) -> None:
    with anyio.fail_after(900):
        while True:
            view = daemon.service.view("ada", "web")
            if view.status is status and (cause is None or view.cause is cause):
                return
            await anyio.sleep(0.5)


async def test_nothing_runs_until_somebody_else_said_yes_and_then_it_does_once(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        await daemon.apply(_service())
        asked = await _asked(daemon)
        await anyio.sleep(600)
        assert house.runner.started("restart") == 0
        view = daemon.service.view("ada", "web")
        assert view.status is GoalStatus.WAITING
        assert [g.name for g in view.guards] == ["approval"]
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        await _status(daemon, GoalStatus.HOLDING)
        assert house.runner.started("restart") == 1
    (intent,) = await house.events_of(ActIntended)
    assert (intent.plans, intent.approved_by) == ([asked.sha256], ["pia"])


@pytest.mark.parametrize("when", [pytest.param(w, id=w) for w in ("asked", "given")])
async def test_a_crash_forgets_neither_the_request_nor_the_yes(autojump_clock, when: str):
    house = _house()
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(_service())
        asked = await _asked(daemon)
        if when == "given":
            house.scene.takes_s["livez"] = 5.0
            assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
    async with house.daemon() as daemon:
        if when == "asked":
            await anyio.sleep(120)
            assert (await _asked(daemon)).sha256 == asked.sha256, "the same request, not another one"
            assert house.runner.started("restart") == 0
            assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        await _status(daemon, GoalStatus.HOLDING)
    assert len(await house.events_of(ApprovalRequested)) == 1
    assert house.runner.started("restart") == 1


async def test_who_lost_the_role_by_then_counts_no_more(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        await daemon.apply(_service())
        asked = await _asked(daemon)
        house.scene.takes_s["livez"] = 5.0
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        house.grants[PIA.uid] = (PIA.login, ())
        again = await _asked(daemon)
        assert again.given == ()
        assert house.runner.started("restart") == 0
    (stale,) = await house.events_of(ApprovalVoided)
    assert (stale.lost, stale.plan_sha256) == ("pia", asked.sha256)


async def test_what_is_green_by_then_is_not_done(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        await daemon.apply(_service())
        asked = await _asked(daemon)
        house.scene.up["livez"] = True
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        await _status(daemon, GoalStatus.HOLDING)
        assert house.runner.started("restart") == 0


@pytest.mark.parametrize(("caller", "type_"), WHOSE_WORD_DOES_NOT_COUNT)
async def test_whose_word_does_not_count_changes_nothing(autojump_clock, caller: Caller, type_: str):
    house = _house()
    async with house.daemon() as daemon:
        await daemon.apply(_service())
        asked = await _asked(daemon)
        refused = await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=caller)
        assert refused is not None
        assert refused.type == type_
        await anyio.sleep(120)
        assert (await _asked(daemon)).given == ()
        assert house.runner.started("restart") == 0


async def test_a_no_ends_the_waiting(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        await daemon.apply(_service())
        await _asked(daemon)
        said = await daemon.approving.reject("ada", "web", plan="", reason="after the freeze", caller=PIA)
        assert said is None
        await _status(daemon, GoalStatus.STUCK, Cause.REJECTED)
        assert "after the freeze" in (daemon.service.view("ada", "web").reason or "")


async def test_a_new_spec_voids_what_was_said(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        await daemon.apply(_service())
        asked = await _asked(daemon)
        await daemon.apply(_service(remedies=[replace(a_remedy("livez"), args=("--hard",))]))
        refused = await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA)
        assert refused is not None
        assert refused.type == "approval_stale"
        assert list((await _asked(daemon)).plan.argv) == ["restart", "--hard"]
        assert house.runner.started("restart") == 0


async def _again(daemon: Daemon, **others: Any) -> None:
    await daemon.apply(_service(remedies=[replace(a_remedy("livez"), **others)]))


async def _other_evidence(house: House, _: Daemon) -> None:
    house.scene.verdicts["livez"] = failed("refused")


async def _fence(_: House, daemon: Daemon) -> None:
    await daemon.service.suspend("ada", "web", reason="tea", for_s=None, caller=ME)
    await daemon.service.resume("ada", "web", reason="back", caller=ME)


async def _a_day_later(house: House, _: Daemon) -> None:
    house.clock.step(90_000.0)


async def _another_person(house: House, _: Daemon) -> None:
    house.grants[PIA.uid] = ("eve", APPROVER)


BOUND = [
    pytest.param(lambda _, daemon: _again(daemon, cmd="restart-now"), id="program"),
    pytest.param(lambda _, daemon: _again(daemon, args=("--hard",)), id="argv"),
    pytest.param(lambda _, daemon: _again(daemon, env={"TARGET": "prod"}), id="environment-names"),
    pytest.param(_other_evidence, id="evidence"),
    pytest.param(_fence, id="epoch"),
    pytest.param(_a_day_later, id="expiry"),
    pytest.param(_another_person, id="approver-uid"),
]


@pytest.mark.parametrize("change", BOUND)
async def test_whatever_a_yes_binds_and_is_changed_before_the_act_keeps_it_from_being_done(
    autojump_clock, change: Any
):
    house = _house()
    async with house.daemon() as daemon:
        await daemon.apply(_service())
        asked = await _asked(daemon)
        house.scene.takes_s["livez"] = 5.0
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        await change(house, daemon)
        again = await _asked(daemon)
        assert again.given == (), "it is asked for anew, of somebody else's or for something else"
        await anyio.sleep(300)
        assert house.runner.starts == []
        refused = await daemon.approving.approve("ada", "web", plan="0" * 64, caller=PIA)
        assert refused is not None
    assert await house.events_of(ActIntended) == []


async def test_a_yes_is_not_for_whom_the_daemon_is_started_as_later(autojump_clock, monkeypatch):
    house = _house()
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(_service())
        asked = await _asked(daemon)
        house.scene.takes_s["livez"] = 5.0
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
    monkeypatch.setattr("tests.runtime.house.DAEMON_UID", DAEMON_UID + 1)
    async with house.daemon() as daemon:
        again = await _asked(daemon)
        assert (again.given, again.plan.executor_uid) == ((), DAEMON_UID + 1)
        assert house.runner.starts == []
    (void,) = await house.events_of(ApprovalVoided)
    assert "executor_uid" in void.reason


# --- what agents make -------------------------------------------------------------------------------------------------


def _workshop() -> House:
    house = _house()
    house.workspaces.write("/w", "a", "broken")
    house.worktrees.make_repository("/w")
    house.providers["test_runner"] = FileReads(house.workspaces)
    house.scripts["claude"] = Script(
        duration_s=1.0, effect=lambda order: house.workspaces.write(order.cwd, "a", "fixed")
    )
    return house


def _work(level: Level, **others: Any) -> Goal:
    goal = a_goal(
        a_predicate("tests"), harness=a_harness(), workspace="/w", autonomy=Autonomy(level=level), **others
    )
    return replace(goal, isolation=Isolation(mode="worktree"))


async def test_what_an_agent_proposes_stays_in_its_tree(autojump_clock):
    house = _workshop()
    async with house.daemon() as daemon:
        await daemon.apply(_work(Level.PROPOSE))
        await _status(daemon, GoalStatus.STUCK, Cause.PROPOSED)
        tree = daemon.service.view("ada", "web").progress.worktree
        assert tree is not None
        assert tree.path in (daemon.service.view("ada", "web").reason or "")
        assert house.workspaces.read(tree.folder, "a") == "fixed"
        assert house.workspaces.read("/w", "a") == "broken"
        left = daemon.service.view("ada", "web").progress.bundle
        assert left is not None
        assert left.proposal is not None
        assert is_whole(left.proposal)
        patch = left.proposal.patch
        assert patch is not None
        assert "+fixed" in (patch.text or "")
        printed = await house.worktrees.patch(tree, patch.base, patch.commit)
        assert hashlib.sha256(printed or b"").hexdigest() == patch.sha256
        house.workspaces.write(tree.folder, "a", "something else")
        assert await house.worktrees.patch(tree, patch.base, patch.commit) == printed, (
            "what was sealed is kept"
        )
    async with house.daemon() as daemon:
        again = daemon.service.view("ada", "web").progress.bundle
        assert again is not None
        assert again.proposal is not None
        assert is_whole(again.proposal), "the seal survives the journal"
        assert again.proposal.sha256 == left.proposal.sha256


async def test_a_tree_that_is_not_the_one_that_was_judged_is_not_sealed(autojump_clock):
    house = _workshop()
    snapshot = house.worktrees.snapshot
    meddled: list[str] = []

    async def meddles(tree: Worktree, *, uid: GoalUid, name: str, is_new: bool = True) -> str | None:
        if name == "proposed" and not meddled:
            meddled.append(name)
            house.workspaces.write(tree.folder, "a", "fixed, and something else")
        return await snapshot(tree, uid=uid, name=name, is_new=is_new)

    house.worktrees.snapshot = meddles  # type: ignore[method-assign]
    async with house.daemon() as daemon:
        await daemon.apply(_work(Level.PROPOSE))
        await _status(daemon, GoalStatus.STUCK, Cause.PROPOSED)
        left = daemon.service.view("ada", "web").progress.bundle
        assert left is not None
        assert left.proposal is not None
        (seen,) = left.proposal.evidence
        tree = daemon.service.view("ada", "web").progress.worktree
        assert tree is not None
        assert seen.tree == await house.workspaces.tree_hash(tree.folder), (
            "the one that was sealed was looked at"
        )


async def test_a_change_that_no_predicate_looks_at_is_kept_for_a_person_and_asked_of_nobody(autojump_clock):
    house = _workshop()

    def work(order: Any) -> None:
        house.workspaces.write(order.cwd, "a", "fixed")
        house.scene.up["livez"] = True

    house.scripts["claude"] = Script(duration_s=1.0, effect=work)
    live = a_predicate("livez", live=True, confirm=1, recover=1)
    async with house.daemon() as daemon:
        goal = a_goal(live, harness=a_harness("livez"), workspace="/w", standing=True, autonomy=APPROVED)
        await daemon.apply(replace(goal, isolation=Isolation(mode="worktree")))
        with anyio.fail_after(900):
            while house.runner.started("claude") == 0:
                for pending in daemon.approving.pending(lambda _owner, _labels: True):
                    await daemon.approving.approve("ada", "web", plan=pending.asked.sha256, caller=PIA)
                await anyio.sleep(0.5)
        await _status(daemon, GoalStatus.STUCK, Cause.PROPOSED)
        await anyio.sleep(600)
        view = daemon.service.view("ada", "web")
        assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.PROPOSED)
        assert "no predicate looked at code" in (view.reason or "")
        assert house.workspaces.read("/w", "a") == "broken"
        assert view.progress.bundle is not None
        assert view.progress.bundle.proposal is not None
        assert is_whole(view.progress.bundle.proposal)
    assert not await house.events_of(ReconcileRequested), "nobody asks again and again"


async def test_a_patch_that_is_too_long_to_be_read_is_bound_by_its_commit(autojump_clock):
    house = _workshop()

    async def too_long(tree: Worktree, before: str, after: str) -> bytes | None:
        return None

    house.worktrees.patch = too_long  # type: ignore[method-assign]
    async with house.daemon() as daemon:
        await daemon.apply(_work(Level.PROPOSE))
        await _status(daemon, GoalStatus.STUCK, Cause.PROPOSED)
        left = daemon.service.view("ada", "web").progress.bundle
        assert left is not None
        assert left.proposal is not None
        assert left.proposal.patch is not None
        assert (left.proposal.patch.text, left.proposal.patch.sha256) == (None, "")
        assert left.proposal.patch.commit in left.proposal.patch.how
        assert is_whole(left.proposal)


@pytest.mark.parametrize("is_standing", [False, True], ids=["lands", "standing"])
async def test_a_tree_that_cannot_be_sealed_is_not_looked_at_for_ever(autojump_clock, is_standing: bool):
    house = _workshop()
    snapshot = house.worktrees.snapshot
    asked: list[str] = []

    async def cannot(tree: Worktree, *, uid: GoalUid, name: str, is_new: bool = True) -> str | None:
        if name != "proposed":
            return await snapshot(tree, uid=uid, name=name, is_new=is_new)
        asked.append(name)
        return None

    house.worktrees.snapshot = cannot  # type: ignore[method-assign]
    async with house.daemon() as daemon:
        await daemon.apply(replace(_work(Level.PROPOSE), standing=is_standing))
        await _status(daemon, GoalStatus.STUCK, Cause.WORKTREE_FAILED)
        await anyio.sleep(600)
        view = daemon.service.view("ada", "web")
        assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.WORKTREE_FAILED)
        assert "cannot be sealed" in (view.reason or "")
        assert len(asked) == SEALS_MAX


async def test_a_remedy_that_is_proposed_is_told_with_what_is_red(autojump_clock):
    house = _house()
    async with house.daemon() as daemon:
        await daemon.apply(_service(autonomy=Autonomy(level=Level.PROPOSE)))
        await _status(daemon, GoalStatus.STUCK, Cause.PROPOSED)
        left = daemon.service.view("ada", "web").progress.bundle
        assert left is not None
        assert left.proposal is not None
        assert left.proposal.patch is None
        assert "restart" in left.proposal.title
        assert [e.verdict for e in left.proposal.evidence] == ["fail"]
        assert house.runner.started("restart") == 0


async def test_exactly_what_was_approved_reaches_the_workspace(autojump_clock):
    house = _workshop()
    async with house.daemon() as daemon:
        await daemon.apply(_work(Level.APPROVE))
        first = await _asked(daemon)
        assert (first.plan.gate, first.plan.act) == (Gate.LANDING, "deliver")
        await anyio.sleep(60)
        assert house.workspaces.read("/w", "a") == "broken"
        tree = daemon.service.view("ada", "web").progress.worktree
        assert tree is not None
        house.workspaces.write(tree.folder, "a", "fixed, and something else")
        assert await daemon.approving.approve("ada", "web", plan=first.sha256, caller=PIA) is None
        second = await _asked(daemon)
        assert house.workspaces.read("/w", "a") == "broken", "another tree is another patch"
        assert second.plan.trees != first.plan.trees
        assert await daemon.approving.approve("ada", "web", plan=second.sha256, caller=PIA) is None
        await _status(daemon, GoalStatus.CONVERGED)
        assert house.workspaces.read("/w", "a") == "fixed, and something else"
    (delivered,) = await house.events_of(WorktreeDelivered)
    assert (delivered.plans, delivered.approved_by) == ([second.sha256], ["pia"])


async def test_work_that_cannot_be_kept_back_is_not_begun(autojump_clock):
    house = _workshop()
    house.worktrees._repositories.clear()
    async with house.daemon() as daemon:
        await daemon.apply(_work(Level.PROPOSE))
        await _status(daemon, GoalStatus.STUCK, Cause.WORKTREE_FAILED)
        assert house.runner.started("claude") == 0


async def test_an_agent_waits_for_the_finding_to_be_confirmed(autojump_clock):
    house = _workshop()
    gates = (ApprovalRule(gate=Gate.DETECTION),)
    async with house.daemon() as daemon:
        await daemon.apply(_work(Level.ACT, approvals=gates))
        asked = await _asked(daemon)
        await anyio.sleep(60)
        assert house.runner.started("claude") == 0
        assert await daemon.approving.approve("ada", "web", plan=asked.sha256, caller=PIA) is None
        await _status(daemon, GoalStatus.CONVERGED)
        assert house.runner.started("claude") == 1
