"""What every journal promises: each sentence of `ports/journal.py` is a test with its words.

An adapter's test module inherits `JournalContract` and gives it a `lab`: a journal, its disk, and a way to see what a
crash would leave.
"""

import math

import anyio
import anyio.lowlevel
import msgspec
import pytest

from kazid.core.errors import Conflict, JournalUnavailable
from kazid.core.event import ReconcileRequested, Recorded, TaskRecovered
from kazid.core.ids import GoalUid, Offset, Seq
from kazid.core.instant import Now
from kazid.ports.journal import EVENTS_PER_APPEND_MAX, READ_LIMIT_MAX, Receipt
from tests.contracts.journal_bookkeeping_contract import BookkeepingContract
from tests.contracts.journal_lab import AT, OTHER, UID, Lab, a_header, append, names, stored


class JournalContract(BookkeepingContract):
    """Inherit, and provide the fixtures `lab` and `anyio_backend`."""

    # --- append ---

    async def test_append_is_all_or_nothing(self, lab: Lab) -> None:
        journal = lab.journal
        await append(journal, "a", header=a_header())
        with pytest.raises(Conflict):  # of the header: the name is taken
            await append(journal, "b", "c", uid=OTHER, header=a_header(OTHER), idempotency_key="key")
        assert await stored(journal, OTHER) == []
        assert await journal.find_key("key") is None
        assert [header.uid for header in await journal.headers()] == [UID]
        assert await journal.head() == 1

    async def test_append_is_durable_on_return(self, lab: Lab) -> None:
        await append(lab.journal, "a", "b", header=a_header(), idempotency_key="key")
        async with lab.found_after_crash() as found:
            assert await stored(found) == ["a", "b"]
            assert await found.headers() == [a_header()]
            assert await found.find_key("key") == Receipt(seq=Seq(2), offset=Offset(2))
            assert (await append(found, "c", expected_seq=2)).seq == 3

    async def test_append_says_where_the_last_event_is(self, lab: Lab) -> None:
        receipt = await append(lab.journal, "a", "b", "c")
        last = (await lab.journal.read(UID, after_seq=Seq(2)))[0]
        assert (receipt.seq, receipt.offset) == (3, last.offset)

    async def test_uid_and_seq_is_unique_and_without_a_gap(self, lab: Lab) -> None:
        won: list[str] = []

        async def writer(name: str) -> None:
            seq = 0
            while seq < 20:
                try:
                    seq = (await append(lab.journal, f"{name}{seq}", expected_seq=seq)).seq
                except Conflict as conflict:
                    seq = conflict.actual_seq
                else:
                    won.append(name)

        async with anyio.create_task_group() as group:
            for name in "abcd":
                group.start_soon(writer, name)
        records = await lab.journal.read(UID, after_seq=Seq(0))
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert len(won) == len(records)

    @pytest.mark.parametrize("wrong_seq", [0, 1, 3, 9])
    async def test_a_stale_expected_seq_raises_conflict_and_writes_nothing(
        self, lab: Lab, wrong_seq: int
    ) -> None:
        await append(lab.journal, "a", "b", header=a_header())
        changed = a_header(snapshot_seq=Seq(2))
        with pytest.raises(Conflict) as caught:
            await append(lab.journal, "x", expected_seq=wrong_seq, header=changed, idempotency_key="key")
        assert (caught.value.uid, caught.value.expected_seq, caught.value.actual_seq) == (UID, wrong_seq, 2)
        assert await stored(lab.journal) == ["a", "b"]
        assert await lab.journal.headers() == [a_header()]
        assert await lab.journal.find_key("key") is None

    async def test_one_conflict_does_not_fail_appends_made_at_the_same_time(self, lab: Lab) -> None:
        await append(lab.journal, "a")
        outcomes: dict[str, object] = {}

        async def writer(uid: GoalUid, expected_seq: int) -> None:
            try:
                outcomes[uid] = (await append(lab.journal, "x", uid=uid, expected_seq=expected_seq)).seq
            except Conflict:
                outcomes[uid] = "conflict"

        async with anyio.create_task_group() as group:
            group.start_soon(writer, GoalUid("uid-0"), 0)
            group.start_soon(writer, UID, 7)
            group.start_soon(writer, OTHER, 0)
        assert outcomes == {"uid-0": 1, UID: "conflict", OTHER: 1}

    async def test_retrying_with_the_same_expected_seq_and_events_is_answered_with_the_first_receipt(
        self, lab: Lab
    ) -> None:
        first = await append(lab.journal, "a", "b")
        await append(lab.journal, "c", expected_seq=2)
        again = await append(lab.journal, "a", "b", at=Now(9.0, 9.0, "boot-2"))
        assert again == first
        assert await stored(lab.journal) == ["a", "b", "c"]

    @pytest.mark.parametrize("others", [("a", "x"), ("a",), ("a", "b", "c", "d"), ("b", "a")], ids="-".join)
    async def test_a_retry_that_differs_is_a_conflict(self, lab: Lab, others: tuple[str, ...]) -> None:
        await append(lab.journal, "a", "b", "c")
        if others == ("a",):
            assert (await append(lab.journal, *others)).seq == 1  # a part that is there, byte for byte
            return
        with pytest.raises(Conflict):
            await append(lab.journal, *others)
        assert await stored(lab.journal) == ["a", "b", "c"]

    async def test_a_retry_that_overtakes_nobody_is_stored_once(self, lab: Lab) -> None:
        receipts: list[Receipt] = []

        async def writer() -> None:
            receipts.append(await append(lab.journal, "a", "b"))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(writer)
        assert receipts == [receipts[0]] * 5
        assert await stored(lab.journal) == ["a", "b"]

    @pytest.mark.parametrize("checkpoints", range(6))
    async def test_a_cancelled_caller_may_still_have_appended(self, lab: Lab, checkpoints: int) -> None:
        finished: list[Receipt] = []

        async def caller() -> None:
            finished.append(await append(lab.journal, "a", "b"))

        async with anyio.create_task_group() as group:
            group.start_soon(caller)
            for _ in range(checkpoints):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        receipt = await append(lab.journal, "a", "b")
        assert finished in ([], [receipt])
        assert await stored(lab.journal) == ["a", "b"]

    async def test_an_append_of_the_most_events_is_stored_in_order(self, lab: Lab) -> None:
        many = [str(n) for n in range(EVENTS_PER_APPEND_MAX)]
        receipt = await append(lab.journal, *many)
        assert receipt.seq == EVENTS_PER_APPEND_MAX
        assert await stored(lab.journal) == many

    @pytest.mark.parametrize("count", [0, EVENTS_PER_APPEND_MAX + 1])
    async def test_any_other_number_of_events_is_a_bug(self, lab: Lab, count: int) -> None:
        with pytest.raises(AssertionError):
            await append(lab.journal, *["x"] * count)
        assert await lab.journal.head() == 0

    async def test_what_could_not_be_read_back_is_never_stored(self, lab: Lab) -> None:
        poison = TaskRecovered(shift_s=math.nan, down_s=0.0)
        with pytest.raises(msgspec.ValidationError):
            await lab.journal.append(UID, [poison], at=AT, expected_seq=Seq(0))
        assert await lab.journal.read(UID, after_seq=Seq(0)) in ((), [])

    # --- the disk ---

    async def test_a_full_or_failing_disk_raises_journal_unavailable_and_leaves_what_was_stored_readable(
        self, lab: Lab
    ) -> None:
        await append(lab.journal, "a", header=a_header(), idempotency_key="key")
        lab.fill_disk()
        try:
            with pytest.raises(JournalUnavailable):
                await append(lab.journal, "b", expected_seq=1)
            with pytest.raises(JournalUnavailable):
                await lab.journal.check_writable()
            assert await stored(lab.journal) == ["a"]
            assert names(await lab.journal.tail(after=Offset(0))) == ["a"]
            assert await lab.journal.headers() == [a_header()]
            assert await lab.journal.find_key("key") is not None
        finally:
            lab.empty_disk()

    async def test_appends_succeed_again_when_there_is_room_again(self, lab: Lab) -> None:
        await append(lab.journal, "a")
        lab.fill_disk()
        try:
            with pytest.raises(JournalUnavailable):
                await append(lab.journal, "b", expected_seq=1)
        finally:
            lab.empty_disk()
        await lab.journal.check_writable()
        assert (await append(lab.journal, "b", expected_seq=1)).seq == 2
        assert await stored(lab.journal) == ["a", "b"]

    async def test_check_writable_changes_nothing_of_meaning(self, lab: Lab) -> None:
        await append(lab.journal, "a", header=a_header())
        for _ in range(3):
            await lab.journal.check_writable()
        assert await lab.journal.head() == 1
        assert await lab.journal.headers() == [a_header()]

    # --- reading ---

    async def test_offset_rises_in_commit_order_over_all_goals(self, lab: Lab) -> None:
        committed: list[Receipt] = []

        async def writer(uid: GoalUid) -> None:
            for seq in range(10):
                receipt = await append(lab.journal, f"{uid}/{seq}", uid=uid, expected_seq=seq)
                committed.append(receipt)

        await writer(UID)
        async with anyio.create_task_group() as group:
            for n in range(5):
                group.start_soon(writer, GoalUid(f"goal-{n}"))
        await writer(OTHER)
        offsets = [receipt.offset for receipt in committed]
        assert len(set(offsets)) == len(offsets)
        assert max(offsets[:10]) < min(offsets[10:-10])
        assert max(offsets[10:-10]) < min(offsets[-10:])
        records = await lab.journal.tail(after=Offset(0))
        assert [record.offset for record in records] == sorted(offsets)
        for uid in {record.uid for record in records}:
            assert [r.seq for r in records if r.uid == uid] == list(range(1, 11))

    async def test_a_reader_that_pages_by_offset_sees_every_event_exactly_once(self, lab: Lab) -> None:
        seen: list[str] = []
        total = 6 * 30

        async def writer(uid: GoalUid) -> None:
            for seq in range(0, 30, 3):
                batch = [f"{uid}/{seq + n}" for n in range(3)]
                await append(lab.journal, *batch, uid=uid, expected_seq=seq)

        async def reader() -> None:
            after = Offset(0)
            while len(seen) < total:
                page = await lab.journal.tail(after=after, limit=7)
                seen.extend(names(page))
                after = page[-1].offset if page else after

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(reader)
                for n in range(6):
                    group.start_soon(writer, GoalUid(f"goal-{n}"))
        assert len(set(seen)) == len(seen) == total

    async def test_read_gives_events_of_one_incarnation_with_a_greater_seq_in_order(self, lab: Lab) -> None:
        await append(lab.journal, "a", "b", "c", "d")
        await append(lab.journal, "x", uid=OTHER)
        assert names(await lab.journal.read(UID, after_seq=Seq(1))) == ["b", "c", "d"]
        assert names(await lab.journal.read(UID, after_seq=Seq(1), limit=2)) == ["b", "c"]
        assert names(await lab.journal.read(UID, after_seq=Seq(4))) == []
        assert names(await lab.journal.read(GoalUid("nobody"), after_seq=Seq(0))) == []

    async def test_tail_gives_events_of_all_goals_or_one_in_commit_order(self, lab: Lab) -> None:
        await append(lab.journal, "a", "b")
        await append(lab.journal, "x", uid=OTHER)
        await append(lab.journal, "c", expected_seq=2)
        assert names(await lab.journal.tail(after=Offset(1))) == ["b", "x", "c"]
        assert names(await lab.journal.tail(after=Offset(1), limit=1)) == ["b"]
        assert names(await lab.journal.tail(after=Offset(1), uid=UID)) == ["b", "c"]
        assert names(await lab.journal.tail(after=Offset(2), uid=UID, limit=1)) == ["c"]
        assert names(await lab.journal.tail(after=Offset(4))) == []

    async def test_an_event_comes_back_as_it_went_in(self, lab: Lab) -> None:
        event = ReconcileRequested(by='ä "quoted"\n\x00\U0001f600 []{},')
        uid = GoalUid('uid-"ä"')
        await lab.journal.append(uid, [event], at=AT, expected_seq=Seq(0))
        [record] = await lab.journal.tail(after=Offset(0))
        assert record == Recorded(offset=Offset(1), uid=uid, seq=Seq(1), at=AT, event=event)

    @pytest.mark.parametrize("limit", [0, READ_LIMIT_MAX + 1])
    async def test_a_page_is_bounded(self, lab: Lab, limit: int) -> None:
        with pytest.raises(AssertionError):
            await lab.journal.read(UID, after_seq=Seq(0), limit=limit)
        with pytest.raises(AssertionError):
            await lab.journal.tail(after=Offset(0), limit=limit)

    async def test_head_is_the_offset_of_the_newest_event_and_0_when_there_is_none(self, lab: Lab) -> None:
        assert await lab.journal.head() == 0
        receipt = await append(lab.journal, "a", "b")
        assert await lab.journal.head() == receipt.offset
