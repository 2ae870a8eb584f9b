"""What `approvals` answers, and what `approve` and `reject` take."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from kazid.wire.names import SCHEMA_VERSION

REASON_CHARS_MAX = 4096
PlanHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ApproveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Yes to exactly this plan."""

    plan: PlanHash


class RejectRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No. `plan` may be left out where one request stands."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARS_MAX)]
    plan: PlanHash | None = None


class PlanItem(msgspec.Struct, frozen=True, kw_only=True):
    """What a yes binds; docs/adr/0010 says why each of them."""

    gate: str
    act: str
    title: str
    predicates: Sequence[str]
    evidence: str
    trees: Sequence[str]
    argv: Sequence[str]
    env_names: Sequence[str]
    harness: str | None
    model: str | None
    effort: str | None
    workspace: str | None
    spec_sha256: str
    generation: int
    epoch: int
    episode: int
    attempt: int
    executor_uid: int | None
    roles: Sequence[str]
    count: int
    until: float


class ApprovalItem(msgspec.Struct, frozen=True, kw_only=True):
    """One request that stands. `given`: who said yes so far."""

    ref: str
    owner: str
    goal_id: str
    plan_sha256: str
    since: float
    given: Sequence[str]
    is_met: bool
    plan: PlanItem
    loosened: Sequence[str] = ()
    """At the gate `change`: what the spec that waits loosens, each in a sentence."""


class HeldItem(msgspec.Struct, frozen=True, kw_only=True):
    """A looser spec that waits for people. `until`: wall seconds; after that it has to be applied again."""

    plan_sha256: str
    loosened: Sequence[str]
    by: str
    since: float
    until: float
    roles: Sequence[str]
    count: int
    given: Sequence[str]


class ApprovalList(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for people, of the goals that the caller may read."""

    approvals: Sequence[ApprovalItem]
    schema_version: int = SCHEMA_VERSION
    exit_code: int = 0
