"""A goal as it stands now, from its state: what every client sees, and the same words for all of them.

Reads and never changes. The status is the journalled one, but for what time alone changes: a green that grew too old is
`observing`, and what people asked (suspended, stopped) shows at once.
"""

from collections.abc import Sequence

from kazid.core import approval, lowering
from kazid.core.cadence import is_observing
from kazid.core.decide import decide
from kazid.core.decision import Guard, Hold, Look
from kazid.core.fleet import fence_reason
from kazid.core.goal import Goal
from kazid.core.guards import guards_of
from kazid.core.instant import Now
from kazid.core.progress import Desired, Progress
from kazid.core.status import FINISHED, STOPPED_ACTING, Cause, GoalStatus
from kazid.core.vector import VerdictVector, assess
from kazid.core.whereabouts import where_work_is
from kazid.runtime.executor import Executor
from kazid.runtime.state import GoalState
from kazid.runtime.views import GoalView


def describe(state: GoalState, *, now: Now, executor: Executor, degraded: str | None) -> GoalView:
    """The view of one goal at `now`."""
    goal, progress = state.spec, state.progress
    vector = assess(goal, progress, now)
    decision = decide(goal, progress, vector, now)
    hold = decision.hold if isinstance(decision, Look) else decision
    guards: Sequence[Guard] = ()
    until_s: float | None = None
    status, cause, reason = _status(goal, progress, vector, now)
    if isinstance(hold, Hold):
        guards, until_s = guards_of(goal, progress, vector, now), hold.until_s
        if hold.reason is not None and hold.status is status:
            reason = hold.reason
    if (
        degraded is not None
        and progress.act is None
        and is_observing(goal, progress)
        and not vector.is_satisfied
    ):
        guards = (*guards, Guard(name="degraded", reason=degraded))
    is_acknowledged = is_fenced(progress)
    times = [t for t in (until_s, state.next_look_s(now)) if t is not None]
    return GoalView(
        uid=state.uid,
        goal=goal,
        progress=progress,
        vector=vector,
        status=status,
        cause=cause,
        reason=reason,
        decision=type(decision).__name__,
        guards=guards,
        next_wake_s=min(times, default=None),
        now=now,
        notices=[
            *_notices(goal, degraded),
            *_held(goal, progress, now),
            *_lowered(goal, progress),
            *where_work_is(goal, progress, state.uid),
        ],
        pids=() if is_acknowledged else executor.pids(state.uid),
        is_acknowledged=is_acknowledged,
        seq=state.seq,
        watched=() if state.pushes is None else state.pushes.watched,
    )


def shown_status(state: GoalState, *, now: Now) -> GoalStatus:
    """The status of the view, where nothing else of it is asked for."""
    goal, progress = state.spec, state.progress
    return _status(goal, progress, assess(goal, progress, now), now)[0]


def _notices(goal: Goal, degraded: str | None) -> list[str]:
    """What stands beside the status. Counted and not named: somebody may read it who is not to know the ids."""
    found = [] if degraded is None else [f"degraded: {degraded}"]
    if goal.vacuous_allowed:
        found.append(
            f"{len(goal.vacuous_allowed)} of its predicates cannot be red, allowed with --allow-vacuous"
        )
    return found


def _lowered(goal: Goal, progress: Progress) -> list[str]:
    """That it acts below its level, and why."""
    why = lowering.sentence(progress)
    if why is None:
        return []
    how = f"kazictl restore {goal.owner}/{goal.id} --reason TEXT"
    return [f"its level is lowered for what its agent did: {why}; a person restores it: {how}"]


def _held(goal: Goal, progress: Progress, now: Now) -> list[str]:
    """That a looser spec waits. What it loosens is told to who may read that."""
    held = progress.held
    if held is None:
        return []
    stands = f"generation {progress.generation} is in force until then"
    if now.wall_s >= held.asked.plan.until_wall_s:
        return [f"a looser spec waited for an approval, and its time is over: apply it again; {stands}"]
    plan = f"kazictl approve {goal.owner}/{goal.id} --plan {held.asked.sha256}"
    return [f"a looser spec waits for {approval.people(held.asked.plan)}, not {held.by}: {plan}; {stands}"]


def _status(
    goal: Goal, progress: Progress, vector: VerdictVector, now: Now
) -> tuple[GoalStatus, Cause | None, str | None]:
    if progress.act is None and progress.frozen is not None and is_observing(goal, progress):
        return GoalStatus.SUSPENDED, None, fence_reason(progress)
    if progress.act is None and not _has_expired(goal, progress, now):
        match progress.desired:
            case Desired.SUSPENDED:
                return GoalStatus.SUSPENDED, None, progress.suspend_reason
            case Desired.STOPPED | Desired.DELETED:
                return GoalStatus.STOPPED, None, progress.desired.value
            case Desired.ACTIVE:
                pass
    if progress.status is GoalStatus.HOLDING and not vector.is_satisfied:
        return GoalStatus.OBSERVING, Cause.STALE, "the last look is too old to count"
    return progress.status, progress.cause, progress.reason


def _has_expired(goal: Goal, progress: Progress, now: Now) -> bool:
    """A suspension that ran out over a goal without a task: nobody resumes it, the end beneath it is what is left."""
    until_wall_s = progress.suspend_until_wall_s
    if progress.desired is not Desired.SUSPENDED or until_wall_s is None or now.wall_s < until_wall_s:
        return False
    return not is_observing(goal, progress)


def needs_person(view: GoalView) -> bool:
    """True when the status cannot change for the better without somebody doing something."""
    if view.status in STOPPED_ACTING or view.status is GoalStatus.STOPPED:
        return True
    if view.status is GoalStatus.SUSPENDED:
        frozen = view.progress.frozen
        is_own = view.progress.desired is Desired.SUSPENDED and view.progress.suspend_until_wall_s is None
        return is_own or (frozen is not None and frozen.until_wall_s is None)
    return not view.goal.standing and view.status in FINISHED


def is_fenced(progress: Progress) -> bool:
    """True when no executor of an older epoch, or of a goal that is not to act, is left."""
    act = progress.act
    if act is None:
        return True
    return act.epoch >= progress.epoch and progress.may_act


def titles_beyond(number: int, progress: Progress) -> list[str]:
    """What the acts after this one were called, as far as they are kept, oldest first."""
    episodes = (progress.last_episode, progress.episode)
    acts = [act for episode in episodes if episode is not None for act in episode.acts]
    return [act.title for act in acts if act.number > number]
