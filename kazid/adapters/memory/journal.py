"""The journal in memory, for tests and simulation: the same contract, and a disk that does as it is told.

An append becomes durable at one moment; `before_append` and `after_append` are awaited on either side of it, so that a
test can stop or crash there, and `snapshot` is what another daemon would find on the disk. Runs on trio and asyncio.
"""

import bisect
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import anyio.lowlevel
import msgspec

from kazid.core.errors import Conflict, JournalUnavailable, JournalUnusable
from kazid.core.event import Event, Recorded
from kazid.core.ids import GoalId, GoalUid, Offset, Owner, Seq
from kazid.core.instant import Now
from kazid.ports.journal import EVENTS_PER_APPEND_MAX, READ_LIMIT_MAX, GoalHeader, Receipt

KEY_TTL_S = 24 * 3600.0
DISCARD_MAX = 1000
"""Events dropped per call, as the sqlite adapter does."""

Hook: TypeAlias = Callable[[GoalUid, Sequence[Event]], Awaitable[None]]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Event).decode


class _Stored(msgspec.Struct, frozen=True):
    """One event, encoded as a disk would hold it, so that nothing lives on by being shared."""

    offset: Offset
    uid: GoalUid
    seq: Seq
    at: Now
    body: bytes


class MemoryJournal:
    """An empty journal. Hooks may be set at any time."""

    def __init__(self) -> None:
        self.before_append: Hook | None = None
        """Awaited before anything is stored; what it raises, the append raises."""
        self.after_append: Hook | None = None
        """Awaited when the events are durable and the caller does not know it yet."""
        self._events: list[_Stored] = []
        self._goals: dict[GoalUid, list[_Stored]] = {}
        self._headers: dict[GoalUid, GoalHeader] = {}
        self._keys: dict[str, tuple[Receipt, float]] = {}
        self._offset = Offset(0)
        self._refusal: JournalUnavailable | JournalUnusable | None = None
        self._reserve = 0

    def fail_with(self, error: JournalUnavailable | JournalUnusable | None, *, reserve: int = 0) -> None:
        """Refuse writes with this, as a bad disk does, until told None; `reserve` urgent appends still get through."""
        self._refusal = error
        self._reserve = reserve

    def snapshot(self) -> "MemoryJournal":
        """A journal of its own with what is durable now: what a daemon finds that starts after a crash here."""
        other = MemoryJournal()
        other._events = list(self._events)
        other._goals = {uid: list(events) for uid, events in self._goals.items()}
        other._headers = dict(self._headers)
        other._keys = dict(self._keys)
        other._offset = self._offset
        return other

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
        """See the port. Cancelled at its first checkpoint it has stored nothing, at its last one everything."""
        assert 1 <= len(events) <= EVENTS_PER_APPEND_MAX
        assert header is None or header.uid == uid
        bodies = [_encode(event) for event in events]
        for body in bodies:
            _decode(body)  # what cannot be read back (NaN where a number has to be) must never be stored
        await anyio.lowlevel.checkpoint()
        if self.before_append is not None:
            await self.before_append(uid, events)
        self._check_disk(is_urgent=is_urgent)
        receipt = self._store(uid, bodies, at=at, expected_seq=expected_seq, header=header)
        if idempotency_key is not None:
            self._remember(idempotency_key, receipt, at.wall_s)
        if self.after_append is not None:
            await self.after_append(uid, events)
        await anyio.lowlevel.checkpoint()
        return receipt

    async def read(self, uid: GoalUid, *, after_seq: Seq, limit: int = READ_LIMIT_MAX) -> Sequence[Recorded]:
        """See the port."""
        assert 1 <= limit <= READ_LIMIT_MAX
        await anyio.lowlevel.checkpoint()
        stored = self._goals.get(uid, [])
        start = max(0, after_seq - stored[0].seq + 1) if stored else 0
        return [_recorded(row) for row in stored[start : start + limit]]

    async def tail(
        self, *, after: Offset, uid: GoalUid | None = None, limit: int = READ_LIMIT_MAX
    ) -> Sequence[Recorded]:
        """See the port."""
        assert 1 <= limit <= READ_LIMIT_MAX
        await anyio.lowlevel.checkpoint()
        stored = self._events if uid is None else self._goals.get(uid, [])
        start = bisect.bisect_right(stored, after, key=lambda row: row.offset)
        return [_recorded(row) for row in stored[start : start + limit]]

    async def head(self) -> Offset:
        """See the port."""
        await anyio.lowlevel.checkpoint()
        return self._events[-1].offset if self._events else Offset(0)

    async def headers(self) -> Sequence[GoalHeader]:
        """See the port."""
        await anyio.lowlevel.checkpoint()
        return list(self._headers.values())

    async def find_key(self, idempotency_key: str) -> Receipt | None:
        """See the port."""
        await anyio.lowlevel.checkpoint()
        found = self._keys.get(idempotency_key)
        return None if found is None else found[0]

    async def check_writable(self) -> None:
        """See the port."""
        await anyio.lowlevel.checkpoint()
        self._check_disk()

    async def discard_before(self, uid: GoalUid, *, seq: Seq) -> int:
        """See the port."""
        await anyio.lowlevel.checkpoint()
        self._check_disk()
        stored = self._goals.get(uid, [])
        header = self._headers.get(uid)
        assert header is None or seq <= header.snapshot_seq, "the fold needs everything from the snapshot on"
        dropped = [row.offset for row in stored if row.seq < seq][:DISCARD_MAX]
        self._goals[uid] = stored[len(dropped) :]
        gone = set(dropped)
        self._events = [row for row in self._events if row.offset not in gone]
        return len(dropped)

    async def forget(self, uid: GoalUid) -> None:
        """See the port."""
        await anyio.lowlevel.checkpoint()
        self._check_disk()
        header = self._headers.get(uid)
        if header is not None and header.is_deleted:
            del self._headers[uid]

    async def discard_forgotten(self, *, before_wall_s: float) -> Sequence[GoalUid]:
        """See the port."""
        await anyio.lowlevel.checkpoint()
        self._check_disk()
        forgotten = [uid for uid, stored in self._goals.items() if stored and uid not in self._headers]
        old = [uid for uid in forgotten if self._goals[uid][-1].at.wall_s < before_wall_s]
        gone: list[GoalUid] = []
        left = DISCARD_MAX
        for uid in old:
            dropped, self._goals[uid] = self._goals[uid][:left], self._goals[uid][left:]
            offsets = {row.offset for row in dropped}
            self._events = [row for row in self._events if row.offset not in offsets]
            left -= len(dropped)
            if not self._goals[uid]:
                del self._goals[uid]
                gone.append(uid)
        return gone

    def _check_disk(self, *, is_urgent: bool = False) -> None:
        if self._refusal is None:
            return
        if is_urgent and self._reserve > 0:
            self._reserve -= 1
            return
        raise type(self._refusal)(*self._refusal.args)

    def _store(
        self, uid: GoalUid, bodies: Sequence[bytes], *, at: Now, expected_seq: Seq, header: GoalHeader | None
    ) -> Receipt:
        """The moment of durability: everything up to here may be lost, and nothing after it. Never waits."""
        seq = self._seq_of(uid)
        if seq != expected_seq:
            found = self._first_receipt(uid, bodies, expected_seq)
            if found is None:
                raise Conflict(uid=uid, expected_seq=expected_seq, actual_seq=seq)
            return found
        if header is not None:
            holder = self._holder(header.owner, header.id)
            if not header.is_deleted and holder not in (None, uid):
                assert holder is not None
                raise Conflict(uid=holder, expected_seq=expected_seq, actual_seq=self._seq_of(holder))
            self._headers[uid] = header
        rows = self._goals.setdefault(uid, [])
        for body in bodies:
            seq = Seq(seq + 1)
            self._offset = Offset(self._offset + 1)
            row = _Stored(self._offset, uid, seq, at, body)
            rows.append(row)
            self._events.append(row)
        assert seq == expected_seq + len(bodies)
        return Receipt(seq=seq, offset=self._offset)

    def _first_receipt(self, uid: GoalUid, bodies: Sequence[bytes], expected_seq: Seq) -> Receipt | None:
        """The receipt of the append that this one repeats; None when it does not repeat one, byte for byte."""
        last = expected_seq + len(bodies)
        stored = [row for row in self._goals.get(uid, []) if expected_seq < row.seq <= last]
        if [row.body for row in stored] != list(bodies):
            return None
        return Receipt(seq=stored[-1].seq, offset=stored[-1].offset)

    def _remember(self, idempotency_key: str, receipt: Receipt, wall_s: float) -> None:
        self._keys = {key: kept for key, kept in self._keys.items() if kept[1] >= wall_s - KEY_TTL_S}
        self._keys.setdefault(idempotency_key, (receipt, wall_s))

    def _holder(self, owner: Owner, goal_id: GoalId) -> GoalUid | None:
        for header in self._headers.values():
            if not header.is_deleted and (header.owner, header.id) == (owner, goal_id):
                return header.uid
        return None

    def _seq_of(self, uid: GoalUid) -> Seq:
        stored = self._goals.get(uid)
        return stored[-1].seq if stored else Seq(0)


def _recorded(row: _Stored) -> Recorded:
    return Recorded(offset=row.offset, uid=row.uid, seq=row.seq, at=row.at, event=_decode(row.body))
