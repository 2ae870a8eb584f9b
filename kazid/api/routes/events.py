"""`events`: the journal in commit order, from any offset, without a gap and without a duplicate.

Nothing is pushed and so nothing is lost: the reader pages from its own offset, and sleeps until the journal has grown
beyond what it knew when it found nothing (DESIGN §6).
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated

import anyio
from msgspec import Meta
from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Query, Reply
from kazid.api.streams import StreamResponse, line
from kazid.api.translate import event_item
from kazid.core.errors import JournalUnavailable, UnknownGoal
from kazid.core.event import Recorded
from kazid.core.ids import Offset
from kazid.core.roles import Need, Target
from kazid.wire.messages import EventItem
from kazid.wire.names import CONTENT_LINES

PAGE = 500
GATHER_S = 0.02
"""Between news and looking: events come in bursts, and a reader of one goal hears of everybody's."""
OFFSET_MAX = 2**63 - 1


class EventsQuery(Query, frozen=True, kw_only=True):
    """From where, of which goal, how many, and whether to wait for more."""

    after: Annotated[int, Meta(ge=0, le=OFFSET_MAX, description="offset of the last event that is known")] = 0
    goal: Annotated[str, Meta(pattern="^[^/]+/.", description="owner/id; the owner may be @me")] | None = None
    limit: Annotated[int, Meta(ge=1, le=OFFSET_MAX, description="end after so many")] = OFFSET_MAX
    follow: bool = False


async def events(call: Call) -> Response:
    """Events after an offset: those there are, or, following, those to come as well."""
    query = call.query(EventsQuery)
    goal = None
    if query.goal is not None:
        owner, _, goal_id = query.goal.partition("/")
        goal = (call.resolve_owner(owner), goal_id)
        call.must(Need.EVIDENCE, Target(owner=goal[0]))
    reader = _Reader(call, query, goal)
    first = await reader.page()
    return StreamResponse(reader.lines(first), media_type=CONTENT_LINES, stopping=call.service.stopping)


class _Reader:
    """One client's place in the journal."""

    def __init__(self, call: Call, query: EventsQuery, goal: tuple[str, str] | None) -> None:
        self._call = call
        self._service = call.service
        self._goal = goal
        self._follows = query.follow
        self._after = Offset(query.after)
        self._left = query.limit
        self._uid: str | None = None
        """The incarnation that was read last, where only one goal is read."""

    async def lines(self, page: Sequence[Recorded]) -> AsyncGenerator[bytes, None]:
        """Everything after the offset, starting with a page that was read already."""
        while True:
            for recorded in page:
                assert recorded.offset > self._after, "commit order, each event once"
                self._after = recorded.offset
                self._uid = recorded.uid
                names = self._service.names(recorded.uid)
                if self._is_told(names):
                    self._left -= 1
                    yield line(event_item(recorded, names))
            if self._left <= 0:
                return
            if not page:
                if not self._follows or self._service.stopping.is_set():
                    return
                await self._service.wait_news(self._known)
                await anyio.sleep(GATHER_S)
            try:
                page = await self._next_page()
            except JournalUnavailable:
                return  # the client resumes from its offset

    def _is_told(self, names: tuple[str, str] | None) -> bool:
        """Events hold evidence, so a caller with roles reads those of its own goals."""
        owner = "" if names is None else names[0]
        return self._call.lacks(Need.EVIDENCE, Target(owner=owner)) is None

    async def page(self) -> Sequence[Recorded]:
        """The next events. Raises UnknownGoal, JournalUnavailable."""
        # Known before reading: what is committed during the read is beyond it, and ends the next wait at once.
        self._known = self._service.state().head
        owner, goal_id = self._goal or (None, None)
        return await self._service.events(
            after=self._after, owner=owner, goal_id=goal_id, limit=min(PAGE, self._left)
        )

    async def _next_page(self) -> Sequence[Recorded]:
        try:
            return await self.page()
        except UnknownGoal:
            self._follows = False
            return await self._last_words()

    async def _last_words(self) -> Sequence[Recorded]:
        """What a goal that was deleted meanwhile still said."""
        found: list[Recorded] = []
        after = self._after
        while records := await self._service.events(after=after, limit=PAGE):
            after = records[-1].offset
            found += [r for r in records if r.uid == self._uid]
        return found[: self._left]


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/events",
        operation="events",
        needs=Need.PRESENCE,
        summary="What happened, in commit order; resumes from any offset",
        handle=events,
        query=EventsQuery,
        replies=(Reply(description="one event a line", body=EventItem, media_type=CONTENT_LINES),),
        errors=(404, 507),
    ),
)
