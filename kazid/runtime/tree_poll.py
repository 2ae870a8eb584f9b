"""A standing goal's code verdicts age with the tree: a bounded look at its content, to find what nobody told."""

from collections.abc import Sequence

from kazid.core import cadence
from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.runtime.observer import Observer
from kazid.runtime.state import GoalState


class TreePoll:
    """When the tree is looked at next, and which verdicts are of another one."""

    def __init__(self, state: GoalState, observer: Observer) -> None:
        self._state = state
        self._observer = observer
        self._next_s: float | None = None

    def next_s(self) -> float | None:
        """When the tree is looked at next, in boot seconds; None when it is not, or nothing was asked yet."""
        return self._next_s if cadence.polls_tree(self._state.spec, self._state.progress) else None

    async def due(self, now: Now) -> Sequence[PredicateId]:
        """Predicates of code whose verdict is of another tree than what is there now; empty before its time."""
        state = self._state
        if not cadence.polls_tree(state.spec, state.progress):
            return ()
        if self._next_s is None:
            self._next_s = now.boot_s + cadence.TREE_POLL_S
        if now.boot_s < self._next_s:
            return ()
        self._next_s = now.boot_s + cadence.TREE_POLL_S
        tree = await self._observer.tree_hash(state.placed)
        seen = {p.id: state.progress.predicate(p.id) for p in state.spec.predicates if not p.live}
        return [p for p, s in seen.items() if s.verdict is not None and s.tree != tree]
