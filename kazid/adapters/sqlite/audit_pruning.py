"""Dropping the beginning of the audit trail, where the trail itself says that it was exported (`audit.pruned`).

The trigger that keeps the trail append-only is put back in the same transaction: at no moment that anybody can see is
the table without it.
"""

import sqlite3

import msgspec

from kazid.adapters.sqlite.schema import AUDIT_NEVER_SHRINKS

FLEET_NAME = "/"
"""What records of the fleet's stream have as their goal: an empty owner and an empty id."""


class _Pruned(msgspec.Struct):
    through: int
    hash: str


class _Record(msgspec.Struct):
    type: str
    event: msgspec.Raw


def prune_audit(through: int, connection: sqlite3.Connection) -> int:
    """Drop what a checkpoint lets go; how many records went. Inside the caller's transaction."""
    row = connection.execute("SELECT hash FROM audit WHERE number = ?", (through,)).fetchone()
    if row is None or not _is_let_go(through, bytes(row[0]), connection):
        return 0
    connection.execute("DROP TRIGGER IF EXISTS audit_never_shrinks")
    dropped = connection.execute("DELETE FROM audit WHERE number <= ?", (through,)).rowcount
    connection.execute(AUDIT_NEVER_SHRINKS)
    return dropped


def _is_let_go(through: int, digest: bytes, connection: sqlite3.Connection) -> bool:
    newest_first = connection.execute(
        "SELECT record FROM audit WHERE goal = ? AND number > ? ORDER BY number DESC", (FLEET_NAME, through)
    )
    for (content,) in newest_first:
        try:
            record = msgspec.json.decode(content, type=_Record)
            pruned = (
                msgspec.json.decode(record.event, type=_Pruned) if record.type == "audit.pruned" else None
            )
        except msgspec.DecodeError:
            continue
        if pruned is not None and (pruned.through, pruned.hash) == (through, digest.hex()):
            return True
    return False
