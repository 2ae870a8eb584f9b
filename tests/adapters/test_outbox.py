"""The outbox in the journal's file: in the transaction of the event, and as durable."""

from pathlib import Path

import pytest

from kazid.core.errors import Conflict
from kazid.core.event import GoalDeleted, IncidentOpened, ReconcileRequested, StatusChanged
from kazid.core.fleet import FLEET_UID
from kazid.core.ids import Epoch, GoalId, Owner, Seq
from kazid.core.receiver import Alert, Message, Outgoing, ReceiverState
from kazid.core.status import Cause, GoalStatus
from kazid.ports.journal import GoalHeader
from kazid.runtime.fleet import HEADER
from tests.adapters.sqlite_lab import AT, UID, running

STUCK = StatusChanged(status=GoalStatus.STUCK, cause=Cause.NO_PROGRESS, reason="tried all")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_notice_goes_in_with_its_event_and_with_no_other(tmp_path: Path) -> None:
    header = GoalHeader(uid=UID, owner=Owner("ada"), id=GoalId("web"), is_deleted=False)
    async with running(tmp_path / "journal.db") as journal:
        asked = ReconcileRequested(by="ada")
        await journal.append(UID, [asked, STUCK], at=AT, expected_seq=Seq(0), header=header)
        with pytest.raises(Conflict):
            await journal.append(UID, [GoalDeleted(epoch=Epoch(2), by="eve")], at=AT, expected_seq=Seq(0))
        opened = IncidentOpened(red=["a"], acting=[], active=4)
        await journal.append(FLEET_UID, [opened], at=AT, expected_seq=Seq(0), header=HEADER)
        first, second = await journal.notices(after=0)
        assert (first.ref, first.seq, first.offset, first.at_wall_s) == ("ada/web", 2, 2, AT.wall_s)
        assert (first.notice.status, first.notice.cause, first.notice.reason) == (
            "stuck",
            "no_progress",
            "tried all",
        )
        assert (second.ref, second.uid, second.notice.status) == ("", "fleet", "incident")
        assert await journal.notices(after=first.offset) == [second]


async def test_an_append_that_is_repeated_is_one_notice(tmp_path: Path) -> None:
    async with running(tmp_path / "journal.db") as journal:
        for _ in range(2):
            await journal.append(UID, [STUCK], at=AT, expected_seq=Seq(0))
        assert len(await journal.notices(after=0)) == 1


async def test_what_receivers_remember_survives_and_what_all_have_taken_goes(tmp_path: Path) -> None:
    alert = Alert(ref="ada/web", status="stuck", since_wall_s=1.0, offset=1, told_wall_s=2.0)
    outgoing = Outgoing(message=Message(id="m", at_wall_s=3.0, lines=()), next_wall_s=4.0, tries=2)
    state = ReceiverState(cursor=1, alerts={"u": alert}, outgoing=outgoing)
    async with running(tmp_path / "journal.db") as journal:
        await journal.append(UID, [STUCK, STUCK], at=AT, expected_seq=Seq(0))
        await journal.save_receivers({"ops": state, "old": ReceiverState()}, taken=1)
        await journal.save_receivers({"ops": state}, taken=1)
    async with running(tmp_path / "journal.db") as journal:
        found = await journal.receiver_states()
        assert found.keys() == {"ops"}
        assert (found["ops"].alerts["u"], found["ops"].cursor) == (alert, 1)
        assert found["ops"].outgoing is not None
        assert found["ops"].outgoing.message.id == "m"
        assert [n.offset for n in await journal.notices(after=0)] == [2]
