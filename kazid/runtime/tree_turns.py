"""Looks of one goal and acts of all others take turns in a tree, and no act or end rests on a tree that moved on.

Beside the loop. A look at code is not begun while another goal acts there, and what was seen beside an act is dropped
and asked for again (`core/tree_wait.py`); the wait is journalled, so that `explain` names the holder. Before an act,
and before an end that is green, the tree is compared with the one that was judged (SEMANTICS §2).
"""

from collections.abc import Sequence

from kazid.core import cadence, tree_wait
from kazid.core.decision import Act
from kazid.core.delivery import RUNGS
from kazid.core.errors import JournalUnavailable
from kazid.core.event import LookDeferred
from kazid.core.ids import GoalUid, PredicateId
from kazid.core.instant import Now
from kazid.runtime.state import GoalState
from kazid.runtime.world import World

ASKS_AGAIN_S = 1.0
"""A wake-up at the end of the other's act may be lost; so often it is asked for."""


class TreeTurns:
    """One per goal's task; `looking` and `forced` are the task's own."""

    def __init__(
        self, state: GoalState, world: World, *, looking: set[PredicateId], forced: set[PredicateId]
    ) -> None:
        self._state = state
        self._world = world
        self._looking = looking
        self._forced = forced
        self._held: tuple[PredicateId, ...] = ()
        self.looks = 0
        """How often in a row the tree had moved on when it mattered."""

    # --- looks ------------------------------------------------------------------------------------------------

    def allowed(self, due: list[PredicateId]) -> list[PredicateId]:
        """What of this may be looked at now; the rest waits for another goal's act."""
        self._held = self._held_of(due)
        return [p for p in due if p not in self._held] if self._held else due

    def _held_of(self, due: Sequence[PredicateId]) -> tuple[PredicateId, ...]:
        goal, progress = self._state.spec, self._state.progress
        code = [p for p in due if tree_wait.tree_of(goal, goal.predicate(p), progress.worktree) is not None]
        if not code or self._holder() is None:
            return ()
        return tuple(p for p in code if not tree_wait.keeps_out(progress.tree_wait, p))

    def _holder(self) -> GoalUid | None:
        tree = self._state.placed.workspace
        return None if tree is None else self._world.executor.acting_in(self._state.uid, tree)

    async def tell(self) -> None:
        """Journal that looks wait, once for each holder."""
        state = self._state
        held = tuple(p for p in self._held if p in state.spec.predicate_ids)
        holder = self._holder() if held and self._world.health.degraded is None else None
        if holder is None:
            return
        ref = self._world.governor.ref_of(holder)
        deferred = LookDeferred(predicates=held, holder=ref)
        await state.record(deferred, only_if=lambda p, _: tree_wait.is_news(p.tree_wait, held, holder=ref))

    async def discarded(self, predicate_id: PredicateId, holder: GoalUid) -> None:
        """What was seen is nobody's evidence: it is looked at again."""
        self._forced.add(predicate_id)
        ref = self._world.governor.ref_of(holder)
        deferred = LookDeferred(predicates=(predicate_id,), holder=ref, was_discarded=True)
        try:
            await self._state.record(deferred)
        except JournalUnavailable:
            return  # only how often it happened is forgotten

    def next_s(self, now: Now) -> float | None:
        """When it is asked again whether the tree is free; None when nothing waits for it."""
        return now.boot_s + ASKS_AGAIN_S if self._held else None

    # --- what acts and ends rest on -----------------------------------------------------------------------------

    async def is_as_judged(self, act: Act | None = None) -> bool:
        """Whether the tree is the one that was judged; False asks for looks, unless it changes with each of them.

        For an act on one slice only its predicates count; for a landing, and for a green end, all do.
        """
        goal, progress = self._state.spec, self._state.progress
        judged = goal.predicate_ids if act is None or act.rung in RUNGS else act.predicates
        code = [p for p in judged if not goal.predicate(p).live]
        if not code or goal.workspace is None:
            return True
        tree = await self._world.observer.tree_hash(self._state.placed)
        stale = [p for p in code if progress.predicate(p).tree != tree]
        if not stale:
            self.looks = 0
            return True
        if any(p in self._looking for p in stale):
            return False
        if self.looks >= cadence.TREE_LOOKS_MAX:
            return True
        if self._holder() is None:
            self.looks += 1
        self._forced.update(stale)
        return False
