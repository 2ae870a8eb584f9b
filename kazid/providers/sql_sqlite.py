"""A query to a SQLite file, read-only in every way: nothing is written, made, locked for long or attached.

The file is opened `mode=ro`, and `immutable` where its journal is a WAL that nobody has open, since SQLite would make
files beside it otherwise. An authorizer lets through what reads. A progress handler ends a query that nobody waits for.
"""

import os
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from kazid.core.verdict import Status, Verdict, errored
from kazid.providers.blocking import Stop
from kazid.providers.evidence import shortened
from kazid.providers.sql_answer import COLUMNS_MAX, VALUE_BYTES_MAX, Answer, Cell, Rows

BUSY_S = 1.0
"""How long somebody else's lock is waited for."""
STEPS_BETWEEN_LOOKS = 10_000
SQL_BYTES_MAX = 100_000

_READS = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_PRAGMAS = frozenset(
    {
        "foreign_key_check", "freelist_count", "integrity_check", "page_count", "page_size", "quick_check",
        "schema_version", "table_info", "table_list", "user_version",
    }
)  # fmt: skip


def ask_sqlite(path: str, query: str, stop: Stop) -> Answer:
    """Put the query to the file; blocks, and gives up when told."""
    name = shortened(path)
    try:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode):
            return errored("not_a_database", f"{name} is no regular file")
        if not os.access(path, os.R_OK):
            return errored("permission_denied", f"{name} may not be read")
        uri = f"file:{quote(os.fsencode(path))}?mode=ro{'&immutable=1' if _is_idle_wal(path) else ''}"
    except (FileNotFoundError, NotADirectoryError):
        return Verdict(status=Status.FAIL, reason="absent", detail=f"{name} does not exist")
    except PermissionError as error:
        return errored("permission_denied", f"{name}: {error.strerror}")
    except (OSError, ValueError) as error:
        return errored("transient", f"{name}: {shortened(str(error))}")
    return _ask(uri, query, stop, name=name)


def _ask(uri: str, query: str, stop: Stop, *, name: str) -> Answer:
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)
        connection.text_factory = _text
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(_authorize)
        connection.set_progress_handler(lambda: stop.is_set, STEPS_BETWEEN_LOOKS)
        # A query that needs no table opens no file: without this, `SELECT 1` answers from any bytes.
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        cursor = connection.execute(query)
        if cursor.description is None:
            return errored("invalid_config", "the query returns no rows by its nature: it has to be a SELECT")
        first = cursor.fetchone()
        if first is None:
            return Rows(first=None)
        return Rows(
            first=[_cell(value) for value in first[:COLUMNS_MAX]], has_more=cursor.fetchone() is not None
        )
    except (sqlite3.Error, sqlite3.Warning) as error:
        return _refusal(error, name=name)
    except (OverflowError, ValueError) as error:
        return errored("invalid_config", f"the query cannot be put: {shortened(str(error))}")
    finally:
        if connection is not None:
            connection.close()


def _refusal(error: Exception, *, name: str) -> Verdict:
    words = shortened(str(error))
    match words:
        case "interrupted":
            return errored("timeout", f"{name}: the query did not end in time")
        case _ if "locked" in words or "busy" in words:
            return errored("busy", f"{name}: {words} for more than {BUSY_S:g} s")
        case _ if "not authorized" in words or "prohibited" in words or "readonly" in words:
            return errored("invalid_config", f"only what reads is put to a database: {words}")
        case _ if "one statement" in words:
            return errored("invalid_config", "the query has to be one statement")
        case _ if "not a database" in words or "malformed" in words:
            return errored("not_a_database", f"{name}: {words}")
        case _:
            return errored("query_failed", f"{name}: {words}")


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() == "load_extension":
        return sqlite3.SQLITE_DENY
    if action in _READS or (action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _is_idle_wal(path: str) -> bool:
    """True for a file whose journal is a WAL (bytes 18 and 19 of its header) that nobody has open."""
    with Path(path).open("rb") as file:
        header = file.read(20)
    return header[18:20] == b"\2\2" and not Path(f"{path}-wal").exists()


def _text(text: bytes) -> str:
    return text.decode("utf-8", errors="replace")


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, int | float | str):
        return value
    return f"0x{value[:64].hex()}" if isinstance(value, bytes) else str(value)
