"""What clients may ask of the daemon: every verb, once, for every way in (CLI, agents, dashboard).

Mutations are durable before they are acknowledged. A fence (suspend, stop, delete, a new generation) is acknowledged
only when every executor of an older epoch is verified gone (SEMANTICS §6). Knows no HTTP; api decides who may call.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from itertools import islice

import anyio
import msgspec
from msgspec.structs import replace

from kazid.core.admission import Change
from kazid.core.cadence import is_observing
from kazid.core.errors import UnknownAttempt, UnknownGoal
from kazid.core.event import (
    ActIntended,
    Event,
    GoalDeleted,
    GoalResumed,
    GoalStopped,
    GoalSuspended,
    ReconcileRequested,
    Recorded,
)
from kazid.core.goal import Goal
from kazid.core.ids import AttemptId, Epoch, GoalId, GoalUid, Offset, Owner, Seq
from kazid.core.loosening import Circumstances
from kazid.core.progress import Desired, Progress
from kazid.core.status import Cause, GoalStatus
from kazid.ports.belonging import Belonging
from kazid.ports.clock import Clock
from kazid.ports.faults import fault_point
from kazid.ports.journal import GoalHeader, Journal
from kazid.runtime.applying import NOBODY_ASKS, Applying
from kazid.runtime.broadcast import Broadcaster
from kazid.runtime.callers import Standing, standing_of
from kazid.runtime.check import check
from kazid.runtime.describe import describe, is_fenced, needs_person, shown_status, titles_beyond
from kazid.runtime.freezing import Freezing
from kazid.runtime.goals import Goals
from kazid.runtime.health import Health
from kazid.runtime.state import GoalState
from kazid.runtime.views import Applied, Caller, DaemonState, FollowStep, GoalView, Waited
from kazid.runtime.world import World

FENCE_S = 20.0
"""How long a reply waits for fenced executors to be gone before it says `suspending` instead."""
HEARTBEAT_S = 15.0
"""Of a followed stream with nothing new to say."""
DELETED_KEPT = 64
"""Deletions whose reply can be given once more; a client asks again within seconds."""
SETTLED = {GoalStatus.HOLDING, GoalStatus.CONVERGED}


class LogChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an attempt's log. `omitted` bytes before it were dropped; `is_over`: the attempt has ended."""

    attempt: int
    data: bytes
    next_offset: int
    omitted: int
    is_over: bool


class Service:
    """The daemon's verbs."""

    def __init__(
        self,
        *,
        goals: Goals,
        journal: Journal,
        broadcaster: Broadcaster,
        world: World,
        clock: Clock,
        health: Health,
        new_uid: Callable[[], GoalUid],
        file_sha256: Callable[[str], str | None],
        belonging_of: Callable[[int], Belonging],
        restart: Callable[[str], Awaitable[None]],
    ) -> None:
        self._goals = goals
        self._journal = journal
        self._broadcaster = broadcaster
        self._world = world
        self._clock = clock
        self._health = health
        self._new_uid = new_uid
        self._file_sha256 = file_sha256
        self._belonging_of = belonging_of
        self._restart = restart
        self.freezing = Freezing(goals=goals, fleet=world.fleet, executor=world.executor)
        self._started = clock.now()
        self.applying = Applying(
            goals=goals, journal=journal, clock=clock, approvers=world.approvers, new_uid=new_uid
        )
        self._deleted: dict[str, GoalState] = {}
        """By the key of the request, the last few."""
        self.stopping = anyio.Event()

    # --- applying ---------------------------------------------------------------------------------------------

    async def apply(
        self,
        goal: Goal,
        *,
        caller: Caller,
        idempotency_key: str | None = None,
        circumstances: Circumstances = NOBODY_ASKS,
    ) -> Applied:
        """Store a goal and drive it; the same spec again only attaches, and a looser one may wait for people.

        Raises AdmissionRefused (overlapping claims), JournalUnavailable (degraded; nothing was stored).
        """
        state, outcome = await self.applying.apply(goal, caller, idempotency_key, circumstances=circumstances)
        if outcome is not Change.HELD:
            await self._fenced(state)
        return Applied(outcome=outcome.value, view=self._view(state))

    async def check(self, goal: Goal) -> Applied:
        """Look at everything once, store nothing, act never. The view is `converged` when all pass, else `stuck`."""
        return await check(goal, self._new_uid(), self._world)

    # --- steering ---------------------------------------------------------------------------------------------

    async def suspend(
        self,
        owner: str,
        goal_id: str,
        *,
        reason: str,
        for_s: float | None,
        caller: Caller,
        idempotency_key: str | None = None,
    ) -> GoalView:
        """Stop acting, go on looking. The view is acknowledged once nothing of an older epoch runs."""
        state = self._state(owner, goal_id)
        until_wall_s = None if for_s is None else self._clock.now().wall_s + for_s
        return await self._steer(
            state,
            lambda p: GoalSuspended(
                epoch=Epoch(p.epoch + 1), reason=reason, by=caller.login, until_wall_s=until_wall_s
            ),
            idempotency_key,
            is_urgent=True,
        )

    async def resume(
        self, owner: str, goal_id: str, *, reason: str, caller: Caller, idempotency_key: str | None = None
    ) -> GoalView:
        """Act again; with fresh counters where the goal had stopped by itself."""
        state = self._state(owner, goal_id)
        state.reopens_workspace |= state.progress.cause is Cause.WORKSPACE_MISSING
        resumed = GoalResumed(reason=reason, by=caller.login)
        return await self._steer(state, lambda _: resumed, idempotency_key)

    async def stop(
        self, owner: str, goal_id: str, *, caller: Caller, idempotency_key: str | None = None
    ) -> GoalView:
        """End acting and looking; spec and history stay, and applying it again revives it."""
        state = self._state(owner, goal_id)
        return await self._steer(
            state,
            lambda p: GoalStopped(epoch=Epoch(p.epoch + 1), by=caller.login),
            idempotency_key,
            is_urgent=True,
        )

    async def delete(
        self, owner: str, goal_id: str, *, caller: Caller, idempotency_key: str | None = None
    ) -> GoalView:
        """Stop it and forget the spec; its events stay for retention."""
        again = self._deleted.get(idempotency_key or "")
        if again is None and idempotency_key is not None and await self._journal.find_key(idempotency_key):
            raise UnknownGoal(f"{owner}/{goal_id}")  # deleted then; who has the name now is another one
        state = again or self._state(owner, goal_id)
        if again is None:
            await self._record_latest(
                state,
                lambda p: GoalDeleted(epoch=Epoch(p.epoch + 1), by=caller.login),
                idempotency_key,
                header=replace(state.header, is_deleted=True),
                is_urgent=True,
            )
            self._goals.unname(state)
            self._remember_deleted(state, idempotency_key)
        self._goals.ensure_running(state)
        await self._fenced(state)
        await self._goals.retire(state)
        return self._view(state)

    def _remember_deleted(self, state: GoalState, idempotency_key: str | None) -> None:
        """For the client that lost the reply and asks again: by then nothing answers to the name."""
        if idempotency_key is None:
            return
        self._deleted[idempotency_key] = state
        while len(self._deleted) > DELETED_KEPT:
            del self._deleted[next(iter(self._deleted))]

    async def reconcile(
        self, owner: str, goal_id: str, *, caller: Caller, idempotency_key: str | None = None
    ) -> GoalView:
        """Look now. Only wakes: a stop, a suspension, a backoff stay what they are; who looks no more is not asked."""
        state = self._state(owner, goal_id)
        if not is_observing(state.spec, state.progress):
            return self._view(state)  # recorded, it would make what was seen look outdated for good
        state.is_urgent = True
        return await self._steer(state, lambda _: ReconcileRequested(by=caller.login), idempotency_key)

    async def _steer(
        self,
        state: GoalState,
        event: Callable[[Progress], Event],
        idempotency_key: str | None,
        *,
        is_urgent: bool = False,
    ) -> GoalView:
        if idempotency_key is None or await self._journal.find_key(idempotency_key) is None:
            await self._record_latest(state, event, idempotency_key, header=None, is_urgent=is_urgent)
        self._goals.ensure_running(state)
        await self._fenced(state)
        return self._view(state)

    async def _record_latest(
        self,
        state: GoalState,
        event: Callable[[Progress], Event],
        idempotency_key: str | None,
        *,
        header: GoalHeader | None,
        is_urgent: bool,
    ) -> None:
        """Record an event that was made from the present epoch; made again when somebody raised it meanwhile."""
        while state.progress.desired is not Desired.DELETED:
            epoch = state.progress.epoch
            if await state.record(
                event(state.progress),
                header=header,
                idempotency_key=idempotency_key,
                is_urgent=is_urgent,
                only_if=lambda p, _, seen=epoch: p.epoch == seen,  # type: ignore[misc]
            ):
                return
        raise UnknownGoal(f"{state.header.owner}/{state.header.id}")

    async def _fenced(self, state: GoalState) -> None:
        """Wait until no executor of an older epoch is left, within a bound."""
        await fault_point("fence.recorded")
        with anyio.move_on_after(FENCE_S):
            while not is_fenced(state.progress):
                version = state.change.version
                if is_fenced(state.progress):
                    return
                await state.change.wait_beyond(version)

    # --- looking ----------------------------------------------------------------------------------------------

    def view(self, owner: str, goal_id: str) -> GoalView:
        """One goal as it stands now. Raises UnknownGoal."""
        state = self._state(owner, goal_id)
        view = self._view(state)
        notices = list(view.notices)
        if state.spec.source_path is not None and state.spec.source_sha256 is not None:
            digest = self._file_sha256(state.spec.source_path)
            if digest is not None and digest != state.spec.source_sha256:
                notices.append("file differs from the applied spec")
        return replace(view, notices=notices)

    def views(
        self,
        *,
        owner: str | None = None,
        labels: Sequence[tuple[str, str]] = (),
        uid: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
        sees: Callable[[str, Mapping[str, str]], bool] | None = None,
    ) -> Sequence[GoalView]:
        """Goals that match, by owner and id: `limit` of them beyond the name `after`; only these cost a view."""
        matching = (
            state
            for state in self._goals
            if (after is None or (state.header.owner, state.header.id) > after)
            and (owner is None or state.header.owner == owner)
            and (uid is None or state.uid == uid)
            and all(state.spec.labels.get(key) == value for key, value in labels)
            and (sees is None or sees(state.header.owner, state.spec.labels))
        )
        return [self._view(state) for state in islice(matching, limit)]

    async def wait(self, owner: str, goal_id: str, *, state: GoalStatus, timeout_s: float) -> Waited:
        """Wait for a status: `reached`, `unreachable` without a person, `timeout`, or `gone`."""
        goal_state = self._state(owner, goal_id)
        goal_state.is_urgent = True
        with anyio.move_on_after(timeout_s):
            while not self.stopping.is_set():
                version = goal_state.change.version
                if goal_state.progress.desired is Desired.DELETED:
                    return Waited(outcome="gone", view=self._view(goal_state))
                view = self._view(goal_state)
                if view.status is state or (view.status in SETTLED and state in SETTLED):
                    return Waited(outcome="reached", view=view)
                if needs_person(view):
                    return Waited(outcome="unreachable", view=view)
                await self._next_change(goal_state, version, view)
        return Waited(outcome="timeout", view=self._view(goal_state))

    async def follow(self, owner: str, goal_id: str) -> AsyncGenerator[FollowStep, None]:
        """Each act and each status as they come; `outcome` last, when the goal settled or only a person can help."""
        state = self._state(owner, goal_id)
        seen_acts = state.progress.acts if state.progress.act is None else state.progress.acts - 1
        seen_status: tuple[GoalStatus, Cause | None] | None = None
        while True:
            version = state.change.version
            view = self._view(state)
            for title in titles_beyond(seen_acts, view.progress):
                yield FollowStep(kind="iteration", view=view, text=title)
            seen_acts = view.progress.acts
            if (view.status, view.cause) != seen_status:
                seen_status = (view.status, view.cause)
                yield FollowStep(kind="status", view=view, text=view.reason or "")
            if self._has_outcome(view) or self.stopping.is_set():
                yield FollowStep(kind="outcome" if self._has_outcome(view) else "interrupted", view=view)
                return
            with anyio.move_on_after(HEARTBEAT_S) as scope:
                await self._next_change(state, version, view)
            if scope.cancelled_caught:
                yield FollowStep(kind="heartbeat", view=self._view(state))

    def _has_outcome(self, view: GoalView) -> bool:
        return view.progress.act is None and (view.status in SETTLED or needs_person(view))

    async def _next_change(self, state: GoalState, version: int, view: GoalView) -> None:
        """Return when the goal changed, or when its view changes by time alone."""
        delay_s = None if view.next_wake_s is None else max(0.05, view.next_wake_s - view.now.boot_s)
        with anyio.move_on_after(delay_s):
            await state.change.wait_beyond(version)

    async def events(
        self, *, after: Offset, owner: str | None = None, goal_id: str | None = None, limit: int
    ) -> Sequence[Recorded]:
        """Events in commit order, of all goals or one. Raises UnknownGoal."""
        uid = None if owner is None or goal_id is None else self._state(owner, goal_id).uid
        return await self._journal.tail(after=after, uid=uid, limit=limit)

    def names(self, uid: str) -> tuple[Owner, GoalId] | None:
        """Whose incarnation this is; None when it is forgotten."""
        state = self._goals.by_uid(GoalUid(uid))
        return None if state is None else (state.header.owner, state.header.id)

    async def wait_news(self, after: Offset) -> None:
        """Return when something newer is committed, or at shutdown."""
        if not self.stopping.is_set():
            await self._broadcaster.wait_beyond(after)

    async def read_log(
        self, owner: str, goal_id: str, *, attempt: int | None, stream: str, offset: int
    ) -> LogChunk:
        """A piece of an attempt's log; the newest attempt when none is named. Raises UnknownGoal, UnknownAttempt."""
        state = self._state(owner, goal_id)
        progress = state.progress
        wanted = await self._attempt(state, attempt)
        if wanted is None:
            raise UnknownAttempt(f"{owner}/{goal_id}", attempt)
        is_over = progress.act is None or progress.act.attempt_id != wanted[1]
        data, next_offset, omitted = await self._world.executor.read_log(
            state.uid, wanted[1], stream=stream, offset=offset
        )
        return LogChunk(
            attempt=wanted[0], data=data, next_offset=next_offset, omitted=omitted, is_over=is_over
        )

    async def _attempt(self, state: GoalState, number: int | None) -> tuple[int, AttemptId] | None:
        """(number, id) of an attempt: from what is in memory, else from the journal."""
        progress = state.progress
        for episode in (progress.episode, progress.last_episode):
            for act in reversed(() if episode is None else episode.acts):
                if number is None or act.number == number:
                    return act.number, act.attempt_id
        after = Seq(0)
        while number is not None and (records := await self._journal.read(state.uid, after_seq=after)):
            for record in records:
                after = record.seq
                if isinstance(record.event, ActIntended) and record.event.number == number:
                    return number, record.event.attempt_id
        return None

    def state(self) -> DaemonState:
        """The daemon about itself."""
        now = self._clock.now()
        return DaemonState(
            started=self._started,
            now=now,
            degraded=self._health.degraded,
            head=self._broadcaster.head,
            by_status=Counter(shown_status(goal_state, now=now).value for goal_state in self._goals),
            looks_total=self._world.observer.looks_total,
            acts_total=self._world.executor.acts_total,
            turns_total=self._world.turns_total,
            children_restarted_total=self._goals.restarts_total,
            pushes=self._world.push_counts.by_source,
            incident=self._world.governor.incident,
        )

    async def request_restart(self, reason: str) -> None:
        """Replace the process; running attempts are left to their shims and taken over."""
        await self._restart(reason)

    async def standing_of(self, pid: int) -> Standing:
        """Whether this process is an agent, a check or its owner (SEMANTICS §8)."""
        return standing_of(self._belonging_of(pid), self._goals.everyone())

    def stop_streams(self) -> None:
        """The daemon goes down: every stream and wait ends itself."""
        self.stopping.set()
        self._broadcaster.wake()
        for state in self._goals.everyone():
            state.change.bump()

    def labels(self, owner: str, goal_id: str) -> Mapping[str, str] | None:
        """What roles select the goal by; None where there is no such goal."""
        state = self._goals.find(Owner(owner), GoalId(goal_id))
        return None if state is None else state.spec.labels

    def _state(self, owner: str, goal_id: str) -> GoalState:
        state = self._goals.find(Owner(owner), GoalId(goal_id))
        if state is None:
            raise UnknownGoal(f"{owner}/{goal_id}")
        return state

    def _view(self, state: GoalState) -> GoalView:
        return describe(
            state, now=self._clock.now(), executor=self._world.executor, degraded=self._health.degraded
        )
