"""A batch of appends as one transaction: who conflicts is decided first, then all rows go in with a few statements.

Deciding before writing is what keeps one append's conflict away from the others. How many statements a batch takes
hardly depends on its size: see `database.py` for why that matters. Runs in the writer's thread; knows no queue.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeAlias

import msgspec

from kazid.core.audit import record_bytes
from kazid.core.errors import Conflict
from kazid.core.ids import GoalId, GoalUid, Offset, Owner, Seq
from kazid.ports.journal import GoalHeader, Receipt
from kazid.wire import chain

KEY_TTL_S = 24 * 3600.0
"""How long an idempotency key is remembered: a client that retries a day later asks anew."""
KEYS_PRUNED_MAX = 1000
ROWS_PER_STATEMENT_MAX = 128
"""A power of two. Batches are cut into powers of two, so that eight prepared forms serve every size."""

_Row: TypeAlias = tuple[object, ...]

_EVENTS = "INSERT INTO events (offset, uid, seq, type, at, body) VALUES"
_GOALS = "INSERT INTO goals (uid, owner, id, is_deleted, snapshot_seq) VALUES"
_GOALS_AGAIN = """
    ON CONFLICT (uid) DO UPDATE SET owner = excluded.owner, id = excluded.id,
    is_deleted = excluded.is_deleted, snapshot_seq = excluded.snapshot_seq
"""
_KEYS = "INSERT INTO keys (idempotency_key, uid, seq, offset, at_wall_s) VALUES"
_KEYS_AGAIN = f"""
    ON CONFLICT (idempotency_key) DO UPDATE SET
    uid = excluded.uid, seq = excluded.seq, offset = excluded.offset, at_wall_s = excluded.at_wall_s
    WHERE at_wall_s < excluded.at_wall_s - {KEY_TTL_S}
"""
_AUDIT = "INSERT INTO audit (number, goal, record, hash) VALUES"
_OUTBOX = "INSERT INTO outbox (offset, uid, seq, ref, at_wall_s, notice) VALUES"
_AUDIT_HEAD = """
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0),
    (SELECT hash FROM audit ORDER BY number DESC LIMIT 1),
    (SELECT json_group_object(uid, owner || '/' || id) FROM goals WHERE uid IN (SELECT value FROM json_each(?)))
"""
_PRUNE_KEYS = """
    DELETE FROM keys WHERE idempotency_key IN
    (SELECT idempotency_key FROM keys WHERE at_wall_s < ? LIMIT ?)
"""
_HEADS = """
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0),
    (SELECT json_group_object(value, coalesce((SELECT max(seq) FROM events WHERE uid = value), 0)) FROM json_each(?))
"""
_LIVE_NAMES = """
    SELECT json_group_array(json_array(owner, id, uid)) FROM goals WHERE is_deleted = 0 AND (owner, id) IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))
"""


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """One caller's append, encoded."""

    uid: GoalUid
    expected_seq: Seq
    types: Sequence[str]
    audited: Sequence[bytes | None]
    """What the audit trail keeps of each event."""
    notices: Sequence[bytes | None]
    """What of each people may want to know."""
    bodies: Sequence[bytes]
    at: str
    wall_s: float
    ran_as_uid: int
    """Whose rights everything that is run has."""
    header: GoalHeader | None
    idempotency_key: str | None

    @property
    def last_seq(self) -> Seq:
        """Of its last event, once appended."""
        return Seq(self.expected_seq + len(self.bodies))


def append_all(appends: Sequence[Append], connection: sqlite3.Connection) -> list[Receipt | Conflict]:
    """Store every append that does not conflict; what became of each, in order. Inside the caller's transaction."""
    plan = _Plan(appends, connection)
    outcomes = [plan.add(append) for append in appends]
    _insert(connection, _EVENTS, plan.events)
    _insert(connection, _GOALS, plan.goals, _GOALS_AGAIN)
    _insert(connection, _AUDIT, plan.audit)
    _insert(connection, _OUTBOX, plan.outbox)
    if plan.keys:
        newest_wall_s = max(append.wall_s for append in appends)
        connection.execute(_PRUNE_KEYS, (newest_wall_s - KEY_TTL_S, KEYS_PRUNED_MAX))
        _insert(connection, _KEYS, plan.keys, _KEYS_AGAIN)
    return outcomes


class _Plan:
    """What the batch will write, and where each goal stands when it has."""

    def __init__(self, appends: Sequence[Append], connection: sqlite3.Connection) -> None:
        self.events: list[_Row] = []
        self.goals: list[_Row] = []
        self.keys: list[_Row] = []
        self.audit: list[_Row] = []
        self.outbox: list[_Row] = []
        self._connection = connection
        self._planned: dict[tuple[GoalUid, int], tuple[Offset, bytes]] = {}
        offset, seqs = connection.execute(_HEADS, (_json({append.uid for append in appends}),)).fetchone()
        self._offset: int = offset
        self._seqs: dict[GoalUid, int] = msgspec.json.decode(seqs)
        self._live = self._live_names(append.header for append in appends)
        number, digest, goals = connection.execute(
            _AUDIT_HEAD, (_json({append.uid for append in appends}),)
        ).fetchone()
        self._audit_number: int = number
        self._audit_digest: bytes = digest or chain.GENESIS
        self._names: dict[GoalUid, str] = msgspec.json.decode(goals)

    def add(self, append: Append) -> Receipt | Conflict:
        """Plan one append, after those before it."""
        seq = self._seqs[append.uid]
        if seq != append.expected_seq:
            found = self._first_receipt(append)
            return found or Conflict(uid=append.uid, expected_seq=append.expected_seq, actual_seq=seq)
        header = append.header
        if header is not None:
            holder = self._live.get((header.owner, header.id), header.uid)
            if not header.is_deleted and holder != header.uid:
                return Conflict(uid=holder, expected_seq=append.expected_seq, actual_seq=self._seq_of(holder))
            self._plan_header(header)
        for type_, body, kept, notice in zip(
            append.types, append.bodies, append.audited, append.notices, strict=True
        ):
            seq += 1
            self._offset += 1
            if kept is not None:
                self._plan_audit(append, kept, seq=seq)
            if notice is not None:
                ref = self._names.get(append.uid, "").removeprefix("/")
                self.outbox.append((self._offset, append.uid, seq, ref, append.wall_s, notice))
            self.events.append((self._offset, append.uid, seq, type_, append.at, body))
            self._planned[append.uid, seq] = (Offset(self._offset), body)
        assert seq == append.last_seq
        self._seqs[append.uid] = seq
        receipt = Receipt(seq=Seq(seq), offset=Offset(self._offset))
        if append.idempotency_key is not None:
            self.keys.append((append.idempotency_key, append.uid, seq, self._offset, append.wall_s))
        return receipt

    def _plan_audit(self, append: Append, content: bytes, *, seq: int) -> None:
        self._audit_number += 1
        goal = self._names.get(append.uid)
        record = record_bytes(
            content,
            number=self._audit_number,
            offset=self._offset,
            uid=append.uid,
            seq=seq,
            goal=goal,
            at_wall_s=append.wall_s,
            ran_as_uid=append.ran_as_uid,
        )
        self._audit_digest = chain.link(self._audit_digest, record)
        self.audit.append((self._audit_number, goal, record, self._audit_digest))

    def _plan_header(self, header: GoalHeader) -> None:
        self._names[header.uid] = f"{header.owner}/{header.id}"
        self.goals.append((header.uid, header.owner, header.id, int(header.is_deleted), header.snapshot_seq))
        name = (header.owner, header.id)
        if not header.is_deleted:
            self._live[name] = header.uid
        elif self._live.get(name) == header.uid:
            del self._live[name]

    def _first_receipt(self, append: Append) -> Receipt | None:
        """The receipt of the append that this one repeats; None when it does not repeat one, byte for byte."""
        stored = self._connection.execute(
            "SELECT seq, offset, body FROM events WHERE uid = ? AND seq > ? AND seq <= ?",
            (append.uid, append.expected_seq, append.last_seq),
        )
        found = {seq: (Offset(offset), body) for seq, offset, body in stored}
        last: Receipt | None = None
        for seq, body in enumerate(append.bodies, start=append.expected_seq + 1):
            offset, first = found.get(seq) or self._planned.get((append.uid, seq)) or (Offset(0), None)
            if first != body:
                return None
            last = Receipt(seq=Seq(seq), offset=offset)
        return last

    def _live_names(self, headers: Iterable[GoalHeader | None]) -> dict[tuple[Owner, GoalId], GoalUid]:
        """Who holds the names that this batch speaks of."""
        names = {(header.owner, header.id) for header in headers if header is not None}
        if not names:
            return {}
        (found,) = self._connection.execute(_LIVE_NAMES, (_json(names),)).fetchone()
        return {(owner, id_): uid for owner, id_, uid in msgspec.json.decode(found)}

    def _seq_of(self, uid: GoalUid) -> int:
        if uid in self._seqs:
            return self._seqs[uid]
        (seq,) = self._connection.execute(
            "SELECT coalesce(max(seq), 0) FROM events WHERE uid = ?", (uid,)
        ).fetchone()
        return int(seq)


def _insert(connection: sqlite3.Connection, into: str, rows: Sequence[_Row], on_conflict: str = "") -> None:
    """Insert all rows, in order, with one statement for each power of two in their number."""
    start = 0
    while start < len(rows):
        left = len(rows) - start
        count = min(ROWS_PER_STATEMENT_MAX, 1 << (left.bit_length() - 1))
        chunk = rows[start : start + count]
        connection.execute(
            _statement(into, len(chunk[0]), count, on_conflict), [value for row in chunk for value in row]
        )
        start += count


@cache
def _statement(into: str, columns: int, count: int, on_conflict: str) -> str:
    row = f"({','.join('?' * columns)})"
    return f"{into} {','.join([row] * count)} {on_conflict}"


def _json(values: Iterable[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()
