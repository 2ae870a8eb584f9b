"""Pushes of one goal: what is watched for each predicate, what came, and when the look is due that answers it.

Between the watcher and the goal's task. A push wakes the task and says nothing else; what it leads to is decided in
`core/push.py`. Watches are made before the first look, so that nothing changes unseen between a look and its watch,
follow what each look says (the pids that it found), and end with the task. A goal that watches nothing costs nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from kazid.core import push
from kazid.core.event import PredicateObserved
from kazid.core.goal import Goal, Predicate
from kazid.core.ids import GoalUid, PredicateId
from kazid.core.json import Json
from kazid.core.progress import Progress
from kazid.core.push import Pushed
from kazid.core.verdict import Verdict
from kazid.core.watch import HookSource, Source, named
from kazid.core.worktree import placed
from kazid.ports.clock import Clock
from kazid.ports.watcher import Watcher, WatchKey
from kazid.runtime.hooks import Hooks
from kazid.runtime.observer import Observer
from kazid.runtime.push_counts import PushCounts
from kazid.runtime.views import Watched
from kazid.runtime.wakeup import Wakeup

REWATCH_S = 10.0
"""At the earliest so long after the last time a look has its paths traced again: a folder may have been moved whole."""


class Surroundings(Protocol):
    """What of the world a goal's pushes need."""

    clock: Clock
    observer: Observer
    watcher: Watcher
    hooks: Hooks
    push_counts: PushCounts


class _Predicate:
    """What is watched for one predicate, and what came of it."""

    __slots__ = ("hook_problem", "last_source", "problems", "pushed", "sources", "watched_s")

    def __init__(self) -> None:
        self.sources: tuple[Source, ...] = ()
        self.problems: Mapping[Source, str] = {}
        self.hook_problem: Mapping[Source, str] = {}
        self.watched_s = 0.0
        self.pushed = Pushed()
        self.last_source: Source | None = None


class Pushes:
    """One per goal's task."""

    __slots__ = (
        "_clock",
        "_counts",
        "_goal",
        "_hooks",
        "_observer",
        "_predicates",
        "_uid",
        "_wakeup",
        "_watcher",
    )

    def __init__(self, uid: GoalUid, wakeup: Wakeup, around: Surroundings) -> None:
        self._uid = uid
        self._wakeup = wakeup
        self._clock = around.clock
        self._observer = around.observer
        self._watcher = around.watcher
        self._hooks = around.hooks
        self._counts = around.push_counts
        self._goal: Goal | None = None
        self._predicates: dict[PredicateId, _Predicate] | None = None

    # --- watching ---------------------------------------------------------------------------------------------

    def follow(self, goal: Goal) -> None:
        """The goal as it is now: its hooks answer, before anything is looked at, and what it has no more is dropped."""
        if goal is self._goal:
            return
        self._goal = goal
        self._prune(goal)
        for predicate in goal.predicates:
            if predicate.wake is not None and predicate.wake.hook:
                self._open_hook(predicate.id)
            elif self._known(predicate.id) is not None:
                self._hooks.close(WatchKey(self._uid, predicate.id))

    def _open_hook(self, predicate_id: PredicateId) -> None:
        def wake() -> None:
            self.push(predicate_id, HookSource())

        known = self._known(predicate_id) or self._added(predicate_id)
        refusal = self._hooks.open(WatchKey(self._uid, predicate_id), wake)
        known.hook_problem = {} if refusal is None else {HookSource(): refusal}

    async def before(self, goal: Goal, predicate: Predicate, progress: Progress) -> float:
        """Watch what the look is about to see; when the look began, for pushes."""
        verdict = progress.predicate(predicate.id).verdict
        await self._watch(goal, predicate, progress, {} if verdict is None else verdict.evidence)
        return self._clock.now().boot_s

    async def after(
        self,
        goal: Goal,
        predicate: Predicate,
        progress: Progress,
        observed: PredicateObserved,
        *,
        began_s: float,
    ) -> None:
        """The look answered what was owed when it began; watch what it found."""
        await self._watch(goal, predicate, progress, observed.verdict.evidence)
        known = self._known(predicate.id)
        if known is not None:
            has_news = _is_news(progress.predicate(predicate.id).verdict, observed.verdict)
            known.pushed = push.looked(
                known.pushed, began_s=began_s, ended_s=self._clock.now().boot_s, has_news=has_news
            )

    async def _watch(
        self, goal: Goal, predicate: Predicate, progress: Progress, evidence: Mapping[str, Json]
    ) -> None:
        here = goal if predicate.live else placed(goal, progress.worktree)
        sources = self._observer.sources(self._uid, here, predicate, evidence)
        known = self._known(predicate.id)
        if known is None:
            if not sources:
                return
            known = self._added(predicate.id)
        now_s = self._clock.now().boot_s
        if sources == known.sources and now_s < known.watched_s + REWATCH_S:
            return
        known.sources, known.watched_s = sources, now_s
        watched = [s for s in sources if not isinstance(s, HookSource)]
        key = WatchKey(self._uid, predicate.id)

        def wake(source: Source) -> None:
            self.push(predicate.id, source)

        known.problems = await self._watcher.watch(key, watched, wake)

    def _prune(self, goal: Goal) -> None:
        """Drop what is watched for predicates that the goal has no more."""
        for predicate_id in [p for p in self._predicates or () if p not in goal.predicate_ids]:
            self._drop(predicate_id)

    def drop(self) -> None:
        """The task ends: nothing is watched any more."""
        for predicate_id in list(self._predicates or ()):
            self._drop(predicate_id)

    def _drop(self, predicate_id: PredicateId) -> None:
        assert self._predicates is not None
        del self._predicates[predicate_id]
        self._watcher.drop(WatchKey(self._uid, predicate_id))
        self._hooks.close(WatchKey(self._uid, predicate_id))

    # --- pushes -----------------------------------------------------------------------------------------------

    def push(self, predicate_id: PredicateId, source: Source) -> bool:
        """Something happened: look soon. False when nobody watches for this predicate."""
        known = self._known(predicate_id)
        if known is None:
            return False
        self._counts.count(source, coalesced=known.pushed.owed_s is not None)
        known.pushed = push.pushed(known.pushed, self._clock.now().boot_s)
        known.last_source = source
        self._wakeup.set()
        return True

    def due(self, now_s: float) -> list[PredicateId]:
        """What is to be looked at now because of a push."""
        return [p for p, at_s in self._owed() if at_s <= now_s]

    def next_s(self, now_s: float) -> float | None:
        """When the next of them falls due that is not yet."""
        return min((at_s for _, at_s in self._owed() if at_s > now_s), default=None)

    @property
    def is_awaited(self) -> bool:
        """True while an end has to wait for a look: a pass of before a push does not count (SEMANTICS §2)."""
        return any(push.is_awaited(known.pushed) for known in (self._predicates or {}).values())

    def _owed(self) -> Sequence[tuple[PredicateId, float]]:
        if not self._predicates:
            return ()
        times = ((p, push.due_s(known.pushed)) for p, known in self._predicates.items())
        return [(p, at_s) for p, at_s in times if at_s is not None]

    # --- telling ----------------------------------------------------------------------------------------------

    @property
    def watched(self) -> tuple[Watched, ...]:
        """What is watched, for people."""
        return tuple(
            Watched(
                predicate_id=predicate_id,
                source=named(source),
                problem=known.problems.get(source) or known.hook_problem.get(source),
                pushes=known.pushed.pushes,
                looks=known.pushed.looks,
                last_push_s=known.pushed.last_s,
                last_source=None if known.last_source is None else named(known.last_source),
            )
            for predicate_id, known in (self._predicates or {}).items()
            for source in known.sources
        )

    def _added(self, predicate_id: PredicateId) -> _Predicate:
        known = _Predicate()
        self._predicates = {**(self._predicates or {}), predicate_id: known}
        return known

    def _known(self, predicate_id: PredicateId) -> _Predicate | None:
        return None if self._predicates is None else self._predicates.get(predicate_id)


def _is_news(before: Verdict | None, after: Verdict) -> bool:
    return before is None or (before.status, before.reason) != (after.status, after.reason)
