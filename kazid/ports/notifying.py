"""What notifications need of the world: the outbox that the journal keeps, and somebody who carries a message.

Contract of the outbox: a notice is durable if and only if its event is; `save_routes` is all or nothing and durable on
return; what it saved is what `route_states` tells after any crash. Contract of a courier: it returns within its
deadline whatever the other side does, and never raises for it; the same message is the same bytes at every try.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from kazid.core.notice import Noticed
from kazid.core.route import Message, RouteState

NOTICES_PER_PAGE_MAX = 500


class Delivered(msgspec.Struct, frozen=True):
    """The other side took it."""


class Undelivered(msgspec.Struct, frozen=True):
    """It did not, or nobody can tell. `retry_after_s`: what it asked for."""

    reason: str
    retry_after_s: float | None = None


Delivery: TypeAlias = Delivered | Undelivered


class Outbox(Protocol):
    """Notices and what routes remember. Adapter: sqlite."""

    async def notices(self, *, after: int, limit: int = NOTICES_PER_PAGE_MAX) -> Sequence[Noticed]:
        """Notices of events with offset > after, in commit order. Raises JournalUnavailable."""
        ...

    async def route_states(self) -> Mapping[str, RouteState]:
        """What each route remembers. Raises JournalUnavailable."""
        ...

    async def save_routes(self, states: Mapping[str, RouteState], *, taken: int) -> None:
        """Remember these and forget all other routes, and notices up to `taken`. Raises JournalUnavailable."""
        ...


class Courier(Protocol):
    """Carries messages to one target."""

    async def deliver(self, message: Message, *, route: str) -> Delivery:
        """Bring it there."""
        ...
