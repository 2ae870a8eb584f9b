"""What every runner promises: each sentence of `ports/runner.py` is a test with its words.

An adapter's test module inherits `RunnerContract` and gives it a `lab`: runners on the same state one after the other
(a daemon and the next), and commands by what they do.
"""

import secrets
from typing import Any, Protocol

import anyio
import pytest

from kazid.core.ids import AttemptId, GoalUid
from kazid.ports.runner import Attempt, AttemptOrder, AttemptResult, Runner

UID = GoalUid("uid-1")
A1 = AttemptId(f"a1-{secrets.token_hex(4)}")
"""Real ids are unique for ever, and the sweep of a runner on this machine relies on it."""
LONG_S = 20.0
"""Longer than any end may take here."""


class RunnerLab(Protocol):
    """Commands: `quick` prints `out` and `err` and exits 3; `ok` exits 0; `short` runs 0.3 s and exits 0; `silent`
    never ends; `tree` never ends and starts others that never end; `product` exits 0 and leaves a process behind;
    `missing` does not exist; `echo` prints its stdin.
    """

    @property
    def runner(self) -> Runner:
        """The daemon's runner."""
        ...

    def order(self, command: str, *, attempt_id: str = A1, **fields: Any) -> AttemptOrder:
        """An order for one of the commands."""
        ...

    async def crash(self) -> Runner:
        """The daemon is gone; the runner of the next one on the same state."""
        ...

    async def kill_shim(self, attempt_id: str = A1) -> None:
        """What holds the attempt dies without a word."""
        ...

    async def order_without_start(self, attempt_id: str = A1) -> None:
        """The daemon dies between the order and the start: everything is prepared, nothing runs."""
        ...

    async def start_late(self, attempt_id: str = A1) -> None:
        """What the dead daemon had prepared is started after all."""
        ...

    def runs(self, attempt_id: str = A1) -> int:
        """How often the command of this attempt began."""
        ...

    def alive(self, attempt_id: str = A1) -> int:
        """How many processes of the attempt's command are alive."""
        ...


async def until_runs(lab: RunnerLab, attempt_id: str = A1) -> None:
    """Return once the attempt's command has begun."""
    with anyio.fail_after(LONG_S):
        while True:
            if lab.runs(attempt_id):
                return
            await anyio.sleep(0.01)


async def end_of(attempt: Attempt) -> AttemptResult:
    """The attempt's end, which must come in time."""
    with anyio.fail_after(LONG_S):
        return await attempt.wait()


class RunnerContract:
    """Inherit, and provide the fixtures `lab` and `anyio_backend`."""

    async def test_start_returns_once_it_runs_and_wait_gives_the_end(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("quick"))
        result = await end_of(attempt)
        assert (result.ending, result.exit_code, result.signal) == ("exited", 3, None)
        assert result.survivors in ((), [])
        assert result.duration_s >= 0
        assert lab.runs() == 1

    async def test_wait_may_be_called_again(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("quick"))
        assert await end_of(attempt) == await end_of(attempt)

    async def test_two_may_wait_for_the_same_end(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("short"))
        ends: list[AttemptResult] = []

        async def note() -> None:
            ends.append(await end_of(attempt))

        async with anyio.create_task_group() as group:
            group.start_soon(note)
            group.start_soon(note)
        assert [end.ending for end in ends] == ["exited", "exited"]

    async def test_a_command_that_cannot_be_started_ends_as_not_started(self, lab: RunnerLab) -> None:
        result = await end_of(await lab.runner.start(lab.order("missing")))
        assert result.ending == "not_started"
        assert result.exit_code is None
        assert result.reason is not None
        assert "not found" in result.reason
        assert lab.runs() == 0

    async def test_nothing_of_it_runs_if_start_never_happened(self, lab: RunnerLab) -> None:
        result = await end_of(await lab.runner.recover(UID, AttemptId("never-ordered")))
        assert (result.ending, result.exit_code) == ("never_started", None)
        assert lab.runs("never-ordered") == 0

    async def test_the_prompt_reaches_stdin_and_stdin_ends(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("echo", stdin_text="first line\nünïcode"))
        assert (await end_of(attempt)).exit_code == 0
        data, _, _ = await lab.runner.read_log(UID, A1, stream="stdout", offset=0)
        assert data.decode() == "first line\nünïcode"

    async def test_the_streams_are_apart_and_read_from_an_offset(self, lab: RunnerLab) -> None:
        await end_of(await lab.runner.start(lab.order("quick")))
        read = lab.runner.read_log
        assert await read(UID, A1, stream="stdout", offset=0) == (b"out\n", 4, 0)
        assert await read(UID, A1, stream="stdout", offset=2) == (b"t\n", 4, 0)
        assert await read(UID, A1, stream="stdout", offset=4) == (b"", 4, 0)
        assert await read(UID, A1, stream="stderr", offset=0) == (b"err\n", 4, 0)

    async def test_an_attempt_that_never_ran_has_an_empty_log(self, lab: RunnerLab) -> None:
        assert await lab.runner.read_log(UID, AttemptId("none"), stream="stdout", offset=0) == (b"", 0, 0)

    # --- deadlines and cancellation ---

    async def test_the_total_deadline_ends_it(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("tree", total_timeout_s=0.4))
        result = await end_of(attempt)
        assert (result.ending, result.exit_code) == ("total_timeout", None)
        assert lab.alive() == 0

    async def test_the_idle_deadline_ends_what_prints_nothing(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("silent", idle_timeout_s=0.3, total_timeout_s=60.0))
        assert (await end_of(attempt)).ending == "idle_timeout"
        assert lab.alive() == 0

    async def test_after_cancel_every_process_is_verified_gone(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("tree", keep_on_success=True))
        await until_runs(lab)
        await attempt.cancel()
        result = await end_of(attempt)
        assert (result.ending, tuple(result.survivors)) == ("cancelled", ())
        assert lab.alive() == 0
        assert tuple(attempt.pids()) == ()

    async def test_cancel_is_idempotent(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("silent"))
        await attempt.cancel()
        await attempt.cancel()
        assert (await end_of(attempt)).ending in ("cancelled", "not_started")
        await attempt.cancel()
        assert lab.alive() == 0

    async def test_cancel_after_the_end_changes_nothing(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("ok"))
        before = await end_of(attempt)
        await attempt.cancel()
        assert (await end_of(attempt), before.exit_code) == (before, 0)

    async def test_cancelling_the_caller_of_wait_leaves_the_attempt_running(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("short"))
        with anyio.move_on_after(0.05):
            await attempt.wait()
            pytest.fail("it ended too early for this test")
        result = await end_of(attempt)
        assert (result.ending, result.exit_code, lab.runs()) == ("exited", 0, 1)

    # --- products ---

    async def test_the_product_of_an_exit_0_is_never_swept(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("product", keep_on_success=True))
        assert (await end_of(attempt)).exit_code == 0
        assert lab.alive() == 1
        await attempt.cancel()
        recovered = await (await lab.crash()).recover(UID, A1)
        assert (await end_of(recovered)).exit_code == 0
        await recovered.cancel()
        assert lab.alive() == 1

    async def test_what_an_agent_leaves_running_is_gone(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("product", keep_on_success=False))
        assert (await end_of(attempt)).exit_code == 0
        assert lab.alive() == 0

    # --- recovery: exactly one of four ---

    async def test_recover_answers_ended_with_the_very_result(self, lab: RunnerLab) -> None:
        before = await end_of(await lab.runner.start(lab.order("quick")))
        recovered = await (await lab.crash()).recover(UID, A1)
        assert await end_of(recovered) == before
        assert lab.runs() == 1

    async def test_recover_answers_running_and_takes_it_over(self, lab: RunnerLab) -> None:
        await lab.runner.start(lab.order("short"))
        recovered = await (await lab.crash()).recover(UID, A1)
        result = await end_of(recovered)
        assert (result.ending, result.exit_code, lab.runs()) == ("exited", 0, 1)

    async def test_what_was_taken_over_can_be_cancelled(self, lab: RunnerLab) -> None:
        await lab.runner.start(lab.order("tree"))
        await until_runs(lab)
        recovered = await (await lab.crash()).recover(UID, A1)
        await recovered.cancel()
        assert (await end_of(recovered)).ending == "cancelled"
        assert lab.alive() == 0

    async def test_recover_answers_killed_once_every_process_is_gone(self, lab: RunnerLab) -> None:
        await lab.runner.start(lab.order("tree"))
        await until_runs(lab)
        await lab.kill_shim()
        recovered = await (await lab.crash()).recover(UID, A1)
        result = await end_of(recovered)
        assert (result.ending, result.exit_code, tuple(result.survivors)) == ("killed", None, ())
        assert lab.alive() == 0

    async def test_a_shim_killed_under_a_live_daemon_ends_as_killed(self, lab: RunnerLab) -> None:
        attempt = await lab.runner.start(lab.order("tree"))
        await until_runs(lab)
        await lab.kill_shim()
        assert (await end_of(attempt)).ending == "killed"
        assert lab.alive() == 0

    async def test_recover_of_a_live_attempt_of_this_daemon_is_that_attempt(self, lab: RunnerLab) -> None:
        first = await lab.runner.start(lab.order("short"))
        again = await lab.runner.recover(UID, A1)
        assert await end_of(again) == await end_of(first)
        assert lab.runs() == 1

    async def test_once_recovery_has_claimed_it_nothing_runs_any_more(self, lab: RunnerLab) -> None:
        await lab.order_without_start()
        recovered = await (await lab.crash()).recover(UID, A1)
        assert (await end_of(recovered)).ending == "never_started"
        await lab.start_late()
        again = await (await lab.crash()).recover(UID, A1)
        assert ((await end_of(again)).ending, lab.runs()) == ("never_started", 0)
