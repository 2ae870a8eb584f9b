"""One goal's task: wake -> observe -> fold -> decide -> journal -> act, for as long as the goal lives.

Looks and acts run as children of a task group that exists only while something runs, so an idle goal is one sleeping
task. Nothing is awaited between reading the state and choosing, and a choice is journalled before it is done. A crash
of this task is a bug: the supervisor restarts it, and it takes over what runs from the journal.
"""

from collections.abc import Callable
from typing import assert_never

import anyio
import structlog
from anyio.abc import TaskGroup

from kazid.core import cadence, change_window, ladder
from kazid.core.budget import reservation
from kazid.core.decide import decide
from kazid.core.decision import (
    Act,
    Ask,
    Cancel,
    CloseEpisode,
    Conclude,
    Decision,
    Hold,
    Look,
    Lower,
    OpenEpisode,
    Resume,
    StepUp,
    Void,
)
from kazid.core.errors import JournalUnavailable
from kazid.core.event import ActDeferred, ActIntended, EpisodeClosed, ReconcileRequested, StatusChanged
from kazid.core.goal import Predicate
from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.core.progress import Deferred, Desired, Progress, RunningAct
from kazid.core.status import FINISHED, GoalStatus
from kazid.core.steps import event_of
from kazid.core.vector import VerdictVector, assess
from kazid.core.withheld import sayable
from kazid.ports.runner import Attempt, AttemptOrder, AttemptResult
from kazid.runtime.describe import is_fenced
from kazid.runtime.ending import events_at
from kazid.runtime.executor import WAITS_FOR_SLOTS, trees_of
from kazid.runtime.governor import ASKS_EVERY_S
from kazid.runtime.observer import Disturbed
from kazid.runtime.opened import OpenedWorkspace
from kazid.runtime.placing import Placing
from kazid.runtime.pushes import Pushes
from kazid.runtime.standing import still_stands
from kazid.runtime.state import GoalState
from kazid.runtime.tree_poll import TreePoll
from kazid.runtime.tree_turns import TreeTurns
from kazid.runtime.world import World

log = structlog.get_logger(__name__)

GREEN = (GoalStatus.CONVERGED, GoalStatus.HOLDING, GoalStatus.VACUOUS)
STEPS_PER_TURN_MAX = 16
"""Decisions in one turn before it must sleep; more than a handful is a bug in the rules."""
DEFER_POLL_S = 1.0
DISK_RETRY_S = 2.0
WIND_DOWN_S = 30.0
SLEEP_S_MIN = 0.02
"""Whatever is due was started in this turn; a time in the past must not make the loop spin."""


class Reconciler:
    """The loop of one goal."""

    def __init__(self, state: GoalState, world: World, *, is_restart: bool) -> None:
        self._state = state
        self._world = world
        self._looking: set[PredicateId] = set()
        self._forced: set[PredicateId] = set()
        self._attempt: Attempt | None = None
        self._act_runs = False
        self._wants_cancel = False
        self._cancel_sent = False
        self._tree = TreeTurns(state, world, looking=self._looking, forced=self._forced)
        self._workspace = OpenedWorkspace(world.workspaces, state)
        self._deferred_rung = ""
        self._next_ask_s = 0.0
        self._tree_poll = TreePoll(state, world.observer)
        self._placing = Placing(
            state,
            world,
            refusal=lambda: self._workspace.refusal(state.spec, state.progress.generation),
            conclude=self._conclude,
        )
        self._spread_until_s = 0.0
        self._pushes = state.pushes = Pushes(state.uid, state.wakeup, world)
        if is_restart and state.progress.episode is None:
            self._spread_until_s = world.clock.now().boot_s + cadence.first_look_spread_s(state.spec)

    async def run(self) -> None:
        """Drive the goal until it is finished, stopped or deleted."""
        try:
            while not self._is_over():
                until_s = await (self._busy() if self._has_work() else self._turn(None))
                if not self._has_work() and not self._is_over():
                    await self._sleep(until_s)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(WIND_DOWN_S, shield=True):
                await self._wind_down()
            raise
        await self._placing.finish()
        await self._state.flush_at_end()

    async def _busy(self) -> float | None:
        """Run what is due, and go on turning while any of it runs; answers like `_turn`."""
        until_s: float | None = None
        async with anyio.create_task_group() as group:
            until_s = await self._turn(group)
            has_acted = self._act_runs
            while self._is_busy() and not self._is_over():
                await self._sleep(until_s)
                until_s = await self._turn(group)
                has_acted = has_acted or self._act_runs
            if self._is_busy() or has_acted:  # looks that are over leave nothing to cancel
                group.cancel_scope.cancel()
        self._looking.clear()
        return until_s

    async def _sleep(self, until_s: float | None) -> None:
        timeout_s = None if until_s is None else max(0.0, until_s - self._world.clock.now().boot_s)
        await self._state.wakeup.wait(timeout_s)

    def _is_busy(self) -> bool:
        return bool(self._looking) or self._act_runs or self._placing.is_busy

    def _is_over(self) -> bool:
        progress = self._state.progress
        if progress.act is not None or self._act_runs:
            return False
        if progress.desired in (Desired.STOPPED, Desired.DELETED):
            return True
        return not self._state.spec.standing and progress.status in FINISHED

    def _has_work(self) -> bool:
        wants_act = isinstance(self._state.decision, Act) or self._placing.due() is not None
        wants_act = wants_act and self._world.health.degraded is None
        return wants_act or self._state.progress.act is not None or bool(self._due(self._world.clock.now()))

    # --- one turn ---------------------------------------------------------------------------------------------

    async def _turn(self, group: TaskGroup | None) -> float | None:
        """Decide until there is nothing to do at once; the boot time of the next turn that needs no wake-up.

        Without a task group nothing is started: the caller opens one when there is something to start.
        """
        self._world.turns_total += 1
        try:
            await self._maintain()
            until_s = await self._decide_and_do(group)
        except JournalUnavailable:
            until_s = self._world.clock.now().boot_s + DISK_RETRY_S
        if group is not None:
            self._adopt_running_act(group)
            self._start_looks(group)
        return self._earliest(until_s)

    async def _decide_and_do(self, group: TaskGroup | None) -> float | None:
        for _ in range(STEPS_PER_TURN_MAX):
            await self._world.fleet.match(self._state)
            now = self._world.clock.now()
            vector = assess(self._state.spec, self._state.progress, now)
            decision = decide(self._state.spec, self._state.progress, vector, now)
            self._publish(decision)
            if self._placing.comes_first(group, self._looking):
                return now.boot_s + DISK_RETRY_S
            match decision:
                case Hold():
                    if await self._hold(decision):
                        return decision.until_s
                case Look():
                    self._forced.update(p for p in decision.predicates if p not in self._looking)
                    if await self._hold(decision.hold):
                        return None
                case Act():
                    if self._world.health.degraded is not None:
                        return now.boot_s + DISK_RETRY_S
                    if group is None:
                        return None  # the caller opens a group and turns again
                    if await self._begin(decision, vector, group):
                        continue
                    return now.boot_s + DEFER_POLL_S
                case Cancel():
                    self._cancel(decision)
                    return None
                case OpenEpisode() | StepUp() | Resume() | Ask() | Void() | Lower():
                    event = event_of(decision, self._state.progress)
                    await self._state.record(event, only_if=self._stands(decision))
                case CloseEpisode():
                    await self._close_episode(decision, now)
                case Conclude():
                    if self._pushes.is_awaited:
                        return None  # somebody said that the world moved: it is looked at before the end
                    if decision.status in GREEN and not await self._tree.is_as_judged():
                        return now.boot_s + DEFER_POLL_S
                    await self._conclude(decision, decision)
                case _:
                    assert_never(decision)
        log.error(
            "turn.unfinished", goal_id=self._state.spec.id, decision=type(self._state.decision).__name__
        )
        return self._world.clock.now().boot_s + DEFER_POLL_S

    def _publish(self, decision: Decision) -> None:
        if decision != self._state.decision:
            self._state.decision = decision
            self._state.change.bump()

    def _stands(self, decision: Decision) -> Callable[[Progress, Now], bool]:
        return still_stands(decision, self._state)

    async def _hold(self, hold: Hold) -> bool:
        """Journal how the goal stands where that changed; False when it stands otherwise by then."""
        progress = self._state.progress
        if hold.status is progress.status and hold.cause is progress.cause:
            return True
        changed = StatusChanged(status=hold.status, cause=hold.cause, reason=hold.reason)
        return await self._state.record(changed, only_if=self._stands(hold))

    async def _close_episode(self, decision: CloseEpisode, now: Now) -> None:
        episode = self._state.progress.episode
        assert episode is not None
        duration_s = now.boot_s - episode.opened_s
        closed = EpisodeClosed(number=episode.number, duration_s=duration_s)
        if not await self._state.record(closed, only_if=self._stands(decision)):
            return
        log.info(
            "episode.closed",
            goal_id=self._state.spec.id,
            episode=episode.number,
            duration_s=round(duration_s, 3),
        )

    async def _conclude(self, end: Conclude, after: Decision) -> None:
        """Journal an end, while the decision that led to it stands."""
        events = await events_at(self._state, self._world, end)
        if not events or not await self._state.record(*events, only_if=self._stands(after)):
            return
        log.info(
            f"goal.{end.status.value}",
            goal_id=self._state.spec.id,
            owner=self._state.spec.owner,
            cause=None if end.cause is None else end.cause.value,
            reason=sayable(self._state.spec, end.reason),
        )

    # --- looking ----------------------------------------------------------------------------------------------

    def _due(self, now: Now) -> list[PredicateId]:
        goal, progress = self._state.spec, self._state.progress
        if not cadence.is_observing(goal, progress):
            return []
        asked = self._forced.union(self._pushes.due(now.boot_s))
        forced = [p.id for p in goal.predicates if p.id in asked and cadence.may_be_looked_at(p, progress)]
        if now.boot_s < self._spread_until_s and not self._state.is_urgent:
            return [p for p in forced if p not in self._looking]
        due = [*cadence.schedule(goal, progress, now).due, *forced]
        due = [p for p in due if not (self._placing.is_busy and not goal.predicate(p).live)]
        return self._tree.allowed([p for p in dict.fromkeys(due) if p not in self._looking])

    def _start_looks(self, group: TaskGroup) -> None:
        now = self._world.clock.now()
        for predicate_id in self._due(now):
            self._looking.add(predicate_id)
            self._forced.discard(predicate_id)
            group.start_soon(self._look, self._state.spec.predicate(predicate_id))

    async def _look(self, predicate: Predicate) -> None:
        state = self._state
        try:
            goal, progress = state.spec, state.progress  # one moment's: a look belongs to one generation
            await self._workspace.open(goal, progress.generation)
            began_s = await self._pushes.before(goal, predicate, progress)
            observed = await self._world.observer.look(state.uid, goal, predicate, progress)
            if isinstance(observed, Disturbed):
                await self._tree.discarded(predicate.id, observed.holder)
            else:
                await state.note(observed)
                await self._pushes.after(goal, predicate, progress, observed, began_s=began_s)
        finally:
            self._looking.discard(predicate.id)
        state.wakeup.set()

    # --- acting -----------------------------------------------------------------------------------------------

    async def _begin(self, decision: Act, vector: VerdictVector, group: TaskGroup) -> bool:
        """Journal the intent and start the act; False when it has to wait or its red is out of date."""
        state, executor = self._state, self._world.executor
        refusal = await self._workspace.refusal(state.spec, state.progress.generation)
        if refusal is not None:
            await self._conclude(refusal, decision)
            return True
        if await self._world.approvers.voids(state, decision.plans):
            return True
        if not await self._tree.is_as_judged(decision):
            return False
        progress = state.progress
        if progress.episode is None:
            return True
        governor, rung, acting = self._world.governor, decision.rung, state.acting(decision.rung)
        waits = governor.waits_for(state) or governor.agent_waits_for(state, rung)
        waits = waits or executor.reserve(state.uid, acting, rung)
        if waits is not None:
            self._deferred_rung = decision.rung
            deferred = ActDeferred(waits_for=waits[0], holder=waits[1])
            await state.record(self._world.dated(state, deferred), only_if=self._stands(decision))
            return True
        reserved = reservation(state.spec.budget, progress, self._world.clock.now(), rung=decision.rung)
        reserved = ladder.within(state.spec, progress.episode, decision.assignment, reserved)
        intent = ActIntended(
            attempt_id=self._world.new_attempt_id(),
            rung=decision.rung,
            predicates=decision.predicates,
            epoch=progress.epoch,
            generation=progress.generation,
            fingerprint=decision.fingerprint,
            number=progress.acts + 1,
            title=decision.title,
            half_open=decision.half_open,
            assignment=decision.assignment,
            plans=decision.plans,
            approved_by=decision.approved_by,
            tokens_reserved=reserved.tokens,
            cost_usd_reserved=reserved.cost_usd,
            trees=trees_of(acting),
        )
        is_recorded = False
        try:
            stands = self._stands(decision)
            is_recorded = await state.record(
                intent,
                only_if=lambda p, at: (
                    (p.epoch, p.generation) == (intent.epoch, intent.generation)
                    and stands(p, at)
                    and self._world.fleet.is_matched(p)
                ),
            )
        finally:
            if not is_recorded:
                executor.release(state.uid)
        if is_recorded:
            self._tree.looks = 0
            self._act_runs = True
            group.start_soon(self._run_act, intent, vector)
        return True

    async def _run_act(self, intent: ActIntended, vector: VerdictVector) -> None:
        """From the durable intent to the durable end. Cancelled only with the daemon; the attempt outlives that."""
        state, executor = self._state, self._world.executor
        log.info(
            "act.started", goal_id=state.spec.id, attempt=intent.number, rung=intent.rung, title=intent.title
        )
        refusal = await self._world.places.before(state, intent)
        if self._wants_cancel:
            result = AttemptResult(ending="never_started", reason="fenced before it started")
        elif refusal is not None:
            result = AttemptResult(ending="not_started", reason=refusal)
        else:
            order, told = await executor.prepare(intent, state.uid, state.spec, state.progress, vector)
            await state.tell(told)
            result = await self._wait(await self._start(order))
        await self._record_end(result)

    async def _start(self, order: AttemptOrder) -> Attempt:
        """Shielded: an attempt that began is known, whatever happens to this task."""
        with anyio.CancelScope(shield=True):
            self._attempt = await self._world.executor.start(order)
        assert self._attempt is not None
        return self._attempt

    async def _wait(self, attempt: Attempt) -> AttemptResult:
        if self._wants_cancel:
            await attempt.cancel()
        return await attempt.wait()

    async def _record_end(self, result: AttemptResult) -> None:
        """Journal the end once, however long the disk takes, then let go of lease and slot."""
        state = self._state
        act = state.progress.act
        assert act is not None, "an attempt ends once"
        taken, now_at = await self._world.places.after(state, act, result), self._world.clock.now()
        ended = await self._world.executor.ended(state.uid, state.spec, act, result, now_at, taken=taken)
        while (now := state.progress.act) is not None and now.attempt_id == act.attempt_id:
            try:
                await state.record(
                    ended,
                    is_urgent=not is_fenced(state.progress),  # a person waits for just this record
                    only_if=lambda p, _: p.act is not None and p.act.attempt_id == act.attempt_id,
                )
            except JournalUnavailable:
                await anyio.sleep(DISK_RETRY_S)
        self._attempt = None
        self._act_runs = False
        self._wants_cancel = False
        self._cancel_sent = False
        self._world.executor.release(state.uid)
        log.info(
            "act.ended",
            goal_id=state.spec.id,
            attempt=act.number,
            rung=act.rung,
            ending=result.ending,
            exit_code=result.exit_code,
            duration_s=round(result.duration_s, 3),
        )
        state.wakeup.set()

    def _cancel(self, decision: Cancel) -> None:
        if self._wants_cancel:
            return
        self._wants_cancel = True
        goal_id, attempt_id = self._state.spec.id, decision.attempt_id
        log.info("act.cancelled", goal_id=goal_id, attempt_id=attempt_id, reason=decision.reason)

    def _adopt_running_act(self, group: TaskGroup) -> None:
        """An act in the journal without a task of ours: take it over from the daemon, or the task, that died."""
        act = self._state.progress.act
        if act is not None and not self._act_runs:
            self._act_runs = True
            group.start_soon(self._readopt, act)
        if self._wants_cancel and self._attempt is not None and not self._cancel_sent:
            self._cancel_sent = True
            group.start_soon(self._attempt.cancel)

    async def _readopt(self, act: RunningAct) -> None:
        state, executor = self._state, self._world.executor
        executor.adopt(state.uid, state.acting(act.rung), act)
        attempt = await executor.recover(state.uid, act.attempt_id)
        self._attempt = attempt
        result = await self._wait(attempt)
        log.info("act.recovered", goal_id=state.spec.id, attempt=act.number, ending=result.ending)
        await self._record_end(result)

    # --- keeping house ----------------------------------------------------------------------------------------

    async def _maintain(self) -> None:
        """What a turn does besides deciding: bulk flush, deferred acts, the tree poll."""
        state, now = self._state, self._world.clock.now()
        self._pushes.follow(state.spec)
        flush_s = state.flush_due_s()
        # While the disk refuses writes, nothing here may come before the decision: a fence or a deadline needs none.
        if flush_s is not None and flush_s <= now.boot_s and self._world.health.degraded is None:
            await state.flush()
        await self._tree.tell()
        deferred = state.progress.deferred
        if deferred is not None and state.progress.act is None:
            waits = self._waits_now(deferred)
            if waits is None or change_window.is_news(told=deferred.waits_for, waits_for=waits[0]):
                await state.record(ReconcileRequested(by=deferred.waits_for))
        self._forced.update(p for p in await self._tree_poll.due(now) if p not in self._looking)

    def _waits_now(self, deferred: Deferred) -> tuple[str, str] | None:
        """None: lease and slot are free. Not taken: the red is looked at again before the act asks for them."""
        now_s = self._world.clock.now().boot_s
        governor, executor = self._world.governor, self._world.executor
        rung = self._deferred_rung or ("remedy:0" if self._state.spec.remedies else "harness:")
        if now_s < self._next_ask_s and not executor.is_next(self._state.uid, rung):
            return deferred.waits_for, deferred.holder
        waits = governor.waits_for(self._state) or governor.agent_waits_for(self._state, rung)
        if waits is not None:
            self._next_ask_s = now_s + ASKS_EVERY_S
            return waits
        waits = executor.waits_for(self._state.uid, self._state.acting(rung), rung)
        if waits is not None and waits[0] == WAITS_FOR_SLOTS:
            self._next_ask_s = now_s + executor.asks_again_s(rung)
        return waits

    def _earliest(self, until_s: float | None) -> float | None:
        """The next moment a turn is needed: the decision's, the next look's, the flush's, the polls'."""
        state, now = self._state, self._world.clock.now()
        next_s = cadence.schedule(state.spec, state.progress, now).next_s
        if now.boot_s < self._spread_until_s and not state.is_urgent:
            next_s = self._spread_until_s
        times = [until_s, next_s, self._tree_poll.next_s(), self._pushes.next_s(now.boot_s)]
        times.append(self._tree.next_s(now))
        if self._world.health.degraded is None:
            times.append(state.flush_due_s())
        if state.progress.deferred is not None:
            times.append(max(now.boot_s + DEFER_POLL_S, self._next_ask_s))
        known = [t for t in times if t is not None]
        return max(min(known), now.boot_s + SLEEP_S_MIN) if known else None

    async def _wind_down(self) -> None:
        """The last words of a cancelled task: end a running attempt when the daemon is to end, flush looks."""
        act = self._state.progress.act
        if act is not None and self._world.ends_attempts:
            attempt = self._attempt or await self._world.executor.recover(self._state.uid, act.attempt_id)
            await attempt.cancel()
            await self._record_end(await attempt.wait())
        await self._state.flush_at_end()
