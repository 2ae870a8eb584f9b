"""Writes the journal that `test_journal_fixtures.py` must be able to open for ever: one of this schema version.

Run once for each schema version, before it is released, and commit what it wrote: python -m tests.compat.make_fixture
A fixture of a released version is never written again; that it is old is the point of it.
"""

import sys
from functools import partial
from pathlib import Path

import anyio
import msgspec

from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.adapters.sqlite.schema import SCHEMA_VERSION
from kazid.core.event import (
    ActDeferred,
    ActEnded,
    ActIntended,
    ClockStepped,
    EpisodeClosed,
    EpisodeOpened,
    Event,
    GoalApplied,
    GoalDeleted,
    GoalParked,
    GoalResumed,
    GoalStopped,
    GoalSuspended,
    PredicateObserved,
    ReconcileRequested,
    Recorded,
    SnapshotTaken,
    StatusChanged,
    SteadyObserved,
    SteadyTick,
    TaskRecovered,
    Usage,
)
from kazid.core.fold import fold_all
from kazid.core.goal import Cadence, Goal, HarnessChoice, Predicate, Remedy
from kazid.core.ids import (
    AttemptId,
    Epoch,
    Generation,
    GoalId,
    GoalUid,
    Offset,
    Owner,
    PredicateId,
    Seq,
    TreeHash,
)
from kazid.core.instant import Now
from kazid.core.status import GoalStatus
from kazid.core.verdict import Finding, Verdict, errored, failed, passed, unknown
from kazid.ports.journal import GoalHeader

FOLDER = Path(__file__).parent

LIVEZ = PredicateId("livez")
TESTS = PredicateId("tests")
ONE = Generation(1)

SERVICE = Goal(
    id=GoalId("web"),
    owner=Owner("ada"),
    name="The web service answers",
    standing=True,
    predicates=(
        Predicate(
            id=LIVEZ,
            provider="http_probe",
            cadence=Cadence(interval_s=30.0, deadline_s=10.0, confirm=2, recover=2, recheck_s=2.0),
            live=True,
            options={
                "url": "http://127.0.0.1:8080/livez",
                "expect_status": 200,
                "nested": {"list": [1, 2.5, None]},
            },
        ),
    ),
    remedies=(Remedy(cmd="systemctl", args=("restart", "web"), predicates=(LIVEZ,)),),
    labels={"team": "web", "größe": "klein"},
)
TASK = Goal(
    id=GoalId("fix-tests"),
    owner=Owner("ada"),
    predicates=(
        Predicate(
            id=TESTS,
            provider="test_runner",
            cadence=Cadence(interval_s=None, deadline_s=600.0, confirm=1, recover=1, recheck_s=2.0),
            live=False,
        ),
    ),
    harness=HarnessChoice(id="claude"),
    workspace="/srv/app",
)


def looked(
    predicate: PredicateId, verdict: Verdict, at_s: float, tree: str | None = None
) -> PredicateObserved:
    return PredicateObserved(
        predicate_id=predicate,
        verdict=verdict,
        started_s=at_s - 0.25,
        ended_s=at_s,
        generation=ONE,
        tree=None if tree is None else TreeHash(tree),
    )


def service_story() -> list[tuple[float, Event]]:
    """Down, restarted, up again; the daemon restarts, the clock steps, people suspend and resume."""
    attempt = AttemptId("attempt-1")
    return [
        (
            10.0,
            GoalApplied(goal=SERVICE, generation=ONE, epoch=Epoch(1), spec_sha256="s1", fresh=True, by="ada"),
        ),
        (11.0, looked(LIVEZ, passed(status=200), 11.0)),
        (13.0, looked(LIVEZ, passed(status=200), 13.0)),
        (13.0, StatusChanged(status=GoalStatus.HOLDING, proof={LIVEZ: "pass"})),
        (
            99.0,
            SteadyObserved(
                base_s=43.0, ticks=(SteadyTick(0, 0, 12), SteadyTick(0, 30_010, 9)), generation=ONE
            ),
        ),
        (103.0, looked(LIVEZ, errored("dns_failure", "no such host"), 103.0)),
        (133.0, looked(LIVEZ, failed("unreachable", "connection refused", errno=111), 133.0)),
        (135.0, looked(LIVEZ, failed("unreachable", "connection refused", errno=111), 135.0)),
        (135.0, EpisodeOpened(number=1, red=(LIVEZ,))),
        (135.0, StatusChanged(status=GoalStatus.ACTING, reason="livez is red")),
        (
            135.0,
            ActIntended(
                attempt_id=attempt,
                rung="remedy:0",
                predicates=(LIVEZ,),
                epoch=Epoch(1),
                generation=ONE,
                fingerprint="f1",
                number=1,
                title="systemctl restart web",
            ),
        ),
        (136.5, ActEnded(attempt_id=attempt, ending="exited", ended_s=136.4, exit_code=0, duration_s=1.4)),
        (138.0, looked(LIVEZ, passed(status=200), 138.0)),
        (140.0, looked(LIVEZ, passed(status=200), 140.0)),
        (140.0, EpisodeClosed(number=1, duration_s=5.0)),
        (140.0, StatusChanged(status=GoalStatus.HOLDING, proof={LIVEZ: "pass"})),
        (200.0, TaskRecovered(shift_s=0.0, down_s=12.5)),
        (201.0, ClockStepped(delta_s=3600.0)),
        (202.0, ReconcileRequested(by="ada")),
        (210.0, GoalSuspended(epoch=Epoch(2), reason="maintenance", by="ada", until_wall_s=1_700_003_600.0)),
        (220.0, GoalResumed(reason="done", by="expiry")),
        (221.0, looked(LIVEZ, passed(status=200), 221.0)),
    ]


def task_story() -> list[tuple[float, Event]]:
    """An agent tries, somebody else holds the workspace, the task crashes, is stopped and deleted."""
    attempt = AttemptId("attempt-2")
    finding = Finding(message="assert 1 == 2", file="tests/test_a.py", line=3)
    red = msgspec.structs.replace(failed("exit_1", "1 failed", exit_code=1), findings=(finding,), score=0.5)
    return [
        (
            20.0,
            GoalApplied(goal=TASK, generation=ONE, epoch=Epoch(1), spec_sha256="s2", fresh=True, by="ada"),
        ),
        (20.0, EpisodeOpened(number=1)),
        (25.0, looked(TESTS, unknown("quarantined"), 25.0, "t0")),
        (30.0, looked(TESTS, red, 30.0, "t0")),
        (30.0, ActDeferred(waits_for="lease", holder="ada/docs")),
        (40.0, looked(TESTS, red, 40.0, "t0")),
        (
            40.0,
            ActIntended(
                attempt_id=attempt,
                rung="harness:claude",
                predicates=(TESTS,),
                epoch=Epoch(1),
                generation=ONE,
                fingerprint="f2",
                number=1,
                title="agent claude",
                tokens_reserved=50_000,
            ),
        ),
        (
            95.0,
            ActEnded(
                attempt_id=attempt,
                ending="total_timeout",
                ended_s=95.0,
                signal=15,
                duration_s=55.0,
                reason="deadline",
                usage=Usage(input_tokens=1200, cached_input_tokens=800, output_tokens=300, cost_usd=0.0123),
                tokens_charged=1580,
                text="I changed the assertion … \u2028 and stopped.",
                session_id="session-1",
                survivors=(4711,),
            ),
        ),
        (
            96.0,
            GoalParked(
                reason="ZeroDivisionError",
                traceback="Traceback (most recent call last):\n  ZeroDivisionError\n",
            ),
        ),
        (97.0, GoalStopped(epoch=Epoch(2), by="ada")),
        (98.0, GoalDeleted(epoch=Epoch(3), by="ada")),
    ]


async def write(path: Path) -> None:
    async with await SqliteJournal.open(path) as journal, anyio.create_task_group() as group:
        await group.start(lambda *, task_status: journal.run_writer(task_status=task_status))
        for goal, uid, story, is_deleted in (
            (SERVICE, GoalUid("0123456789abcdef"), service_story(), False),
            (TASK, GoalUid("fedcba9876543210"), task_story(), True),
        ):
            header = GoalHeader(uid=uid, owner=goal.owner, id=goal.id, is_deleted=False)
            records: list[Recorded] = []
            for at_s, event in story:
                at = Now(at_s, 1_700_000_000.0 + at_s, "8b7d3c52-3a53-4b3f-9d61-0d2b4e1f7a60")
                seq = Seq(len(records))
                key = f"key-{uid}" if not records else None
                await journal.append(
                    uid,
                    [event],
                    at=at,
                    expected_seq=seq,
                    header=header if not records else None,
                    idempotency_key=key,
                )
                records.append(Recorded(offset=Offset(0), uid=uid, seq=Seq(seq + 1), at=at, event=event))
            folded = fold_all(records)
            assert folded.goal is not None
            snapshot = SnapshotTaken(
                progress=msgspec.Raw(msgspec.json.encode(folded.progress)), goal=folded.goal
            )
            seq = Seq(len(records))
            header = msgspec.structs.replace(header, snapshot_seq=Seq(seq + 1), is_deleted=is_deleted)
            await journal.append(uid, [snapshot], at=records[-1].at, expected_seq=seq, header=header)
        group.cancel_scope.cancel()


def main() -> None:
    path = FOLDER / f"journal_v{SCHEMA_VERSION}.db"
    if path.exists():
        sys.exit(f"{path} is there already; delete it yourself if that version was never released")
    anyio.run(partial(write, path))
    path.with_name(f"{path.name}.reserve").unlink()
    path.chmod(0o644)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
