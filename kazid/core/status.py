"""The statuses a goal may have and the causes it may stop for; the words of SEMANTICS §5, and no others.

Exit codes hang on these words and live in `kazid/wire/exit_codes.py`.
"""

import enum


class GoalStatus(enum.Enum):
    """What a goal is doing, as every client sees it."""

    OBSERVING = "observing"
    ACTING = "acting"
    HOLDING = "holding"
    CONVERGED = "converged"
    WAITING = "waiting"
    SUSPENDED = "suspended"
    STUCK = "stuck"
    OVER_BUDGET = "over_budget"
    CONTESTED = "contested"
    TAMPERED = "tampered"
    VACUOUS = "vacuous"
    FAILED = "failed"
    PARKED = "parked"
    STOPPED = "stopped"


STOPPED_ACTING = frozenset(
    {
        GoalStatus.STUCK,
        GoalStatus.OVER_BUDGET,
        GoalStatus.CONTESTED,
        GoalStatus.TAMPERED,
        GoalStatus.PARKED,
        GoalStatus.FAILED,
    }
)
"""A standing goal in one of these observes on and acts no more (SEMANTICS §4)."""

LEFT_BY_GREEN = frozenset({GoalStatus.STUCK, GoalStatus.OVER_BUDGET, GoalStatus.CONTESTED})
"""Stops that an observed green ends."""

FINISHED = STOPPED_ACTING | {GoalStatus.CONVERGED, GoalStatus.VACUOUS}
"""A one-shot goal in one of these is finished; applying it again opens a new episode."""


class Cause(enum.Enum):
    """Why a goal stopped, for programs. The sentence for people is `reason`."""

    BUDGET_EXHAUSTED = "budget_exhausted"
    WINDOW_EXHAUSTED = "window_exhausted"
    ERROR_WEDGED = "error_wedged"
    QUARANTINED = "quarantined"
    WORKSPACE_MISSING = "workspace_missing"
    WORKSPACE_MOVED = "workspace_moved"
    PERMISSION_DENIED = "permission_denied"
    AUTH_FAILED = "auth_failed"
    CREDENTIAL_MISSING = "credential_missing"
    CONFIG_HOME_MISSING = "config_home_missing"
    PROMPT_UNSEEN = "prompt_unseen"
    PARKED_ON_BACKGROUND = "parked_on_background"
    QUOTA = "quota"
    NO_PROGRESS = "no_progress"
    CONTESTED = "contested"
    CAPABILITY_UNREACHABLE = "capability_unreachable"
    OSCILLATING = "oscillating"
    UNSATISFIABLE = "unsatisfiable"
    NO_EXECUTOR = "no_executor"
    CRASHED = "crashed"
    VACUOUS = "vacuous"
    STALE = "stale"
    SEAL_BROKEN = "seal_broken"
    READ_ONLY_WRITE = "read_only_write"
    FLAPPING = "flapping"
    UNLANDED = "unlanded"
    UNDEPLOYED = "undeployed"
    ROLLED_BACK = "rolled_back"
    WORKTREE_FAILED = "worktree_failed"
    WORKSPACE_DIRTY = "workspace_dirty"
    WORKSPACE_DIFFERS = "workspace_differs"
    SETUP_FAILED = "setup_failed"
    DELIVERY_CONFLICT = "delivery_conflict"
    CHANGE_HELD = "change_held"
    OBSERVE_ONLY = "observe_only"
    PROPOSED = "proposed"
    REJECTED = "rejected"


NEVER_STARTED = "never_started"
NEVER_RAN = frozenset({NEVER_STARTED, "not_started"})
"""Ends that say for certain that nothing of an attempt ran: the shim's claim, or what kept it from starting."""

ENDS_UNSTARTED = frozenset(
    {Cause.CAPABILITY_UNREACHABLE, Cause.CREDENTIAL_MISSING, Cause.CONFIG_HOME_MISSING}
)
"""What keeps an agent from starting, and ends its goal at once: so none of them can begin again and again for free."""
