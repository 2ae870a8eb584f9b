"""The audit trail in the journal's file: written with the events, append-only, and checked fast."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.audit import fill, verified
from kazid.core.errors import Conflict
from kazid.core.event import ReconcileRequested
from kazid.core.ids import GoalId, GoalUid, Owner, Seq
from kazid.ports.journal import GoalHeader
from tests.adapters.sqlite_lab import AT, UID, append, running

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


async def test_records_go_in_with_the_events_and_name_the_goal(path: Path) -> None:
    header = GoalHeader(uid=UID, owner=Owner("ada"), id=GoalId("web"), is_deleted=False)
    async with running(path) as journal:
        event = ReconcileRequested(by="ada")
        await journal.append(UID, [event, event], at=AT, expected_seq=Seq(0), header=header)
        await append(journal, 3, expected_seq=2)
        with pytest.raises(Conflict):
            await append(journal, 1, expected_seq=1)
        page = await journal.audit_page(after=0, limit=10)
        assert [each.number for each in page] == [1, 2, 3, 4, 5]
        assert all(b'"goal":"ada/web"' in each.record for each in page)
        assert all(b'"type":"reconcile.requested"' in each.record for each in page)
        assert await journal.audit_page(after=0, limit=10, goal="eve/web") == []
        assert (await verified(journal)).problems == []


async def test_the_chain_goes_on_after_a_restart_and_outlives_what_is_discarded(path: Path) -> None:
    async with running(path) as journal:
        await append(journal, 4)
    async with running(path) as journal:
        await append(journal, 4, expected_seq=4)
        while await journal.discard_before(UID, seq=Seq(8)):
            pass
        check = await verified(journal)
        assert (check.records, check.problems) == (8, [])


async def test_no_statement_changes_or_drops_a_record(path: Path) -> None:
    async with running(path) as journal:
        await append(journal, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("UPDATE audit SET record = 'x'", "DELETE FROM audit WHERE number = 1"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


async def test_each_damage_among_a_hundred_thousand_records_is_found_at_its_place(path: Path) -> None:
    fill(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for trigger in ("audit_never_changes", "audit_never_shrinks"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE audit SET record = replace(record, 'livez', 'livex') WHERE number = 777")
        connection.execute("DELETE FROM audit WHERE number = 5000")
        swap = "UPDATE audit SET record = ?, hash = ? WHERE number = ?"
        here, there = (
            connection.execute("SELECT record, hash FROM audit WHERE number = ?", (number,)).fetchone()
            for number in (90000, 90010)
        )
        connection.execute(swap, (*there, 90000))
        connection.execute(swap, (*here, 90010))
    async with running(path) as journal:
        check = await verified(journal)
    assert [number for number, _ in check.problems] == [777, 5000, 90000, 90010]


async def test_goals_of_one_batch_are_told_apart(path: Path) -> None:
    async with running(path) as journal:
        for number in range(3):
            uid = GoalUid(f"goal-{number}")
            header = GoalHeader(uid=uid, owner=Owner("ada"), id=GoalId(f"g{number}"), is_deleted=False)
            event = ReconcileRequested(by="ada")
            await journal.append(uid, [event], at=AT, expected_seq=Seq(0), header=header)
        one = await journal.audit_page(after=0, limit=10, goal="ada/g1")
        assert [each.number for each in one] == [2]
