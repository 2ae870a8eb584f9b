"""What the journal's tables look like, and how a file of an older kazid becomes one of this kazid.

`MIGRATIONS[n]` leads from version n to n + 1; a released one never changes, only new ones are added. The file carries
its version in `PRAGMA user_version` and kazid's mark in `PRAGMA application_id`. A newer file is refused.

`at` is `[boot_s, wall_s, boot_id]` and `body` the event, both as JSON that SQLite never takes apart: a page of events
is then one row (see `journal.py`), and floats come back as they went in, which SQLite's own text does not promise.
"""

import sqlite3
from collections.abc import Sequence

from kazid.adapters.sqlite.transaction import transaction
from kazid.core.errors import JournalUnusable

APPLICATION_ID = 0x6B617A69
"""`kazi` in ASCII: tells a journal from any other SQLite file."""

AUDIT_NEVER_SHRINKS = """
    CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
"""

MIGRATIONS: Sequence[Sequence[str]] = (
    (
        """
        CREATE TABLE events (
            offset INTEGER PRIMARY KEY AUTOINCREMENT,
            uid TEXT NOT NULL,
            seq INTEGER NOT NULL CHECK (seq > 0),
            type TEXT NOT NULL,
            at TEXT NOT NULL,
            body BLOB NOT NULL,
            UNIQUE (uid, seq)
        )
        """,
        # It ends with the rowid, which is the offset: the tail of one goal is a range of it.
        "CREATE INDEX events_by_goal ON events (uid)",
        """
        CREATE TABLE goals (
            uid TEXT NOT NULL PRIMARY KEY,
            owner TEXT NOT NULL,
            id TEXT NOT NULL,
            is_deleted INTEGER NOT NULL CHECK (is_deleted IN (0, 1)),
            snapshot_seq INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE UNIQUE INDEX goals_by_name ON goals (owner, id) WHERE is_deleted = 0",
        """
        CREATE TABLE keys (
            idempotency_key TEXT NOT NULL PRIMARY KEY,
            uid TEXT NOT NULL,
            seq INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            at_wall_s REAL NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX keys_by_age ON keys (at_wall_s)",
        "CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "INSERT INTO meta (name, value) VALUES ('heartbeat', 0), ('is_clean', 1)",
    ),
    (
        # What is in it is written down in `core/audit.py`, what `hash` covers in `wire/chain.py`.
        """
        CREATE TABLE audit (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            goal TEXT,
            record BLOB NOT NULL,
            hash BLOB NOT NULL
        )
        """,
        "CREATE INDEX audit_by_goal ON audit (goal)",
        """
        CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
        """,
        AUDIT_NEVER_SHRINKS,
    ),
    (
        # One row for each event that people may want to know of, in its transaction, until every receiver has taken it.
        """
        CREATE TABLE outbox (
            offset INTEGER PRIMARY KEY,
            uid TEXT NOT NULL,
            seq INTEGER NOT NULL,
            ref TEXT NOT NULL,
            at_wall_s REAL NOT NULL,
            notice BLOB NOT NULL
        )
        """,
        "CREATE TABLE routes (name TEXT NOT NULL PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID",
    ),
)
SCHEMA_VERSION = len(MIGRATIONS)


def check_ours(connection: sqlite3.Connection, path: str, *, newest: int = SCHEMA_VERSION) -> int:
    """The file's schema version, 0 for an empty file. Raises JournalUnusable for any file we must not write to."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if version == 0 and application_id == 0:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables:
            raise JournalUnusable(f"{path} is a database of another program")
        return 0
    if application_id != APPLICATION_ID:
        raise JournalUnusable(f"{path} is a database of another program")
    if version > newest:
        raise JournalUnusable(
            f"{path} was written by a newer kazid (schema {version}, this one knows {newest}); install that one again"
        )
    return int(version)


def migrate(
    connection: sqlite3.Connection, version: int, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Bring the file from `version` to the newest, each step in a transaction of its own."""
    assert 0 <= version <= len(migrations), "check_ours refused everything else"
    for number, statements in enumerate(migrations[version:], start=version + 1):
        with transaction(connection):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
