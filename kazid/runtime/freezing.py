"""`freeze` and `thaw` as verbs: record it, wake everybody, and say when no executor of an older epoch is left.

The reply is an acknowledgement only then (SEMANTICS §6); within a bound it says which goals are still `suspending`.
"""

from collections.abc import Sequence

import anyio
import msgspec

from kazid.core.progress import Frozen
from kazid.runtime.executor import Executor
from kazid.runtime.fleet import Fleet
from kazid.runtime.goals import Goals
from kazid.runtime.state import GoalState
from kazid.runtime.views import Caller

FENCE_S = 20.0
"""How long a reply waits, as for the fence of one goal."""
POLL_S = 0.25
"""A goal's task that ends tells nobody, so the wait looks again this often."""


class FleetView(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for all goals, and where it has not arrived yet."""

    frozen: Frozen | None
    goals: int
    unsettled: Sequence[str]
    """`owner/id` of goals with an executor of an older epoch, or that have not taken notice yet."""
    pids: Sequence[int]
    was_frozen: bool = True
    """Of a thaw: whether there was a freeze to end."""


class Freezing:
    """The two verbs over all goals."""

    def __init__(self, *, goals: Goals, fleet: Fleet, executor: Executor) -> None:
        self._goals = goals
        self._fleet = fleet
        self._executor = executor

    async def freeze(
        self, *, reason: str, for_s: float | None, caller: Caller, idempotency_key: str | None = None
    ) -> FleetView:
        """No goal acts until thaw or expiry; looking goes on. Goals applied meanwhile do not act either."""
        await self._fleet.freeze(reason=reason, for_s=for_s, by=caller.login, idempotency_key=idempotency_key)
        return await self._settled()

    async def thaw(self, *, reason: str, caller: Caller, idempotency_key: str | None = None) -> FleetView:
        """Goals may act again, but for those that are suspended by themselves."""
        was_frozen = await self._fleet.thaw(reason=reason, by=caller.login, idempotency_key=idempotency_key)
        return msgspec.structs.replace(await self._settled(), was_frozen=was_frozen)

    @property
    def frozen(self) -> Frozen | None:
        """The freeze in force, None when goals may act."""
        return self._fleet.frozen

    def view(self) -> FleetView:
        """How it stands now."""
        states = list(self._goals.everyone())
        unsettled = [s for s in states if self._fleet.is_unsettled(s, has_task=self._goals.is_running)]
        return FleetView(
            frozen=self._fleet.frozen,
            goals=len(states),
            unsettled=[_ref(s) for s in unsettled],
            pids=[pid for s in unsettled for pid in self._executor.pids(s.uid)],
        )

    async def _settled(self) -> FleetView:
        await self._goals.wake_all()
        states = list(self._goals.everyone())
        with anyio.move_on_after(FENCE_S):
            await self._fleet.settle(states, has_task=self._goals.is_running, poll_s=POLL_S)
        return self.view()


def _ref(state: GoalState) -> str:
    return f"{state.header.owner}/{state.header.id}"
