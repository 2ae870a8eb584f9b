import resource
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.ports.journal import Journal

pytest.register_assert_rewrite(
    "tests.contracts.journal_contract", "tests.contracts.journal_bookkeeping_contract"
)
from tests.contracts.journal_contract import JournalContract

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(path: Path) -> AsyncGenerator[SqliteJournal, None]:
    """The journal in this file with its writer, as the supervision tree runs it."""
    async with await SqliteJournal.open(path) as journal, anyio.create_task_group() as group:
        await group.start(lambda *, task_status: journal.run_writer(task_status=task_status))
        yield journal
        group.cancel_scope.cancel()


class SqliteLab:
    def __init__(self, journal: SqliteJournal, path: Path) -> None:
        self.journal = journal
        self._path = path
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    @asynccontextmanager
    async def found_after_crash(self) -> AsyncGenerator[Journal, None]:
        folder = self._path.parent / "after-crash"
        folder.mkdir()
        for name in (self._path.name, f"{self._path.name}-wal"):
            shutil.copy(self._path.parent / name, folder)
        async with running(folder / self._path.name) as found:
            yield found

    def fill_disk(self) -> None:
        # every write to any file fails with EFBIG, which SQLite reports as an I/O error
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, self._limits[1]))

    def empty_disk(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncGenerator[SqliteLab, None]:
    path = tmp_path / "journal.db"
    async with running(path) as journal:
        yield SqliteLab(journal, path)


class TestSqliteJournal(JournalContract):
    pass
