"""Durable events per second of the journal: group commit beside one commit for each event, on the same disk, in turn.

The `journal` bench of `run.py`. How each is measured is in `journal.py`, which by itself says more.
"""

from collections.abc import Mapping
from functools import partial

import anyio

from bench import journal
from bench.figures import Beside, Options, Report, median

ROUNDS, QUICK_ROUNDS = 5, 2
SLICE_S = 1.0


def run(options: Options) -> Report:
    """Slices of each in turn; medians."""
    report = Report(bench="journal")
    raw: list[float] = []
    single: list[float] = []
    grouped: Mapping[int, list[journal.Measured]] = {1: [], journal.PRODUCERS: []}
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    for number in range(rounds):
        folder = options.folder / f"journal-{number}"
        folder.mkdir()
        raw.append(journal.without_a_thread(folder, seconds=SLICE_S))
        single.append(anyio.run(partial(journal.one_commit_per_event, folder, seconds=SLICE_S)))
        for producers, found in grouped.items():
            run_one = partial(journal.appends, folder, producers=producers, seconds=SLICE_S)
            found.append(anyio.run(run_one))
    one_each = Beside("one commit per event, aiosqlite", median(single))
    blocking = Beside("one commit per event, blocking", median(raw))
    for producers, found in grouped.items():
        rate = median([measured.events_per_s for measured in found])
        name = f"journal, {producers} producer{'s' if producers > 1 else ''}"
        report.add(name, rate, "events/s", one_each, blocking)
        report.add(f"{name}, answered, p50", median([m.ack_ms_p50 for m in found]), "ms")
        report.add(f"{name}, answered, p99", median([m.ack_ms_p99 for m in found]), "ms")
    report.notes.append(f"medians of {rounds} slices of {SLICE_S:g} s each, in turn; every commit is fsynced")
    return report
