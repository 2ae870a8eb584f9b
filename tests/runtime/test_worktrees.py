"""Agents work in trees of the daemon's own: what is looked at where, what reaches the workspace, and what is held."""

from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.core.confinement import Capabilities
from kazid.core.event import (
    ActEnded,
    ActIntended,
    WorktreeCreated,
    WorktreeDelivered,
    WorktreeRemoved,
    WorktreeSkipped,
)
from kazid.core.goal import Goal, Isolation, Sandbox, Scope
from kazid.core.ids import GoalId
from kazid.core.placement import COLLISIONS_MAX
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Verdict, failed, passed
from kazid.ports.commands import Command, CommandResult, Ending
from kazid.ports.provider import Look
from kazid.runtime.executor import ExecutorLimits
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.house import ME, Daemon, FileReads, House

pytestmark = pytest.mark.trio

ISOLATED = Isolation(mode="worktree")


class _RedInTheWorkspace:
    """Green in every fresh tree."""

    async def evaluate(self, options: Any, look: Look, commands: object) -> Verdict:
        await anyio.sleep(0.01)
        return failed("no module named x") if look.workspace == "/w" else passed()


class _Setup:
    """The commands of `[workspace] setup`."""

    def __init__(self, exit_code: int = 0) -> None:
        self.ran: list[Command] = []
        self.exit_code = exit_code

    async def run(self, command: Command) -> CommandResult:
        self.ran.append(command)
        return CommandResult(ending=Ending.EXITED, executable="sh", exit_code=self.exit_code)


def _house() -> House:
    house = House()
    house.workspaces.write("/w", "a", "broken")
    house.worktrees.make_repository("/w")
    house.providers["test_runner"] = FileReads(house.workspaces)
    return house


def _goal(**others: Any) -> Goal:
    fields: dict[str, Any] = {"harness": a_harness(), "workspace": "/w", **others}
    isolation = fields.pop("isolation", ISOLATED)
    return replace(a_goal(a_predicate("tests"), **fields), isolation=isolation)


def _agent(house: House, *writes: dict[str, str], **script: Any) -> None:
    """Each run of the agent writes one of these into the folder it was started in."""
    left = list(writes)

    def effect(order: Any) -> None:
        for name, text in (left.pop(0) if len(left) > 1 else left[0]).items():
            house.workspaces.write(order.cwd, name, text)

    house.scripts["claude"] = Script(**{"duration_s": 1.0, "effect": effect, **script})


async def _ended(daemon: Daemon, goal: Goal) -> Any:
    await daemon.apply(goal)
    status = GoalStatus.HOLDING if goal.standing else GoalStatus.CONVERGED
    return (await daemon.service.wait(goal.owner, goal.id, state=status, timeout_s=7200)).view


async def _end(house: House, goal: Goal) -> Any:
    async with house.daemon() as daemon:
        return await _ended(daemon, goal)


async def test_the_change_is_judged_in_the_worktree_and_the_last_look_is_in_the_workspace(autojump_clock):
    house = _house()
    reads = house.providers["test_runner"] = FileReads(house.workspaces)
    _agent(house, {"a": "fixed"})
    view = await _end(house, _goal())
    assert (view.status, view.cause) == (GoalStatus.CONVERGED, None)
    assert reads.places[0] == reads.places[-1] == "/w"
    assert any(p.startswith("/worktrees/") for p in reads.places)
    assert house.workspaces.read("/w", "a") == "fixed"
    (made,), (delivered,) = await house.events_of(WorktreeCreated), await house.events_of(WorktreeDelivered)
    assert made.worktree.branch == "kazi/web"
    assert list(delivered.files) == ["a"]
    assert house.workspaces.files(made.worktree.path) is None, "nothing is left behind"


async def test_the_change_is_in_the_journal_as_git_tells_it(autojump_clock):
    house = _house()
    _agent(house, {}, {"a": "fixed", "b": "new"})
    await _end(house, _goal())
    nothing, something = [e.change for e in await house.events_of(ActEnded)]
    assert nothing.files == 0, "a dispatch without a change is named"
    assert (something.files, list(something.touched)) == (2, ["a", "b"])


async def test_nothing_half_done_reaches_the_workspace(autojump_clock):
    house = _house()
    _agent(house, {"a": "worse"})
    view = await _end(house, _goal())
    assert view.status is GoalStatus.STUCK
    assert house.workspaces.read("/w", "a") == "broken"
    assert f"diff --binary {view.progress.worktree.base} refs/kazi/{view.uid}/latest" in view.notices[0]


async def test_setup_runs_in_a_fresh_tree_before_it_is_looked_at(autojump_clock):
    house = _house()
    house.commands = setup = _Setup()
    _agent(house, {"a": "fixed"})
    view = await _end(house, _goal(isolation=Isolation(mode="worktree", setup=("npm ci",))))
    assert view.status is GoalStatus.CONVERGED
    assert [c.argv[-1] for c in setup.ran] == ["npm ci"]
    assert setup.ran[0].cwd.startswith("/worktrees/")


async def test_a_goal_waits_for_one_slot_and_has_it_for_its_setup_and_its_agent(autojump_clock, monkeypatch):
    monkeypatch.setattr("tests.runtime.house.ExecutorLimits", lambda: ExecutorLimits(dispatches=1))
    house = _house()
    house.commands = _Setup()
    _agent(house, {"a": "fixed"}, duration_s=30.0)
    names = ["one", "two", "three"]
    for name in names:
        house.workspaces.make(f"/{name}")
        house.workspaces.write(f"/{name}", "a", "broken")
        house.worktrees.make_repository(f"/{name}")
    isolation = replace(ISOLATED, setup=("make deps",))
    async with house.daemon() as daemon:
        for name in names:
            await daemon.apply(replace(_goal(isolation=isolation, workspace=f"/{name}"), id=GoalId(name)))
        with anyio.fail_after(600):
            while any(house.workspaces.read(f"/{name}", "a") != "fixed" for name in names):
                await anyio.sleep(1)
        recorded = await house.events()
    steps = [
        (r.uid, r.event) for r in recorded if isinstance(r.event, WorktreeCreated | ActIntended | ActEnded)
    ]
    for number in range(0, len(steps), 3):
        assert len({uid for uid, _ in steps[number : number + 3]}) == 1, (
            "set up, sent and back without another"
        )
    assert house.runner.live_max == 1


async def test_a_setup_that_fails_ends_the_goal_by_name_and_nothing_is_dispatched(autojump_clock):
    house = _house()
    house.commands = _Setup(exit_code=1)
    _agent(house, {"a": "fixed"})
    view = await _end(house, _goal(isolation=Isolation(mode="worktree", setup=("npm ci",))))
    assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.SETUP_FAILED)
    assert "npm ci" in view.reason
    assert house.runner.started("claude") == 0


async def test_a_folder_that_is_no_repository_is_worked_in_as_it_is(autojump_clock):
    house = _house()
    house.workspaces.write("/w2", "a", "broken")
    _agent(house, {"a": "fixed"})
    view = await _end(house, _goal(workspace="/w2"))
    assert view.status is GoalStatus.CONVERGED
    assert await house.events_of(WorktreeCreated) == []
    (skipped,) = await house.events_of(WorktreeSkipped)
    assert view.notices == [f"agents work in the workspace itself: {skipped.reason}"]


async def test_a_remedy_always_works_in_the_workspace(autojump_clock):
    house = _house()
    house.scripts["fix"] = Script(effect=lambda order: house.workspaces.write(order.cwd, "a", "fixed"))
    view = await _end(house, _goal(remedies=[a_remedy("tests", cmd="fix")]))
    assert view.status is GoalStatus.CONVERGED
    assert await house.events_of(WorktreeCreated) == []


async def test_work_of_the_user_in_the_same_place_is_never_overwritten(autojump_clock):
    house = _house()

    def effect(order: Any) -> None:
        house.workspaces.write(order.cwd, "a", "fixed")
        house.workspaces.write("/w", "a", f"mine {house.runner.started('claude')}")

    house.scripts["claude"] = Script(duration_s=1.0, effect=effect)
    view = await _end(house, _goal())
    assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.DELIVERY_CONFLICT)
    assert "kazi/web" in view.reason
    assert house.workspaces.read("/w", "a") == f"mine {1 + COLLISIONS_MAX}"
    assert house.runner.started("claude") == 1 + COLLISIONS_MAX, "the agent is asked again, and not for ever"
    assert any(f"refs/kazi/{view.uid}/collided-{COLLISIONS_MAX}" in notice for notice in view.notices)


async def test_a_change_that_collides_with_an_edit_is_made_anew_on_top_of_it(autojump_clock):
    house = _house()
    edits = ["mine"]

    def effect(order: Any) -> None:
        house.workspaces.write(order.cwd, "a", "fixed")
        house.workspaces.write(order.cwd, "b", house.workspaces.read(order.cwd, "a") or "")
        if edits:
            house.workspaces.write("/w", "a", edits.pop())

    house.scripts["claude"] = Script(duration_s=1.0, effect=effect)
    view = await _end(house, _goal())
    assert view.status is GoalStatus.CONVERGED
    (removed,) = await house.events_of(WorktreeRemoved)
    assert removed.collision is not None
    assert (removed.collision.saved, removed.collision.files) == (f"refs/kazi/{view.uid}/collided-1", ["a"])
    assert house.workspaces.read("/w", "a") == "fixed"


async def test_red_in_the_workspace_and_green_in_every_fresh_tree_is_no_work_for_an_agent(autojump_clock):
    house = _house()
    house.providers["test_runner"] = _RedInTheWorkspace()
    view = await _end(house, _goal())
    assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.WORKSPACE_DIFFERS)
    assert house.runner.started("claude") == 0
    assert len(await house.events_of(WorktreeRemoved)) == 1


async def test_a_change_larger_than_the_goal_allows_is_held_for_a_person(autojump_clock):
    house = _house()
    _agent(house, {"a": "fixed", "b": "x", "c": "x"})
    view = await _end(house, _goal(scope=Scope(files_max=2)))
    assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.CHANGE_HELD)
    assert "3 files" in view.reason
    (ended,) = await house.events_of(ActEnded)
    assert ended.change.held is not None
    assert house.workspaces.read("/w", "a") == "broken"


async def test_in_place_too_a_change_too_large_is_held_and_the_workspace_is_as_it_was(autojump_clock):
    house = _house()
    house.workspaces.write("/w", "mine", "not committed")
    _agent(house, {"a": "fixed", "mine": "x", "c": "x"})
    view = await _end(house, _goal(scope=Scope(files_max=2), isolation=Isolation()))
    assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.CHANGE_HELD)
    assert f"refs/kazi/{view.uid}/attempt-1-after | git apply" in view.reason
    assert [house.workspaces.read("/w", n) for n in ("a", "mine", "c")] == ["broken", "not committed", None]


async def test_a_limit_that_nothing_can_hold_is_refused_before_anything_is_spent(autojump_clock):
    house = _house()
    house.workspaces.write("/w2", "a", "broken")
    _agent(house, {"a": "fixed"})
    view = await _end(house, _goal(workspace="/w2", scope=Scope(files_max=2)))
    assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.CAPABILITY_UNREACHABLE)
    assert "max_files" in view.reason
    assert house.runner.started("claude") == 0


@pytest.mark.parametrize("isolation", [ISOLATED, Isolation()], ids=["worktree", "in-place"])
@pytest.mark.parametrize(
    ("on_outside", "status"), [("revert", GoalStatus.CONVERGED), ("reject", GoalStatus.TAMPERED)]
)
async def test_what_is_out_of_scope_is_undone_or_ends_the_goal_as_it_says(
    on_outside, status, isolation, autojump_clock
):
    house = _house()
    house.repositories.make_commit("/w")
    _agent(house, {"a": "fixed", "elsewhere": "x"})
    scope = Scope(write_paths=("a",), on_outside=on_outside)
    view = await _end(house, _goal(scope=scope, isolation=isolation))
    assert view.status is status
    (ended,) = await house.events_of(ActEnded)
    assert list(ended.change.outside) == ["elsewhere"]
    is_there = isolation.mode == "in_place" and on_outside == "reject"
    assert house.workspaces.read("/w", "elsewhere") == ("x" if is_there else None)


async def test_a_standing_goal_is_repaired_where_the_user_works_every_time(autojump_clock):
    house = _house()
    _agent(house, {"a": "fixed"})
    async with house.daemon() as daemon:
        goal = _goal(standing=True)
        for _ in range(2):
            house.workspaces.write("/w", "a", "broken")
            await daemon.apply(goal)
            await daemon.service.reconcile(goal.owner, goal.id, caller=ME)
            with anyio.fail_after(7200):
                while house.workspaces.read("/w", "a") != "fixed":
                    await anyio.sleep(1)
            await daemon.service.wait(goal.owner, goal.id, state=GoalStatus.HOLDING, timeout_s=7200)
    assert len(await house.events_of(WorktreeDelivered)) == 2


async def test_a_dispatch_that_was_cut_off_is_continued_in_its_tree(autojump_clock):
    house = _house()
    left = [{"b": "half"}, {"a": "fixed"}]

    def effect(order: Any) -> None:
        for name, text in left.pop(0).items():
            house.workspaces.write(order.cwd, name, text)

    house.scripts["claude"] = Script(duration_s=100.0, effect_at_start=effect)
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(_goal())
        with anyio.fail_after(600):
            while len(left) == 2:
                await anyio.sleep(1)
    async with house.daemon() as daemon:
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=7200)
    assert waited.view.status is GoalStatus.CONVERGED
    assert house.workspaces.read("/w", "b") == "half", "what the first began is in what the second ended"
    assert len(await house.events_of(WorktreeCreated)) == 1


async def test_a_tree_that_vanished_is_made_again_with_the_work_in_it(autojump_clock):
    house = _house()
    _agent(house, {"b": "half"}, {"b": "half", "a": "fixed"})
    goal = _goal()
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(goal)
        with anyio.fail_after(600):
            while not await house.events_of(ActEnded):
                await anyio.sleep(0.001)
    (made,) = await house.events_of(WorktreeCreated)
    house.workspaces.remove(made.worktree.path)
    async with house.daemon() as daemon:
        view = (await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=7200)).view
    assert view.status is GoalStatus.CONVERGED
    assert house.workspaces.read("/w", "b") == "half"


async def test_a_deleted_goal_leaves_no_tree(autojump_clock):
    house = _house()
    _agent(house, {"a": "worse"})
    async with house.daemon() as daemon:
        await _ended(daemon, _goal())
        await daemon.service.delete("ada", "web", caller=ME)
    (made,) = await house.events_of(WorktreeCreated)
    assert house.workspaces.files(made.worktree.path) is None


async def test_a_restart_removes_the_trees_of_nobody(autojump_clock):
    house = _house()
    _agent(house, {"a": "worse"})
    async with house.daemon() as daemon:
        await _ended(daemon, _goal())
    (made,) = await house.events_of(WorktreeCreated)
    house.journal = type(house.journal)()
    async with house.daemon():
        assert house.workspaces.files(made.worktree.path) is None


async def test_bounds_that_cannot_be_enforced_are_refused_and_nothing_runs_open(autojump_clock):
    house = _house()
    house.sandbox.can = Capabilities(landlock_abi=0, bubblewrap=None)
    _agent(house, {"a": "fixed"})
    view = await _end(house, replace(_goal(), sandbox=Sandbox(mode="strict")))
    assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.CAPABILITY_UNREACHABLE)
    assert "bubblewrap or landlock" in view.reason
    assert house.runner.started("claude") == 0
