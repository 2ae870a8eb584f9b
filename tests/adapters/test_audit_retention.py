"""The audit trail's beginning after its time: exported, said in the trail, dropped; and whatever goes wrong, kept."""

import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from hashlib import sha256
from pathlib import Path

import pytest

from kazid.adapters.memory.clock import MemoryClock
from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.adapters.system.audit_exports import FolderExports
from kazid.core.errors import JournalUnavailable
from kazid.core.ids import Seq
from kazid.core.instant import Now
from kazid.core.window import DAY_S
from kazid.ports.audit import RECORDS_PER_PAGE_MAX
from kazid.runtime.audit_retention import EVERY_S, RECORDS_MIN, AuditRetention
from kazid.runtime.fleet import Fleet
from kazid.runtime.health import Health
from kazid.wire.chain import ChainCheck
from tests.adapters.sqlite_lab import UID, events, running

pytestmark = pytest.mark.anyio
OLD, YOUNG = 120, 30
DAYS = 90


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Lab:
    """A journal with old and young records, and the keeper of its trail."""

    def __init__(self, folder: Path, journal: SqliteJournal) -> None:
        self.path, self.journal, self.days = folder / "journal.db", journal, DAYS
        self.exports = folder / "audit"
        self.clock = MemoryClock()
        self.fleet = Fleet(journal=journal, clock=self.clock, health=Health(), on_commit=lambda _: None)
        self.keeper = AuditRetention(
            journal, self.fleet, self.clock, FolderExports(self.exports), days=lambda: self.days
        )
        self.seq = 0

    async def happens(self, count: int, *, days_ago: float) -> None:
        now = self.clock.now()
        at = Now(now.boot_s, now.wall_s - days_ago * DAY_S, now.boot_id)
        await self.journal.append(UID, events(count), at=at, expected_seq=Seq(self.seq))
        self.seq += count

    async def verified(self, *, known: dict[int, bytes] | None = None) -> ChainCheck:
        check = ChainCheck(known=known)
        last = await self.journal.audit_last()
        while page := await self.journal.audit_page(after=check.number, limit=RECORDS_PER_PAGE_MAX):
            for each in page:
                check.add(each.number, each.record, each.digest)
        check.end(last=last)
        return check

    def exported(self, *names: str) -> ChainCheck:
        check = ChainCheck()
        for name in names:
            check.add_lines(iter((self.exports / name).read_bytes().splitlines()))
        check.end(last=check.number)
        return check

    def names(self) -> list[str]:
        return sorted(path.name for path in self.exports.iterdir()) if self.exports.exists() else []


@asynccontextmanager
async def a_lab(folder: Path) -> AsyncGenerator[Lab, None]:
    async with running(folder / "journal.db") as journal:
        lab = Lab(folder, journal)
        await lab.happens(OLD, days_ago=DAYS + 1)
        await lab.happens(YOUNG, days_ago=1)
        yield lab


async def test_what_is_too_old_is_exported_said_and_dropped_and_the_rest_is_sound(tmp_path: Path) -> None:
    async with a_lab(tmp_path) as lab:
        (ended,) = await lab.journal.audit_page(after=OLD - 1, limit=1)
        await lab.keeper.keep()
        check = await lab.verified(known={OLD: ended.digest})
        assert (check.problems, check.pruned_through, check.records) == ([], OLD, YOUNG + 1)
        (name,) = lab.names()
        export = lab.exports / name
        assert name == f"audit-{1:012}-{OLD:012}.jsonl"
        assert (export.stat().st_mode & 0o777, lab.exports.stat().st_mode & 0o777) == (0o600, 0o700)
        copy = lab.exported(name)
        assert (copy.problems, copy.records, copy.head) == ([], OLD, ended.digest)
        (said,) = await lab.journal.audit_page(after=OLD + YOUNG, limit=10)
        event = json.loads(said.record)["event"]
        assert event == {
            "through": OLD,
            "hash": ended.digest.hex(),
            "records": OLD,
            "rule": f"[retention] audit_days = {DAYS}",
            "export": name,
            "export_sha256": sha256(export.read_bytes()).hexdigest(),
        }


async def test_it_goes_on_pruning_and_the_pieces_make_the_whole_trail(tmp_path: Path) -> None:
    async with a_lab(tmp_path) as lab:
        await lab.keeper.keep()
        await lab.keeper.keep()
        assert len(lab.names()) == 1, "once a day"
        await lab.happens(OLD, days_ago=1)
        lab.clock.stall((DAYS + 1) * DAY_S)
        await lab.happens(5, days_ago=0)
        await lab.keeper.keep()
        assert len(lab.names()) == 2
        assert (await lab.verified()).problems == []
        assert lab.exported(*lab.names()).problems == []
        assert lab.exported(lab.names()[1]).problems == [], "it holds the checkpoint of the piece before it"


async def test_the_trail_stays_append_only_for_everybody_else(tmp_path: Path) -> None:
    async with a_lab(tmp_path) as lab:
        await lab.keeper.keep()
        with closing(sqlite3.connect(lab.path, isolation_level=None)) as connection:
            for statement in ("UPDATE audit SET record = 'x'", "DELETE FROM audit"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    connection.execute(statement)


@pytest.mark.parametrize(
    ("days", "old"),
    [
        pytest.param(0, OLD, id="kept-for-ever"),
        pytest.param(DAYS * 10, OLD, id="nothing-is-old"),
        pytest.param(DAYS, RECORDS_MIN - 1, id="too-few-to-be-worth-it"),
    ],
)
async def test_nothing_is_pruned_without_a_reason(tmp_path: Path, days: int, old: int) -> None:
    async with running(tmp_path / "journal.db") as journal:
        lab = Lab(tmp_path, journal)
        lab.days = days
        await lab.happens(old, days_ago=DAYS + 1)
        await lab.happens(YOUNG, days_ago=0)
        await lab.keeper.keep()
        assert (await lab.verified()).records == old + YOUNG
        assert lab.names() == []


async def test_without_a_checkpoint_no_record_is_dropped(tmp_path: Path) -> None:
    async with a_lab(tmp_path) as lab:
        assert await lab.journal.audit_prune(through=OLD) == 0
        await lab.keeper.keep()
        assert await lab.journal.audit_prune(through=OLD + 5) == 0, "the checkpoint is for another record"
        assert (await lab.verified()).records == YOUNG + 1


async def test_what_cannot_be_exported_is_kept(tmp_path: Path) -> None:
    async with a_lab(tmp_path) as lab:
        lab.exports.write_text("no folder")
        await lab.keeper.keep()
        check = await lab.verified()
        assert (check.problems, check.records) == ([], OLD + YOUNG)


async def test_a_crash_between_the_checkpoint_and_the_drop_loses_nothing(tmp_path: Path, monkeypatch) -> None:
    async with a_lab(tmp_path) as lab:

        async def dies(**_: object) -> int:
            raise JournalUnavailable("cut off")

        with monkeypatch.context() as broken:
            broken.setattr(lab.journal, "audit_prune", dies)
            await lab.keeper.keep()
        check = await lab.verified()
        assert (check.problems, check.records) == ([], OLD + YOUNG + 1)
        lab.clock.stall(EVERY_S + 1)
        await lab.keeper.keep()
        check = await lab.verified()
        assert (check.problems, check.pruned_through) == ([], OLD)
