"""The API's bodies: JSON objects as msgspec Structs, from which the OpenAPI document is generated too.

Wire types are not core types; `kazid/api/translate.py` maps them. What is unknown is absent or null, never zero.
Unknown request fields are refused, so that a misspelt one is never silently ignored.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union

import msgspec
from msgspec import Meta

from kazid.wire.agent_items import AttemptItem, DispatchItem, LadderItem, WorktreeItem
from kazid.wire.approval_messages import HeldItem
from kazid.wire.names import SCHEMA_VERSION

if TYPE_CHECKING:
    Json: TypeAlias = Union[None, bool, int, float, str, "Sequence[Json]", "Mapping[str, Json]"]
else:
    Json = Any  # msgspec builds no decoder for a recursive alias
TEXT_MAX = 4096
GOAL_FILE_CHARS_MAX = 1_000_000
SEARCH_PATH_CHARS_MAX = 65_536
SUSPEND_S_MAX = 366 * 86_400.0
"""A year, as for every duration in a goal-file."""

GoalFileText: TypeAlias = Annotated[str, Meta(max_length=GOAL_FILE_CHARS_MAX)]
ReasonText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
PathText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX, pattern=r"^[^\x00]*$")]
"""No file has a NUL in its name, and no system call takes one."""
FolderText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX, pattern=r"^/[^\x00]*$")]
"""An absolute path."""
NameText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
SearchPathText: TypeAlias = Annotated[str, Meta(max_length=SEARCH_PATH_CHARS_MAX, pattern=r"^[^\x00]*$")]


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of request bodies."""


class _Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Base of reply bodies; every document says which schema it follows."""

    schema_version: int = SCHEMA_VERSION


class ApplyRequest(_Request, frozen=True, kw_only=True):
    """A goal-file as text and where it came from. Relative paths are the caller's."""

    goal_file: GoalFileText
    source_path: PathText | None = None
    cwd: FolderText | None = None
    workspace: PathText | None = None
    standing: bool = False
    harness: NameText | None = None
    model: NameText | None = None
    env: NameText | None = None
    """Which `[deploy.env.NAME]` to deploy to."""
    path: SearchPathText | None = None
    """The caller's PATH: commands are looked up with it."""
    allow_vacuous: bool = False
    """Take predicates that cannot be red all the same; recorded with the goal."""


class LintRequest(_Request, frozen=True, kw_only=True):
    """A goal-file to judge, not to store."""

    goal_file: GoalFileText
    source_path: PathText | None = None
    cwd: FolderText | None = None
    workspace: PathText | None = None
    no_run: bool = False
    """Judge by the text alone."""


class TryRequest(ApplyRequest, frozen=True, kw_only=True):
    """A goal-file whose predicates are looked at once."""

    predicate: NameText | None = None
    """Only this one; null: all of them."""


class SuspendRequest(_Request, frozen=True, kw_only=True):
    """Stop acting, go on looking. `for_s`: until then; null: until resumed."""

    reason: ReasonText
    for_s: Annotated[float, Meta(gt=0, le=SUSPEND_S_MAX)] | None = None


class AckRequest(_Request, frozen=True, kw_only=True):
    """Somebody has what the goal stopped for."""

    reason: Annotated[str, Meta(max_length=TEXT_MAX)] = ""


class FreezeRequest(_Request, frozen=True, kw_only=True):
    """Stop acting on every goal, go on looking. `for_s`: until then; null: until thawed."""

    reason: ReasonText
    for_s: Annotated[float, Meta(gt=0, le=SUSPEND_S_MAX)] | None = None


class ThawRequest(_Request, frozen=True, kw_only=True):
    """Act again on every goal that is not suspended by itself."""

    reason: Annotated[str, Meta(max_length=TEXT_MAX)] = ""


class ResumeRequest(_Request, frozen=True, kw_only=True):
    """Act again; a goal that had stopped gets fresh counters."""

    reason: ReasonText


class RestartRequest(_Request, frozen=True, kw_only=True):
    """Replace the daemon's process; running attempts are re-adopted."""

    reason: Annotated[str, Meta(max_length=TEXT_MAX)] = ""


class ProblemItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing wrong, with its place in the goal-file where it has one."""

    message: str
    line: int | None = None
    key: str | None = None
    hint: str | None = None


class ProblemDetails(_Reply, frozen=True, kw_only=True):
    """application/problem+json: what went wrong and what to do (RFC 9457), every problem listed."""

    type: str
    title: str
    status: int
    detail: str
    problems: Sequence[ProblemItem] = ()


class FindingItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A located complaint of a checker."""

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    rule: str | None = None
    level: str | None = None


class PredicateItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One predicate as it counts now. `verdict` unknown with reason stale or pending is neither green nor red."""

    id: str
    provider: str
    verdict: str
    live: bool
    reason: str | None = None
    detail: str | None = None
    score: float | None = None
    direction: str | None = None
    evidence: Mapping[str, Json] | None = None
    findings: Sequence[FindingItem] = ()
    observed_at: float | None = None
    """Wall seconds when the last look started."""
    next_look_at: float | None = None
    guard: bool = False
    acceptance: bool = False
    waived: bool = False
    """It says that it does not apply here, and the goal-file lets it be left out."""
    kind: str | None = None
    """The name it was authored by, where kazid.toml defines one; `provider` is what looks."""


class AnswerItem(msgspec.Struct, frozen=True, kw_only=True):
    """What one command or request of a look was answered, before it was judged; redacted."""

    what: str
    said: Mapping[str, Json]


class TriedItem(PredicateItem, frozen=True, kw_only=True, omit_defaults=True):
    """One predicate's look, with the raw answers it was made of."""

    duration_ms: int
    answers: Sequence[AnswerItem] = ()
    answers_total: int = 0
    """More than are listed, where a look asked often."""


class TryReport(_Reply, frozen=True, kw_only=True):
    """`kazictl try`: one look, nothing stored."""

    goal_id: str
    predicates: Sequence[TriedItem]
    exit_code: int


class BudgetSpent(msgspec.Struct, frozen=True, kw_only=True):
    """What the present (or last) episode has cost. Null: not reported."""

    iterations: int
    dispatches: int
    tokens: int | None
    wall_clock_ms: int | None
    cost_usd: float | None
    tokens_estimated: bool = False
    cost_estimated: bool = False
    """Some dispatch reported no cost; what was reserved for it is counted."""


class EpisodeItem(msgspec.Struct, frozen=True, kw_only=True):
    """The present episode: number and start (wall seconds)."""

    number: int
    opened_at: float


class GuardItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that holds the goal. `until`: wall seconds of the earliest moment it opens; null: an event opens it."""

    name: str
    reason: str
    until: float | None = None
    predicates: Sequence[str] = ()


class GoalDocument(_Reply, frozen=True, kw_only=True):
    """A goal, whole: what `apply`, `status REF` and `wait` print."""

    goal_id: str
    owner: str
    ref: str
    uid: str
    name: str | None
    status: str
    cause: str | None
    reason: str | None
    since: float
    standing: bool
    mode: str
    generation: int
    epoch: int
    workspace: str | None
    labels: Mapping[str, str]
    predicates: Sequence[PredicateItem]
    iterations: int
    dispatches: int
    budget_spent: BudgetSpent
    budget: Mapping[str, Json]
    episode: EpisodeItem | None
    next_action: str
    """One of: done, wait, investigate, raise_budget, resume, thaw, apply."""
    next_wake_at: float | None
    guards: Sequence[GuardItem]
    attempts: Sequence[AttemptItem]
    notices: Sequence[str] = ()
    problem: str | None = None
    """`degraded`, `suspending`, `conflict`, … where one stands in the way."""
    pids: Sequence[int] = ()
    """Executors still running, where that matters (`suspending`)."""
    applied: str | None = None
    """On apply: created, attached, updated, generation, revived, reopened, checked; held: see there."""
    held: HeldItem | None = None
    waived: int = 0
    """Predicates that `converged` and `holding` leave out, as the goal-file allows."""
    next_dispatch: DispatchItem | None = None
    """Null: nothing is red that an agent may mend."""
    worktree: WorktreeItem | None = None
    """Null: its agents work in the workspace, or none works yet."""
    ladder: LadderItem | None = None
    """Null: it has no `[escalation]`, or no episode."""
    exit_code: int


class GoalSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A goal as one row."""

    goal_id: str
    owner: str
    ref: str
    status: str
    cause: str | None
    reason: str | None
    since: float
    standing: bool
    green: int
    total: int
    failing: Sequence[str]
    iterations: int
    labels: Mapping[str, str]
    waived: int = 0
    """Predicates that `converged` and `holding` leave out."""


class GoalList(_Reply, frozen=True, kw_only=True):
    """One page of goals; `next` goes into `after` for the following page, null on the last."""

    goals: Sequence[GoalSummary]
    next: str | None
    degraded: bool
    notices: Sequence[str] = ()
    """What holds all goals, or many: a freeze, and an incident of many that turned red together."""


class WatchItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is watched between looks. The counts are the predicate's; `problem`: why it is only polled."""

    predicate: str
    source: str
    problem: str | None = None
    pushes: int = 0
    looks: int = 0
    """Looks that pushes led to."""
    last_push_at: float | None = None
    last_source: str | None = None


class Explanation(_Reply, frozen=True, kw_only=True):
    """The last vector, the rule that fired and what holds the goal until when, in the words of the code."""

    goal_id: str
    owner: str
    ref: str
    status: str
    cause: str | None
    reason: str | None
    decision: str
    guards: Sequence[GuardItem]
    predicates: Sequence[PredicateItem]
    next_wake_at: float | None
    exit_code: int
    watched: Sequence[WatchItem] = ()
    next_dispatch: DispatchItem | None = None
    ladder: LadderItem | None = None
    notices: Sequence[str] = ()
    next_steps: Sequence[str] = ()
    """What a person could do now; empty where the goal goes on by itself."""


class EventItem(msgspec.Struct, frozen=True, kw_only=True):
    """One journalled event. Null names: the goal was deleted and is forgotten; `uid` still tells it apart."""

    offset: int
    seq: int
    goal_id: str | None
    owner: str | None
    uid: str
    at: float
    type: str
    event: Mapping[str, Json]


class LintFindingItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One doubt about a goal that loads."""

    predicate: str | None
    code: str
    severity: str
    """`refuse`: proven. `doubt`: not."""
    why: str
    line: int | None = None


class LintReport(_Reply, frozen=True, kw_only=True):
    """`problems`: why it does not load. `findings`: what is doubtful though it loads. Both always present."""

    goal_id: str | None
    problems: Sequence[ProblemItem]
    findings: Sequence[LintFindingItem]
    notices: Sequence[str]
    exit_code: int


class Info(_Reply, frozen=True, kw_only=True):
    """The daemon about itself."""

    version: str
    pid: int
    mode: str
    socket: str
    state_dir: str
    started_at: float
    goals: Mapping[str, int]
    """How many goals, by status."""
    degraded: str | None
    settings_file: str | None
    frozen: str | None = None
    """Why no goal acts, by `freeze`; null: they may."""
    incident: str | None = None
    """Many goals turned red together: how far it is; null: no such incident."""


class BundleReply(_Reply, frozen=True, kw_only=True):
    """What the last end that was not converged left. Null: there was none."""

    ref: str
    bundle: Mapping[str, Json] | None


class HarnessItem(msgspec.Struct, frozen=True, kw_only=True):
    """One agent. `command` empty: the goal-file names it. Credentials are names of variables, never values."""

    id: str
    command: str
    version_args: Sequence[str]
    tier: str
    lacks: Sequence[str]
    takes: Sequence[str]
    prompt_by: str
    is_default: bool
    is_stub_tested: bool
    credentials: Sequence[str]
    credentials_set: Sequence[str]
    """Of them, those that the daemon has and would pass on."""
    config_home: str | None
    """Where its login lies; null: nowhere that is known."""


class HarnessesReply(_Reply, frozen=True, kw_only=True):
    """Every agent that there is."""

    harnesses: Sequence[HarnessItem]


class PromptReply(_Reply, frozen=True, kw_only=True):
    """What an agent would be told now, for which predicates. Null: nothing is red that an agent may mend."""

    ref: str
    predicates: Sequence[str]
    harness: str | None
    prompt: str | None


class AuditProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One damage of the audit trail, at its place."""

    number: int
    what: str


class AuditReport(_Reply, frozen=True, kw_only=True):
    """A walk along the audit trail. `head`: NUMBER:HASH of its last record, to be written down elsewhere."""

    records: int
    head: str
    problems: Sequence[AuditProblem]
    """The first hundred."""
    problems_total: int
    exit_code: int


class HealthReply(_Reply, frozen=True, kw_only=True):
    """`ok`, or `degraded` with why: it answers and observes, and nothing acts."""

    status: str
    degraded: str | None


class FleetReply(_Reply, frozen=True, kw_only=True):
    """What stands for all goals until (wall seconds) or thaw. `suspending`: goals whose executors still end."""

    frozen: bool
    reason: str | None
    until: float | None
    goals: int
    suspending: Sequence[str] = ()
    pids: Sequence[int] = ()
    was_frozen: bool = True
    problem: str | None = None
    exit_code: int = 0


class DoctorReply(_Reply, frozen=True, kw_only=True):
    """The daemon's machine: `name`, `state` (`ok`, `warn`, `fail`), `found` and `todo` of each check."""

    findings: Sequence[Mapping[str, str]]


class Acknowledged(_Reply, frozen=True, kw_only=True):
    """A request that changes the daemon, not a goal, was taken."""

    message: str


class FollowItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a followed goal: `notice`, `iteration`, `status`, `heartbeat`, and last `outcome`."""

    event: str
    goal_id: str | None = None
    iteration: int | None = None
    status: str | None = None
    failing: Sequence[str] = ()
    next_action: str | None = None
    text: str | None = None
    at: float | None = None
    attempt: AttemptItem | None = None
    """Of an iteration: who acts on what, chosen by what."""
    ladder: LadderItem | None = None
    document: GoalDocument | None = None
