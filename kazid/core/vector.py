"""The verdict vector: what every predicate says *now*, which is not what it said when it was last looked at.

Sits between fold and decide. A verdict counts only while it is fresh, causal and, for live kinds, confirmed; what is
stale or pending is `unknown` here, so nothing downstream can mistake it for green (SEMANTICS §1, §2). Pure.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from kazid.core import waiver
from kazid.core.flake import verdict_in_quarantine
from kazid.core.goal import Goal, Predicate
from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.core.progress import PredicateState, Progress
from kazid.core.verdict import Status, Verdict, unknown

OUTDATED = "outdated"
"""Reason of a pass from before the last act or request to look: it does not count, so it is not shown as one."""
OUTDATED_DETAIL = "passed before the last act or request to look; it is looked at again"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One predicate as it counts now.

    `is_fresh`: young enough, same generation. `is_causal`: started after the last act ended and after the last
    `reconcile`. `is_settled`: enough in a row to act on (red) or to rest on (green). `is_flapping`: it had time to
    settle and did not, so nothing waits for it any longer.
    """

    predicate_id: PredicateId
    verdict: Verdict
    is_fresh: bool
    is_causal: bool
    is_settled: bool
    is_flapping: bool = False
    is_waived: bool = False
    """It says that it does not apply, by a look that counts, and the goal allows that. Never green: left out."""

    @property
    def is_green(self) -> bool:
        """Counts towards convergence: pass, fresh, causal, settled."""
        return self.verdict.status is Status.PASS and self.is_fresh and self.is_causal and self.is_settled

    @property
    def is_red(self) -> bool:
        """May be acted on: fail, fresh, causal, settled."""
        return self.verdict.status is Status.FAIL and self.is_fresh and self.is_causal and self.is_settled

    @property
    def shown(self) -> Verdict:
        """The verdict for people: a pass from before the last act, or before a request to look, is not called one."""
        if self.verdict.status is not Status.PASS or self.is_causal:
            return self.verdict
        return replace(self.verdict, status=Status.UNKNOWN, reason=OUTDATED, detail=OUTDATED_DETAIL)

    @property
    def is_error(self) -> bool:
        """Could not be looked at, as of now."""
        return self.verdict.status is Status.ERROR and self.is_fresh and self.is_causal


class VerdictVector(msgspec.Struct, frozen=True):
    """All readings, in the goal's order."""

    readings: Sequence[Reading]

    @property
    def is_satisfied(self) -> bool:
        """True when there is something to hold and all of it is green. Neither empty nor all waived ever is."""
        bar = [r for r in self.readings if not r.is_waived]
        return bool(bar) and all(r.is_green for r in bar)

    @property
    def is_complete(self) -> bool:
        """Every predicate was looked at since the last act, and what can settle has: a stop may rest on it."""
        undecided = (Status.ERROR, Status.UNKNOWN)
        return all(
            r.is_fresh and r.is_causal and (r.is_settled or r.is_flapping or r.verdict.status in undecided)
            for r in self.readings
        )

    @property
    def reds(self) -> tuple[PredicateId, ...]:
        """What may be acted on."""
        return tuple(r.predicate_id for r in self.readings if r.is_red)

    @property
    def not_green(self) -> tuple[PredicateId, ...]:
        """What stands between the goal and convergence."""
        return tuple(r.predicate_id for r in self.readings if not (r.is_green or r.is_waived))

    @property
    def waived(self) -> tuple[PredicateId, ...]:
        """What is left out of the bar now."""
        return tuple(r.predicate_id for r in self.readings if r.is_waived)

    def reading(self, predicate_id: PredicateId) -> Reading:
        """The reading of this predicate; KeyError when there is none."""
        for reading in self.readings:
            if reading.predicate_id == predicate_id:
                return reading
        raise KeyError(predicate_id)


PENDING = unknown("pending", "not looked at yet")
STALE = unknown("stale", "the last look is too old to count")
IN_PROGRESS = unknown(
    "in_progress", "an act is changing what it looks at; it is looked at when the act has ended"
)
SETTLE_TRIES = 2
"""How often a predicate could have settled before it counts as flapping: one miss is a transition, two are a habit."""


def fresh_until_s(predicate: Predicate, state: PredicateState) -> float | None:
    """When the last look stops counting: 2 × interval + deadline after it started. None: it does not age.

    Code predicates of one-shot goals do not age: they are fresh while tree and generation are unchanged.
    """
    if predicate.cadence.interval_s is None:
        return None
    return state.started_s + 2 * predicate.cadence.interval_s + predicate.cadence.deadline_s


def assess(goal: Goal, progress: Progress, now: Now) -> VerdictVector:
    """What each predicate of the goal says at `now`."""
    waivable = waiver.waivable(goal)
    return VerdictVector(
        tuple(_read(p, progress, now, is_waivable=p.id in waivable) for p in goal.predicates)
    )


def _read(predicate: Predicate, progress: Progress, now: Now, *, is_waivable: bool) -> Reading:
    state = progress.predicate(predicate.id)
    if state.verdict is None:
        return Reading(
            predicate_id=predicate.id, verdict=PENDING, is_fresh=False, is_causal=False, is_settled=False
        )
    until_s = fresh_until_s(predicate, state)
    is_fresh = (
        not state.is_stale
        and state.generation == progress.generation
        and (until_s is None or now.boot_s < until_s)
    )
    if not is_fresh:
        verdict = IN_PROGRESS if progress.act is not None and not predicate.live else STALE
        return Reading(
            predicate_id=predicate.id, verdict=verdict, is_fresh=False, is_causal=False, is_settled=False
        )
    settled = is_settled(predicate, state)
    verdict = verdict_in_quarantine(state) if state.is_quarantined else state.verdict
    is_causal = state.started_s >= causal_floor_s(progress)
    return Reading(
        predicate_id=predicate.id,
        verdict=verdict,
        is_fresh=True,
        is_causal=is_causal,
        is_settled=settled,
        is_flapping=not settled and now.boot_s >= _settles_until_s(predicate, state, progress),
        is_waived=is_waivable and is_causal and waiver.covers(verdict),
    )


def causal_floor_s(progress: Progress) -> float:
    """Looks that started before this say nothing of the present: the last act's end, or the last request to look."""
    return max(progress.last_act_ended_s or 0.0, progress.asked_s or 0.0)


def is_settled(predicate: Predicate, state: PredicateState) -> bool:
    """Whether the last verdict came often enough in a row to act or to rest on; never for error and unknown."""
    assert state.verdict is not None
    if state.is_quarantined:
        return False
    match state.verdict.status:
        case Status.PASS:
            return state.passes >= predicate.cadence.recover
        case Status.FAIL:
            return state.fails >= predicate.cadence.confirm and state.reruns_left == 0
        case _:
            return False


def _settles_until_s(predicate: Predicate, state: PredicateState, progress: Progress) -> float:
    """How long a stop waits for an unsettled verdict; what alternates for ever must not keep a goal from its end."""
    cadence = predicate.cadence
    once_s = max(cadence.confirm, cadence.recover) * (cadence.recheck_s + cadence.deadline_s)
    since_s = max(causal_floor_s(progress), progress.act_floor_s, state.decided_s)
    return since_s + SETTLE_TRIES * once_s
