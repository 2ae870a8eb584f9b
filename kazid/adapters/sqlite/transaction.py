"""One transaction: committed when the block ends, rolled back when anything comes out of it."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None, None, None]:
    """All of the block or nothing. Takes the write lock at once, for a reader that turns writer may never get it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # a full disk has SQLite roll back by itself
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
