"""What happened to one goal, as the journal keeps it: the truth that everything else is folded from.

Past tense, one Struct each, tagged by `type`. Boot times (`…_s` without a prefix) are in the boot of the record that
holds the event; the fold shifts them on `task.recovered`. Every type is a row in `docs/events.md`, and a test compares.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, Union

import msgspec

from kazid.core.approval_event import ApprovalEvents
from kazid.core.bundle import Bundle
from kazid.core.change import Change
from kazid.core.event_base import BaseEvent as _Event
from kazid.core.goal import Assignment, Goal
from kazid.core.ids import AttemptId, Epoch, Generation, Offset, PredicateId, Seq, TreeHash
from kazid.core.instant import Now
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Verdict
from kazid.core.window import Spending
from kazid.core.worktree import Collision, Worktree


class FleetEvent(_Event, frozen=True, kw_only=True):
    """Base of what concerns all goals; it is in the fleet's own stream (`core/fleet.py`) and in no goal's."""


class GoalApplied(_Event, frozen=True, kw_only=True, tag="goal.applied"):
    """A spec was accepted. `fresh` opens a new episode (created, revived, or a finished goal applied again)."""

    goal: Goal
    generation: Generation
    epoch: Epoch
    spec_sha256: str
    fresh: bool
    by: str
    executor_uid: int | None = None
    """Whom its acts run as; None: written before this was kept."""
    loosened: Sequence[str] = ()
    """What it loosens of the spec before it, each in a sentence (`core/loosening.py`)."""
    plans: Sequence[str] = ()
    """The approved plan of a looser spec that people had to say yes to, and who that was."""
    approved_by: Sequence[str] = ()


class GoalSuspended(_Event, frozen=True, kw_only=True, tag="goal.suspended"):
    """Acting stops; observation goes on. The epoch rose: executors of an older one are fenced."""

    epoch: Epoch
    reason: str
    by: str
    until_wall_s: float | None = None


BY_EXPIRY = "expiry"
BY_WINDOW = "window"


class GoalResumed(_Event, frozen=True, kw_only=True, tag="goal.resumed"):
    """Acting may go on. A person's resume gives a goal that had stopped fresh counters.

    `by` is `BY_EXPIRY` or `BY_WINDOW` where nobody resumed it: then the episode goes on with what it has spent, and a
    stop that needs a person stays.
    """

    reason: str
    by: str


class FleetFrozen(FleetEvent, frozen=True, kw_only=True, tag="fleet.frozen"):
    """Acting stops for all goals; each journals its own `goal.frozen`. Its number is the record's seq."""

    reason: str
    by: str
    until_wall_s: float | None = None


class FleetThawed(FleetEvent, frozen=True, kw_only=True, tag="fleet.thawed"):
    """The freeze of all goals is over; what is suspended by itself stays suspended. `by` is `BY_EXPIRY` at its end."""

    by: str
    reason: str = ""


class IncidentOpened(FleetEvent, frozen=True, kw_only=True, tag="incident.opened"):
    """Many goals turned red together (`core/common_cause.py`): none of them acts until it is let go.

    In the fleet's own stream; its number is the record's seq. `acting`: who was under way already, and goes on to the
    end of that act only.
    """

    red: Sequence[str]
    acting: Sequence[str]
    active: int
    """Goals that watched and could act then."""


class IncidentCanaryNamed(FleetEvent, frozen=True, kw_only=True, tag="incident.canary_named"):
    """One of them tries. `acts`: how many attempts it had made by then."""

    uid: str
    acts: int


class IncidentCanaryFailed(FleetEvent, frozen=True, kw_only=True, tag="incident.canary_failed"):
    """It was no help; the next tries after a backoff."""

    uid: str
    reason: str


class IncidentReleased(FleetEvent, frozen=True, kw_only=True, tag="incident.released"):
    """These may act, too. `proof`, with the first of them: whose green showed that a repair helps."""

    uids: Sequence[str]
    proof: str | None = None


class IncidentClosed(FleetEvent, frozen=True, kw_only=True, tag="incident.closed"):
    """Nobody waits any more."""

    number: int
    duration_s: float


class SpendingCarried(FleetEvent, frozen=True, kw_only=True, tag="spending.carried"):
    """What the agents of a deleted goal cost of late: its owner's day goes on without it."""

    uid: str
    owner: str
    spent: Sequence[Spending]


class AuditPruned(FleetEvent, frozen=True, kw_only=True, tag="audit.pruned"):
    """The audit trail up to `through`, which ended with `hash`, was exported and is about to be dropped (in the fleet's
    stream). The record of this event is what a walk along the rest begins with.
    """

    through: int
    hash: str
    records: int
    rule: str
    """Who said so: the setting."""
    export: str
    export_sha256: str


class GoalFrozen(_Event, frozen=True, kw_only=True, tag="goal.frozen"):
    """The freeze `number` of all goals reached this one. The epoch rose: executors of an older one are fenced."""

    epoch: Epoch
    number: int
    reason: str
    until_wall_s: float | None = None


class GoalThawed(_Event, frozen=True, kw_only=True, tag="goal.thawed"):
    """The freeze is over for this goal: thawed, or expired. Its own suspension, if it has one, goes on."""

    number: int


class GoalStopped(_Event, frozen=True, kw_only=True, tag="goal.stopped"):
    """Neither acting nor observing; spec and history are kept."""

    epoch: Epoch
    by: str


class GoalDeleted(_Event, frozen=True, kw_only=True, tag="goal.deleted"):
    """The last event of an incarnation, but for the end of an attempt it fenced."""

    epoch: Epoch
    by: str


class GoalParked(_Event, frozen=True, kw_only=True, tag="goal.parked"):
    """The goal's own task crashed too often; the others never notice. Needs `resume` or a new generation."""

    traceback: str
    reason: str
    """The exception in one line."""


class AlertAcknowledged(_Event, frozen=True, kw_only=True, tag="alert.acknowledged"):
    """Somebody has what the goal stopped for: nobody is reminded of it, and it is not escalated."""

    by: str
    reason: str = ""


class ReconcileRequested(_Event, frozen=True, kw_only=True, tag="reconcile.requested"):
    """Somebody asked to look now: convergence needs observations that start after this."""

    by: str


class TaskRecovered(_Event, frozen=True, kw_only=True, tag="task.recovered"):
    """The daemon started and took the goal over: boot times move by `shift_s`, nothing observed is fresh.

    `down_s` is how long no daemon watched; wall-clock budgets do not count it (SEMANTICS §4).
    """

    shift_s: float
    down_s: float
    taken_over_s: float | None = None
    """When, in boot seconds: a disk that is full records it later. None: when it was recorded."""
    executor_uid: int | None = None
    """Whom its acts run as from here on."""


class ClockStepped(_Event, frozen=True, kw_only=True, tag="clock.stepped"):
    """The wall clock jumped, or nothing ran for long: everything is stale and is observed again."""

    delta_s: float
    stalled_s: float = 0.0
    """How much later than it should the daemon's own tick came: an overloaded daemon, or a machine that slept."""


class PredicateObserved(_Event, frozen=True, kw_only=True, tag="predicate.observed"):
    """One look at one predicate ended. `tree` is the workspace's content it saw, None for live kinds."""

    predicate_id: PredicateId
    verdict: Verdict
    started_s: float
    ended_s: float
    generation: Generation
    tree: TreeHash | None = None
    seal: Mapping[str, str] | None = None
    """Hashes of what is sealed, where they were not known or not these; None: as known, or nothing is sealed."""


class SteadyTick(msgspec.Struct, frozen=True, array_like=True):
    """A look that changed nothing: which predicate (index in the vector), when after `base_s`, for how long; exact, for
    looks are timed in whole microseconds."""

    predicate: int
    after_us: int
    took_us: int


class SteadyObserved(_Event, frozen=True, kw_only=True, tag="steady.observed"):
    """Looks that each repeated the verdict before them, gathered so that standing goals do not write for ever."""

    base_s: float
    ticks: Sequence[SteadyTick]
    generation: Generation


class EpisodeOpened(_Event, frozen=True, kw_only=True, tag="episode.opened"):
    """The unit that budget, backoff and time-to-repair hang on began: a confirmed red, or a one-shot goal's start."""

    number: int
    red: Sequence[PredicateId] = ()


class EpisodeClosed(_Event, frozen=True, kw_only=True, tag="episode.closed"):
    """Enough greens: the goal holds again. `duration_s` is the time to repair."""

    number: int
    duration_s: float


class ActIntended(_Event, frozen=True, kw_only=True, tag="act.intended"):
    """An effect may start from here on. Ends as exactly one of: re-adopted, finished, killed, never started."""

    attempt_id: AttemptId
    rung: str
    """`remedy:N` (index in the goal) or `harness:ID`."""
    predicates: Sequence[PredicateId]
    epoch: Epoch
    generation: Generation
    fingerprint: str
    number: int
    """Which attempt of this incarnation, from 1."""
    title: str = ""
    half_open: bool = False
    tokens_reserved: int | None = None
    trees: Sequence[str] | None = None
    """What it holds for itself until it ended, whatever the goal says by then. None: written before this was kept."""
    cost_usd_reserved: float | None = None
    assignment: Assignment | None = None
    """Of an agent: which one with which model, and what chose it. None: the goal's own, as before routes."""
    plans: Sequence[str] = ()
    """Hashes of the plans that people said yes to, and who that was."""
    approved_by: Sequence[str] = ()


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent said it used. Absent is absent, never zero."""

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent said about how it worked, besides its usage. Absent is absent."""

    model: str | None = None
    version: str | None = None
    tools: Mapping[str, int] = {}
    turns: int | None = None
    denials: int | None = None
    cost_by_table: str | None = None


class DispatchPrepared(_Event, frozen=True, kw_only=True, tag="dispatch.prepared"):
    """What an agent is given, told before it starts: digests and names, never the text."""

    attempt_id: AttemptId
    program: str
    version: str | None = None
    """Of the package the program belongs to; None: it belongs to none that says it."""
    prompt_sha256: str | None = None
    prompt_bytes: int | None = None
    imports: str | None = None
    """`told`, or why the prompt does not say who imports what; None: it was not asked, or written before this was."""


class ActEnded(_Event, frozen=True, kw_only=True, tag="act.ended"):
    """An attempt is over and verified gone. Its outcome is noise to the verdict; the next observation decides.

    `ending`: exited, signaled, idle_timeout, total_timeout, cancelled, orphaned, not_started, killed, never_started.
    """

    attempt_id: AttemptId
    ending: str
    ended_s: float
    exit_code: int | None = None
    signal: int | None = None
    duration_s: float = 0.0
    reason: str | None = None
    usage: Usage | None = None
    tokens_charged: int | None = None
    charge_estimated: bool = False
    cause: Cause | None = None
    """Set when another attempt would end the same way: no such binary, no login, permission denied, a quota."""
    text: str | None = None
    session_id: str | None = None
    survivors: Sequence[int] = ()
    cost_usd_charged: float | None = None
    """None: what `usage` says, if it says anything."""
    cost_estimated: bool = False
    until_wall_s: float | None = None
    """When the quota that ended it is over (`cause` is `quota`)."""
    change: Change | None = None
    """What an agent's attempt changed, as git tells it. None: not told."""
    said: Said | None = None


class ActDeferred(_Event, frozen=True, kw_only=True, tag="act.deferred"):
    """An act that was due did not start: what it waits for. The red is observed again before the act is retried."""

    waits_for: str
    """`lease`, `degraded`, `governor` (many goals turned red together), `dependency` (what it depends on is red),
    `quota` (the agent's limit), `auth` (the agent's login failed) or `change_window`."""
    holder: str
    until_wall_s: float | None = None
    """Where a calendar says when it ends."""


class LadderClimbed(_Event, frozen=True, kw_only=True, tag="ladder.climbed"):
    """A rung of the ladder was stuck or had used its budget: the next model takes over, with a window of its own."""

    step: int
    """From 0, which is the first model."""
    model: str
    reason: str


class LookDeferred(_Event, frozen=True, kw_only=True, tag="look.deferred"):
    """Looks at code wait for another goal's act in the same tree, or what they saw beside it was discarded."""

    predicates: Sequence[PredicateId]
    holder: str
    was_discarded: bool = False


class StatusChanged(_Event, frozen=True, kw_only=True, tag="status.changed"):
    """The goal's standing changed: the verdict, with its reason. `proof` are the verdicts it rests on."""

    status: GoalStatus
    cause: Cause | None = None
    reason: str | None = None
    proof: Mapping[PredicateId, str] = {}


class BundleLeft(_Event, frozen=True, kw_only=True, tag="bundle.left"):
    """What an end that is not converged leaves for a person; recorded with the end."""

    bundle: Bundle


class WorktreeCreated(_Event, frozen=True, kw_only=True, tag="worktree.created"):
    """The goal has a tree of its own, set up: from here on its code predicates judge that one."""

    worktree: Worktree
    setup_s: float = 0.0


class WorktreeDelivered(_Event, frozen=True, kw_only=True, tag="worktree.delivered"):
    """The verified change is in the user's tree, which is looked at from here on. `saved`: the ref that keeps it."""

    files: Sequence[str]
    files_total: int
    saved: str
    plans: Sequence[str] = ()
    """As of an act."""
    approved_by: Sequence[str] = ()


class WorktreeRemoved(_Event, frozen=True, kw_only=True, tag="worktree.removed"):
    """The goal has no tree of its own any more. `saved`: the ref that keeps what it held."""

    reason: str
    saved: str | None = None
    collision: Collision | None = None
    """What it held was verified and collided with edits of the workspace: it is made anew from these."""


class WorktreeSkipped(_Event, frozen=True, kw_only=True, tag="worktree.skipped"):
    """A worktree was meant and the workspace is no repository: its agents work in it as it is, this episode."""

    reason: str


class SnapshotTaken(_Event, frozen=True, kw_only=True, tag="snapshot.taken"):
    """The fold so far, as a starting point: history before it may be dropped. `progress` is its encoded form."""

    progress: msgspec.Raw
    goal: Goal


Event: TypeAlias = Union[
    GoalApplied,
    GoalSuspended,
    GoalResumed,
    FleetFrozen,
    FleetThawed,
    IncidentOpened,
    IncidentCanaryNamed,
    IncidentCanaryFailed,
    IncidentReleased,
    IncidentClosed,
    SpendingCarried,
    AuditPruned,
    GoalFrozen,
    GoalThawed,
    GoalStopped,
    GoalDeleted,
    GoalParked,
    AlertAcknowledged,
    ReconcileRequested,
    TaskRecovered,
    ClockStepped,
    PredicateObserved,
    SteadyObserved,
    EpisodeOpened,
    EpisodeClosed,
    ActIntended,
    ActEnded,
    ActDeferred,
    ApprovalEvents,
    DispatchPrepared,
    LadderClimbed,
    LookDeferred,
    StatusChanged,
    BundleLeft,
    SnapshotTaken,
    WorktreeCreated,
    WorktreeDelivered,
    WorktreeRemoved,
    WorktreeSkipped,
]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the journal holds it."""

    offset: Offset
    uid: str
    seq: Seq
    at: Now
    event: Event


def event_type(event: Event) -> str:
    """The event's name, e.g. `act.intended`."""
    tag = event.__struct_config__.tag
    assert isinstance(tag, str)
    return tag
