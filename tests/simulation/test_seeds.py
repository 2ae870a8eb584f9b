"""No seed finds anything: the normal batch on every run, the long one in `make test-long`."""

import os
import subprocess
import sys
import time
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from kazid.ports.faults import FAULT_POINTS
from tests.simulation.batch import replay_command, run_batch, summary
from tests.simulation.lowered import CARELESS_FROM
from tests.simulation.story import HORIZON_S, simulate

SEEDS = 500
SEEDS_LONG = 2000
SEEDS_CARELESS = 12
HORIZON_LONG_S = 3600.0
KINDS = {
    *(f"look.{kind}" for kind in ("error", "hang", "raise", "unknown", "flake")),
    *(f"remedy.{kind}" for kind in ("mend", "half", "nothing", "break", "missing")),
    *(f"agent.{kind}" for kind in ("work", "lie", "edit", "swap", "hang", "denied")),
    *(
        f"world.{kind}"
        for kind in ("change", "shared", "revert", "edit", "clock", "crash_loop", "flap", "put_back", "storm")
    ),
    *(f"end.{cause}" for cause in ("contested", "no_progress", "no_executor", "quarantined", "vacuous")),
    *(f"end.{cause}" for cause in ("budget_exhausted", "window_exhausted")),
    "explain.announced",
    *("approval.granted", "approval.rejected", "approval.four_eyes", "approval.approval_stale"),
    "lowered",
    *(f"waits.{kind}" for kind in ("lease", "dependency", "governor")),
    *(f"incident.Incident{kind}" for kind in ("Opened", "CanaryNamed", "CanaryFailed", "Released", "Closed")),
    *(f"kill.{kind}" for kind in ("before_append", "after_append", "at_any_time")),
    *("disk.full", "disk.stored_unanswered", "loop.crash"),
}
"""Everything that a world may do; a batch in which one of them never came proves nothing about it."""


OF_THE_CARELESS = {
    "lowered",
    *(f"restore.{outcome}" for outcome in ("done", "denied", "four_eyes")),
}
"""Likewise, of worlds whose agents do harm."""


def batch_holds(
    seeds: range,
    capsys: pytest.CaptureFixture[str],
    *,
    horizon_s: float | None = None,
    kinds: AbstractSet[str] = KINDS | FAULT_POINTS,
) -> None:
    began_s = time.monotonic()
    told = run_batch(seeds, horizon_s=horizon_s)
    with capsys.disabled():
        print("\n" + summary(told, took_s=time.monotonic() - began_s, horizon_s=horizon_s))
    assert not told.failures, "\n".join(
        f"{replay_command(f.seed, horizon_s)}\n  {f.what}" for f in told.failures
    )
    assert told.fired.keys() >= kinds, f"never fired: {kinds - told.fired.keys()}"


def test_five_hundred_seeds_break_nothing_and_every_fault_fires(capsys: pytest.CaptureFixture[str]) -> None:
    batch_holds(range(SEEDS), capsys)


def test_agents_that_do_harm_again_and_again_act_at_no_higher_level_than_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    batch_holds(range(CARELESS_FROM, CARELESS_FROM + SEEDS_CARELESS), capsys, kinds=OF_THE_CARELESS)


@pytest.mark.long
def test_two_thousand_more_seeds_break_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    batch_holds(range(10_000, 10_000 + SEEDS_LONG), capsys, horizon_s=HORIZON_LONG_S)


def regressions() -> list[tuple[int, float]]:
    text = Path(__file__).with_name("regressions").joinpath("seeds.txt").read_text(encoding="utf-8")
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    return [(int(line[0]), float(line[1]) if line[1:] else HORIZON_S) for line in lines if line]


@pytest.mark.parametrize(("seed", "horizon_s"), regressions())
def test_a_seed_that_once_found_something_finds_it_no_more(seed: int, horizon_s: float) -> None:
    simulate(seed, horizon_s=horizon_s)


@pytest.mark.parametrize("seed", [3, 12])
def test_the_same_seed_tells_the_same_story_in_every_process(seed: int) -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
    other = [
        subprocess.run(
            command,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    ]
    assert other == [repr(simulate(seed))] * 2


def test_another_seed_tells_another_story() -> None:
    assert simulate(1).digest != simulate(2).digest
