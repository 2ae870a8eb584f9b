"""Events of a few types in a stretch of time: found by their offset, for there is no index by time or type.

Events are recorded in the order of their offsets, so time is searched by halves. A wall clock that went back makes that
a little early or late, and nothing worse.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from kazid.core.event import Event, Recorded
from kazid.core.ids import Offset, Seq
from kazid.core.instant import Now
from kazid.ports.history import HISTORY_OFFSETS_MAX

_NEXT = "SELECT offset, json_extract(at, '$[1]') FROM events WHERE offset >= ? ORDER BY offset LIMIT 1"
_RANGE = "SELECT coalesce(min(offset), 0), coalesce(max(offset), 0) FROM events"
_OF_TYPES = """
    SELECT offset, uid, seq, at, body FROM events
    WHERE offset > ? AND offset <= ? AND type IN (SELECT value FROM json_each(?)) ORDER BY offset
"""

_at_of = msgspec.json.Decoder(tuple[float, float, str]).decode
_event_of = msgspec.json.Decoder(Event).decode


def read_offset_at(wall_s: float, connection: sqlite3.Connection) -> Offset:
    """See the port."""
    first, last = connection.execute(_RANGE).fetchone()
    low, high = first, last + 1  # the first event that is not before the moment is in low..high
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(_NEXT, (middle,)).fetchone()
        if found is None or found[1] >= wall_s:
            high = middle
        else:
            low = found[0] + 1
    return Offset(max(0, low - 1))


def read_happened(
    names: Sequence[str], after: int, connection: sqlite3.Connection
) -> tuple[Sequence[Recorded], Offset]:
    """See the port."""
    _, last = connection.execute(_RANGE).fetchone()
    until = min(last, after + HISTORY_OFFSETS_MAX)
    rows = connection.execute(_OF_TYPES, (after, until, msgspec.json.encode(list(names)).decode()))
    found = [
        Recorded(offset=offset, uid=uid, seq=Seq(seq), at=Now(*_at_of(at)), event=_event_of(body))
        for offset, uid, seq, at, body in rows
    ]
    return found, Offset(max(after, until))
