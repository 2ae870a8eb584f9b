"""What happened in a stretch of time, from the journal's file: found by time, by type, a bounded piece at a time."""

from pathlib import Path

import pytest

from kazid.adapters.sqlite import history
from kazid.core.event import EpisodeClosed, EpisodeOpened, ReconcileRequested
from kazid.core.ids import Offset, Seq
from kazid.core.instant import Now
from tests.adapters.sqlite_lab import UID, running

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_events_of_some_types_since_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "HISTORY_OFFSETS_MAX", 7)
    async with running(tmp_path / "journal.db") as journal:
        assert await journal.offset_at(50.0) == 0
        assert await journal.happened((EpisodeOpened,), after=Offset(0)) == ([], 0)
        for number in range(10):
            events = [
                EpisodeOpened(number=number),
                ReconcileRequested(by="ada"),
                EpisodeClosed(number=number, duration_s=1),
            ]
            at = Now(boot_s=float(number), wall_s=100.0 + number, boot_id="b")
            await journal.append(UID, events, at=at, expected_seq=Seq(3 * number))
        await journal.discard_before(UID, seq=Seq(4))
        for wall_s, offset in ((0.0, 3), (100.5, 3), (105.0, 15), (105.5, 18), (999.0, 30)):
            assert await journal.offset_at(wall_s) == offset, wall_s
        after, found = await journal.offset_at(105.0), []
        while True:
            page, reached = await journal.happened((EpisodeOpened, EpisodeClosed), after=after)
            found += [r.event for r in page]
            if reached == after:
                break
            assert reached - after <= 7
            after = reached
        assert [(type(e).__name__, e.number) for e in found] == [
            (kind, n) for n in range(5, 10) for kind in ("EpisodeOpened", "EpisodeClosed")
        ]
