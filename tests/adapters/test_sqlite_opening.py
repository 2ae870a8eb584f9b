"""Which files the journal opens, how it leaves them, and the one line it says when it refuses."""

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from kazid.adapters.sqlite import database, schema
from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.core.errors import JournalUnusable
from tests.adapters.sqlite_lab import (
    append,
    as_nobody,
    count_events,
    database_threads,
    query,
    running,
    small_disk,
)

pytestmark = pytest.mark.anyio

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def open_folder() -> Generator[Path, None, None]:
    """A folder that everybody may enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="kazi-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def refusal(path: Path) -> str:
    with pytest.raises(JournalUnusable) as caught:
        await SqliteJournal.open(path)
    assert database_threads() == [], "a refused file leaves no thread behind"
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line or str(path.parent) in line
    return line


async def write_some(path: Path, count: int = 10, *, size: int = 1000) -> None:
    async with running(path) as journal:
        for seq in range(0, count, 10):
            await append(journal, 10, expected_seq=seq, size=size)


# --- files that open ---


async def test_every_file_is_the_owners_alone(path: Path) -> None:
    old_umask = os.umask(0)
    try:
        async with running(path) as journal:
            await append(journal)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old_umask)
    assert modes == {f"journal.db{suffix}": 0o600 for suffix in ("", "-wal", "-shm", ".reserve")}


async def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    await write_some(path)
    path.chmod(0o644)
    async with running(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_file_says_whose_it_is_and_of_which_schema(path: Path) -> None:
    await write_some(path)
    assert query(path, "PRAGMA application_id") == schema.APPLICATION_ID
    assert query(path, "PRAGMA user_version") == schema.SCHEMA_VERSION
    assert query(path, "PRAGMA auto_vacuum") == 2  # incremental


async def test_the_writer_waits_for_the_disk_at_every_commit(path: Path) -> None:
    def settings(connection: sqlite3.Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "temp_store", "busy_timeout")
        return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    async with running(path) as journal:
        found = await journal._database.write(settings)
        await journal._database.read(settings)
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "temp_store": 2,
        "busy_timeout": 5000,
    }


async def test_the_reading_connection_cannot_write(path: Path) -> None:
    async with running(path) as journal:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            # asked of the driver itself, for the journal would take it for a disk that refuses
            await database._visit(journal._database._reader, lambda c: c.execute("DELETE FROM events"))


async def test_an_ordered_end_leaves_one_file_and_its_reserve(path: Path) -> None:
    await write_some(path)
    assert {file.name for file in path.parent.iterdir()} == {"journal.db", "journal.db.reserve"}
    assert query(path, "SELECT value FROM meta WHERE name = 'is_clean'") == 1


async def test_a_run_that_has_not_ended_is_marked_so(path: Path) -> None:
    async with running(path):
        assert query(path, "SELECT value FROM meta WHERE name = 'is_clean'") == 0


async def test_a_path_with_odd_characters_is_a_path(tmp_path: Path) -> None:
    await write_some(tmp_path / "état ?mode=ro#x%20.db")
    assert (tmp_path / "état ?mode=ro#x%20.db").stat().st_size > 0


# --- files that are refused ---


async def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    await write_some(path)
    query(path, f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    assert "newer kazid" in await refusal(path)
    assert path.read_bytes() == before


async def test_a_database_of_another_program_is_refused(path: Path) -> None:
    query(path, "CREATE TABLE notes (text)")
    assert "another program" in await refusal(path)
    query(path, "PRAGMA application_id = 77")
    assert "another program" in await refusal(path)


@pytest.mark.parametrize("size", [100, 5000, 100_000])
async def test_a_file_that_is_not_a_database_is_refused(path: Path, size: int) -> None:
    path.write_bytes(b"not a database " * (size // 15))
    assert "not a database" in await refusal(path)


@pytest.mark.parametrize("what", ["emptied", "deleted"])
async def test_a_journal_that_lost_everything_is_refused_and_not_begun_anew(path: Path, what: str) -> None:
    await write_some(path, 3)
    if what == "emptied":
        os.truncate(path, 0)
    else:
        path.unlink()
    line = await refusal(path)
    assert "restore it from a copy" in line
    Path(f"{path}.reserve").unlink()
    async with running(path) as journal:
        assert await count_events(journal) == 0, "the line says how to begin anew"


async def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    assert "directory" in await refusal(path)


async def test_a_symlink_in_its_place_is_refused(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere.db")
    assert "symbolic links" in await refusal(path)


async def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "No such file or directory" in await refusal(tmp_path / "missing" / "journal.db")


async def test_a_read_only_file_is_refused(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    await write_some(path)
    path.chmod(0o444)
    with as_nobody():
        assert "Permission denied" in await refusal(path)


async def test_a_read_only_folder_is_refused(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    await write_some(path)
    os.chown(path, 65534 if os.geteuid() == 0 else -1, -1)
    open_folder.chmod(0o555)
    with as_nobody():
        assert "cannot write in" in await refusal(path)
    open_folder.chmod(0o755)


@needs_root
async def test_a_read_only_file_system_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, size="8m"):
        await write_some(disk / "journal.db")
        os.system(f"mount -o remount,ro {disk}")
        assert "Read-only file system" in await refusal(disk / "journal.db")


# --- damaged files ---


def damage(path: Path) -> None:
    """Overwrite the pages in the middle, as a bad disk would."""
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 8)


async def test_a_damaged_file_is_refused_after_an_unclean_end(path: Path) -> None:
    await write_some(path, 200)
    query(path, "UPDATE meta SET value = 0 WHERE name = 'is_clean'")
    damage(path)
    assert "damaged" in await refusal(path)


async def test_a_large_file_is_not_looked_through_at_the_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_some(path, 200)
    query(path, "UPDATE meta SET value = 0 WHERE name = 'is_clean'")
    damage(path)
    monkeypatch.setattr(database, "QUICK_CHECK_BYTES_MAX", 1000)
    async with await SqliteJournal.open(path):
        pass


async def test_damage_found_later_ends_the_writer_and_with_it_the_process(path: Path) -> None:
    await write_some(path, 2000)
    damage(path)

    async def daemon() -> None:
        async with running(path) as journal:
            with pytest.raises(JournalUnusable, match="damaged"):
                await count_events(journal)
            with pytest.raises(JournalUnusable, match="damaged"):
                await append(journal, expected_seq=2000)

    with pytest.raises(ExceptionGroup) as caught:
        await daemon()
    assert caught.group_contains(JournalUnusable, match="damaged")
    assert database_threads() == []


async def test_a_file_that_lost_its_end_is_refused(path: Path) -> None:
    await write_some(path, 200)
    os.truncate(path, path.stat().st_size // 2)
    assert "damaged" in await refusal(path)


# --- migrations ---


def test_a_migration_happens_once_and_step_by_step(tmp_path: Path) -> None:
    steps = (
        *schema.MIGRATIONS,
        ("ALTER TABLE goals ADD COLUMN node TEXT",),
        ("UPDATE goals SET node = 'here'",),
    )
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as connection:
        base = len(schema.MIGRATIONS)
        schema.migrate(connection, 0)
        connection.execute("INSERT INTO goals VALUES ('uid', 'ada', 'web', 0, 0)")
        assert schema.check_ours(connection, "journal.db", newest=base + 2) == base
        schema.migrate(connection, base, steps)
        assert connection.execute("SELECT node FROM goals").fetchall() == [("here",)]
        assert schema.check_ours(connection, "journal.db", newest=base + 2) == base + 2
        schema.migrate(connection, base + 2, steps)


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    steps = (*schema.MIGRATIONS, ("CREATE TABLE nodes (name TEXT)", "INSERT INTO nowhere VALUES (1)"))
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            schema.migrate(connection, 0, steps)
        assert schema.check_ours(connection, "journal.db") == schema.SCHEMA_VERSION
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        assert "events" in tables
        assert "nodes" not in tables
