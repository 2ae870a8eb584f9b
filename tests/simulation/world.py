"""Everything around the daemons of one seed: goals, services, agents, disk, clock, and who upsets them.

All dice are the seed's. `is_hostile` is True until the faults stop; from then on remedies and agents repair what they
are for, and nothing breaks by itself.
"""

import math
import random
from typing import Any

import anyio
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.core.errors import JournalUnavailable
from kazid.core.goal import Budget, BudgetWindow, Goal, Scope
from kazid.core.ids import GoalUid
from kazid.harnesses.prompt import build_prompt
from kazid.ports.runner import AttemptOrder
from tests.builders import a_goal, a_harness, a_predicate, a_remedy
from tests.runtime.adversary import HostileHouse, Life, dice_of
from tests.simulation.approvers import APPROVER, PEOPLE, rules_of
from tests.simulation.lowered import is_careless
from tests.simulation.oracle import Oracle
from tests.simulation.scenery import HELD_OUT, SECRET, HostileAgent, HostileScene, Services
from tests.simulation.truth import Truth

TREES = ("/w", "/w/sub", "/w2", None, None)
SHARED = ("database", "network")
FOUGHT_TREE = "/w3"
SETTING = "app.conf"
POWER = "power"
STORM_SHARE = 0.12
"""Of the seeds: all goals need one thing, which fails now and then, and no remedy helps until it is back."""
UNTIL_PUT_BACK_S = 25.0
"""Long enough for a look at what was fixed."""
PAUSES_S = (0.0, 0.0, 0.0, 0.02, 0.5, 4.0)


class World:
    """One seed's."""

    def __init__(self, seed: int, *, tempo: float = 1.0) -> None:
        self.seed = seed
        self.tempo = tempo
        """So many times further apart is what happens: a long story costs little more than a short one."""
        self.dice: random.Random = dice_of(seed)
        self.house = HostileHouse()
        self.house.workspaces.make("/w/sub")
        self.truth = Truth(self.house.clock)
        self.services = Services(self.truth)
        self.scene = HostileScene(self)
        self.house.scene = self.scene  # type: ignore[assignment]
        self.agent = HostileAgent(self.dice)
        self.house.harness = self.agent  # type: ignore[assignment]
        self.house._script = self._script  # type: ignore[method-assign]
        self.house.delay = self.delay
        self.oracle = Oracle(self.house.clock, self.house.runner, self.truth)
        self.oracle.canaries["a secret"] = SECRET.encode()
        self.is_hostile = True
        self.fault_rate = self.dice.choice([0.0, 0.05, 0.3])
        self.is_steady = self.dice.random() < 0.2
        """Hardly anybody interferes, so that what only time brings has time to come."""
        self.rules = rules_of(seed)
        """What people have to say yes to."""
        self.is_stormy = random.Random(f"storm of {seed}").random() < STORM_SHARE
        self.is_careless = is_careless(seed)
        self.fired: dict[str, int] = {}
        self.specs: dict[str, Goal] = {}
        self.lives = 0

    def populate(self) -> None:
        """Goals and their services; needs the clock to run."""
        self._populate()
        self.house.grants |= {uid: (login, APPROVER) for login, uid in PEOPLE.items()}
        self.specs = {name: replace(goal, approvals=self.rules) for name, goal in self.specs.items()}

    def _populate(self) -> None:
        if self.is_stormy:
            self.is_steady = True
            self.services.unmendable.add(POWER)
            for number in range(self.dice.randint(6, 8)):
                self.specs[f"g{number}"] = self.a_goal_that_needs_power(f"g{number}")
            return
        for number in range(self.dice.randint(3, 8)):
            self.specs[f"g{number}"] = self.a_goal(f"g{number}")
        if self.is_careless:
            self.specs["g2"] = self.a_carelessly_served_goal("g2")
        if self.is_steady:
            self.specs["g0"] = self.a_crash_looping_goal("g0")
            self.specs["g1"] = self.a_fought_over_goal("g1")

    def count(self, what: str) -> None:
        """One more fault of this kind."""
        self.fired[what] = self.fired.get(what, 0) + 1

    # --- goals --------------------------------------------------------------------------------------------------------

    def a_goal(self, goal_id: str) -> Goal:
        """A goal over services of its own, some of which share a dependency with others'."""
        dice = self.dice
        is_standing = dice.random() < 0.65
        names = [f"{goal_id}.{letter}" for letter in "abc"[: dice.randint(1, 3)]]
        workspace = dice.choice(TREES)
        has_agent = workspace is not None and dice.random() < 0.5
        predicates = []
        for name in names:
            if dice.random() < 0.7:
                predicates.append(a_predicate(name, live=True, interval_s=self.an_interval_s()))
            else:
                predicates.append(
                    a_predicate(name, interval_s=60.0 if is_standing else None, deadline_s=20.0)
                )
        if has_agent and dice.random() < 0.4:
            hidden = a_predicate(
                f"{goal_id}.{HELD_OUT}", interval_s=60.0 if is_standing else None, deadline_s=20.0
            )
            predicates.append(replace(hidden, held_out=True, options={"cmd": HELD_OUT}))
            names.append(hidden.id)
        for name in names:
            needs = dice.choice(SHARED) if dice.random() < 0.3 else None
            self.services.add(name, is_up=dice.random() < 0.5, needs=needs)
            if dice.random() < 0.15:
                self.services.reverted[name] = dice.randint(1, 9)
            if dice.random() < 0.12:
                self.oracle.flaky.add(name)
            elif dice.random() < 0.1:
                self.services.crashing[name] = dice.choice([4.0, 10.0, 25.0])
            elif dice.random() < 0.08:
                self.services.flapping[name] = dice.choice([2.0, 7.0, 20.0])
        remedies = [
            a_remedy(
                *dice.sample(names, dice.randint(0, 1)), cmd=f"fix {goal_id}", attempts=dice.randint(1, 5)
            )
            for _ in range(dice.randint(0 if has_agent else 1, 2))
        ]
        if dice.random() < 0.05:
            remedies, has_agent = [], False  # nobody may repair it
        scope = Scope(owns=("path:/srv/shared",), on_overlap="serialise") if dice.random() < 0.3 else Scope()
        budget = dice.choice(
            [Budget(), Budget(iterations_max=3), Budget(wall_clock_s_max=90.0), Budget(iterations_max=30)]
        )
        if has_agent:
            budget = Budget(
                dispatches_max=10,
                dispatches_per_day_max=20,
                iterations_max=budget.iterations_max,
                tokens_max=dice.choice([None, 300_000, 900_000]),
                cost_usd_max=dice.choice([None, None, 4.0, 9.0]),
                window=self.a_window(),
            )
        harness = replace(a_harness(*names), total_timeout_s=90.0, idle_timeout_s=30.0)
        return a_goal(
            *predicates,
            goal_id=goal_id,
            standing=is_standing,
            remedies=remedies,
            harness=harness if has_agent else None,
            workspace=workspace,
            scope=scope,
            budget=budget,
            depends_on=self.some_dependency(goal_id),
        )

    def a_window(self) -> BudgetWindow | None:
        """What may be spent in any so many minutes: it renews by itself, as a quota does."""
        dice = self.dice
        if dice.random() < 0.5:
            return None
        per_s = dice.choice([120.0, 600.0, 3600.0])
        return dice.choice(
            [
                BudgetWindow(per_s=per_s, dispatches_max=dice.randint(1, 3)),
                BudgetWindow(per_s=per_s, tokens_max=300_000),
                BudgetWindow(per_s=per_s, cost_usd_max=5.0, dispatches_max=6),
            ]
        )

    def some_dependency(self, goal_id: str) -> tuple[str, ...]:
        """One of the first two goals, whose red explains this one's."""
        on = f"g{self.dice.randint(0, 1)}"
        return (on,) if on != goal_id and self.dice.random() < 0.35 else ()

    def an_interval_s(self) -> float:
        return self.dice.choice([5.0, 30.0] if self.tempo < 2 else [30.0, 60.0, 300.0])

    def a_crash_looping_goal(self, goal_id: str) -> Goal:
        """A service that is repaired every time, and dies again every time."""
        name = f"{goal_id}.loop"
        self.services.add(name, is_up=False, needs=None)
        self.services.crashing[name] = 4.0
        remedies = [a_remedy(name, cmd=f"fix {goal_id}", attempts=50)]
        predicate = a_predicate(name, live=True, interval_s=5.0)
        return a_goal(predicate, goal_id=goal_id, standing=True, remedies=remedies)

    def a_goal_that_needs_power(self, goal_id: str) -> Goal:
        """A service that dies with the power, and has to be started again once that is back."""
        name = f"{goal_id}.lamp"
        self.services.add(name, is_up=True, needs=POWER)
        remedies = [a_remedy(name, cmd=f"fix {goal_id}", attempts=50)]
        predicate = a_predicate(name, live=True, interval_s=5.0 if self.tempo < 2 else 30.0)
        return a_goal(predicate, goal_id=goal_id, standing=True, remedies=remedies)

    def a_fought_over_goal(self, goal_id: str) -> Goal:
        """A setting that is repaired every time, and that somebody puts back every time."""
        name = f"{goal_id}.setting"
        self.services.add(name, is_up=False, needs=None)
        self.services.fought[name] = FOUGHT_TREE
        self.house.workspaces.make(FOUGHT_TREE)
        self.house.workspaces.write(FOUGHT_TREE, SETTING, "theirs")
        remedies = [a_remedy(name, cmd=f"fix {goal_id}", attempts=50)]
        predicate = a_predicate(name, interval_s=20.0, deadline_s=20.0)
        return a_goal(predicate, goal_id=goal_id, standing=True, remedies=remedies, workspace=FOUGHT_TREE)

    def a_carelessly_served_goal(self, goal_id: str) -> Goal:
        """Services that only an agent mends, and that is as likely to break another of them."""
        names = [f"{goal_id}.{letter}" for letter in "abc"]
        for name in names:
            self.services.add(name, is_up=True, needs=None)
            self.services.reverted[name] = 3
        predicates = [a_predicate(name, live=True, interval_s=self.an_interval_s()) for name in names[1:]]
        return a_goal(
            a_predicate(names[0], interval_s=60.0, deadline_s=20.0),
            *predicates,
            goal_id=goal_id,
            standing=True,
            harness=replace(a_harness(*names), total_timeout_s=90.0, idle_timeout_s=30.0),
            workspace=self.dice.choice(["/w", "/w2"]),
            budget=Budget(dispatches_max=30, dispatches_per_day_max=60),
        )

    def change_spec(self, goal_id: str) -> None:
        """Somebody edits the goal-file."""
        goal, dice = self.specs[goal_id], self.dice
        match dice.choice(["budget", "attempts", "workspace", "whole", "labels"]):
            case "budget":
                budget = replace(goal.budget, iterations_max=dice.randint(2, 50))
                self.specs[goal_id] = replace(goal, budget=budget)
            case "attempts" if goal.remedies:
                remedies = tuple(replace(r, attempts=dice.randint(1, 9)) for r in goal.remedies)
                self.specs[goal_id] = replace(goal, remedies=remedies)
            case "workspace" if goal.workspace is not None:
                self.specs[goal_id] = replace(goal, workspace=dice.choice(["/w", "/w/sub", "/w2"]))
            case "whole":
                self.specs[goal_id] = replace(self.a_goal(goal_id), approvals=self.rules)
            case _:
                self.specs[goal_id] = replace(goal, labels={"n": str(dice.randint(0, 9))})

    # --- what is started ----------------------------------------------------------------------------------------------

    def _script(self, command: str) -> Script:
        order = self.house.runner.starts[-1]
        self._search(order)
        account = self.oracle.accounts[order.uid]
        assert account.goal is not None
        assert account.act is not None
        mine, everything = account.act.predicates, account.goal.predicate_ids
        if not self.is_hostile:
            return Script(duration_s=1.0, effect=lambda _: self._mend(everything), stdout=b"tokens=1000")
        return self._agent(mine, account.goal) if command == "claude" else self._remedy(mine, everything)

    def _search(self, order: AttemptOrder) -> None:
        """Nothing that an agent is told may hold what is held out from it."""
        told = (*order.argv, order.cwd, order.stdin_text or "", *order.env, *order.env.values())
        if order.argv[0] == "claude" and any(HELD_OUT in text for text in told):
            raise self.oracle.broken(f"{order.attempt_id} is told what is held out")
        if any(SECRET in text for text in told):
            raise self.oracle.broken(f"{order.attempt_id} is given a secret")

    def _mend(self, names: Any) -> None:
        for name in names:
            if name in self.services.fought:
                self.house.workspaces.write(self.services.fought[name], SETTING, "ours")
            self.services.mend(name)

    def _remedy(self, mine: Any, everything: Any) -> Script:
        """Repairs, repairs half, does nothing, breaks something, hangs, dies slowly, is not there."""
        dice = self.dice
        names = list(mine if dice.random() < 0.7 else everything)
        if any(name in self.services.crashing or name in self.services.fought for name in mine):
            return Script(duration_s=0.2, effect=lambda _: self._mend(names))
        kind = dice.choices(["mend", "half", "nothing", "break", "missing"], [10, 2, 4, 1, 1])[0]
        self.count(f"remedy.{kind}")

        def effect(_: object) -> None:
            match kind:
                case "mend":
                    self._mend(names)
                case "half":
                    self._mend(names[: len(names) // 2])
                case "break" if self.is_hostile:
                    self.services.set(dice.choice(self.services.names), False)

        if kind == "missing":
            return Script(ending="not_started", exit_code=None, reason="not found")
        return Script(
            duration_s=dice.choice([0.0, 0.2, 3.0, 20.0, math.inf]),
            exit_code=dice.choice([0, 0, 1]),
            effect=effect,
            cancel_takes_s=dice.choice([0.0, 0.0, 1.0, 12.0, 35.0]),
            is_silent=dice.random() < 0.2,
            stdout=f"password={SECRET}".encode(),
        )

    def _agent(self, mine: Any, goal: Goal) -> Script:
        """Works, lies, hangs, spends, edits the checks, forks, prints secrets, says nothing of its usage."""
        dice = self.dice
        weights = [3, 1, 1, 12, 1, 1] if self.is_careless else [8, 3, 3, 2, 2, 1]
        kind = dice.choices(["work", "lie", "edit", "swap", "hang", "denied"], weights)[0]
        self.count(f"agent.{kind}")

        def effect(_: object) -> None:
            tree = goal.workspace
            if kind in ("work", "edit", "swap") and tree is not None:
                text = "A" if kind == "swap" and dice.random() < 0.5 else str(dice.random())
                self.house.workspaces.write(tree, "tests.py" if kind == "edit" else "app.py", text)
            if kind == "work":
                self._mend(mine)
            if kind == "swap" and self.is_hostile:
                self.services.mend(dice.choice(mine))
                self.services.set(dice.choice(goal.predicate_ids), False)

        words = [f"export TOKEN={SECRET}"]
        if dice.random() < 0.7:
            words.append(f"tokens={dice.choice([10, 5_000, 250_000])} usd={dice.choice([0.01, 3.0])}")
        if kind == "denied":
            words.append("denied=1")
        return Script(
            duration_s=math.inf if kind == "hang" else dice.choice([0.2, 3.0, 20.0, 60.0]),
            exit_code=dice.choice([0, 0, 0, 1]),
            effect=effect,
            cancel_takes_s=dice.choice([0.0, 1.0, 12.0]),
            is_silent=dice.random() < 0.3,
            stdout=" ".join(words).encode(),
            unkillable=(4711,) if dice.random() < 0.1 else (),
        )

    # --- the machine --------------------------------------------------------------------------------------------------

    async def delay(self, what: str) -> None:
        """How long the runner takes for it."""
        if self.is_hostile:
            await anyio.sleep(self.dice.choice(PAUSES_S))
        else:
            await anyio.lowlevel.checkpoint()

    async def fault(self, name: str) -> bool:
        """The daemon passes a fault point: it waits, or loses something, or goes on."""
        if not self.is_hostile or self.dice.random() >= self.fault_rate:
            return False
        self.count(name)
        with anyio.CancelScope(shield=True):
            await anyio.sleep(self.dice.choice(PAUSES_S))
        return True

    def prepare(self, life: Life) -> None:
        """Before anything of a daemon runs: what it starts is judged, its prompts are the real ones."""
        life.runner.on_start = self.oracle.starting
        life.daemon.executor._build_prompt = build_prompt

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
                self.count("kill.before_append")
                life.kill()

        async def after(uid: GoalUid, events: Any) -> None:
            if life.runner.is_dead:
                return
            self.oracle.absorb(self.house.journal)
            if appends == kill_at and not is_before:
                self.count("kill.after_append")
                life.kill()
                return
            if self.is_hostile and self.dice.random() < 0.01:
                self.count("disk.stored_unanswered")
                raise JournalUnavailable("no answer in time")
            if self.is_hostile:
                await anyio.sleep(self.dice.choice([0.0] * 8 + [0.01, 0.5]))

        self.house.journal.before_append, self.house.journal.after_append = before, after

    def upset_looks(self, life: Life) -> None:
        """A bug of ours, now and then, in the middle of whatever the goal does."""
        look = life.daemon.observer.look

        async def look_or_crash(*args: Any) -> Any:
            if self.is_hostile and self.dice.random() < 0.01:
                self.count("loop.crash")
                raise ZeroDivisionError("a bug in our own loop")
            return await look(*args)

        life.daemon.observer.look = look_or_crash  # type: ignore[method-assign]

    async def upset_reality(self) -> None:
        """Services come and go, shared ones too; people revert, edit and set clocks."""
        dice = self.dice
        while True:
            await anyio.sleep(dice.expovariate(1 / (25 * self.tempo)))
            name = dice.choice(self.services.names)
            what = dice.choices(["change", "shared", "revert", "edit", "clock"], [10, 1, 4, 2, 0.5])[0]
            match what:
                case "change":
                    self.services.set(name, dice.random() < 0.35)
                case "shared":
                    self.services.set_shared(dice.choice(SHARED), dice.random() < 0.3)
                case "revert":
                    for one, left in sorted(self.services.reverted.items()):
                        if left > 0 and self.truth.now(one):
                            self.services.reverted[one] -= 1
                            self.services.set(one, False)
                case "edit":
                    self.house.workspaces.write(dice.choice(["/w", "/w2"]), "file", str(dice.random()))
                case _:
                    self.house.clock.step(dice.choice([-50.0, 2.0, 200.0]))
            self.count(f"world.{what}")

    async def crash_loop(self) -> None:
        """Some services die again and again, whoever repairs them."""
        services = self.services
        while services.crashing or services.flapping or services.fought:
            await anyio.sleep(1.0)
            now_s = anyio.current_time()
            for name, lives_s in services.crashing.items():
                if self.truth.now(name) and now_s - services.mended_s.get(name, -math.inf) >= lives_s:
                    services.set(name, False)
                    self.count("world.crash_loop")
            for name, tree in services.fought.items():
                if (
                    self.truth.now(name)
                    and now_s - services.mended_s.get(name, -math.inf) >= UNTIL_PUT_BACK_S
                ):
                    self.house.workspaces.write(tree, SETTING, "theirs")
                    services.set(name, False)
                    self.oracle.put_back[name] = self.oracle.put_back.get(name, 0) + 1
                    self.count("world.put_back")
            for name, every_s in services.flapping.items():
                if now_s - services.flapped_s.get(name, -math.inf) >= every_s * self.tempo:
                    services.flapped_s[name] = now_s
                    services.set(name, not self.truth.now(name))
                    self.count("world.flap")

    async def storm(self) -> None:
        """What all need fails, and comes back; what needed it stays down until somebody starts it."""
        services, dice = self.services, self.dice
        while True:
            await anyio.sleep(dice.expovariate(1 / (150 * self.tempo)))
            self.count("world.storm")
            services.set_shared(POWER, False)
            for name in services.names:
                services.set(name, False)
            await anyio.sleep(dice.choice([20.0, 60.0, 300.0]))
            services.set_shared(POWER, True)

    async def upset_disk(self) -> None:
        """The disk fills, with more or less in reserve, and somebody makes room."""
        while True:
            await anyio.sleep(self.dice.expovariate(1 / (200 * self.tempo)))
            self.count("disk.full")
            self.house.journal.fail_with(
                JournalUnavailable("disk is full"), reserve=self.dice.choice([0, 1, 3])
            )
            await anyio.sleep(self.dice.choice([0.5, 10.0, 90.0]))
            self.house.journal.fail_with(None)
