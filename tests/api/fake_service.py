"""A daemon behind the API without goals that run: the service's own signatures over values that a test sets.

Views are real (folded values, assessed by core), events are a list in memory, and everything a route hands over is
kept in `asked`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel
from msgspec.structs import replace

from kazid.core.errors import (
    AdmissionRefused,
    Conflict,
    JournalUnavailable,
    Problem,
    UnknownAttempt,
    UnknownGoal,
)
from kazid.core.event import Event, ReconcileRequested, Recorded
from kazid.core.goal import Goal
from kazid.core.ids import GoalId, GoalUid, Offset, Owner, Seq
from kazid.core.instant import Now
from kazid.core.progress import Frozen, Progress
from kazid.core.status import GoalStatus
from kazid.core.vector import assess
from kazid.ports.audit import AuditRecord
from kazid.runtime.callers import Standing
from kazid.runtime.freezing import FleetView
from kazid.runtime.push_counts import PushCount
from kazid.runtime.service import LogChunk
from kazid.runtime.views import Applied, Caller, DaemonState, FollowStep, GoalView, Waited
from kazid.runtime.wakeup import Change
from kazid.wire.chain import GENESIS, link
from tests.builders import PASS, WALL_0, a_goal, a_progress, a_state

NOW = Now(boot_s=100.0, wall_s=WALL_0 + 100.0, boot_id="boot-1")
HEARTBEAT_S = 0.2


def a_view(goal: Goal | None = None, progress: Progress | None = None, **fields: Any) -> GoalView:
    """A goal whose one predicate was seen green just now: converged."""
    goal = goal or a_goal()
    progress = progress or a_progress(
        states={p.id: a_state(PASS, started_s=99.0, ended_s=99.5, passes=2) for p in goal.predicates},
        status=GoalStatus.CONVERGED,
        status_since_wall_s=WALL_0 + 99.5,
    )
    return GoalView(
        **{
            "uid": GoalUid(f"uid-{goal.owner}-{goal.id}"),
            "goal": goal,
            "progress": progress,
            "vector": assess(goal, progress, NOW),
            "status": progress.status,
            "cause": progress.cause,
            "reason": progress.reason,
            "decision": "Hold",
            "guards": (),
            "next_wake_s": None,
            "now": NOW,
            **fields,
        }
    )


class FakeService:
    """Stands where `kazid.runtime.service.Service` does."""

    def __init__(self) -> None:
        self.stopping = anyio.Event()
        self.known: dict[tuple[str, str], GoalView] = {}
        self.records: list[Recorded] = []
        self.news = Change()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.fails: dict[str, BaseException] = {}
        """What a verb raises, by its name."""
        self.agent_of: GoalUid | None = None
        """Set: whoever asks belongs to an attempt of this goal."""
        self.standing: Standing | None = None
        """Set: what whoever asks is taken for, wins over `agent_of`."""
        self.log: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        self.log_is_over = True
        self.log_omitted = 0
        self.degraded: str | None = None
        self.freezing = FakeFreezing(self)
        self.waiting = 0
        self.following = 0
        self.is_settled = True
        """False: wait and follow do not end by themselves."""
        self.is_immortal = False
        """True: a deleted goal is there again at once."""

    # --- for tests ---

    def add(self, view: GoalView) -> GoalView:
        self.known[view.goal.owner, view.goal.id] = view
        return view

    def append(self, uid: str, event: Event | None = None) -> None:
        offset = Offset(len(self.records) * 3 + 1)
        recorded = Recorded(
            offset=offset,
            uid=uid,
            seq=Seq(1 + sum(r.uid == uid for r in self.records)),
            at=NOW,
            event=event or ReconcileRequested(by="ada"),
        )
        self.records.append(recorded)
        self.news.bump()

    def stop_streams(self) -> None:
        self.stopping.set()
        self.news.bump()

    def _heard(self, verb: str, **what: Any) -> None:
        self.asked.append((verb, what))
        if verb in self.fails:
            raise self.fails[verb]

    def _find(self, owner: str, goal_id: str) -> GoalView:
        if (owner, goal_id) not in self.known:
            raise UnknownGoal(f"{owner}/{goal_id}")
        return self.known[owner, goal_id]

    # --- the service ---

    async def apply(
        self, goal: Goal, *, caller: Caller, idempotency_key: str | None = None, circumstances: object = None
    ) -> Applied:
        self._heard("apply", goal=goal, caller=caller, key=idempotency_key)
        is_new = (goal.owner, goal.id) not in self.known
        view = self.add(a_view(goal, a_progress(status_since_wall_s=WALL_0)))
        return Applied(outcome="created" if is_new else "attached", view=view)

    async def check(self, goal: Goal) -> Applied:
        self._heard("check", goal=goal)
        while not self.is_settled:
            self.waiting += 1
            try:
                await anyio.sleep_forever()
            finally:
                self.waiting -= 1
        return Applied(outcome="checked", view=a_view(goal))

    def view(self, owner: str, goal_id: str) -> GoalView:
        self._heard("view", owner=owner, goal_id=goal_id)
        return self._find(owner, goal_id)

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
        self._heard("views", owner=owner, labels=labels)
        return [
            view
            for name, view in sorted(self.known.items())
            if (after is None or name > after)
            and owner in (None, name[0])
            and uid in (None, view.uid)
            and all(view.goal.labels.get(k) == v for k, v in labels)
            and (sees is None or sees(name[0], view.goal.labels))
        ][:limit]

    async def suspend(self, owner: str, goal_id: str, **what: Any) -> GoalView:
        return self._steer("suspend", owner, goal_id, GoalStatus.SUSPENDED, **what)

    async def resume(self, owner: str, goal_id: str, **what: Any) -> GoalView:
        return self._steer("resume", owner, goal_id, GoalStatus.OBSERVING, **what)

    async def stop(self, owner: str, goal_id: str, **what: Any) -> GoalView:
        return self._steer("stop", owner, goal_id, GoalStatus.STOPPED, **what)

    async def delete(self, owner: str, goal_id: str, **what: Any) -> GoalView:
        view = self._steer("delete", owner, goal_id, GoalStatus.STOPPED, **what)
        if not self.is_immortal:
            del self.known[owner, goal_id]
        return view

    async def reconcile(self, owner: str, goal_id: str, **what: Any) -> GoalView:
        return self._steer("reconcile", owner, goal_id, None, **what)

    async def acknowledge(self, owner: str, goal_id: str, **what: Any) -> None:
        self._steer("ack", owner, goal_id, None, **what)

    def _steer(self, verb: str, owner: str, goal_id: str, status: GoalStatus | None, **what: Any) -> GoalView:
        self._heard(verb, owner=owner, goal_id=goal_id, **what)
        view = self._find(owner, goal_id)
        return self.add(replace(view, status=status or view.status))

    async def wait(self, owner: str, goal_id: str, *, state: GoalStatus, timeout_s: float) -> Waited:
        self._heard("wait", owner=owner, goal_id=goal_id, state=state, timeout_s=timeout_s)
        view = self._find(owner, goal_id)
        self.waiting += 1
        try:
            with anyio.move_on_after(timeout_s):
                while not self.is_settled and not self.stopping.is_set():
                    await anyio.sleep(0.01)
        finally:
            self.waiting -= 1
        if not self.is_settled:
            return Waited(outcome="timeout", view=view)
        is_reached = view.status is state
        return Waited(outcome="reached" if is_reached else "unreachable", view=view)

    async def follow(self, owner: str, goal_id: str) -> AsyncIterator[FollowStep]:
        self._heard("follow", owner=owner, goal_id=goal_id)
        self.following += 1
        try:
            while True:
                view = self._find(owner, goal_id)
                yield FollowStep(kind="status", view=view, text=view.reason or "")
                if self.is_settled or self.stopping.is_set():
                    yield FollowStep(kind="outcome" if self.is_settled else "interrupted", view=view)
                    return
                with anyio.move_on_after(HEARTBEAT_S) as scope:
                    await self.stopping.wait()
                if scope.cancelled_caught:
                    yield FollowStep(kind="heartbeat", view=view)
        finally:
            self.following -= 1

    async def events(
        self, *, after: Offset, owner: str | None = None, goal_id: str | None = None, limit: int
    ) -> Sequence[Recorded]:
        self._heard("events", after=after, limit=limit)
        uid = None if owner is None or goal_id is None else self._find(owner, goal_id).uid
        found = [r for r in self.records if r.offset > after and uid in (None, r.uid)]
        await anyio.lowlevel.checkpoint()
        return found[:limit]

    def labels(self, owner: str, goal_id: str) -> Mapping[str, str] | None:
        view = self.known.get((owner, goal_id))
        return None if view is None else view.goal.labels

    def names(self, uid: str) -> tuple[Owner, GoalId] | None:
        for view in self.known.values():
            if view.uid == uid:
                return view.goal.owner, view.goal.id
        return None

    async def wait_news(self, after: Offset) -> None:
        version = self.news.version
        if self.stopping.is_set() or (self.records and self.records[-1].offset > after):
            return
        await self.news.wait_beyond(version)

    async def read_log(
        self, owner: str, goal_id: str, *, attempt: int | None, stream: str, offset: int
    ) -> LogChunk:
        self._heard("read_log", attempt=attempt, stream=stream, offset=offset)
        self._find(owner, goal_id)
        if attempt not in (None, 3):
            raise UnknownAttempt(f"{owner}/{goal_id}", attempt)
        data = self.log[stream][offset : offset + 1000]
        return LogChunk(
            attempt=3,
            data=data,
            next_offset=offset + len(data),
            omitted=self.log_omitted if offset == 0 else 0,
            is_over=self.log_is_over,
        )

    def state(self) -> DaemonState:
        by_status: dict[str, int] = {}
        for view in self.known.values():
            by_status[view.status.value] = by_status.get(view.status.value, 0) + 1
        return DaemonState(
            started=Now(boot_s=0.0, wall_s=WALL_0),
            now=NOW,
            degraded=self.degraded,
            head=self.records[-1].offset if self.records else Offset(0),
            by_status=by_status,
            looks_total=12,
            acts_total=3,
            turns_total=7,
            children_restarted_total=1,
            pushes={"file": PushCount(received=5, coalesced=2), "hook": PushCount(received=1)},
        )

    async def request_restart(self, reason: str) -> None:
        self._heard("request_restart", reason=reason)

    async def standing_of(self, pid: int) -> Standing:
        return self.standing or Standing(agent=self.agent_of)


REFUSED = AdmissionRefused([Problem(message="overlaps with ada/other", key="scope.owns")])
UNAVAILABLE = JournalUnavailable("disk full")
CONFLICT = Conflict(uid="u", expected_seq=1, actual_seq=2)


class FakeTrail:
    """An audit trail with a record of each of two goals."""

    def __init__(self) -> None:
        self.records: list[tuple[str, AuditRecord]] = []
        digest = GENESIS
        for number, goal in enumerate(("ada/web", "eve/web"), start=1):
            record = b'{"number":%d,"goal":"%b"}' % (number, goal.encode())
            digest = link(digest, record)
            self.records.append((goal, AuditRecord(number=number, record=record, digest=digest)))

    async def audit_page(self, *, after: int, limit: int, goal: str | None = None) -> Sequence[AuditRecord]:
        await anyio.lowlevel.checkpoint()
        return [r for of, r in self.records if r.number > after and goal in (None, of)][:limit]

    async def audit_last(self) -> int:
        await anyio.lowlevel.checkpoint()
        return self.records[-1][1].number


class FakeFreezing:
    """Stands where `kazid.runtime.freezing.Freezing` does."""

    def __init__(self, service: FakeService) -> None:
        self._service = service
        self.frozen: Frozen | None = None
        self.unsettled: tuple[str, ...] = ()

    async def freeze(self, *, reason: str, for_s: float | None, **what: Any) -> FleetView:
        self._service._heard("freeze", reason=reason, for_s=for_s, **what)
        self.frozen = Frozen(number=1, reason=reason, until_wall_s=for_s)
        return self._view()

    async def thaw(self, *, reason: str, **what: Any) -> FleetView:
        self._service._heard("thaw", reason=reason, **what)
        self.frozen = None
        return self._view()

    def _view(self) -> FleetView:
        goals = len(self._service.known)
        return FleetView(
            frozen=self.frozen, goals=goals, unsettled=self.unsettled, pids=(7,) if self.unsettled else ()
        )


class FakeHistory:
    """What happened, as a test sets it."""

    def __init__(self) -> None:
        self.records: list[Recorded] = []

    async def offset_at(self, wall_s: float) -> Offset:
        return Offset(0)

    async def happened(
        self, kinds: Sequence[type[Event]], *, after: Offset
    ) -> tuple[Sequence[Recorded], Offset]:
        found = [r for r in self.records if r.offset > after and isinstance(r.event, tuple(kinds))]
        return found, Offset(max([after, *(r.offset for r in found)]))
