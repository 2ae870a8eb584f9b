"""Small facts of rules about owners, machines and freezes: each was once changed by a planted fault, unnoticed."""

import pytest
from msgspec.structs import replace

from kazid.core.confinement import Capabilities, unenforceable
from kazid.core.event import GoalFrozen, GoalThawed
from kazid.core.fold import Folded, fold
from kazid.core.goal import Sandbox
from kazid.core.ids import Epoch
from kazid.core.instant import Now
from kazid.core.owner_budget import OwnerBudget, exhausted
from kazid.core.status import GoalStatus
from kazid.core.window import Spending
from tests.builders import a_goal, a_predicate, a_progress

DAY_S = 86_400.0
ABLE = Capabilities(landlock_abi=7, bubblewrap="/usr/bin/bwrap")


@pytest.mark.parametrize(
    ("asked", "can", "said"),
    [
        pytest.param(Sandbox(mode="strict", network="off"), ABLE, None, id="all-is-there"),
        pytest.param(
            Sandbox(network="off"), replace(ABLE, bubblewrap=None), "it is not installed", id="no-bwrap"
        ),
        pytest.param(Sandbox(), replace(ABLE, bubblewrap=None, landlock_abi=0), None, id="nothing-is-asked"),
        pytest.param(
            Sandbox(mode="strict"), replace(ABLE, bubblewrap=None, landlock_abi=0), "neither", id="no-floor"
        ),
        pytest.param(
            Sandbox(network="ports"), replace(ABLE, landlock_abi=3), "this kernel has 3", id="no-ports"
        ),
    ],
)
def test_only_what_is_asked_and_missing_cannot_be_enforced(
    asked: Sandbox, can: Capabilities, said: str | None
):
    why = unenforceable(replace(a_goal(a_predicate("tests")), sandbox=asked), can)
    assert why is None if said is None else said in str(why)


def test_an_owners_day_opens_when_enough_of_it_has_left_the_window():
    spent = [Spending(at_wall_s=at, dispatches=1, tokens=60) for at in (1_000.0, 2_000.0)]
    full = exhausted([OwnerBudget(tokens_max=100)], "ada", spent, 3_000.0)
    assert full is not None
    assert full.until_wall_s == 1_000.0 + DAY_S
    assert exhausted([OwnerBudget(tokens_max=100)], "ada", spent[:1], 3_000.0) is None


def test_a_thawed_goal_is_looked_at_again_before_it_acts():
    at = Now(boot_s=50.0, wall_s=1_050.0, boot_id="b")
    goal = a_goal(a_predicate("livez", live=True), standing=True)
    frozen = fold(Folded(goal, a_progress()), GoalFrozen(epoch=Epoch(2), number=1, reason="move"), at=at)
    assert frozen.progress.frozen is not None
    thawed = fold(frozen, GoalThawed(number=1), at=replace(at, boot_s=60.0)).progress
    assert (thawed.frozen, thawed.act_floor_s, thawed.asked_s) == (None, 60.0, 60.0)
    assert thawed.status is GoalStatus.OBSERVING
