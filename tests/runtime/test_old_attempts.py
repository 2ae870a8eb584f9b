"""What attempts left behind in a user's repository goes once the goal holds and some days have passed."""

import pytest

from kazid.core.goal import Scope
from kazid.core.instant import Now
from kazid.core.status import GoalStatus
from kazid.runtime.retention import DAY_S, OldAttempts
from kazid.settings import RetentionSettings
from tests.runtime.house import Daemon, House
from tests.runtime.test_worktrees import _agent, _ended, _goal, _house

pytestmark = pytest.mark.trio
DAYS = 30


class _Folders:
    async def discard(self, uid: str, *, keep: int) -> int:
        return 0


class _Days:
    """The house's clock, some days on."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.passed_s = 0.0

    def now(self) -> Now:
        now = self._house.clock.now()
        return Now(boot_s=now.boot_s + self.passed_s, wall_s=now.wall_s + self.passed_s)


def _old(house: House, daemon: Daemon, days: int = DAYS) -> OldAttempts:
    return OldAttempts(
        daemon.goals, _Folders(), daemon.world.places, house.clock, lambda: RetentionSettings(refs_days=days)
    )


async def test_of_a_goal_that_converged_old_states_are_asked_to_go_once_a_day(autojump_clock):
    house = _house()
    _agent(house, {"a": "fixed"})
    async with house.daemon() as daemon:
        assert (await _ended(daemon, _goal())).status is GoalStatus.CONVERGED
        days = _Days(house)
        old = OldAttempts(
            daemon.goals, _Folders(), daemon.world.places, days, lambda: RetentionSettings(refs_days=DAYS)
        )
        for _ in range(3):
            await old.drop()
        ((uid, before_wall_s),) = house.worktrees.forgotten
        assert uid == next(iter(daemon.goals)).uid
        assert before_wall_s == pytest.approx(house.clock.now().wall_s - DAYS * DAY_S, abs=60)
        days.passed_s = DAY_S + 1
        await old.drop()
        assert len(house.worktrees.forgotten) == 2


async def test_of_a_goal_that_waits_for_a_person_or_for_ever_nothing_goes(autojump_clock):
    house = _house()
    _agent(house, {"a": "fixed", "b": "x", "c": "x"})
    async with house.daemon() as daemon:
        assert (await _ended(daemon, _goal(scope=Scope(files_max=2)))).status is GoalStatus.STUCK
        await _old(house, daemon).drop()
        assert house.worktrees.forgotten == []
    again = _house()
    _agent(again, {"a": "fixed"})
    async with again.daemon() as daemon:
        assert (await _ended(daemon, _goal())).status is GoalStatus.CONVERGED
        await _old(again, daemon, days=0).drop()
        assert again.worktrees.forgotten == []
