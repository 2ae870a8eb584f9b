"""What every journal promises beside its events: headers, idempotency keys, retention. Part of `JournalContract`."""

import anyio
import msgspec
import pytest

from kazid.core.errors import Conflict
from kazid.core.event import SnapshotTaken
from kazid.core.ids import GoalUid, Offset, Seq
from kazid.core.instant import Now
from kazid.core.progress import Progress
from kazid.ports.journal import EVENTS_PER_APPEND_MAX
from tests.builders import a_goal
from tests.contracts.journal_lab import AT, OTHER, UID, Lab, a_header, append, stored

DAY_S = 86_400.0


class BookkeepingContract:
    """Inherited by `JournalContract`."""

    # --- headers ---

    async def test_header_upserts_the_goals_row_in_the_same_transaction(self, lab: Lab) -> None:
        await append(lab.journal, "a", header=a_header())
        await append(lab.journal, "b", expected_seq=1, header=a_header(snapshot_seq=Seq(2)))
        assert await lab.journal.headers() == [a_header(snapshot_seq=Seq(2))]

    async def test_at_most_one_header_per_owner_and_id_is_not_deleted(self, lab: Lab) -> None:
        await append(lab.journal, "a", header=a_header())
        with pytest.raises(Conflict) as caught:
            await append(lab.journal, "x", uid=OTHER, header=a_header(OTHER))
        assert caught.value.uid == UID
        await append(lab.journal, "b", expected_seq=1, header=a_header(is_deleted=True))
        await append(lab.journal, "x", uid=OTHER, header=a_header(OTHER))
        assert {(h.uid, h.is_deleted) for h in await lab.journal.headers()} == {(UID, True), (OTHER, False)}

    async def test_of_two_that_take_a_name_at_the_same_time_one_gets_it(self, lab: Lab) -> None:
        won: list[GoalUid] = []

        async def taker(uid: GoalUid) -> None:
            try:
                await append(lab.journal, "a", uid=uid, header=a_header(uid))
            except Conflict:
                return
            won.append(uid)

        async with anyio.create_task_group() as group:
            for n in range(5):
                group.start_soon(taker, GoalUid(f"uid-{n}"))
        assert len(won) == 1
        assert [header.uid for header in await lab.journal.headers()] == won

    async def test_deleted_ones_are_headers_until_they_are_forgotten_and_their_events_stay(
        self, lab: Lab
    ) -> None:
        await append(lab.journal, "a", header=a_header(is_deleted=True))
        assert [header.uid for header in await lab.journal.headers()] == [UID]
        await lab.journal.forget(UID)
        await lab.journal.forget(UID)
        assert list(await lab.journal.headers()) == []
        assert await stored(lab.journal) == ["a"]

    async def test_forget_leaves_a_goal_that_is_not_deleted(self, lab: Lab) -> None:
        await append(lab.journal, "a", header=a_header())
        await lab.journal.forget(UID)
        assert [header.uid for header in await lab.journal.headers()] == [UID]

    # --- idempotency keys ---

    async def test_find_key_gives_the_receipt_of_the_append_that_carried_it(self, lab: Lab) -> None:
        assert await lab.journal.find_key("key") is None
        receipt = await append(lab.journal, "a", idempotency_key="key")
        await append(lab.journal, "b", expected_seq=1, idempotency_key="other")
        assert await lab.journal.find_key("key") == receipt

    async def test_the_first_append_that_carried_a_key_keeps_it(self, lab: Lab) -> None:
        receipt = await append(lab.journal, "a", idempotency_key="key")
        await append(lab.journal, "b", expected_seq=1, idempotency_key="key")
        assert await lab.journal.find_key("key") == receipt

    async def test_a_key_is_remembered_for_24_h(self, lab: Lab) -> None:
        await append(lab.journal, "a", idempotency_key="old")
        almost = Now(AT.boot_s + DAY_S, AT.wall_s + DAY_S - 1, AT.boot_id)
        await append(lab.journal, "b", expected_seq=1, at=almost, idempotency_key="new")
        assert await lab.journal.find_key("old") is not None
        later = Now(AT.boot_s + DAY_S, AT.wall_s + DAY_S + 1, AT.boot_id)
        receipt = await append(lab.journal, "c", expected_seq=2, at=later, idempotency_key="newer")
        assert await lab.journal.find_key("old") is None
        assert await lab.journal.find_key("newer") == receipt

    # --- retention ---

    async def test_discard_before_drops_events_before_a_snapshot(self, lab: Lab) -> None:
        snapshot = SnapshotTaken(progress=msgspec.Raw(msgspec.json.encode(Progress())), goal=a_goal())
        await append(lab.journal, "a", "b", header=a_header())
        header = a_header(snapshot_seq=Seq(3))
        await lab.journal.append(UID, [snapshot], at=AT, expected_seq=Seq(2), header=header)
        await append(lab.journal, "c", expected_seq=3)
        await append(lab.journal, "x", uid=OTHER)
        assert await lab.journal.discard_before(UID, seq=Seq(3)) == 2
        assert await lab.journal.discard_before(UID, seq=Seq(3)) == 0
        records = await lab.journal.read(UID, after_seq=Seq(0))
        assert [record.seq for record in records] == [3, 4]
        assert [record.offset for record in await lab.journal.tail(after=Offset(0))] == [3, 4, 5]
        assert (await append(lab.journal, "d", expected_seq=4)).seq == 5

    async def test_what_the_fold_needs_is_never_discarded(self, lab: Lab) -> None:
        await append(lab.journal, "a", "b", header=a_header())
        with pytest.raises(AssertionError):
            await lab.journal.discard_before(UID, seq=Seq(2))
        assert await stored(lab.journal) == ["a", "b"]

    async def test_discard_before_is_bounded_per_call_and_0_means_done(self, lab: Lab) -> None:
        for seq in range(0, 2048, EVENTS_PER_APPEND_MAX):
            await append(lab.journal, *["x"] * EVENTS_PER_APPEND_MAX, expected_seq=seq)
        dropped = []
        while (count := await lab.journal.discard_before(UID, seq=Seq(2048))) > 0:
            dropped.append(count)
        assert sum(dropped) == 2047
        assert max(dropped) <= 1000

    async def test_discard_forgotten_drops_events_of_forgotten_incarnations_whose_newest_is_older(
        self, lab: Lab
    ) -> None:
        await append(lab.journal, "a", header=a_header(is_deleted=True))
        later = Now(AT.boot_s + DAY_S, AT.wall_s + DAY_S, AT.boot_id)
        await append(lab.journal, "b", expected_seq=1, at=later)
        await append(lab.journal, "x", uid=OTHER, header=a_header(OTHER, name="other"))
        assert await lab.journal.discard_forgotten(before_wall_s=later.wall_s + 1) == [], (
            "nothing is forgotten yet"
        )
        await lab.journal.forget(UID)
        assert await lab.journal.discard_forgotten(before_wall_s=later.wall_s) == [], (
            "its newest is not older"
        )
        assert await lab.journal.discard_forgotten(before_wall_s=later.wall_s + 1) == [UID]
        assert await lab.journal.discard_forgotten(before_wall_s=later.wall_s + 1) == []
        assert [r.uid for r in await lab.journal.tail(after=Offset(0))] == [OTHER]

    async def test_discard_forgotten_is_bounded_per_call(self, lab: Lab) -> None:
        for seq in range(0, 1536, EVENTS_PER_APPEND_MAX):
            await append(lab.journal, *["x"] * EVENTS_PER_APPEND_MAX, expected_seq=seq)
        assert await lab.journal.discard_forgotten(before_wall_s=AT.wall_s + 1) == []
        assert len(await lab.journal.read(UID, after_seq=Seq(0))) == 536
        assert await lab.journal.discard_forgotten(before_wall_s=AT.wall_s + 1) == [UID]
        assert list(await lab.journal.tail(after=Offset(0))) == []
