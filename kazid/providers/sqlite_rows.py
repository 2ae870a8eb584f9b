"""A program that prints the rows of one SQL query against an SQLite file, in a process that can be ended.

The file is opened read-only and the query may read only, so looking changes nothing. Run by path, stdlib only:
`python -I -S sqlite_rows.py` with `{"database": "", "query": "", "rows_max": 1}` on stdin.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

sqlite3: Any = importlib.import_module("sqlite3")
READS_ONLY = "PRAGMA query_only = ON"


def rows(database: str, query: str, rows_max: int) -> list[dict[str, Any]]:
    """The rows, each by its column names; one more than `rows_max` says that there are more."""
    connection = sqlite3.connect(f"{Path(database).as_uri()}?mode=ro", uri=True)
    try:
        connection.execute(READS_ONLY)
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or ()]
        found = cursor.fetchmany(rows_max + 1)
    finally:
        connection.close()
    return [dict(zip(names, (_plain(value) for value in row), strict=True)) for row in found]


def _plain(value: Any) -> Any:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


if __name__ == "__main__":
    try:
        json.dump(rows(**json.load(sys.stdin.buffer)), sys.stdout)
    except (sqlite3.Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
