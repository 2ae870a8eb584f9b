"""Who has to wait because many are red at once, or because what they depend on is (`core/common_cause.py`).

Asked before each act, and again while one waits; the answer is journalled with the goal as `act.deferred`, so its wait
survives a restart and is observed again before the act. The incident itself is memory: after a restart the same reds
make it again, or it was over.
"""

from collections.abc import Callable, Iterable

import msgspec
import structlog

from kazid.core import common_cause, quota
from kazid.core.ids import GoalId, GoalUid, Owner
from kazid.core.progress import Progress
from kazid.core.status import FINISHED, STOPPED_ACTING, GoalStatus
from kazid.ports.clock import Clock
from kazid.runtime.state import GoalState

log = structlog.get_logger(__name__)

WAITS_FOR = "governor"
WAITS_FOR_DEPENDENCY = "dependency"
ASKS_EVERY_S = 5.0
"""How often whoever waits asks again."""
FORGOTTEN_S = 4 * ASKS_EVERY_S
"""Who has not asked for so long does not want to act any more."""
COUNT_S = 1.0
"""For so long the number of active goals is not counted again."""

assert FORGOTTEN_S < common_cause.WINDOW_S


class _Canary(msgspec.Struct, frozen=True):
    uid: GoalUid
    acts: int
    """Attempts it had made when it was let go."""


class _Incident(msgspec.Struct):
    number: int
    opened_s: float
    waiting: dict[GoalUid, float]
    """When each asked last, in the order in which they came."""
    witnesses: set[GoalUid]
    """Whose green proves that a repair helps: who acted when it opened, and every canary."""
    free: set[GoalUid] = msgspec.field(default_factory=set[GoalUid])
    """Who may act: the canary, then more and more."""
    canary: _Canary | None = None
    failures: int = 0
    next_canary_s: float = 0.0
    proved_s: float | None = None


class Governor:
    """Holds back what would otherwise all act at once."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._everyone: Callable[[], Iterable[GoalState]] = tuple
        self._by_uid: Callable[[GoalUid], GoalState | None] = lambda _: None
        self._find: Callable[[Owner, GoalId], GoalState | None] = lambda _owner, _name: None
        self._opened_s: dict[GoalUid, float] = {}
        """Episodes of goals that wanted to act lately."""
        self._sharing: dict[str, dict[GoalUid, tuple[float, float]]] = {}
        """By red dependency: when each dependent asked first and last."""
        self._incident: _Incident | None = None
        self._incidents = 0
        self._active: tuple[float, int] | None = None

    def attach(
        self,
        *,
        everyone: Callable[[], Iterable[GoalState]],
        by_uid: Callable[[GoalUid], GoalState | None],
        find: Callable[[Owner, GoalId], GoalState | None],
    ) -> None:
        """Say where goals are found; until then it knows of none."""
        self._everyone, self._by_uid, self._find = everyone, by_uid, find

    @property
    def incident(self) -> str | None:
        """The open incident in words."""
        incident = self._incident
        return None if incident is None else self._sentence(incident)

    def waits_for(self, state: GoalState) -> tuple[str, str] | None:
        """What this goal has to wait for before it may act; None when it may."""
        now_s = self._clock.now().boot_s
        return self._dependency(state, now_s) or self._common(state, now_s)

    def agent_waits_for(self, state: GoalState, rung: str) -> tuple[str, str] | None:
        """What this goal's agent has to wait for, where an agent is next: a limit or a login (`core/quota.py`)."""
        if not rung.startswith("harness:") or state.goal is None:
            return None
        everyone = ((s.uid, s.goal, s.progress) for s in self._everyone() if s.goal is not None)
        return quota.holds(state.uid, state.goal, state.progress, everyone, self._clock.now())

    # --- a red dependency -------------------------------------------------------------------------------------------

    def _dependency(self, state: GoalState, now_s: float) -> tuple[str, str] | None:
        for ref in state.spec.depends_on:
            owner, _, name = ref.rpartition("/")
            other = self._find(Owner(owner or state.spec.owner), GoalId(name))
            if other is None or other is state or not _is_red(other.progress):
                self._sharing.pop(ref, None)
                continue
            sharing = {
                uid: asked
                for uid, asked in self._sharing.get(ref, {}).items()
                if asked[1] > now_s - common_cause.WINDOW_S
            }
            first_s = sharing.get(state.uid, (now_s, now_s))[0]
            self._sharing[ref] = sharing | {state.uid: (first_s, now_s)}
            is_shared = len(self._sharing[ref]) >= common_cause.SHARING_MIN
            if is_shared and now_s - first_s < common_cause.DEPENDENCY_PATIENCE_S:
                return WAITS_FOR_DEPENDENCY, f"{ref}, which is red; {len(self._sharing[ref])} goals share it"
        return None

    # --- many at once -----------------------------------------------------------------------------------------------

    def _common(self, state: GoalState, now_s: float) -> tuple[str, str] | None:
        progress = state.progress
        episode = progress.episode
        # Who was never green did not *turn* red: goals that are submitted together begin red, and that is their work.
        if episode is None or progress.converged_sha256 != progress.spec_sha256:
            return None
        self._opened_s[state.uid] = episode.opened_s
        incident = self._incident or self._opened(now_s)
        if incident is None:
            return None
        if state.uid in incident.free or episode.opened_s <= incident.opened_s - common_cause.WINDOW_S:
            return None
        incident.waiting[state.uid] = now_s
        self._move_on(incident, now_s)
        if self._incident is None or state.uid in incident.free:
            return None
        return WAITS_FOR, self._sentence(incident)

    def _opened(self, now_s: float) -> _Incident | None:
        """An incident, when the reds of now make one. Who acts already goes on to the end of that act only."""
        old_s = now_s - common_cause.WINDOW_S
        self._opened_s = {uid: at_s for uid, at_s in self._opened_s.items() if at_s > old_s}
        if len(self._opened_s) < common_cause.GOALS_MIN:
            return None
        red = {uid: at_s for uid, at_s in self._opened_s.items() if self._is_red_still(uid)}
        self._opened_s = red
        if not common_cause.is_common(red.values(), active=self._count(now_s), now_s=now_s):
            return None
        acting = {uid for uid in red if (state := self._by_uid(uid)) is not None and state.progress.act}
        self._incidents += 1
        self._incident = _Incident(number=self._incidents, opened_s=now_s, waiting={}, witnesses=acting)
        log.warning("incident.opened", number=self._incidents, red=len(red), active=self._count(now_s))
        return self._incident

    def _move_on(self, incident: _Incident, now_s: float) -> None:
        """Judge the canary, name the next, let more go, or close."""
        for uid in [u for u, asked_s in incident.waiting.items() if asked_s < now_s - FORGOTTEN_S]:
            del incident.waiting[uid]
        if incident.proved_s is None:
            self._judge(incident, now_s)
        if incident.proved_s is not None:
            count = common_cause.released(since_s=incident.proved_s, now_s=now_s)
            for uid in list(incident.waiting)[: max(0, count - len(incident.free))]:
                incident.free.add(uid)
                del incident.waiting[uid]
            if not incident.waiting:
                log.info(
                    "incident.closed", number=incident.number, duration_s=round(now_s - incident.opened_s, 3)
                )
                self._incident = None
                self._opened_s.clear()
        elif incident.canary is None and incident.waiting and now_s >= incident.next_canary_s:
            uid = next(iter(incident.waiting))
            del incident.waiting[uid]
            incident.free.add(uid)
            incident.witnesses.add(uid)
            state = self._by_uid(uid)
            incident.canary = _Canary(uid, 0 if state is None else state.progress.acts)
            log.info("incident.canary_named", number=incident.number, goal_uid=uid)

    def _judge(self, incident: _Incident, now_s: float) -> None:
        """Whether the canary, or one that acted before the incident, is green by now, or failed."""
        for uid in incident.witnesses:
            state = self._by_uid(uid)
            if state is not None and state.progress.episode is None and not _is_red(state.progress):
                incident.proved_s = now_s
                incident.free.clear()
                return
        canary = incident.canary
        state = None if canary is None else self._by_uid(canary.uid)
        if canary is None or (state is not None and not _has_failed(state.progress, canary)):
            return
        incident.canary = None
        incident.free.discard(canary.uid)
        incident.failures += 1
        incident.next_canary_s = now_s + common_cause.canary_delay_s(incident.failures)
        log.info("incident.canary_failed", number=incident.number, goal_uid=canary.uid)

    def _sentence(self, incident: _Incident) -> str:
        red = len(incident.waiting) + len(incident.free)
        told = f"{red} goals turned red together (incident {incident.number})"
        if incident.proved_s is not None:
            return f"{told}; a repair is verified, the rest follow step by step"
        if incident.canary is None:
            return f"{told}; the next tries when the wait after the last one is over"
        state = self._by_uid(incident.canary.uid)
        name = "one" if state is None else f"{state.header.owner}/{state.header.id}"
        return f"{told}; {name} tries first"

    def _count(self, now_s: float) -> int:
        """Active goals: those that watch and may act. Who is stuck or nobody may repair counts in no number."""
        if self._active is None or now_s - self._active[0] >= COUNT_S:
            self._active = (now_s, sum(1 for state in self._everyone() if _is_active(state)))
        return self._active[1]

    def _is_red_still(self, uid: GoalUid) -> bool:
        state = self._by_uid(uid)
        return state is not None and state.progress.episode is not None and _is_active(state)


def _is_active(state: GoalState) -> bool:
    progress = state.progress
    if state.goal is None or not progress.may_act:
        return False
    return progress.status not in (STOPPED_ACTING if state.goal.standing else FINISHED)


def _is_red(progress: Progress) -> bool:
    """In trouble: an episode that saw red, or a stop that nothing green has ended."""
    if progress.status in (GoalStatus.HOLDING, GoalStatus.CONVERGED):
        return False
    return progress.status in STOPPED_ACTING or (progress.episode is not None and progress.episode.was_red)


def _has_failed(progress: Progress, canary: _Canary) -> bool:
    """It tried, and is red again or has stopped; or nobody lets it try any more."""
    if not progress.may_act or progress.status in STOPPED_ACTING:
        return True
    if progress.act is not None or progress.acts <= canary.acts:
        return False
    return any(s.fails > 0 for s in progress.predicates.values())
