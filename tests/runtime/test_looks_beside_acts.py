"""What code says while another goal acts in the same tree is nobody's evidence: discarded, waited for, repeated."""

from typing import Any

import anyio
import pytest

from kazid.adapters.memory.runner import Script
from kazid.core.event import ActEnded, ActIntended, LookDeferred, PredicateObserved
from kazid.core.status import GoalStatus
from kazid.core.verdict import Status
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.house import ME, House

pytestmark = pytest.mark.trio


def _busy(house: House, *, tree: str = "/w", duration_s: float = 20.0) -> Any:
    """A goal whose remedy takes its time, and leaves the tree broken for whoever looks meanwhile."""
    house.scene.up["site"] = False

    def effect(_: object) -> None:
        house.scene.up.update({"site": True, "tests": True})

    house.scripts["repair"] = Script(duration_s=duration_s, effect=effect)
    predicate = a_predicate("site", live=True, interval_s=5.0)
    remedies = [a_remedy("site", cmd="repair", attempts=500, timeout_s=900.0)]
    return a_goal(predicate, goal_id="busy", standing=True, remedies=remedies, workspace=tree)


def _judged(*, standing: bool = True, interval_s: float | None = 600.0, tree: str = "/w") -> Any:
    """A goal that judges the code of the same tree."""
    predicate = a_predicate("tests", interval_s=interval_s if standing else None)
    remedies = [a_remedy("tests", cmd="mend")]
    return a_goal(predicate, goal_id="judged", standing=standing, remedies=remedies, workspace=tree)


def _looks(events: Any, daemon: Any) -> list[PredicateObserved]:
    uid = daemon.goals.find("ada", "judged").uid
    return [e.event for e in events if e.uid == uid and isinstance(e.event, PredicateObserved)]


async def _until(condition: Any) -> None:
    with anyio.fail_after(3600):
        while not condition():
            await anyio.sleep(0.1)


def _acts(daemon: Any, name: str) -> bool:
    state = daemon.goals.find("ada", name)
    return state is not None and state.progress.act is not None


@pytest.mark.parametrize(
    ("acted_in", "judged_in"),
    [
        pytest.param("/w", "/w", id="the-same-tree"),
        pytest.param("/w", "/w/sub", id="a-folder-in-it"),
        pytest.param("/w/sub", "/w", id="the-tree-around-it"),
    ],
)
async def test_a_red_seen_beside_anothers_act_starts_no_act(
    autojump_clock: Any, acted_in: str, judged_in: str
) -> None:
    house = House()
    house.workspaces.make("/w/sub")
    house.scene.up["tests"] = True
    house.scene.takes_s["tests"] = 30.0
    async with house.daemon() as daemon:
        busy = _busy(house, tree=acted_in)
        await daemon.apply(busy)
        await _until(lambda: _acts(daemon, "busy"))
        house.scene.up["tests"] = False  # half of the other's work
        await daemon.apply(_judged(tree=judged_in))
        state = daemon.goals.find("ada", "judged")
        await _until(lambda: state.progress.tree_wait is not None)
        await anyio.sleep(2)
        view = daemon.service.view("ada", "judged")
        assert view.status is GoalStatus.WAITING
        assert next((g.name, "ada/busy" in g.reason) for g in view.guards) == ("lease", True)
        await _until(lambda: state.progress.status is GoalStatus.HOLDING)
        assert state.progress.tree_wait is None
        events = await house.events()
        assert [o.verdict.status for o in _looks(events, daemon)] == [Status.PASS]
        assert not [e for e in events if e.uid == state.uid and isinstance(e.event, ActIntended)]


async def test_a_green_that_an_act_began_beside_is_discarded_and_seen_again(autojump_clock: Any) -> None:
    house = House()
    house.scene.takes_s["tests"] = 30.0
    house.scene.up["tests"] = False
    house.repairs("mend", "tests")
    busy = _busy(house)
    house.scene.up["site"] = True
    async with house.daemon() as daemon:
        await daemon.apply(busy)
        await daemon.apply(_judged(standing=False))
        state = daemon.goals.find("ada", "judged")
        await _until(lambda: state.progress.last_act_ended_s is not None and house.scene.up["tests"])
        await anyio.sleep(2)  # the last look is on its way
        looks = house.scene.looks["tests"]
        house.scene.up["site"] = False
        await _until(lambda: _acts(daemon, "busy"))
        await _until(lambda: state.progress.tree_wait is not None)
        assert state.progress.status is not GoalStatus.CONVERGED, "what it saw then is no evidence"
        await _until(lambda: state.progress.status is GoalStatus.CONVERGED)
        assert house.scene.looks["tests"] == looks + 1, "it was looked at once more, after the act"
        events = await house.events()
        ended_s = next(
            e.event.ended_s for e in events if isinstance(e.event, ActEnded) and e.uid != state.uid
        )
        assert state.progress.predicate("tests").started_s >= ended_s
        told = [e.event for e in events if isinstance(e.event, LookDeferred)]
        assert any(t.was_discarded and t.holder == "ada/busy" for t in told)


async def test_live_predicates_are_looked_at_beside_anothers_act(autojump_clock: Any) -> None:
    house = House()
    house.scene.up["page"] = True
    async with house.daemon() as daemon:
        await daemon.apply(_busy(house))
        await _until(lambda: _acts(daemon, "busy"))
        page = a_predicate("page", live=True, interval_s=5.0)
        await daemon.apply(a_goal(page, goal_id="judged", standing=True, workspace="/w"))
        await anyio.sleep(10)
        assert daemon.goals.find("ada", "judged").progress.status is GoalStatus.HOLDING
        assert _acts(daemon, "busy")


async def test_a_look_that_was_discarded_twice_keeps_the_next_act_out(autojump_clock: Any) -> None:
    house = House()
    house.scene.up["tests"] = True
    house.scene.takes_s["tests"] = 120.0
    async with house.daemon() as daemon:
        await daemon.apply(_busy(house, duration_s=5.0))
        await daemon.apply(_judged())
        state = daemon.goals.find("ada", "judged")
        with anyio.move_on_after(3600) as scope:
            while state.progress.status is not GoalStatus.HOLDING:
                house.scene.up["site"] = False  # a neighbour that never rests
                await anyio.sleep(1)
        assert not scope.cancelled_caught, "a busy neighbour keeps nobody blind"
        events = await house.events()
        discarded = [e for e in events if isinstance(e.event, LookDeferred) and e.event.was_discarded]
        assert len(discarded) == 2
        look = _looks(events, daemon)[0]
        acts = [e.at.boot_s for e in events if e.uid != state.uid and isinstance(e.event, ActIntended)]
        assert not [at_s for at_s in acts if look.started_s < at_s < look.ended_s]


async def test_waiting_for_anothers_act_is_nobodys_wall_clock(autojump_clock: Any) -> None:
    house = House()
    house.scene.up["tests"] = False
    async with house.daemon() as daemon:
        await daemon.apply(_busy(house, duration_s=500.0))
        await _until(lambda: _acts(daemon, "busy"))
        await daemon.apply(_judged(standing=False))
        state = daemon.goals.find("ada", "judged")
        await anyio.sleep(400)
        assert state.progress.status is GoalStatus.WAITING
        assert state.progress.episode.clock_since_s is None
        assert state.progress.episode.clock_used_s < 5


async def test_a_check_beside_anothers_act_is_no_green(autojump_clock: Any) -> None:
    house = House()
    house.scene.up["tests"] = True
    async with house.daemon() as daemon:
        await daemon.apply(_busy(house))
        await _until(lambda: _acts(daemon, "busy"))
        applied = await daemon.service.check(_judged(standing=False))
        assert applied.view.status is GoalStatus.STUCK
        assert applied.view.vector.readings[0].verdict.reason == "tree_in_use"


async def test_deleting_a_goal_whose_look_waits_ends_its_claim_on_the_tree(autojump_clock: Any) -> None:
    house = House()
    house.scene.up["tests"] = True
    house.scene.takes_s["tests"] = 120.0
    async with house.daemon() as daemon:
        await daemon.apply(_busy(house, duration_s=5.0))
        await daemon.apply(_judged())
        state = daemon.goals.find("ada", "judged")
        with anyio.fail_after(3600):
            while state.progress.tree_wait is None or max(state.progress.tree_wait.discards.values()) < 2:
                house.scene.up["site"] = False
                await anyio.sleep(1)
        await daemon.service.delete("ada", "judged", caller=ME)
        await anyio.sleep(1)
        acts = daemon.executor.acts_total
        for _ in range(600):
            house.scene.up["site"] = False
            await anyio.sleep(1)
        assert daemon.executor.acts_total > acts, "nobody keeps the tree from the other any more"


async def test_no_green_end_rests_on_two_trees(autojump_clock: Any) -> None:
    """A fast check passed, somebody broke what it checks, and a slow one passed on the tree of after that."""
    house = House()
    house.scene.up.update({"fast": False, "slow": False})
    house.scene.takes_s["slow"] = 60.0
    house.repairs("mend", "fast", "slow")
    goal = a_goal(
        a_predicate("fast"),
        a_predicate("slow"),
        goal_id="judged",
        remedies=[a_remedy(cmd="mend")],
        workspace="/w",
    )
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        state = daemon.goals.find("ada", "judged")
        await _until(lambda: house.scene.up["fast"])
        await _until(lambda: not _acts(daemon, "judged"))
        await anyio.sleep(10)  # fast has passed, slow is being looked at
        house.workspaces.write("/w", "app.py", "broken")
        house.scene.up["fast"] = False
        await anyio.sleep(150)
        assert state.progress.status is not GoalStatus.CONVERGED


async def test_an_act_waits_for_the_look_that_its_changed_tree_asked_for(autojump_clock: Any) -> None:
    house = House()
    house.scene.up["tests"] = False
    house.scene.takes_s["tests"] = 60.0
    async with house.daemon() as daemon:
        look = daemon.observer.look

        async def mended_after_the_third(*args: Any) -> Any:
            looked = await look(*args)
            if house.scene.looks["tests"] == 3:  # red, and its two re-runs
                house.workspaces.write("/w", "app.py", "mended")
                house.scene.up["tests"] = True
            return looked

        daemon.observer.look = mended_after_the_third
        await daemon.apply(_judged(standing=False))
        state = daemon.goals.find("ada", "judged")
        await _until(lambda: state.progress.status in (GoalStatus.CONVERGED, GoalStatus.VACUOUS))
        assert not [e for e in await house.events() if isinstance(e.event, ActIntended)], (
            "its red was of another tree"
        )
