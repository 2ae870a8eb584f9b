"""Who has to wait because many are red at once, or because what they depend on is (`core/common_cause.py`).

Asked before each act, and again while one waits; the answer is journalled with the goal as `act.deferred`, so its wait
survives a restart and is observed again before the act. The incident is events of the fleet's stream, recorded by
`keep`, one task's: until it is durable that many turned red together, none of them acts.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog

from kazid.core import common_cause, quota
from kazid.core.common_incident import (
    FORGOTTEN_S,
    RESUMED_S,
    Member,
    OpenIncident,
    is_free,
    next_step,
)
from kazid.core.event import Event, IncidentOpened, event_type
from kazid.core.ids import GoalId, GoalUid, Owner
from kazid.core.progress import Progress
from kazid.core.status import FINISHED, STOPPED_ACTING, GoalStatus
from kazid.ports.clock import Clock
from kazid.runtime.change_windows import ChangeWindows
from kazid.runtime.fleet import Fleet
from kazid.runtime.owner_spending import OwnerSpending
from kazid.runtime.state import GoalState

log = structlog.get_logger(__name__)

WAITS_FOR = "governor"
WAITS_FOR_DEPENDENCY = "dependency"
ASKS_EVERY_S = 5.0
"""How often whoever waits asks again."""
KEPT_EVERY_S = 1.0
"""How often an incident is looked at while it stands."""
INTENT_S = 30.0
"""Who was told so long ago that it may act, and has not, found another reason not to."""
COUNT_S = 1.0
"""For so long the number of active goals is not counted again."""

assert FORGOTTEN_S >= 4 * ASKS_EVERY_S
assert FORGOTTEN_S < common_cause.WINDOW_S


class _Found(msgspec.Struct, frozen=True):
    """Reds that have one cause, and are not durable as an incident yet."""

    at_s: float
    opened: IncidentOpened


class Governor:
    """Holds back what would otherwise all act at once."""

    def __init__(
        self, *, clock: Clock, fleet: Fleet, windows: ChangeWindows, spending: OwnerSpending
    ) -> None:
        self._spending = spending
        self._clock = clock
        self._fleet = fleet
        self._windows = windows
        self._everyone: Callable[[], Iterable[GoalState]] = tuple
        self._by_uid: Callable[[GoalUid], GoalState | None] = lambda _: None
        self._find: Callable[[Owner, GoalId], GoalState | None] = lambda _owner, _name: None
        self._opened_s: dict[GoalUid, float] = {}
        """Episodes of goals that wanted to act lately."""
        self._let_go: dict[GoalUid, tuple[int, float]] = {}
        """Who of them was told that it may act: how many attempts it had made by then, and when that was."""
        self._sharing: dict[str, dict[GoalUid, tuple[float, float]]] = {}
        """By red dependency: when each dependent asked first and last."""
        self._found: _Found | None = None
        self._waiting: dict[GoalUid, float] = {}
        """Who asked and may not, with when it asked last; first come first."""
        self._asked_s = 0.0
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
        self._spending.attach(everyone)

    def ref_of(self, uid: GoalUid) -> str:
        """The name of an incarnation; of one that is forgotten its uid."""
        state = self._by_uid(uid)
        return uid if state is None else f"{state.header.owner}/{state.header.id}"

    @property
    def incident(self) -> str | None:
        """The open incident in words."""
        incident = self._fleet.incident
        return None if incident is None else self._sentence(incident)

    def waits_for(self, state: GoalState) -> tuple[str, str] | None:
        """What this goal has to wait for before it may act; None when it may."""
        now_s = self._clock.now().boot_s
        return self._windows.waits_for(state) or self._dependency(state, now_s) or self._common(state, now_s)

    def agent_waits_for(self, state: GoalState, rung: str) -> tuple[str, str] | None:
        """What this goal's agent has to wait for, where an agent is next: a limit, a login, or its owner's day."""
        if not rung.startswith("harness:") or state.goal is None:
            return None
        everyone = ((s.uid, s.goal, s.progress) for s in self._everyone() if s.goal is not None)
        now = self._clock.now()
        held = quota.holds(state.uid, state.goal, state.progress, everyone, now, rung=rung)
        return held or self._spending.waits_for(state)

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
        incident = self._fleet.incident
        if incident is None and self._found is None:
            self._find_incident(now_s)
        opened_s = incident.opened_s if incident is not None else now_s
        may_act = incident is not None and is_free(incident, state.uid, progress.acts)
        is_concerned = episode.opened_s > opened_s - common_cause.WINDOW_S
        if (incident is None and self._found is None) or may_act or not is_concerned:
            self._let_go[state.uid] = (progress.acts, now_s)
            return None
        self._waiting[state.uid] = self._asked_s = now_s
        if incident is None:
            return WAITS_FOR, "many goals turned red together"
        return WAITS_FOR, self._sentence(incident)

    def _find_incident(self, now_s: float) -> None:
        """Whether the reds of now have one cause. Who acts already goes on to the end of that act only."""
        old_s = now_s - common_cause.WINDOW_S
        self._opened_s = {uid: at_s for uid, at_s in self._opened_s.items() if at_s > old_s}
        if len(self._opened_s) < common_cause.GOALS_MIN:
            return
        self._opened_s = red = {uid: s for uid, s in self._opened_s.items() if self._is_red_still(uid)}
        active = self._count(now_s)
        if not common_cause.is_common(red.values(), active=active, now_s=now_s):
            return
        acting = tuple(sorted(uid for uid in red if self._is_under_way(uid, now_s)))
        opened = IncidentOpened(red=tuple(sorted(red)), acting=acting, active=active)
        self._found = _Found(now_s, opened)
        self._fleet.changed.set()

    def _is_under_way(self, uid: GoalUid, now_s: float) -> bool:
        """It acts, or was told that it may and the intent is on its way to the disk."""
        state = self._by_uid(uid)
        if state is None:
            return False
        progress = state.progress
        acts, told_s = self._let_go.get(uid, (-1, 0.0))
        is_told = progress.deferred is None and acts == progress.acts and now_s - told_s < INTENT_S
        return progress.act is not None or is_told

    # --- keeping it -------------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """The daemon has started: who wants to act has not asked yet."""
        self._asked_s = self._clock.now().boot_s + RESUMED_S - FORGOTTEN_S

    def kept_every_s(self) -> float | None:
        """How often it wants to be kept; None: when the fleet's stream says something new."""
        is_idle = self._fleet.incident is None and self._found is None
        return None if is_idle else KEPT_EVERY_S

    async def keep(self) -> None:
        """Open, judge the canary, name the next, let more go, or close. Raises JournalUnavailable."""
        while self._fleet.incident is not None or self._found is not None:
            events = await self._fleet.record_incident(self._due)
            if self._fleet.incident is not None:
                self._found = None
            if not events:
                return
            for event in events:
                log.warning(event_type(event), **{k: getattr(event, k) for k in event.__struct_fields__})
                self._tell(event)

    def _due(self) -> Sequence[Event]:
        """What is to be recorded now."""
        incident, now_s = self._fleet.incident, self._clock.now().boot_s
        if incident is None:
            return () if self._found is None else (self._found.opened,)
        for uid in [u for u, asked_s in self._waiting.items() if asked_s < now_s - FORGOTTEN_S]:
            del self._waiting[uid]
        members = {
            uid: _member(state, is_acting=self._is_under_way(uid, now_s))
            for uid in {*incident.witnesses, *self._waiting}
            if (state := self._by_uid(uid)) is not None
        }
        event = next_step(incident, members, list(self._waiting), now_s=now_s, asked_s=self._asked_s)
        return () if event is None else (event,)

    def _tell(self, event: Event) -> None:
        """What was recorded, for who waits."""
        incident = self._fleet.incident
        if incident is None:
            self._opened_s.clear()
            self._let_go.clear()
            self._waiting.clear()
            return
        for uid in incident.free:
            self._waiting.pop(uid, None)
            state = self._by_uid(uid)
            if state is not None:
                state.wakeup.set()

    def _sentence(self, incident: OpenIncident) -> str:
        told = f"{incident.red} goals turned red together (incident {incident.number})"
        if incident.proved_s is not None:
            return f"{told}; a repair is verified, the rest follow step by step"
        if incident.canary is None:
            return f"{told}; the next tries when the wait after the last one is over"
        state = self._by_uid(incident.canary)
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


def _member(state: GoalState, *, is_acting: bool) -> Member:
    progress = state.progress
    return Member(
        is_green=progress.episode is None and not _is_red(progress),
        may_act=progress.may_act and progress.status not in STOPPED_ACTING,
        is_acting=is_acting,
        is_failing=any(s.fails > 0 for s in progress.predicates.values()),
        acts=progress.acts,
        last_act_ended_s=progress.last_act_ended_s,
    )


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
