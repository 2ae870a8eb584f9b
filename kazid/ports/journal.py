"""The durable record of what happened: the truth that a restart rebuilds everything from.

Contract (each sentence has a test on every adapter): `append` is all or nothing and durable on return; `(uid, seq)` is
unique and without a gap; a stale `expected_seq` raises Conflict and writes nothing; a cancelled caller may still have
appended, and retrying with the same `expected_seq` and events is answered with the first receipt; `offset` rises in
commit order over all goals; a reader that pages by offset sees every event exactly once; a full or failing disk raises
JournalUnavailable and leaves what was stored readable.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kazid.core.event import Event, Recorded
from kazid.core.ids import GoalId, GoalUid, Offset, Owner, Seq
from kazid.core.instant import Now

EVENTS_PER_APPEND_MAX = 512
READ_LIMIT_MAX = 1000


class GoalHeader(msgspec.Struct, frozen=True, kw_only=True):
    """One incarnation as the list of goals has it. At most one header per (owner, id) is not deleted."""

    uid: GoalUid
    owner: Owner
    id: GoalId
    is_deleted: bool
    snapshot_seq: Seq = Seq(0)
    """The fold may start here: 0 is the beginning."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What an append made durable."""

    seq: Seq
    """Of the last event."""
    offset: Offset
    """Of the last event."""


class Journal(Protocol):
    """Append and read events. Adapters: sqlite, memory."""

    async def append(
        self,
        uid: GoalUid,
        events: Sequence[Event],
        *,
        at: Now,
        expected_seq: Seq,
        header: GoalHeader | None = None,
        idempotency_key: str | None = None,
        is_urgent: bool = False,
    ) -> Receipt:
        """Make events durable, all or none, and say where the last one is.

        `header` upserts the goal's row in the same transaction; `idempotency_key` is remembered with it. `is_urgent`
        (stop, suspend) may spend the reserve file when the disk is full. Events: 1..EVENTS_PER_APPEND_MAX.
        Raises: Conflict, JournalUnavailable.
        """
        ...

    async def read(self, uid: GoalUid, *, after_seq: Seq, limit: int = READ_LIMIT_MAX) -> Sequence[Recorded]:
        """Events of one incarnation with seq > after_seq, in order."""
        ...

    async def tail(
        self, *, after: Offset, uid: GoalUid | None = None, limit: int = READ_LIMIT_MAX
    ) -> Sequence[Recorded]:
        """Events of all goals (or one) with offset > after, in commit order."""
        ...

    async def head(self) -> Offset:
        """The offset of the newest event; 0 when there is none."""
        ...

    async def headers(self) -> Sequence[GoalHeader]:
        """Every incarnation that is not deleted, and deleted ones that still have unresolved attempts are included."""
        ...

    async def find_key(self, idempotency_key: str) -> Receipt | None:
        """The receipt of the append that carried this key, if it is remembered (24 h)."""
        ...

    async def check_writable(self) -> None:
        """One durable write that changes nothing of meaning; the watchdog's proof. Raises JournalUnavailable."""
        ...

    async def discard_before(self, uid: GoalUid, *, seq: Seq) -> int:
        """Drop events before a snapshot at `seq`; returns how many. Bounded per call; 0 means done."""
        ...

    async def forget(self, uid: GoalUid) -> None:
        """Drop a deleted incarnation's header once its attempts are resolved; its events stay for retention."""
        ...

    async def discard_forgotten(self, *, before_wall_s: float) -> Sequence[GoalUid]:
        """Drop events of forgotten incarnations whose newest is older; the uids that have none left.

        Bounded per call; none means that nothing is left to drop, or that one incarnation needs another call.
        """
        ...
