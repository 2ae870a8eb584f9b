"""What an agent cannot do for a while: its usage limit, or a login that was refused; and whom that holds.

Pure. A limit belongs to the agent and its credential, not to the goal that met it, so every goal that would use the
same waits (`waiting` for `quota`): nothing starts until the limit is over, and then one after the other. A refused
login is not tried again by the goal that met it, and holds the others until a person resumes that one. A dispatch
that was turned away and used nothing counts in no budget. There is no state but the goals' own: after a restart they
say the same.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from kazid.core import routing
from kazid.core.event import ActEnded
from kazid.core.goal import Assignment, Goal, HarnessChoice
from kazid.core.ids import GoalUid
from kazid.core.instant import Now
from kazid.core.jitter import fraction
from kazid.core.progress import ActSummary, Progress
from kazid.core.refusal import refused
from kazid.core.status import Cause, GoalStatus

UNKNOWN_S = 900.0
"""How long a limit holds that did not say its end: limits per minute are over by then, longer ones are met again."""
WAIT_S_MIN = 30.0
WAIT_S_MAX = 8 * 86_400.0
"""The longest limits are weekly; a later end is a misread number."""
STAGGER_S = 60.0
"""After a limit, the goals that wait start within so long, each at its own time."""

TURNED_AWAY = (Cause.QUOTA, Cause.AUTH_FAILED)

WAITS_FOR_QUOTA = "quota"
WAITS_FOR_AUTH = "auth"

assert WAIT_S_MIN < UNKNOWN_S < WAIT_S_MAX

Standing = tuple[GoalUid, Goal, Progress]


def until_wall_s(*, at_wall_s: float | None, after_s: float | None, ended_wall_s: float) -> float:
    """When a limit is over that a dispatch met: as it said, within bounds."""
    if at_wall_s is None:
        at_wall_s = ended_wall_s + (UNKNOWN_S if after_s is None else after_s)
    return min(max(at_wall_s, ended_wall_s + WAIT_S_MIN), ended_wall_s + WAIT_S_MAX)


def is_free(event: ActEnded) -> bool:
    """True for a dispatch that was turned away before it used anything."""
    return event.cause in TURNED_AWAY and not event.tokens_charged


def holds(
    uid: GoalUid, goal: Goal, progress: Progress, everyone: Iterable[Standing], now: Now, *, rung: str
) -> tuple[str, str] | None:
    """(what a dispatch by this rung waits for, who or until when); None when it may start."""
    if goal.harness is None:
        return None
    choice = _agent(goal, routing.harness_of(goal, rung))
    alike = [
        (u, g, p) for u, g, p in everyone if g.harness is not None and _is_same(_agent(g, choice.id), choice)
    ]
    stopped = next(_refused(uid, progress, alike, harness=choice.id), None)
    if stopped is not None:
        return WAITS_FOR_AUTH, stopped
    ends = [end for _, _, p in alike for end in _limits(p, harness=choice.id)]
    end = max(ends, default=None)
    if end is None:
        return None
    own = max(_limits(progress, harness=choice.id), default=None)
    start = end if own == end else end + STAGGER_S * fraction(uid, end)
    return (
        (WAITS_FOR_QUOTA, f"{choice.id}, whose limit is over at {_clock(end)}")
        if now.wall_s < start
        else None
    )


def _agent(goal: Goal, harness: str) -> HarnessChoice:
    """That agent as this goal would start it."""
    return routing.choice_of(goal, Assignment(harness=harness))


def _refused(uid: GoalUid, progress: Progress, alike: Iterable[Standing], *, harness: str) -> Iterator[str]:
    """Goals whose login was refused after this one was last asked for."""
    asked_s = progress.asked_s or 0.0
    for other, goal, theirs in alike:
        is_stopped = theirs.status is GoalStatus.STUCK and theirs.cause is Cause.AUTH_FAILED
        is_this = is_stopped and _last_rung(theirs) in (None, f"harness:{harness}")
        is_this = is_this or harness in refused(theirs)
        if other != uid and is_this and (theirs.last_act_ended_s or 0.0) >= asked_s:
            yield f"{harness}, which is not logged in; resume {goal.owner}/{goal.id} once it is"


def _limits(progress: Progress, *, harness: str) -> Iterator[float]:
    """The ends of the limits that the goal's last dispatch of this agent met."""
    for episode in (progress.episode, progress.last_episode):
        last = None if episode is None else _last_dispatch(episode.acts, rung=f"harness:{harness}")
        if last is not None:
            if last.cause is Cause.QUOTA and last.until_wall_s is not None:
                yield last.until_wall_s
            return


def _last_dispatch(acts: Iterable[ActSummary], *, rung: str = "harness:") -> ActSummary | None:
    """The last that ended of those whose rung begins so."""
    is_whole = not rung.endswith(":")
    dispatches = [
        a for a in acts if a.ending is not None and (a.rung == rung if is_whole else a.rung.startswith(rung))
    ]
    return dispatches[-1] if dispatches else None


def _last_rung(progress: Progress) -> str | None:
    """Who was sent last; None where that is not known any more."""
    for episode in (progress.episode, progress.last_episode):
        last = None if episode is None else _last_dispatch(episode.acts)
        if last is not None:
            return last.rung
    return None


def _is_same(one: HarnessChoice, other: HarnessChoice) -> bool:
    """The same agent with the same credential, as far as goal-files tell."""
    return _identity(one) == _identity(other)


def _identity(choice: HarnessChoice) -> object:
    return choice.id, choice.command, dict(choice.env), dict(choice.secrets)


def _clock(wall_s: float) -> str:
    """Wall time as people and programs read it, in UTC."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
