"""Any sequence of client commands and faults, against a model that fits on a page.

hypothesis writes the story (and shortens it when it fails): people apply, suspend, resume, stop, delete and reconcile;
services break and heal; the daemon is killed, the disk fills, the clock steps, time passes. After every step the daemon
must agree with the model, nothing that was acknowledged may be missing, and no executor may run for a goal that must
not act. When it is over, faults stop and every goal that may act must be green again.
"""

from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kazid.core.errors import JournalUnavailable, UnknownGoal
from kazid.core.goal import Goal
from kazid.core.ids import GoalId, Owner
from kazid.core.status import GoalStatus
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.adversary import HostileHouse, Life, run_seeded
from tests.runtime.house import ME

NAMES = ("a", "b", "c")
OWNER = Owner("ada")
CALM_S = 2 * 3600.0
"""After the faults: a crash loop's memory, a backoff at its cap and a half-open hour fit in."""

COMMANDS = st.one_of(
    st.tuples(st.just("apply"), st.sampled_from(NAMES), st.integers(0, 2)),
    st.tuples(st.sampled_from(["suspend", "resume", "stop", "delete", "reconcile"]), st.sampled_from(NAMES)),
    st.tuples(st.sampled_from(["break", "heal"]), st.sampled_from(NAMES)),
    st.tuples(st.just("pass"), st.sampled_from([0.0, 0.05, 1.0, 4.0, 40.0, 400.0])),
    st.tuples(st.just("kill")),
    st.tuples(st.sampled_from(["fill", "free"])),
    st.tuples(st.just("step"), st.sampled_from([-60.0, 3600.0])),
)


@dataclass
class Known:
    """What the model knows of one goal."""

    spec: int
    desired: str = "active"


@dataclass
class Model:
    """What was acknowledged, and nothing else."""

    goals: dict[str, Known] = field(default_factory=dict)
    is_full: bool = False


def spec_of(name: str, number: int) -> Goal:
    """A standing goal; another number is another spec."""
    return a_goal(
        a_predicate(f"up-{name}", live=True, interval_s=10.0 + number),
        remedies=[a_remedy(cmd=f"restart-{name}", attempts=3)],
        standing=True,
        goal_id=name,
    )


class Story:
    """One sequence, played."""

    def __init__(self) -> None:
        self.house = HostileHouse()
        self.model = Model()
        for name in NAMES:
            self.house.repairs(f"restart-{name}", f"up-{name}", duration_s=1.5)

    async def play(self, commands: list[tuple[Any, ...]]) -> None:
        """Every command, over as many lives of the daemon as it takes."""
        left = list(commands)
        while left:
            async with self.house.life() as life:
                await self._check(life)
                while left:
                    command = left.pop(0)
                    if command[0] == "kill":
                        life.kill()
                        break
                    await self._do(life, command)
                    await self._check(life)
        async with self.house.life() as life:
            await self._calm(life)
        await self.house.assert_replays()

    async def _do(self, life: Life, command: tuple[Any, ...]) -> None:
        word, *rest = command
        house = self.house
        match word:
            case "pass":
                await anyio.sleep(rest[0])
            case "break":
                house.scene.up[f"up-{rest[0]}"] = False
            case "heal":
                house.scene.up[f"up-{rest[0]}"] = True
            case "fill":
                house.journal.fail_with(JournalUnavailable("no space left"))
                self.model.is_full = True
            case "free":
                house.journal.fail_with(None)
                self.model.is_full = False
            case "step":
                house.clock.step(rest[0])
            case _:
                await self._ask(life, word, *rest)

    async def _ask(self, life: Life, word: str, name: str, number: int = 0) -> None:
        """A client's command; the model changes when it is acknowledged."""
        service, goals = life.service, self.model.goals
        named = (OWNER, GoalId(name))
        try:
            match word:
                case "apply":
                    applied = await service.apply(spec_of(name, number), caller=ME)
                    known = goals.get(name)
                    revives = known is None or known.desired == "stopped" or applied.outcome == "reopened"
                    goals[name] = Known(number, "active" if revives or known is None else known.desired)
                case "suspend":
                    await service.suspend(*named, reason="r", for_s=None, caller=ME)
                    if goals[name].desired != "stopped":  # the stronger wish stands
                        goals[name].desired = "suspended"
                case "resume":
                    await service.resume(*named, reason="r", caller=ME)
                    goals[name].desired = "active"
                case "stop":
                    await service.stop(*named, caller=ME)
                    goals[name].desired = "stopped"
                case "delete":
                    await service.delete(*named, caller=ME)
                    del goals[name]
                case _:
                    await service.reconcile(*named, caller=ME)
        except UnknownGoal:
            assert name not in goals, f"{name} was acknowledged and is unknown"
        except JournalUnavailable:
            assert self.model.is_full, "a refusal without a reason"

    async def _check(self, life: Life) -> None:
        """The daemon agrees with the model."""
        views = {v.goal.id: v for v in life.service.views()}
        assert set(views) == set(self.model.goals), "what was acknowledged is there, and nothing else"
        live = {order.argv[0] for order in self.house.runner.live_now}
        for name, known in self.model.goals.items():
            view = views[GoalId(name)]
            assert view.goal.predicates[0] == spec_of(name, known.spec).predicates[0], "what was acknowledged"
            if known.desired == "active":
                assert view.status not in (GoalStatus.SUSPENDED, GoalStatus.STOPPED)
                continue
            wanted = GoalStatus.SUSPENDED if known.desired == "suspended" else GoalStatus.STOPPED
            assert view.progress.desired.value == known.desired
            if view.is_acknowledged:
                assert f"restart-{name}" not in live, "acknowledged means that no executor runs"
                assert view.status is wanted or view.progress.status in (GoalStatus.STUCK, GoalStatus.PARKED)
        for name in set(NAMES) - set(self.model.goals):
            assert f"restart-{name}" not in live, "nothing of a deleted goal runs"

    async def _calm(self, life: Life) -> None:
        """Faults stop: whoever may act must be green within the bound."""
        self.house.journal.fail_with(None)
        self.model.is_full = False
        await self._check(life)
        await anyio.sleep(CALM_S)
        await self._check(life)
        for name, known in self.model.goals.items():
            view = life.service.view(OWNER, name)
            if known.desired == "active":
                assert view.status is GoalStatus.HOLDING, (view.status, view.reason, view.guards)
            else:
                assert view.guards, "whoever does not act says why"


STORIES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@STORIES
@given(st.lists(COMMANDS, max_size=25), st.integers(0, 2**16))
def test_any_sequence_of_commands_and_faults_keeps_what_was_acknowledged(
    commands: list[tuple[Any, ...]], seed: int
) -> None:
    run_seeded(lambda: Story().play(commands), seed=seed)


@pytest.mark.long
@settings(STORIES, max_examples=1000)
@given(st.lists(COMMANDS, max_size=40), st.integers(0, 2**16))
def test_a_thousand_longer_sequences(commands: list[tuple[Any, ...]], seed: int) -> None:
    run_seeded(lambda: Story().play(commands), seed=seed)


def test_an_acknowledgement_that_waits_for_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: a suspend that is acknowledged while its executor runs."""
    monkeypatch.setattr("kazid.runtime.service.is_fenced", lambda progress: True)
    monkeypatch.setattr("kazid.runtime.describe.is_fenced", lambda progress: True)
    story = [("apply", "a", 0), ("break", "a"), ("pass", 2.6), ("suspend", "a")]
    with pytest.RaisesGroup(
        pytest.RaisesExc(AssertionError, match="no executor runs"), flatten_subgroups=True
    ):
        run_seeded(lambda: Story().play(story), seed=1)
