"""What standing goals cost while nothing happens: CPU and memory of a daemon with 1,000 and with 10,000 of them.

Each goal goes through the whole turn, journal included, with a provider that returns at once. Beside it, in the same
minutes: a daemon without goals, and as many bare tasks that are woken as often and do nothing (the limit of Python).
"""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import anyio
import msgspec
from msgspec.structs import replace

from bench.daemon import ROOT, Daemon, cpu_s, rss_bytes
from bench.figures import Beside, Options, Report
from bench.instant import PROFILE
from kazid.adapters.sqlite.journal import SqliteJournal
from kazid.adapters.system.clock import SystemClock
from kazid.core.admission import spec_sha256
from kazid.core.cadence import SPREAD_S_MAX
from kazid.core.event import GoalApplied
from kazid.core.goal import Goal
from kazid.core.ids import Epoch, Generation, GoalId, GoalUid, Owner, Seq
from kazid.goalfile.load import Defaults, Source, load
from kazid.ports.journal import GoalHeader
from kazid.providers.catalog import BUILTIN_CATALOG
from kazid.runtime.state import TICK_AGE_S_MAX

INTERVAL_S = 300.0
FEW, MANY = 1000, 10_000
QUICK_FEW, QUICK_MANY, QUICK_INTERVAL_S = 200, 2000, 60.0
MEASURED_S = 120.0
"""Two rounds of housekeeping fall into it."""
QUICK_MEASURED_S = 30.0
SETTLE_S = 8.0
"""After the last first look: the second look at each goal, and what they left to do."""
CPU_SHARE_MAX = 0.10
GOAL_KB_MAX = 20.0
APPENDS_AT_ONCE = 200

GOAL_FILE = """
id = "goal"
standing = true
[labels]
team = "bench"
[observe]
interval = "{interval}s"
[[predicate]]
id = "livez"
provider = "http_probe"
url = "http://127.0.0.1:8080/livez"
expect_status = 200
[[remedy]]
for = ["livez"]
cmd = "/usr/bin/true"
"""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of one daemon at one moment."""

    at_s: float
    cpu_s: float
    looks: float = 0.0
    turns: float = 0.0
    rows: int = 0


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one daemon took over the measured time."""

    goals: int
    cpu_share: float
    looks_per_s: float
    turns_per_s: float
    rows_per_min: float
    rss_bytes: int
    load_s: float


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What bare tasks took."""

    cpu_share: float
    bytes_each: float


def run(options: Options) -> Report:
    """Start all of them, wait until they idle, measure them side by side."""
    report = Report(bench="idle")
    interval_s = QUICK_INTERVAL_S if options.quick else INTERVAL_S
    few, many = (QUICK_FEW, QUICK_MANY) if options.quick else (FEW, MANY)
    measured_s = QUICK_MEASURED_S if options.quick else MEASURED_S
    with ExitStack() as stack:
        daemons = {}
        for goals in (0, few, many):
            folder = options.folder / f"idle-{goals}"
            prepare(folder / "state", partial(_the_same, a_goal(interval_s)), goals)
            env = {PROFILE: str(options.profile)} if options.profile and goals == many else {}
            program = (sys.executable, str(ROOT / "bench" / "instant.py"))
            daemons[goals] = stack.enter_context(Daemon(folder, program=program, env=env))
        floors = {n: stack.enter_context(bare_tasks(n, interval_s)) for n in (0, many)}
        wait_for_steady_state(interval_s)
        floor_before = Sample(at_s=time.monotonic(), cpu_s=cpu_s(floors[many]))
        before = {goals: sample(daemon, is_first=True) for goals, daemon in daemons.items()}
        time.sleep(measured_s)
        after = {goals: sample(daemon, is_first=False) for goals, daemon in daemons.items()}
        floor_after = Sample(at_s=time.monotonic(), cpu_s=cpu_s(floors[many]))
        costs = {goals: cost(goals, daemon, before[goals], after[goals]) for goals, daemon in daemons.items()}
        floor_bytes = (rss_bytes(floors[many]) - rss_bytes(floors[0])) / many
        stop_s = daemons[many].stop()
    floor = Floor(cpu_share=share(floor_before, floor_after), bytes_each=floor_bytes)
    _tell(report, costs[few], costs[0])
    _tell(report, costs[many], costs[0], floor=floor)
    report.add("CPU of a core, no goals", costs[0].cpu_share * 100, "%")
    report.add(f"start with {many:,} goals, until it answers", costs[many].load_s, "s")
    report.add(f"ordered stop with {many:,} goals", stop_s, "s")
    report.add("memory of the daemon without goals", costs[0].rss_bytes / 1e6, "MB")
    report.notes.append(
        f"interval {interval_s:g} s, {measured_s:g} s measured after first looks and first flushes;"
        f" {costs[many].looks_per_s:.1f} looks/s and {costs[many].turns_per_s:.1f} turns/s at {many:,} goals"
    )
    if options.quick:
        report.notes.append(
            "quick: fewer goals at a shorter interval, so that looks per second are those of the full run"
        )
    return report


def _tell(report: Report, found: Cost, empty: Cost, *, floor: Floor | None = None) -> None:
    """What one daemon took; the one with a floor beside it is judged."""
    n = f"{found.goals:,} goals"
    own_share = max(0.0, found.cpu_share - empty.cpu_share)
    own_kb = (found.rss_bytes - empty.rss_bytes) / found.goals / 1000
    busy = f"CPU of a core, {n}", found.cpu_share * 100, "%"
    big = f"memory per goal, {n}", own_kb, "kB"
    if floor is None:
        report.add(*busy)
        report.add(*big)
    else:
        woken = Beside("bare tasks woken as often", floor.cpu_share * 100)
        report.add(*busy, woken, target_max=CPU_SHARE_MAX * 100)
        report.add(*big, Beside("a bare task", floor.bytes_each / 1000), target_max=GOAL_KB_MAX)
    report.add(f"CPU per look, journal and all, {n}", own_share / found.looks_per_s * 1e6, "µs")
    report.add(f"CPU per turn, {n}", own_share / found.turns_per_s * 1e6, "µs")
    report.add(f"journal rows, {n}", found.rows_per_min, "/min", Beside("looks", found.looks_per_s * 60))


def wait_for_steady_state(interval_s: float) -> None:
    """First looks are over, and what was gathered since is flushed at the rate at which it comes."""
    time.sleep(min(SPREAD_S_MAX, interval_s) + SETTLE_S + min(TICK_AGE_S_MAX, interval_s))


def sample(daemon: Daemon, *, is_first: bool) -> Sample:
    """Counters and clocks, with the reading itself outside of the measured time."""
    if is_first:
        counters, rows = daemon.metrics(), last_offset(daemon)
        return _sample(daemon, counters, rows)
    at_s, spent_s = time.monotonic(), daemon.cpu_s()
    found = _sample(daemon, daemon.metrics(), last_offset(daemon))
    return replace(found, at_s=at_s, cpu_s=spent_s)


def _sample(daemon: Daemon, counters: dict[str, float], rows: int) -> Sample:
    return Sample(
        looks=counters["kazi_looks_total"],
        turns=counters["kazi_turns_total"],
        rows=rows,
        at_s=time.monotonic(),
        cpu_s=daemon.cpu_s(),
    )


def last_offset(daemon: Daemon) -> int:
    """How many events the journal has taken in its life."""
    with closing(sqlite3.connect(f"file:{daemon.state_dir}/journal.db?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT coalesce(max(offset), 0) FROM events").fetchone()[0])


def cost(goals: int, daemon: Daemon, before: Sample, after: Sample) -> Cost:
    """The differences as rates."""
    took_s = after.at_s - before.at_s
    return Cost(
        goals=goals,
        cpu_share=share(before, after),
        looks_per_s=(after.looks - before.looks) / took_s,
        turns_per_s=(after.turns - before.turns) / took_s,
        rows_per_min=(after.rows - before.rows) / took_s * 60,
        rss_bytes=daemon.rss_bytes(),
        load_s=daemon.ready_s,
    )


def share(before: Sample, after: Sample) -> float:
    """CPU time per time."""
    return (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s)


@contextmanager
def bare_tasks(tasks: int, interval_s: float) -> Iterator[int]:
    """The pid of a process with so many sleeping tasks."""
    argv = [sys.executable, str(ROOT / "bench" / "floor.py"), str(tasks), str(interval_s)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


def _the_same(goal: Goal, _: int) -> Goal:
    return goal


def prepare(state_dir: Path, goal_of: Callable[[int], Goal], goals: int) -> None:
    """A journal in which so many standing goals were applied."""
    state_dir.mkdir(mode=0o700, parents=True)
    anyio.run(_prepare, state_dir, goal_of, goals)


async def _prepare(state_dir: Path, goal_of: Callable[[int], Goal], goals: int) -> None:
    now = SystemClock().now()

    async with await SqliteJournal.open(state_dir / "journal.db") as journal:

        async def create(number: int) -> None:
            name = GoalId(f"goal-{number}")
            one = msgspec.json.decode(msgspec.json.encode(replace(goal_of(number), id=name)), type=Goal)
            header = GoalHeader(uid=GoalUid(f"{number:016x}"), owner=one.owner, id=name, is_deleted=False)
            applied = GoalApplied(
                goal=one,
                generation=Generation(1),
                epoch=Epoch(1),
                spec_sha256=spec_sha256(one),
                fresh=True,
                by=str(one.owner),
            )
            await journal.append(header.uid, [applied], at=now, expected_seq=Seq(0), header=header)

        async with anyio.create_task_group() as writer:
            await writer.start(lambda *, task_status: journal.run_writer(task_status=task_status))
            for first in range(0, goals, APPENDS_AT_ONCE):
                async with anyio.create_task_group() as group:
                    for number in range(first, min(first + APPENDS_AT_ONCE, goals)):
                        group.start_soon(create, number)
            writer.cancel_scope.cancel()


def a_goal(interval_s: float) -> Goal:
    """The goal a goal-file means, as `apply` would store it."""
    loaded = load(
        GOAL_FILE.format(interval=f"{interval_s:g}"),
        source=Source(
            owner=Owner("ops"), path="/etc/kazi/goals/goal.toml", caller_path="/usr/local/bin:/usr/bin:/bin"
        ),
        catalog=BUILTIN_CATALOG,
        defaults=Defaults(),
        read_text=partial(str),
    )
    return loaded.goal
