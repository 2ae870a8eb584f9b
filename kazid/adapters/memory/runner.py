"""Attempts that run nothing: scripts that take virtual time, for the runtime's tests and the simulation.

The Runner contract without processes or threads: it works under a virtual clock on any anyio backend. Like the shim
it outlives the daemon object: keep the runner, throw the daemon away, start another, and what ran still runs.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import anyio
import anyio.lowlevel
import msgspec

from kazid.core.ids import AttemptId, GoalUid
from kazid.ports.clock import Clock
from kazid.ports.runner import AttemptOrder, AttemptResult

ROUNDING_S = 1e-6
"""A virtual clock that slept for a difference of two floats may stop just short of it."""

Effect = Callable[[AttemptOrder], None]


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt does. `effect` changes the world when it ends by itself, `effect_at_start` when it begins.

    A script that takes longer than the order allows ends at the deadline, without its effect. `duration_s = math.inf`
    hangs. `is_silent`: prints nothing, so the idle deadline applies. `unkillable` are pids that survive its end.
    """

    duration_s: float = 0.0
    ending: str = "exited"
    exit_code: int | None = 0
    signal: int | None = None
    reason: str | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    effect: Effect | None = None
    effect_at_start: Effect | None = None
    cancel_takes_s: float = 0.0
    is_silent: bool = False
    unkillable: Sequence[int] = ()


Scripts = Callable[[AttemptOrder], Script]
"""Chooses the script of an order."""


def by_command(scripts: Mapping[str, Script | Sequence[Script]], *, default: Script | None = None) -> Scripts:
    """Scripts by `argv[0]` or by the whole command line; of a sequence the nth run takes the nth, the last goes on."""
    runs: dict[str, int] = {}

    def choose(order: AttemptOrder) -> Script:
        line = " ".join(order.argv)
        key = line if line in scripts else order.argv[0]
        if key not in scripts:
            if default is None:
                return Script(ending="not_started", exit_code=None, reason=f"not found: {order.argv[0]}")
            return default
        script = scripts[key]
        if isinstance(script, Script):
            return script
        number = runs.get(key, 0)
        runs[key] = number + 1
        return script[min(number, len(script) - 1)]

    return choose


class ScriptedRunner:
    """Runner in memory. `starts` has every order in turn; `live_now` and `live_max` count executors."""

    def __init__(self, *, clock: Clock, scripts: Scripts) -> None:
        self.starts: list[AttemptOrder] = []
        self.cancels: list[AttemptId] = []
        self.live_max = 0
        self._clock = clock
        self._scripts = scripts
        self._attempts: dict[tuple[GoalUid, AttemptId], ScriptedAttempt] = {}
        self._revoked: set[tuple[GoalUid, AttemptId]] = set()

    async def start(self, order: AttemptOrder) -> "ScriptedAttempt":
        """Begin the script of this order; an attempt that recovery revoked ends as `never_started`."""
        assert order.argv, "an order says what to run"
        key = (order.uid, order.attempt_id)
        assert key not in self._attempts, f"attempt {order.attempt_id} was started twice"
        self.settle()
        now_s = self._clock.now().boot_s
        if key in self._revoked:
            return ScriptedAttempt(self, order, Script(ending="never_started", exit_code=None), now_s=now_s)
        self.starts.append(order)
        script = self._scripts(order)
        attempt = self._attempts[key] = ScriptedAttempt(self, order, script, now_s=now_s)
        if attempt.has_run and script.effect_at_start is not None:
            script.effect_at_start(order)
        self.live_max = max(self.live_max, len(self.live_now))
        self.settle()
        return attempt

    async def recover(self, uid: GoalUid, attempt_id: AttemptId) -> "ScriptedAttempt":
        """The attempt as it stands; one that never began is revoked and never will."""
        self.settle()
        attempt = self._attempts.get((uid, attempt_id))
        if attempt is not None:
            return attempt
        self._revoked.add((uid, attempt_id))
        order = AttemptOrder(uid=uid, attempt_id=attempt_id, argv=("",), cwd="/", path="")
        script = Script(ending="never_started", exit_code=None)
        return ScriptedAttempt(self, order, script, now_s=self._clock.now().boot_s)

    async def read_log(
        self, uid: GoalUid, attempt_id: AttemptId, *, stream: str, offset: int
    ) -> tuple[bytes, int, int]:
        """What the script prints, as soon as it began; nothing is ever dropped."""
        attempt = self._attempts.get((uid, attempt_id))
        if attempt is None or not attempt.has_run:
            return b"", offset, 0
        script = attempt.script
        assert stream in ("stdout", "stderr")
        content = script.stdout if stream == "stdout" else script.stderr
        return content[offset:], max(offset, len(content)), 0

    @property
    def live_now(self) -> tuple[AttemptOrder, ...]:
        """Orders whose attempts run at this moment."""
        self.settle()
        return tuple(a.order for a in self._attempts.values() if a.result is None)

    def started(self, command: str) -> int:
        """How many attempts ran this `argv[0]` or this whole command line."""
        return sum(1 for o in self.starts if command in (o.argv[0], " ".join(o.argv)))

    def kill(self, uid: GoalUid, attempt_id: AttemptId) -> None:
        """The machine kills the attempt, shim and all: nobody saw its end."""
        self._attempts[(uid, attempt_id)].be_killed()

    def settle(self) -> None:
        """End whatever is due by now, in order, and apply its effects. Reads of a shared world may call it too."""
        now_s = self._clock.now().boot_s
        due = [a for a in self._attempts.values() if a.result is None and a.ends_s <= now_s + ROUNDING_S]
        for attempt in sorted(due, key=lambda a: a.ends_s):
            attempt.end()

    def now_s(self) -> float:
        """Boot seconds."""
        return self._clock.now().boot_s


class ScriptedAttempt:
    """One scripted attempt."""

    def __init__(self, runner: ScriptedRunner, order: AttemptOrder, script: Script, *, now_s: float) -> None:
        self.order = order
        self.script = script
        self.result: AttemptResult | None = None
        self._runner = runner
        self._started_s = now_s
        self._changed = anyio.Event()
        self.has_run = script.ending not in ("not_started", "never_started")
        self.ends_s, self._ending = self._natural_end()
        if not self.has_run:
            self.result = AttemptResult(ending=script.ending, reason=script.reason, ended_s=None)

    async def wait(self) -> AttemptResult:
        """The end, once virtual time reached it."""
        while True:
            self._runner.settle()
            if self.result is not None:
                await anyio.lowlevel.checkpoint()
                return self.result
            changed = self._changed
            with anyio.move_on_after(self.ends_s - self._runner.now_s()):
                await changed.wait()

    async def cancel(self) -> None:
        """End it after `cancel_takes_s`, unless it ends before."""
        self._runner.settle()
        if self.result is not None or self._ending == "cancelled":
            return
        self._runner.cancels.append(self.order.attempt_id)
        cancelled_s = self._runner.now_s() + self.script.cancel_takes_s
        if cancelled_s < self.ends_s:
            self.ends_s, self._ending = cancelled_s, "cancelled"
        self._wake()

    def pids(self) -> Sequence[int]:
        """What would not die, once it ended; a script has no processes of its own."""
        return self.script.unkillable if self.has_run else ()

    def be_killed(self) -> None:
        """End now, unseen."""
        if self.result is None:
            self.ends_s, self._ending = self._runner.now_s(), "killed"
            self._wake()

    def end(self) -> None:
        """Take the end that is due: its effect, then its result."""
        assert self.result is None, "an attempt ends once"
        is_own_end = self._ending == self.script.ending
        if is_own_end and self.script.effect is not None:
            self.script.effect(self.order)
        self.result = AttemptResult(
            ending=self._ending,
            exit_code=self.script.exit_code if is_own_end else None,
            signal=self.script.signal if is_own_end else None,
            duration_s=self.ends_s - self._started_s,
            ended_s=None if self._ending == "killed" else self.ends_s,
            reason=self.script.reason if is_own_end else None,
            survivors=self.script.unkillable,
        )
        self._wake()

    def _natural_end(self) -> tuple[float, str]:
        """When and how it ends if nobody interferes."""
        ends = [(self.script.duration_s, self.script.ending), (self.order.total_timeout_s, "total_timeout")]
        if self.script.is_silent and self.order.idle_timeout_s is not None:
            ends.append((self.order.idle_timeout_s, "idle_timeout"))
        after_s, ending = min(ends, key=lambda end: end[0])
        assert after_s < math.inf, "every order has a total deadline"
        return self._started_s + after_s, ending

    def _wake(self) -> None:
        """Let whoever waits look again."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
