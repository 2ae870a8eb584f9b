"""Whoever links the claim first wins: nothing runs twice and nothing is lost, whenever the shim is killed."""

import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from kazid.shim import proctree, protocol
from tests.shim.shims import Shim, Shims, until

ROUNDS = 40
ROUNDS_MAX = 400
"""Until a kill came before the claim, and another one while the command ran."""


def test_a_shim_that_comes_after_recovery_runs_nothing(shims: Shims) -> None:
    shim = shims.prepare("/bin/touch", "ran")
    assert protocol.revoke_or_inspect(str(shim.folder)) == ("never_started", None)
    assert shim.spawn().wait() == 1
    assert not (shims.root / "ran").exists()
    assert not (shim.folder / protocol.RESULT).exists()
    assert "revoked" in (shim.folder / "shim.stderr").read_text()


def test_a_revocation_stays_a_revocation(shims: Shims) -> None:
    shim = shims.prepare("/bin/true")
    for _ in range(2):
        assert protocol.revoke_or_inspect(str(shim.folder)) == ("never_started", None)


def test_recovery_of_a_folder_that_was_never_made_finds_nothing_started(shims: Shims) -> None:
    assert protocol.revoke_or_inspect(str(shims.root / "none")) == ("never_started", None)


def test_a_running_attempt_is_found_with_the_identity_of_its_shim(shims: Shims) -> None:
    shim = shims.shell("echo ready; sleep 60")
    shim.until_printed(b"ready")
    state, claim = protocol.revoke_or_inspect(str(shim.folder))
    assert state == "running"
    assert claim == {
        "version": protocol.VERSION,
        "pid": shim.pid,
        "start_time": proctree.start_time(shim.pid),
        "boot_id": proctree.boot_id(),
    }


def test_two_that_inspect_a_dead_shim_do_not_take_each_other_for_it(shims: Shims) -> None:
    shim = shims.shell("echo ready; sleep 60")
    shim.until_printed(b"ready")
    shim.kill()
    seen: list[bool] = []

    def inspect() -> None:
        seen.extend(protocol.is_locked(str(shim.folder)) for _ in range(300))

    threads = [threading.Thread(target=inspect) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 900
    assert not any(seen)


def test_an_attempt_that_finished_while_the_daemon_was_away_is_ended(shims: Shims) -> None:
    shim = shims.shell("exit 7")
    shim.wait()
    state, result = protocol.revoke_or_inspect(str(shim.folder))
    assert state == "ended"
    assert result is not None
    assert result["exit_code"] == 7


def test_a_shim_that_was_killed_left_no_result(shims: Shims) -> None:
    shim = shims.shell("echo ready; sleep 60")
    shim.until_printed(b"ready")
    shim.kill()
    state, claim = protocol.revoke_or_inspect(str(shim.folder))
    assert state == "killed"
    assert claim is not None
    assert claim["pid"] == shim.pid


def test_the_lock_does_not_reach_the_command(shims: Shims) -> None:
    """Or a product would look like a shim that lives for ever."""
    shim = shims.shell("setsid sleep 60 >/dev/null 2>&1 & echo $!; exit 0", keep_on_success=True)
    shim.wait()
    assert proctree.is_alive(int(shim.log()))
    assert not protocol.is_locked(str(shim.folder))


def test_the_done_pipe_does_not_reach_the_command(shims: Shims) -> None:
    shim = shims.shell("sleep 600 & exit 0", keep_on_success=True)
    assert shim.result()["exit_code"] == 0, "it ends though shim and product live"
    assert protocol.is_locked(str(shim.folder))


def test_a_shim_killed_or_revoked_at_any_point_never_runs_twice_and_never_lies(shims: Shims) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    seen: set[str] = set()
    began_s = time.monotonic()
    first = shims.shell("exit 0")
    until(lambda: (first.folder / protocol.CLAIM).exists())
    claims_s = time.monotonic() - began_s  # on a busy machine many times that of an idle one
    for number in range(ROUNDS_MAX):
        if number >= ROUNDS and seen >= {"never_started", "killed"}:
            break
        witness = shims.root / f"ran-{number}"
        shim = shims.prepare("/bin/sh", "-c", f"echo x >>{witness}; sleep 0.01; echo y >>{witness}")
        shim.spawn()
        if dice.random() < 0.7:
            time.sleep(dice.uniform(0.0, dice.choice((0.3, 2.5, 5.0)) * claims_s))
            os.kill(shim.pid, signal.SIGKILL)
            if dice.random() < 0.5:
                shim.wait()
        else:
            time.sleep(dice.uniform(0.0, 1.5 * claims_s))
        seen.add(_verdict(shim, witness))
    assert seen >= {"never_started", "killed"}, f"the kills came too early or too late: {seen}"


def _verdict(shim: Shim, witness: Path) -> str:
    """What recovery says at once, checked against what the command did and will do."""
    state, _ = protocol.revoke_or_inspect(str(shim.folder))
    if state == "running":
        until(lambda: protocol.revoke_or_inspect(str(shim.folder))[0] != "running")
        state, _ = protocol.revoke_or_inspect(str(shim.folder))
    shim.wait()
    assert proctree.kill_tree(shim.marked, grace_s=0.0) == []
    lines = witness.read_text() if witness.exists() else ""
    assert protocol.revoke_or_inspect(str(shim.folder))[0] == state, "a verdict is for ever"
    if state == "never_started":
        assert lines == ""
    elif state == "ended":
        assert lines == "x\ny\n"
    else:
        assert state == "killed"
        assert lines in ("", "x\n", "x\ny\n")
    return state


@pytest.mark.parametrize("number", range(20))
def test_exactly_one_of_two_claims_wins(shims: Shims, number: int) -> None:
    folder = str(shims.prepare("/bin/true").folder)
    records = [{"version": 1, "revoked": True}, {"version": 1, "pid": number}]
    barrier = threading.Barrier(2)
    won: list[int | None] = [None, None]

    def take(index: int) -> None:
        barrier.wait()
        won[index] = protocol.claim(folder, records[index])

    threads = [threading.Thread(target=take, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [(winner, lock)] = [(index, lock) for index, lock in enumerate(won) if lock is not None]
    assert json.loads(Path(folder, protocol.CLAIM).read_text()) == records[winner]
    assert sorted(os.listdir(folder)) == [protocol.CLAIM, protocol.REQUEST], "no temporary file is left"
    os.close(lock)
