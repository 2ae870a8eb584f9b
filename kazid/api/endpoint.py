"""One row of the API: a method on a path, what it takes and what it may answer. Routing and OpenAPI both read the row.

A `Call` is one request on its way to such a row: its query and its body come out as Structs, strictly decoded, or as
a 400 that names each problem.
"""

import enum
import hashlib
import re
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from kazid.api.context import ApiContext
from kazid.api.problem import Refusal, bad_request, denied
from kazid.api.reader_view import without_evidence
from kazid.core.roles import Need, Target, missing
from kazid.runtime.callers import Standing
from kazid.runtime.views import Caller, GoalView
from kazid.wire.messages import ProblemItem
from kazid.wire.names import CONTENT_JSON, HEADER_IDEMPOTENCY_KEY, OWNER_ME, decode_id

BODY_BYTES_MAX = 2 * 1024 * 1024
"""A goal-file of a million characters as JSON, with room for escapes. Nothing longer is read."""
BODY_TIMEOUT_S = 30.0
IDEMPOTENCY_KEY_PATTERN = "[!-~]{1,200}"


class AgentAccess(enum.Enum):
    """What a peer that is not its owner may do here: an agent, or a check with what agents edited (SEMANTICS §8)."""

    NEVER = "never"
    OWN_GOAL = "own_goal"
    """A redacted view of its own goal; of any for a check, which belongs to none and may look at all."""
    ALWAYS = "always"
    """Nothing of any goal is told, or the route itself filters."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of query parameters: a misspelt one is refused, never ignored."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One way to be answered. `body` None: `schema` describes what is no Struct."""

    description: str
    status: int = 200
    body: type[msgspec.Struct] | None = None
    media_type: str = CONTENT_JSON
    schema: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    """Header name to what it says."""


class Call:
    """One request that was routed and may proceed."""

    def __init__(
        self,
        request: Request,
        *,
        endpoint: "Endpoint",
        context: ApiContext,
        caller: Caller,
        standing: Standing,
    ) -> None:
        self.request = request
        self.context = context
        self.service = context.service
        self.caller = caller
        self.agent = standing.agent
        """The goal whose attempt the caller belongs to; None for everybody else."""
        self.is_redacted = not standing.is_owner
        """True where what is held out must not be told."""
        self._endpoint = endpoint
        is_started_by_us = standing.agent is not None or standing.is_check
        self._has_roles = not (is_started_by_us and caller.uid == context.own_uid)
        """False for what the daemon started: `AgentAccess` says what that may. Marks can be forged, a uid not."""

    def must(self, need: Need, target: Target | None) -> None:
        """Refuse a caller whose roles are not enough; agents and checks have other rules. Raises Refusal (403)."""
        lacking = self.lacks(need, target)
        if lacking is not None:
            caller = self.caller
            detail = f"{self._endpoint.operation} needs {lacking}, and {caller.login} (uid {caller.uid}) has "
            having = sorted({grant.role.value for grant in caller.grants})
            raise denied(
                detail + (f"only {', '.join(having)}" if having else "no role"),
                hint="roles are given by [[role]] tables in the daemon's settings",
            )

    def lacks(self, need: Need, target: Target | None) -> str | None:
        """What the caller's roles lack; None when they are enough."""
        caller = self.caller
        if caller.is_unlimited or not self._has_roles:
            return None
        if need is Need.PRESENCE and caller.owns_goals:
            return None
        return missing(need, target, caller.grants, login=caller.login)

    def sees(self, owner: str, labels: Mapping[str, str]) -> bool:
        """True for a goal that the caller may read."""
        return self.lacks(Need.READ, Target(owner=owner, labels=labels)) is None

    def shown(self, view: GoalView) -> GoalView:
        """The view as this caller gets it: evidence is its owner's alone."""
        is_owner = self.lacks(Need.EVIDENCE, Target(owner=view.goal.owner)) is None
        return view if is_owner else without_evidence(view)

    @property
    def owner(self) -> str:
        """The owner named in the path; `@me` is the caller."""
        return self.resolve_owner(decode_id(self.request.path_params["owner"]))

    @property
    def goal_id(self) -> str:
        """The goal id named in the path."""
        return decode_id(self.request.path_params["id"])

    def resolve_owner(self, name: str) -> str:
        """A login as it was written, with `@me` filled in."""
        return self.caller.login if name == OWNER_ME else name

    def query(self, kind: "type[QueryKind]") -> "QueryKind":
        """The query parameters. Raises Refusal (400)."""
        assert kind is self._endpoint.query, "the route table says what a route takes"
        is_list = {f.encode_name: typing.get_origin(f.type) is list for f in msgspec.structs.fields(kind)}
        values: dict[str, Any] = {}
        for name, text in self.request.query_params.multi_items():
            if is_list.get(name, False):
                values.setdefault(name, []).append(text)
            elif name in values:
                raise _bad_query([ProblemItem(message="given twice", key=name)])
            else:
                values[name] = text
        try:
            return msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError as error:
            raise _bad_query([_located(error)]) from None

    def check_parameters(self) -> None:
        """Refuse parameters that the route does not take, or not so, before anything is done. Raises Refusal (400)."""
        self.query(self._endpoint.query)
        if self._endpoint.is_mutation:
            self.idempotency_key()

    async def body(self, kind: "type[BodyKind]") -> "BodyKind":
        """The body, decoded. Raises Refusal (400, 408, 413)."""
        assert kind is self._endpoint.body, "the route table says what a route takes"
        content = await self._content()
        try:
            return msgspec.json.decode(content or b"{}", type=kind)
        except msgspec.ValidationError as error:
            problem = _located(error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problem = ProblemItem(message=f"not JSON: {error}")
        raise bad_request(f"the request body: {problem.message}", [problem])

    async def _content(self) -> bytes:
        claimed = self.request.headers.get("content-length", "")
        if claimed.isdigit() and int(claimed) > BODY_BYTES_MAX:
            raise _too_large()
        content = bytearray()
        with anyio.move_on_after(BODY_TIMEOUT_S):
            async for piece in self.request.stream():
                content += piece
                if len(content) > BODY_BYTES_MAX:
                    raise _too_large()
            return bytes(content)
        raise Refusal(
            status=408,
            type="too_slow",
            title="timed out",
            detail=f"the body did not come within {BODY_TIMEOUT_S:g} s",
        )

    def idempotency_key(self, *about: str) -> str | None:
        """The caller's key, made theirs alone: another caller, another verb or another goal is another key."""
        key = self.request.headers.get(HEADER_IDEMPOTENCY_KEY)
        if key is None:
            return None
        if re.fullmatch(IDEMPOTENCY_KEY_PATTERN, key) is None:
            message = "must be 1 to 200 printable ASCII characters without a space"
            problem = ProblemItem(message=message, key=HEADER_IDEMPOTENCY_KEY)
            raise bad_request(f"{HEADER_IDEMPOTENCY_KEY} {message}", [problem])
        parts = (str(self.caller.uid), self._endpoint.operation, *about, key)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


QueryKind = TypeVar("QueryKind", bound=Query)
BodyKind = TypeVar("BodyKind", bound=msgspec.Struct)
Handler: TypeAlias = Callable[[Call], Awaitable[Response]]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the route table. `errors` are problem statuses beside those every row has."""

    method: str
    path: str
    operation: str
    summary: str
    handle: Handler
    replies: Sequence[Reply]
    query: type[Query] = Query
    body: type[msgspec.Struct] | None = None
    errors: Sequence[int] = ()
    agents: AgentAccess = AgentAccess.NEVER
    is_mutation: bool = False
    needs: Need = Need.ADMIN
    """What a person must be: who writes no word about it leaves it to admins."""


def json_response(
    document: msgspec.Struct | Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A reply with one JSON document."""
    return Response(
        msgspec.json.encode(document), status_code=status, headers=headers, media_type=CONTENT_JSON
    )


def _bad_query(problems: Sequence[ProblemItem]) -> Refusal:
    said = "; ".join(f"{p.key}: {p.message}" if p.key else p.message for p in problems)
    return bad_request(f"the query: {said}", problems)


def _located(error: msgspec.ValidationError) -> ProblemItem:
    """msgspec's ``… - at `$.key` `` as a message and a key."""
    message, _, place = str(error).partition(" - at `")
    return ProblemItem(message=message, key=place.rstrip("`").removeprefix("$").removeprefix(".") or None)


def _too_large() -> Refusal:
    return Refusal(
        status=413,
        type="too_large",
        title="body too large",
        detail=f"a body has at most {BODY_BYTES_MAX} bytes",
    )
