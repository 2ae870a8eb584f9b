"""A disk that is full for real: what is refused, what the reserve is for, and that everything heals by itself."""

import os
from collections.abc import Generator
from pathlib import Path

import anyio
import pytest

from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.adapters.sqlite.reserve import RESERVE_BYTES, Reserve
from kazid.core.errors import JournalUnavailable
from kazid.core.ids import GoalUid
from tests.adapters.sqlite_lab import append, count_events, fill, running, small_disk

# RLIMIT_FSIZE, in the contract tests, is the failing disk for who is not root.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system"),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path, None, None]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, size="6m"):
        yield folder


async def fill_up(journal: SqliteJournal, seq: int) -> int:
    """Append until the disk refuses; the last seq. Room inside the log takes some events after the disk is full."""
    for size in (10_000, 10):
        refusal = None
        while refusal is None:
            try:
                seq = (await append(journal, expected_seq=seq, size=size)).seq
            except JournalUnavailable as error:
                refusal = str(error)
        assert "\n" not in refusal
        assert "journal.db" in refusal
    return seq


async def test_the_reserve_is_real_blocks(disk: Path) -> None:
    async with running(disk / "journal.db"):
        reserve = disk / "journal.db.reserve"
        assert reserve.stat().st_size == RESERVE_BYTES
        assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES


async def test_a_full_disk_refuses_appends_and_reads_go_on(disk: Path) -> None:
    async with running(disk / "journal.db") as journal:
        await append(journal)
        ballast = fill(disk)
        seq = await fill_up(journal, 1)
        with pytest.raises(JournalUnavailable, match="full"):
            await append(journal, expected_seq=seq, size=10_000)
        assert await count_events(journal) == seq
        ballast.unlink()
        assert (await append(journal, expected_seq=seq, size=10_000)).seq == seq + 1


async def test_an_urgent_append_on_a_full_disk_spends_the_reserve(disk: Path) -> None:
    async with running(disk / "journal.db") as journal:
        await append(journal)
        fill(disk)
        seq = await fill_up(journal, 1)
        assert (disk / "journal.db.reserve").exists()
        for _ in range(5):
            seq = (await append(journal, expected_seq=seq, size=10_000, is_urgent=True)).seq
        assert not (disk / "journal.db.reserve").exists()
        assert await count_events(journal) == seq


async def test_the_room_of_the_reserve_is_for_urgent_events_only(disk: Path) -> None:
    async with running(disk / "journal.db") as journal:
        await append(journal)
        ballast = fill(disk)
        seq = await fill_up(journal, 1)
        seq = (await append(journal, expected_seq=seq, size=10_000, is_urgent=True)).seq
        # the events that filled the disk come at once, and more of them than the reserve has room for
        for _ in range(200):
            with pytest.raises(JournalUnavailable, match="No space left"):
                await append(journal, expected_seq=seq, size=10_000)
        with pytest.raises(JournalUnavailable):
            await journal.check_writable()
        seq = (await append(journal, expected_seq=seq, size=10_000, is_urgent=True)).seq
        ballast.unlink()
        await journal.check_writable()
        assert (disk / "journal.db.reserve").stat().st_size == RESERVE_BYTES, "it is there again"
        assert (await append(journal, expected_seq=seq)).seq == seq + 1


async def test_an_urgent_append_takes_others_of_its_batch_neither_along_nor_down(disk: Path) -> None:
    stored: list[str] = []
    refused: list[str] = []
    async with running(disk / "journal.db") as journal:
        await append(journal)
        fill(disk)
        seq = await fill_up(journal, 1)

        async def caller(name: str, is_urgent: bool) -> None:
            try:
                await append(journal, uid=GoalUid(name), size=10_000, is_urgent=is_urgent)
            except JournalUnavailable:
                refused.append(name)
            else:
                stored.append(name)

        async with anyio.create_task_group() as group:
            for n in range(10):
                group.start_soon(caller, f"urgent-{n}" if n % 2 else f"other-{n}", bool(n % 2))
        assert sorted(stored) == [f"urgent-{n}" for n in (1, 3, 5, 7, 9)]
        assert sorted(refused) == [f"other-{n}" for n in (0, 2, 4, 6, 8)]
        assert await count_events(journal) == seq + 5


async def test_a_daemon_starts_on_a_full_disk(disk: Path) -> None:
    path = disk / "journal.db"
    async with running(path) as journal:
        await append(journal)
    ballast = fill(disk)
    async with running(path) as journal:
        assert await count_events(journal) == 1
        ballast.unlink()
        assert (await append(journal, expected_seq=1)).seq == 2


async def test_a_new_journal_on_a_full_disk_is_unavailable(disk: Path) -> None:
    ballast = fill(disk)
    with pytest.raises(JournalUnavailable):
        await SqliteJournal.open(disk / "journal.db")
    ballast.unlink()
    async with running(disk / "journal.db") as journal:
        assert (await append(journal)).seq == 1


async def test_housekeeping_on_a_full_disk_waits_for_another_time(disk: Path) -> None:
    async with running(disk / "journal.db") as journal:
        await append(journal)
        fill(disk)
        seq = await fill_up(journal, 1)
        await append(journal, expected_seq=seq, is_urgent=True)
        assert await journal.maintain() == 0


def test_part_of_a_reserve_is_none(disk: Path) -> None:
    with open(disk / "ballast", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 6 * 1024 * 1024 - RESERVE_BYTES // 2)
    reserve = Reserve(str(disk / "journal.db.reserve"))
    with pytest.raises(OSError, match="No space left"):
        reserve.ensure()
    assert not (disk / "journal.db.reserve").exists()
