"""What is to be held true: the goal as the daemon stores and seals it.

A `Goal` is the resolved form of a goal-file: defaults by kind are filled in, durations are seconds, ids are unique,
references are checked. It is a value; the fold and `decide` read it and nothing writes it. Tables whose behaviour
is not built yet are kept verbatim in `tables`, so that what was stored is what was authored.
"""

import enum
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.delivery import Deploy, Integration
from kazid.core.ids import GoalId, Owner, PredicateId
from kazid.core.json import Json
from kazid.core.level import ApprovalRule, Autonomy, Level, Risk
from kazid.core.watch import Wake


class Mode(enum.Enum):
    """`repair` mends what exists, `create` builds what does not."""

    REPAIR = "repair"
    CREATE = "create"


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """How often a predicate is looked at, and how sure one must be before acting or resting.

    `interval_s` None: only at t0, after every act and on a wake-up (code kinds of one-shot goals).
    `confirm`/`recover`: failing/green observations in a row; always 1/1 for code kinds.
    """

    interval_s: float | None
    deadline_s: float
    confirm: int
    recover: int
    recheck_s: float


class Predicate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One machine-checkable claim. `options` are the provider's own keys as authored, `live` picks the rules of §1."""

    id: PredicateId
    provider: str
    cadence: Cadence
    live: bool
    description: str | None = None
    guard: bool = False
    acceptance: bool = False
    held_out: bool = False
    group: str | None = None
    on_unknown: str = "block"
    options: Mapping[str, Json] = {}
    kind: str | None = None
    """The name it was authored by, where `[[kind]]` in kazid.toml made one; `provider` is what looks."""
    wake: Wake | None = None
    """What else is to be watched between looks; None: what its kind can tell by itself."""
    playbook: str | None = None
    """A file that an agent reads before it mends this one, as authored."""
    autonomy: Level = Level.ACT


class Remedy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A deterministic executor. Must be safe to run again after a kill at any point (SEMANTICS §3)."""

    cmd: str
    args: Sequence[str] = ()
    predicates: Sequence[PredicateId] = ()
    """What it may repair; empty: any failing predicate."""
    timeout_s: float = 60.0
    attempts: int = 2
    on_error: bool = False
    env: Mapping[str, str] = {}
    risk: Risk = Risk.RESTART

    def covers(self, predicate_id: PredicateId) -> bool:
        """True when it may repair this predicate."""
        return not self.predicates or predicate_id in self.predicates


class SecretRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where a secret is taken from when it is needed: `file`, `env` (the daemon's) or `credential` (systemd's)."""

    source: str
    name: str


class HarnessChoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which agent, and how it is started. `predicates` names live predicates it may work on, too (`for`)."""

    id: str
    model: str | None = None
    command: str | None = None
    effort: str | None = None
    permission_mode: str | None = None
    allowed_tools: Sequence[str] = ()
    predicates: Sequence[PredicateId] = ()
    env: Mapping[str, str] = {}
    idle_timeout_s: float = 600.0
    total_timeout_s: float = 3600.0
    secrets: Mapping[str, SecretRef] = {}
    """Variables whose values are taken from there when it starts, and stored nowhere."""
    orientation: bool = True
    """Whether its prompt says which files, symbols and callers the evidence points at."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which agent one dispatch is given to, and what chose it (`core/routing.py`)."""

    harness: str
    model: str | None = None
    effort: str | None = None
    by: str = ""
    """`[harness]`, `route 1`, `kazid.toml route 1`, `ladder 2 of 3`, …"""
    step: int | None = None
    """Which rung of the ladder, from 0, where the ladder chose."""


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[[route]]`: which agent works on what. A route gives what it names, the rest is the goal's agent's."""

    name: str
    words: Sequence[str] = ()
    """Ids, kinds and groups of predicates, or `key=value` labels of the goal: one that fits is enough. Empty: all."""
    harness: str | None = None
    model: str | None = None
    effort: str | None = None


class Escalation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[escalation]`: models from the cheapest on, and what each may use before the next takes over.

    Within the episode's budget, never beside it. `dispatches_max` None: an even share of what the episode has left.
    """

    ladder: Sequence[str]
    dispatches_max: int | None = None
    tokens_max: int | None = None
    cost_usd_max: float | None = None


class BudgetWindow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[budget.window]`: ceilings of any stretch of wall time of this length (`core/window.py`)."""

    per_s: float
    dispatches_max: int | None = None
    tokens_max: int | None = None
    cost_usd_max: float | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ceilings of one episode. None: no ceiling. A goal that can dispatch always has `dispatches_max` (§4)."""

    iterations_max: int | None = None
    wall_clock_s_max: float | None = None
    tokens_max: int | None = None
    dispatches_max: int | None = None
    dispatches_per_day_max: int | None = None
    cost_usd_max: float | None = None
    cached_read_weight: float = 0.1
    window: BudgetWindow | None = None
    tokens_per_dispatch: int = 200_000
    """Set aside for one dispatch where tokens have a ceiling; charged when none are reported."""
    cost_usd_per_dispatch: float = 2.0
    """Likewise in US dollars."""


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a goal works and what it claims. `owns` entries look like `path:…`, `unit:…`, `url:…`, `repo:…`."""

    workspace: str | None = None
    repo: str | None = None
    paths: Sequence[str] = ()
    write_paths: Sequence[str] = ()
    deny: Sequence[str] = ()
    owns: Sequence[str] = ()
    on_overlap: str = "refuse"
    on_outside: str = "reject"
    """What becomes of a change beyond `write_paths` or in `deny`: `reject` ends the goal, `revert` undoes it."""
    files_max: int | None = None
    lines_max: int | None = None
    """A dispatch that changed more is held as a patch for a person."""


class Isolation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[workspace]`: where agents work.

    `mode` is `worktree` or `in_place`; a folder that is no repository is worked in as it is.
    """

    mode: str = "in_place"
    setup: Sequence[str] = ()
    """Shell commands that make a fresh tree ready, run in the workspace's place in it before it is looked at."""
    setup_timeout_s: float = 600.0
    dirty: str = "refuse"
    """For a goal that lands: `refuse` to start beside work that is not committed, or `ignore` it."""


class Sandbox(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[sandbox]`: what an agent can reach. What cannot be enforced here is refused, never run open."""

    mode: str = "none"
    """`none`; `worktree`: it writes to its tree only; `strict`: and reads only that and what is installed."""
    network: str = "open"
    """`open`, `off`, or `ports`: TCP to `ports` only."""
    ports: Sequence[int] = ()
    reads: Sequence[str] = ()
    writes: Sequence[str] = ()
    """Absolute paths, or below `~`, that it may read or write besides."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[limits]`: what one attempt of the goal may use of the machine. None: what the daemon's unit leaves it."""

    cpu: int | None = None
    """CPUs that it may run on at once."""
    memory_bytes: int | None = None
    """Of each process: data, not what is mapped from files."""
    pids: int | None = None
    files: int | None = None
    """Open at once, of each process."""


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named set of predicates; `needs` orders groups, `parent` nests them."""

    id: str
    name: str
    parent: str | None = None
    budget: int | None = None
    needs: Sequence[str] = ()


class Goal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything `decide` needs to know about what was asked. Vector order is the order of `predicates`."""

    id: GoalId
    owner: Owner
    predicates: Sequence[Predicate]
    name: str | None = None
    description: str | None = None
    mode: Mode = Mode.REPAIR
    standing: bool = False
    budget: Budget = Budget()
    scope: Scope = Scope()
    workspace: str | None = None
    """Absolute; resolved from the flag, `[scope] workspace` or the goal-file's folder. None: it has none."""
    harness: HarnessChoice | None = None
    """None: this goal never dispatches an agent."""
    remedies: Sequence[Remedy] = ()
    groups: Sequence[Group] = ()
    labels: Mapping[str, str] = {}
    depends_on: Sequence[str] = ()
    path: str = ""
    """The caller's PATH at apply: commands are looked up with it."""
    source_path: str | None = None
    """Where the goal-file lay, absolute; None when it came without one."""
    source_sha256: str | None = None
    tables: Mapping[str, Json] = {}
    """Authored tables whose behaviour is not built yet, verbatim."""
    limits: Limits = Limits()
    vacuous_allowed: Sequence[PredicateId] = ()
    """What cannot be red and was taken all the same, because who applied it said so."""
    integration: Integration | None = None
    """None: what is done stays where it was done."""
    deploy: Deploy | None = None
    isolation: Isolation = Isolation()
    sandbox: Sandbox = Sandbox()
    routes: Sequence[Route] = ()
    """The first that fits a slice says who works on it: the goal-file's, then those of the settings."""
    escalation: Escalation | None = None
    """Who works where no route fits; None: `harness` with its own model, always."""
    autonomy: Autonomy = Autonomy()
    approvals: Sequence[ApprovalRule] = ()

    @property
    def predicate_ids(self) -> tuple[PredicateId, ...]:
        """Ids in vector order."""
        return tuple(p.id for p in self.predicates)

    def predicate(self, predicate_id: PredicateId) -> Predicate:
        """The predicate with this id; KeyError when there is none."""
        for predicate in self.predicates:
            if predicate.id == predicate_id:
                return predicate
        raise KeyError(predicate_id)

    @property
    def has_code_predicates(self) -> bool:
        """True when some verdict depends on the workspace's content."""
        return any(not p.live for p in self.predicates)
