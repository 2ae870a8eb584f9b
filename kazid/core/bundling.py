"""Filling a bundle: from the goal as it stood when it ended, within a bound that evidence gives way to first. Pure."""

from collections.abc import Collection

import msgspec
from msgspec.structs import replace

from kazid.core import budget, seal
from kazid.core.bundle import Bundle, BundledAttempt, BundledCost, BundledPredicate
from kazid.core.decision import Conclude
from kazid.core.event import BundleLeft, Event, StatusChanged
from kazid.core.goal import Goal
from kazid.core.instant import Now
from kazid.core.progress import ActSummary, Episode, Progress
from kazid.core.proposal import Proposal
from kazid.core.status import Cause, GoalStatus
from kazid.core.vector import PENDING, Reading, VerdictVector, assess
from kazid.core.verdict import Status

BYTES_MAX = 64 * 1024
"""It lies in the goal's memory and in each of its snapshots."""
CHANGED_MAX = 100
FAILING_MAX = 50
FINDINGS_MAX = 10

ENDS = frozenset(
    {
        GoalStatus.STUCK,
        GoalStatus.OVER_BUDGET,
        GoalStatus.CONTESTED,
        GoalStatus.TAMPERED,
        GoalStatus.VACUOUS,
        GoalStatus.FAILED,
        GoalStatus.PARKED,
    }
)
"""Ends that leave a bundle: all that are not converged."""

_RESUME = "when the cause is gone: kazictl resume REF --reason TEXT (fresh counters)"
_STEPS: dict[Cause, tuple[str, ...]] = {
    Cause.BUDGET_EXHAUSTED: (
        "see what was spent below; raise [budget] in the goal-file and apply it again",
        _RESUME,
    ),
    Cause.WINDOW_EXHAUSTED: (
        "a standing goal goes on when its window renews; raise [budget.window], or [ceilings] of the settings",
        _RESUME,
    ),
    Cause.NO_PROGRESS: (
        "mend it by hand and apply it again (a standing goal notices the green by itself)",
        "or make the predicate smaller",
        _RESUME,
    ),
    Cause.OSCILLATING: (
        "two predicates pull against each other: change one of them, or mend both by hand",
        _RESUME,
    ),
    Cause.QUARANTINED: ("make the check deterministic: it failed and passed on the same code", _RESUME),
    Cause.CONTESTED: ("find out who puts it back at the times above, and agree on one state", _RESUME),
    Cause.NO_EXECUTOR: ("add a [[remedy]] that covers it, or name it in [harness] for; or mend it by hand",),
    Cause.OBSERVE_ONLY: ("mend it by hand, or let the goal do it: [autonomy] level in its goal-file",),
    Cause.PROPOSED: (
        "look at what is proposed; do it by hand, or let the goal do it: [autonomy] in its goal-file",
        _RESUME,
    ),
    Cause.REJECTED: ("do what the rejection asks for", _RESUME),
    Cause.ERROR_WEDGED: (
        "make it possible to look: see the reason and the evidence of each predicate",
        _RESUME,
    ),
    Cause.CAPABILITY_UNREACHABLE: ("install what is missing, or correct its name or PATH", _RESUME),
    Cause.AUTH_FAILED: (
        "log the agent in, or give it its credential; every goal of this agent waits",
        _RESUME,
    ),
    Cause.CREDENTIAL_MISSING: ("put the secret where [harness] env says it is; the reason names it", _RESUME),
    Cause.CONFIG_HOME_MISSING: (
        "make the folder that the variable names, with the agent's login, or unset it for the daemon",
        _RESUME,
    ),
    Cause.PROMPT_UNSEEN: (
        "the agent asked something that nobody saw: answer it once by hand, or configure it",
        _RESUME,
    ),
    Cause.PARKED_ON_BACKGROUND: (
        "the agent waited for work it left in the background, which ends with its attempt: have it run in front",
        _RESUME,
    ),
    Cause.PERMISSION_DENIED: ("give the permission that was denied, or allow the tool in [harness]", _RESUME),
    Cause.WORKSPACE_MISSING: ("bring the workspace back, or apply the goal with another", _RESUME),
    Cause.WORKSPACE_MOVED: (
        "another folder has the workspace's name: put the old one back, or apply it again",
        _RESUME,
    ),
    Cause.UNLANDED: (
        "the reason names what is in the way; nothing of yours was changed: clear it in the repository",
        _RESUME,
    ),
    Cause.UNDEPLOYED: ("read the log of the last deploy (kazictl logs REF), mend what it names", _RESUME),
    Cause.ROLLED_BACK: (
        "find out why the deployed commit turned it red; what serves is the old one",
        _RESUME,
    ),
    Cause.UNSATISFIABLE: ("the predicates contradict each other: change the goal-file",),
    Cause.VACUOUS: (
        "nothing was red, so nothing was shown: check the predicates, or use --check to only look",
    ),
}
_PARKED = ("this is a fault of kazid: report it with kazictl export-incident REF", _RESUME)
_TAMPERED = ("look at what was changed and by which attempt; put it back", _RESUME)


def events_of(
    goal: Goal,
    progress: Progress,
    end: Conclude,
    now: Now,
    *,
    changed: Collection[str] | None = None,
    proposal: Proposal | None = None,
) -> tuple[Event, ...]:
    """An end as it is journalled: the status, and the bundle of one that is not converged."""
    status = StatusChanged(status=end.status, cause=end.cause, reason=end.reason, proof=end.proof)
    if end.status not in ENDS:
        return (status,)
    vector = assess(goal, progress, now)
    bundle = bundle_of(progress, vector, end, now, changed=changed, proposal=proposal)
    return status, BundleLeft(bundle=bundle)


def parked_bundle(goal: Goal, progress: Progress, reason: str, now: Now) -> BundleLeft:
    """What a goal leaves whose task keeps crashing: what was last seen, by no rule that might be what crashes."""
    seen = [(p.id, progress.predicate(p.id).verdict or PENDING) for p in goal.predicates]
    readings = tuple(
        Reading(
            predicate_id=predicate_id,
            verdict=verdict,
            is_fresh=True,
            is_causal=True,
            is_settled=verdict.status is Status.PASS,
        )
        for predicate_id, verdict in seen
    )
    end = Conclude(status=GoalStatus.PARKED, cause=Cause.CRASHED, reason=reason)
    return BundleLeft(bundle=bundle_of(progress, VerdictVector(readings), end, now))


def bundle_of(
    progress: Progress,
    vector: VerdictVector,
    end: Conclude,
    now: Now,
    *,
    changed: Collection[str] | None = None,
    proposal: Proposal | None = None,
) -> Bundle:
    """The bundle of this end, at most BYTES_MAX encoded."""
    failing = [_predicate(r) for r in vector.readings if not r.is_green]
    base = seal.base_of(progress)
    names = None if changed is None else sorted(changed)
    episode = progress.episode
    acts = () if episode is None else tuple(episode.acts)
    bundle = Bundle(
        status=end.status,
        cause=end.cause,
        reason=end.reason,
        at_wall_s=now.wall_s,
        generation=progress.generation,
        episode=None if episode is None else episode.number,
        failing=tuple(failing[:FAILING_MAX]),
        failing_left_out=max(0, len(failing) - FAILING_MAX),
        tried=tuple(_attempt(a) for a in acts),
        tried_left_out=0 if episode is None else max(0, episode.iterations - len(acts)),
        base=None if base in (None, seal.NO_BASE) else base,
        changed=None if names is None else tuple(names[:CHANGED_MAX]),
        changed_left_out=0 if names is None else max(0, len(names) - CHANGED_MAX),
        cost=BundledCost() if episode is None else _cost(episode, now),
        next_steps=next_steps(end.status, end.cause),
        proposal=proposal,
    )
    return _within_bound(bundle)


def next_steps(status: GoalStatus, cause: Cause | None) -> tuple[str, ...]:
    """What a person can do now."""
    if status is GoalStatus.TAMPERED:
        return _TAMPERED
    if status is GoalStatus.PARKED:
        return _PARKED
    return _STEPS.get(cause, (_RESUME,)) if cause is not None else (_RESUME,)


def _within_bound(bundle: Bundle) -> Bundle:
    """Evidence goes first, of the last predicates first; then whole predicates; what decided stays in `reason`."""
    failing = list(bundle.failing)
    for position in reversed(range(len(failing))):
        if _size(bundle) <= BYTES_MAX:
            return bundle
        failing[position] = replace(failing[position], evidence={}, findings=(), is_shortened=True)
        bundle = replace(bundle, failing=tuple(failing))
    if _size(bundle) > BYTES_MAX and bundle.changed:
        left_out = bundle.changed_left_out + len(bundle.changed)
        bundle = replace(bundle, changed=(), changed_left_out=left_out)
    while _size(bundle) > BYTES_MAX and failing:
        failing.pop()
        bundle = replace(bundle, failing=tuple(failing), failing_left_out=bundle.failing_left_out + 1)
    if _size(bundle) > BYTES_MAX:
        left_out = bundle.tried_left_out + len(bundle.tried)
        bundle = replace(bundle, reason=bundle.reason[:1000], tried=(), tried_left_out=left_out)
    assert _size(bundle) <= BYTES_MAX, "what is left has bounds of its own"
    return bundle


def _size(bundle: Bundle) -> int:
    return len(msgspec.json.encode(bundle))


def _predicate(reading: Reading) -> BundledPredicate:
    verdict = reading.shown
    return BundledPredicate(
        id=reading.predicate_id,
        verdict=verdict.status.value,
        reason=verdict.reason,
        detail=verdict.detail,
        evidence=verdict.evidence,
        findings=tuple(verdict.findings[:FINDINGS_MAX]),
    )


def _attempt(act: ActSummary) -> BundledAttempt:
    return BundledAttempt(
        number=act.number,
        rung=act.rung,
        title=act.title,
        predicates=act.predicates,
        ending=act.ending,
        exit_code=act.exit_code,
        duration_s=act.duration_s,
        reason=act.reason,
        tokens=act.tokens,
        broke=act.broke,
    )


def _cost(episode: Episode, now: Now) -> BundledCost:
    return BundledCost(
        iterations=episode.iterations,
        dispatches=episode.dispatches,
        tokens=episode.tokens,
        tokens_estimated=episode.tokens_estimated,
        cost_usd=episode.cost_usd,
        wall_clock_s=round(budget.clock_used_s(episode, now_s=now.boot_s), 3),
    )
