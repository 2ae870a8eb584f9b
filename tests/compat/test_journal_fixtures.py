"""A journal that a released kazid wrote still opens, folds and takes events. The files come from `make_fixture.py`."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import msgspec
import pytest

from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.adapters.sqlite.schema import SCHEMA_VERSION
from kazid.core.event import ReconcileRequested, event_type
from kazid.core.fold import Folded, fold_all
from kazid.core.ids import GoalId, GoalUid, Offset, Owner, Seq
from kazid.core.instant import Now
from kazid.core.progress import Desired
from kazid.core.status import GoalStatus
from kazid.core.verdict import Status
from kazid.ports.journal import GoalHeader

pytestmark = pytest.mark.anyio

FIXTURES = sorted(Path(__file__).parent.glob("journal_v*.db"))
WEB = GoalUid("0123456789abcdef")
TASK = GoalUid("fedcba9876543210")
TYPES_OF_V1 = {
    "goal.applied", "goal.suspended", "goal.resumed", "goal.stopped", "goal.deleted", "goal.parked",
    "reconcile.requested", "task.recovered", "clock.stepped", "predicate.observed", "steady.observed",
    "episode.opened", "episode.closed", "act.intended", "act.ended", "act.deferred", "status.changed",
    "snapshot.taken",
}  # fmt: skip


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=FIXTURES, ids=lambda fixture: fixture.stem)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy: opening migrates."""
    return Path(shutil.copy(request.param, tmp_path / "journal.db"))


async def folded(journal: SqliteJournal, uid: GoalUid, *, after_seq: int = 0) -> Folded:
    return fold_all(await journal.read(uid, after_seq=Seq(after_seq)))


def test_there_is_a_fixture_of_every_schema_version() -> None:
    assert [fixture.stem for fixture in FIXTURES] == [f"journal_v{n}" for n in range(1, SCHEMA_VERSION + 1)]


async def test_every_event_type_of_the_first_version_is_read(path: Path) -> None:
    async with await SqliteJournal.open(path) as journal:
        records = await journal.tail(after=Offset(0))
    assert {event_type(record.event) for record in records} >= TYPES_OF_V1


async def test_opening_brings_the_file_to_the_newest_schema(path: Path) -> None:
    async with await SqliteJournal.open(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_headers_and_keys_are_there(path: Path) -> None:
    async with await SqliteJournal.open(path) as journal:
        headers = {header.uid: header for header in await journal.headers()}
        assert headers[WEB] == GoalHeader(
            uid=WEB, owner=Owner("ada"), id=GoalId("web"), is_deleted=False, snapshot_seq=Seq(23)
        )
        assert headers[TASK].is_deleted
        receipt = await journal.find_key(f"key-{WEB}")
        assert receipt is not None
        assert receipt.seq == 1


async def test_the_whole_history_folds_to_where_the_goal_stood(path: Path) -> None:
    async with await SqliteJournal.open(path) as journal:
        web = await folded(journal, WEB)
        task = await folded(journal, TASK)
    assert web.goal is not None
    assert web.goal.labels == {"team": "web", "größe": "klein"}
    assert web.goal.predicates[0].options["nested"] == {"list": [1, 2.5, None]}
    livez = web.progress.predicates[web.goal.predicates[0].id]
    assert livez.verdict is not None
    assert livez.verdict.status is Status.PASS
    assert (livez.looks, livez.ended_s) == (10, 221.0)
    assert (web.progress.epoch, web.progress.episodes, web.progress.acts) == (2, 1, 1)
    assert web.progress.desired is Desired.ACTIVE
    assert web.progress.status is GoalStatus.OBSERVING
    assert web.progress.converged_sha256 == "s1"
    assert task.goal is not None
    assert task.progress.desired is Desired.DELETED
    assert task.progress.act is None
    assert task.progress.episode is not None
    assert task.progress.episode.tokens == 1580
    assert task.progress.episode.cost_usd == pytest.approx(0.0123)


async def test_the_snapshot_folds_to_the_same_as_the_history_before_it(path: Path) -> None:
    async with await SqliteJournal.open(path) as journal:
        for header in await journal.headers():
            before = fold_all((await journal.read(header.uid, after_seq=Seq(0)))[: header.snapshot_seq - 1])
            since = await folded(journal, header.uid, after_seq=header.snapshot_seq - 1)
            # as JSON, for a sequence is a tuple before it was stored and a list after
            assert msgspec.json.encode(since) == msgspec.json.encode(before)


async def test_it_takes_events_and_drops_old_ones(path: Path) -> None:
    async with await SqliteJournal.open(path) as journal, anyio.create_task_group() as group:
        await group.start(lambda *, task_status: journal.run_writer(task_status=task_status))
        head = await journal.head()
        at = Now(300.0, 1_700_000_300.0, "boot-2")
        receipt = await journal.append(WEB, [ReconcileRequested(by="ada")], at=at, expected_seq=Seq(23))
        assert receipt.offset > head
        assert await journal.discard_before(WEB, seq=Seq(23)) == 22
        await journal.forget(TASK)
        assert [header.uid for header in await journal.headers()] == [WEB]
        assert (await folded(journal, WEB)).progress.epoch == 2
        group.cancel_scope.cancel()
