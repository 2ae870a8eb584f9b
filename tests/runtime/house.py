"""A daemon in memory for runtime tests: the real runtime on trio's virtual clock, scripted world, nothing real.

`House` survives its daemon: crash it and open another on what was durable, as a restart would.
"""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from kazid.adapters.memory.briefer import MemoryBriefer
from kazid.adapters.memory.clock import MemoryClock
from kazid.adapters.memory.journal import MemoryJournal
from kazid.adapters.memory.lease import MemoryLeases
from kazid.adapters.memory.programs import MemoryPrograms
from kazid.adapters.memory.repository import MemoryRepositories
from kazid.adapters.memory.runner import Script, ScriptedRunner
from kazid.adapters.memory.sandbox import MemorySandbox
from kazid.adapters.memory.watcher import MemoryWatcher
from kazid.adapters.memory.workspace import MemoryWorkspaces
from kazid.adapters.memory.worktrees import MemoryWorktrees
from kazid.adapters.system.calendar import span_of
from kazid.core.event import Recorded
from kazid.core.fleet import FLEET_UID
from kazid.core.goal import Goal
from kazid.core.ids import AttemptId, GoalUid, Offset, Seq
from kazid.core.json import Json
from kazid.core.replay import replay
from kazid.core.roles import Grant
from kazid.core.verdict import Verdict, failed, passed
from kazid.ports.belonging import Belonging
from kazid.ports.commands import CommandRunner
from kazid.ports.harness import Harness
from kazid.ports.programs import Installed
from kazid.ports.provider import Look, Provider
from kazid.runtime.approvers import Approvers
from kazid.runtime.approving import Approving
from kazid.runtime.broadcast import Broadcaster
from kazid.runtime.change_windows import ChangeWindows
from kazid.runtime.executor import Executor, ExecutorLimits
from kazid.runtime.fleet import Fleet
from kazid.runtime.goals import Goals
from kazid.runtime.health import Health
from kazid.runtime.hooks import Hooks
from kazid.runtime.lease_keeper import LeaseKeeper
from kazid.runtime.observer import Observer, ObserverLimits
from kazid.runtime.places import Places
from kazid.runtime.pulse import Pulse
from kazid.runtime.service import Service
from kazid.runtime.views import Caller
from kazid.runtime.world import World
from tests.fakes import ScriptedHarness

ME = Caller(uid=1000, login="me", pid=4242)
DAEMON_UID = 990
"""Whom acts run as."""


class Scene:
    """The world that providers look at: what is up, how long a look takes, what a look does."""

    def __init__(self) -> None:
        self.up: dict[str, bool] = {}
        self.takes_s: dict[str, float] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.crashes: set[str] = set()
        self.looks: dict[str, int] = {}

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        name = look.predicate_id
        self.looks[name] = self.looks.get(name, 0) + 1
        await anyio.sleep(self.takes_s.get(name, 0.01))
        if name in self.crashes:
            raise ZeroDivisionError("a bug in a provider")
        if name in self.verdicts:
            return self.verdicts[name]
        return passed() if self.up.get(name, False) else failed("unreachable")


class FileReads:
    """Green where the file `a` of the folder that it is given says "fixed"; remembers where it looked."""

    def __init__(self, workspaces: MemoryWorkspaces) -> None:
        self.workspaces = workspaces
        self.places: list[str] = []

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        self.places.append(look.workspace)
        await anyio.sleep(0.01)
        text = self.workspaces.read(look.workspace, "a") or ""
        return passed() if text.startswith("fixed") else failed("broken", f"a is {text}")


class House:
    """Adapters that outlive one daemon, and the daemons opened on them."""

    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.journal = MemoryJournal()
        self.workspaces = MemoryWorkspaces("/w", "/w2")
        self.repositories = MemoryRepositories(self.workspaces)
        self.worktrees = MemoryWorktrees(self.workspaces, self.repositories)
        self.commands: CommandRunner | None = None
        self.watcher = MemoryWatcher()
        self.sandbox = MemorySandbox()
        self.briefer = MemoryBriefer()
        self.programs = MemoryPrograms(claude=Installed(path="/usr/bin/claude", version="2.1.329"))
        self.scene = Scene()
        self.providers: dict[str, Provider] = {}
        """Kinds besides those that the scene answers."""
        self.scripts: dict[str, Script] = {}
        self.runner = ScriptedRunner(clock=self.clock, scripts=lambda order: self._script(order.argv[0]))
        self.harness = ScriptedHarness()
        self.harnesses: dict[str, Harness] = {"claude": self.harness}
        self.grants: dict[int, tuple[str, Sequence[Grant]]] = {}
        """By uid: who has which roles now."""
        self._numbers = itertools.count(1)

    async def grants_of(self, uid: int) -> tuple[str, Sequence[Grant]]:
        return self.grants.get(uid, (str(uid), ()))

    def _script(self, command: str) -> Script:
        return self.scripts.get(command, Script(duration_s=1.0))

    def repairs(self, command: str, *predicates: str, duration_s: float = 1.0) -> None:
        """Running this command brings these predicates up."""

        def effect(_: object) -> None:
            self.scene.up.update(dict.fromkeys(predicates, True))

        self.scripts[command] = Script(duration_s=duration_s, effect=effect)

    @asynccontextmanager
    async def daemon(self, *, is_crashed_at_end: bool = False) -> AsyncIterator["Daemon"]:
        """A daemon on what is durable now; ends attempts at its end, unless it crashes."""
        daemon = Daemon(self)
        async with anyio.create_task_group() as group:
            await group.start(daemon.goals.run)
            await group.start(daemon.lease_keeper.run)
            await group.start(daemon.pulse.run)
            try:
                yield daemon
            finally:
                daemon.world.ends_attempts = not is_crashed_at_end
                group.cancel_scope.cancel()
        if is_crashed_at_end:
            self.journal = self.journal.snapshot()
        await self.assert_replays()

    async def assert_replays(self) -> None:
        """What was journalled is enough to make every recorded decision again."""
        for uid in {record.uid for record in await self.events()} - {FLEET_UID}:
            records = await self.journal.read(GoalUid(uid), after_seq=Seq(0))
            differences = replay(records).differences
            assert not differences, differences

    async def events(self) -> list[Recorded]:
        """Everything journalled so far."""
        return list(await self.journal.tail(after=Offset(0)))

    async def events_of(self, *kinds: type) -> list[Any]:
        """What was journalled of these types, in order."""
        return [record.event for record in await self.events() if isinstance(record.event, kinds)]


class Daemon:
    """The runtime, wired as main wires it."""

    def __init__(self, house: House) -> None:
        self.health = Health()
        self.broadcaster = Broadcaster()
        leases = MemoryLeases()
        self.observer = Observer(
            providers={
                **dict.fromkeys(("http_probe", "test_runner", "custom_script"), house.scene),
                **house.providers,
            },
            network_kinds=frozenset({"http_probe"}),
            commands=_no_commands(),
            workspaces=house.workspaces,
            repositories=house.repositories,
            clock=house.clock,
            private_folder=lambda uid: f"/private/{uid}",
            limits=ObserverLimits(),
            leases=leases,
        )
        self.executor = Executor(
            runner=house.runner,
            leases=leases,
            harnesses=house.harnesses,
            programs=house.programs,
            briefer=house.briefer,
            build_prompt=lambda goal, progress, vector, predicates, briefing: f"fix {', '.join(predicates)}",
            private_folder=lambda uid: f"/private/{uid}",
            limits=ExecutorLimits(),
        )
        numbers = house._numbers
        self.hooks = Hooks(b"k" * 32)
        self.world = World(
            clock=house.clock,
            health=self.health,
            observer=self.observer,
            executor=self.executor,
            workspaces=house.workspaces,
            new_attempt_id=lambda: AttemptId(f"attempt-{next(numbers)}"),
            fleet=Fleet(
                journal=house.journal,
                clock=house.clock,
                health=self.health,
                on_commit=self.broadcaster.committed,
            ),
            places=Places(
                worktrees=house.worktrees, commands=house.commands or _no_commands(), sandbox=house.sandbox
            ),
            windows=ChangeWindows(clock=house.clock, span_of=span_of),
            watcher=house.watcher,
            hooks=self.hooks,
            approvers=Approvers(executor_uid=DAEMON_UID, grants_of=house.grants_of),
        )
        self.goals = Goals(
            journal=house.journal,
            clock=house.clock,
            health=self.health,
            world=self.world,
            broadcaster=self.broadcaster,
        )
        self.lease_keeper = LeaseKeeper(leases, self.goals)
        self.fed = 0
        self.pulse = Pulse(
            clock=house.clock,
            journal=house.journal,
            health=self.health,
            goals=self.goals,
            feed_watchdog=self._feed,
            keep_house=self._keep_house,
            start_lived=lambda: None,
        )
        self.service = Service(
            goals=self.goals,
            journal=house.journal,
            broadcaster=self.broadcaster,
            world=self.world,
            clock=house.clock,
            health=self.health,
            new_uid=lambda: GoalUid(f"uid-{next(numbers)}"),
            file_sha256=lambda path: None,
            belonging_of=lambda pid: Belonging(),
            restart=self._restart,
        )
        self.approving = Approving(self.goals, house.journal, house.clock, self.service.applying)

    async def apply(self, goal: Goal) -> str:
        return (await self.service.apply(goal, caller=ME)).outcome

    def _feed(self) -> None:
        self.fed += 1

    async def _keep_house(self) -> None:
        await self.goals.keep_house(events_kept=10_000)

    async def _restart(self, reason: str) -> None:
        raise NotImplementedError(reason)


class _NoCommands:
    async def run(self, command: object) -> object:
        raise AssertionError("scenes run no commands")


def _no_commands() -> CommandRunner:
    return _NoCommands()  # type: ignore[return-value]
