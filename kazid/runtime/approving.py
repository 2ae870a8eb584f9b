"""`approve` and `reject` as verbs: a person's word on one plan, checked against what stands when it is recorded."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from kazid.core import approval, lowering
from kazid.core.approval import Refused
from kazid.core.approval_event import ApprovalGranted, ApprovalRejected, AutonomyRestored
from kazid.core.errors import UnknownGoal
from kazid.core.ids import GoalId, Owner
from kazid.core.instant import Now
from kazid.core.plan import Asked, Yes
from kazid.core.progress import Progress
from kazid.ports.clock import Clock
from kazid.ports.journal import Journal
from kazid.runtime.applying import Applying
from kazid.runtime.goals import Goals
from kazid.runtime.state import GoalState
from kazid.runtime.views import Caller


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A request that stands, and whose goal it is of."""

    owner: str
    goal_id: str
    asked: Asked
    predicates: Sequence[str]
    """What it serves, as far as it may be named."""
    is_met: bool
    loosened: Sequence[str] = ()
    """Of a looser spec: what it loosens, each in a sentence."""


class Approving:
    """The verbs, over the goals there are. Whether a person is behind the caller is the API's question."""

    def __init__(self, goals: Goals, journal: Journal, clock: Clock, applying: Applying) -> None:
        self._goals = goals
        self._applying = applying
        self._clock = clock
        self._journal = journal

    def pending(self, sees: Callable[[str, Mapping[str, str]], bool]) -> Iterator[Pending]:
        """What waits for a person, of the goals that the caller sees."""
        for state in self._goals:
            held = state.progress.held
            if (state.progress.approvals or held) and sees(state.header.owner, state.spec.labels):
                for asked in (*state.progress.approvals.values(), *(() if held is None else (held.asked,))):
                    if asked.rejected_by is None:
                        yield Pending(
                            owner=state.header.owner,
                            goal_id=state.header.id,
                            asked=asked,
                            predicates=_named(state, asked),
                            is_met=approval.is_met(state.spec, asked),
                            loosened=() if held is None or asked is not held.asked else held.loosened,
                        )

    async def approve(
        self, owner: str, goal_id: str, *, plan: str, caller: Caller, idempotency_key: str | None = None
    ) -> Refused | None:
        """Record a yes; why it does not count otherwise. Raises UnknownGoal, JournalUnavailable."""
        state = self._state(owner, goal_id)
        if await self._is_again(idempotency_key):
            return None
        if state.progress.held is not None and state.progress.held.asked.sha256 == plan:
            return await self._applying.approve(state, plan, caller, idempotency_key)

        def refusal(progress: Progress, now: Now) -> Refused | None:
            return approval.refusal(
                state.spec, progress, plan, login=caller.login, uid=caller.uid, grants=caller.grants, now=now
            )

        while True:
            refused = refusal(state.progress, self._clock.now())
            asked = approval.asked_for(state.progress, plan)
            if refused is not None or asked is None:
                return refused
            with_this = msgspec.structs.replace(
                asked, given=(*asked.given, Yes(by=caller.login, uid=caller.uid))
            )
            event = ApprovalGranted(
                gate=asked.plan.gate,
                plan_sha256=plan,
                by=caller.login,
                by_uid=caller.uid,
                is_enough=approval.is_met(state.spec, with_this),
            )
            if await state.record(
                event,
                idempotency_key=idempotency_key,
                only_if=lambda p, at, seen=asked: (  # type: ignore[misc]
                    refusal(p, at) is None and approval.asked_for(p, plan) == seen
                ),
            ):
                state.wakeup.set()
                return None

    async def reject(
        self,
        owner: str,
        goal_id: str,
        *,
        plan: str,
        reason: str,
        caller: Caller,
        idempotency_key: str | None = None,
    ) -> Refused | None:
        """Record a no; why it does not count otherwise. `plan` "": the one request that stands."""
        state = self._state(owner, goal_id)
        if await self._is_again(idempotency_key):
            return None
        standing = [a.sha256 for a in state.progress.approvals.values() if not approval.is_met(state.spec, a)]
        standing += [] if state.progress.held is None else [state.progress.held.asked.sha256]
        name = plan or (standing[0] if len(standing) == 1 else "")

        def refusal(progress: Progress) -> Refused | None:
            return approval.refusal_to_reject(
                state.spec, progress, name, login=caller.login, grants=caller.grants
            )

        while True:
            refused = refusal(state.progress)
            asked = approval.asked_for(state.progress, name)
            if refused is not None or asked is None:
                return refused
            event = ApprovalRejected(
                gate=asked.plan.gate, plan_sha256=name, by=caller.login, by_uid=caller.uid, reason=reason
            )
            if await state.record(
                event, idempotency_key=idempotency_key, only_if=lambda p, _: refusal(p) is None
            ):
                state.wakeup.set()
                return None

    async def restore(
        self,
        owner: str,
        goal_id: str,
        *,
        reason: str,
        caller: Caller,
        is_one_uid: bool,
        idempotency_key: str | None = None,
    ) -> Refused | None:
        """Let a goal that was lowered act at its own level again; why this person may not otherwise."""
        state = self._state(owner, goal_id)
        if await self._is_again(idempotency_key):
            return None

        def refusal(progress: Progress) -> Refused | None:
            return lowering.refusal(state.spec, progress, caller, is_one_uid=is_one_uid)

        event = AutonomyRestored(by=caller.login, by_uid=caller.uid, reason=reason)
        while (refused := refusal(state.progress)) is None:
            if await state.record(
                event, idempotency_key=idempotency_key, only_if=lambda p, _: refusal(p) is None
            ):
                state.wakeup.set()
                return None
        return refused

    async def _is_again(self, idempotency_key: str | None) -> bool:
        return idempotency_key is not None and await self._journal.find_key(idempotency_key) is not None

    def _state(self, owner: str, goal_id: str) -> GoalState:
        state = self._goals.find(Owner(owner), GoalId(goal_id))
        if state is None:
            raise UnknownGoal(f"{owner}/{goal_id}")
        return state


def _named(state: GoalState, asked: Asked) -> Sequence[str]:
    hidden = {p.id for p in state.spec.predicates if p.held_out}
    return [p for p in asked.plan.predicates if p not in hidden]
