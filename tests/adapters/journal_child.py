"""A daemon's worth of appends, to be killed: twenty producers, and a line on stdout for each event once it is durable.

Usage: journal_child.py DATABASE ROUND. It goes on from where the journal stands.
"""

import os
import sys

import anyio

from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.core.event import ReconcileRequested
from kazid.core.ids import GoalUid, Seq
from kazid.core.instant import Now

PRODUCERS = 20


async def produce(journal: SqliteJournal, uid: GoalUid, *, round_name: str) -> None:
    seq = Seq(0)
    while page := await journal.read(uid, after_seq=seq):
        seq = page[-1].seq
    at = Now(1.0, 2.0, "boot-1")
    while True:
        names = [f"{round_name}:{uid}:{seq + n}" for n in (1, 2, 3)[: 1 + seq % 3]]
        events = [ReconcileRequested(by=name) for name in names]
        receipt = await journal.append(uid, events, at=at, expected_seq=seq)
        first = receipt.offset - len(names) + 1
        lines = [f"{uid} {seq + n} {first + n - 1} {name}\n" for n, name in enumerate(names, start=1)]
        os.write(1, "".join(lines).encode())
        seq = receipt.seq


async def main(path: str, round_name: str) -> None:
    async with await SqliteJournal.open(path) as journal, anyio.create_task_group() as group:
        await group.start(lambda *, task_status: journal.run_writer(task_status=task_status))
        for n in range(PRODUCERS):
            group.start_soon(lambda uid: produce(journal, uid, round_name=round_name), GoalUid(f"goal-{n}"))


anyio.run(main, *sys.argv[1:])
