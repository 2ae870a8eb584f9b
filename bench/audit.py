"""Time to verify an audit of 100,000 records, beside reading the same rows and hashing them once.

The `audit` bench of `run.py`. The verifier is what `kazictl audit verify` asks the daemon for: pages of records, each
linked to the one before. The floor under it is one bare `sqlite3` cursor and SHA-256 over the same bytes.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import anyio

from bench.figures import Beside, Options, Report, median
from kazid.adapters.sqlite import schema
from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.ports.audit import RECORDS_PER_PAGE_MAX
from kazid.wire.chain import GENESIS, ChainCheck, link

RECORDS = 100_000
ROUNDS, QUICK_ROUNDS = 7, 2
VERIFIED_S_MAX = 1.0
RECORD = (
    b'{"number":%d,"offset":%d,"uid":"0123456789abcdef","seq":%d,"goal":"ada/web","at":1.0,"ran_as_uid":0,'
    b'"event":{"epoch":1,"generation":1,"predicates":["livez"],"rung":"remedy:0"},"type":"act.intended"}'
)


def fill(path: Path, *, records: int = RECORDS) -> None:
    """Make a journal at `path` whose audit has so many records, each linked to the one before."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        schema.migrate(connection, 0)
        digest, rows = GENESIS, []
        for number in range(1, records + 1):
            record = RECORD % (number, number, number)
            digest = link(digest, record)
            rows.append((number, "ada/web", record, digest))
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO audit (number, goal, record, hash) VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")


async def verified(journal: SqliteJournal) -> ChainCheck:
    """What a check of the whole chain found."""
    check = ChainCheck()
    last = await journal.audit_last()
    while page := await journal.audit_page(after=check.number, limit=RECORDS_PER_PAGE_MAX):
        for each in page:
            check.add(each.number, each.record, each.digest)
    check.end(last=last)
    return check


def run(options: Options) -> Report:
    """The verifier and its floor in turn; medians of both clocks."""
    report = Report(bench="audit")
    path = options.folder / "journal.db"
    fill(path)
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    ours: list[tuple[float, float]] = []
    floor: list[tuple[float, float]] = []
    for _ in range(rounds):
        ours.append(anyio.run(_verify, path))
        floor.append(_timed(lambda: _hash_all(path)))
    for number, clock in enumerate(("", ", CPU")):
        beside = Beside("the rows read and hashed once", median([each[number] for each in floor]))
        figure = median([each[number] for each in ours])
        report.add(f"verify {RECORDS:,} audit records{clock}", figure, "s", beside, target_max=VERIFIED_S_MAX)
    report.notes.append(f"medians of {rounds} rounds, in turn")
    return report


async def _verify(path: Path) -> tuple[float, float]:
    async with await SqliteJournal.open(path) as journal:
        clocks = time.perf_counter(), time.process_time()
        check = await verified(journal)
        took = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
    if check.problems or check.records != RECORDS:
        raise OSError(f"an audit that nobody touched has problems: {check.problems[:3]}")
    return took


def _hash_all(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for _, record, digest in connection.execute("SELECT number, record, hash FROM audit ORDER BY number"):
            sha256(digest + record).digest()


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    clocks = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clocks[0], time.process_time() - clocks[1]
