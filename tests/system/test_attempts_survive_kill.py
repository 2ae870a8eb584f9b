"""kill -9 of the daemon around the start of attempts: each ends as exactly one of four, and nothing is left behind.

The daemon is tests/fixtures/daemon_like.py, a real process on the real runner. The next daemon is this test. A round
starts one attempt of each kind at once and kills the daemon at a moment drawn around their starts; in some rounds a
shim dies as well. The seed is printed; the moments are real time, so a seed repeats the intention and not the race.
"""

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from kazid.adapters.system.attempt_folder import folder_of, look
from kazid.adapters.system.clock import SystemClock
from kazid.adapters.system.runner import SystemRunner
from kazid.core.ids import AttemptId
from kazid.ports.runner import AttemptResult
from kazid.shim import proctree, protocol
from tests.fixtures.daemon_like import COMMANDS, UID, runs_file

REPOSITORY = Path(__file__).parents[2]
ROUNDS = 15
ROUNDS_LONG = 50
KILLED_WITHIN_S = 0.25
"""From the first intent: before, in and after the starts of shims and commands, and the ends of the short ones."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    state = tmp_path / "state"
    state.mkdir()
    yield state
    for folder in state.glob("attempts/*/*"):
        proctree.kill_tree(partial(proctree.marked, protocol.MARKER, folder.name), grace_s=0.0)


def _rounds(state: Path, count: int) -> Counter[str]:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    endings: Counter[str] = Counter()
    for number in range(count):
        attempts = {f"{kind}-{secrets.token_hex(4)}": kind for kind in COMMANDS}
        journal = state / f"journal-{number}"
        # Around the first start on an idle machine, and around the others on a busy one.
        line = chance.choice(("intent", "started"))
        _run_and_kill(state, journal, attempts, after_s=chance.random() * KILLED_WITHIN_S, line=line)
        if chance.random() < 0.4:
            _kill_a_shim(state, chance.sample(list(attempts), len(attempts)))
        results = anyio.run(_recover, state, attempts)
        for attempt_id, kind in attempts.items():
            _check(state, journal, attempt_id, kind, results[attempt_id])
            endings[results[attempt_id].ending] += 1
        _end_products(attempts)
    return endings


def _run_and_kill(
    state: Path, journal: Path, attempts: dict[str, str], *, after_s: float, line: str = "intent"
) -> None:
    """Start the daemon, and kill it this long after it journalled its first such line."""
    daemon = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.fixtures.daemon_like",
            str(state),
            str(journal),
            *(f"{attempt_id}={kind}" for attempt_id, kind in attempts.items()),
        ],
        cwd=REPOSITORY,
    )
    try:
        deadline_s = time.monotonic() + 30
        while not (journal.exists() and line in journal.read_text()):
            assert daemon.poll() is None, "the daemon ended by itself"
            assert time.monotonic() < deadline_s, "the daemon does not start"
            time.sleep(0.001)
        time.sleep(after_s)
    finally:
        daemon.kill()
        daemon.wait()


def _kill_a_shim(state: Path, attempt_ids: list[str]) -> None:
    """Kill the shim of the first of these that runs."""
    for attempt_id in attempt_ids:
        found = look(folder_of(str(state / "attempts"), UID, AttemptId(attempt_id)))
        if found.state == protocol.RUNNING and found.shim_pid is not None:
            proctree.signal_process(found.shim_pid, signal.SIGKILL, found.shim_start_time)
            return


async def _recover(state: Path, attempts: dict[str, str]) -> dict[str, AttemptResult]:
    """What the next daemon does: say who it is, sweep, take over, and end what would run for ever."""
    runner = SystemRunner(state_dir=str(state), clock=SystemClock(), base_environment=dict(os.environ))
    runner.write_identity()
    await runner.sweep_leftovers({AttemptId(attempt_id) for attempt_id in attempts})
    results: dict[str, AttemptResult] = {}

    async def take_over(attempt_id: str, kind: str) -> None:
        attempt = await runner.recover(UID, AttemptId(attempt_id))
        if kind == "hang":
            await attempt.cancel()
        with anyio.fail_after(20):
            results[attempt_id] = await attempt.wait()
        again = await runner.recover(UID, AttemptId(attempt_id))
        with anyio.fail_after(20):
            # What nobody saw end has no result to read again; killed stays killed.
            assert (await again.wait()).ending in (results[attempt_id].ending, "killed")

    async with anyio.create_task_group() as group:
        for attempt_id, kind in attempts.items():
            group.start_soon(take_over, attempt_id, kind)
    runner.reap()
    return results


def _check(state: Path, journal: Path, attempt_id: str, kind: str, result: AttemptResult) -> None:
    story = f"{attempt_id}: {result}, journal {journal.read_text().split()}"
    counted = Path(runs_file(attempt_id, state_dir=str(state)))
    lines = counted.read_text().split() if counted.exists() else []
    assert lines.count("begin") <= 1, f"it ran twice: {story}"
    assert lines.count("end") <= 1, f"it ran twice: {story}"
    assert tuple(result.survivors) == (), story
    match result.ending:
        case "never_started":
            assert lines == [], f"it ran and was called never started: {story}"
        case "exited":
            assert result.exit_code == 0, story
            whole = ["begin", "end"] if kind in ("remedy", "agent") else ["begin"]
            assert lines == whole, f"it did not run to its end: {story}"
        case "cancelled":
            assert kind == "hang", story
        case "killed":
            assert "end" not in lines or kind in ("remedy", "agent"), story
        case _:
            raise AssertionError(f"none of the four: {story}")
    left = len(proctree.marked(protocol.MARKER, attempt_id))
    is_kept = kind == "product" and result.ending == "exited"
    if is_kept:
        assert left >= 1, f"the product is gone: {story}"
    else:
        assert _only_a_leaving_shim(attempt_id), f"left behind: {story}"


def _only_a_leaving_shim(attempt_id: str) -> bool:
    """True once nothing is left. A shim may take a moment: to leave after its result, or to find itself revoked."""
    deadline_s = time.monotonic() + 2
    while proctree.marked(protocol.MARKER, attempt_id):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def _end_products(attempts: dict[str, str]) -> None:
    for attempt_id in attempts:
        proctree.kill_tree(partial(proctree.marked, protocol.MARKER, attempt_id), grace_s=0.0)


def test_every_attempt_of_a_killed_daemon_is_accounted_for_once(state: Path) -> None:
    endings = _rounds(state, ROUNDS)
    assert sum(endings.values()) == ROUNDS * len(COMMANDS)


@pytest.mark.long
def test_every_attempt_of_a_killed_daemon_is_accounted_for_once_fifty_times(state: Path) -> None:
    endings = _rounds(state, ROUNDS_LONG)
    print(endings)
    assert {"exited", "never_started", "killed", "cancelled"} <= endings.keys(), endings


def test_a_product_survives_every_kill_and_restart_of_the_daemon(state: Path) -> None:
    attempt_id = f"product-{secrets.token_hex(4)}"
    _run_and_kill(state, state / "journal", {attempt_id: "product"}, after_s=1.0)
    product = _product(attempt_id)
    for number in range(3):
        other = f"quick-{secrets.token_hex(4)}"
        _run_and_kill(state, state / f"journal-{number}", {other: "quick"}, after_s=0.05)
        results = anyio.run(_recover, state, {attempt_id: "product", other: "quick"})
        assert (results[attempt_id].ending, results[attempt_id].exit_code) == ("exited", 0)
        assert _product(attempt_id) == product


def _product(attempt_id: str) -> int:
    """The pid of the service that the remedy started."""
    pids = [
        p
        for p in proctree.marked(protocol.MARKER, attempt_id)
        if b"sleep" in Path(f"/proc/{p}/cmdline").read_bytes()
    ]
    assert len(pids) == 1, pids
    return pids[0]
