"""Who holds an executor's slot, who waits for one, and whose turn it is (`core/turns.py` decides).

A goal asks again and again while it waits. One that has not asked lately, because it looks again first or was mended
meanwhile, keeps its place in the line but lets others pass: a turn that nobody takes is nobody's.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterator

import anyio
import msgspec

from kazid.core.ids import GoalUid, Owner
from kazid.core.turns import Claim, Limits, Seat, next_in_turn, refusal

LETS_PASS_S = 20.0
"""Who has not asked for so long lets others pass; longer than any wait between two questions of one that waits."""
FORGOTTEN_S = 3600.0
ASKS_PER_S = 100.0
"""Together those who wait ask so often at most: a question is a turn of the goal, a millisecond of everybody's time."""
ASKS_AGAIN_S_MAX = 10.0
KEPT_S_MAX = 60.0
"""How long a slot is kept for an act whose tree was set up and whose red is looked at again; then others have it."""

assert ASKS_AGAIN_S_MAX < LETS_PASS_S, "who waits is not away"


class _Waiting(msgspec.Struct, frozen=True):
    claim: Claim
    asked_s: float


class Turns:
    """The slots of one kind of executor (remedies, or agents).

    What a question costs does not grow with how many wait: thousands of goals ask, and each keeps all others from the
    processor meanwhile.
    """

    def __init__(self, what: str, limits: Limits, *, now_s: Callable[[], float] = anyio.current_time) -> None:
        self._what = what
        self._limits = limits
        self._now_s = now_s
        self._running: dict[GoalUid, Seat] = {}
        self._kept_s: dict[GoalUid, float] = {}
        """Who of these does not run yet, and since when its slot is kept for it."""
        self._waiting: OrderedDict[GoalUid, _Waiting] = OrderedDict()
        """Who asked lately, by when it asked last."""
        self._away: OrderedDict[GoalUid, _Waiting] = OrderedDict()
        """Who has not, and lets others pass; likewise."""
        self._lines: dict[Seat, list[tuple[float, GoalUid]]] = {}
        """Who waits, by since when, and not away."""
        self._served_s: dict[Owner, float] = {}

    def waits_for(self, uid: GoalUid, seat: Seat) -> str | None:
        """Why this goal has to wait, in words; None when it is its turn. Its place in the line is kept."""
        now_s = self._now_s()
        self._let_pass(now_s)
        if uid in self._kept_s and self._running[uid] != seat:
            self.end(uid)  # it was kept for an agent on another harness
        if uid in self._running:
            return None
        known = self._leave(uid)
        since_s = known.claim.since_s if known is not None and known.claim.seat == seat else now_s
        self._waiting[uid] = _Waiting(Claim(uid, seat, since_s), now_s)
        insort(self._lines.setdefault(seat, []), (since_s, uid))
        return None if uid in self._chosen() else self._reason(seat)

    def next_up(self) -> frozenset[GoalUid]:
        """Whose turn it is now, of those who asked lately."""
        self._let_pass(self._now_s())
        return self._chosen()

    def asks_again_s(self) -> float:
        """When one that waits should ask again: whose turn it becomes is told, so this is for what nobody told."""
        return min(ASKS_AGAIN_S_MAX, max(1.0, len(self._waiting) / ASKS_PER_S))

    def begin(self, uid: GoalUid, seat: Seat) -> None:
        """It runs, whether it was its turn or not (one that ran before the daemon did)."""
        self._leave(uid)
        self._kept_s.pop(uid, None)
        self._running[uid] = seat
        self._served_s[seat.owner] = self._now_s()

    def keep(self, uid: GoalUid) -> None:
        """What ran made ready for an act: its slot is that act's for a while, and then its place in the line is."""
        if uid in self._running:
            self._kept_s[uid] = self._now_s()

    def is_kept(self, uid: GoalUid) -> bool:
        """True while a slot is kept for an act that did not begin yet."""
        return uid in self._kept_s

    def is_running(self, uid: GoalUid) -> bool:
        """True between `begin` and `end`."""
        return uid in self._running

    def end(self, uid: GoalUid) -> None:
        """It runs no more, and waits no more; harmless when it did neither."""
        self._running.pop(uid, None)
        self._kept_s.pop(uid, None)
        self._leave(uid)

    def _chosen(self) -> frozenset[GoalUid]:
        """Only as many of a line as there are free slots can be among them."""
        free = self._limits.total - len(self._running)
        if free <= 0:
            return frozenset()
        claims = [Claim(u, seat, since_s) for seat, line in self._lines.items() for since_s, u in line[:free]]
        running = list(self._running.values())
        return next_in_turn(claims, running=running, served_s=self._served_s, limits=self._limits)

    def _leave(self, uid: GoalUid) -> _Waiting | None:
        """Take it out of the line; what it was there."""
        waiting = self._waiting.pop(uid, None)
        if waiting is None:
            return self._away.pop(uid, None)
        self._leave_line(waiting.claim)
        return waiting

    def _leave_line(self, claim: Claim) -> None:
        line = self._lines[claim.seat]
        del line[bisect_left(line, (claim.since_s, claim.uid))]
        if not line:
            del self._lines[claim.seat]

    def _let_pass(self, now_s: float) -> None:
        """Who has not asked lately steps aside, and who has not for very long loses its place."""
        for uid in [u for u, since_s in self._kept_s.items() if since_s < now_s - KEPT_S_MAX]:
            since_s, seat = self._kept_s.pop(uid), self._running.pop(uid)
            self._away[uid] = _Waiting(Claim(uid, seat, since_s), now_s)
        for waiting in _older(self._waiting, now_s - LETS_PASS_S):
            self._leave_line(waiting.claim)
            self._away[waiting.claim.uid] = waiting
        for _ in _older(self._away, now_s - FORGOTTEN_S):
            pass

    def _reason(self, seat: Seat) -> str:
        full = refusal(seat, list(self._running.values()), self._limits)
        if full is None:
            return f"others that want {self._what} are before it"
        return f"as many {self._what} {full} as may at once"


def _older(by_age: OrderedDict[GoalUid, _Waiting], before_s: float) -> Iterator[_Waiting]:
    """Take out who asked last before this, the longest ago first."""
    while by_age:
        uid, waiting = next(iter(by_age.items()))
        if waiting.asked_s >= before_s:
            return
        del by_age[uid]
        yield waiting
