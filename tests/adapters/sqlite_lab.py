"""What the tests of the sqlite journal share: a journal with its writer, small events, a raw look, a small disk."""

import os
import sqlite3
import subprocess
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import anyio

from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.core.event import Event, ReconcileRequested
from kazid.core.ids import GoalUid, Offset, Seq
from kazid.core.instant import Now
from kazid.ports.journal import Receipt

AT = Now(1.0, 1_700_000_000.0, "boot-1")
UID = GoalUid("uid-1")
NOBODY = 65534


@asynccontextmanager
async def running(path: Path) -> AsyncGenerator[SqliteJournal, None]:
    """The journal in this file with its writer, as the supervision tree runs it."""
    async with await SqliteJournal.open(path) as journal, anyio.create_task_group() as group:
        await group.start(lambda *, task_status: journal.run_writer(task_status=task_status))
        yield journal
        group.cancel_scope.cancel()


def events(count: int, *, size: int = 10) -> Sequence[Event]:
    return [ReconcileRequested(by="x" * size)] * count


async def append(
    journal: SqliteJournal,
    count: int = 1,
    *,
    uid: GoalUid = UID,
    expected_seq: int = 0,
    size: int = 10,
    is_urgent: bool = False,
) -> Receipt:
    return await journal.append(
        uid, events(count, size=size), at=AT, expected_seq=Seq(expected_seq), is_urgent=is_urgent
    )


async def count_events(journal: SqliteJournal) -> int:
    count, after = 0, Offset(0)
    while page := await journal.tail(after=after):
        count, after = count + len(page), page[-1].offset
    return count


def query(path: Path, statement: str) -> object:
    """The first value of a statement's answer, asked over a connection of its own."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


def database_threads() -> list[str]:
    """Names of aiosqlite's threads that do not end by themselves soon."""
    found = [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]
    for thread in found:
        thread.join(timeout=30.0)
    return [thread.name for thread in found if thread.is_alive()]


@contextmanager
def as_nobody() -> Generator[None, None, None]:
    """Without root's right to write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def small_disk(folder: Path, *, size: str) -> Generator[None, None, None]:
    """A file system of this size, mounted on the folder. Root only."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "kazi-test", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take every last byte of the disk; unlink the file to give them back."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return ballast
