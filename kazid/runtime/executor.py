"""Acting: from a decision to one attempt, and from its end to one event. Never judges; the next look does.

The last step of the turn. Makes the order (remedy or agent), takes the workspace lease and a slot, and turns what the
runner says into `act.ended` with what was spent. Callers journal the intent before `start`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from kazid.core import budget, quota, routing
from kazid.core.background import is_parked
from kazid.core.briefing import Briefing
from kazid.core.change import Change
from kazid.core.confinement import confinement_of, folders_of
from kazid.core.delivery import RUNGS
from kazid.core.event import ActEnded, ActIntended, DispatchPrepared, Event, Said, Usage
from kazid.core.goal import Goal
from kazid.core.ids import AttemptId, GoalUid, PredicateId
from kazid.core.instant import Now
from kazid.core.progress import Progress, RunningAct
from kazid.core.rungs import remedy_of
from kazid.core.status import NEVER_RAN, Cause
from kazid.core.turns import Limits, Seat
from kazid.core.vector import VerdictVector
from kazid.core.worktree import placed
from kazid.ports.briefer import Briefer
from kazid.ports.faults import fault_point
from kazid.ports.harness import Harness, Report, TroubleKind
from kazid.ports.lease import Leases
from kazid.ports.programs import Programs
from kazid.ports.runner import Attempt, AttemptOrder, AttemptResult, Runner
from kazid.runtime.delivering import MergeTurns, cause_of, delivery_order, outcome_of
from kazid.runtime.turns import Turns
from kazid.shim.disguises import CANARY_NAME, canary_of, holds_canary
from kazid.shim.redaction import redact

log = structlog.get_logger(__name__)

LOG_PARSED_BYTES_MAX = 4 * 1024 * 1024
"""Of an agent's stdout read back for parsing; the shim bounds what is on disk."""
TEXT_CHARS_MAX = 2000
NAME_CHARS_MAX = 120
"""Of a model or a tool, as an agent names it."""
REMEDIES_MAX = 8
DISPATCHES_MAX = 2

PromptBuilder = Callable[[Goal, Progress, VerdictVector, tuple[PredicateId, ...], Briefing], str]


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """What an act under way holds: whose it is, and the trees that are leased to it."""

    ref: str
    trees: Sequence[str]


WAITS_FOR_LEASE = "lease"
WAITS_FOR_SLOTS = "slots"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What git told of an attempt's change, and why a person has to look at it, if one has to."""

    change: Change | None = None
    cause: Cause | None = None
    reason: str | None = None


class ExecutorLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many executors run at once over all goals."""

    remedies: int = REMEDIES_MAX
    remedies_per_owner: int | None = None
    dispatches: int = DISPATCHES_MAX
    dispatches_per_owner: int | None = None
    dispatches_per_harness: int | None = None


class Executor:
    """Starts attempts, bounded and one per workspace."""

    def __init__(
        self,
        *,
        runner: Runner,
        leases: Leases,
        harnesses: Mapping[str, Harness],
        build_prompt: PromptBuilder,
        private_folder: Callable[[GoalUid], str],
        limits: ExecutorLimits,
        programs: Programs,
        briefer: Briefer,
    ) -> None:
        self._runner = runner
        self._programs = programs
        self._briefer = briefer
        self._leases = leases
        self._harnesses = harnesses
        self._build_prompt = build_prompt
        self._private_folder = private_folder
        self._remedies = Turns(
            "remedies",
            Limits(total=limits.remedies, per_owner=limits.remedies_per_owner),
        )
        self._dispatches = Turns(
            "agents",
            Limits(
                total=limits.dispatches,
                per_owner=limits.dispatches_per_owner,
                per_harness=limits.dispatches_per_harness,
            ),
        )
        self._places: dict[GoalUid, _Place] = {}
        """Incarnations with an act under way."""
        self._attempts: dict[GoalUid, Attempt] = {}
        self.acts_total = 0
        self._wake: Callable[[GoalUid], None] = lambda _: None
        self._merging = MergeTurns()

    def acting_in(self, uid: GoalUid, tree: str) -> GoalUid | None:
        """Which other incarnation acts in this tree now."""
        holder = self._leases.acting(tree=tree, holder=uid)
        return None if holder is None else GoalUid(holder)

    def waits_for(self, uid: GoalUid, goal: Goal, rung: str) -> tuple[str, str] | None:
        """(what an act would wait for, who holds it); None when it could begin now. Takes only a place in the line."""
        for tree in trees_of(goal):
            holder = self._leases.blocker(tree=tree, holder=uid)
            if holder is not None:
                place = self._places.get(GoalUid(holder))
                return (WAITS_FOR_LEASE, holder if place is None else place.ref)
        if (first := self._merging.before(uid, goal, rung)) is not None:
            return (WAITS_FOR_LEASE, first)
        waits = self._turns(rung).waits_for(uid, _seat(goal, rung))
        return None if waits is None else (WAITS_FOR_SLOTS, waits)

    def reserve(self, uid: GoalUid, goal: Goal, rung: str) -> tuple[str, str] | None:
        """Take leases and slot for an act, all or none; None when taken, else what `waits_for` says."""
        waits = self.waits_for(uid, goal, rung)
        if waits is None:
            self._take(uid, goal, rung, trees_of(goal))
        return waits

    def is_next(self, uid: GoalUid, rung: str) -> bool:
        """Whether a slot is free and this goal's turn."""
        return uid in self._turns(rung).next_up()

    def asks_again_s(self, rung: str) -> float:
        """How long one that waits for a slot sleeps before it asks again by itself."""
        return self._turns(rung).asks_again_s()

    def attach(self, wake: Callable[[GoalUid], None]) -> None:
        """Who is told whose turn it is as soon as a slot is free; until then nobody, and who waits asks again."""
        self._wake = wake

    def is_dispatching(self, uid: GoalUid) -> bool:
        """True from the moment an agent's slot was taken until it is given back."""
        return self._dispatches.is_running(uid)

    def adopt(self, uid: GoalUid, goal: Goal, act: RunningAct) -> None:
        """Hold what an act holds that runs already: no limit asks it to wait. Harmless again."""
        if uid not in self._places:
            self._take(uid, goal, act.rung, trees_of(goal) if act.trees is None else act.trees)

    def _take(self, uid: GoalUid, goal: Goal, rung: str, trees: Sequence[str]) -> None:
        for tree in trees:
            self._leases.acquire(tree=tree, holder=uid)
        self._turns(rung).begin(uid, _seat(goal, rung))
        self._places[uid] = _Place(ref=f"{goal.owner}/{goal.id}", trees=trees)

    def _turns(self, rung: str) -> Turns:
        return self._dispatches if _is_dispatch(rung) else self._remedies

    def release(self, uid: GoalUid) -> None:
        """Give back what was taken, whatever the goal says by now; harmless when nothing is held."""
        self._attempts.pop(uid, None)
        for turns in (self._remedies, self._dispatches):
            turns.end(uid)
            for up in turns.next_up():
                self._wake(up)
        self._leave_trees(uid)

    def keep(self, uid: GoalUid) -> None:
        """Give the trees back, and keep the agent's slot for the act that what ended made ready for."""
        self._dispatches.keep(uid)
        self._leave_trees(uid)

    def is_kept(self, uid: GoalUid) -> bool:
        """True while an agent's slot is kept for this goal and it does not use it."""
        return self._dispatches.is_kept(uid)

    def _leave_trees(self, uid: GoalUid) -> None:
        place = self._places.pop(uid, None)
        for tree in () if place is None else place.trees:
            self._leases.release(tree=tree, holder=uid)

    async def prepare(
        self, intent: ActIntended, uid: GoalUid, goal: Goal, progress: Progress, vector: VerdictVector
    ) -> tuple[AttemptOrder, Sequence[Event]]:
        """What to run for this intent, with an agent's briefing laid ready; and what the journal is told of it."""
        briefing = Briefing()
        if _is_dispatch(intent.rung):
            here, folder = placed(goal, progress.worktree), f"{self._private_folder(uid)}/evidence"
            briefing = await self._briefer.brief(here, vector, intent.predicates, folder=folder)
        order = self.order(intent, uid, goal, progress, vector, briefing)
        return order, await self._told(intent, goal, order, imports=briefing.imports)

    def order(
        self,
        intent: ActIntended,
        uid: GoalUid,
        goal: Goal,
        progress: Progress,
        vector: VerdictVector,
        briefing: Briefing,
    ) -> AttemptOrder:
        """What to run for this intent. Pure, but for the private folder's name."""
        if intent.rung in RUNGS:
            scratch = f"{self._private_folder(uid)}/landing"
            return delivery_order(intent, uid, goal, progress, scratch=scratch)
        is_dispatch = _is_dispatch(intent.rung)
        here = placed(goal, progress.worktree) if is_dispatch else goal
        cwd = here.workspace or self._private_folder(uid)
        if not is_dispatch:
            remedy = remedy_of(goal, intent.rung)
            return AttemptOrder(
                uid=uid,
                attempt_id=intent.attempt_id,
                argv=(remedy.cmd, *remedy.args),
                cwd=cwd,
                path=goal.path,
                env=remedy.env,
                total_timeout_s=remedy.timeout_s,
                keep_on_success=True,
                limits=goal.limits,
            )
        prompt = self._build_prompt(goal, progress, vector, tuple(intent.predicates), briefing)
        bounds = confinement_of(goal, folders=folders_of(cwd, progress.worktree))
        if bounds is not None and briefing.folder is not None:
            bounds = msgspec.structs.replace(bounds, reads=(*bounds.reads, briefing.folder))
        choice = routing.choice_of(goal, intent.assignment)
        invocation = self._harnesses[choice.id].build(
            choice, prompt=prompt, cost_usd_max=intent.cost_usd_reserved
        )
        return AttemptOrder(
            uid=uid,
            attempt_id=intent.attempt_id,
            argv=invocation.argv,
            cwd=cwd,
            path=goal.path,
            env={**invocation.env, **choice.env, CANARY_NAME: canary_of(intent.attempt_id)},
            env_names=invocation.env_names,
            secrets=choice.secrets,
            config_homes=invocation.config_homes,
            stdin_text=invocation.stdin_text,
            limits=goal.limits,
            confinement=bounds,
            idle_timeout_s=choice.idle_timeout_s,
            total_timeout_s=choice.total_timeout_s,
        )

    async def _told(
        self, intent: ActIntended, goal: Goal, order: AttemptOrder, *, imports: str | None
    ) -> Sequence[Event]:
        """What an agent is given, for the journal; nothing for other acts."""
        if not _is_dispatch(intent.rung):
            return ()
        prompt = (order.stdin_text or order.argv[-1]).encode(errors="replace")
        found = await self._programs.installed(order.argv[0], cwd=order.cwd, path=goal.path)
        return (
            DispatchPrepared(
                attempt_id=intent.attempt_id,
                program=order.argv[0].rpartition("/")[2],
                version=found.version,
                prompt_sha256=hashlib.sha256(prompt).hexdigest(),
                prompt_bytes=len(prompt),
                imports=imports,
            ),
        )

    async def start(self, order: AttemptOrder) -> Attempt:
        """Start it under the shim."""
        self.acts_total += 1
        await fault_point("act.intended")
        attempt = await self._runner.start(order)
        await fault_point("act.started")
        self._attempts[order.uid] = attempt
        return attempt

    async def recover(self, uid: GoalUid, attempt_id: AttemptId) -> Attempt:
        """Take over what a dead daemon left; ends at once unless it still runs."""
        await fault_point("act.recovering")
        attempt = await self._runner.recover(uid, attempt_id)
        self._attempts[uid] = attempt
        return attempt

    def pids(self, uid: GoalUid) -> Sequence[int]:
        """Processes of the goal's running attempt, as far as they are known."""
        attempt = self._attempts.get(uid)
        return () if attempt is None else attempt.pids()

    async def ended(
        self,
        uid: GoalUid,
        goal: Goal,
        act: RunningAct,
        result: AttemptResult,
        now: Now,
        *,
        taken: Taken | None = None,
    ) -> ActEnded:
        """The attempt's end as an event, with what it said it used and what git says it changed."""
        await fault_point("act.ended")
        report = None
        harness = self._harnesses.get(act.rung.removeprefix("harness:"))
        if harness is not None and result.ending not in NEVER_RAN:
            printed = await self._printed(uid, act.attempt_id)
            report = harness.parse(printed)
            if holds_canary(printed):
                log.error("canary.escaped", sink="log", uid=uid, attempt_id=act.attempt_id)
        ended = _ended(goal, act, result, report, now=now, taken=taken or Taken())
        if act.rung in RUNGS and result.ending == "exited":
            outcome = outcome_of(await self._printed(uid, act.attempt_id))
            said = None if outcome is None else redact(f"{outcome.name}: {outcome.detail}")[:TEXT_CHARS_MAX]
            cause = cause_of(act.rung, outcome)
            ended = msgspec.structs.replace(ended, reason=said or ended.reason, cause=cause)
        self._merging.ended(uid, goal, act.rung, ended.reason)
        return ended

    def ended_unread(self, goal: Goal, act: RunningAct, result: AttemptResult, now: Now) -> ActEnded:
        """The attempt's end where what it printed cannot be read: the reservation is charged."""
        return _ended(goal, act, result, None, now=now, taken=Taken())

    async def _printed(self, uid: GoalUid, attempt_id: AttemptId) -> str:
        """The attempt's stdout as far as it was kept; of a very long one the end, where the result is."""
        data, offset = b"", 0
        while True:
            piece, offset, _ = await self._runner.read_log(uid, attempt_id, stream="stdout", offset=offset)
            if not piece:
                return data.decode(errors="replace")
            data = (data + piece)[-LOG_PARSED_BYTES_MAX:]

    async def read_log(
        self, uid: GoalUid, attempt_id: AttemptId, *, stream: str, offset: int
    ) -> tuple[bytes, int, int]:
        """See ports/runner.py."""
        return await self._runner.read_log(uid, attempt_id, stream=stream, offset=offset)


def _is_dispatch(rung: str) -> bool:
    return rung.startswith("harness:")


def _seat(goal: Goal, rung: str) -> Seat:
    return Seat(goal.owner, routing.harness_of(goal, rung) or None if _is_dispatch(rung) else None)


def trees_of(goal: Goal) -> tuple[str, ...]:
    """What an act needs for itself: its folder, and the goal's claims where they are serialised."""
    serialised = goal.scope.owns if goal.scope.on_overlap == "serialise" else ()
    claims = [f"/claims/{claim.replace(chr(46) * 2, chr(95))}" for claim in serialised]
    return tuple(sorted([*([goal.workspace] if goal.workspace else []), *claims]))


def _ended(
    goal: Goal, act: RunningAct, result: AttemptResult, report: Report | None, *, now: Now, taken: Taken
) -> ActEnded:
    is_dispatch = act.rung.startswith("harness:")
    usage = None if report is None else report.usage
    charged, is_estimate = _charge(goal, act, result, usage) if is_dispatch else (None, False)
    cost_usd, is_cost_estimate = _cost(act, result, usage) if is_dispatch else (None, False)
    reason = taken.reason or result.reason
    if reason is None and report is not None and report.error is not None:
        reason = report.error
    cause = _cause(result, report, is_dispatch=is_dispatch)
    if cause in quota.TURNED_AWAY and usage is None:  # it was turned away: nothing was spent
        charged, is_estimate, cost_usd, is_cost_estimate = None, False, None, False
    return ActEnded(
        attempt_id=act.attempt_id,
        ending=result.ending,
        ended_s=now.boot_s if result.ended_s is None else min(result.ended_s, now.boot_s),
        exit_code=result.exit_code,
        signal=result.signal,
        duration_s=result.duration_s,
        reason=None if reason is None else redact(reason),
        usage=usage,
        tokens_charged=charged,
        charge_estimated=is_estimate,
        cause=taken.cause or cause,
        until_wall_s=_until_wall_s(report, now) if cause is Cause.QUOTA else None,
        change=taken.change,
        text=None if report is None or report.text is None else redact(report.text)[:TEXT_CHARS_MAX],
        session_id=None if report is None else report.session_id,
        survivors=result.survivors,
        cost_usd_charged=cost_usd,
        cost_estimated=is_cost_estimate,
        said=None if report is None else _said(report),
    )


def _said(report: Report) -> Said | None:
    said = Said(
        model=None if report.model is None else redact(report.model)[:NAME_CHARS_MAX],
        version=None if report.version is None else redact(report.version)[:NAME_CHARS_MAX],
        tools={redact(name)[:NAME_CHARS_MAX]: count for name, count in report.tools.items()},
        turns=report.turns,
        denials=len(report.denials) or None,
        cost_by_table=report.cost_by_table,
    )
    return None if said == Said() else said


def _charge(
    goal: Goal, act: RunningAct, result: AttemptResult, usage: Usage | None
) -> tuple[int | None, bool]:
    """Tokens to charge, and whether that is the reservation because nothing was reported."""
    if result.ending in NEVER_RAN:
        return None, False
    used = (
        None
        if usage is None
        else budget.tokens_used(usage, cached_read_weight=goal.budget.cached_read_weight)
    )
    if used is not None:
        return used, False
    return act.tokens_reserved, act.tokens_reserved is not None


def _cost(act: RunningAct, result: AttemptResult, usage: Usage | None) -> tuple[float | None, bool]:
    """Dollars to charge, and whether that is the reservation because nothing was reported."""
    if result.ending in NEVER_RAN:
        return None, False
    return budget.cost_charged_usd(usage, reserved_usd=act.cost_usd_reserved)


def _cause(result: AttemptResult, report: Report | None, *, is_dispatch: bool) -> Cause | None:
    """Ends that make another attempt pointless: nothing to run, no login, a limit, an unanswered question, denied,
    or waiting for what it left in the background. The last three are believed only if nothing changed.
    """
    if not is_dispatch:
        return None
    if result.cause is not None:
        return result.cause
    if result.ending == "not_started":
        return Cause.CAPABILITY_UNREACHABLE
    trouble = None if report is None or report.trouble is None else report.trouble.kind
    if trouble is TroubleKind.QUOTA:
        return Cause.QUOTA
    if trouble is TroubleKind.AUTH:
        return Cause.AUTH_FAILED
    if trouble is TroubleKind.UNSEEN_PROMPT and result.ending in ("idle_timeout", "total_timeout"):
        return Cause.PROMPT_UNSEEN
    if report is not None and report.denials:
        return Cause.PERMISSION_DENIED
    is_paid = result.ending == "exited" and report is not None and report.usage is not None
    if is_paid and report is not None and is_parked(report.text):
        return Cause.PARKED_ON_BACKGROUND
    return None


def _until_wall_s(report: Report | None, now: Now) -> float:
    trouble = None if report is None else report.trouble
    assert trouble is not None, "a quota is told by a trouble"
    return quota.until_wall_s(at_wall_s=trouble.at_wall_s, after_s=trouble.after_s, ended_wall_s=now.wall_s)
