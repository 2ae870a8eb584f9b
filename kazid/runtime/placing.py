"""Making, delivering and dropping a goal's own tree, as its decisions need it.

Beside the loop: a step runs before the decision that needs it is carried out, holds the workspace's lease while it
reads or writes there, and ends in an event or in the goal's end. Which step is due is pure (`core/placement.py`).
What a killed daemon left half done is done again: every step is harmless twice.
"""

from collections.abc import Awaitable, Callable, Collection

import anyio
import structlog
from anyio.abc import TaskGroup
from msgspec.structs import replace

from kazid.core import approval
from kazid.core.decision import Conclude, Decision
from kazid.core.errors import JournalUnavailable
from kazid.core.event import (
    ActDeferred,
    ReconcileRequested,
    WorktreeCreated,
    WorktreeDelivered,
    WorktreeRemoved,
    WorktreeSkipped,
)
from kazid.core.ids import PredicateId
from kazid.core.placement import Step, end_of_idling, step_before
from kazid.core.progress import Progress
from kazid.core.status import FINISHED, Cause, GoalStatus
from kazid.core.worktree import Worktree
from kazid.ports.worktree import Unmade
from kazid.runtime.standing import still_stands
from kazid.runtime.state import GoalState
from kazid.runtime.world import World

log = structlog.get_logger(__name__)

RETRY_S = 1.0
DELIVER = "deliver"
"""The slot of a delivery: it counts as a remedy, for it acts in the user's tree."""


class Placing:
    """The steps of one goal's tree."""

    def __init__(
        self,
        state: GoalState,
        world: World,
        *,
        refusal: Callable[[], Awaitable[Conclude | None]],
        conclude: Callable[[Conclude, Decision], Awaitable[None]],
    ) -> None:
        self._state = state
        self._world = world
        self._refusal = refusal
        self._conclude = conclude
        self.is_busy = False
        self._scope = anyio.CancelScope()

    def due(self) -> Step | None:
        """The step that the present decision needs first."""
        state = self._state
        if state.goal is None or state.decision is None or self.is_busy:
            return None
        return step_before(state.governed, state.progress, state.decision)

    def comes_first(self, group: TaskGroup | None, looking: Collection[PredicateId]) -> bool:
        """Whether the decision has to wait for the tree; starts the step where there is a group to run it in.

        No code is looked at while the tree changes, and what is looked at ends before.
        """
        if self.is_busy:
            self._give_up_if_unwanted()
            return True
        self._give_back_unused()
        step, decision, goal = self.due(), self._state.decision, self._state.spec
        if step is None or decision is None:
            return False
        is_looking = any(p in goal.predicate_ids and not goal.predicate(p).live for p in looking)
        if group is not None and not is_looking and self._world.health.degraded is None:
            self.is_busy = True
            group.start_soon(self._take, step, decision)
        return True

    async def _take(self, step: Step, decision: Decision) -> None:
        """Take a step to its event; whatever stops it, the next turn decides again."""
        state = self._state
        is_done = False
        try:
            with self._scope:
                match step:
                    case Step.MAKE:
                        is_done = await self._make(decision)
                    case Step.DELIVER:
                        is_done = await self._deliver(decision)
                    case Step.DROP:
                        is_done = await self._drop(decision)
                if not is_done:
                    await anyio.sleep(RETRY_S)
        except JournalUnavailable:
            await anyio.sleep(RETRY_S)
        finally:
            self._scope = anyio.CancelScope()
            self.is_busy = False
            state.wakeup.set()

    def _give_back_unused(self) -> None:
        """A slot that is kept for an agent goes to others where none is to start any more."""
        executor, progress = self._world.executor, self._state.progress
        is_over = progress.worktree is None or progress.status in FINISHED or not progress.may_act
        if is_over and executor.is_kept(self._state.uid):
            executor.release(self._state.uid)

    def _give_up_if_unwanted(self) -> None:
        """A fence ends a step: what it made is made again, or swept."""
        if self.is_busy and not self._state.progress.may_act:
            self._scope.cancel()

    async def finish(self) -> None:
        """See `finish`."""
        await finish(self._state, self._world)

    async def _make(self, decision: Decision) -> bool:
        """False: it has to wait, or somebody decided otherwise meanwhile."""
        state, goal, progress = self._state, self._state.spec, self._state.progress
        refusal = await self._refusal()
        if refusal is not None:
            await self._conclude(refusal, decision)
            return True
        rung = f"harness:{goal.harness.id if goal.harness else ''}"
        governor = self._world.governor
        waits = governor.waits_for(state) or governor.agent_waits_for(state, rung)
        waits = waits or self._world.executor.reserve(state.uid, goal, rung)
        if waits is not None:
            deferred = ActDeferred(waits_for=waits[0], holder=waits[1])
            await state.record(self._world.dated(state, deferred), only_if=still_stands(decision, state))
            return True
        began_s = anyio.current_time()
        try:
            made = await self._world.places.make(state.uid, goal)
        except BaseException:
            self._world.executor.release(state.uid)
            raise
        took_s = round(anyio.current_time() - began_s, 3)
        if isinstance(made, Worktree):
            self._world.executor.keep(state.uid)
        else:
            self._world.executor.release(state.uid)
        if isinstance(made, Unmade) and made.is_in_place and approval.keeps_work_back(state.governed):
            reason = (
                f"[autonomy] keeps agents' work back, and there is no repository to keep it in: {made.reason}"
            )
            end = Conclude(status=GoalStatus.STUCK, cause=Cause.WORKTREE_FAILED, reason=reason)
            await self._conclude(end, decision)
            return True

        def still(now: Progress, _: object) -> bool:
            is_same = (now.epoch, now.generation) == (progress.epoch, progress.generation)
            return is_same and now.worktree is None

        if isinstance(made, Unmade) and made.is_in_place:
            return await state.record(WorktreeSkipped(reason=made.reason), only_if=still)
        if isinstance(made, Unmade):
            log.info("worktree.refused", goal_id=goal.id, cause=made.cause.value)
            await self._conclude(
                Conclude(status=GoalStatus.STUCK, cause=made.cause, reason=made.reason), decision
            )
            return True
        log.info(
            "worktree.created", goal_id=goal.id, branch=made.branch, base=made.base[:12], duration_s=took_s
        )
        return await state.record(WorktreeCreated(worktree=made, setup_s=took_s), only_if=still)

    async def _deliver(self, decision: Decision) -> bool:
        state, tree = self._state, self._state.progress.worktree
        assert tree is not None, "there is something to deliver"
        refusal = await self._refusal()
        if refusal is not None:
            await self._conclude(refusal, decision)
            return True
        cleared = approval.before_delivery(state.governed, state.progress, self._world.clock.now())
        if not isinstance(cleared, approval.Cleared):
            return False
        if await self._world.approvers.voids(state, cleared.plans):
            return True
        if cleared.plans and not await self._is_as_approved(cleared):
            return False
        waits = self._world.executor.reserve(state.uid, state.spec, DELIVER)
        if waits is not None:
            log.info("worktree.waits", goal_id=state.spec.id, waits_for=waits[0], holder=waits[1])
            return False
        done: WorktreeDelivered | WorktreeRemoved | str = "it was cut off"
        try:
            with anyio.CancelScope(shield=True):
                done = await self._world.places.deliver(state.uid, tree, state.progress)
        finally:
            self._world.executor.release(state.uid)
        if isinstance(done, str):
            end = Conclude(status=GoalStatus.STUCK, cause=Cause.DELIVERY_CONFLICT, reason=done)
            await self._conclude(end, decision)
            return True
        if isinstance(done, WorktreeDelivered):
            done = replace(done, plans=cleared.plans, approved_by=cleared.by)
        is_recorded = await state.record(done, only_if=lambda p, _: p.worktree == tree)
        if isinstance(done, WorktreeRemoved):
            log.info("worktree.collided", goal_id=state.spec.id, reason=done.reason)
        elif is_recorded:
            log.info("worktree.delivered", goal_id=state.spec.id, files=done.files_total)
            await self._world.places.remove(state.uid, tree, has_landed=True)
        return True

    async def _is_as_approved(self, cleared: approval.Cleared) -> bool:
        """Whether the goal's tree is the patch that people said yes to; else it is looked at, and asked for anew."""
        state = self._state
        tree = await self._world.observer.tree_hash(state.placed)
        asked = [approval.asked_for(state.progress, sha256) for sha256 in cleared.plans]
        if all(a is not None and list(a.plan.trees) == [tree] for a in asked):
            return True
        await state.record(ReconcileRequested(by=approval.GUARD))
        return False

    async def _drop(self, decision: Decision) -> bool:
        state, tree = self._state, self._state.progress.worktree
        assert tree is not None, "there is something to drop"
        end = end_of_idling(state.progress)
        if end is not None:
            await self._conclude(end, decision)
            return True
        saved = await self._world.places.remove(state.uid, tree, has_landed=True)
        removed = WorktreeRemoved(reason="all was green in it before any work", saved=saved)
        return await state.record(removed, only_if=lambda p, _: p.worktree == tree)


async def finish(state: GoalState, world: World) -> None:
    """After a goal that lands is done: its tree goes, its branch stays. Also at a start, for one that a kill kept."""
    tree = state.progress.worktree
    if state.goal is None or state.goal.standing or tree is None:
        return
    if state.progress.status is not GoalStatus.CONVERGED:
        return
    saved = await world.places.remove(state.uid, tree, has_landed=False)
    try:
        await state.record(WorktreeRemoved(reason="the goal is done", saved=saved))
    except JournalUnavailable:
        log.warning("worktree.removed_unsaved", goal_id=state.spec.id)
