"""From a break to its verified repair, while other hosts swallow connections: 20 healthy HTTP goals and 5 black holes.

Every moment is read from the target's clock: taken down, first seen down, repaired (the remedy's file), first seen up
again. monit does the same work in the same minutes where it is installed. Breaks come at random moments.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.daemon import ROOT, BenchFailed, Daemon, free_port, rss_bytes
from bench.figures import SHARES, Beside, Options, Report, quantile
from kazid.core.jitter import INTERVAL_SPREAD

HEALTHY, BLACK_HOLES = 20, 5
INTERVAL_S, DEADLINE_S, RECHECK_S = 1.0, 5.0, 2.0
VERIFIED_P95_S_MAX = 1.5
DETECTED_S_MAX = INTERVAL_S + RECHECK_S + 0.5
WARM_UP_S = 4.0
GAP_S = (0.3, 2.5)
"""Between two breaks of one watcher's goals."""
KAZID_BREAKS, MONIT_BREAKS, DEFAULT_BREAKS = 40, 30, 20
QUICK_BREAKS = 20
REPAIR_S_MAX = 75.0
"""A break that is not verified by then counts as lost, and is told."""
BREAKS_PER_GOAL = 2
"""A fourth repair within ten minutes would wait, as for a crash loop."""
SEED = 5

GOAL_FILE = """
id = "{name}"
standing = true
[observe]
interval = "1s"
timeout = "5s"
{sure}
[[predicate]]
id = "livez"
provider = "http_probe"
url = "http://127.0.0.1:{port}/{path}"
[[remedy]]
cmd = "sh"
args = ["-c", ": > {file}"]
"""
MONIT_CHECK = """
check host {name} with address 127.0.0.1
  if failed port {port} protocol http request "/{path}" with timeout 5 seconds then exec "/bin/sh -c ': > {file}'"
"""


def run(options: Options) -> Report:
    """First sure at one look and beside monit, then at the default certainty."""
    report = Report(bench="reaction")
    port = free_port()
    files = options.folder / "up"
    files.mkdir()
    with target(port, files) as story:
        _at_once(report, options, port, files, story)
        _confirmed(report, options, port, files, story)
    report.notes.append(
        f"{HEALTHY} healthy goals and {BLACK_HOLES} black holes each, interval {INTERVAL_S:g} s, deadline"
        f" {DEADLINE_S:g} s, seed {SEED}"
    )
    report.notes.append(
        "repaired: the remedy's file is there; verified: the watcher's own next green look; both by the target's clock"
    )
    return report


def _at_once(report: Report, options: Options, port: int, files: Path, story: "Story") -> None:
    names = _names("once"), _names("monit")
    monit_path, monit_pid = shutil.which("monit"), None
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(options.folder / "once"))
        _apply_all(daemon, "once", port, files, sure="confirm = 1\nrecover = 1")
        if monit_path is None:
            report.skipped.append("monit: not found on PATH")
        else:
            monit_pid = stack.enter_context(monit(monit_path, options.folder / "monit", port, files))
        time.sleep(WARM_UP_S)
        dice = random.Random(SEED)
        plans = [_plan(names[0], QUICK_BREAKS if options.quick else KAZID_BREAKS, dice)]
        if monit_path is not None:
            plans.append(_plan(names[1], QUICK_BREAKS if options.quick else MONIT_BREAKS, dice))
        story.play(sorted(step for plan in plans for step in plan))
        cpu_share = _idle_share(daemon)
        memory = daemon.rss_bytes()
        monit_memory = None if monit_pid is None else rss_bytes(monit_pid)
    kazid, theirs = (story.breaks(group) for group in names)
    for who, breaks in (("kazid", kazid), *((("monit", theirs),) if monit_path is not None else ())):
        _tell_lost(report, who, breaks)
    repaired, verified = _repaired(kazid), _verified(kazid)
    if not verified:
        raise BenchFailed("kazid repaired nothing")
    monit_repaired, monit_verified = _repaired(theirs), _verified(theirs)
    for label, share in SHARES:
        beside = [Beside(f"monit's {label}", quantile(monit_repaired, share))] if monit_repaired else []
        report.add(f"confirm = 1, break to repaired, {label}", quantile(repaired, share), "s", *beside)
    for label, share in SHARES:
        beside = (
            [Beside("the longest interval", INTERVAL_S * (1 + INTERVAL_SPREAD))] if label == "p95" else []
        )
        if monit_verified:
            beside.append(Beside(f"monit's {label}", quantile(monit_verified, share)))
        report.add(
            f"confirm = 1, break to verified, {label}",
            quantile(verified, share),
            "s",
            *beside,
            target_max=VERIFIED_P95_S_MAX if label == "p95" else None,
        )
    report.add("CPU of a core at 20 looks/s and 5 black holes", cpu_share * 100, "%")
    beside = [] if monit_memory is None else [Beside("monit", monit_memory / 1e6)]
    report.add(f"memory of the daemon, {HEALTHY + BLACK_HOLES} goals", memory / 1e6, "MB", *beside)
    report.notes.append(f"{len(verified)} breaks of kazid's goals, {len(monit_verified)} of monit's")


def _confirmed(report: Report, options: Options, port: int, files: Path, story: "Story") -> None:
    """The default: two reds two seconds apart, unless the interval is shorter, before anybody acts."""
    names = _names("sure")
    with Daemon(options.folder / "sure") as daemon:
        _apply_all(daemon, "sure", port, files, sure="")
        time.sleep(WARM_UP_S)
        breaks = QUICK_BREAKS // 2 if options.quick else DEFAULT_BREAKS
        story.play(_plan(names, breaks, random.Random(SEED + 1)))
        opened = _episodes(daemon)
    found = story.breaks(names)
    _tell_lost(report, "kazid at the default confirm", found)
    if not _verified(found):
        raise BenchFailed("kazid repaired nothing at the default confirm")
    detected = [
        min((at_s for at_s in opened.get(b.name, ()) if at_s >= b.at_s), default=b.at_s + REPAIR_S_MAX)
        - b.at_s
        for b in found
    ]
    limit = Beside("interval + recheck", INTERVAL_S + RECHECK_S)
    for label, share in SHARES:
        at_s = quantile(detected, share)
        report.add(
            f"default confirm, break to confirmed, {label}", at_s, "s", limit, target_max=DETECTED_S_MAX
        )
    for label, share in SHARES:
        report.add(f"default confirm, break to verified, {label}", quantile(_verified(found), share), "s")
    report.notes.append(f"{len(found)} breaks at the default confirm")


class Break:
    """One break and what became of it, in seconds since; None where it never came."""

    def __init__(self, record: dict[str, float | str]) -> None:
        self.name = str(record["name"])
        self.at_s = float(record["broken_s"])
        self.repaired_s = self._since(record, "repaired_s")
        self.verified_s = self._since(record, "verified_s")

    def _since(self, record: dict[str, float | str], key: str) -> float | None:
        return float(record[key]) - self.at_s if key in record else None


class Story:
    """Breaks things on the target, and reads what it noted."""

    def __init__(self, port: int) -> None:
        self._port = port

    def play(self, plan: Sequence[tuple[float, str]]) -> None:
        """Break each at its moment, but nothing that is broken still; then wait until all is up again."""
        began_s = time.monotonic()
        for after_s, name in plan:
            time.sleep(max(0.0, began_s + after_s - time.monotonic()))
            if name not in self._down():
                self._get(f"break/{name}")
        deadline_s = time.monotonic() + REPAIR_S_MAX
        while self._down() and time.monotonic() < deadline_s:
            time.sleep(0.2)

    def breaks(self, names: Sequence[str]) -> list[Break]:
        """What became of every break of these."""
        return [Break(record) for record in self._records() if record["name"] in names]

    def _down(self) -> set[str]:
        return {str(record["name"]) for record in self._records() if "verified_s" not in record}

    def _records(self) -> list[dict[str, float | str]]:
        return list(json.loads(self._get("story")))

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=10) as reply:
            return bytes(reply.read())


@contextmanager
def target(port: int, files: Path) -> Iterator[Story]:
    """The server, for as long as it is needed."""
    argv = [sys.executable, str(ROOT / "bench" / "target.py"), str(port), str(files)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise BenchFailed("the target did not start")
            yield Story(port)
        finally:
            process.kill()


@contextmanager
def monit(program: str, folder: Path, port: int, files: Path) -> Iterator[int]:
    """The pid of a monit in the foreground, with a cycle of a second, doing what kazid does."""
    folder.mkdir()
    control = folder / "monitrc"
    checks = "".join(
        MONIT_CHECK.format(name=name, port=port, path=path, file=files / name)
        for name, path in _things("monit", files)
    )
    control.write_text(
        f"set daemon 1\nset log {folder}/log\nset pidfile {folder}/pid\nset idfile {folder}/id\n"
        f"set statefile {folder}/statefile\n{checks}"
    )
    control.chmod(0o600)
    with subprocess.Popen(
        [program, "-I", "-c", str(control)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder
    ) as process:
        try:
            time.sleep(1.0)
            if process.poll() is not None:
                assert process.stderr is not None
                raise BenchFailed(
                    f"monit did not start: {process.stderr.read().decode(errors='replace')[-500:]}"
                )
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _apply_all(daemon: Daemon, group: str, port: int, files: Path, *, sure: str) -> None:
    for name, path in _things(group, files):
        daemon.apply(name, GOAL_FILE.format(name=name, sure=sure, port=port, path=path, file=files / name))


def _things(group: str, files: Path) -> Iterator[tuple[str, str]]:
    """Names and paths, the black holes evenly among the healthy, which are up."""
    for number, name in enumerate(_names(group)):
        if number % (HEALTHY // BLACK_HOLES) == 0:
            hole = f"{group}-hole-{number}"
            yield hole, f"hole/{hole}"
        (files / name).touch()
        yield name, f"livez/{name}"


def _names(group: str) -> list[str]:
    return [f"{group}-{number}" for number in range(HEALTHY)]


def _plan(names: Sequence[str], breaks: int, dice: random.Random) -> list[tuple[float, str]]:
    """When each is broken: every one once in random order, then again."""
    assert breaks <= len(names) * BREAKS_PER_GOAL
    order = [name for _ in range(BREAKS_PER_GOAL) for name in dice.sample(list(names), len(names))]
    at_s, plan = 0.0, []
    for name in order[:breaks]:
        at_s += dice.uniform(*GAP_S)
        plan.append((at_s, name))
    return plan


def _episodes(daemon: Daemon) -> dict[str, list[float]]:
    """When kazid was sure that something is down, by goal."""
    opened: dict[str, list[float]] = {}
    for item in daemon.events():
        if item["type"] == "episode.opened":
            opened.setdefault(str(item["goal_id"]), []).append(float(item["at"]))
    return opened


def _idle_share(daemon: Daemon) -> float:
    """CPU while nothing is broken, for a few seconds."""
    began_s, spent_s = time.monotonic(), daemon.cpu_s()
    time.sleep(WARM_UP_S)
    return (daemon.cpu_s() - spent_s) / (time.monotonic() - began_s)


def _repaired(breaks: Sequence[Break]) -> list[float]:
    return [b.repaired_s for b in breaks if b.repaired_s is not None]


def _verified(breaks: Sequence[Break]) -> list[float]:
    return [b.verified_s for b in breaks if b.verified_s is not None]


def _tell_lost(report: Report, who: str, breaks: Sequence[Break]) -> None:
    lost = [b.name for b in breaks if b.verified_s is None]
    if not breaks or lost:
        report.notes.append(
            f"{who}: {len(lost)} of {len(breaks)} breaks were not repaired in {REPAIR_S_MAX:g} s"
        )
