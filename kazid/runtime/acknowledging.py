"""`ack` as a verb: somebody has what a goal stopped for. Journalled with the goal; receivers read it in the outbox."""

from kazid.core.errors import UnknownGoal
from kazid.core.event import AlertAcknowledged
from kazid.core.ids import GoalId, Owner
from kazid.ports.journal import Journal
from kazid.runtime.goals import Goals
from kazid.runtime.views import Caller


class Acknowledging:
    """The verb, over the goals there are."""

    def __init__(self, goals: Goals, journal: Journal) -> None:
        self._goals = goals
        self._journal = journal

    async def acknowledge(
        self, owner: str, goal_id: str, *, reason: str, caller: Caller, idempotency_key: str | None = None
    ) -> None:
        """Record it; the goal itself goes on as it was. Raises UnknownGoal, JournalUnavailable."""
        state = self._goals.find(Owner(owner), GoalId(goal_id))
        if state is None:
            raise UnknownGoal(f"{owner}/{goal_id}")
        if idempotency_key is None or await self._journal.find_key(idempotency_key) is None:
            event = AlertAcknowledged(by=caller.login, reason=reason)
            await state.record(event, idempotency_key=idempotency_key)
