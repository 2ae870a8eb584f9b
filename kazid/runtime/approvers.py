"""Whether what people said yes to still stands when it is about to be done: their roles, and the tree, as they are now.

Asked right before an act's intent. What does not stand is journalled as `approval.voided`, and `decide` asks anew.
"""

from collections.abc import Awaitable, Callable, Sequence

from kazid.core.approval import asked_for, has_role
from kazid.core.approval_event import ApprovalVoided
from kazid.core.plan import Asked
from kazid.core.roles import Grant
from kazid.runtime.state import GoalState

GrantsOf = Callable[[int], Awaitable[tuple[str, Sequence[Grant]]]]
"""The login that a uid has now, and its grants; none for one that is gone."""


async def _nobody(uid: int) -> tuple[str, Sequence[Grant]]:
    return str(uid), ()


class Approvers:
    """Who people are now. `executor_uid`: whom acts run as."""

    def __init__(self, *, executor_uid: int | None = None, grants_of: GrantsOf = _nobody) -> None:
        self.executor_uid = executor_uid
        self._grants_of = grants_of

    async def voids(self, state: GoalState, plans: Sequence[str]) -> bool:
        """Whether a yes that an act rests on counts no more; that is journalled then."""
        for sha256 in plans:
            asked = asked_for(state.progress, sha256)
            lost = None if asked is None else await self.lost(state, asked)
            if asked is None or lost is None:
                continue
            stale = ApprovalVoided(
                gate=asked.plan.gate,
                plan_sha256=sha256,
                reason=f"{lost} has no role for it any more",
                lost=lost,
            )
            await state.record(stale, only_if=lambda p, _, name=sha256: asked_for(p, name) is not None)  # type: ignore[misc]
            return True
        return False

    async def lost(self, state: GoalState, asked: Asked) -> str | None:
        """Who said yes and is nobody to ask any more; None: all of them still are."""
        for yes in asked.given:
            login, grants = await self._grants_of(yes.uid)
            if login != yes.by or not has_role(state.spec, asked.plan, login=login, grants=grants):
                return yes.by
        return None
