"""Looking at the world: one predicate, once, within its deadline, under the caps.

The second step of the turn. Whatever goes wrong while looking becomes a verdict of `error`; a provider that raises is a
bug and is logged as one. Knows when to look from nobody: `core/cadence.py` says that.
"""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeAlias

import anyio
import msgspec
import structlog

from kazid.core import tree_wait
from kazid.core.enforcement import without_skips
from kazid.core.event import PredicateObserved
from kazid.core.goal import Goal, Predicate
from kazid.core.ids import GoalUid, TreeHash
from kazid.core.instant import next_on_grid_s
from kazid.core.json import Json
from kazid.core.progress import PredicateState, Progress
from kazid.core.seal import BASE, UNREADABLE, base_of
from kazid.core.verdict import Verdict, errored, unknown
from kazid.core.watch import Source, authored, bounded
from kazid.core.worktree import is_beside, placed
from kazid.ports.clock import Clock
from kazid.ports.commands import CommandRunner
from kazid.ports.faults import fault_point
from kazid.ports.lease import Leases
from kazid.ports.provider import Declares, Look, Moment, Provider
from kazid.ports.repository import Repositories
from kazid.ports.workspace import Workspaces
from kazid.runtime.grading import Grading, Place
from kazid.runtime.redacted import Redact, verdict_without_secrets
from kazid.runtime.slots import FairSlots
from kazid.shim.redaction import redact

log = structlog.get_logger(__name__)

Show: TypeAlias = Callable[[str, Mapping[str, Json]], None]

NETWORK_SLOTS = 64
PROCESS_SLOTS = 16
PROCESS_SLOTS_PER_GOAL = 4
DEADLINE_GRACE_S = 2.0
"""A provider ends by its deadline itself; this much later it is cancelled."""
SLOW_FRACTION = 0.5
"""A look that ran past this share of its deadline counts as slow."""


class Recorder(Protocol):
    """Keeps raw answers of looks."""

    def around(self, commands: CommandRunner) -> CommandRunner:
        """The same runner, overheard."""
        ...

    def keep(self, what: str, said: Mapping[str, Json]) -> None:
        """Keep one answer."""
        ...


class Disturbed(msgspec.Struct, frozen=True, kw_only=True):
    """A look at code that is no evidence: another goal acted in the same tree meanwhile (SEMANTICS §2)."""

    observed: PredicateObserved
    """The same look without its verdict, for whoever only shows it."""
    holder: GoalUid


class ObserverLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The caps of SEMANTICS §2."""

    network: int = NETWORK_SLOTS
    process: int = PROCESS_SLOTS
    process_per_goal: int = PROCESS_SLOTS_PER_GOAL


class Observer:
    """Runs providers, bounded and fair."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        network_kinds: frozenset[str],
        commands: CommandRunner,
        workspaces: Workspaces,
        repositories: Repositories,
        clock: Clock,
        private_folder: Callable[[GoalUid], str],
        limits: ObserverLimits,
        leases: Leases,
        scratch: Callable[[], str | None] = lambda: None,
        redact: Redact = redact,
        rest_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._providers = providers
        self._declaring = {name: p for name, p in providers.items() if isinstance(p, Declares)}
        self._network_kinds = network_kinds
        self._commands = commands
        self._workspaces = workspaces
        self._grading = Grading(workspaces=workspaces, repositories=repositories)
        self._clock = clock
        self._leases = leases
        self._private_folder = private_folder
        self._scratch = scratch
        self._network = FairSlots(limits.network, rest_s=rest_s)
        self._process = FairSlots(limits.process, per_goal=limits.process_per_goal, rest_s=rest_s)
        self._redact = redact
        self._show: Show | None = None
        self.looks_total = 0

    async def look(
        self, uid: GoalUid, goal: Goal, predicate: Predicate, progress: Progress
    ) -> PredicateObserved | Disturbed:
        """One look, timed from its real start; never raises for what it finds."""
        asked_s = self._clock.now().boot_s
        if goal.workspace is not None:
            await self._leases.identify(goal.workspace)
        tree = tree_wait.tree_of(goal, predicate, progress.worktree)
        goal = goal if predicate.live else placed(goal, progress.worktree)
        slots = self._network if predicate.provider in self._network_kinds else self._process
        turn = slots.hold(uid, owner=goal.owner, is_slow=_was_slow(predicate, progress))
        if tree is None:
            async with turn:
                self.looks_total += 1
                return await self._look_once(uid, goal, predicate, progress, self._moment(asked_s))
        keeps_out = tree_wait.keeps_out(progress.tree_wait, predicate.id)
        with self._leases.watch(tree=tree, holder=uid, keeps_out=keeps_out) as watch:
            if keeps_out:
                await watch.until_free()
            async with turn:
                self.looks_total += 1
                watch.begin()
                observed = await self._look_at_still_tree(uid, goal, predicate, progress, asked_s)
            if watch.disturbed_by is None:
                return observed
            log.info("look.discarded", goal_id=goal.id, acted=watch.disturbed_by)
            return Disturbed(observed=_without_verdict(observed), holder=GoalUid(watch.disturbed_by))

    def sources(
        self, uid: GoalUid, goal: Goal, predicate: Predicate, evidence: Mapping[str, Json]
    ) -> tuple[Source, ...]:
        """What would change this predicate's answer: what its author names, and what its kind can tell."""
        provider, wake = self._declaring.get(predicate.provider), predicate.wake
        if wake is None and provider is None:
            return ()
        folder = goal.workspace or self._private_folder(uid)
        found = () if wake is None else authored(wake, folder)
        if provider is None or (wake is not None and not wake.auto):
            return bounded(found)
        declared: Sequence[Source] = ()
        try:
            declared = provider.sources(predicate.options, folder, evidence)
        except Exception as error:  # noqa: BLE001 - a provider call; a bug there costs wake-ups
            log.error("provider.raised", provider=predicate.provider, error=type(error).__name__)
        return bounded((*found, *declared))

    def showing(self, to: "Recorder") -> "Observer":
        """The same observer, slots and all, that keeps there what commands and providers were answered."""
        other = copy.copy(self)
        other._commands = to.around(self._commands)
        other._show = to.keep
        return other

    async def tree_hash(self, goal: Goal) -> TreeHash | None:
        """The content of the goal's workspace now; None when it has none or it cannot be told."""
        if goal.workspace is None:
            return None
        return await self._workspaces.tree_hash(goal.workspace)

    async def changed_files(self, goal: Goal, progress: Progress) -> Collection[str] | None:
        """What differs from where the goal started, for its bundle; None when it cannot be told."""
        return await self._grading.changed_files(placed(goal, progress.worktree), progress)

    def _moment(self, asked_s: float, tree: TreeHash | None = None) -> Moment:
        return Moment(asked_s=asked_s, started_s=self._clock.now().boot_s, tree=tree)

    async def _look_at_still_tree(
        self, uid: GoalUid, goal: Goal, predicate: Predicate, progress: Progress, asked_s: float
    ) -> PredicateObserved:
        """A code verdict belongs to one tree: one that changed meanwhile is looked at once more, then it stands."""
        before = await self.tree_hash(goal)
        moment = self._moment(asked_s, before)
        observed = await self._look_once(uid, goal, predicate, progress, moment)
        after = await self.tree_hash(goal)
        if before != after:
            moment = self._moment(self._clock.now().boot_s, after)
            observed = await self._look_once(uid, goal, predicate, progress, moment)
            after = await self.tree_hash(goal)
        return msgspec.structs.replace(observed, tree=after)

    async def _look_once(
        self, uid: GoalUid, goal: Goal, predicate: Predicate, progress: Progress, moment: Moment
    ) -> PredicateObserved:
        started_s = next_on_grid_s(self._clock.now().boot_s)
        state = progress.predicate(predicate.id)
        is_apart = is_beside(predicate, progress.worktree)
        sealed: Mapping[str, str] | None = {}
        if not is_apart:
            sealed = await self._grading.sealed(goal, base_of(progress))
        if sealed is None:
            verdict = errored(UNREADABLE, "what is sealed or read-only could not be read, or is too much")
        else:
            verdict = await self._graded(uid, goal, predicate, state, moment, base=sealed.get(BASE))
        verdict = without_skips(goal, predicate, verdict_without_secrets(verdict, self._redact))
        known: Mapping[str, str] = {} if progress.seal is None else progress.seal.files
        ended_s = next_on_grid_s(self._clock.now().boot_s)
        await fault_point("look.ended")
        return PredicateObserved(
            predicate_id=predicate.id,
            verdict=verdict,
            started_s=started_s,
            ended_s=ended_s,
            generation=progress.generation,
            seal=None if is_apart or sealed is None or sealed == known else sealed,
        )

    async def _graded(
        self,
        uid: GoalUid,
        goal: Goal,
        predicate: Predicate,
        state: PredicateState,
        moment: Moment,
        *,
        base: str | None,
    ) -> Verdict:
        async with self._grading.place(uid, goal, predicate, base=base) as place:
            if isinstance(place, Verdict):
                return place
            verdict = await self._verdict(uid, goal, predicate, state, place, moment)
        return msgspec.structs.replace(verdict, evidence={**verdict.evidence, **place.evidence})

    async def _verdict(
        self,
        uid: GoalUid,
        goal: Goal,
        predicate: Predicate,
        state: PredicateState,
        place: Place,
        moment: Moment,
    ) -> Verdict:
        provider = self._providers.get(predicate.provider)
        if provider is None:
            return errored("no_provider", f"no provider for {predicate.provider!r} is built into this kazid")
        deadline_s = predicate.cadence.deadline_s
        look = Look(
            predicate_id=predicate.id,
            workspace=place.workspace or self._private_folder(uid),
            deadline_s=deadline_s,
            path=goal.path,
            baseline=state.baseline,
            wall_s=self._clock.now().wall_s,
            carry=state.carry,
            show=self._show,
            reference=place.reference,
            scratch=self._scratch(),
            moment=moment,
        )
        verdict: Verdict | None = None
        try:
            with anyio.move_on_after(deadline_s + DEADLINE_GRACE_S):
                verdict = await provider.evaluate(predicate.options, look, self._commands)
        except (
            Exception
        ) as error:  # provider call: one of the three places (STYLE 13); a bug there is ERROR, not a crash
            if predicate.held_out:  # an agent may read the log
                log.error("provider.raised", goal_id=goal.id, provider=predicate.provider)
            else:
                log.exception(
                    "provider.raised",
                    goal_id=goal.id,
                    predicate_id=predicate.id,
                    provider=predicate.provider,
                )
            return errored("provider_raised", f"{type(error).__name__}: {error}")
        if verdict is None:
            return errored("timeout", f"no answer within {deadline_s:g} s")
        return verdict


def _without_verdict(observed: PredicateObserved) -> PredicateObserved:
    said = "another goal acted in the same tree meanwhile: it says nothing"
    return msgspec.structs.replace(observed, verdict=unknown("tree_in_use", said), seal=None)


def _was_slow(predicate: Predicate, progress: Progress) -> bool:
    state = progress.predicate(predicate.id)
    return (
        state.verdict is not None
        and state.ended_s - state.started_s > SLOW_FRACTION * predicate.cadence.deadline_s
    )
