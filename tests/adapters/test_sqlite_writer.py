"""The writer task: many appends share a commit, and nobody waits for ever or is told what is not so."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from kazid.adapters.sqlite import database, group_commit
from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.core.errors import JournalUnavailable, JournalUnusable
from kazid.core.ids import GoalId, GoalUid, Offset, Owner, Seq
from kazid.ports.journal import EVENTS_PER_APPEND_MAX, GoalHeader, Receipt
from tests.adapters.sqlite_lab import AT, UID, append, count_events, database_threads, events, running

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


async def statements_during(journal: SqliteJournal, work: Callable[[], Any]) -> list[str]:
    """What the writing connection was asked while `work` ran."""
    asked: list[str] = []
    await journal._database._writer.set_trace_callback(asked.append)
    await work()
    await journal._database._writer.set_trace_callback(lambda _: None)
    return asked


# --- group commit ---


async def test_appends_that_wait_together_share_a_commit(path: Path) -> None:
    async with running(path) as journal:

        async def crowd() -> None:
            async with anyio.create_task_group() as group:
                for n in range(200):
                    group.start_soon(lambda uid: append(journal, uid=uid), GoalUid(f"goal-{n}"))

        asked = await statements_during(journal, crowd)
        assert await count_events(journal) == 200
    assert asked.count("COMMIT") <= 3


async def test_a_batch_takes_few_statements_whatever_its_size(path: Path) -> None:
    """Each costs a wait for the interpreter; one for each event made a busy daemon's commit take seconds."""
    async with running(path) as journal:

        async def crowd() -> None:
            async with anyio.create_task_group() as group:
                for n in range(500):
                    uid = GoalUid(f"goal-{n}")
                    header = GoalHeader(uid=uid, owner=Owner("ada"), id=GoalId(f"goal-{n}"), is_deleted=False)
                    call = lambda uid, header: journal.append(  # noqa: E731
                        uid, events(2), at=AT, expected_seq=Seq(0), header=header, idempotency_key=uid
                    )
                    group.start_soon(call, uid, header)

        asked = await statements_during(journal, crowd)
        assert await count_events(journal) == 1000
    assert len(asked) / asked.count("COMMIT") < 50


async def test_a_page_is_read_with_one_statement(path: Path) -> None:
    async with running(path) as journal:
        await append(journal, 500)
        asked: list[str] = []
        await journal._database._reader.set_trace_callback(asked.append)
        assert len(await journal.tail(after=Offset(0))) == 500
        assert len(asked) == 1


async def test_reads_and_lookups_search_an_index(path: Path) -> None:
    """A query that scans takes longer the longer the daemon lives."""
    async with running(path) as journal:
        await append(journal, 100)
        asked: list[str] = []
        for connection in (journal._database._reader, journal._database._writer):
            await connection.set_trace_callback(asked.append)
        await journal.tail(after=Offset(5))
        await journal.tail(after=Offset(5), uid=UID)
        await journal.read(UID, after_seq=Seq(5))
        await journal.head()
        await journal.find_key("key")
        await journal.append(UID, events(1), at=AT, expected_seq=Seq(100), idempotency_key="key")
        await journal.append(UID, events(1), at=AT, expected_seq=Seq(100))
        await journal.discard_before(UID, seq=Seq(50))
        for connection in (journal._database._reader, journal._database._writer):
            await connection.set_trace_callback(lambda _: None)
    slow: list[str] = []
    with closing(sqlite3.connect(path)) as raw:
        for statement in asked:
            if not statement.lstrip().startswith(("SELECT", "DELETE")):
                continue
            for *_, step in raw.execute(f"EXPLAIN QUERY PLAN {statement}"):
                if step.startswith(("SCAN events", "SCAN goals", "SCAN keys")) or "TEMP B-TREE" in step:
                    slow.append(f"{step}: {statement}")
    assert len(asked) > 8
    assert slow == []


async def test_a_reader_does_not_wait_for_a_write_in_progress(path: Path) -> None:
    async with running(path) as journal:
        await append(journal, 3)
        release = threading.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(journal._database.write, lambda _: release.wait(60))
            await anyio.sleep(0.01)
            with anyio.fail_after(30):
                assert await count_events(journal) == 3
            release.set()


# --- who waits is answered ---


async def test_what_was_queued_when_the_daemon_ends_is_still_committed(path: Path) -> None:
    receipts: list[Receipt] = []
    async with await SqliteJournal.open(path) as journal:

        async def producer(n: int) -> None:
            receipts.append(await append(journal, uid=GoalUid(f"goal-{n}")))

        async with anyio.create_task_group() as group:
            for n in range(300):
                group.start_soon(producer, n)
            await anyio.wait_all_tasks_blocked()
            async with anyio.create_task_group() as writer:
                writer.start_soon(journal.run_writer)
                writer.cancel_scope.cancel()
        assert len(receipts) == 300
        assert await count_events(journal) == 300


async def test_an_append_after_the_end_is_unavailable(path: Path) -> None:
    async with await SqliteJournal.open(path) as journal:
        async with anyio.create_task_group() as group:
            await group.start(lambda *, task_status: journal.run_writer(task_status=task_status))
            group.cancel_scope.cancel()
        with pytest.raises(JournalUnavailable, match="closed"):
            await append(journal)


async def test_an_append_that_nobody_took_is_withdrawn_at_its_deadline(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "ANSWER_TIMEOUT_S", 0.05)
    async with await SqliteJournal.open(path) as journal:
        with pytest.raises(JournalUnavailable, match="no answer"):
            await append(journal)
        async with anyio.create_task_group() as group:
            await group.start(lambda *, task_status: journal.run_writer(task_status=task_status))
            await append(journal, uid=GoalUid("uid-2"))
            assert await count_events(journal) == 1
            group.cancel_scope.cancel()


async def test_a_full_queue_makes_callers_wait_and_then_gives_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "ANSWER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(group_commit, "QUEUED_APPENDS_MAX", 2)
    said: list[str] = []
    async with await SqliteJournal.open(path) as journal:

        async def producer(n: int) -> None:
            with pytest.raises(JournalUnavailable) as caught:
                await append(journal, uid=GoalUid(f"goal-{n}"))
            said.append(str(caught.value))

        async with anyio.create_task_group() as group:
            for n in range(4):
                group.start_soon(producer, n)
    assert sum("queue is full" in line for line in said) == 2
    assert sum("no answer" in line for line in said) == 2


async def test_a_disk_that_hangs_is_unavailable_and_a_retry_tells_what_was_stored(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WRITE_TIMEOUT_S", 0.1)
    async with running(path) as journal:
        release = threading.Event()

        def hang(_: sqlite3.Connection) -> None:
            release.wait(60)

        with pytest.raises(JournalUnavailable, match="did not answer"):
            await journal._database.write(hang)
        with pytest.raises(JournalUnavailable, match="did not answer"):
            await append(journal, 2)
        release.set()
        monkeypatch.setattr(database, "WRITE_TIMEOUT_S", 10.0)
        assert (await append(journal, 2)).seq == 2
        assert await count_events(journal) == 2


async def test_a_lock_of_another_process_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    async with running(path) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalUnavailable, match="locked"):
                await append(journal)
            other.execute("ROLLBACK")
        assert (await append(journal)).seq == 1


async def test_a_bug_in_the_writer_ends_it_and_answers_everybody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[Receipt]:
        raise ZeroDivisionError

    monkeypatch.setattr(group_commit, "append_all", broken)

    async def daemon() -> None:
        async with running(path) as journal:
            with anyio.CancelScope(shield=True), pytest.raises(JournalUnavailable):
                await append(journal)

    with pytest.raises(ExceptionGroup) as caught:
        await daemon()
    assert caught.group_contains(ZeroDivisionError)
    assert database_threads() == []


async def test_a_database_that_is_moved_away_ends_the_writer(path: Path) -> None:
    async def daemon() -> None:
        async with running(path) as journal:
            await append(journal)
            os.rename(path, path.with_suffix(".bak"))
            with anyio.CancelScope(shield=True), pytest.raises(JournalUnusable, match="deleted or replaced"):
                await append(journal, expected_seq=1)

    with pytest.raises(ExceptionGroup) as caught:
        await daemon()
    assert caught.group_contains(JournalUnusable)


async def test_threads_are_gone_after_an_exception(path: Path) -> None:
    async def daemon() -> None:
        async with await SqliteJournal.open(path) as journal:
            await journal.head()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await daemon()
    assert database_threads() == []


# --- cancellation ---


async def test_a_cancelled_write_leaves_no_transaction_open(path: Path) -> None:
    async with running(path) as journal:
        for _ in range(20):
            with anyio.move_on_after(0.0005):
                await journal.check_writable()
            with anyio.move_on_after(0.0005):
                await append(journal, 100, uid=GoalUid(f"goal-{_}"))
        in_transaction = journal._database._writer.in_transaction
        assert not in_transaction
        assert (await append(journal, EVENTS_PER_APPEND_MAX)).seq == EVENTS_PER_APPEND_MAX


async def test_a_cancelled_append_is_stored_whole_or_not_at_all(path: Path) -> None:
    async with running(path) as journal:
        for n in range(50):
            with anyio.move_on_after(n * 0.00005):
                await append(journal, 7, uid=GoalUid(f"goal-{n}"))
        for n in range(50):
            stored = await journal.read(GoalUid(f"goal-{n}"), after_seq=Seq(0))
            assert len(stored) in (0, 7)


# --- housekeeping ---


async def test_maintain_gives_freed_pages_back_a_piece_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "FREE_PAGES_KEPT", 10)
    monkeypatch.setattr(database, "VACUUM_PAGES", 100)
    monkeypatch.setattr(database, "WAL_BYTES_MAX", 1000)
    async with running(path) as journal:
        for seq in range(0, 2000, 500):
            await append(journal, 500, expected_seq=seq, size=1000)
        await journal.maintain()
        full = path.stat().st_size
        assert path.with_name("journal.db-wal").stat().st_size == 0, "the log was written back and cut"
        while await journal.discard_before(UID, seq=Seq(2000)):
            pass
        given_back = []
        while pages := await journal.maintain():
            given_back.append(pages)
        assert max(given_back) <= 100
        assert len(given_back) > 3
        assert path.stat().st_size < full * 2 / 3, "what is left is the audit trail, which is kept"
        assert await count_events(journal) == 1
