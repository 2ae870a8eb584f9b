"""The outbox in SQLite: notices in the transaction of their events, and what each receiver remembers.

Runs in the journal's threads, inside the caller's transaction. A state that this kazid cannot read is forgotten: the
notices it had not taken are still there.
"""

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from kazid.core.event import Event, event_type
from kazid.core.notice import CANARY, Notice, Noticed, NoticeKind, noticed
from kazid.core.receiver import ReceiverState
from kazid.shim.disguises import holds_canary

log = structlog.get_logger(__name__)

_PAGE = "SELECT offset, uid, seq, ref, at_wall_s, notice FROM outbox WHERE offset > ? ORDER BY offset LIMIT ?"

_encode = msgspec.json.Encoder().encode
_notice_of = msgspec.json.Decoder(Notice).decode
_state_of = msgspec.json.Decoder(ReceiverState).decode


def row_of(event: Event, body: bytes) -> bytes | None:
    """The event's notice as the outbox keeps it; None for most events. An event that holds a canary is an alarm."""
    notice = noticed(event)
    if holds_canary(body.decode(errors="replace")):
        log.error("canary.escaped", sink="journal", type=event_type(event))
        reason = f"the canary of an attempt is in an event {event_type(event)}: redaction let it by"
        notice = Notice(kind=NoticeKind.PROBLEM, status=CANARY, cause="canary", reason=reason)
    return None if notice is None else _encode(notice)


def read_notices(after: int, limit: int, connection: sqlite3.Connection) -> Sequence[Noticed]:
    """Notices behind a place, in commit order."""
    return [
        Noticed(offset=offset, uid=uid, seq=seq, ref=ref, at_wall_s=at_wall_s, notice=_notice_of(notice))
        for offset, uid, seq, ref, at_wall_s, notice in connection.execute(_PAGE, (after, limit))
    ]


def read_receivers(connection: sqlite3.Connection) -> Mapping[str, ReceiverState]:
    """What each receiver remembers; in a table that was called `routes` when it was made."""
    found: dict[str, ReceiverState] = {}
    for name, state in connection.execute("SELECT name, state FROM routes"):
        try:
            found[name] = _state_of(state)
        except msgspec.DecodeError:
            continue
    return found


def write_receivers(states: Mapping[str, ReceiverState], taken: int, connection: sqlite3.Connection) -> None:
    """These and no others, and no notice that all of them have."""
    connection.execute("DELETE FROM routes")
    connection.executemany(
        "INSERT INTO routes (name, state) VALUES (?, ?)", [(n, _encode(s)) for n, s in states.items()]
    )
    connection.execute("DELETE FROM outbox WHERE offset <= ?", (taken,))
