"""Acting: from a decision to one attempt, and from its end to one event. Never judges; the next look does.

The last step of the turn. Makes the order (remedy or agent), takes the workspace lease and a slot, and turns what the
runner says into `act.ended` with what was spent. Callers journal the intent before `start`.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from kazid.core import budget
from kazid.core.event import ActEnded, ActIntended, Usage
from kazid.core.goal import Goal
from kazid.core.ids import AttemptId, GoalUid, PredicateId
from kazid.core.instant import Now
from kazid.core.progress import Progress, RunningAct
from kazid.core.rungs import remedy_of
from kazid.core.status import Cause
from kazid.core.vector import VerdictVector
from kazid.ports.harness import Harness, Report
from kazid.ports.lease import Leases
from kazid.ports.runner import Attempt, AttemptOrder, AttemptResult, Runner

LOG_PARSED_BYTES_MAX = 4 * 1024 * 1024
"""Of an agent's stdout read back for parsing; the shim bounds what is on disk."""
TEXT_CHARS_MAX = 2000
REMEDIES_MAX = 8
DISPATCHES_MAX = 2

PromptBuilder = Callable[[Goal, Progress, VerdictVector, tuple[PredicateId, ...]], str]


class ExecutorLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many executors run at once over all goals."""

    remedies: int = REMEDIES_MAX
    dispatches: int = DISPATCHES_MAX


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
    ) -> None:
        self._runner = runner
        self._leases = leases
        self._harnesses = harnesses
        self._build_prompt = build_prompt
        self._private_folder = private_folder
        self._limits = limits
        self._running: dict[GoalUid, bool] = {}
        """Goals with an act under way, and whether it is a dispatch."""
        self._attempts: dict[GoalUid, Attempt] = {}
        self.acts_total = 0

    def reserve(self, uid: GoalUid, goal: Goal, rung: str) -> tuple[str, str] | None:
        """Take lease and slot for an act; None when taken, else (what it waits for, who holds it)."""
        is_dispatch = rung.startswith("harness:")
        if uid not in self._running:
            limit = self._limits.dispatches if is_dispatch else self._limits.remedies
            if sum(1 for kind in self._running.values() if kind is is_dispatch) >= limit:
                return ("slots", f"{limit} {'agents' if is_dispatch else 'remedies'} already running")
        me = f"{goal.owner}/{goal.id}"
        for tree in _leased(goal):
            holder = self._leases.acquire(tree=tree, holder=me)
            if holder is not None:
                self._release_leases(goal)
                return ("lease", holder)
        self._running[uid] = is_dispatch
        return None

    def release(self, uid: GoalUid, goal: Goal) -> None:
        """Give lease and slot back; harmless when nothing is held."""
        self._running.pop(uid, None)
        self._attempts.pop(uid, None)
        self._release_leases(goal)

    def _release_leases(self, goal: Goal) -> None:
        for tree in _leased(goal):
            self._leases.release(tree=tree, holder=f"{goal.owner}/{goal.id}")

    def order(
        self, intent: ActIntended, uid: GoalUid, goal: Goal, progress: Progress, vector: VerdictVector
    ) -> AttemptOrder:
        """What to run for this intent. Pure, but for the private folder's name."""
        cwd = goal.workspace or self._private_folder(uid)
        if not intent.rung.startswith("harness:"):
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
            )
        assert goal.harness is not None, "only a goal with a harness dispatches"
        prompt = self._build_prompt(goal, progress, vector, tuple(intent.predicates))
        invocation = self._harnesses[goal.harness.id].build(goal.harness, prompt=prompt)
        return AttemptOrder(
            uid=uid,
            attempt_id=intent.attempt_id,
            argv=invocation.argv,
            cwd=cwd,
            path=goal.path,
            env={**invocation.env, **goal.harness.env},
            env_names=invocation.env_names,
            stdin_text=invocation.stdin_text,
            idle_timeout_s=goal.harness.idle_timeout_s,
            total_timeout_s=goal.harness.total_timeout_s,
        )

    async def start(self, order: AttemptOrder) -> Attempt:
        """Start it under the shim."""
        self.acts_total += 1
        attempt = await self._runner.start(order)
        self._attempts[order.uid] = attempt
        return attempt

    async def recover(self, uid: GoalUid, attempt_id: AttemptId) -> Attempt:
        """Take over what a dead daemon left; ends at once unless it still runs."""
        attempt = await self._runner.recover(uid, attempt_id)
        self._attempts[uid] = attempt
        return attempt

    def pids(self, uid: GoalUid) -> Sequence[int]:
        """Processes of the goal's running attempt, as far as they are known."""
        attempt = self._attempts.get(uid)
        return () if attempt is None else attempt.pids()

    async def ended(
        self, uid: GoalUid, goal: Goal, act: RunningAct, result: AttemptResult, now: Now
    ) -> ActEnded:
        """The attempt's end as an event, with what it said it used."""
        report = None
        is_dispatch = act.rung.startswith("harness:")
        if is_dispatch and goal.harness is not None and result.ending not in ("never_started", "not_started"):
            report = self._harnesses[goal.harness.id].parse(await self._printed(uid, act.attempt_id))
        return _ended(goal, act, result, report, is_dispatch=is_dispatch, now=now)

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


def _leased(goal: Goal) -> list[str]:
    """What an act of this goal needs for itself: its workspace, and its claims where they are serialised."""
    serialised = goal.scope.owns if goal.scope.on_overlap == "serialise" else ()
    claims = [f"/claims/{claim.replace(chr(46) * 2, chr(95))}" for claim in serialised]
    return sorted([*([goal.workspace] if goal.workspace else []), *claims])


def _ended(
    goal: Goal, act: RunningAct, result: AttemptResult, report: Report | None, *, is_dispatch: bool, now: Now
) -> ActEnded:
    usage = None if report is None else report.usage
    charged, is_estimate = _charge(goal, act, result, usage) if is_dispatch else (None, False)
    reason = result.reason
    if reason is None and report is not None and report.error is not None:
        reason = report.error
    return ActEnded(
        attempt_id=act.attempt_id,
        ending=result.ending,
        ended_s=now.boot_s if result.ended_s is None else min(result.ended_s, now.boot_s),
        exit_code=result.exit_code,
        signal=result.signal,
        duration_s=result.duration_s,
        reason=reason,
        usage=usage,
        tokens_charged=charged,
        charge_estimated=is_estimate,
        cause=_cause(result, report, is_dispatch=is_dispatch),
        text=None if report is None or report.text is None else report.text[:TEXT_CHARS_MAX],
        session_id=None if report is None else report.session_id,
        survivors=result.survivors,
    )


def _charge(
    goal: Goal, act: RunningAct, result: AttemptResult, usage: Usage | None
) -> tuple[int | None, bool]:
    """Tokens to charge, and whether that is the reservation because nothing was reported."""
    if result.ending in ("never_started", "not_started"):
        return None, False
    used = (
        None
        if usage is None
        else budget.tokens_used(usage, cached_read_weight=goal.budget.cached_read_weight)
    )
    if used is not None:
        return used, False
    return act.tokens_reserved, act.tokens_reserved is not None


def _cause(result: AttemptResult, report: Report | None, *, is_dispatch: bool) -> Cause | None:
    """Ends that make another attempt pointless: nothing to run, or denied (believed only if nothing changed)."""
    if not is_dispatch:
        return None
    if result.ending == "not_started":
        return Cause.CAPABILITY_UNREACHABLE
    if report is not None and report.denials:
        return Cause.PERMISSION_DENIED
    return None
