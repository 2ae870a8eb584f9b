"""What submitting a goal records: a new one, a new generation, or a looser one that is held until people said yes.

One at a time, so that two claims cannot both be let in. A held spec is in the journal whole; enough yeses and the
generation they let in are one transaction, so that no crash leaves the one without the other.
"""

from collections.abc import Callable, Sequence

import anyio
from msgspec.structs import replace

from kazid.core import admission, approval, loosening
from kazid.core.admission import Change, spec_sha256
from kazid.core.approval import Refused
from kazid.core.approval_event import ApprovalGranted, ApprovalVoided, ChangeHeld
from kazid.core.errors import AdmissionRefused, Conflict
from kazid.core.event import Event, GoalApplied, ReconcileRequested
from kazid.core.goal import Goal
from kazid.core.ids import Epoch, Generation, GoalUid
from kazid.core.instant import Now
from kazid.core.level import ApprovalRule, Gate
from kazid.core.loosening import Circumstances, Loosening
from kazid.core.plan import HeldChange, Yes
from kazid.core.progress import Desired, Progress
from kazid.ports.clock import Clock
from kazid.ports.faults import fault_point
from kazid.ports.journal import GoalHeader, Journal
from kazid.runtime.approvers import Approvers
from kazid.runtime.goals import Goals
from kazid.runtime.state import GoalState
from kazid.runtime.views import Caller

NOBODY_ASKS = Circumstances(is_one_uid=True)
"""Where nothing is known of who may approve what: everybody is one uid, as on a user's own daemon."""


class Applying:
    """Submissions, and the yeses to those that are held."""

    def __init__(
        self,
        *,
        goals: Goals,
        journal: Journal,
        clock: Clock,
        approvers: Approvers,
        new_uid: Callable[[], GoalUid],
    ) -> None:
        self._goals = goals
        self._journal = journal
        self._clock = clock
        self._approvers = approvers
        self._new_uid = new_uid
        self._admission = anyio.Lock()

    async def apply(
        self, goal: Goal, caller: Caller, idempotency_key: str | None, *, circumstances: Circumstances
    ) -> tuple[GoalState, Change]:
        """Record what applying means; asked anew when the goal became another one before its turn came.

        Raises AdmissionRefused (overlapping claims), JournalUnavailable (degraded; nothing was stored).
        """
        async with self._admission:
            while True:
                state = self._goals.find(goal.owner, goal.id)
                is_again = idempotency_key is not None and await self._journal.find_key(idempotency_key)
                if is_again and state is not None:
                    is_held = _is_held(state.progress.held, goal)
                    return state, Change.HELD if is_held else Change.ATTACHED
                self._refuse_overlaps(goal)
                if state is None:
                    try:
                        return await self._create(goal, caller, idempotency_key), Change.CREATED
                    except Conflict:
                        await self._goals.discover(goal.owner, goal.id)
                        continue
                outcome = admission.change(state.spec, state.progress, goal)
                found = loosening.loosenings(state.spec, goal)
                rule = loosening.asks(state.spec, found, circumstances)
                if rule is not None:
                    if await self._hold(state, goal, found, rule, caller, idempotency_key):
                        return state, Change.HELD
                elif await self._reapply(
                    state, goal, outcome, caller, idempotency_key, loosened=loosening.certain(found)
                ):
                    return state, outcome

    def _refuse_overlaps(self, goal: Goal) -> None:
        problems = admission.overlaps(goal, (s.spec for s in self._goals))
        if problems:
            raise AdmissionRefused(problems)

    async def _create(self, goal: Goal, caller: Caller, idempotency_key: str | None) -> GoalState:
        header = GoalHeader(uid=self._new_uid(), owner=goal.owner, id=goal.id, is_deleted=False)
        state = self._goals.new_state(header)
        applied = GoalApplied(
            goal=goal,
            generation=Generation(1),
            epoch=Epoch(1),
            spec_sha256=spec_sha256(goal),
            fresh=True,
            by=caller.login,
            executor_uid=self._approvers.executor_uid,
        )
        await state.record(applied, header=header, idempotency_key=idempotency_key)
        await fault_point("goal.created")
        state.is_urgent = True
        self._goals.add(state)
        return state

    async def _reapply(
        self,
        state: GoalState,
        goal: Goal,
        outcome: Change,
        caller: Caller,
        idempotency_key: str | None,
        *,
        loosened: Sequence[str],
    ) -> bool:
        """Record it; False when the goal is not any more what `outcome` was about."""
        progress = state.progress
        event: Event
        if outcome is Change.ATTACHED:
            event = ReconcileRequested(by=caller.login)
        else:
            event = self._applied(state, goal, outcome, by=caller.login, loosened=loosened)
        events = [*_withdrawn(progress, "another spec was applied"), event]

        def still(now: Progress, _: Now) -> bool:
            return _is_unmoved(now, progress) and admission.change(state.spec, now, goal) is outcome

        if not await state.record(*events, idempotency_key=idempotency_key, only_if=still):
            return False
        state.is_urgent = True
        self._goals.ensure_running(state)
        return True

    def _applied(
        self, state: GoalState, goal: Goal, outcome: Change, *, by: str, loosened: Sequence[str]
    ) -> GoalApplied:
        progress = state.progress
        is_new = outcome is Change.GENERATION or (
            outcome is Change.REVIVED and admission.acting_sha256(goal) != admission.acting_sha256(state.spec)
        )
        return GoalApplied(
            goal=goal,
            generation=Generation(progress.generation + is_new),
            epoch=Epoch(progress.epoch + is_new),
            spec_sha256=spec_sha256(goal),
            fresh=outcome in (Change.REVIVED, Change.REOPENED),
            by=by,
            executor_uid=self._approvers.executor_uid,
            loosened=loosened,
        )

    # --- what is held -----------------------------------------------------------------------------------------

    async def _hold(
        self,
        state: GoalState,
        goal: Goal,
        found: Sequence[Loosening],
        rule: ApprovalRule,
        caller: Caller,
        idempotency_key: str | None,
    ) -> bool:
        """Record that it waits; False when the goal is not any more what was compared. The same again only attaches."""
        progress, now = state.progress, self._clock.now()
        held = progress.held
        if held is not None and _is_held(held, goal) and _stale(progress, held, now) is None:
            return True
        plan = loosening.plan_of(progress, goal, found, rule, now)
        event = ChangeHeld(
            goal=goal,
            plan=plan,
            plan_sha256=plan.sha256,
            loosened=tuple(each.sentence for each in found),
            by=caller.login,
        )
        events = [*_withdrawn(progress, "another spec was submitted"), event]
        return await state.record(
            *events, idempotency_key=idempotency_key, only_if=lambda p, _: _is_unmoved(p, progress)
        )

    async def approve(
        self, state: GoalState, sha256: str, caller: Caller, idempotency_key: str | None
    ) -> Refused | None:
        """Record a yes to what is held, and put it in force with the last one; why it does not count otherwise.

        Raises JournalUnavailable.
        """
        async with self._admission:
            while True:
                progress, now = state.progress, self._clock.now()
                refused = approval.refusal(
                    state.spec,
                    progress,
                    sha256,
                    login=caller.login,
                    uid=caller.uid,
                    grants=caller.grants,
                    now=now,
                )
                held = progress.held
                if refused is not None or held is None or held.asked.sha256 != sha256:
                    return refused
                asked = replace(held.asked, given=(*held.asked.given, Yes(by=caller.login, uid=caller.uid)))
                is_enough = approval.is_met(state.spec, asked)
                why = _stale(progress, held, now)
                lost = await self._approvers.lost(state, held.asked) if is_enough else None
                if why is not None or lost is not None:
                    reason = why or f"{lost} has no role for it any more"
                    void = ApprovalVoided(
                        gate=Gate.CHANGE, plan_sha256=sha256, reason=reason, lost=lost or ""
                    )
                    await state.record(void, only_if=lambda p, _, seen=progress: _is_unmoved(p, seen))  # type: ignore[misc]
                    return Refused(type="approval_stale", reason=f"{reason}; apply it again")
                events: list[Event] = [
                    ApprovalGranted(
                        gate=Gate.CHANGE,
                        plan_sha256=sha256,
                        by=caller.login,
                        by_uid=caller.uid,
                        is_enough=is_enough,
                    )
                ]
                if is_enough:
                    self._refuse_overlaps(held.goal)
                    outcome = admission.change(state.spec, progress, held.goal)
                    applied = self._applied(state, held.goal, outcome, by=held.by, loosened=held.loosened)
                    people = tuple(yes.by for yes in approval.counting(state.spec, asked))
                    events.append(replace(applied, plans=(sha256,), approved_by=people))
                if await state.record(
                    *events,
                    idempotency_key=idempotency_key,
                    only_if=lambda p, _, seen=progress: _is_unmoved(p, seen),  # type: ignore[misc]
                ):
                    break
        if is_enough:
            state.is_urgent = True
            self._goals.ensure_running(state)
        return None


def _is_held(held: HeldChange | None, goal: Goal) -> bool:
    return held is not None and held.asked.plan.spec_sha256 == spec_sha256(goal)


def _stale(progress: Progress, held: HeldChange, now: Now) -> str | None:
    plan = held.asked.plan
    return loosening.is_stale(progress, plan) or ("it expired" if now.wall_s >= plan.until_wall_s else None)


def _withdrawn(progress: Progress, reason: str) -> list[Event]:
    """What was held before counts no more: who submits has one wish at a time."""
    held = progress.held
    if held is None:
        return []
    return [ApprovalVoided(gate=Gate.CHANGE, plan_sha256=held.asked.sha256, reason=reason)]


def _is_unmoved(now: Progress, seen: Progress) -> bool:
    """Whether what was compared and asked is what there is, and the goal is not deleted."""
    is_same = (now.epoch, now.generation, now.spec_sha256) == (seen.epoch, seen.generation, seen.spec_sha256)
    return is_same and now.held == seen.held and now.desired is not Desired.DELETED
