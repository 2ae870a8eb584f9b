"""One rung down: a goal whose agent did harm goes on with that model a level lower, until a person restores it.

Harm is a green that turned red where it is in force (not in a tree of the goal's own, which nothing has left), a deploy
that was rolled back, or a touched check. It is charged to the last agent that was sent, once. Only what agents make is
lowered: a remedy is the same program each time. Pure; the event is journalled, so that a restart forgets nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec.structs import replace

from kazid.core import approval, autonomy, ladder, routing, seal
from kazid.core.approval_event import AutonomyLowered, AutonomyRestored
from kazid.core.decision import Lower
from kazid.core.delivery import ROLLBACK
from kazid.core.goal import Assignment, Goal
from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.core.level import Level, Risk, lowered_by, lowest
from kazid.core.progress import ActSummary, Desired, Lowered, Progress
from kazid.core.roles import Grant, Role, Target
from kazid.core.verdict import Status

HARNESS = "harness:"


class Person(Protocol):
    """Who asks."""

    @property
    def uid(self) -> int:
        """By the kernel's word."""
        ...

    @property
    def login(self) -> str:
        """The name of that uid."""
        ...

    @property
    def grants(self) -> Sequence[Grant]:
        """Roles, given by name."""
        ...


def owed(progress: Progress) -> Lower | None:
    """The harm that the agents of this goal did and that is not charged yet."""
    sent = _last_dispatch(progress)
    if sent is None or sent.number <= progress.blamed or progress.desired is Desired.DELETED:
        return None
    reason = _harm(progress, sent)
    if reason is None:
        return None
    name = _sent(sent)
    return Lower(harness=name.harness, model=name.model, attempt=sent.number, reason=reason)


def _last_dispatch(progress: Progress) -> ActSummary | None:
    episodes = (progress.last_episode, progress.episode)
    acts = [act for episode in episodes if episode is not None for act in episode.acts]
    return next((act for act in reversed(acts) if act.rung.startswith(HARNESS)), None)


def _harm(progress: Progress, sent: ActSummary) -> str | None:
    broken = seal.broken(progress)
    if broken is not None and progress.seal is not None and sent.number > progress.seal.acts:
        return f"attempt {sent.number} ended as tampered: {broken.cause.value}"
    episode = progress.episode
    if episode is None or sent not in episode.acts:
        return None
    last = episode.acts[-1]
    if last.rung == ROLLBACK:
        return f"what attempt {sent.number} made was deployed and rolled back"
    is_made = last is sent or not last.rung.startswith("remedy:")
    return f"attempt {last.number} turned {len(last.harmed)} green red" if last.harmed and is_made else None


def told(progress: Progress, event: AutonomyLowered | AutonomyRestored, at: Now) -> Progress:
    """Progress after a lowering, or after a person took all of them back."""
    if isinstance(event, AutonomyRestored):
        return replace(progress, lowered={}, blamed=progress.acts, asked_s=at.boot_s)
    name = _pair(event.harness, event.model)
    known = progress.lowered.get(name, Lowered())
    known = replace(known, rungs=known.rungs + 1, reason=event.reason)
    lowered = {**progress.lowered, name: known}
    return replace(progress, lowered=lowered, blamed=max(progress.blamed, event.attempt))


def effective(goal: Goal, progress: Progress) -> Goal:
    """The goal at the level that it may act at now. Of a goal as authored: it is not asked of its own answer."""
    if not progress.lowered or goal.harness is None:
        return goal
    rungs = max(
        (progress.lowered[p].rungs for p in _pairs(goal, progress) if p in progress.lowered), default=0
    )
    if rungs == 0:
        return goal
    top = max(
        (autonomy.level_of(goal, f"{HARNESS}{goal.harness.id}", (p,)) for p in goal.predicate_ids),
        key=list(Level).index,
    )
    code = Risk.CODE.value
    level = lowest([goal.autonomy.risks.get(code, Level.ACT), lowered_by(top, rungs)])
    goal = replace(goal, autonomy=replace(goal.autonomy, risks={**goal.autonomy.risks, code: level}))
    if not approval.keeps_work_back(goal):
        return goal
    return replace(goal, isolation=replace(goal.isolation, mode="worktree"))


def _pairs(goal: Goal, progress: Progress) -> Iterator[str]:
    """Who has worked in this episode, and who would be sent to what is red now."""
    for act in () if progress.episode is None else progress.episode.acts:
        if act.rung.startswith(HARNESS):
            yield _name(act)
    step = ladder.step_of(progress.episode, goal)
    for predicate_id in goal.predicate_ids:
        if _is_red(progress, predicate_id):
            sent = routing.assigned(goal, predicate_id, step=step)
            yield _pair(sent.harness, sent.model)


def _pair(harness: str, model: str | None) -> str:
    """An agent with its model, as harm is charged to it and shown."""
    return harness if model is None else f"{harness} {model}"


def _name(act: ActSummary) -> str:
    sent = _sent(act)
    return _pair(sent.harness, sent.model)


def _sent(act: ActSummary) -> Assignment:
    return act.assignment or Assignment(harness=act.rung.removeprefix(HARNESS))


def _is_red(progress: Progress, predicate_id: PredicateId) -> bool:
    verdict = progress.predicate(predicate_id).verdict
    return verdict is not None and verdict.status is Status.FAIL


def sentence(progress: Progress) -> str | None:
    """What is lowered and why, for people; None: nothing is."""
    parts = [f"{name} by {state.rungs} ({state.reason})" for name, state in sorted(progress.lowered.items())]
    return "; ".join(parts) or None


def refusal(goal: Goal, progress: Progress, who: Person, *, is_one_uid: bool) -> approval.Refused | None:
    """Why this person may not restore it; None: they may. On a user's own daemon there is nobody else."""
    if not progress.lowered:
        return approval.Refused(type="conflict", reason="nothing is lowered")
    if is_one_uid:
        return None
    target = Target(owner=goal.owner, labels=goal.labels)
    if not any(g.role is Role.APPROVER and g.selects(target, login=who.login) for g in who.grants):
        return approval.Refused(type="denied", reason=f"it takes the role approver for goals of {goal.owner}")
    if who.login == goal.owner or who.uid == progress.executor_uid:
        why = "submitted the goal" if who.login == goal.owner else "is whom its acts run as"
        return approval.Refused(
            type="four_eyes", reason=f"{who.login} {why}: somebody else has to restore it"
        )
    return None
