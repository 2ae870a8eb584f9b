"""Events to `Progress`: the whole memory of a goal, rebuilt the same way live and after a crash.

`fold` is pure and total: every event type has one function, and a new type makes the checker list this file. `at` is
when the event was recorded; all other times are in the event.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

import msgspec
from msgspec.structs import asdict, replace

from kazid.core import (
    backoff,
    charge,
    flake,
    ladder,
    landing,
    petition,
    placement,
    regression,
    seal,
    stuck,
    tree_wait,
    window,
)
from kazid.core.approval_event import ApprovalEvent
from kazid.core.event import (
    BY_EXPIRY,
    BY_WINDOW,
    ActDeferred,
    ActEnded,
    ActIntended,
    AlertAcknowledged,
    BundleLeft,
    ClockStepped,
    DispatchPrepared,
    EpisodeClosed,
    EpisodeOpened,
    Event,
    FleetEvent,
    GoalApplied,
    GoalDeleted,
    GoalFrozen,
    GoalParked,
    GoalResumed,
    GoalStopped,
    GoalSuspended,
    GoalThawed,
    LadderClimbed,
    LookDeferred,
    PredicateObserved,
    ReconcileRequested,
    Recorded,
    SnapshotTaken,
    StatusChanged,
    SteadyObserved,
    TaskRecovered,
    WorktreeCreated,
    WorktreeDelivered,
    WorktreeRemoved,
    WorktreeSkipped,
)
from kazid.core.goal import Goal
from kazid.core.ids import Epoch, PredicateId
from kazid.core.instant import Now, on_grid_s
from kazid.core.progress import (
    ActSummary,
    Deferred,
    Desired,
    Episode,
    Frozen,
    PredicateState,
    Progress,
    RunningAct,
)
from kazid.core.reanchor import reanchored
from kazid.core.status import FINISHED, LEFT_BY_GREEN, STOPPED_ACTING, GoalStatus
from kazid.core.tally import forget_acts, observed, reddened
from kazid.core.worktree import is_beside

ACTS_KEPT = 20
"""Act summaries kept per episode, for people; the journal has them all."""


class Folded(msgspec.Struct, frozen=True):
    """A goal and where it stands. `goal` is None only before the first `goal.applied`."""

    goal: Goal | None
    progress: Progress


def fold_all(records: Iterable[Recorded]) -> Folded:
    """The state after all these events, starting from nothing or from a snapshot among them."""
    folded = Folded(None, Progress())
    for record in records:
        folded = fold(folded, record.event, at=record.at)
    return folded


def fold(folded: Folded, event: Event, *, at: Now) -> Folded:
    """The state after one more event."""
    if isinstance(event, GoalApplied):
        return Folded(event.goal, _applied(folded, event, at))
    if isinstance(event, SnapshotTaken):
        return Folded(event.goal, msgspec.json.decode(event.progress, type=Progress))
    assert folded.goal is not None, "the first event of an incarnation is goal.applied or a snapshot"
    return Folded(folded.goal, advance(folded.goal, folded.progress, event, at=at))


def advance(goal: Goal, progress: Progress, event: Event, *, at: Now) -> Progress:
    """Progress after one event that does not change the goal itself."""
    match event:
        case PredicateObserved():
            return _looked(goal, progress, event)
        case SteadyObserved():
            return _steady(goal, progress, event)
        case ActIntended():
            return _intended(progress, event, at)
        case ActEnded():
            return _ended(goal, progress, event)
        case ActDeferred():
            deferred = Deferred(**asdict(event), since_s=at.boot_s)
            return replace(progress, deferred=deferred, act_floor_s=at.boot_s)
        case LookDeferred():
            known = [p for p in event.predicates if p in goal.predicate_ids]
            wait = tree_wait.deferred(progress.tree_wait, known, event.holder, discarded=event.was_discarded)
            return replace(progress, tree_wait=wait)
        case EpisodeOpened():
            return _episode_opened(progress, event, at)
        case EpisodeClosed():
            return _episode_left(progress, at.boot_s)
        case DispatchPrepared() | AlertAcknowledged():
            return progress
        case LadderClimbed():
            assert progress.episode is not None, "a ladder is an episode's"
            return replace(progress, episode=ladder.climbed(progress.episode, event, acts=progress.acts))
        case StatusChanged():
            return _status_changed(goal, progress, event, at)
        case GoalSuspended():
            progress = _fenced(progress, Desired.SUSPENDED, epoch=event.epoch, at=at)
            return replace(progress, suspend_reason=event.reason, suspend_until_wall_s=event.until_wall_s)
        case GoalResumed():
            return _resumed(goal, progress, event, at)
        case GoalFrozen():
            frozen = Frozen(number=event.number, reason=event.reason, until_wall_s=event.until_wall_s)
            return replace(_clock_stopped(progress, at.boot_s), epoch=event.epoch, frozen=frozen)
        case GoalThawed():
            return _thawed(progress, at)
        case GoalStopped():
            return _fenced(progress, Desired.STOPPED, epoch=event.epoch, at=at)
        case GoalDeleted():
            return _fenced(progress, Desired.DELETED, epoch=event.epoch, at=at)
        case GoalParked():
            return replace(
                _clock_stopped(progress, at.boot_s),
                status=GoalStatus.PARKED,
                cause=None,
                reason=event.reason,
                status_since_wall_s=at.wall_s,
            )
        case ApprovalEvent():
            return petition.told(progress, event, at)
        case ReconcileRequested():
            return replace(progress, asked_s=at.boot_s, deferred=None)
        case TaskRecovered():
            return _recovered(progress, event, at)
        case ClockStepped():
            return replace(_all_stale(progress), act_floor_s=at.boot_s)
        case BundleLeft():
            return replace(progress, bundle=event.bundle)
        case WorktreeCreated() | WorktreeDelivered() | WorktreeRemoved():
            return placement.moved(goal, progress, event, at)
        case WorktreeSkipped():
            return replace(progress, in_place=event.reason)
        case GoalApplied() | SnapshotTaken():
            raise AssertionError("changes the goal; use fold")
        case FleetEvent():
            raise AssertionError("of the fleet's own stream; see core/fleet.py")
        case _:
            assert_never(event)


def _looked(goal: Goal, progress: Progress, event: PredicateObserved) -> Progress:
    after = observed(goal, progress, event)
    after = replace(after, tree_wait=tree_wait.looked(after.tree_wait, event.predicate_id))
    known = [p for p in goal.predicates if p.id == event.predicate_id]
    return after if any(is_beside(p, after.worktree) for p in known) else seal.looked(after, event)


def _applied(folded: Folded, event: GoalApplied, at: Now) -> Progress:
    progress = folded.progress
    if progress.desired is Desired.DELETED:
        return progress
    is_new_generation, known = event.generation != progress.generation, set(event.goal.predicate_ids)
    progress = replace(
        progress,
        generation=event.generation,
        epoch=event.epoch,
        spec_sha256=event.spec_sha256,
        executor_uid=event.executor_uid,
        held=None,
        predicates={k: v for k, v in progress.predicates.items() if k in known},
        asked_s=at.boot_s,
    )
    if not (event.fresh or is_new_generation):
        return progress
    is_kept = progress.desired is Desired.SUSPENDED and not event.fresh
    progress = replace(
        progress,
        desired=progress.desired if is_kept else Desired.ACTIVE,
        act_floor_s=at.boot_s,
        was_red=False,
        seal=None,
        workspace_seal=None,
        tree_wait=None,
        predicates={k: forget_acts(v) for k, v in progress.predicates.items()},
    )
    if progress.desired is Desired.ACTIVE:
        progress = replace(progress, suspend_reason=None, suspend_until_wall_s=None)
    return replace(_episode_left(_observing(progress, at), at.boot_s), deferred=None)


def _observing(progress: Progress, at: Now) -> Progress:
    return replace(
        progress, status=GoalStatus.OBSERVING, cause=None, reason=None, status_since_wall_s=at.wall_s
    )


def _steady(goal: Goal, progress: Progress, event: SteadyObserved) -> Progress:
    for tick in event.ticks:
        if tick.predicate >= len(goal.predicates):
            continue
        predicate_id = goal.predicates[tick.predicate].id
        verdict = progress.predicate(predicate_id).verdict
        if verdict is None:
            continue
        started_s = on_grid_s(event.base_s + tick.after_us / 1e6)
        progress = _looked(
            goal,
            progress,
            PredicateObserved(
                predicate_id=predicate_id,
                verdict=verdict,
                started_s=started_s,
                ended_s=on_grid_s(started_s + tick.took_us / 1e6),
                generation=event.generation,
                tree=progress.predicate(predicate_id).tree,
            ),
        )
    return progress


def _intended(progress: Progress, event: ActIntended, at: Now) -> Progress:
    episode = progress.episode
    assert episode is not None, "an act belongs to an episode"
    assert progress.act is None, "one act at a time"
    is_dispatch = event.rung.startswith("harness:")
    summary = ActSummary(
        attempt_id=event.attempt_id,
        number=event.number,
        rung=event.rung,
        title=event.title,
        predicates=event.predicates,
        greens=regression.greens_of(progress),
        reds=regression.reds_of(progress),
        assignment=event.assignment,
        plans=event.plans,
    )
    attempts = dict(episode.attempts)
    if not is_dispatch and not event.half_open:
        attempts[event.rung] = attempts.get(event.rung, 0) + 1
    score = stuck.score(progress)
    is_best = episode.score_best is None or score < episode.score_best
    fingerprints = () if is_best else tuple(episode.fingerprints)
    spent = progress.spent
    if is_dispatch:
        fingerprints = (*fingerprints, event.fingerprint)
        tokens, cost_usd = event.tokens_reserved, event.cost_usd_reserved
        spent = window.reserved(spent, at_wall_s=at.wall_s, tokens=tokens, cost_usd=cost_usd)
    episode = replace(
        episode,
        iterations=episode.iterations + 1,
        dispatches=episode.dispatches + is_dispatch,
        attempts=attempts,
        fingerprints=fingerprints,
        score_best=score if is_best else episode.score_best,
        acts=(*episode.acts, summary)[-ACTS_KEPT:],
        ladder=ladder.intended(episode.ladder, event),
    )
    act = RunningAct(
        attempt_id=event.attempt_id,
        number=event.number,
        rung=event.rung,
        title=event.title,
        predicates=event.predicates,
        epoch=event.epoch,
        started_s=at.boot_s,
        tokens_reserved=event.tokens_reserved,
        half_open=event.half_open,
        trees=event.trees,
        cost_usd_reserved=event.cost_usd_reserved,
        assignment=event.assignment,
    )
    progress = replace(progress, episode=episode, act=act, acts=event.number, deferred=None, spent=spent)
    return petition.intended(progress)


def _ended(goal: Goal, progress: Progress, event: ActEnded) -> Progress:
    act = progress.act
    if act is None or act.attempt_id != event.attempt_id:
        return progress
    predicates = {}
    for predicate_id, state in progress.predicates.items():
        state = replace(flake.act_ended(state), fails=0, passes=0, unsettled_since_s=None, unsettled_looks=0)
        if predicate_id in act.predicates:
            state = replace(
                state,
                green_since_s=None,
                backoff_n=state.backoff_n + (not landing.has_only_moved(act.rung, event.reason)),
                acts=state.acts + 1,
                last_act_ended_s=event.ended_s,
                is_unverified=True,
            )
            delay_s = backoff.delay_s(goal.predicate(predicate_id), state, now_s=event.ended_s)
            state = replace(state, last_delay_s=delay_s)
        predicates[predicate_id] = state
    episode = progress.episode
    if episode is not None:
        episode = charge.charged(_without_idle(episode, act, event), event)
    progress = replace(
        progress,
        predicates=predicates,
        episode=episode,
        act=None,
        last_act_ended_s=event.ended_s,
    )
    progress = petition.ended(placement.act_ended(progress, act, event), act, event.ending)
    if act.rung.startswith("harness:"):
        cost_usd = charge.cost_usd_of(event)
        spent = window.charged(progress.spent, tokens=event.tokens_charged, cost_usd=cost_usd)
        progress = replace(progress, spent=spent)
    return _unspent(progress, act) if charge.is_free(event, rung=act.rung) else progress


def _unspent(progress: Progress, act: RunningAct) -> Progress:
    """An act of which nothing ran is no iteration, attempt or dispatch: backoff or its cause keeps it from spinning."""
    is_dispatch = act.rung.startswith("harness:")
    if is_dispatch:
        progress = replace(progress, spent=window.unspent(progress.spent))
    episode = progress.episode
    if episode is None:
        return progress
    attempts = dict(episode.attempts)
    if not is_dispatch and not act.half_open:
        attempts[act.rung] -= 1
    return replace(
        progress,
        episode=replace(
            episode,
            iterations=episode.iterations - 1,
            dispatches=episode.dispatches - is_dispatch,
            attempts=attempts,
            fingerprints=episode.fingerprints[:-1] if is_dispatch else episode.fingerprints,
            ladder=ladder.unspent(episode.ladder, act.assignment),
        ),
    )


def _without_idle(episode: Episode, act: RunningAct, event: ActEnded) -> Episode:
    """No daemon and no act any more: that time is no wall clock (SEMANTICS §4)."""
    if act.recovered_s is None or episode.clock_since_s is None:
        return episode
    idle_s = min(act.down_s, max(0.0, act.recovered_s - event.ended_s))
    return replace(episode, clock_since_s=episode.clock_since_s + idle_s)


def _episode_opened(progress: Progress, event: EpisodeOpened, at: Now) -> Progress:
    predicates = {k: replace(v, acts=0) for k, v in progress.predicates.items()}
    episode = Episode(
        number=event.number,
        opened_s=at.boot_s,
        opened_wall_s=at.wall_s,
        clock_since_s=at.boot_s if progress.may_act else None,
    )
    progress = replace(
        progress, episode=episode, episodes=event.number, predicates=predicates, in_place=None, collision=None
    )
    return reddened(progress) if event.red else progress


def _episode_left(progress: Progress, now_s: float) -> Progress:
    progress = _clock_stopped(progress, now_s)
    progress = replace(progress, last_episode=progress.episode or progress.last_episode)
    return replace(progress, episode=None, approvals={})


def _status_changed(goal: Goal, progress: Progress, event: StatusChanged, at: Now) -> Progress:
    progress = replace(
        progress,
        status=event.status,
        cause=event.cause,
        reason=event.reason,
        status_since_wall_s=at.wall_s,
        waived=tuple(p for p, said in event.proof.items() if said == "waived"),
    )
    if event.status in (GoalStatus.CONVERGED, GoalStatus.HOLDING):
        progress = replace(progress, converged_sha256=progress.spec_sha256)
    if event.status in STOPPED_ACTING or (not goal.standing and event.status is GoalStatus.CONVERGED):
        return _clock_stopped(progress, at.boot_s)
    if event.status is GoalStatus.WAITING:
        return _clock_stopped(progress, at.boot_s)
    return _clock_started(progress, at.boot_s)


def _fenced(progress: Progress, desired: Desired, *, epoch: Epoch, at: Now) -> Progress:
    """Acting stops. The stronger wish stands: what is stopped is not suspended, and nothing revives what is deleted."""
    wishes = list(Desired)
    if wishes.index(progress.desired) > wishes.index(desired):
        desired = progress.desired
    return replace(_clock_stopped(progress, at.boot_s), desired=desired, epoch=epoch)


def _resumed(goal: Goal, progress: Progress, event: GoalResumed, at: Now) -> Progress:
    """Back to active: fresh counters when a person resumes what had stopped, else the episode just goes on."""
    if progress.desired is Desired.DELETED:
        return progress
    by_itself = event.by in (BY_EXPIRY, BY_WINDOW)
    if not by_itself:
        progress = replace(progress, refusals_since=progress.acts)
    was_stopped = progress.status in STOPPED_ACTING or progress.desired is Desired.STOPPED
    progress = replace(
        progress,
        desired=Desired.ACTIVE,
        suspend_reason=None,
        suspend_until_wall_s=None,
        act_floor_s=at.boot_s,
        asked_s=at.boot_s,
        deferred=None,
    )
    if by_itself and progress.status in (STOPPED_ACTING - LEFT_BY_GREEN if goal.standing else FINISHED):
        return progress
    if was_stopped and not by_itself:
        progress = replace(
            _episode_left(progress, at.boot_s),
            seal=None,
            workspace_seal=None,
            predicates={k: forget_acts(v) for k, v in progress.predicates.items()},
        )
    return _clock_started(_observing(progress, at), at.boot_s)


def _thawed(progress: Progress, at: Now) -> Progress:
    """Acting may go on where nothing else forbids it; whatever waited is looked at again."""
    progress = replace(progress, frozen=None)
    if not progress.may_act:
        return progress
    progress = replace(progress, act_floor_s=at.boot_s, asked_s=at.boot_s, deferred=None)
    if progress.status is GoalStatus.SUSPENDED:
        progress = _observing(progress, at)
    is_stopped = progress.status in FINISHED
    return progress if is_stopped else _clock_started(progress, at.boot_s)


def _recovered(progress: Progress, event: TaskRecovered, at: Now) -> Progress:
    now_s = at.boot_s if event.taken_over_s is None else event.taken_over_s
    progress = _all_stale(reanchored(progress, event.shift_s))
    progress = replace(progress, act_floor_s=now_s, executor_uid=event.executor_uid)
    act, episode = progress.act, progress.episode
    if act is not None and event.shift_s == 0.0:
        # It may have run all the while. Its end says when; `_without_idle` gives back the rest.
        return replace(progress, act=replace(act, recovered_s=now_s, down_s=act.down_s + event.down_s))
    if episode is None or episode.clock_since_s is None:
        return progress
    since_s = min(now_s, episode.clock_since_s + event.down_s)
    return replace(progress, episode=replace(episode, clock_since_s=since_s))


def _all_stale(progress: Progress) -> Progress:
    stale: Mapping[PredicateId, PredicateState] = {
        k: replace(v, is_stale=True, fails=0, passes=0) for k, v in progress.predicates.items()
    }
    return replace(progress, predicates=stale)


def _clock_stopped(progress: Progress, now_s: float) -> Progress:
    episode = progress.episode
    if episode is None or episode.clock_since_s is None:
        return progress
    used_s = episode.clock_used_s + max(0.0, now_s - episode.clock_since_s)
    return replace(progress, episode=replace(episode, clock_used_s=used_s, clock_since_s=None))


def _clock_started(progress: Progress, now_s: float) -> Progress:
    episode = progress.episode
    if episode is None or episode.clock_since_s is not None or not progress.may_act:
        return progress
    return replace(progress, episode=replace(episode, clock_since_s=now_s))
