"""How long something that cannot be looked at is waited for, and the cause it ends with.

Every status that is not `pass` has a terminal path: permanent errors end at once, passing ones after a bounded
patience (goal-files §2; the predecessor polled a misspelt url until its budget was gone). Pure.
"""

from collections.abc import Sequence

import msgspec

from kazid.core import flake
from kazid.core.goal import Goal
from kazid.core.instant import Now
from kazid.core.progress import Progress
from kazid.core.status import Cause
from kazid.core.vector import Reading, VerdictVector
from kazid.core.verdict import PERMANENT_REASONS, Status

ERRORS_MIN = 5
PATIENCE_S = 600.0
"""An error that may pass is waited for this long, over at least `ERRORS_MIN` looks."""

_UNDECIDED = (Status.ERROR, Status.UNKNOWN)
_CAUSES = {
    flake.REASON: Cause.QUARANTINED,
    "workspace_missing": Cause.WORKSPACE_MISSING,
    "workspace_moved": Cause.WORKSPACE_MOVED,
    "permission_denied": Cause.PERMISSION_DENIED,
}


class Wedged(msgspec.Struct, frozen=True, kw_only=True):
    """Looking on is pointless: why, for programs and for people."""

    cause: Cause
    reason: str


def wedged(goal: Goal, progress: Progress, vector: VerdictVector, now: Now) -> Wedged | None:
    """The end of patience with predicates that give no verdict; None while waiting may still help.

    Only when nothing else is open: reds are acted on first, and unsettled verdicts are looked at again first.
    """
    if not vector.is_complete:
        return None
    open_ = [r for r in vector.readings if r.is_fresh and not (r.is_settled or r.is_waived)]
    blind = [r for r in open_ if r.verdict.status in _UNDECIDED and _is_hopeless(r, progress, now)]
    flapping = [r for r in open_ if r not in blind and _is_flapping(goal, r, progress, now)]
    if not blind and not flapping:
        return None
    sentences = [*map(_sentence, blind), *(f"{r.predicate_id} does not settle" for r in flapping)]
    return Wedged(cause=_cause(blind) if blind else Cause.FLAPPING, reason="; ".join(sentences))


def _is_flapping(goal: Goal, reading: Reading, progress: Progress, now: Now) -> bool:
    """Whatever it said, nothing was settled for too long. A standing goal looks on: only there may it still matter."""
    state = progress.predicate(reading.predicate_id)
    since_s = state.unsettled_since_s
    if goal.standing or state.is_quarantined or since_s is None:
        return False
    return state.unsettled_looks >= ERRORS_MIN and now.boot_s - since_s >= PATIENCE_S


def _is_hopeless(reading: Reading, progress: Progress, now: Now) -> bool:
    if reading.verdict.status is Status.ERROR and reading.verdict.reason in PERMANENT_REASONS:
        return True
    state = progress.predicate(reading.predicate_id)
    if state.is_quarantined:
        return flake.is_hopeless(state)
    since_s = state.errors_since_s
    return since_s is not None and state.errors >= ERRORS_MIN and now.boot_s - since_s >= PATIENCE_S


def _cause(hopeless: Sequence[Reading]) -> Cause:
    for reading in hopeless:
        cause = _CAUSES.get(reading.verdict.reason or "")
        if cause is not None:
            return cause
    if all(r.verdict.status is Status.UNKNOWN for r in hopeless):
        return Cause.CAPABILITY_UNREACHABLE
    return Cause.ERROR_WEDGED


def _sentence(reading: Reading) -> str:
    verdict = reading.verdict
    if verdict.reason == flake.REASON:
        return f"{reading.predicate_id} is quarantined: {verdict.detail}"
    detail = f" ({verdict.detail})" if verdict.detail else ""
    return f"{reading.predicate_id} cannot be looked at: {verdict.reason}{detail}"
