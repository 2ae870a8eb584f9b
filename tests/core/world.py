"""A closed loop in virtual time: one goal, and a seeded world that answers its looks and runs its acts.

It turns as the reconciler turns: decide until something waits, start what is due, sleep until the next thing happens.
Until `calm_s` the world does what it likes and people meddle; from then on every predicate has one fixed nature, so
that what the rules promise can be asked for.
"""

from collections.abc import Callable, Mapping
from random import Random

from kazid.core.cadence import schedule
from kazid.core.decision import Act, Cancel, Decision, Hold, Look
from kazid.core.event import TaskRecovered
from kazid.core.goal import Goal, Predicate
from kazid.core.ids import PredicateId
from kazid.core.progress import Desired
from kazid.core.status import FINISHED, GoalStatus
from kazid.core.verdict import Verdict, errored, failed
from tests.builders import ERROR, FAIL, PASS, UNKNOWN, predicate_observed
from tests.core.safety import check_safe
from tests.played import Played

ANY = (PASS, PASS, FAIL, FAIL, ERROR, UNKNOWN, failed("other"), errored("missing_cmd"))


class World:
    """What every predicate says, how long looks and acts take, and who meddles."""

    def __init__(
        self,
        *,
        seed: int = 0,
        calm_s: float = 0.0,
        nature: Mapping[str, Verdict] | None = None,
        repaired_by: Mapping[str, int] | None = None,
        look_s: float = 0.1,
        act_s: float = 1.0,
    ) -> None:
        self.random = Random(seed)
        self.calm_s = calm_s
        self.nature = nature or {}
        self.repaired_by = repaired_by or {}
        """After so many acts that serve it a predicate is green for good."""
        self.look_s = look_s
        self.act_s = act_s
        self.served: dict[str, int] = {}
        self.tree = 0

    def verdict(self, predicate: Predicate, now_s: float) -> Verdict:
        """What a look at this predicate finds now."""
        needed = self.repaired_by.get(predicate.id)
        if needed is not None and self.served.get(predicate.id, 0) >= needed:
            return PASS
        if now_s < self.calm_s:
            return self.random.choice(ANY)
        return self.nature.get(predicate.id, PASS)

    def look_takes_s(self, now_s: float) -> float:
        return self.look_s if now_s >= self.calm_s else self.random.choice([0.0, 0.1, 0.1, 3.0, 25.0])

    def act_takes_s(self, now_s: float) -> float:
        return self.act_s if now_s >= self.calm_s else self.random.choice([0.0, 1.0, 1.0, 40.0, 900.0])

    def meddle(self, play: Played) -> None:
        """Somebody does something, now and then, as long as it is not calm."""
        if play.now.boot_s >= self.calm_s or self.random.random() > 0.15:
            return
        match self.random.choice(["reconcile", "suspend", "resume", "restart", "clock", "apply"]):
            case "reconcile":
                play.reconcile()
            case "suspend":
                play.suspend(for_s=self.random.choice([None, 5.0, 120.0]))
            case "resume":
                play.resume()
            case "restart":
                play.restart_daemon(down_s=self.random.choice([0.0, 1.0, 300.0]))
            case "clock":
                play.step_clock(self.random.choice([-30.0, 3600.0]))
            case _:
                generation = play.progress.generation + self.random.choice([0, 1])
                play.reapply(play.goal, generation=generation)


class Loop:
    """Turns one goal in its world, and checks every decision."""

    def __init__(self, goal: Goal, world: World, *, at: float = 0.0) -> None:
        self.play = Played(goal, at=at)
        self.play.on_decision = check_safe
        self.world = world
        self.turns = 0
        self._looking: dict[PredicateId, tuple[float, float, Verdict, int]] = {}
        self._forced: set[PredicateId] = set()
        self._act_ends_s: float | None = None
        self._is_cancelled = False
        self._last: tuple[Decision, int, float] | None = None

    @property
    def is_over(self) -> bool:
        progress = self.play.progress
        if progress.act is not None:
            return False
        if progress.desired in (Desired.STOPPED, Desired.DELETED):
            return True
        return not self.play.goal.standing and progress.status in FINISHED

    def run(self, *, until_s: float, until: Callable[[Played], bool] | None = None) -> "Loop":
        """Turn until the goal is over, or `until` holds, or the time has come."""
        while self.play.now.boot_s < until_s:
            decision = self.play.turn()
            self._note(decision)
            if self.is_over or (until is not None and until(self.play)):
                break
            self._do(decision, until_s)
        return self

    def _do(self, decision: Decision, until_s: float) -> None:
        wake_s = decision.until_s if isinstance(decision, Hold) else None
        match decision:
            case Act():
                if self._begin():
                    return
            case Look():
                self._forced.update(p for p in decision.predicates if p not in self._looking)
            case Cancel() if not self._is_cancelled:
                self._is_cancelled = True
                self._act_ends_s = min(self._act_ends_s or 0.0, self.play.now.boot_s + 0.5)
        self._start_looks()
        self._sleep(wake_s, until_s)
        self._deliver()
        events = len(self.play.records)
        self.world.meddle(self.play)
        if any(isinstance(r.event, TaskRecovered) for r in self.play.records[events:]):
            self._looking.clear()  # looks die with the daemon

    def _note(self, decision: Decision) -> None:
        self.turns += 1
        now_s, events = self.play.now.boot_s, len(self.play.records)
        if not isinstance(decision, Hold):
            assert self._last != (decision, events, now_s), (
                f"the same decision again, and nothing happened: {decision}"
            )
        self._last = (decision, events, now_s)

    def _begin(self) -> bool:
        """The act begins, unless somebody else holds the lease."""
        play, world = self.play, self.world
        if play.now.boot_s < world.calm_s and world.random.random() < 0.1:
            play.act_deferred()
            return False
        play.act_intended()
        self._act_ends_s = play.now.boot_s + world.act_takes_s(play.now.boot_s)
        self._is_cancelled = False
        return True

    def _start_looks(self) -> None:
        play, now_s = self.play, self.play.now.boot_s
        forced = [
            p.id
            for p in play.goal.predicates
            if p.id in self._forced and (p.live or play.progress.act is None)
        ]
        for predicate_id in dict.fromkeys([*play.due, *forced]):
            if predicate_id not in self._looking:
                predicate = play.goal.predicate(predicate_id)
                ends_s = now_s + min(self.world.look_takes_s(now_s), predicate.cadence.deadline_s)
                self._looking[predicate_id] = (
                    now_s,
                    ends_s,
                    self.world.verdict(predicate, now_s),
                    play.progress.generation,
                )
            self._forced.discard(predicate_id)

    def _sleep(self, wake_s: float | None, until_s: float) -> None:
        play, now_s = self.play, self.play.now.boot_s
        times = [wake_s, self._act_ends_s, schedule(play.goal, play.progress, play.now).next_s]
        times.extend(ends_s for _, ends_s, _, _ in self._looking.values())
        if play.progress.deferred is not None:
            times.append(now_s + 1.0)
        known = [at_s for at_s in times if at_s is not None]
        if play.progress.desired is Desired.SUSPENDED and now_s < self.world.calm_s:
            known.append(self.world.calm_s)
        assert (
            known or self.is_over or self.play.status is GoalStatus.PARKED or self._is_waiting_for_a_person()
        ), f"nothing will ever wake this goal: {self.play.decide()}"
        next_s = min(known, default=until_s)
        assert next_s >= now_s or next_s == self._act_ends_s, "a time in the past makes the loop spin"
        play.at(max(now_s, next_s))

    def _is_waiting_for_a_person(self) -> bool:
        progress = self.play.progress
        return progress.desired is Desired.SUSPENDED and progress.suspend_until_wall_s is None

    def _deliver(self) -> None:
        play, world = self.play, self.world
        for predicate_id, (began_s, ends_s, verdict, generation) in list(self._looking.items()):
            if ends_s <= play.now.boot_s:
                del self._looking[predicate_id]
                tree = None if play.goal.predicate(predicate_id).live else f"tree-{world.tree}"
                play.record(
                    predicate_observed(
                        predicate_id, verdict, at=began_s, ended_s=ends_s, generation=generation, tree=tree
                    )
                )
        act = play.progress.act
        if act is not None and self._act_ends_s is not None and self._act_ends_s <= play.now.boot_s:
            self._act_ends_s = None
            for predicate_id in act.predicates:
                world.served[predicate_id] = world.served.get(predicate_id, 0) + 1
            world.tree += world.random.choice([0, 0, 1])
            ending = "cancelled" if self._is_cancelled else "exited"
            tokens = world.random.choice([None, 100]) if act.rung.startswith("harness:") else None
            play.act_ended(ending=ending, tokens=tokens)
        if play.progress.deferred is not None and world.random.random() < 0.5:
            play.reconcile()
        if play.now.boot_s >= world.calm_s and play.progress.desired is Desired.SUSPENDED:
            play.resume()
