"""What every goal's task shares: the clock, the executor, the observer; one of each per daemon."""

from collections.abc import Callable

from kazid.core.event import ActDeferred
from kazid.core.ids import AttemptId
from kazid.ports.clock import Clock
from kazid.ports.watcher import Watcher
from kazid.ports.workspace import Workspaces
from kazid.runtime.approvers import Approvers
from kazid.runtime.change_windows import ChangeWindows
from kazid.runtime.executor import Executor
from kazid.runtime.fleet import Fleet
from kazid.runtime.governor import Governor
from kazid.runtime.health import Health
from kazid.runtime.hooks import Hooks
from kazid.runtime.observer import Observer
from kazid.runtime.owner_spending import OwnerSpending
from kazid.runtime.places import Places
from kazid.runtime.push_counts import PushCounts
from kazid.runtime.state import GoalState


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
        approvers: Approvers | None = None,
    ) -> None:
        self.clock = clock
        self.health = health
        self.observer = observer
        self.executor = executor
        self.workspaces = workspaces
        self.new_attempt_id = new_attempt_id
        self.fleet = fleet
        self.windows = windows
        self.spending = OwnerSpending(clock=clock, fleet=fleet, is_starting=executor.is_dispatching)
        self.governor = Governor(clock=clock, fleet=fleet, windows=windows, spending=self.spending)
        self.places = places
        self.watcher = watcher
        self.hooks = hooks
        self.approvers = approvers or Approvers()
        self.ends_attempts = True
        self.push_counts = PushCounts()
        self.turns_total = 0

    def dated(self, state: GoalState, deferred: ActDeferred) -> ActDeferred:
        """The deferral with when its wait ends, where that is known."""
        return self.spending.dated(state, self.windows.dated(state, deferred))
