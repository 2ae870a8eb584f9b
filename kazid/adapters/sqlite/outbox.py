"""The outbox in SQLite: notices in the transaction of their events, and what each route remembers.

Runs in the journal's threads, inside the caller's transaction. A state that this kazid cannot read is forgotten: the
notices it had not taken are still there.
"""

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.event import Event
from kazid.core.notice import Notice, Noticed, noticed
from kazid.core.route import RouteState

_PAGE = "SELECT offset, uid, seq, ref, at_wall_s, notice FROM outbox WHERE offset > ? ORDER BY offset LIMIT ?"

_encode = msgspec.json.Encoder().encode
_notice_of = msgspec.json.Decoder(Notice).decode
_state_of = msgspec.json.Decoder(RouteState).decode


def row_of(event: Event) -> bytes | None:
    """The event's notice as the outbox keeps it; None for most events."""
    notice = noticed(event)
    return None if notice is None else _encode(notice)


def read_notices(after: int, limit: int, connection: sqlite3.Connection) -> Sequence[Noticed]:
    """Notices behind a place, in commit order."""
    return [
        Noticed(offset=offset, uid=uid, seq=seq, ref=ref, at_wall_s=at_wall_s, notice=_notice_of(notice))
        for offset, uid, seq, ref, at_wall_s, notice in connection.execute(_PAGE, (after, limit))
    ]


def read_routes(connection: sqlite3.Connection) -> Mapping[str, RouteState]:
    """What each route remembers."""
    found: dict[str, RouteState] = {}
    for name, state in connection.execute("SELECT name, state FROM routes"):
        try:
            found[name] = _state_of(state)
        except msgspec.DecodeError:
            continue
    return found


def write_routes(states: Mapping[str, RouteState], taken: int, connection: sqlite3.Connection) -> None:
    """These and no others, and no notice that all of them have."""
    connection.execute("DELETE FROM routes")
    connection.executemany(
        "INSERT INTO routes (name, state) VALUES (?, ?)", [(n, _encode(s)) for n, s in states.items()]
    )
    connection.execute("DELETE FROM outbox WHERE offset <= ?", (taken,))
