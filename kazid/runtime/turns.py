"""Who holds an executor's slot, who waits for one, and whose turn it is (`core/turns.py` decides).

A goal asks again and again while it waits. One that has not asked lately, because it looks again first or was mended
meanwhile, keeps its place in the line but lets others pass: a turn that nobody takes is nobody's.
"""

from collections.abc import Callable

import anyio
import msgspec

from kazid.core.ids import GoalUid, Owner
from kazid.core.turns import Claim, Limits, Seat, next_in_turn, refusal

LETS_PASS_S = 20.0
"""Who has not asked for so long lets others pass; longer than any wait between two questions of one that waits."""
FORGOTTEN_S = 3600.0


class _Waiting(msgspec.Struct):
    claim: Claim
    asked_s: float


class Turns:
    """The slots of one kind of executor (remedies, or agents)."""

    def __init__(self, what: str, limits: Limits, *, now_s: Callable[[], float] = anyio.current_time) -> None:
        self._what = what
        self._limits = limits
        self._now_s = now_s
        self._running: dict[GoalUid, Seat] = {}
        self._waiting: dict[GoalUid, _Waiting] = {}
        self._served_s: dict[Owner, float] = {}

    def waits_for(self, uid: GoalUid, seat: Seat) -> str | None:
        """Why this goal has to wait, in words; None when it is its turn. Its place in the line is kept."""
        if uid in self._running:
            return None
        now_s = self._now_s()
        for other in [u for u, w in self._waiting.items() if w.asked_s < now_s - FORGOTTEN_S]:
            del self._waiting[other]
        known = self._waiting.get(uid)
        since_s = known.claim.since_s if known is not None and known.claim.seat == seat else now_s
        self._waiting[uid] = _Waiting(Claim(uid, seat, since_s), now_s)
        claims = [w.claim for w in self._waiting.values() if w.asked_s >= now_s - LETS_PASS_S]
        running = list(self._running.values())
        chosen = next_in_turn(claims, running=running, served_s=self._served_s, limits=self._limits)
        return None if uid in chosen else self._reason(seat)

    def begin(self, uid: GoalUid, seat: Seat) -> None:
        """It runs, whether it was its turn or not (one that ran before the daemon did)."""
        self._waiting.pop(uid, None)
        self._running[uid] = seat
        self._served_s[seat.owner] = self._now_s()

    def is_running(self, uid: GoalUid) -> bool:
        """True between `begin` and `end`."""
        return uid in self._running

    def end(self, uid: GoalUid) -> None:
        """It runs no more, and waits no more; harmless when it did neither."""
        self._running.pop(uid, None)
        self._waiting.pop(uid, None)

    def _reason(self, seat: Seat) -> str:
        full = refusal(seat, list(self._running.values()), self._limits)
        if full is None:
            return f"others that want {self._what} are before it"
        return f"as many {self._what} {full} as may at once"
