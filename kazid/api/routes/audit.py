"""`audit`: the trail as it is stored, line by line, and the daemon's own walk along its chain.

An export can be checked by whoever holds it, without trusting this daemon; `verify` is the same walk at its place.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated

import anyio.lowlevel
from msgspec import Meta
from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Query, Reply, json_response
from kazid.api.streams import StreamResponse
from kazid.core.errors import JournalUnavailable
from kazid.core.roles import Need, Target
from kazid.ports.audit import AuditRecord
from kazid.wire import exit_codes
from kazid.wire.chain import ChainCheck, exported_line
from kazid.wire.messages import AuditProblem, AuditReport
from kazid.wire.names import CONTENT_LINES

PAGE = 500
CHECKED_AT_ONCE = 2_000
"""Records between two turns of everybody else: some 5 ms of hashing."""
PROBLEMS_MAX = 100
NUMBER_MAX = 2**63 - 1


class AuditQuery(Query, frozen=True, kw_only=True):
    """From where, and of which goal."""

    after: Annotated[
        int, Meta(ge=0, le=NUMBER_MAX, description="number of the last record that is known")
    ] = 0
    goal: Annotated[str, Meta(pattern="^[^/]+/.", description="owner/id; the owner may be @me")] | None = None


class VerifyQuery(Query, frozen=True, kw_only=True):
    """What was written down elsewhere."""

    head: (
        Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}:[0-9a-f]{64}$", description="NUMBER:HASH of a record")]
        | None
    ) = None


async def export(call: Call) -> Response:
    """Records behind a place: all, or one goal's."""
    query = call.query(AuditQuery)
    goal = None
    if query.goal is None:
        call.must(Need.ADMIN, None)
    else:
        owner, _, goal_id = query.goal.partition("/")
        owner = call.resolve_owner(owner)
        call.must(Need.EVIDENCE, Target(owner=owner))
        goal = f"{owner}/{goal_id}"
    first = await call.context.audit.audit_page(after=query.after, limit=PAGE, goal=goal)
    return StreamResponse(_lines(call, first, goal), media_type=CONTENT_LINES, stopping=call.service.stopping)


async def _lines(call: Call, page: Sequence[AuditRecord], goal: str | None) -> AsyncGenerator[bytes, None]:
    while page:
        yield b"".join(exported_line(each.record, each.digest) + b"\n" for each in page)
        try:
            page = await call.context.audit.audit_page(after=page[-1].number, limit=PAGE, goal=goal)
        except JournalUnavailable:
            return  # the reader goes on from the last number it has


async def verify(call: Call) -> Response:
    """The walk along the whole chain: every damage at its place."""
    query = call.query(VerifyQuery)
    trail, known = call.context.audit, _known(query.head)
    check = ChainCheck(known=known)
    last = await trail.audit_last()
    while page := await trail.audit_page(after=check.number, limit=CHECKED_AT_ONCE):
        for each in page:
            check.add(each.number, each.record, each.digest)
        await anyio.lowlevel.checkpoint()
    check.end(last=last)
    return json_response(
        AuditReport(
            records=check.records,
            head=f"{check.number}:{check.head.hex()}",
            problems=[AuditProblem(number=n, what=what) for n, what in check.problems[:PROBLEMS_MAX]],
            problems_total=len(check.problems),
            exit_code=exit_codes.ERROR if check.problems else exit_codes.OK,
        )
    )


def _known(head: str | None) -> dict[int, bytes]:
    if head is None:
        return {}
    number, _, digest = head.partition(":")
    return {int(number): bytes.fromhex(digest)}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/audit",
        operation="audit",
        needs=Need.PRESENCE,
        summary="The audit trail, or one goal's part of it, with the hash of each record",
        handle=export,
        query=AuditQuery,
        replies=(
            Reply(
                description="one record a line, oldest first",
                media_type=CONTENT_LINES,
                schema={"type": "object"},
            ),
        ),
        errors=(507,),
    ),
    Endpoint(
        method="GET",
        path="/v1/audit/verify",
        operation="audit_verify",
        needs=Need.PRESENCE,
        summary="Is every record of the audit trail there, unchanged and in its place",
        handle=verify,
        query=VerifyQuery,
        replies=(Reply(description="exit_code 0 when it is sound, else 1", body=AuditReport),),
        errors=(507,),
    ),
)
