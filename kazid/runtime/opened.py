"""Which folder a goal is about: opened once for each generation, known again by device and inode before every act."""

from kazid.core.decision import Conclude
from kazid.core.goal import Goal
from kazid.core.ids import Generation
from kazid.core.status import Cause, GoalStatus
from kazid.ports.workspace import WorkspaceId, Workspaces
from kazid.runtime.state import GoalState


class OpenedWorkspace:
    """The workspace of one goal, as its first look found it."""

    __slots__ = ("_generation", "_identity", "_state", "_workspaces")

    def __init__(self, workspaces: Workspaces, state: GoalState) -> None:
        self._workspaces = workspaces
        self._state = state
        self._identity: WorkspaceId | None = None
        self._generation: Generation | None = None

    async def open(self, goal: Goal, generation: Generation) -> None:
        """A generation is about the folder that its first look finds, not about the one its first act would find."""
        if self._state.reopens_workspace:
            self._state.reopens_workspace = False
            self._identity = None
        if goal.workspace is None or self._is_open(generation):
            return
        identity = await self._workspaces.identify(goal.workspace)
        is_newest = self._generation is None or generation >= self._generation
        if is_newest and not self._is_open(generation):
            self._identity, self._generation = identity, generation

    async def refusal(self, goal: Goal, generation: Generation) -> Conclude | None:
        """Why no act may start there; None when the folder is the one that was opened. A refusal closes it."""
        workspace = goal.workspace
        if workspace is None:
            return None
        await self.open(goal, generation)
        identity = await self._workspaces.identify(workspace)
        if identity is not None and identity == self._identity:
            return None
        self._identity = None
        if identity is None:
            return Conclude(
                status=GoalStatus.STUCK, cause=Cause.WORKSPACE_MISSING, reason=f"{workspace} is gone"
            )
        reason = f"{workspace} is another folder than the one opened"
        return Conclude(status=GoalStatus.STUCK, cause=Cause.WORKSPACE_MOVED, reason=reason)

    def _is_open(self, generation: Generation) -> bool:
        return self._identity is not None and self._generation == generation
