"""What notifications need of the world: the outbox that the journal keeps, and somebody who carries a message.

Contract of the outbox: a notice is durable if and only if its event is; `save_receivers` is all or nothing and durable
on return; what it saved is what `receiver_states` tells after any crash. Contract of a courier: it returns within its
deadline whatever the other side does, and never raises for it; the same message is the same bytes at every try.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from kazid.core.notice import Noticed
from kazid.core.receiver import Message, ReceiverState

NOTICES_PER_PAGE_MAX = 500


class Delivered(msgspec.Struct, frozen=True):
    """The other side took it."""


class Undelivered(msgspec.Struct, frozen=True):
    """It did not, or nobody can tell. `retry_after_s`: what it asked for."""

    reason: str
    retry_after_s: float | None = None


Delivery: TypeAlias = Delivered | Undelivered


class Outbox(Protocol):
    """Notices and what receivers remember. Adapter: sqlite."""

    async def notices(self, *, after: int, limit: int = NOTICES_PER_PAGE_MAX) -> Sequence[Noticed]:
        """Notices of events with offset > after, in commit order. Raises JournalUnavailable."""
        ...

    async def receiver_states(self) -> Mapping[str, ReceiverState]:
        """What each receiver remembers. Raises JournalUnavailable."""
        ...

    async def save_receivers(self, states: Mapping[str, ReceiverState], *, taken: int) -> None:
        """Remember these and forget all other receivers, and notices up to `taken`. Raises JournalUnavailable."""
        ...


class Courier(Protocol):
    """Carries messages to one target."""

    async def deliver(self, message: Message, *, receiver: str) -> Delivery:
        """Bring it there."""
        ...
