"""Durable events per second of the sqlite journal, beside what one commit for each event makes on the same disk.

Run: python bench/journal.py [--seconds S] [--folder DIR]. The folder's disk is what is measured; a tmpfs says nothing.
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import aiosqlite
import anyio
import msgspec

from kazid.adapters.sqlite import schema
from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.core.event import Event, PredicateObserved, event_type
from kazid.core.ids import Generation, GoalUid, Offset, PredicateId, Seq
from kazid.core.instant import Now
from kazid.core.verdict import passed

PRODUCERS = 100
BUSY_SLICE_S = 0.002
"""What a busy event loop computes between two looks at its sockets."""
SHORT_SWITCH_S = 0.0005
"""Python's own 5 ms is longer than such a slice, so the loop is never asked to let the writer's thread run."""

AT = Now(12_345.678_901, 1_700_000_000.123456, "0f3d1c1e-6f0a-4b43-8d2f-6f6c5f9a1b2c")
EVENT: Event = PredicateObserved(
    predicate_id=PredicateId("livez"),
    verdict=passed(status=200, url="http://127.0.0.1:8080/livez", body="x" * 300),
    started_s=12_345.1,
    ended_s=12_345.2,
    generation=Generation(1),
)


class Measured(msgspec.Struct, kw_only=True):
    """What a run came to."""

    events_per_s: float
    ack_ms_p50: float
    ack_ms_p99: float


async def appends(
    folder: Path, *, producers: int, seconds: float, load: Callable[[], None] | None = None
) -> Measured:
    """Each producer appends one event after another to a goal of its own."""
    acks_s: list[float] = []
    async with await SqliteJournal.open(folder / f"bench-{producers}.db") as journal:

        async def produce(uid: GoalUid, end_s: float) -> None:
            seq = Seq(0)
            while (started_s := time.perf_counter()) < end_s:
                seq = (await journal.append(uid, [EVENT], at=AT, expected_seq=seq)).seq
                acks_s.append(time.perf_counter() - started_s)

        async def keep_busy() -> None:
            assert load is not None
            while True:
                load()
                await asyncio.sleep(0)

        async with anyio.create_task_group() as system:
            await system.start(lambda *, task_status: journal.run_writer(task_status=task_status))
            if load is not None:
                system.start_soon(keep_busy)
            started_s = time.perf_counter()
            async with anyio.create_task_group() as group:
                for n in range(producers):
                    group.start_soon(produce, GoalUid(f"goal-{n}"), started_s + seconds)
            took_s = time.perf_counter() - started_s
            system.cancel_scope.cancel()
    cuts = statistics.quantiles(acks_s, n=100)
    return Measured(events_per_s=len(acks_s) / took_s, ack_ms_p50=cuts[49] * 1000, ack_ms_p99=cuts[98] * 1000)


async def reads(folder: Path) -> float:
    """Events per second that a reader who pages through everything gets, decoded."""
    async with await SqliteJournal.open(folder / f"bench-{PRODUCERS}.db") as journal:
        started_s, count, after = time.perf_counter(), 0, Offset(0)
        while page := await journal.tail(after=after):
            count, after = count + len(page), page[-1].offset
        return count / (time.perf_counter() - started_s)


async def one_commit_per_event(folder: Path, *, seconds: float) -> float:
    """The same library and the same rows, with a transaction for each event."""
    path = folder / "bench-single.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        schema.migrate(connection, 0)
    async with aiosqlite.connect(path, isolation_level=None) as database:
        await database.execute("PRAGMA synchronous = FULL")
        started_s, count = time.perf_counter(), 0
        while time.perf_counter() - started_s < seconds:
            count += 1
            await database.execute("BEGIN IMMEDIATE")
            await database.execute(_INSERT, _row(count))
            await database.execute("COMMIT")
        return count / (time.perf_counter() - started_s)


def without_a_thread(folder: Path, *, seconds: float) -> float:
    """The driver alone, blocking: the best that a commit for each event can do on this disk."""
    with closing(sqlite3.connect(folder / "bench-raw.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        schema.migrate(connection, 0)
        started_s, count = time.perf_counter(), 0
        while time.perf_counter() - started_s < seconds:
            count += 1
            connection.execute(_INSERT, _row(count))
        return count / (time.perf_counter() - started_s)


_INSERT = "INSERT INTO events (uid, seq, type, at, body) VALUES (?, ?, ?, ?, ?)"


def _row(seq: int) -> tuple[object, ...]:
    return ("goal-0", seq, event_type(EVENT), msgspec.json.encode(AT), msgspec.json.encode(EVENT))


def compute() -> None:
    """Pure Python that never lets go of the interpreter by itself."""
    end_s = time.perf_counter() + BUSY_SLICE_S
    while time.perf_counter() < end_s:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each measurement takes")
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="kazi-bench-") as name:
        folder = Path(name)
        blocking = without_a_thread(folder, seconds=options.seconds)
        print(f"{'one commit per event, blocking':42} {blocking:10,.0f} events/s")
        single = anyio.run(partial(one_commit_per_event, folder, seconds=options.seconds))
        print(f"{'one commit per event, aiosqlite':42} {single:10,.0f} events/s")
        usual_s = sys.getswitchinterval()
        for label, producers, load, switch_s in (
            ("journal, 1 producer", 1, None, usual_s),
            (f"journal, {PRODUCERS} producers", PRODUCERS, None, usual_s),
            ("  and a busy event loop", PRODUCERS, compute, usual_s),
            ("  and a switch interval of 0.5 ms", PRODUCERS, compute, SHORT_SWITCH_S),
        ):
            sys.setswitchinterval(switch_s)
            place = folder / label.strip()
            place.mkdir()
            found = anyio.run(
                partial(appends, place, producers=producers, seconds=options.seconds, load=load)
            )
            print(
                f"{label:42} {found.events_per_s:10,.0f} events/s"
                f"   ack p50 {found.ack_ms_p50:7.2f} ms   p99 {found.ack_ms_p99:7.2f} ms"
                f"   {found.events_per_s / single:5.1f} x"
            )
        sys.setswitchinterval(usual_s)
        place = folder / f"journal, {PRODUCERS} producers"
        print(f"{'reading pages of 1,000, decoded':42} {anyio.run(reads, place):10,.0f} events/s")


if __name__ == "__main__":
    main()
