import math
from collections import Counter
from typing import Any

import anyio
import pytest
import trio.testing

from kazid.adapters.memory.clock import MemoryClock
from kazid.adapters.memory.runner import Script, ScriptedRunner, by_command
from kazid.core.ids import AttemptId
from kazid.ports.runner import AttemptOrder, Runner

pytest.register_assert_rewrite("tests.contracts.runner_contract")
from tests.contracts.runner_contract import A1, UID, RunnerContract

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio", "virtual"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    if request.param == "virtual":
        return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})
    return str(request.param)


class MemoryLab:
    def __init__(self) -> None:
        self._processes: Counter[str] = Counter()
        self._runs: Counter[str] = Counter()
        self.memory = ScriptedRunner(clock=MemoryClock(), scripts=self._script)
        self._prepared: dict[str, AttemptOrder] = {}

    @property
    def runner(self) -> Runner:
        return self.memory

    def order(self, command: str, *, attempt_id: str = A1, **fields: Any) -> AttemptOrder:
        return AttemptOrder(
            uid=UID, attempt_id=AttemptId(attempt_id), argv=(command,), cwd="/", path="", **fields
        )

    async def crash(self) -> Runner:
        return self.memory

    async def kill_shim(self, attempt_id: str = A1) -> None:
        self.memory.kill(UID, AttemptId(attempt_id))

    async def order_without_start(self, attempt_id: str = A1) -> None:
        self._prepared[attempt_id] = self.order("ok", attempt_id=attempt_id)

    async def start_late(self, attempt_id: str = A1) -> None:
        await self.memory.start(self._prepared[attempt_id])

    def runs(self, attempt_id: str = A1) -> int:
        return self._runs[attempt_id]

    def alive(self, attempt_id: str = A1) -> int:
        running = sum(1 for order in self.memory.live_now if order.attempt_id == attempt_id)
        return running + self._processes[attempt_id]

    def _script(self, order: AttemptOrder) -> Script:
        def begin(order: AttemptOrder) -> None:
            self._runs[order.attempt_id] += 1

        def leave(order: AttemptOrder) -> None:
            self._processes[order.attempt_id] += order.keep_on_success

        scripts = {
            "quick": Script(exit_code=3, stdout=b"out\n", stderr=b"err\n"),
            "ok": Script(),
            "short": Script(duration_s=0.3),
            "silent": Script(duration_s=math.inf, is_silent=True),
            "tree": Script(duration_s=math.inf),
            "product": Script(effect=leave),
            "echo": Script(stdout=(order.stdin_text or "").encode()),
        }
        chosen = by_command(scripts)(order)
        return Script(
            **{**{f: getattr(chosen, f) for f in chosen.__struct_fields__}, "effect_at_start": begin}
        )


@pytest.fixture
def lab() -> MemoryLab:
    return MemoryLab()


def _order(argv: str, attempt_id: str = A1, **fields: Any) -> AttemptOrder:
    return AttemptOrder(
        uid=UID, attempt_id=AttemptId(attempt_id), argv=argv.split(), cwd="/", path="", **fields
    )


class TestScriptedRunner(RunnerContract):
    async def test_a_side_effect_happens_when_the_attempt_ends(self) -> None:
        done: list[str] = []
        script = Script(duration_s=0.05, effect=lambda order: done.append(order.attempt_id))
        runner = ScriptedRunner(clock=MemoryClock(), scripts=lambda _: script)
        attempt = await runner.start(_order("mend"))
        assert done == []
        await attempt.wait()
        assert done == [A1]

    async def test_an_effect_comes_without_anybody_waiting(self) -> None:
        done: list[str] = []
        script = Script(duration_s=0.05, effect=lambda order: done.append(order.attempt_id))
        runner = ScriptedRunner(clock=MemoryClock(), scripts=lambda _: script)
        await runner.start(_order("mend"))
        await anyio.sleep(0.06)
        runner.settle()
        assert done == [A1]

    async def test_effects_come_in_the_order_of_the_ends(self) -> None:
        done: list[str] = []
        runner = ScriptedRunner(
            clock=MemoryClock(),
            scripts=lambda order: Script(
                duration_s=float(order.argv[1]), effect=lambda order: done.append(order.attempt_id)
            ),
        )
        await runner.start(_order("mend 0.04", "slow"))
        await runner.start(_order("mend 0.02", "fast"))
        await anyio.sleep(0.06)
        runner.settle()
        assert done == ["fast", "slow"]

    async def test_a_cancelled_attempt_has_no_effect(self) -> None:
        done: list[str] = []
        script = Script(duration_s=0.05, effect=lambda order: done.append("effect"), cancel_takes_s=0.02)
        runner = ScriptedRunner(clock=MemoryClock(), scripts=lambda _: script)
        attempt = await runner.start(_order("mend"))
        await attempt.cancel()
        assert runner.live_now
        result = await attempt.wait()
        assert (result.ending, result.exit_code, done) == ("cancelled", None, [])
        assert result.duration_s == pytest.approx(0.02, abs=0.02)

    async def test_an_end_before_the_cancel_takes_hold_is_the_end(self) -> None:
        runner = ScriptedRunner(
            clock=MemoryClock(), scripts=lambda _: Script(duration_s=0.02, cancel_takes_s=30.0)
        )
        attempt = await runner.start(_order("mend"))
        await attempt.cancel()
        assert (await attempt.wait()).ending == "exited"

    async def test_scripts_are_chosen_by_command_and_by_turn(self) -> None:
        scripts = by_command(
            {"agent": [Script(exit_code=1), Script(exit_code=0)], "make fix": Script(exit_code=7)},
            default=Script(exit_code=9),
        )
        runner = ScriptedRunner(clock=MemoryClock(), scripts=scripts)
        codes = []
        for number, line in enumerate(("agent -p", "agent -p", "agent", "make fix", "make other")):
            codes.append((await (await runner.start(_order(line, f"a{number}"))).wait()).exit_code)
        assert codes == [1, 0, 0, 7, 9]
        assert (runner.started("agent"), runner.started("make fix"), len(runner.starts)) == (3, 1, 5)

    async def test_live_executors_are_counted(self) -> None:
        runner = ScriptedRunner(clock=MemoryClock(), scripts=lambda _: Script(duration_s=0.05))
        attempts = [await runner.start(_order("x", f"a{n}")) for n in range(3)]
        assert [order.attempt_id for order in runner.live_now] == ["a0", "a1", "a2"]
        for attempt in attempts:
            await attempt.wait()
        assert (runner.live_now, runner.live_max) == ((), 3)

    async def test_an_attempt_id_runs_once(self) -> None:
        runner = ScriptedRunner(clock=MemoryClock(), scripts=lambda _: Script())
        await runner.start(_order("x"))
        with pytest.raises(AssertionError, match="started twice"):
            await runner.start(_order("x"))

    async def test_pids_that_would_not_die_are_named(self) -> None:
        runner = ScriptedRunner(clock=MemoryClock(), scripts=lambda _: Script(duration_s=1, unkillable=(77,)))
        attempt = await runner.start(_order("x"))
        await attempt.cancel()
        assert (await attempt.wait()).survivors == (77,)


async def _two_hours() -> tuple[float, str]:
    clock = MemoryClock()
    runner = ScriptedRunner(clock=clock, scripts=lambda _: Script(duration_s=7200.0))
    attempt = await runner.start(_order("x", total_timeout_s=10_000.0))
    result = await attempt.wait()
    return result.duration_s, result.ending


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
def test_virtual_hours_pass_at_once(anyio_backend: str) -> None:
    duration_s, ending = trio.run(_two_hours, clock=trio.testing.MockClock(autojump_threshold=0))
    assert (duration_s, ending) == (pytest.approx(7200.0), "exited")
