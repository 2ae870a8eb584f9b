"""What every goal's task shares: the clock, the executor, the observer; one of each per daemon."""

from collections.abc import Callable

from kazid.core.ids import AttemptId
from kazid.ports.clock import Clock
from kazid.ports.watcher import Watcher
from kazid.ports.workspace import Workspaces
from kazid.runtime.change_windows import ChangeWindows
from kazid.runtime.executor import Executor
from kazid.runtime.fleet import Fleet
from kazid.runtime.governor import Governor
from kazid.runtime.health import Health
from kazid.runtime.hooks import Hooks
from kazid.runtime.observer import Observer
from kazid.runtime.places import Places


class World:
    """What every reconciler shares. `ends_attempts`: at shutdown attempts are ended (SIGTERM), not left to the shim."""

    def __init__(
        self,
        *,
        clock: Clock,
        health: Health,
        observer: Observer,
        executor: Executor,
        workspaces: Workspaces,
        new_attempt_id: Callable[[], AttemptId],
        fleet: Fleet,
        places: Places,
        windows: ChangeWindows,
        watcher: Watcher,
        hooks: Hooks,
    ) -> None:
        self.clock = clock
        self.health = health
        self.observer = observer
        self.executor = executor
        self.workspaces = workspaces
        self.new_attempt_id = new_attempt_id
        self.fleet = fleet
        self.windows = windows
        self.governor = Governor(clock=clock, fleet=fleet, windows=windows)
        self.places = places
        self.watcher = watcher
        self.hooks = hooks
        self.ends_attempts = True
        self.turns_total = 0
