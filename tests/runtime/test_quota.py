"""An agent's limit and its login, over all goals that use it: who waits, until when, and what it costs."""

import anyio
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.core import quota
from kazid.core.goal import HarnessChoice, Route
from kazid.core.ids import PredicateId
from kazid.core.refusal import refused
from kazid.core.status import Cause, GoalStatus
from kazid.ports.harness import Report, Trouble, TroubleKind
from tests.builders import a_goal, a_harness, a_predicate
from tests.fakes import ScriptedHarness
from tests.runtime.house import ME, House

pytestmark = pytest.mark.trio

LIMIT_S = 3600.0
LIMITED = Report(is_error=True, error="429", trouble=Trouble(kind=TroubleKind.QUOTA, after_s=LIMIT_S))
REFUSED = Report(is_error=True, error="401", trouble=Trouble(kind=TroubleKind.AUTH))


def one(goal_id, workspace="/w", *, harness=None):
    return a_goal(harness=harness or a_harness(), workspace=workspace, goal_id=goal_id)


def dispatches(house):
    return house.runner.started("claude")


async def test_a_limit_holds_every_goal_of_the_agent_until_it_is_over(autojump_clock):
    house = House()
    house.harness.report = LIMITED
    async with house.daemon() as daemon:
        await daemon.apply(one("first"))
        await anyio.sleep(30)
        await daemon.apply(one("second", "/w2"))
        await anyio.sleep(LIMIT_S - 100)
        assert dispatches(house) == 1
        for name in ("first", "second"):
            view = daemon.service.view("ada", name)
            assert (view.status, view.reason.split(":")[0]) == (GoalStatus.WAITING, "waits for quota")
        house.harness.report = Report(text="done")
        house.repairs("claude", "tests")
        await anyio.sleep(100 + quota.STAGGER_S + 60)
        assert dispatches(house) == 2, "the second saw that the first had mended it"
        assert {daemon.service.view("ada", n).status for n in ("first", "second")} == {GoalStatus.CONVERGED}


async def test_a_dispatch_that_met_a_limit_counts_in_no_budget(autojump_clock):
    house = House()
    house.harness.report = LIMITED
    async with house.daemon() as daemon:
        await daemon.apply(one("first"))
        await anyio.sleep(30 * LIMIT_S)
        view = daemon.service.view("ada", "first")
        assert view.status is GoalStatus.WAITING
        assert 25 <= dispatches(house) <= 31, "more than any ceiling, one for each time the limit was over"


async def test_a_restart_remembers_the_limit(autojump_clock):
    house = House()
    house.harness.report = LIMITED
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(one("first"))
        await anyio.sleep(30)
    async with house.daemon() as daemon:
        await anyio.sleep(LIMIT_S / 2)
        assert dispatches(house) == 1
        assert daemon.service.view("ada", "first").status is GoalStatus.WAITING


async def test_a_refused_login_ends_its_goal_and_holds_the_others_until_it_is_resumed(autojump_clock):
    house = House()
    house.harness.report = REFUSED
    async with house.daemon() as daemon:
        house.scene.up["tests"] = False
        await daemon.apply(one("waiting", "/w2"))  # asked for before the login was refused
        await daemon.apply(one("first"))
        await anyio.sleep(120)
        views = {n: daemon.service.view("ada", n) for n in ("first", "waiting")}
        stuck = [n for n, v in views.items() if (v.status, v.cause) == (GoalStatus.STUCK, Cause.AUTH_FAILED)]
        tried = dispatches(house)
        assert stuck
        assert tried <= 2, "at most those that began before it was known"
        house.harness.report = Report(text="done")
        house.repairs("claude", "tests")
        for name in stuck:
            await daemon.service.resume("ada", name, reason="logged in", caller=ME)
        await anyio.sleep(120)
        assert {daemon.service.view("ada", n).status for n in views} == {GoalStatus.CONVERGED}


async def test_another_credential_is_not_held(autojump_clock):
    house = House()
    house.harness.report = LIMITED
    async with house.daemon() as daemon:
        await daemon.apply(one("first"))
        await anyio.sleep(30)
        other = HarnessChoice(id="claude", env={"CLAUDE_CONFIG_DIR": "/other"})
        await daemon.apply(one("second", "/w2", harness=other))
        await anyio.sleep(30)
        assert dispatches(house) == 2


async def test_a_limit_of_one_agent_does_not_hold_what_a_route_gives_to_another(autojump_clock):
    house = House()
    house.harness.report = LIMITED
    house.harnesses["codex"] = ScriptedHarness()
    routed = (Route(name="route 1", harness="codex", model="gpt-5"),)
    async with house.daemon() as daemon:
        await daemon.apply(one("first"))
        await anyio.sleep(30)
        await daemon.apply(replace(one("second", "/w2"), routes=routed))
        await anyio.sleep(30)
        view = daemon.service.view("ada", "second")
        assert view.progress.acts >= 1


async def test_a_refused_login_stops_that_agent_everywhere_and_the_goal_goes_on_with_its_others(
    autojump_clock,
):
    house = House()
    house.harness.report = REFUSED
    house.harnesses["codex"] = ScriptedHarness("codex")
    house.scene.up["docs"] = False
    house.repairs("codex", "docs")
    goal = a_goal(
        a_predicate("tests"), a_predicate("docs"), harness=a_harness(), workspace="/w", goal_id="first"
    )
    routed = replace(goal, routes=(Route(name="route 1", words=("docs",), harness="codex"),))
    async with house.daemon() as daemon:
        await daemon.apply(one("second", "/w2"))
        await daemon.apply(routed)
        await anyio.sleep(300)
        first, second = (daemon.service.view("ada", n) for n in ("first", "second"))
        assert (first.status, first.cause) == (GoalStatus.STUCK, Cause.AUTH_FAILED)
        assert "claude is not logged in" in first.reason
        assert not first.vector.reading(PredicateId("docs")).is_red, "the other agent did its part"
        assert second.status in (GoalStatus.STUCK, GoalStatus.WAITING)
        assert dispatches(house) <= 2, "at most those that began before it was known"
        house.harness.report = Report(text="done")
        house.repairs("claude", "tests")
        for name in ("first", "second"):
            await daemon.service.resume("ada", name, reason="logged in", caller=ME)
        await anyio.sleep(300)
        assert {daemon.service.view("ada", n).status for n in ("first", "second")} == {GoalStatus.CONVERGED}


async def test_a_goal_that_goes_on_without_a_refused_agent_tries_it_again_once_resumed(autojump_clock):
    house = House()
    house.harness.report = REFUSED
    house.harnesses["codex"] = ScriptedHarness("codex")
    house.scripts["codex"] = Script(duration_s=1000.0)
    house.scene.up["docs"] = False
    goal = a_goal(a_predicate("tests"), a_predicate("docs"), harness=a_harness(), workspace="/w")
    routed = replace(goal, routes=(Route(name="route 1", words=("docs",), harness="codex"),))
    async with house.daemon() as daemon:
        await daemon.apply(routed)
        await anyio.sleep(60)
        assert dispatches(house) == 1
        assert refused(daemon.service.view("ada", "web").progress) == {"claude": "401"}
        await daemon.service.resume("ada", "web", reason="logged in", caller=ME)
        assert refused(daemon.service.view("ada", "web").progress) == {}
