"""What to do next, as a value: exactly one per turn, and every variant is handled where it is executed.

`Hold` is a decision too: it says what the goal is (`status`), what holds it and until when. `kazictl explain` prints
exactly its guards, so there is no second account of why nothing happens.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, Union

import msgspec

from kazid.core.goal import Assignment
from kazid.core.ids import AttemptId, PredicateId
from kazid.core.level import Gate
from kazid.core.plan import Plan
from kazid.core.status import Cause, GoalStatus


class Guard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that holds a goal, and the earliest boot time it opens. None: only an event opens it."""

    name: str
    """`confirm`, `backoff`, `observe`, `act`, `suspended`, `lease`, `half_open`, `person`, …"""
    reason: str
    until_s: float | None = None
    predicates: Sequence[PredicateId] = ()


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to do now. `until_s`: decide again then, even if nothing wakes the goal before."""

    status: GoalStatus
    cause: Cause | None = None
    reason: str | None = None
    guards: Sequence[Guard] = ()
    until_s: float | None = None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Look at these before anything else: a red that waited must be seen again before it is acted on."""

    predicates: Sequence[PredicateId]
    reason: str
    hold: Hold
    """How the goal stands meanwhile."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Start one executor. `rung` is `remedy:N` or `harness:ID`; `predicates` is the slice it serves."""

    rung: str
    predicates: Sequence[PredicateId]
    title: str
    fingerprint: str
    half_open: bool = False
    assignment: Assignment | None = None
    """Of an agent: which one, and what chose it."""
    plans: Sequence[str] = ()
    """Hashes of the plans that people said yes to, and who that was (`core/approval.py`)."""
    approved_by: Sequence[str] = ()


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """End the running attempt now: fenced or out of budget."""

    attempt_id: AttemptId
    reason: str


class OpenEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed red: the clock and the budget start."""

    red: Sequence[PredicateId]


class CloseEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """All green for long enough: the goal holds again."""


class Conclude(msgspec.Struct, frozen=True, kw_only=True):
    """Stop acting, with a verdict and its reason. For a one-shot goal this is the end."""

    status: GoalStatus
    reason: str
    cause: Cause | None = None
    proof: Mapping[PredicateId, str] = {}


class StepUp(msgspec.Struct, frozen=True, kw_only=True):
    """The model of this rung of the ladder gets no further: the next one takes over."""

    step: int
    model: str
    reason: str


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A person has to say yes to this first."""

    plan: Plan


class Void(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for is not what would be done now: whatever was said to it counts no more."""

    gate: Gate
    plan_sha256: str
    reason: str


class Lower(msgspec.Struct, frozen=True, kw_only=True):
    """This agent with this model did harm: the goal goes on with them one level lower (`core/lowering.py`)."""

    harness: str
    model: str | None
    attempt: int
    reason: str


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """A stop ran out by itself: a suspension expired, or a window budget renewed."""

    reason: str
    by: str


Decision: TypeAlias = Union[
    Hold, Look, Act, Cancel, OpenEpisode, CloseEpisode, Conclude, StepUp, Ask, Void, Lower, Resume
]
