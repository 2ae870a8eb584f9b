"""kill -9 of a real process in the middle of its appends, again and again on one file."""

import random
import subprocess
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from kazid.core.event import ReconcileRequested
from kazid.core.ids import Offset
from tests.adapters.sqlite_lab import append, count_events, running

pytestmark = pytest.mark.anyio

CHILD = Path(__file__).with_name("journal_child.py")
AFTER_FIRST_S_MAX = 0.15
OPENINGS = 8
OPENING_S = (0.15, 0.45)
"""When a child that was just started is importing, creating its file, migrating it, or has begun to append."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def killed(path: Path, round_name: str, *, after_s: float) -> list[str]:
    """What a child had acknowledged when it was killed, this long after its first acknowledgement."""
    command = [sys.executable, str(CHILD), str(path), round_name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        assert first, "the child ended before its first append"
        rest: list[str] = []
        try:
            rest.append(child.communicate(timeout=after_s)[0])
        except subprocess.TimeoutExpired:
            child.kill()
            rest.append(child.communicate()[0])
    assert child.returncode == -9
    return [line for line in (first + "".join(rest)).splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("rounds", [12, pytest.param(60, marks=pytest.mark.long)])
async def test_after_kill_9_every_acknowledged_event_is_there_and_no_sequence_has_a_gap(
    tmp_path: Path, rounds: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    path = tmp_path / "journal.db"
    acknowledged: list[str] = []
    stored: set[str] = set()
    for number in range(rounds):
        after_s = rng.uniform(0.0, AFTER_FIRST_S_MAX)
        lines = await anyio.to_thread.run_sync(partial(killed, path, f"round-{number}", after_s=after_s))
        acknowledged += [line.rstrip("\n") for line in lines]
        stored = set()
        seqs: dict[str, list[int]] = defaultdict(list)
        async with running(path) as journal:
            after = Offset(0)
            while page := await journal.tail(after=after):
                for record in page:
                    assert record.offset > after
                    after = record.offset
                    assert isinstance(record.event, ReconcileRequested)
                    stored.add(f"{record.uid} {record.seq} {record.offset} {record.event.by}")
                    seqs[record.uid].append(record.seq)
        assert [line for line in acknowledged if line not in stored] == [], f"lost in round {number}"
        for uid, found in seqs.items():
            assert found == list(range(1, len(found) + 1)), f"{uid} has a gap after round {number}"
    print(f"{len(acknowledged)} acknowledged, {len(stored)} stored, {rounds} kills")
    assert len(acknowledged) > rounds * 20


async def test_a_file_whose_first_opening_was_killed_opens(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for number in range(OPENINGS):
        path = tmp_path / f"journal-{number}.db"
        command = [sys.executable, str(CHILD), str(path), "first"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
            await anyio.sleep(rng.uniform(*OPENING_S))
            child.kill()
        async with running(path) as journal:
            await append(journal)
            assert await count_events(journal) >= 1
