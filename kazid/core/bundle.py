"""What an end that is not converged leaves behind: all that a person needs to go on, in one bounded document.

The failing predicates with the evidence that decided, what was tried and what it did, the cost, and what a person can
do next. Journalled with the end itself, so it outlives kill -9 and later looks, and redacted because its parts were
redacted when they were captured. Values only; `core/bundling.py` fills them in.
"""

from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.ids import Generation, PredicateId
from kazid.core.json import Json
from kazid.core.proposal import Proposal
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Finding


class BundledPredicate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One predicate that was not green at the end."""

    id: PredicateId
    verdict: str
    reason: str | None = None
    detail: str | None = None
    evidence: Mapping[str, Json] = {}
    findings: Sequence[Finding] = ()
    is_shortened: bool = False
    """Evidence was left out to keep the bundle within its bound; `kazictl events` has it."""


class BundledAttempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt, and what it did to the predicates."""

    number: int
    rung: str
    title: str
    predicates: Sequence[PredicateId] = ()
    ending: str | None = None
    exit_code: int | None = None
    duration_s: float | None = None
    reason: str | None = None
    tokens: int | None = None
    broke: Sequence[PredicateId] = ()


class BundledCost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the episode spent. Absent is absent, never zero."""

    iterations: int = 0
    dispatches: int = 0
    tokens: int | None = None
    tokens_estimated: bool = False
    cost_usd: float | None = None
    wall_clock_s: float = 0.0


class Bundle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One end."""

    status: GoalStatus
    cause: Cause | None
    reason: str
    at_wall_s: float
    generation: Generation
    episode: int | None = None
    failing: Sequence[BundledPredicate] = ()
    failing_left_out: int = 0
    tried: Sequence[BundledAttempt] = ()
    tried_left_out: int = 0
    """Earlier attempts of the episode that are no longer kept one by one."""
    base: str | None = None
    """The commit that the workspace was at when the goal was first looked at."""
    changed: Sequence[str] | None = None
    """Files that differ from it, by anybody's hand; None: it cannot be told, or no agent works on the goal."""
    changed_left_out: int = 0
    cost: BundledCost = BundledCost()
    next_steps: Sequence[str] = ()
    proposal: Proposal | None = None
    """Of a goal that may only propose: the sealed document."""
