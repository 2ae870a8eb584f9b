"""The real runtime in a hostile world, seeded: one line replays a failing seed.

Services crash and flap, looks lie hidden behind slow slots, hang and fail, remedies fail and hang and die slowly, agents
too; the disk is slow, full, or stores without saying so; clocks step; clients suspend, resume, stop, delete, apply and
watch at random; and the daemon is killed at any append, or shut down. `adversary_oracle.py` says what must hold meanwhile.
Once the faults stop every goal must settle (SETTLES_S).

Replay one seed: `pytest tests/runtime/test_adversary_simulation.py -k 'simulation and 17-'`, or from Python
`tests.runtime.test_adversary_simulation.simulate(17)`.
"""

import math
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import pytest

from kazid.adapters.memory.runner import Script
from kazid.core.errors import AdmissionRefused, JournalUnavailable, UnknownGoal
from kazid.core.event import ActIntended
from kazid.core.fold import fold_all
from kazid.core.goal import Budget, Goal, Scope
from kazid.core.ids import GoalUid
from kazid.core.json import Json
from kazid.core.progress import Desired
from kazid.core.status import FINISHED, GoalStatus
from kazid.core.verdict import Verdict, errored, failed, passed, unknown
from kazid.ports.commands import CommandRunner
from kazid.ports.journal import READ_LIMIT_MAX
from kazid.ports.provider import Look
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.adversary import HostileHouse, Life, dice_of, run_seeded
from tests.runtime.adversary_oracle import Broken, Oracle, Truth
from tests.runtime.house import ME

SEEDS = 60
SIMULATED_S = 1200.0
SETTLES_S = 900.0
"""The slowest way to rest: an attempt to its deadline, a backoff at its cap, an error's patience, two looks."""
TURNS_PER_S_MAX = 12.0
"""Of one goal, on average over half a minute."""
SAMPLE_S = 30.0
TREES = ("/w", "/w/sub", "/w2", None, None)


class HostileScene:
    """Looks that take their time, hang, err and crash; but never lie about what they saw."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.looks = 0

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        self.looks += 1
        world, dice = self._world, self._world.dice
        await anyio.sleep(dice.choice([0.0, 0.01, 0.3, 2.0]) if world.is_hostile else 0.01)
        if world.is_hostile and dice.random() < 0.1:
            fate = dice.choice(["hang", "error", "unknown", "raise", "error"])
            if fate == "hang":
                await anyio.sleep(10_000)
            if fate == "raise":
                raise ZeroDivisionError("a bug in a provider")
            return errored("dns_failure") if fate == "error" else unknown("busy")
        world.house.runner.settle()
        if world.truth.now(look.predicate_id):
            return passed()
        return failed("unreachable", f"code {dice.choice([500, 502, 503])}")


class World:
    """Everything around the daemons of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice: random.Random = dice_of(seed)
        self.house = HostileHouse()
        self.house.workspaces.make("/w/sub")
        self.truth = Truth(self.house.clock)
        self.house.scene = HostileScene(self)  # type: ignore[assignment]
        self.house._script = self._script  # type: ignore[method-assign]
        self.house.delay = self._delay
        self.oracle = Oracle(self.house.clock, self.house.runner, self.truth)
        self.is_hostile = True
        self.specs: dict[str, Goal] = {}
        self.activating: dict[tuple[str, str], int] = {}
        self.activations: dict[tuple[str, str], int] = {}
        self.lives = 0
        self.acknowledged: dict[str, int] = {}
        for number in range(self.dice.randint(3, 5)):
            self.specs[f"g{number}"] = self._goal(f"g{number}")

    # --- the scripted world -------------------------------------------------------------------------------------------

    def _goal(self, goal_id: str) -> Goal:
        dice = self.dice
        is_standing = dice.random() < 0.65
        names = [f"{goal_id}.{letter}" for letter in "abc"[: dice.randint(1, 3)]]
        predicates = []
        for name in names:
            if dice.random() < 0.7:
                predicates.append(a_predicate(name, live=True, interval_s=dice.choice([5.0, 30.0])))
            else:
                predicates.append(a_predicate(name, interval_s=60.0 if is_standing else None, deadline_s=20.0))
        for name in names:
            self.truth.set(name, dice.random() < 0.5)
        workspace = dice.choice(TREES)
        has_agent = workspace is not None and dice.random() < 0.4
        remedies = [
            a_remedy(*dice.sample(names, dice.randint(0, 1)), cmd=f"fix {goal_id}", attempts=dice.randint(1, 5))
            for _ in range(dice.randint(0 if has_agent else 1, 2))
        ]
        scope = Scope()
        if dice.random() < 0.3:
            scope = Scope(owns=("path:/srv/shared",), on_overlap="serialise")
        budget = dice.choice(
            [Budget(), Budget(iterations_max=3), Budget(wall_clock_s_max=90.0), Budget(iterations_max=30)]
        )
        if has_agent:
            budget = Budget(dispatches_max=10, dispatches_per_day_max=20, iterations_max=budget.iterations_max)
        return a_goal(
            *predicates,
            goal_id=goal_id,
            standing=is_standing,
            remedies=remedies,
            harness=a_harness(*names) if has_agent else None,
            workspace=workspace,
            scope=scope,
            budget=budget,
        )

    def _script(self, command: str) -> Script:
        dice = self.dice
        uid = self.house.runner.starts[-1].uid
        account = self.oracle.accounts[uid]
        assert account.goal is not None and account.act is not None
        names = account.act.predicates if dice.random() < 0.7 else account.goal.predicate_ids

        def effect(_: object) -> None:
            if not self.is_hostile or dice.random() < 0.6:
                for name in names:
                    self.truth.set(name, True)

        def early(_: object) -> None:
            if self.is_hostile and dice.random() < 0.2:
                self.truth.set(dice.choice(list(names)), dice.random() < 0.5)

        if not self.is_hostile:
            return Script(duration_s=1.0, effect=effect)
        if dice.random() < 0.05:
            return Script(ending="not_started", exit_code=None, reason="not found")
        return Script(
            duration_s=dice.choice([0.0, 0.2, 3.0, 20.0, math.inf]),
            exit_code=dice.choice([0, 0, 1]),
            effect=effect,
            effect_at_start=early,
            cancel_takes_s=dice.choice([0.0, 0.0, 1.0, 12.0, 35.0]),
            is_silent=dice.random() < 0.2,
            stdout=b"done",
        )

    async def _delay(self, what: str) -> None:
        if self.is_hostile:
            await anyio.sleep(self.dice.choice([0.0, 0.0, 0.0, 0.02, 0.5, 4.0]))
        else:
            await anyio.lowlevel.checkpoint()

    def hook_disk(self, life: Life, *, kill_at: int | None) -> None:
        """A disk that is slow now and then, stores without saying so now and then, and a kill at some append."""
        appends = 0
        is_before = self.dice.random() < 0.5

        async def before(uid: GoalUid, events: Any) -> None:
            nonlocal appends
            appends += 1
            if self.is_hostile:
                await anyio.sleep(self.dice.choice([0.0] * 8 + [0.01, 0.2, 1.0, 5.0]))
            if appends == kill_at and is_before:
                life.kill()

        async def after(uid: GoalUid, events: Any) -> None:
            if life.runner.is_dead:
                return
            self.oracle.absorb(self.house.journal)
            if appends == kill_at and not is_before:
                life.kill()
                return
            if self.is_hostile and self.dice.random() < 0.01:
                raise JournalUnavailable("no answer in time")
            if self.is_hostile:
                await anyio.sleep(self.dice.choice([0.0] * 8 + [0.01, 0.5]))

        self.house.journal.before_append, self.house.journal.after_append = before, after
        life.runner.on_start = self.oracle.starting

    async def upset_reality(self) -> None:
        names = [p.id for goal in self.specs.values() for p in goal.predicates]
        while True:
            await anyio.sleep(self.dice.expovariate(1 / 25))
            self.truth.set(self.dice.choice(names), self.dice.random() < 0.35)
            if self.dice.random() < 0.1:
                self.house.workspaces.write(self.dice.choice(["/w", "/w2"]), "file", str(self.dice.random()))
            if self.dice.random() < 0.03:
                self.house.clock.step(self.dice.choice([-50.0, 2.0, 200.0]))

    async def upset_disk(self) -> None:
        while True:
            await anyio.sleep(self.dice.expovariate(1 / 200))
            self.house.journal.fail_with(JournalUnavailable("disk is full"), reserve=self.dice.choice([0, 1, 3]))
            await anyio.sleep(self.dice.choice([0.5, 10.0, 90.0]))
            self.house.journal.fail_with(None)

    def upset_looks(self, life: Life) -> None:
        """A bug of ours, now and then, in the middle of whatever the goal does."""
        look = life.daemon.observer.look

        async def look_or_crash(uid: Any, goal: Any, predicate: Any, progress: Any) -> Any:
            if self.is_hostile and self.dice.random() < 0.01:
                raise ZeroDivisionError("a bug in our own loop")
            return await look(uid, goal, predicate, progress)

        life.daemon.observer.look = look_or_crash  # type: ignore[method-assign]

    # --- clients ------------------------------------------------------------------------------------------------------

    async def be_a_client(self, life: Life) -> None:
        while True:
            await anyio.sleep(self.dice.expovariate(1 / 12))
            await self._ask_something(life)

    async def _ask_something(self, life: Life) -> None:
        dice = self.dice
        goal_id = dice.choice(list(self.specs))
        verb = dice.choices(
            ["apply", "change", "suspend", "resume", "stop", "delete", "reconcile", "read"],
            [4, 2, 4, 4, 1, 1, 1, 2],
        )[0]
        try:
            await self._ask(life, verb, goal_id)
        except (JournalUnavailable, UnknownGoal, AdmissionRefused):
            pass

    async def _ask(self, life: Life, verb: str, goal_id: str) -> None:
        service, dice = life.service, self.dice
        name = ("ada", goal_id)
        key = f"key-{dice.randint(0, 10**9)}" if dice.random() < 0.5 else None
        if verb == "read":
            service.views()
            service.view(*name)
            return
        if verb in ("apply", "change", "resume"):
            self.activations[name] = self.activations.get(name, 0) + 1
            self.activating[name] = self.activating.get(name, 0) + 1
            state = life.daemon.goals.find(*name)  # type: ignore[arg-type]
            if state is not None:
                self.oracle.quiet.pop(state.uid, None)
            try:
                if verb == "resume":
                    view = await service.resume(*name, reason="go", caller=ME, idempotency_key=key)
                else:
                    if verb == "change":
                        self._change_spec(goal_id)
                    applied = await service.apply(self.specs[goal_id], caller=ME, idempotency_key=key)
                    view = applied.view
                    if life.daemon.goals.by_uid(view.uid) is None and not life.runner.is_dead:
                        assert view.progress.desired is Desired.DELETED, "an acknowledged apply is known"
                if view.is_acknowledged:
                    self.oracle.acknowledged(view.uid, view.progress.epoch)
            finally:
                self.activating[name] -= 1
            return
        before = self.activations.get(name, 0)
        is_alone = self.activating.get(name, 0) == 0
        until_wall_s: float | None = None
        if verb == "suspend":
            for_s = dice.choice([None, None, 15.0, 60.0])
            # as the service reads it: from before the reply
            until_wall_s = None if for_s is None else self.house.clock.now().wall_s + for_s
            view = await service.suspend(*name, reason="x", for_s=for_s, caller=ME, idempotency_key=key)
        elif verb == "stop":
            view = await service.stop(*name, caller=ME, idempotency_key=key)
        elif verb == "delete":
            view = await service.delete(*name, caller=ME, idempotency_key=key)
        else:
            view = await service.reconcile(*name, caller=ME, idempotency_key=key)
            return
        if not view.is_acknowledged or life.runner.is_dead:
            return
        self.oracle.acknowledged(view.uid, view.progress.epoch)
        if is_alone and self.activations.get(name, 0) == before and verb != "suspend":
            self.oracle.quiet[view.uid] = None
        elif is_alone and self.activations.get(name, 0) == before and self._is_last_suspension(view.uid, until_wall_s):
            self.oracle.quiet[view.uid] = until_wall_s

    def _is_last_suspension(self, uid: str, until_wall_s: float | None) -> bool:
        """Another client may have suspended it for less meanwhile; then that one's end counts."""
        mine = self.house.daemons[-1].goals.by_uid(GoalUid(uid))
        if mine is None:
            return False
        stands = mine.progress.suspend_until_wall_s
        if until_wall_s is None or stands is None:
            return until_wall_s is None and stands is None
        return abs(stands - until_wall_s) < 1e-6

    def _change_spec(self, goal_id: str) -> None:
        goal, dice = self.specs[goal_id], self.dice
        how = dice.choice(["budget", "attempts", "workspace", "whole", "labels"])
        import msgspec

        match how:
            case "budget":
                budget = msgspec.structs.replace(goal.budget, iterations_max=dice.randint(2, 50))
                self.specs[goal_id] = msgspec.structs.replace(goal, budget=budget)
            case "attempts" if goal.remedies:
                remedies = tuple(msgspec.structs.replace(r, attempts=dice.randint(1, 9)) for r in goal.remedies)
                self.specs[goal_id] = msgspec.structs.replace(goal, remedies=remedies)
            case "workspace" if goal.workspace is not None:
                self.specs[goal_id] = msgspec.structs.replace(goal, workspace=dice.choice(["/w", "/w/sub", "/w2"]))
            case "whole":
                self.specs[goal_id] = self._goal(goal_id)
            case _:
                self.specs[goal_id] = msgspec.structs.replace(goal, labels={"n": str(dice.randint(0, 9))})

    async def be_a_watcher(self, life: Life) -> None:
        """Waits and follows, which have to end by themselves when the daemon says that it stops."""
        while not life.service.stopping.is_set():
            goal_id = self.dice.choice(list(self.specs))
            try:
                if self.dice.random() < 0.5:
                    state = self.dice.choice(list(GoalStatus))
                    timeout_s = self.dice.choice([0.0, 1.0, 100.0])
                    await life.service.wait("ada", goal_id, state=state, timeout_s=timeout_s)
                else:
                    async for step in life.service.follow("ada", goal_id):
                        await anyio.sleep(self.dice.choice([0.0, 0.5]))
                        if step.kind == "heartbeat" and self.dice.random() < 0.2:
                            break
            except UnknownGoal:
                pass
            with anyio.move_on_after(self.dice.expovariate(1 / 3)):
                await life.service.stopping.wait()

    async def watch_the_pace(self, life: Life) -> None:
        """No goal may turn without end, and no executor live behind an acknowledged fence."""
        turns = life.daemon.world.turns_total
        for _ in range(10**9):
            for _ in range(round(SAMPLE_S)):
                await anyio.sleep(1.0)
                self.oracle.check_quiet()
            made = life.daemon.world.turns_total - turns
            turns += made
            goals = max(1, len(list(life.daemon.goals.everyone())))
            if made > TURNS_PER_S_MAX * SAMPLE_S * goals:
                raise Broken(f"{made} turns in {SAMPLE_S:g} s for {goals} goals")

    # --- lives --------------------------------------------------------------------------------------------------------

    async def live(self, for_s: float) -> None:
        """One daemon, with clients, until it is killed or shut down."""
        self.lives += 1
        dice = self.dice
        kill_at = dice.randint(1, 150) if dice.random() < 0.4 else None
        ends_by_kill = dice.random() < 0.4
        async with self.house.life() as life:
            self.upset_looks(life)
            self.hook_disk(life, kill_at=kill_at)
            life.ends_attempts = dice.random() < 0.5
            async with anyio.create_task_group() as watchers:
                async with anyio.create_task_group() as group:
                    group.start_soon(self.upset_reality)
                    group.start_soon(self.upset_disk)
                    group.start_soon(self.watch_the_pace, life)
                    for _ in range(2):
                        group.start_soon(self.be_a_client, life)
                        watchers.start_soon(self.be_a_watcher, life)
                    await anyio.sleep(for_s)
                    if ends_by_kill:
                        life.kill()
                        await anyio.lowlevel.checkpoint()
                    group.cancel_scope.cancel()
                life.service.stop_streams()
                with anyio.move_on_after(5.0) as scope:
                    while watchers._nursery.child_tasks:  # type: ignore[attr-defined]
                        await anyio.sleep(0.1)
                if scope.cancelled_caught:
                    raise Broken("a wait or a follow goes on after the daemon said that it stops")
        self.house.journal.fail_with(None)
        self.oracle.absorb(self.house.journal)
        if not life.runner.is_dead and life.ends_attempts and self.house.runner.live_now:
            slow = [o for o in self.house.runner.live_now if self.house.runner._attempts[o.uid, o.attempt_id].script]
            assert all(self.house.runner._attempts[o.uid, o.attempt_id].script.cancel_takes_s > 20 for o in slow), slow
        await self.check_books(life)

    async def check_books(self, life: Life) -> None:
        """The dead daemon's memory, where it was not killed, is what a replay of the journal gives."""
        if life.runner.is_dead:
            return
        for state in life.daemon.goals.everyone():
            records = []
            while page := await self.house.journal.read(state.uid, after_seq=len(records), limit=READ_LIMIT_MAX):
                records.extend(page)
            again = fold_all(records).progress
            now = state.progress
            if state.seq != len(records):
                continue  # the last append was stored without an answer; the next start finds out
            for field in ("epoch", "generation", "desired", "act", "acts", "episodes", "spec_sha256"):
                if getattr(again, field) != getattr(now, field):
                    raise Broken(f"{state.uid}: {field} is {getattr(now, field)} and replays as {getattr(again, field)}")

    async def calm_down(self) -> None:
        """Faults stop: everything settles, first with all up, then from all down with remedies that work."""
        self.is_hostile = False
        async with self.house.life() as life:
            self.hook_disk(life, kill_at=None)
            await anyio.sleep(1)
            for goal in self.specs.values():
                for predicate in goal.predicates:
                    self.truth.set(predicate.id, True)
            await self._wake_everybody(life)
            await self._settle(life, "all up")
            for state in life.daemon.goals:
                if state.spec.standing and self._is_repairable(state.spec):
                    for predicate in state.spec.predicates:
                        self.truth.set(predicate.id, False)
            await anyio.sleep(130)
            await self._wake_everybody(life)
            await self._settle(life, "after a repair")
            assert life.daemon.executor._places == {} == life.daemon.executor._attempts
            assert life.daemon.goals._states.keys() == {s.uid for s in life.daemon.goals}
            life_leases = life.daemon.executor._leases
            assert life_leases._holders == {}, "a lease leaked"  # type: ignore[attr-defined]
        self.oracle.absorb(self.house.journal)
        if self.oracle.unresolved():
            raise Broken(f"unresolved for ever: {self.oracle.unresolved()}")

    async def _wake_everybody(self, life: Life) -> None:
        for state in list(life.daemon.goals):
            progress = state.progress
            is_over = not state.spec.standing and progress.status in FINISHED
            if progress.desired is not Desired.ACTIVE or (progress.status is GoalStatus.PARKED and not is_over):
                self.oracle.quiet.pop(state.uid, None)
                await life.service.resume(state.header.owner, state.header.id, reason="calm", caller=ME)

    def _is_repairable(self, goal: Goal) -> bool:
        covered = {p.id for p in goal.predicates if any(r.covers(p.id) for r in goal.remedies)}
        return covered == set(goal.predicate_ids)

    async def _settle(self, life: Life, when: str) -> None:
        def is_settled(state: Any) -> bool:
            status = life.service.view(state.header.owner, state.header.id).status
            if state.spec.standing:
                return status is GoalStatus.HOLDING
            return status in FINISHED

        with anyio.move_on_after(SETTLES_S) as scope:
            while not all(is_settled(s) for s in life.daemon.goals):
                await anyio.sleep(1.0)
                self.oracle.check_quiet()
        if scope.cancelled_caught:
            left = {
                s.header.id: life.service.view(s.header.owner, s.header.id)
                for s in life.daemon.goals
                if not is_settled(s)
            }
            said = {k: (v.status, v.cause, v.reason, v.decision, v.guards) for k, v in left.items()}
            raise Broken(f"not settled {SETTLES_S:g} s after the faults stopped ({when}): {said}")

    async def story(self) -> "World":
        try:
            end_s = anyio.current_time() + SIMULATED_S
            while anyio.current_time() < end_s:
                await self.live(min(self.dice.expovariate(1 / 250), end_s - anyio.current_time()) + 1)
            await self.calm_down()
        finally:
            self.house.journal.before_append = self.house.journal.after_append = None
        return self


def simulate(seed: int) -> World:
    """One seed, from an empty journal to a calm end."""

    async def story() -> World:
        return await World(seed).story()

    result = run_seeded(story, seed=seed)
    assert isinstance(result, World)
    return result


@pytest.mark.parametrize("seed", range(SEEDS), ids=lambda seed: f"{seed}-")
def test_simulation_of_a_hostile_world(seed: int) -> None:
    try:
        simulate(seed)
    except BaseException as error:
        replay = f"from tests.runtime.test_adversary_simulation import simulate; simulate({seed})"
        error.add_note(f'seed {seed}; replay: python -c "{replay}"')
        raise


_unused: tuple[Callable[..., Awaitable[Any]] | type, ...] = (ActIntended,)
