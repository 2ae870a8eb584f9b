"""The journal in a SQLite file: `ports/journal.py` says what it promises, this says in which words SQLite is asked.

A page of events is read as one row, a JSON list that SQLite concatenates from what it stores: stepping through rows
costs a wait for the interpreter each, and one call decodes the lot. What batches of appends write is in `appends.py`.
"""

import os
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Self, TypeVar

import anyio
import msgspec
from anyio.abc import TaskStatus

from kazid.adapters.sqlite import history, outbox
from kazid.adapters.sqlite.appends import Append
from kazid.adapters.sqlite.audit_pruning import prune_audit
from kazid.adapters.sqlite.database import CLOSE_TIMEOUT_S, RESTORE, Database, open_database
from kazid.adapters.sqlite.group_commit import GroupCommit
from kazid.core.audit import audited
from kazid.core.errors import JournalUnavailable, JournalUnusable
from kazid.core.event import Event, Recorded, event_type
from kazid.core.ids import GoalUid, Offset, Seq
from kazid.core.instant import Now
from kazid.core.notice import Noticed
from kazid.core.receiver import ReceiverState
from kazid.ports.audit import RECORDS_PER_PAGE_MAX, AuditRecord
from kazid.ports.journal import EVENTS_PER_APPEND_MAX, READ_LIMIT_MAX, GoalHeader, Receipt
from kazid.ports.notifying import NOTICES_PER_PAGE_MAX

DISCARD_MAX = 1000
"""Events dropped per call: 10,000 at once held everybody up for 136 ms, so a tenth of it."""

T = TypeVar("T")


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """One event in a page."""

    offset: Offset
    uid: GoalUid
    seq: Seq
    at: tuple[float, float, str]
    event: Event


_PAGE = """
    SELECT CAST('[' || group_concat(
        '[' || offset || ',' || json_quote(uid) || ',' || seq || ',' || at || ',' || body || ']', ','
    ) || ']' AS BLOB)
    FROM (SELECT offset, uid, seq, at, body FROM events WHERE {where} LIMIT ?)
"""
_AFTER_SEQ = _PAGE.format(where="uid = ? AND seq > ? ORDER BY seq")
_AFTER_OFFSET = _PAGE.format(where="offset > ? ORDER BY offset")
_AFTER_OFFSET_OF_ONE = _PAGE.format(where="uid = ? AND offset > ? ORDER BY offset")
_HEADERS = """
    SELECT json_group_array(json_object(
        'uid', uid, 'owner', owner, 'id', id, 'snapshot_seq', snapshot_seq,
        'is_deleted', json(CASE is_deleted WHEN 0 THEN 'false' ELSE 'true' END)
    )) FROM goals
"""
_DISCARD = """
    DELETE FROM events WHERE offset IN
    (SELECT offset FROM events WHERE uid = ? AND seq < ? ORDER BY seq LIMIT ?)
"""

_AS_BYTES = "coalesce(CAST(record AS BLOB), x''), coalesce(CAST(hash AS BLOB), x'')"
"""Whatever somebody else's hand put there."""
_FORGOTTEN = """
    SELECT e.uid, json_extract(e.at, '$[1]') FROM events AS e JOIN
    (SELECT max(offset) AS newest FROM events WHERE uid NOT IN (SELECT uid FROM goals) GROUP BY uid)
    ON e.offset = newest
"""
_DISCARD_ALL = (
    "DELETE FROM events WHERE offset IN (SELECT offset FROM events WHERE uid = ? ORDER BY offset LIMIT ?)"
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Event).decode
_decode_page = msgspec.json.Decoder(list[_Stored]).decode
_decode_headers = msgspec.json.Decoder(list[GoalHeader]).decode


class SqliteJournal:
    """An open journal, and a context that closes it. Reads work at once; appends wait until `run_writer` runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commits = GroupCommit(database)

    @classmethod
    async def open(cls, path: str | os.PathLike[str]) -> Self:
        """The journal in this file, made or migrated as needed; whoever opens it closes it.

        Raises: JournalUnusable with one line for the operator; JournalUnavailable when there is no room to open it.
        """
        return cls(await open_database(os.fspath(path)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
            await self.close()

    async def run_writer(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Commit what callers append, until cancelled; then what they had already queued.

        Raises JournalUnusable when the file is found damaged or gone: the process cannot go on without it.
        """
        task_status.started()
        await self._commits.run()

    async def close(self) -> None:
        """Let go of the file and both threads; whoever still waits gets JournalUnavailable. Shielded, and bounded."""
        self._commits.close()
        with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
            await self._database.close()

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
        """See the port. Once queued it is shielded until a deadline; then only a retry tells whether it was stored."""
        assert 1 <= len(events) <= EVENTS_PER_APPEND_MAX
        assert header is None or header.uid == uid
        bodies = tuple(_encode(event) for event in events)
        for body in bodies:
            _decode(body)  # what cannot be read back (NaN where a number has to be) must never be stored
        append = Append(
            uid=uid,
            expected_seq=expected_seq,
            types=tuple(event_type(event) for event in events),
            bodies=bodies,
            audited=tuple(audited(event) for event in events),
            notices=tuple(map(outbox.row_of, events, bodies)),
            ran_as_uid=os.geteuid(),
            at=_encode((at.boot_s, at.wall_s, at.boot_id)).decode(),
            wall_s=at.wall_s,
            header=header,
            idempotency_key=idempotency_key,
        )
        receipt = await self._commits.submit(append, is_urgent=is_urgent)
        assert receipt.seq == expected_seq + len(events)
        return receipt

    async def read(self, uid: GoalUid, *, after_seq: Seq, limit: int = READ_LIMIT_MAX) -> Sequence[Recorded]:
        """See the port."""
        return await self._page(_AFTER_SEQ, uid, after_seq, limit=limit)

    async def tail(
        self, *, after: Offset, uid: GoalUid | None = None, limit: int = READ_LIMIT_MAX
    ) -> Sequence[Recorded]:
        """See the port."""
        if uid is None:
            return await self._page(_AFTER_OFFSET, after, limit=limit)
        return await self._page(_AFTER_OFFSET_OF_ONE, uid, after, limit=limit)

    async def head(self) -> Offset:
        """See the port."""
        return await self._read(_read_head)

    async def headers(self) -> Sequence[GoalHeader]:
        """See the port."""
        return await self._read(_read_headers)

    async def find_key(self, idempotency_key: str) -> Receipt | None:
        """See the port."""
        return await self._read(partial(_find_key, idempotency_key))

    async def check_writable(self) -> None:
        """See the port. The row counts the beats, so that each is a real write."""
        await self._write(_beat)

    async def discard_before(self, uid: GoalUid, *, seq: Seq) -> int:
        """See the port."""
        return await self._write(partial(_discard, uid, seq))

    async def forget(self, uid: GoalUid) -> None:
        """See the port."""
        await self._write(partial(_forget, uid))

    async def discard_forgotten(self, *, before_wall_s: float) -> Sequence[GoalUid]:
        """See the port."""
        return await self._write(partial(_discard_forgotten, before_wall_s))

    async def maintain(self) -> int:
        """Give the file system back what discarding freed, a bounded piece; how many pages.

        0 means that nothing is left to do, or that the disk refuses now; housekeeping comes again either way.
        """
        try:
            return await self._guarded(self._database.give_back)
        except JournalUnavailable:
            return 0

    async def audit_page(self, *, after: int, limit: int, goal: str | None = None) -> Sequence[AuditRecord]:
        """See ports/audit.py."""
        assert 1 <= limit <= RECORDS_PER_PAGE_MAX
        return await self._read(partial(_read_audit, after, limit, goal))

    async def audit_last(self) -> int:
        """See ports/audit.py."""
        return await self._read(_read_audit_last)

    async def audit_prune(self, *, through: int) -> int:
        """See ports/audit.py."""
        return await self._write(partial(prune_audit, through))

    async def notices(self, *, after: int, limit: int = NOTICES_PER_PAGE_MAX) -> Sequence[Noticed]:
        """See ports/notifying.py."""
        assert 1 <= limit <= NOTICES_PER_PAGE_MAX
        return await self._read(partial(outbox.read_notices, after, limit))

    async def receiver_states(self) -> Mapping[str, ReceiverState]:
        """See ports/notifying.py."""
        return await self._read(outbox.read_receivers)

    async def save_receivers(self, states: Mapping[str, ReceiverState], *, taken: int) -> None:
        """See ports/notifying.py."""
        await self._write(partial(outbox.write_receivers, states, taken))

    async def offset_at(self, wall_s: float) -> Offset:
        """See ports/history.py."""
        return await self._read(partial(history.read_offset_at, wall_s))

    async def happened(
        self, kinds: Sequence[type[Event]], *, after: Offset
    ) -> tuple[Sequence[Recorded], Offset]:
        """See ports/history.py."""
        names = [str(kind.__struct_config__.tag) for kind in kinds]
        return await self._read(partial(history.read_happened, names, after))

    async def _page(self, query: str, *arguments: object, limit: int) -> Sequence[Recorded]:
        assert 1 <= limit <= READ_LIMIT_MAX
        return await self._read(partial(_read_page, query, (*arguments, limit)))

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._guarded(partial(self._database.read, work))

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._guarded(partial(self._database.write, work))

    async def _guarded(self, call: Callable[[], Awaitable[T]]) -> T:
        """Damage found by anybody ends the writer, and with it the process."""
        try:
            return await call()
        except JournalUnusable as error:
            self._commits.fail(error)
            raise


def _read_page(query: str, arguments: Sequence[object], connection: sqlite3.Connection) -> Sequence[Recorded]:
    (page,) = connection.execute(query, arguments).fetchone()
    if page is None:
        return ()
    try:
        stored = _decode_page(page)
    except msgspec.DecodeError as error:
        raise JournalUnusable(
            f"the journal holds an event that this kazid cannot read ({error}): it was damaged, or written by a newer "
            f"kazid; {RESTORE}"
        ) from error
    # group_concat promises no order in words, though it has always kept the subquery's
    stored.sort(key=lambda row: row.offset)
    return [
        Recorded(offset=row.offset, uid=row.uid, seq=row.seq, at=Now(*row.at), event=row.event)
        for row in stored
    ]


def _read_audit(
    after: int, limit: int, goal: str | None, connection: sqlite3.Connection
) -> Sequence[AuditRecord]:
    query = "SELECT number, {} FROM audit WHERE {} number > ? ORDER BY number LIMIT ?"
    if goal is None:
        rows = connection.execute(query.format(_AS_BYTES, ""), (after, limit))
    else:
        rows = connection.execute(query.format(_AS_BYTES, "goal = ? AND"), (goal, after, limit))
    return [AuditRecord(number=number, record=record, digest=digest) for number, record, digest in rows]


def _read_audit_last(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0)"
    ).fetchone()
    return int(last)


def _read_head(connection: sqlite3.Connection) -> Offset:
    (offset,) = connection.execute("SELECT coalesce(max(offset), 0) FROM events").fetchone()
    return Offset(offset)


def _read_headers(connection: sqlite3.Connection) -> Sequence[GoalHeader]:
    (headers,) = connection.execute(_HEADERS).fetchone()
    return _decode_headers(headers)


def _find_key(idempotency_key: str, connection: sqlite3.Connection) -> Receipt | None:
    query = "SELECT seq, offset FROM keys WHERE idempotency_key = ?"
    found = connection.execute(query, (idempotency_key,)).fetchone()
    return None if found is None else Receipt(seq=Seq(found[0]), offset=Offset(found[1]))


def _beat(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'heartbeat'")


def _discard(uid: GoalUid, seq: Seq, connection: sqlite3.Connection) -> int:
    (needed_seq,) = connection.execute("SELECT max(snapshot_seq) FROM goals WHERE uid = ?", (uid,)).fetchone()
    assert needed_seq is None or seq <= needed_seq, "the fold needs everything from the snapshot on"
    return connection.execute(_DISCARD, (uid, seq, DISCARD_MAX)).rowcount


def _discard_forgotten(before_wall_s: float, connection: sqlite3.Connection) -> Sequence[GoalUid]:
    gone: list[GoalUid] = []
    left = DISCARD_MAX
    for uid, wall_s in connection.execute(_FORGOTTEN).fetchall():
        if wall_s < before_wall_s and left > 0:
            left -= connection.execute(_DISCARD_ALL, (uid, left)).rowcount
            if connection.execute("SELECT 1 FROM events WHERE uid = ? LIMIT 1", (uid,)).fetchone() is None:
                gone.append(GoalUid(uid))
    return gone


def _forget(uid: GoalUid, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM goals WHERE uid = ? AND is_deleted = 1", (uid,))
