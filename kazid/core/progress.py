"""Where a goal stands: the only state a decision reads, and a pure function of the journalled events.

Sits between observe and decide in the turn. `fold` is total over events and knows no clock: each event carries the
times it needs. Observation counters live here too; ticks that changed nothing are folded at once and journalled in
bulk, so a replay passes through the same values.
"""

import enum
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.bundle import Bundle
from kazid.core.change import Change
from kazid.core.goal import Assignment
from kazid.core.ids import AttemptId, Epoch, Generation, PredicateId, TreeHash
from kazid.core.json import Json
from kazid.core.plan import Asked, HeldChange
from kazid.core.status import Cause, GoalStatus
from kazid.core.tree_wait import TreeWait
from kazid.core.verdict import Verdict
from kazid.core.window import Spending
from kazid.core.worktree import Collision, Worktree


class Desired(enum.Enum):
    """What people asked of the goal, apart from what it does about it."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    DELETED = "deleted"


class PredicateState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one predicate. Times are boot seconds of the present boot.

    `fails`, `passes`, `errors`: how many in a row; error and unknown neither advance nor reset the first two.
    """

    verdict: Verdict | None = None
    started_s: float = 0.0
    ended_s: float = 0.0
    tree: TreeHash | None = None
    generation: Generation = Generation(0)
    looks: int = 0
    fails: int = 0
    passes: int = 0
    errors: int = 0
    counted_s: float = 0.0
    """When the last look began that advanced one of these; the next that may is `recheck` later."""
    decided_s: float = 0.0
    """When the last look began that left nothing open: settled, error or unknown."""
    errors_since_s: float | None = None
    green_since_s: float | None = None
    backoff_n: int = 0
    """Acts that no verified green followed; see `core/backoff.py`."""
    acts: int = 0
    """Acts in this episode that served this predicate."""
    last_act_ended_s: float | None = None
    last_delay_s: float = 0.0
    is_unverified: bool = False
    """An act on it ended and no green has verified it yet."""
    repairs_s: Sequence[float] = ()
    """When acts on this predicate were verified by green, the last few only."""
    was_red: bool = False
    """Of code: it turned red and has not passed since, so another red is no turn (`core/flake.py`)."""
    reruns_left: int = 0
    """Looks owed before a red of code counts."""
    is_quarantined: bool = False
    quarantine_passes: int = 0
    """In a row."""
    quarantine_looks: int = 0
    """Since it was quarantined, or since the last act ended."""
    red_digest: str | None = None
    """Evidence and tree of the last settled red (`core/fight.py`)."""
    mended_digest: str | None = None
    """The red that the last verified fix ended."""
    put_back_s: Sequence[float] = ()
    """When somebody put back what a fix had changed, the last few only."""
    put_back_digest: str | None = None
    red_since_s: float | None = None
    """When code settled red; None once it settles green."""
    baseline: float | None = None
    """Of a ratchet that stores it; survives everything but the goal itself (`core/ratchet.py`)."""
    carry: Json = None
    """What the last look left for the next one (`Verdict.carry`); survives like a baseline."""
    is_stale: bool = False
    """Set by restart, clock step or generation change; cleared by the next look."""
    unsettled_since_s: float | None = None
    """When the first look ended since which nothing was settled, and how many there were (`core/patience.py`)."""
    unsettled_looks: int = 0


class ActSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One act of the episode, for people: what was tried and how it ended."""

    attempt_id: AttemptId
    number: int
    rung: str
    title: str
    predicates: Sequence[PredicateId]
    ending: str | None = None
    exit_code: int | None = None
    duration_s: float | None = None
    reason: str | None = None
    tokens: int | None = None
    cause: Cause | None = None
    """Why trying again is pointless, where the attempt's own end says so."""
    until_wall_s: float | None = None
    """When the quota that ended it is over."""
    greens: Sequence[PredicateId] = ()
    """What was green when it began, and was not seen green after it since (`core/regression.py`)."""
    broke: Sequence[PredicateId] = ()
    """What it turned from green to red."""
    harmed: Sequence[PredicateId] = ()
    """Of these what was in force: neither its own tree's, nor never seen (`core/lowering.py`)."""
    reds: Sequence[PredicateId] = ()
    """The failing set that it began from."""
    change: Change | None = None
    """What it changed, as git tells it."""
    assignment: Assignment | None = None
    """Of an agent: which one, and what chose it."""
    plans: Sequence[str] = ()
    """Approved plans that it was the act of."""


class LadderState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far up its ladder an episode is, and what the present rung has used (`core/ladder.py`)."""

    step: int = 0
    since: int = 0
    """The newest attempt when this rung began."""
    before: int = 0
    """Dispatches of the episode by then."""
    dispatches: int = 0
    tokens: int = 0
    cost_usd: float = 0.0


class Lowered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many rungs the goal goes down with one agent and model, and what for the last was."""

    rungs: int = 0
    reason: str = ""


class Episode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one stretch of trouble has cost so far. Absent usage is None, never zero."""

    number: int
    opened_s: float
    opened_wall_s: float
    iterations: int = 0
    dispatches: int = 0
    attempts: Mapping[str, int] = {}
    """Acts made per remedy rung (`remedy:N`)."""
    tokens: int | None = None
    tokens_estimated: bool = False
    cost_usd: float | None = None
    clock_used_s: float = 0.0
    clock_since_s: float | None = None
    """None while the episode's wall clock stands still (suspended, waiting)."""
    fingerprints: Sequence[str] = ()
    """State before each dispatch since the last improvement, oldest first (`core/stuck.py`)."""
    score_best: int | None = None
    """The lowest score an act of this episode started from; lower now is an improvement."""
    was_red: bool = False
    """Something was seen red: a green after this is earned, not vacuous."""
    acts: Sequence[ActSummary] = ()
    cost_estimated: bool = False
    """Some dispatch reported no cost: what was reserved for it is in `cost_usd`."""
    ladder: LadderState = LadderState()


class RunningAct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one act under way."""

    attempt_id: AttemptId
    number: int
    rung: str
    title: str
    predicates: Sequence[PredicateId]
    epoch: Epoch
    started_s: float
    tokens_reserved: int | None = None
    half_open: bool = False
    trees: Sequence[str] | None = None
    """The folder trees (and claims) it holds for itself. None: an intent from before they were kept."""
    recovered_s: float | None = None
    """When a daemon last took it over, and for how long in all none was there."""
    down_s: float = 0.0
    cost_usd_reserved: float | None = None
    assignment: Assignment | None = None
    approvals: Mapping[str, Asked] = {}
    """What it rests on, by gate: it stands again where the act never ran (`core/petition.py`)."""


class Deferred(msgspec.Struct, frozen=True, kw_only=True):
    """An act that waits for somebody else, since when."""

    waits_for: str
    holder: str
    since_s: float
    until_wall_s: float | None = None


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The freeze of all goals that holds this one. `number`: which, by its seq in the fleet's own stream."""

    number: int
    reason: str
    until_wall_s: float | None = None

    def holds_at(self, wall_s: float) -> bool:
        """False once it expired."""
        return self.until_wall_s is None or wall_s < self.until_wall_s


class Seal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What judges the work, as it was at the start: hashes by label (`core/seal.py`)."""

    files: Mapping[str, str]
    acts: int
    """The newest attempt when the hashes were last seen to hold."""
    broken: Sequence[str] = ()
    """Labels of what was changed and must not be."""


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fold of one incarnation's events."""

    generation: Generation = Generation(0)
    epoch: Epoch = Epoch(0)
    spec_sha256: str = ""
    desired: Desired = Desired.ACTIVE
    suspend_reason: str | None = None
    suspend_until_wall_s: float | None = None
    status: GoalStatus = GoalStatus.OBSERVING
    cause: Cause | None = None
    reason: str | None = None
    status_since_wall_s: float = 0.0
    predicates: Mapping[PredicateId, PredicateState] = {}
    episode: Episode | None = None
    last_episode: Episode | None = None
    """The one before, for people: what was tried and what it cost."""
    episodes: int = 0
    act: RunningAct | None = None
    acts: int = 0
    """Attempts of this incarnation so far: the number of the newest."""
    last_act_ended_s: float | None = None
    asked_s: float | None = None
    """The last `reconcile`, apply or resume: convergence needs looks that start after it."""
    act_floor_s: float = 0.0
    """Acts start only from looks that started after this: whatever waited is observed again (SEMANTICS §2)."""
    deferred: Deferred | None = None
    spent: Sequence[Spending] = ()
    """What dispatches cost in the last month, for windows of the budget (`core/window.py`)."""
    was_red: bool = False
    """Something was seen red since the spec was applied: a green after it is earned, also after `resume`."""
    bundle: Bundle | None = None
    """What the last end that was not converged left."""
    converged_sha256: str | None = None
    """The spec that converged last: applied again and green it is converged, not vacuous."""
    frozen: Frozen | None = None
    """The freeze of all goals, apart from what was asked of this one."""
    seal: Seal | None = None
    """Of the present generation, since the first look."""
    waived: Sequence[PredicateId] = ()
    """What the present status left out of the bar (`core/waiver.py`)."""
    worktree: Worktree | None = None
    """The goal's own tree, while it has one: what its code predicates judge (`core/worktree.py`)."""
    workspace_seal: Seal | None = None
    """The seal of the user's tree while `seal` is that of the worktree."""
    tree_wait: TreeWait | None = None
    """The looks that wait for another goal's act in the same tree."""
    refusals_since: int = 0
    """The newest attempt when a person last resumed the goal: a login refused later counts (`core/refusal.py`)."""
    collision: Collision | None = None
    """The last change of this episode that could not be delivered."""
    in_place: str | None = None
    """Why agents of this episode work in the workspace although the goal means a worktree."""
    idle_worktrees: int = 0
    """Trees in which all was green before any agent worked there, since an act last ended."""
    executor_uid: int | None = None
    """Whom acts run as."""
    approvals: Mapping[str, Asked] = {}
    """By gate: what people were asked to say yes to, for the next act."""
    unstarted: int = 0
    """The newest attempts of which nothing ran: a plan is of the attempt that they were to be."""
    lowered: Mapping[str, Lowered] = {}
    """By agent and model: what they lost of the goal's level."""
    blamed: int = 0
    """The newest dispatch that was charged with harm, or forgiven."""
    held: HeldChange | None = None
    """A looser spec that waits for people; this one stays in force until then."""

    @property
    def may_act(self) -> bool:
        """True when nobody asked it not to: neither suspended, stopped, deleted nor frozen."""
        return self.desired is Desired.ACTIVE and self.frozen is None

    def predicate(self, predicate_id: PredicateId) -> PredicateState:
        """What is known of this predicate; an empty state when it was never seen."""
        return self.predicates.get(predicate_id, _UNSEEN)


_UNSEEN = PredicateState()
