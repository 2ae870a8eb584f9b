"""Core values to wire documents: the one place where the two meet.

Boot seconds become wall seconds by the view's own clocks; what is unknown is null, never zero; only what counts as
green now is shown as `pass`. Evidence of held-out predicates stays out of every document, and an agent is told nothing
of them at all.
"""

from collections.abc import Mapping, Sequence

import msgspec

from kazid.api.withheld_view import withheld_view
from kazid.core import budget, bundling, ladder, window
from kazid.core.cadence import is_observing, next_look_s
from kazid.core.decision import Guard
from kazid.core.event import GoalApplied, Recorded, SnapshotTaken, event_type
from kazid.core.goal import BudgetWindow, Predicate
from kazid.core.instant import Now
from kazid.core.json import Json
from kazid.core.progress import ActSummary, Episode
from kazid.core.rungs import assigned_now, next_slice
from kazid.core.status import GoalStatus
from kazid.core.vector import OUTDATED, Reading
from kazid.core.verdict import Finding, Status
from kazid.core.whereabouts import how_to_take
from kazid.core.withheld import visible
from kazid.runtime.views import GoalView, Watched
from kazid.wire import exit_codes
from kazid.wire.agent_items import AttemptItem, DispatchItem, LadderItem, WorktreeItem
from kazid.wire.approval_messages import HeldItem
from kazid.wire.messages import (
    BudgetSpent,
    EpisodeItem,
    EventItem,
    Explanation,
    FindingItem,
    GoalDocument,
    GoalSummary,
    GuardItem,
    PredicateItem,
    WatchItem,
)

NEXT_ACTION: Mapping[GoalStatus, str] = {
    GoalStatus.CONVERGED: "done",
    GoalStatus.HOLDING: "done",
    GoalStatus.OBSERVING: "wait",
    GoalStatus.ACTING: "wait",
    GoalStatus.WAITING: "wait",
    GoalStatus.OVER_BUDGET: "raise_budget",
    GoalStatus.SUSPENDED: "resume",
    GoalStatus.PARKED: "resume",
    GoalStatus.TAMPERED: "resume",
    GoalStatus.STOPPED: "apply",
    GoalStatus.STUCK: "investigate",
    GoalStatus.CONTESTED: "investigate",
    GoalStatus.VACUOUS: "investigate",
    GoalStatus.FAILED: "investigate",
}
NEXT_STEPS: Mapping[str, tuple[str, ...]] = {
    "resume": ("kazictl resume REF --reason TEXT",),
    "thaw": ("kazictl thaw, once it is over",),
    "apply": ("apply the goal-file again",),
}
"""Where a goal has not ended; `core/bundling.py` has what to do at an end, by its cause."""
assert NEXT_ACTION.keys() == set(GoalStatus), "every status says what comes next"
assert exit_codes.BY_STATUS.keys() == {s.value for s in GoalStatus}, "every status has an exit code"

DEGRADED_NOTICE = "degraded"
MS_PER_S = 1000


def goal_document(
    view: GoalView,
    *,
    applied: str | None = None,
    notices: Sequence[str] = (),
    problem: str | None = None,
    exit_code: int | None = None,
    is_agent: bool = False,
) -> GoalDocument:
    """A goal, whole. `problem` and `exit_code` win over what the view says by itself."""
    view = withheld_view(view) if is_agent else view
    goal, progress = view.goal, view.progress
    episode = progress.episode or progress.last_episode
    return GoalDocument(
        goal_id=goal.id,
        owner=goal.owner,
        ref=ref_of(view),
        uid=view.uid,
        name=goal.name,
        status=view.status.value,
        cause=None if view.cause is None else view.cause.value,
        reason=view.reason,
        since=progress.status_since_wall_s or view.now.wall_s,
        standing=goal.standing,
        mode=goal.mode.value,
        generation=progress.generation,
        epoch=progress.epoch,
        workspace=goal.workspace,
        labels=goal.labels,
        predicates=predicate_items(view),
        iterations=0 if episode is None else episode.iterations,
        dispatches=0 if episode is None else episode.dispatches,
        budget_spent=_spent(episode, view.now),
        budget=_budget(view),
        episode=_episode(progress.episode),
        next_action=_next_action(view),
        next_wake_at=_wall_or_none(view.next_wake_s, view.now),
        guards=guard_items(view),
        attempts=_attempts(episode),
        notices=(*notices, *view.notices),
        problem=problem or _problem(view),
        pids=view.pids,
        applied=applied,
        held=_held(view),
        waived=_waived(view),
        next_dispatch=_next_dispatch(view),
        worktree=_worktree(view),
        ladder=ladder_item(view),
        exit_code=exit_code_of(view) if exit_code is None else exit_code,
    )


def goal_summary(view: GoalView, *, is_agent: bool = False) -> GoalSummary:
    """A goal as one row."""
    view = withheld_view(view) if is_agent else view
    progress = view.progress
    readings = _readings(view)
    episode = progress.episode or progress.last_episode
    return GoalSummary(
        goal_id=view.goal.id,
        owner=view.goal.owner,
        ref=ref_of(view),
        status=view.status.value,
        cause=None if view.cause is None else view.cause.value,
        reason=view.reason,
        since=progress.status_since_wall_s or view.now.wall_s,
        standing=view.goal.standing,
        green=sum(reading.is_green for _, reading in readings),
        total=len(readings),
        failing=failing(view),
        iterations=0 if episode is None else episode.iterations,
        labels=view.goal.labels,
        waived=_waived(view),
    )


def explanation(view: GoalView, *, is_agent: bool = False) -> Explanation:
    """What decided, and what holds the goal until when."""
    view = withheld_view(view) if is_agent else view
    return Explanation(
        goal_id=view.goal.id,
        owner=view.goal.owner,
        ref=ref_of(view),
        status=view.status.value,
        cause=None if view.cause is None else view.cause.value,
        reason=view.reason,
        decision=view.decision,
        guards=guard_items(view),
        predicates=predicate_items(view),
        next_wake_at=_wall_or_none(view.next_wake_s, view.now),
        exit_code=exit_code_of(view),
        watched=[_watch_item(w, view.now) for w in view.watched],
        next_dispatch=_next_dispatch(view),
        ladder=ladder_item(view),
        notices=view.notices,
        next_steps=_next_steps(view),
    )


def _watch_item(watched: Watched, now: Now) -> WatchItem:
    return WatchItem(
        predicate=watched.predicate_id,
        source=watched.source,
        problem=watched.problem,
        pushes=watched.pushes,
        looks=watched.looks,
        last_push_at=_wall_or_none(watched.last_push_s, now),
        last_source=watched.last_source,
    )


def _next_dispatch(view: GoalView) -> DispatchItem | None:
    """Whom an agent's next slice would be given to; held-out predicates of it are not named."""
    goal = view.goal
    target = next_slice(goal, view.vector)
    if not target or view.progress.act is not None or not is_observing(goal, view.progress):
        return None
    sent = assigned_now(goal, view.progress, target[0])
    return DispatchItem(
        predicates=visible(goal, target),
        harness=sent.harness,
        model=sent.model,
        effort=sent.effort,
        chosen_by=sent.by,
    )


def ladder_item(view: GoalView) -> LadderItem | None:
    """How far up its ladder the present (or last) episode is."""
    goal, episode = view.goal, view.progress.episode or view.progress.last_episode
    if goal.escalation is None or episode is None:
        return None
    used, limit = episode.ladder, ladder.allowance(goal, episode)
    return LadderItem(
        rung=ladder.step_of(episode, goal) + 1,
        models=goal.escalation.ladder,
        dispatches=used.dispatches,
        max_dispatches=limit.dispatches,
        tokens=used.tokens,
        max_tokens=limit.tokens,
        cost_usd=used.cost_usd,
        max_cost_usd=limit.cost_usd,
    )


def ref_of(view: GoalView) -> str:
    """`owner/id`."""
    return f"{view.goal.owner}/{view.goal.id}"


def _waived(view: GoalView) -> int:
    """How many predicates a green status leaves out; of a goal that looks no more, by its last look."""
    if view.status not in (GoalStatus.CONVERGED, GoalStatus.HOLDING):
        return 0
    is_looking = is_observing(view.goal, view.progress)
    return len(view.vector.waived if is_looking else view.progress.waived)


def exit_code_of(view: GoalView) -> int:
    """What `status REF` exits with; a fence that is not acknowledged is under way."""
    if not view.is_acknowledged:
        return exit_codes.UNDER_WAY
    return exit_codes.BY_STATUS[view.status.value]


def failing(view: GoalView) -> list[str]:
    """The predicates whose last look, as it counts now, failed."""
    readings = _readings(view)
    return [predicate.id for predicate, reading in readings if reading.verdict.status is Status.FAIL]


def predicate_items(view: GoalView) -> list[PredicateItem]:
    """Every predicate as it counts now, in vector order."""
    return [_predicate_item(view, p, r) for p, r in _readings(view)]


def guard_items(view: GoalView) -> list[GuardItem]:
    """What holds the goal."""
    return [_guard_item(g, view.now) for g in view.guards]


def event_item(recorded: Recorded, names: tuple[str, str] | None) -> EventItem:
    """One journalled event; `names` is (owner, id), None where the incarnation is forgotten."""
    event = recorded.event
    if isinstance(event, GoalApplied):
        names = (event.goal.owner, event.goal.id)
    owner, goal_id = names or (None, None)
    # A snapshot repeats what the events before it said, and is as long as all of them.
    content = {"type": event_type(event)} if isinstance(event, SnapshotTaken) else msgspec.to_builtins(event)
    return EventItem(
        offset=recorded.offset,
        seq=recorded.seq,
        goal_id=goal_id,
        owner=owner,
        uid=recorded.uid,
        at=recorded.at.wall_s,
        type=event_type(event),
        event=content,
    )


def wall_s(boot_s: float, now: Now) -> float:
    """The wall time of a moment in this boot."""
    return now.wall_s + (boot_s - now.boot_s)


def _wall_or_none(boot_s: float | None, now: Now) -> float | None:
    return None if boot_s is None else wall_s(boot_s, now)


def _readings(view: GoalView) -> list[tuple[Predicate, Reading]]:
    return list(zip(view.goal.predicates, view.vector.readings, strict=True))


def _next_action(view: GoalView) -> str:
    is_frozen = view.status is GoalStatus.SUSPENDED and view.progress.frozen is not None
    return "thaw" if is_frozen else NEXT_ACTION[view.status]


def _next_steps(view: GoalView) -> tuple[str, ...]:
    """What a person could do now, with the goal's name put in."""
    if view.status in bundling.ENDS:
        steps = bundling.next_steps(view.status, view.cause)
    else:
        steps = NEXT_STEPS.get(_next_action(view), ())
    return tuple(step.replace("REF", ref_of(view)) for step in steps)


def _problem(view: GoalView) -> str | None:
    if not view.is_acknowledged:
        return "suspending"
    return DEGRADED_NOTICE if any(n.startswith(DEGRADED_NOTICE) for n in view.notices) else None


def _predicate_item(view: GoalView, predicate: Predicate, reading: Reading) -> PredicateItem:
    state = view.progress.predicate(predicate.id)
    verdict = reading.shown
    shows_why = not predicate.held_out
    return PredicateItem(
        id=predicate.id,
        provider=predicate.provider,
        verdict=verdict.status.value,
        live=predicate.live,
        reason=verdict.reason,
        detail=verdict.detail if shows_why or verdict.reason == OUTDATED else None,
        score=verdict.score,
        direction=None if verdict.direction is None else verdict.direction.value,
        evidence=verdict.evidence if shows_why and verdict.evidence else None,
        findings=tuple(finding_item(f) for f in verdict.findings) if shows_why else (),
        observed_at=None if state.verdict is None else wall_s(state.started_s, view.now),
        next_look_at=_next_look_at(view, predicate),
        guard=predicate.guard,
        acceptance=predicate.acceptance,
        waived=reading.is_waived,
        kind=predicate.kind,
    )


def _next_look_at(view: GoalView, predicate: Predicate) -> float | None:
    if not is_observing(view.goal, view.progress):
        return None
    at_s = next_look_s(view.goal, predicate, view.progress)
    return None if at_s is None else wall_s(max(at_s, view.now.boot_s), view.now)


def finding_item(finding: Finding) -> FindingItem:
    """One located complaint."""
    return FindingItem(
        message=finding.message,
        file=finding.file,
        line=finding.line,
        column=finding.column,
        rule=finding.rule,
        level=finding.level,
    )


def _guard_item(guard: Guard, now: Now) -> GuardItem:
    return GuardItem(
        name=guard.name,
        reason=guard.reason,
        until=_wall_or_none(guard.until_s, now),
        predicates=guard.predicates,
    )


def _spent(episode: Episode | None, now: Now) -> BudgetSpent:
    if episode is None:
        return BudgetSpent(iterations=0, dispatches=0, tokens=None, wall_clock_ms=None, cost_usd=None)
    return BudgetSpent(
        iterations=episode.iterations,
        dispatches=episode.dispatches,
        tokens=episode.tokens,
        wall_clock_ms=round(budget.clock_used_s(episode, now_s=now.boot_s) * MS_PER_S),
        cost_usd=episode.cost_usd,
        tokens_estimated=episode.tokens_estimated,
        cost_estimated=episode.cost_estimated,
    )


def _budget(view: GoalView) -> dict[str, Json]:
    """The ceilings as a goal-file spells them; null where there is none."""
    limits = view.goal.budget
    clock_s = limits.wall_clock_s_max
    return {
        "max_iterations": limits.iterations_max,
        "max_wall_clock_ms": None if clock_s is None else round(clock_s * MS_PER_S),
        "max_tokens": limits.tokens_max,
        "max_dispatches": limits.dispatches_max,
        "max_dispatches_per_day": limits.dispatches_per_day_max,
        "max_cost_usd": limits.cost_usd_max,
        "cached_read_weight": limits.cached_read_weight,
        "windows": [_window(w, view) for w in window.windows(limits)],
    }


def _window(limits: BudgetWindow, view: GoalView) -> dict[str, Json]:
    """A window with what is used of it."""
    used = window.spent(view.progress.spent, limits, view.now.wall_s)
    return {
        "per_s": limits.per_s,
        "max_dispatches": limits.dispatches_max,
        "max_tokens": limits.tokens_max,
        "max_cost_usd": limits.cost_usd_max,
        "dispatches": used.dispatches,
        "tokens": used.tokens,
        "cost_usd": used.cost_usd,
    }


def _worktree(view: GoalView) -> WorktreeItem | None:
    tree = view.progress.worktree
    if tree is None:
        return None
    return WorktreeItem(
        path=tree.path,
        branch=tree.branch,
        base=tree.base,
        repository=tree.repository,
        take=how_to_take(view.progress, view.uid),
    )


def _held(view: GoalView) -> HeldItem | None:
    held = view.progress.held
    if held is None:
        return None
    return HeldItem(
        plan_sha256=held.asked.sha256,
        loosened=held.loosened,
        by=held.by,
        since=held.asked.since_wall_s,
        until=held.asked.plan.until_wall_s,
        roles=[role.value for role in held.asked.plan.roles],
        count=held.asked.plan.count,
        given=[yes.by for yes in held.asked.given],
    )


def _episode(episode: Episode | None) -> EpisodeItem | None:
    return None if episode is None else EpisodeItem(number=episode.number, opened_at=episode.opened_wall_s)


def _attempts(episode: Episode | None) -> list[AttemptItem]:
    """What the present (or last) episode tried."""
    return [attempt_item(act) for act in (() if episode is None else episode.acts)]


def attempt_item(act: ActSummary) -> AttemptItem:
    """One attempt."""
    sent = act.assignment
    return AttemptItem(
        number=act.number,
        id=act.attempt_id,
        rung=act.rung,
        title=act.title,
        predicates=act.predicates,
        ending=act.ending,
        exit_code=act.exit_code,
        duration_s=act.duration_s,
        reason=act.reason,
        tokens=act.tokens,
        broke=act.broke,
        model=None if sent is None else sent.model,
        effort=None if sent is None else sent.effort,
        chosen_by=None if sent is None else sent.by,
    )
