from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from kazid.adapters.memory.journal import MemoryJournal
from kazid.core.errors import JournalUnavailable
from kazid.core.event import Event
from kazid.core.ids import GoalUid
from kazid.ports.journal import Journal

pytest.register_assert_rewrite(
    "tests.contracts.journal_contract", "tests.contracts.journal_bookkeeping_contract"
)
from tests.contracts.journal_contract import JournalContract
from tests.contracts.journal_lab import append, stored

pytestmark = pytest.mark.anyio


class MemoryLab:
    def __init__(self) -> None:
        self.journal = MemoryJournal()

    @asynccontextmanager
    async def found_after_crash(self) -> AsyncGenerator[Journal, None]:
        yield self.journal.snapshot()

    def fill_disk(self) -> None:
        self.journal.fail_with(JournalUnavailable("disk is full"))

    def empty_disk(self) -> None:
        self.journal.fail_with(None)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lab() -> MemoryLab:
    return MemoryLab()


class TestMemoryJournal(JournalContract):
    async def test_an_urgent_append_may_spend_the_reserve(self, lab: MemoryLab) -> None:
        lab.journal.fail_with(JournalUnavailable("disk is full"), reserve=1)
        with pytest.raises(JournalUnavailable):
            await append(lab.journal, "a")
        await append(lab.journal, "a", is_urgent=True)
        with pytest.raises(JournalUnavailable):
            await append(lab.journal, "b", expected_seq=1, is_urgent=True)

    async def test_a_crash_before_an_append_leaves_nothing_and_after_it_everything(
        self, lab: MemoryLab
    ) -> None:
        snapshots: list[MemoryJournal] = []

        async def crash(uid: GoalUid, events: Sequence[Event]) -> None:
            snapshots.append(lab.journal.snapshot())

        lab.journal.before_append = lab.journal.after_append = crash
        await append(lab.journal, "a")
        assert [await stored(snapshot) for snapshot in snapshots] == [[], ["a"]]

    async def test_a_snapshot_goes_its_own_way(self, lab: MemoryLab) -> None:
        await append(lab.journal, "a")
        snapshot = lab.journal.snapshot()
        await append(lab.journal, "b", expected_seq=1)
        await append(snapshot, "c", expected_seq=1)
        assert (await stored(lab.journal), await stored(snapshot)) == (["a", "b"], ["a", "c"])
