"""One SQLite file as kazid uses it: a connection that writes, another that reads, and what their errors mean.

WAL with synchronous=FULL: a commit is on the disk when it returns, and readers never wait for it. Each connection has
aiosqlite's thread to itself and is visited with a whole piece of work in few statements: after each one the thread may
wait a switch interval (5 ms) until a busy event loop lets go of the interpreter (measured: 100 events took 1.9 s as 200
statements, 0.09 s as 12). A transaction lives within one visit, so no cancellation can leave one open.
"""

import errno
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import aiosqlite
import anyio
import anyio.to_thread

from kazid.adapters.sqlite import schema
from kazid.adapters.sqlite.reserve import Reserve
from kazid.adapters.sqlite.transaction import transaction
from kazid.core.errors import JournalUnavailable, JournalUnusable

RESTORE = "restore it from a copy (docs/operating.md, Restoring)"
BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for another process that holds a lock (someone's sqlite3 shell) before it gives up."""
WRITE_TIMEOUT_S = 30.0
"""A disk that has not answered by then is reported as unavailable; a healthy one takes milliseconds."""
CLOSE_TIMEOUT_S = 10.0
"""A disk that hangs must not keep the process from ending; an unmarked end is checked at the next start."""
QUICK_CHECK_BYTES_MAX = 64 * 1024 * 1024
"""Files up to this size are checked after an unclean end: 1.6 ms a MiB, so a tenth of a second at the most."""
WAL_BYTES_MAX = 64 * 1024 * 1024
"""SQLite checkpoints every 4 MiB; a log longer than this means that readers kept it from starting over."""
FINDING_CHARS_MAX = 200
"""Of what SQLite says about a damaged file: the operator reads one line."""
FREE_PAGES_KEPT = 1024
"""Free pages (4 MiB) left in the file for the events to come, rather than given back and taken again."""
VACUUM_PAGES = 1024
"""Pages (4 MiB) given back to the file system at a time: some ten milliseconds."""

assert BUSY_TIMEOUT_S < WRITE_TIMEOUT_S, "a lock is reported as one"

T = TypeVar("T")

_UNAVAILABLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOMEM,
}
"""Everything that may pass: another try is worth it."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_OWNER_ONLY = 0o600


class Database:
    """An open file. Made by `open_database`; `close` it."""

    def __init__(
        self, path: str, *, writer: aiosqlite.Connection, reader: aiosqlite.Connection, reserve: Reserve
    ) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader
        self._reserve = reserve
        self._identity = _identity(path)
        self._writing = anyio.Lock()
        self._is_suspect = False
        """An I/O error happened: the connection is opened anew before it writes again."""
        self._is_sound = True

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction and return what it returned, durable.

        An exception of `work` rolls back and comes out. Raises: JournalUnavailable, JournalUnusable.
        """
        return await self._visit_writer(partial(self._transact_with_reserve, work))

    async def write_urgently(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Like `write`, with the room of the reserve."""
        return await self._visit_writer(partial(self._transact_without_reserve, work))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which only reads, against what is committed; never waits for a write.

        Raises: JournalUnavailable, JournalUnusable.
        """
        try:
            return await _visit(self._reader, work)
        except sqlite3.Error as error:
            raise self._meaning(error) from error

    async def give_back(self) -> int:
        """Return free pages to the file system and keep the log short, a bounded piece; how many pages, 0 when done."""
        pages = await self.write(_vacuum_some)
        if _size(f"{self.path}-wal") > WAL_BYTES_MAX:
            await self._visit_writer(_checkpoint)
        return pages

    async def close(self) -> None:
        """Mark the end as clean and stop both threads. The caller shields it, with `CLOSE_TIMEOUT_S`."""
        async with self._writing:
            await self._reader.close()
            if self._is_sound and not self._is_suspect:
                try:
                    await _visit(self._writer, _mark_clean)
                except sqlite3.Error:
                    pass  # the next start checks the file, which is all that the mark would have saved
            await self._writer.close()

    async def _visit_writer(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Shielded, for a cancelled statement runs on in its thread and commits (aiosqlite 0.22)."""
        try:
            with anyio.fail_after(WRITE_TIMEOUT_S, shield=True):
                async with self._writing:
                    if self._is_suspect:
                        await self._reopen_writer()
                    return await _visit(self._writer, work)
        except TimeoutError as error:
            raise JournalUnavailable(
                f"{self.path}: the disk did not answer in {WRITE_TIMEOUT_S:g} s"
            ) from error
        except OSError as error:
            raise JournalUnavailable(f"cannot write {self.path}: {error.strerror}") from error
        except sqlite3.Error as error:
            raise self._meaning(error) from error

    async def _reopen_writer(self) -> None:
        await self._writer.close()
        raw = await anyio.to_thread.run_sync(_connect_writer, self.path)
        self._writer = await _threaded(raw)
        self._is_suspect = False

    def _transact_with_reserve(
        self, work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection
    ) -> T:
        self._check_in_place()
        self._reserve.ensure()
        return _transact(work, connection)

    def _transact_without_reserve(
        self, work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection
    ) -> T:
        self._check_in_place()
        self._reserve.spend()
        return _transact(work, connection)

    def _check_in_place(self) -> None:
        """SQLite would go on writing to a file that no longer has a name, and nobody would ever read it."""
        try:
            identity = _identity(self.path)
        except FileNotFoundError:
            identity = None
        if identity != self._identity:
            self._is_sound = False
            raise JournalUnusable(f"{self.path} was deleted or replaced while kazid was running")

    def _meaning(self, error: sqlite3.Error) -> Exception:
        """What the error means to the daemon; the error itself when it can only be a bug."""
        code = primary_code(error)
        if code in _DAMAGED:
            self._is_sound = False
            return JournalUnusable(f"{self.path} is damaged ({error}); {RESTORE}")
        if code == sqlite3.SQLITE_IOERR:
            self._is_suspect = True
        if code in _UNAVAILABLE:
            return JournalUnavailable(f"cannot use {self.path}: {error}")
        return error


def primary_code(error: sqlite3.Error) -> int | None:
    """SQLite's own code without its details; None when the error is the Python module's."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


async def open_database(path: str) -> Database:
    """Open the file, making or migrating it as needed.

    Raises: JournalUnusable with one line for the operator; JournalUnavailable when there is no room even to open it.
    """
    reserve = Reserve(f"{path}.reserve")
    with anyio.CancelScope(shield=True):
        raw_writer, raw_reader = await anyio.to_thread.run_sync(_open_files, path, reserve)
        writer = await _threaded(raw_writer)
        reader = await _threaded(raw_reader)
        return Database(path, writer=writer, reader=reader, reserve=reserve)
    raise AssertionError("the scope is never cancelled")


async def _threaded(raw: sqlite3.Connection) -> aiosqlite.Connection:
    """The connection with aiosqlite's thread; open already, for a connector that fails would leave a thread behind."""
    return await aiosqlite.Connection(lambda: raw, 64)


async def _visit(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` in the connection's thread. aiosqlite has no public way to run several statements in one visit."""
    result: T = await connection._execute(work, connection._conn)  # type: ignore[no-untyped-call]  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportUnknownVariableType]
    return result


def _open_files(path: str, reserve: Reserve) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Both connections, checked. Runs in a thread of its own."""
    _refuse_lost(path, reserve)
    _create(path)
    try:
        try:
            writer = _connect_writer(path)
        except sqlite3.Error as error:
            if primary_code(error) not in _DISK:
                raise
            reserve.spend()
            writer = _connect_writer(path)
        try:
            _check_undamaged(writer, path)
            reader = _connect_reader(path)
        except BaseException:
            writer.close()
            raise
    except sqlite3.Error as error:
        raise _refusal(path, error) from error
    try:
        reserve.ensure()
    except OSError:
        pass  # no room, as the first append will say
    return writer, reader


def _refuse_lost(path: str, reserve: Reserve) -> None:
    """The reserve is made once the journal has its tables: an empty or missing file beside one lost what it held."""
    if os.path.exists(reserve.path) and not os.path.islink(path) and _size(path) == 0:
        found = "is empty" if os.path.exists(path) else "is gone"
        raise JournalUnusable(
            f"{path} {found}, though there was a journal ({reserve.path} is still there): {RESTORE}; "
            "to begin anew without it, remove that file"
        )


def _create(path: str) -> None:
    """An empty file of the owner's alone, unless there is one; refuses what could not be written."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _OWNER_ONLY)
        try:
            if os.fstat(descriptor).st_mode & 0o077:
                os.fchmod(descriptor, _OWNER_ONLY)
        finally:
            # before SQLite opens it: a process that closes any descriptor of a file loses its locks on it
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise JournalUnavailable(f"cannot create {path}: {error.strerror}") from error
        raise JournalUnusable(f"cannot write {path}: {error.strerror}") from error
    folder = os.path.dirname(os.path.abspath(path))
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise JournalUnusable(f"cannot write in {folder}, where the journal's log has to lie")


def _connect_writer(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        version = schema.check_ours(connection, path)
        if version == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise JournalUnusable(f"the file system of {path} cannot hold a write-ahead log; use a local one")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # else a large transaction would need a temporary file, on a disk that may be full
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
        schema.migrate(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_reader(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("SELECT count(*) FROM meta").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _check_undamaged(connection: sqlite3.Connection, path: str) -> None:
    """After an unclean end look through a file that is small enough, and note that this run has not ended."""
    (is_clean,) = connection.execute("SELECT value FROM meta WHERE name = 'is_clean'").fetchone()
    if not is_clean and _size(path) <= QUICK_CHECK_BYTES_MAX:
        (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            one_line = " ".join(finding.split())[:FINDING_CHARS_MAX]
            raise JournalUnusable(f"{path} is damaged ({one_line}); {RESTORE}")
    try:
        connection.execute("UPDATE meta SET value = 0 WHERE name = 'is_clean' AND value <> 0")
    except sqlite3.Error as error:
        if primary_code(error) not in _UNAVAILABLE:
            raise


def _refusal(path: str, error: sqlite3.Error) -> JournalUnavailable | JournalUnusable:
    code = primary_code(error)
    if code in _DISK:
        return JournalUnavailable(f"cannot open {path}: {error}")
    if code in _DAMAGED:
        return JournalUnusable(f"{path} is damaged or not a database ({error}); {RESTORE}")
    return JournalUnusable(f"cannot open {path}: {error}")


def _transact(work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
    with transaction(connection):
        return work(connection)


def _vacuum_some(connection: sqlite3.Connection) -> int:
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    pages = min(VACUUM_PAGES, max(0, free - FREE_PAGES_KEPT))
    if pages:
        # each step frees one page, so it has to be read to its end
        connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
    return pages


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _mark_clean(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE meta SET value = 1 WHERE name = 'is_clean'")


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
