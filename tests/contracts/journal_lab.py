"""What the journal contracts need of an adapter, and the small words they are written in."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from kazid.core.event import Event, ReconcileRequested, Recorded
from kazid.core.ids import GoalId, GoalUid, Owner, Seq
from kazid.core.instant import Now
from kazid.ports.journal import GoalHeader, Journal, Receipt

AT = Now(1234.567890123, 1_700_000_000.1234567, "boot-1")
UID = GoalUid("uid-1")
OTHER = GoalUid("uid-2")


class Lab(Protocol):
    """A journal and what surrounds it."""

    journal: Journal

    def found_after_crash(self) -> AbstractAsyncContextManager[Journal]:
        """The journal that another daemon opens when this one is killed now."""
        ...

    def fill_disk(self) -> None:
        """Every write fails from here on."""
        ...

    def empty_disk(self) -> None:
        """Writes succeed again."""
        ...


def events(*names: str) -> Sequence[Event]:
    """Small events that can be told apart."""
    return [ReconcileRequested(by=name) for name in names]


def names(records: Sequence[Recorded]) -> list[str]:
    return [record.event.by for record in records if isinstance(record.event, ReconcileRequested)]


def a_header(uid: GoalUid = UID, *, name: str = "web", **fields: Any) -> GoalHeader:
    return GoalHeader(
        **{"uid": uid, "owner": Owner("ada"), "id": GoalId(name), "is_deleted": False, **fields}
    )


async def append(
    journal: Journal, *names: str, uid: GoalUid = UID, expected_seq: int = 0, at: Now = AT, **fields: Any
) -> Receipt:
    return await journal.append(uid, events(*names), at=at, expected_seq=Seq(expected_seq), **fields)


async def stored(journal: Journal, uid: GoalUid = UID) -> list[str]:
    return names(await journal.read(uid, after_seq=Seq(0)))
