"""The composition root: the only module that knows everything.

Reads the command line and the settings, makes every adapter, wires them into the supervision tree and runs it until a
signal. Everything here is construction; no rule lives here.
"""

import hashlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NamedTuple

import anyio
import anyio.to_thread
import structlog
from anyio.abc import TaskStatus

from kazid.adapters.memory.lease import MemoryLeases
from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.adapters.system.ancestry import Ancestry, refuse_attempts
from kazid.adapters.system.audit_exports import FolderExports
from kazid.adapters.system.briefer import SystemBriefer
from kazid.adapters.system.calendar import span_of
from kazid.adapters.system.child_watching import use_pidfd_watcher
from kazid.adapters.system.clock import SystemClock
from kazid.adapters.system.commands import SystemCommandRunner
from kazid.adapters.system.control_groups import ControlGroups, delegated
from kazid.adapters.system.descriptors import raise_descriptor_limit
from kazid.adapters.system.doctor import SystemDoctor
from kazid.adapters.system.household import ApiSocket, StartRecord, StateLock, make_state_dir
from kazid.adapters.system.last_resort import force_end_after
from kazid.adapters.system.notify import ServiceManager, activated_socket
from kazid.adapters.system.private_folders import PrivateFolders
from kazid.adapters.system.programs import SystemPrograms
from kazid.adapters.system.repository import SystemRepositories
from kazid.adapters.system.runner import SystemRunner
from kazid.adapters.system.sandbox import SystemSandbox
from kazid.adapters.system.scratch import Scratch
from kazid.adapters.system.secret_key import secret_key
from kazid.adapters.system.source_file import file_sha256, read_source
from kazid.adapters.system.tcp_listener import tcp_listener
from kazid.adapters.system.trial import SystemTrials
from kazid.adapters.system.watcher import SystemWatcher
from kazid.adapters.system.workspace import SystemWorkspaces
from kazid.adapters.system.worktrees import SystemWorktrees
from kazid.api.app import ApiContext, build_app
from kazid.api.approvers import Roles
from kazid.api.hook_app import build_hook_app
from kazid.api.server import serve
from kazid.command_line import Place, parsed, place_of
from kazid.core.errors import JournalUnusable, StartRefused, first_leaf
from kazid.core.ids import AttemptId, GoalUid
from kazid.core.window import DAY_S
from kazid.defaults import defaults_of
from kazid.goalfile.load import Defaults
from kazid.notifications import Notifications
from kazid.registry import (
    NETWORK_KINDS,
    Harnesses,
    Kinds,
    build_prompt,
    builtin_providers,
    end_idle_browser,
    installed_plugins,
)
from kazid.runtime.acknowledging import Acknowledging
from kazid.runtime.approvers import Approvers
from kazid.runtime.approving import Approving
from kazid.runtime.audit_head import AuditHead
from kazid.runtime.audit_retention import AuditRetention
from kazid.runtime.broadcast import Broadcaster
from kazid.runtime.change_windows import ChangeWindows
from kazid.runtime.executor import Executor, ExecutorLimits
from kazid.runtime.fleet import Fleet
from kazid.runtime.goals import Goals
from kazid.runtime.health import Health
from kazid.runtime.hooks import KEY_BYTES, Hooks
from kazid.runtime.lease_keeper import LeaseKeeper
from kazid.runtime.loop_load import LoopLoad
from kazid.runtime.observer import Observer, ObserverLimits
from kazid.runtime.places import Places
from kazid.runtime.pulse import Pulse
from kazid.runtime.retention import OldAttempts, drop_deleted
from kazid.runtime.service import Service
from kazid.runtime.supervisor import ChildSpec, run_tree
from kazid.runtime.try_out import try_out
from kazid.runtime.world import World
from kazid.settings import (
    Settings,
    given_roles,
    load_settings,
    owner_budgets,
    policies,
    window_rules,
)
from kazid.telemetry import configure_logging

log = structlog.get_logger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_REFUSED = 2
"""Starting again would not help: usage, settings, socket, database."""
THREAD_SWITCH_S = 0.0005
"""Python's 5 ms let a busy loop starve the journal's thread: single waits of seconds were measured, 34 ms with this."""
STOP_S_MAX = 45.0
"""An ordered shutdown that takes longer than this is ended by force; the journal makes that safe."""


def run(argv: Sequence[str]) -> int:
    """Run the daemon; the process's exit code."""
    arguments = parsed(argv)
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until settings can be read again; else it ends the process
    try:
        place = place_of(arguments)
        settings = load_settings(place.settings_file)
        configure_logging(level=settings.log.level, format=settings.log.format)
        daemon = _Daemon(place, settings)
    except StartRefused as error:
        print(f"kazid: {error}", file=sys.stderr)
        return EXIT_REFUSED
    code = EXIT_OK
    try:
        use_pidfd_watcher()
        raise_descriptor_limit()
        sys.setswitchinterval(THREAD_SWITCH_S)
        anyio.run(daemon.run, backend="asyncio")
        daemon.has_ended_well = True
    except* (StartRefused, JournalUnusable) as refused:
        print(f"kazid: {first_leaf(refused)}", file=sys.stderr)
        code = EXIT_REFUSED
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        daemon.close()
    if code == EXIT_OK and daemon.wants_restart:
        daemon.replace_process(argv)
    return code


class _Parts(NamedTuple):
    """What the tree's children share."""

    health: Health
    commands: SystemCommandRunner
    runner: SystemRunner
    sandbox: SystemSandbox
    repositories: SystemRepositories
    leases: MemoryLeases
    broadcaster: Broadcaster
    watcher: SystemWatcher
    world: World
    goals: Goals
    service: Service


class _Daemon:
    """One life of the daemon, from its locks to its last line."""

    def __init__(self, place: Place, settings: Settings) -> None:
        self.place = place
        self.settings = settings
        self._kinds = Kinds(installed_plugins(), settings)
        self._harnesses = Harnesses(settings)
        self.wants_restart = False
        self.has_ended_well = False
        self._stop: anyio.Event | None = None
        self._manager = ServiceManager(os.environ)
        self._state_dir = make_state_dir(place.state_dir)
        refuse_attempts(self._state_dir)
        self._private = PrivateFolders(self._state_dir / "goals")
        self._lock = StateLock(self._state_dir)
        self._clock = SystemClock()
        self._windows = ChangeWindows(clock=self._clock, span_of=span_of, rules=window_rules(settings))
        self._starts = StartRecord(self._state_dir, now_wall_s=self._clock.now().wall_s)
        self._control_groups = ControlGroups(delegated(settings.cgroup.folder))
        self._scratch = Scratch(state_id=_state_id(str(self._state_dir)))
        activated = activated_socket(os.environ)
        self._own_socket = None if activated is not None else ApiSocket(place.socket)
        self._socket: socket.socket = activated if activated is not None else self._listener()
        self._followers: list[Callable[[Settings], None]] = []
        """Told of new settings."""
        self._hook_socket = tcp_listener(settings.api.listen) if settings.api.listen else None

    def _listener(self) -> socket.socket:
        assert self._own_socket is not None
        return self._own_socket.socket

    async def run(self) -> None:
        """Build the tree and run it until a signal asks for the end."""
        self._stop = anyio.Event()
        async with anyio.create_task_group() as group:
            await group.start(self._handle_signals)
            async with await SqliteJournal.open(self._state_dir / "journal.db") as journal:
                parts = self._wire(journal)
                parts.runner.write_identity()
                await parts.commands.sweep_leaked_checks()
                await parts.runner.sweep_leftovers()
                await parts.repositories.sweep()
                self._scratch.sweep()
                await run_tree(self._children(journal, parts), lambda: self._until_stopped(parts))
            group.cancel_scope.cancel()  # a second SIGTERM cuts nothing short

    def _wire(self, journal: SqliteJournal) -> "_Parts":
        """Every part, made and connected."""
        state_dir = str(self._state_dir)
        environment = dict(os.environ)
        plugins = self._kinds.plugins
        health = Health()
        if self._starts.is_failing:
            health.report_failed_starts(f"{self._starts.failed} starts in 5 minutes failed by themselves")
        commands = SystemCommandRunner(environ=environment, state_id=_state_id(state_dir))
        ancestry = Ancestry(check_prefix=commands.state_prefix, environ=environment)
        workspaces = SystemWorkspaces()
        repositories = SystemRepositories(workspaces, scratch=self._state_dir / "checkouts")
        sandbox = SystemSandbox(commands)
        runner = SystemRunner(
            state_dir=state_dir,
            clock=self._clock,
            base_environment=environment,
            sandbox=sandbox,
            control_groups=self._control_groups,
        )
        leases, broadcaster = MemoryLeases(real=os.path.realpath), Broadcaster()
        concurrency = self.settings.concurrency
        observer = Observer(
            providers={**builtin_providers(), **plugins.providers},
            network_kinds=NETWORK_KINDS | plugins.network_kinds,
            commands=commands,
            workspaces=workspaces,
            repositories=repositories,
            clock=self._clock,
            private_folder=self._private.of,
            scratch=self._scratch.folder,
            leases=leases,
            limits=ObserverLimits(
                network=concurrency.network_looks,
                process=concurrency.process_looks,
                process_per_goal=concurrency.process_looks_per_goal,
            ),
            rest_s=LoopLoad(self._clock).rest_s,
        )
        executor = Executor(
            runner=runner,
            leases=leases,
            harnesses=self._harnesses.profiles,
            build_prompt=build_prompt,
            private_folder=self._private.of,
            programs=SystemPrograms(),
            briefer=SystemBriefer(),
            limits=ExecutorLimits(
                remedies=concurrency.remedies,
                remedies_per_owner=concurrency.remedies_per_owner,
                dispatches=concurrency.agents,
                dispatches_per_owner=concurrency.agents_per_owner,
                dispatches_per_harness=concurrency.agents_per_harness,
            ),
        )
        watcher = SystemWatcher()
        hooks = Hooks(secret_key(self._state_dir / "hook.key", size_bytes=KEY_BYTES))
        world = World(
            clock=self._clock,
            health=health,
            observer=observer,
            executor=executor,
            workspaces=workspaces,
            new_attempt_id=lambda: AttemptId(secrets.token_hex(8)),
            places=Places(
                worktrees=SystemWorktrees(self._state_dir / "worktrees"), commands=commands, sandbox=sandbox
            ),
            fleet=Fleet(journal=journal, clock=self._clock, health=health, on_commit=broadcaster.committed),
            windows=self._windows,
            watcher=watcher,
            hooks=hooks,
            approvers=Approvers(
                executor_uid=os.geteuid(), grants_of=Roles(lambda: given_roles(self.settings)).of
            ),
        )
        goals = Goals(journal=journal, clock=self._clock, health=health, world=world, broadcaster=broadcaster)
        service = Service(
            goals=goals,
            journal=journal,
            broadcaster=broadcaster,
            world=world,
            clock=self._clock,
            health=health,
            new_uid=_new_uid,
            file_sha256=file_sha256,
            belonging_of=ancestry.belonging_of,
            restart=self._request_restart,
        )
        return _Parts(
            health,
            commands,
            runner,
            sandbox,
            repositories,
            leases,
            broadcaster,
            watcher,
            world,
            goals,
            service,
        )

    def _children(self, journal: SqliteJournal, parts: "_Parts") -> tuple[ChildSpec, ...]:
        """The supervision tree, in starting order."""
        goals, world = parts.goals, parts.world
        audit_head = AuditHead(journal, self._clock)
        audit_retention = AuditRetention(
            journal,
            world.fleet,
            self._clock,
            FolderExports(self._state_dir / "audit"),
            days=lambda: self.settings.retention.audit_days,
        )
        old = OldAttempts(goals, parts.runner, world.places, self._clock, lambda: self.settings.retention)
        notifications = Notifications(
            self.settings,
            store=journal,
            goals=goals,
            clock=self._clock,
            health=parts.health,
            broadcaster=parts.broadcaster,
            commands=parts.commands,
        )
        world.spending.take(owner_budgets(self.settings))
        self._followers = [
            lambda new: self._windows.take(window_rules(new)),
            lambda new: world.spending.take(owner_budgets(new)),
            notifications.take,
        ]

        async def keep_house() -> None:
            await parts.commands.sweep_leaked_checks()
            await journal.maintain()
            await goals.keep_house(events_kept=self.settings.retention.events_per_goal)
            await old.drop()
            before_wall_s = self._clock.now().wall_s - self.settings.retention.deleted_days * DAY_S
            await drop_deleted(journal, (parts.runner, self._private), before_wall_s=before_wall_s)
            parts.runner.reap()
            await anyio.to_thread.run_sync(self._control_groups.sweep)
            await end_idle_browser()
            await audit_retention.keep()
            await audit_head.say()

        pulse = Pulse(
            clock=self._clock,
            journal=journal,
            health=parts.health,
            goals=goals,
            feed_watchdog=self._manager.feed_watchdog,
            keep_house=keep_house,
            start_lived=lambda: self._starts.mark("lived"),
            watchdog_s=self._manager.watchdog_s,
        )
        context = self._api_context(journal, parts, notifications)

        async def api(*, task_status: TaskStatus[None]) -> None:
            await serve(build_app(context), [self._socket], place=self._own_socket, task_status=task_status)

        async def hooks(*, task_status: TaskStatus[None]) -> None:
            assert self._hook_socket is not None
            await serve(build_hook_app(world.hooks.ring), [self._hook_socket], task_status=task_status)

        return (
            ChildSpec("journal_writer", journal.run_writer),
            ChildSpec("lease_keeper", LeaseKeeper(parts.leases, goals).run),
            ChildSpec("watcher", parts.watcher.run),
            ChildSpec("goals", goals.run),
            ChildSpec("pulse", pulse.run),
            *notifications.children(),
            ChildSpec("api", api),
            *([] if self._hook_socket is None else [ChildSpec("hooks", hooks)]),
        )

    def _api_context(
        self, journal: SqliteJournal, parts: "_Parts", notifications: Notifications
    ) -> ApiContext:
        """What the API is given of all this."""
        return ApiContext(
            service=parts.service,
            catalog=self._kinds,
            harnesses=lambda: self._harnesses.listed(default=self._defaults().harness),
            build_prompt=build_prompt,
            briefer=SystemBriefer(),
            defaults=self._defaults,
            version=version("kazi"),
            place_mode=self.place.mode,
            socket=self.place.socket,
            state_dir=str(self._state_dir),
            settings_file=lambda: self.place.settings_file,
            roles=lambda: given_roles(self.settings),
            policies=lambda: policies(self.settings),
            own_uid=os.geteuid(),
            read_text=read_source,
            audit=journal,
            history=journal,
            acknowledge=Acknowledging(parts.goals, journal).acknowledge,
            approving=Approving(parts.goals, journal, self._clock, parts.service.applying),
            trials=SystemTrials(parts.commands, self._scratch),
            hooks=parts.world.hooks,
            listen=self.settings.api.listen,
            doctor=SystemDoctor(
                state_dir=self._state_dir,
                sandbox=parts.sandbox,
                control_groups=self._control_groups.found,
                others=notifications.findings,
            ),
            sandbox=parts.sandbox,
            programs=SystemPrograms(),
            try_out=lambda goal, asked: try_out(goal, asked, uid=_new_uid(), observer=parts.world.observer),
        )

    async def _until_stopped(self, parts: "_Parts") -> None:
        """READY, then wait for a signal or a restart, then get everybody to leave."""
        self._starts.mark("ready")
        self._manager.ready(f"{sum(1 for _ in parts.goals)} goals")
        log.info(
            "daemon.started",
            pid=os.getpid(),
            socket=self.place.socket,
            state_dir=str(self._state_dir),
            mode=self.place.mode,
        )
        assert self._stop is not None
        await self._stop.wait()
        self._manager.stopping()
        log.info("daemon.stopping", restart=self.wants_restart)
        parts.world.ends_attempts = not self.wants_restart
        parts.service.stop_streams()
        force_end_after(STOP_S_MAX, exit_code=EXIT_FAILED)

    async def _handle_signals(self, *, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
            task_status.started()
            async for number in received:
                if number == signal.SIGHUP:
                    self._reload()
                elif self._stop is not None:
                    self._stop.set()

    def _reload(self) -> None:
        """Read the settings again; a bad file changes nothing. Concurrency needs a restart, and that is said."""
        self._manager.reloading()
        try:
            settings = load_settings(self.place.settings_file)
            self._kinds.take(settings)
            self._harnesses.take(settings)
        except StartRefused as error:
            log.error("settings.refused", reason=str(error))
        else:
            for table in ("concurrency", "api", "cgroup"):
                if getattr(settings, table) != getattr(self.settings, table):
                    log.warning("settings.need_restart", table=table)
            self.settings = settings
            for follow in self._followers:
                follow(settings)
            configure_logging(level=settings.log.level, format=settings.log.format)
            log.info("settings.reloaded", file=self.place.settings_file)
        self._manager.ready("settings reloaded")

    async def _request_restart(self, reason: str) -> None:
        log.info("daemon.restart_requested", reason=reason)
        self.wants_restart = True
        assert self._stop is not None
        self._stop.set()

    def _defaults(self) -> Defaults:
        return defaults_of(self.settings, self._harnesses.profiles)

    def close(self) -> None:
        """Let go of socket and locks, and record how it ended: our own failures count, a kill -9 leaves no record."""
        self._starts.mark("lived" if self.has_ended_well else "failed")
        if self._own_socket is not None:
            self._own_socket.close()
        else:
            self._socket.close()
        self._scratch.close()
        if self._hook_socket is not None:
            self._hook_socket.close()
        self._lock.release()

    def replace_process(self, argv: Sequence[str]) -> None:
        """Become a fresh kazid with the same pid: systemd and the shims see one daemon."""
        os.execv(sys.executable, [sys.executable, "-P", "-m", "kazid", *argv])


def _new_uid() -> GoalUid:
    return GoalUid(secrets.token_hex(8))


def _state_id(state_dir: str) -> str:
    """Names this state folder in the environment of what it starts."""
    return hashlib.sha256(state_dir.encode()).hexdigest()[:12]
