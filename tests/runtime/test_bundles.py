"""Every end that is not converged leaves its bundle in the journal, with the end itself."""

import pytest

from kazid.core.event import BundleLeft, StatusChanged
from kazid.core.status import Cause, GoalStatus
from tests.builders import a_goal, a_harness, a_predicate
from tests.runtime.house import House

pytestmark = pytest.mark.trio


async def test_an_end_and_its_bundle_are_one_append_and_survive_a_kill(autojump_clock):
    house = House()
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(a_goal(a_predicate("tests"), harness=a_harness(), workspace="/w"))
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=900)
        assert (waited.view.status, waited.view.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    events = [r.event for r in await house.events()]
    end = next(
        i for i, e in enumerate(events) if isinstance(e, StatusChanged) and e.status is GoalStatus.STUCK
    )
    left = events[end + 1]
    assert isinstance(left, BundleLeft)
    assert [p.id for p in left.bundle.failing] == ["tests"]
    assert [a.number for a in left.bundle.tried] == [1, 2]
    async with house.daemon() as daemon:
        assert daemon.service.view("ada", "web").progress.bundle == left.bundle


async def test_what_converges_leaves_none(autojump_clock):
    house = House()
    house.repairs("claude", "tests")
    async with house.daemon() as daemon:
        await daemon.apply(a_goal(a_predicate("tests"), harness=a_harness(), workspace="/w"))
        waited = await daemon.service.wait("ada", "web", state=GoalStatus.CONVERGED, timeout_s=900)
        assert waited.view.status is GoalStatus.CONVERGED
        assert waited.view.progress.bundle is None
