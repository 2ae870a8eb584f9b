"""One seed from an empty journal to a calm end: daemons that live and die in a hostile world, then the faults stop.

`simulate(seed)` runs the real runtime on trio's virtual clock with the scheduler's dice seeded (`trio._core._run._r`,
and its deterministic order of tasks), so that one seed always tells the same story; its digest is over every event.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import msgspec
import structlog

from kazid.core.fold import fold_all
from kazid.core.goal import Goal
from kazid.core.progress import Desired
from kazid.core.status import FINISHED, GoalStatus
from kazid.ports.faults import injected
from kazid.ports.journal import READ_LIMIT_MAX
from kazid.runtime import state as runtime_state
from tests.builders import as_json
from tests.runtime.adversary import Life, run_seeded
from tests.runtime.house import ME
from tests.simulation.approvers import approve_things
from tests.simulation.clients import Clients
from tests.simulation.lowered import restore_things
from tests.simulation.scenery import HELD_OUT, SECRET
from tests.simulation.world import World

HORIZON_S = 450.0
"""The shortest hostile time of a seed; the calm end comes on top."""
HORIZON_S_MAX = 6600.0
"""The longest: with its calm end it stays within two virtual hours."""
HORIZON_SHARES = ((0.55, HORIZON_S, 900.0), (0.25, 900.0, 3600.0), (0.2, 3600.0, HORIZON_S_MAX))
"""How many seeds have a horizon between which two."""
SETTLES_S = 900.0
"""The slowest way to rest: an attempt to its deadline, a backoff at its cap, an error's patience, two looks."""
TURNS_PER_S_MAX = 12.0
"""Of one goal, on average over half a minute."""
SAMPLE_S = 30.0
TEMPO_POWER = 0.8
"""Twice as long is not twice as slow: a long story has more in it."""
LONG_TEMPO = 3.0
"""From here on a story is a long one."""
SNAPSHOT_EVERY = 20
PATIENCE_S = 20.0
"""Of a watcher for its stream to end when the daemon stops."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one seed came to."""

    seed: int
    digest: str
    goals: int
    lives: int
    virtual_s: float
    events: int
    starts: int
    fired: dict[str, int]


def horizon_of(seed: int) -> float:
    """How long the hostile time of this seed is: some are long, and what happens in them is further apart."""
    dice = random.Random(f"horizon of {seed}")
    share = dice.random()
    for part, low_s, high_s in HORIZON_SHARES:
        if share < part:
            return float(round(dice.uniform(low_s, high_s)))
        share -= part
    return HORIZON_S_MAX


def simulate(seed: int, *, horizon_s: float | None = None) -> Figures:
    """Tell the story of this seed; raises Broken at the first thing that must not be."""
    story = Story(seed, horizon_s=horizon_of(seed) if horizon_s is None else horizon_s)
    try:
        with (
            _searched_log(story.world),
            _snapshots_every(SNAPSHOT_EVERY if seed % 2 else runtime_state.SNAPSHOT_EVERY),
        ):
            run_seeded(story.tell, seed=seed)
    except BaseException:
        story.world.oracle.check()  # what was found first, however it came up
        raise
    story.world.oracle.check()
    return story.figures()


class Story:
    """The world of a seed, its clients, and one daemon after the other."""

    def __init__(self, seed: int, *, horizon_s: float) -> None:
        self.world = World(seed, tempo=max(1.0, horizon_s / HORIZON_S) ** TEMPO_POWER)
        self.clients = Clients(self.world)
        self.ended_s = 0.0
        self._horizon_s = horizon_s

    def figures(self) -> Figures:
        world = self.world
        return Figures(
            seed=world.seed,
            digest=world.oracle.digest.hexdigest()[:16],
            goals=len(world.specs),
            lives=world.lives,
            virtual_s=self.ended_s,
            events=world.oracle.events_seen,
            starts=world.oracle.starts,
            fired=dict(sorted((world.fired | self._said()).items())),
        )

    def _said(self) -> dict[str, int]:
        """What acts waited for, and how many waits were announced with their end."""
        oracle = self.world.oracle
        waits = {f"waits.{name}": count for name, count in oracle.deferred.items()}
        ends = {f"end.{name}": count for name, count in oracle.ends.items()}
        incidents = {f"incident.{name}": count for name, count in oracle.incidents.items()}
        return (
            waits
            | ends
            | incidents
            | {
                "explain.announced": oracle.announcements,
                "lowered": oracle.lowered,
            }
        )

    async def tell(self) -> None:
        house = self.world.house
        self.world.populate()
        with injected(self.world.fault):
            try:
                end_s = anyio.current_time() + self._horizon_s
                while anyio.current_time() < end_s:
                    left_s = end_s - anyio.current_time()
                    await self.live(
                        min(self.world.dice.expovariate(1 / (250 * self.world.tempo)), left_s) + 1
                    )
                await self.calm_down()
            finally:
                house.journal.before_append = house.journal.after_append = None
                self.ended_s = anyio.current_time()

    async def live(self, for_s: float) -> None:
        """One daemon, with clients, until it is killed or shut down."""
        world, dice = self.world, self.world.dice
        world.lives += 1
        kill_at = dice.randint(1, 150) if dice.random() < 0.4 else None
        ends_by_kill = dice.random() < 0.4

        def prepare(life: Life) -> None:
            world.prepare(life)
            world.upset_looks(life)
            world.hook_disk(life, kill_at=kill_at)
            life.ends_attempts = dice.random() < 0.5

        async with world.house.life(prepare) as life:
            if life.runner.is_dead:  # killed while it started
                return
            async with anyio.create_task_group() as watchers:
                async with anyio.create_task_group() as group:
                    group.start_soon(world.upset_reality)
                    group.start_soon(world.crash_loop)
                    group.start_soon(world.upset_disk)
                    if world.is_stormy:
                        group.start_soon(world.storm)
                    if world.rules:
                        group.start_soon(approve_things, world, life)
                    if world.is_careless:
                        group.start_soon(restore_things, world, life)
                    group.start_soon(self.watch, life)
                    for _ in range(2):
                        group.start_soon(self.clients.be_a_client, life)
                        watchers.start_soon(self.clients.be_a_watcher, life)
                    await anyio.sleep(for_s)
                    if ends_by_kill:
                        world.count("kill.at_any_time")
                        life.kill()
                        await anyio.lowlevel.checkpoint()
                    group.cancel_scope.cancel()
                life.service.stop_streams()
                with anyio.move_on_after(PATIENCE_S) as scope:
                    while watchers._nursery.child_tasks:  # type: ignore[attr-defined]
                        await anyio.sleep(0.1)
                if scope.cancelled_caught:
                    raise world.oracle.broken(
                        "a wait or a follow goes on after the daemon said that it stops"
                    )
        world.house.journal.fail_with(None)
        world.house.journal.before_append = world.house.journal.after_append = None
        world.oracle.absorb(world.house.journal)
        await self.check_books(life)

    async def watch(self, life: Life) -> None:
        """No goal turns without end, and no executor lives behind an acknowledged fence."""
        oracle = self.world.oracle
        turns = life.daemon.world.turns_total
        every_s = 1.0 if self.world.tempo < LONG_TEMPO else 5.0
        while True:
            for _ in range(round(SAMPLE_S / every_s)):
                await anyio.sleep(every_s)
                oracle.check()
                oracle.check_quiet()
            for view in life.service.views():
                oracle.explained(view)
            made = life.daemon.world.turns_total - turns
            turns += made
            goals = max(1, len(list(life.daemon.goals.everyone())))
            if made > TURNS_PER_S_MAX * SAMPLE_S * goals:
                raise oracle.broken(f"{made} turns in {SAMPLE_S:g} s for {goals} goals")

    async def check_books(self, life: Life) -> None:
        """The dead daemon's memory, where it was not killed, is what a replay of the journal gives."""
        if life.runner.is_dead:
            return
        for state in life.daemon.goals.everyone():
            records: list[Any] = []
            while page := await self.world.house.journal.read(
                state.uid,
                after_seq=len(records),
                limit=READ_LIMIT_MAX,  # type: ignore[arg-type]
            ):
                records.extend(page)
            if state.seq != len(records):
                continue  # the last append was stored without an answer; the next start finds out
            again = fold_all(records).progress
            for field in ("epoch", "generation", "desired", "act", "acts", "episodes", "spec_sha256"):
                mine, replayed = getattr(state.progress, field), getattr(again, field)
                if as_json(mine) != as_json(replayed):
                    raise self.world.oracle.broken(
                        f"{state.uid}: {field} is {mine} and replays as {replayed}"
                    )

    # --- the calm end -------------------------------------------------------------------------------------------------

    async def calm_down(self) -> None:
        """Faults stop: everything settles, first with all up, then from all down with remedies that work."""
        world = self.world
        world.is_hostile = False
        world.services.unmendable.clear()
        world.lives += 1

        def prepare(life: Life) -> None:
            world.prepare(life)
            world.hook_disk(life, kill_at=None)

        async with world.house.life(prepare) as life, anyio.create_task_group() as people:
            if world.rules:
                people.start_soon(approve_things, world, life)
            await anyio.sleep(1)
            await life.service.freezing.thaw(reason="calm", caller=ME)
            for name in world.services.names:
                world.services.mend(name)
            await self._wake_everybody(life)
            await self._settle(life, "all up")
            for state in life.daemon.goals:
                if state.spec.standing and is_repairable(state.spec):
                    for predicate in state.spec.predicates:
                        world.services.set(predicate.id, False)
            await anyio.sleep(130)
            await self._wake_everybody(life)
            await self._settle(life, "after a repair")
            assert life.daemon.executor._places == {} == life.daemon.executor._attempts, "a place leaked"
            assert life.daemon.goals._states.keys() == {s.uid for s in life.daemon.goals}, (
                "a deleted goal stays"
            )
            assert life.daemon.executor._leases._holders == {}, "a lease leaked"  # type: ignore[attr-defined]
            people.cancel_scope.cancel()
        world.oracle.absorb(world.house.journal)
        if world.oracle.unresolved():
            raise world.oracle.broken(f"unresolved for ever: {world.oracle.unresolved()}")
        if any(HELD_OUT in prompt or SECRET in prompt for prompt in world.agent.prompts):
            raise world.oracle.broken("a prompt holds what it must not")

    async def _wake_everybody(self, life: Life) -> None:
        for state in list(life.daemon.goals):
            progress = state.progress
            is_over = not state.spec.standing and progress.status in FINISHED
            if progress.desired is not Desired.ACTIVE or (
                progress.status is GoalStatus.PARKED and not is_over
            ):
                self.world.oracle.quiet.pop(state.uid, None)
                await life.service.resume(state.header.owner, state.header.id, reason="calm", caller=ME)

    async def _settle(self, life: Life, when: str) -> None:
        """Every fixable goal is green and every other one is at its end with an explanation, within the bound."""
        oracle = self.world.oracle

        def view(state: Any) -> Any:
            return life.service.view(state.header.owner, state.header.id)

        def is_settled(state: Any) -> bool:
            status = view(state).status
            if not state.spec.standing or status is GoalStatus.HOLDING:
                return status in FINISHED or status is GoalStatus.HOLDING
            # its money or its time may have run out before it was repaired, or it is fought over, and what falls once
            # more looks like one more time that somebody put it back; but what is up has to be seen
            is_up = all(self.world.truth.now(p.id) for p in state.spec.predicates)
            return status in (GoalStatus.OVER_BUDGET, GoalStatus.CONTESTED) and not is_up

        with anyio.move_on_after(SETTLES_S) as scope:
            while oracle.storm is not None or not all(is_settled(s) for s in life.daemon.goals):
                await anyio.sleep(1.0)
                oracle.check()
                oracle.check_quiet()
        if scope.cancelled_caught:
            left = {s.header.id: view(s) for s in life.daemon.goals if not is_settled(s)}
            said = {k: (v.status, v.cause, v.reason, v.decision, v.guards) for k, v in left.items()}
            if oracle.storm is not None:
                raise oracle.broken(
                    f"an incident stands {SETTLES_S:g} s after the faults stopped ({when}): {said}"
                )
            raise oracle.broken(f"not settled {SETTLES_S:g} s after the faults stopped ({when}): {said}")
        for state in life.daemon.goals:
            stands = view(state)
            if stands.status not in (GoalStatus.HOLDING, GoalStatus.CONVERGED) and not stands.reason:
                raise oracle.broken(f"{state.header.id} is {stands.status.value} and does not say why")


def is_repairable(goal: Goal) -> bool:
    """Somebody's remedy covers each of its predicates."""
    return all(any(r.covers(p.id) for r in goal.remedies) for p in goal.predicates)


@contextmanager
def _snapshots_every(events: int) -> Iterator[None]:
    """A short story has few events: half of them take snapshots early."""
    usual, runtime_state.SNAPSHOT_EVERY = runtime_state.SNAPSHOT_EVERY, events
    try:
        yield
    finally:
        runtime_state.SNAPSHOT_EVERY = usual


class _searched_log:
    """Every log line of the daemon, searched for what it must not hold, and then dropped."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> None:
        self._before = structlog.get_config()
        structlog.configure(processors=[self._search], cache_logger_on_first_use=False)

    def __exit__(self, *_: object) -> None:
        structlog.configure(**self._before)

    def _search(self, logger: Any, method: str, line: Any) -> Any:
        if os.environ.get("KAZI_SIM_LOG"):
            print(f"{method:8}", line)
        text = repr(line)
        if SECRET in text or HELD_OUT in text:
            self._world.oracle.broken(f"a log line holds what it must not: {text[:500]}")
        raise structlog.DropEvent
