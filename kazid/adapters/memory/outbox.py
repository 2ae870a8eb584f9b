"""The outbox over a journal in memory: notices are worked out of its events, and what receivers remember is a dict.

Like the journal it survives its daemon; a test opens another one on both.
"""

from collections.abc import Mapping, Sequence

from kazid.core.ids import Offset
from kazid.core.notice import Noticed, noticed
from kazid.core.receiver import ReceiverState
from kazid.ports.audit import AuditRecord
from kazid.ports.journal import Journal
from kazid.ports.notifying import NOTICES_PER_PAGE_MAX


class MemoryOutbox:
    """Notices and receivers. Keeps no audit trail."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._states: Mapping[str, ReceiverState] = {}
        self.saves = 0

    async def notices(self, *, after: int, limit: int = NOTICES_PER_PAGE_MAX) -> Sequence[Noticed]:
        """See the port."""
        refs = {h.uid: f"{h.owner}/{h.id}" for h in await self._journal.headers()}
        found: list[Noticed] = []
        while len(found) < limit and (records := await self._journal.tail(after=Offset(after))):
            for record in records:
                after = record.offset
                if (notice := noticed(record.event)) is not None:
                    found.append(
                        Noticed(
                            offset=record.offset,
                            uid=record.uid,
                            seq=record.seq,
                            ref=refs.get(record.uid, "").removeprefix("/"),  # type: ignore[call-overload]
                            at_wall_s=record.at.wall_s,
                            notice=notice,
                        )
                    )
        return found[:limit]

    async def receiver_states(self) -> Mapping[str, ReceiverState]:
        """See the port."""
        return dict(self._states)

    async def save_receivers(self, states: Mapping[str, ReceiverState], *, taken: int) -> None:
        """See the port."""
        self._states = dict(states)
        self.saves += 1

    async def audit_page(self, *, after: int, limit: int, goal: str | None = None) -> Sequence[AuditRecord]:
        """See ports/audit.py: nothing."""
        return ()

    async def audit_last(self) -> int:
        """See ports/audit.py: nothing."""
        return 0
