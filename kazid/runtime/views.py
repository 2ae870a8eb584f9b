"""What the service answers with: a goal as it stands now, as values that the API maps to its wire types.

Nothing here is stored; a view is made from the goal, its fold and the clock each time it is asked for.
"""

from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.decision import Guard
from kazid.core.goal import Goal
from kazid.core.ids import GoalUid, Offset, PredicateId
from kazid.core.instant import Now
from kazid.core.progress import Progress
from kazid.core.roles import Grant
from kazid.core.status import Cause, GoalStatus
from kazid.core.vector import VerdictVector
from kazid.runtime.push_counts import PushCount


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, by the kernel's word (SO_PEERCRED)."""

    uid: int
    login: str
    pid: int
    is_unlimited: bool = False
    """Root, and the one whose own daemon this is: the socket and the state folder are theirs anyway."""
    grants: Sequence[Grant] = ()
    owns_goals: bool = False
    """Asked where there is no grant: an owner may come in without a role."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is watched for a predicate; the counts are the predicate's. `problem`: why it is only polled."""

    predicate_id: PredicateId
    source: str
    problem: str | None = None
    pushes: int = 0
    looks: int = 0
    last_push_s: float | None = None
    last_source: str | None = None


class GoalView(msgspec.Struct, frozen=True, kw_only=True):
    """A goal as it stands at `now`. `status` is what clients see: a stale green is `observing`."""

    uid: GoalUid
    goal: Goal
    progress: Progress
    vector: VerdictVector
    status: GoalStatus
    cause: Cause | None
    reason: str | None
    decision: str
    """Name of the rule that fired last, e.g. `Hold`, `Act`."""
    guards: Sequence[Guard]
    next_wake_s: float | None
    """Boot seconds of the next decision that needs no event."""
    now: Now
    notices: Sequence[str] = ()
    """`file differs from the applied spec`, `degraded`, …"""
    pids: Sequence[int] = ()
    """Executor processes that still run, where a fence waits for them."""
    is_acknowledged: bool = True
    """False: the fence stands but an older executor is not verified gone yet (`suspending`)."""
    seq: int = 0
    """Of the newest event that the journal has of it."""
    watched: Sequence[Watched] = ()
    """What is watched between looks."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What an apply did: created, attached, updated, generation, revived, reopened, checked."""

    outcome: str
    view: GoalView


class Waited(msgspec.Struct, frozen=True, kw_only=True):
    """How a wait ended: `reached`, `unreachable` (not without a person), `timeout`, `gone` (deleted)."""

    outcome: str
    view: GoalView | None


class FollowStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a followed goal. `kind`: iteration (an act starts), status (changed), heartbeat, outcome (last)."""

    kind: str
    view: GoalView
    text: str = ""


class DaemonState(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon about itself."""

    started: Now
    now: Now
    degraded: str | None
    head: Offset
    by_status: dict[str, int]
    looks_total: int
    acts_total: int
    turns_total: int
    children_restarted_total: int
    pushes: Mapping[str, PushCount] = {}
    """By what they came from."""
    incident: str | None = None
    """Many goals turned red together (`runtime/governor.py`), in words."""
