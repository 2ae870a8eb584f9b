"""A query to PostgreSQL in a read-only transaction, through psycopg: the extra `kazi[postgres]`.

The server cuts long values before it sends them, and sends two rows of a million: the query is put to it once for its
columns, which runs nothing, and once within an outer query that takes what fits. What it says beside its rows is
counted as it arrives (`sql_postgres_relay`). The server is told to end the
statement itself (`statement_timeout`) should nobody be left to cancel it. Passwords come from where libpq takes them
(`~/.pgpass`, a service file, the daemon's environment), never from a goal-file.
"""

import errno
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from kazid.core.verdict import Status, Verdict, errored
from kazid.providers.evidence import shortened
from kazid.providers.sql_answer import COLUMNS_MAX, VALUE_BYTES_MAX, Answer, Cell, Rows
from kazid.providers.sql_postgres_relay import ANSWER_BYTES_MAX, Relay
from kazid.shim.redaction import redact

if TYPE_CHECKING:
    import psycopg

CLOSE_S = 1.0
STATEMENT_SHARE = 0.9
"""Of the deadline: the server ends a slow statement in good order before we close the connection on it."""

CONNECT_S_MIN = 2
"""libpq's own least."""

INSTALL = "install kazi[postgres] (psycopg) where the daemon runs"
ROWS_MAX = 2
"""Enough to tell one row from several."""

BYTES_SHOWN = 64
WORDS_CHARS_MAX = 4096
"""Of an error's text before it is made one line: it may quote a value of megabytes."""

_BYTEA, _NUMERIC = 17, 1700
"""Type ids that PostgreSQL fixed for ever; a numeric has 131,072 digits at most and is a number, not a text."""

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What this machine lacks says nothing of the server."""

_NOT_SERVING = (
    "starting up",
    "shutting down",
    "in recovery mode",
    "too many clients",
    "remaining connection slots",
)
_UNREACHABLE = (
    "connection refused",
    "timeout expired",
    "no such file or directory",
    "server closed the connection",
)


class _Column(NamedTuple):
    type_oid: int
    size: int | None
    """None: as long as its value."""


async def ask_postgres(url: str, query: str, *, deadline_s: float) -> Answer:
    """Put the query to the server; raises for nothing it does."""
    try:
        import psycopg
    except ImportError:
        return errored("no_driver", f"PostgreSQL cannot be asked: {INSTALL}")
    connection: psycopg.AsyncConnection[Any] | None = None
    relay: Relay | None = None
    statement_ms = max(1, int(deadline_s * STATEMENT_SHARE * 1000))
    try:
        with anyio.fail_after(deadline_s):
            connection = await psycopg.AsyncConnection.connect(
                url,
                connect_timeout=max(CONNECT_S_MIN, int(deadline_s)),
                application_name="kazid",
                options=f"-c statement_timeout={statement_ms} -c default_transaction_read_only=on",
            )
            relay = Relay(connection.pgconn.socket)
            return await _through(relay, connection, query)
    except TimeoutError:
        if connection is None:
            return _unreachable(f"no connection within {deadline_s:g} s")
        return errored("timeout", "the query did not end in time")
    except psycopg.errors.QueryCanceled:
        return errored("timeout", "the query did not end in time")
    except psycopg.errors.InsufficientPrivilege as error:
        return errored("permission_denied", _words(error))
    except psycopg.errors.ReadOnlySqlTransaction as error:
        return errored("invalid_config", f"only what reads is put to a database: {_words(error)}")
    except psycopg.OperationalError as error:
        if relay is not None and relay.has_said_too_much:
            return errored("answer_too_long", f"the server said more than {ANSWER_BYTES_MAX} bytes")
        return _unconnected(_words(error)) if connection is None else _unreachable(_words(error))
    except (psycopg.Error, UnicodeError, ValueError) as error:
        return errored("query_failed", _words(error))
    except OSError as error:
        words = _words(error)
        return errored("transient", words) if error.errno in _OURS else _unreachable(words)
    finally:
        if connection is not None:
            with anyio.move_on_after(CLOSE_S, shield=True):
                await connection.close()


async def _through(relay: Relay, connection: "psycopg.AsyncConnection[Any]", query: str) -> Rows:
    """The rows; the connection is closed in good order before the relay ends."""
    import psycopg

    rows: Rows | Exception = TimeoutError("cancelled before it was asked")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(relay.carry)
        try:
            rows = await _rows(connection, query)
        except (psycopg.Error, UnicodeError, ValueError, OSError) as error:
            rows = error  # raised again below: no group is to be around it
        finally:
            with anyio.move_on_after(CLOSE_S, shield=True):
                await connection.close()
            tasks.cancel_scope.deadline = anyio.current_time() + CLOSE_S
    if isinstance(rows, Exception):
        raise rows
    return rows


async def _rows(connection: "psycopg.AsyncConnection[Any]", query: str) -> Rows:
    await connection.set_read_only(True)
    query = query.rstrip().rstrip(";")
    async with connection.cursor(name="kazid_shape") as shape:
        await shape.execute(query.encode())
        columns = [_Column(c.type_code, c.internal_size) for c in shape.description or ()]
    async with connection.cursor(name="kazid") as cursor:
        await cursor.execute(bounded(query, columns).encode())
        rows: Sequence[Sequence[object]] = await cursor.fetchmany(ROWS_MAX)
    first = [_cell(value) for value in rows[0]] if rows else None
    return Rows(first=first, has_more=len(rows) > 1)


def bounded(query: str, columns: Sequence[_Column]) -> str:
    """The query within one that sends ROWS_MAX rows of COLUMNS_MAX values, each cut by the server."""
    names = [f"c{number}" for number in range(len(columns))]
    taken = ", ".join(
        _taken(name, column) for name, column in list(zip(names, columns, strict=True))[:COLUMNS_MAX]
    )
    called = f"({', '.join(names)})" if names else ""
    return f"SELECT {taken} FROM (\n{query}\n) AS kazid{called} LIMIT {ROWS_MAX}"  # noqa: S608 - the author's own query; alone it was read before


def _taken(name: str, column: _Column) -> str:
    if column.size is not None or column.type_oid == _NUMERIC:
        return name
    if column.type_oid == _BYTEA:
        return f"substring({name} FROM 1 FOR {BYTES_SHOWN})"
    return f"left({name}::text, {VALUE_BYTES_MAX})"


def _unconnected(words: str) -> Verdict:
    """Why there is no connection: the server is not there or not serving (FAIL), or does not let us in (ERROR)."""
    small = words.lower()
    if "too many open files" in small or "could not create socket" in small:
        return errored("transient", words)
    if "resolve host" in small or "translate host name" in small:
        return errored("dns_failed", words)
    if any(sign in small for sign in (*_NOT_SERVING, *_UNREACHABLE)):
        return _unreachable(words)
    if "fatal" in small and ("authentication" in small or "pg_hba" in small or "role" in small):
        return errored("permission_denied", words)
    if "fatal" in small:
        return errored("refused", words)
    return _unreachable(words) if "connection failed" in small else errored("invalid_config", words)


def _unreachable(words: str) -> Verdict:
    return Verdict(status=Status.FAIL, reason="unreachable", detail=words)


def _words(error: Exception) -> str:
    return shortened(redact(" ".join(str(error)[:WORDS_CHARS_MAX].split())))


def _cell(value: object) -> Cell:
    match value:
        case None | bool() | int() | float():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return f"0x{value[:BYTES_SHOWN].hex()}"
        case _:
            return str(value)[:VALUE_BYTES_MAX]
