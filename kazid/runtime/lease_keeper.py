"""Wakes goals that wait for a workspace as soon as one is given back, so that nobody polls for it."""

from anyio.abc import TaskStatus

from kazid.ports.faults import fault_point
from kazid.ports.lease import Leases
from kazid.runtime.goals import Goals


class LeaseKeeper:
    """The system child between the leases and the goals."""

    def __init__(self, leases: Leases, goals: Goals) -> None:
        self._leases = leases
        self._goals = goals

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Pass on releases until cancelled."""
        task_status.started()
        while True:
            await self._leases.wait_released()
            await fault_point("lease.released")
            if not await fault_point("lease.wake_lost"):  # then they ask again by themselves
                await self._goals.wake_deferred()
