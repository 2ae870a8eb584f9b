"""What judges the work stays what it was: a sealed input that changes, a read-only path that an agent writes."""

import anyio
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.core.event import GoalResumed
from kazid.core.goal import Scope
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed, passed
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.house import ME, House

pytestmark = pytest.mark.trio

TESTS = a_predicate("tests")
SEAL = {"seal": {"sealed_inputs": ["grader", "absent"], "mutable_inputs": ["grader/cache"]}}
LEASE = {"enforcement": {"read_only_paths": ["tests"]}}


def _goal(tables, **others):
    return replace(a_goal(TESTS, harness=a_harness(), workspace="/w", **others), tables=tables)


def _house() -> House:
    house = House()
    house.workspaces.write("/w", "grader/check.py", "strict")
    house.workspaces.write("/w", "grader/cache", "1")
    house.workspaces.write("/w", "tests/test_a.py", "assert add(2, 3) == 5")
    return house


def _cheats(house: House, *files: str, fixes: bool = True, duration_s: float = 1.0) -> None:
    """The agent writes these files, and the check passes afterwards."""

    def effect(_: object) -> None:
        for name in files:
            house.workspaces.write("/w", name, "lenient")
        house.scene.up["tests"] = fixes

    house.scripts["claude"] = Script(duration_s=duration_s, effect=effect)


async def _end(house: House, goal):
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(goal.owner, goal.id, state=GoalStatus.CONVERGED, timeout_s=3600)
    return waited.view


@pytest.mark.parametrize(
    ("tables", "written", "status", "cause", "says"),
    [
        pytest.param(SEAL, "grader/check.py", GoalStatus.TAMPERED, Cause.SEAL_BROKEN, "grader/check.py", id="sealed"),
        pytest.param(SEAL, "absent", GoalStatus.TAMPERED, Cause.SEAL_BROKEN, "absent", id="sealed-as-absent"),
        pytest.param(SEAL, "grader/new.py", GoalStatus.TAMPERED, Cause.SEAL_BROKEN, "new.py", id="added-below-it"),
        pytest.param(LEASE, "tests/test_a.py", GoalStatus.TAMPERED, Cause.READ_ONLY_WRITE, "test_a.py", id="read-only"),
        pytest.param(SEAL, "grader/cache", GoalStatus.CONVERGED, None, "hold", id="mutable"),
        pytest.param(LEASE, "grader/check.py", GoalStatus.CONVERGED, None, "hold", id="elsewhere"),
        pytest.param({}, "tests/test_a.py", GoalStatus.CONVERGED, None, "hold", id="nothing-is-sealed"),
    ],
)  # fmt: skip
async def test_a_goal_whose_judge_was_changed_ends_as_tampered(
    tables, written, status, cause, says, autojump_clock
):
    house = _house()
    _cheats(house, written)
    view = await _end(house, _goal(tables))
    assert (view.status, view.cause) == (status, cause)
    assert says in view.reason
    assert house.runner.started("claude") == 1, "nothing is paid for after that"


@pytest.mark.parametrize("written", ["migrations/0001.sql", "migrations/0002.sql"])
async def test_an_agent_that_writes_what_is_denied_ends_the_goal_and_nothing_is_undone(
    written, autojump_clock
):
    house = _house()
    house.workspaces.write("/w", "migrations/0001.sql", "create table a")
    _cheats(house, written)
    view = await _end(house, replace(_goal({}), scope=Scope(deny=("migrations",))))
    assert (view.status, view.cause) == (GoalStatus.TAMPERED, Cause.READ_ONLY_WRITE)
    assert written in view.reason
    assert house.workspaces.read("/w", written) == "lenient"


@pytest.mark.parametrize("has_repository", [True, False], ids=["repository", "plain-folder"])
@pytest.mark.parametrize(
    ("written", "status"),
    [
        pytest.param("src/calc.py", GoalStatus.CONVERGED, id="within"),
        pytest.param("tests/test_a.py", GoalStatus.TAMPERED, id="an-edit-elsewhere"),
        pytest.param("planted.py", GoalStatus.TAMPERED, id="a-new-file-elsewhere"),
    ],
)
async def test_an_agent_that_writes_beyond_its_write_paths_ends_the_goal(
    written, status, has_repository, autojump_clock
):
    house = _house()
    if has_repository:
        house.repositories.make_commit("/w")
    house.workspaces.write("/w", "notes", "edited before anybody came")
    _cheats(house, written)
    view = await _end(house, replace(_goal({}), scope=Scope(write_paths=("src",))))
    assert view.status is status
    if status is GoalStatus.TAMPERED:
        assert view.cause is Cause.READ_ONLY_WRITE
        assert written in view.reason
        assert "notes" not in view.reason


async def test_a_guard_is_graded_in_a_checkout_with_its_script_as_it_was(autojump_clock):
    house = _house()
    house.workspaces.write("/w", "guard.sh", "strict")
    commit = house.repositories.make_commit("/w")
    seen: list[tuple[str, str | None, str | None]] = []

    class Grader:
        async def evaluate(self, options, look, commands):
            files = house.workspaces.files(look.workspace) or {}
            seen.append((look.workspace, files.get("guard.sh"), files.get("app.py")))
            return passed() if files.get("guard.sh") == "lenient" else failed("guarded")

    def effect(_: object) -> None:
        house.workspaces.write("/w", "guard.sh", "lenient")
        house.workspaces.write("/w", "app.py", "new")

    house.scene.up["tests"] = True
    house.scripts["claude"] = Script(duration_s=1.0, effect=effect)
    house.providers["grader"] = Grader()
    guard = replace(
        a_predicate("guard"), guard=True, provider="grader", options={"cmd": "sh", "args": ["guard.sh"]}
    )
    goal = replace(a_goal(TESTS, guard, harness=a_harness(), workspace="/w"), tables={"enforcement": {}})
    view = await _end(house, goal)
    assert view.status is GoalStatus.STUCK, "the edited script never graded anything"
    assert {(folder == "/w", script) for folder, script, _ in seen} == {(False, "strict")}
    assert seen[-1][2] == "new", "the candidate is what is graded"
    evidence = view.vector.readings[1].verdict.evidence["graded_in_checkout"]
    assert evidence == {"base": commit[:12], "pinned": ["guard.sh"]}


async def test_what_is_compared_with_a_commit_gets_a_checkout_of_it(autojump_clock):
    house = _house()
    house.workspaces.write("/w", "number", "80")
    commit = house.repositories.make_commit("/w")
    house.workspaces.write("/w", "number", "82")
    seen: list[tuple[str, str]] = []

    class Ratchet:
        async def evaluate(self, options, look, commands):
            folders = (look.workspace, look.reference)
            seen.append(tuple((house.workspaces.files(f) or {})["number"] for f in folders))
            return failed("regression")

    house.providers["ratchet"] = Ratchet()
    bar = replace(a_predicate("bar"), provider="ratchet", options={"baseline": commit})
    lost = replace(a_predicate("lost"), provider="ratchet", options={"baseline": "no-such-ref"})
    async with house.daemon() as daemon:
        await daemon.apply(a_goal(bar, lost, workspace="/w", standing=True))
        await anyio.sleep(5)
        (view,) = daemon.service.views()
    assert set(seen) == {("82", "80")}
    verdicts = [r.verdict for r in view.vector.readings]
    assert verdicts[0].evidence["baseline_commit"] == commit
    assert verdicts[1].reason == "baseline_ref_unresolved"


async def test_a_guard_without_a_checkout_is_an_error_and_never_graded_in_place(autojump_clock):
    house = _house()
    house.repositories.make_commit("/w")
    guard = replace(a_predicate("guard"), guard=True)
    house.scene.up.update(tests=True, guard=True)
    goal = replace(a_goal(TESTS, guard, harness=a_harness(), workspace="/w"), tables={"enforcement": {}})
    house.repositories.break_checkouts("no space left")
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(5)
        (view,) = daemon.service.views()
    verdict = view.vector.readings[1].verdict
    assert (verdict.reason, verdict.detail) == ("no_clean_checkout", "no space left")
    assert view.status is not GoalStatus.CONVERGED


@pytest.mark.parametrize(
    ("at_start", "status"),
    [
        pytest.param(("config",), GoalStatus.TAMPERED, id="changed"),
        pytest.param((), GoalStatus.CONVERGED, id="a-repository-made-by-the-agent"),
    ],
)
async def test_an_agent_may_not_change_what_makes_git_run_something(at_start, status, autojump_clock):
    house = _house()
    for name in at_start:
        house.workspaces.set_git("/w", name, "[core]")

    def effect(_: object) -> None:
        house.workspaces.set_git("/w", "config", "[filter]")
        house.scene.up["tests"] = True

    house.scripts["claude"] = Script(duration_s=1.0, effect=effect)
    view = await _end(house, _goal({}))
    assert view.status is status
    assert status is GoalStatus.CONVERGED or "config" in view.reason


@pytest.mark.parametrize(
    ("seal", "status"),
    [
        pytest.param({}, GoalStatus.TAMPERED, id="unasked"),
        pytest.param({"seal": {"enabled": False}}, GoalStatus.CONVERGED, id="turned-off"),
    ],
)
async def test_an_agent_that_edits_the_goal_file_ends_the_goal(seal, status, autojump_clock):
    house = _house()
    house.workspaces.write("/w", "goal.toml", "as applied")
    _cheats(house, "goal.toml")
    view = await _end(house, replace(_goal(seal), source_path="/w/goal.toml"))
    assert view.status is status
    if status is GoalStatus.TAMPERED:
        assert view.cause is Cause.SEAL_BROKEN
        assert "an agent changed the goal-file goal.toml" in view.reason


async def test_tampered_comes_before_every_other_end(autojump_clock):
    house = _house()
    _cheats(house, "grader/check.py", fixes=False)
    goal = _goal(SEAL)
    view = await _end(house, replace(goal, budget=replace(goal.budget, dispatches_max=1)))
    assert view.status is GoalStatus.TAMPERED


async def test_an_owner_may_edit_what_only_agents_may_not(autojump_clock):
    house = _house()
    _cheats(house, fixes=False)
    goal = _goal(LEASE)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        while house.runner.started("claude") == 0:
            await anyio.sleep(0.1)
        while house.runner.live_now:
            await anyio.sleep(0.1)
        await anyio.sleep(0.5)
        house.workspaces.write("/w", "tests/test_a.py", "assert add(2, 3) == 5  # the owner says so")
        await daemon.service.reconcile(goal.owner, goal.id, caller=ME)
        await anyio.sleep(1)
        (view,) = daemon.service.views()
        assert view.status is not GoalStatus.TAMPERED


async def test_a_change_while_a_dispatch_runs_ends_it(autojump_clock):
    house = _house()
    livez = a_predicate("livez", live=True)
    house.scene.up["livez"] = True
    _cheats(house, duration_s=3000.0)
    goal = replace(a_goal(TESTS, livez, harness=a_harness(), workspace="/w"), tables=LEASE)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        while not house.runner.live_now:
            await anyio.sleep(0.1)
        house.workspaces.write("/w", "tests/test_a.py", "lenient")
        waited = await daemon.service.wait(goal.owner, goal.id, state=GoalStatus.CONVERGED, timeout_s=200)
        assert waited.view.status is GoalStatus.TAMPERED
        assert not house.runner.live_now


async def test_a_person_who_resumes_seals_it_anew(autojump_clock):
    house = _house()
    _cheats(house, "grader/check.py", fixes=False)
    goal = _goal(SEAL)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(goal.owner, goal.id, state=GoalStatus.CONVERGED, timeout_s=3600)
        assert waited.view.status is GoalStatus.TAMPERED
        _cheats(house)
        said = await daemon.approving.restore(goal.owner, goal.id, reason="r", caller=ME, is_one_uid=True)
        assert said is None
        await daemon.service.resume(goal.owner, goal.id, reason="reviewed", caller=ME)
        waited = await daemon.service.wait(goal.owner, goal.id, state=GoalStatus.CONVERGED, timeout_s=3600)
        assert waited.outcome == "reached"
        assert await house.events_of(GoalResumed)


async def test_a_seal_that_cannot_be_read_is_no_green(autojump_clock):
    house = _house()
    house.scene.up["tests"] = True
    house.workspaces.make_unreadable("/w")
    async with house.daemon() as daemon:
        await daemon.apply(_goal(SEAL))
        await anyio.sleep(5)
        (view,) = daemon.service.views()
        assert view.vector.readings[0].verdict.reason == "seal_unreadable"
        assert view.status is not GoalStatus.CONVERGED


async def test_a_seal_holds_through_a_crash(autojump_clock):
    house = _house()
    _cheats(house, "grader/check.py", duration_s=100.0)
    goal = _goal(SEAL)
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(goal)
        while not house.runner.live_now:
            await anyio.sleep(0.1)
    async with house.daemon() as daemon:
        waited = await daemon.service.wait(goal.owner, goal.id, state=GoalStatus.CONVERGED, timeout_s=3600)
        assert waited.view.status is GoalStatus.TAMPERED


async def test_a_standing_goal_that_is_sealed_writes_the_hashes_once(autojump_clock):
    house = _house()
    house.scene.up["livez"] = True
    livez = a_predicate("livez", live=True)
    goal = replace(a_goal(livez, standing=True, remedies=[a_remedy("livez")], workspace="/w"), tables=SEAL)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(3600)
        carried = [r.event for r in await house.events() if getattr(r.event, "seal", None) is not None]
    assert len(carried) == 1
