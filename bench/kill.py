"""From kill -9 to noticed: a process that each watcher watches is killed at random moments, and it says when it knows.

kazid knows it when a client that follows its events has read that the look failed, so the journal's fsync is in it.
supervisord is its victims' parent and knows it by SIGCHLD; its log tells when, to the millisecond. monit looks once in
its cycle of a second; what it executes then leaves a file. All three watch at the same time, on one machine.
"""

import random
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from bench.daemon import BenchFailed, Daemon, cpu_s
from bench.figures import SHARES, Beside, Options, Report, quantile

VICTIMS, QUICK_VICTIMS = 30, 10
KILLS, QUICK_KILLS = 60, 20
NOTICED_P95_S_MAX = 0.05
GAP_S = (0.15, 0.6)
SETTLE_S = 6.0
IDLE_S = 5.0
REST_S = 4.0
"""After it was started again: a watcher has to have seen it alive to see it die."""
LATEST_S = 15.0
"""A kill that is not noticed by then counts as lost, and is told."""
INTERVAL_S = 30.0
SEED = 7

GOAL_FILE = """
id = "{name}"
standing = true
[[predicate]]
id = "runs"
provider = "process"
pid_file = "{pid_file}"
"""
MONIT_CHECK = """
check process {name} with pidfile {pid_file}
  if not exist then exec "/bin/sh -c ': > {told}'"
"""
SUPERVISED = """
[program:{name}]
command={sleep} 86400
autorestart=false
startsecs=0
"""
_EXITED = re.compile(r"^(\S+ \S+) .*exited: (\S+) \(")


def run(options: Options) -> Report:
    """Kill them in turn and at random, and collect who noticed when."""
    report = Report(bench="kill")
    victims = QUICK_VICTIMS if options.quick else VICTIMS
    kills = QUICK_KILLS if options.quick else KILLS
    with ExitStack() as stack:
        watchers = [
            stack.enter_context(watcher)
            for watcher in (
                _kazid(options.folder / "kazid", victims),
                _monit(options.folder / "monit", victims, report),
                _supervisord(options.folder / "supervisord", victims, report),
            )
        ]
        present = [watcher for watcher in watchers if watcher is not None]
        time.sleep(SETTLE_S)
        idle = _idle(present)
        _play(present, kills)
        found = {watcher.name: watcher.collect() for watcher in present}
    for name, delays in found.items():
        if len(delays) < kills:
            report.notes.append(
                f"{name}: {kills - len(delays)} of {kills} kills were not noticed in {LATEST_S:g} s"
            )
    if not found["kazid"]:
        raise BenchFailed("kazid noticed nothing")
    for label, share in SHARES:
        report.add(
            f"kill -9 to noticed, {label}",
            1000 * quantile(found["kazid"], share),
            "ms",
            *(
                Beside(f"{name}'s {label}", 1000 * quantile(delays, share))
                for name, delays in found.items()
                if name != "kazid" and delays
            ),
            target_max=1000 * NOTICED_P95_S_MAX if label == "p95" else None,
        )
    report.add(
        f"CPU while {victims} processes run, in {IDLE_S:g} s",
        idle["kazid"],
        "% of a core",
        *(Beside(name, share) for name, share in idle.items() if name != "kazid"),
    )
    report.notes.append(
        f"{kills} kills of {victims} processes for each watcher, seed {SEED}; kazid polls every {INTERVAL_S:g} s"
    )
    return report


class Victims:
    """Processes with a pid file each, children of the bench and reaped by it at once."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in names:
            self.start(name)

    def pid_file(self, name: str) -> Path:
        return self.folder / f"{name}.pid"

    def start(self, name: str) -> None:
        process = subprocess.Popen(["sleep", "86400"])
        self._processes[name] = process
        new = self.pid_file(name).with_suffix(".new")
        new.write_text(f"{process.pid}\n")
        new.replace(self.pid_file(name))

    def kill(self, name: str) -> float:
        process = self._processes[name]
        at_s = time.time()
        process.kill()
        process.wait()
        return at_s

    def end(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


class Watcher:
    """One of those that watch: `kill` kills a victim of its own, `noticed_s` says when it knew, None where not yet."""

    def __init__(
        self,
        name: str,
        pid: int,
        victims: Sequence[str],
        *,
        kill: Callable[[str], float],
        start: Callable[[str], None],
        noticed_s: Callable[[str, float], float | None],
    ) -> None:
        self.name = name
        self.pid = pid
        self.victims = victims
        self._kill = kill
        self._start = start
        self._noticed_s = noticed_s
        self._open: dict[str, float] = {}
        self._rests_until_s: dict[str, float] = {}
        self._delays: list[float] = []

    def strike(self, dice: random.Random) -> None:
        """Kill one that lives."""
        self._revive()
        now_s = time.monotonic()
        rested = [victim for victim in self.victims if self._rests_until_s.get(victim, 0.0) <= now_s]
        if alive := [victim for victim in rested if victim not in self._open]:
            victim = dice.choice(alive)
            self._open[victim] = self._kill(victim)

    def collect(self) -> list[float]:
        """Wait for the last; how long each took, in seconds."""
        ends_s = time.monotonic() + LATEST_S
        while self._open and time.monotonic() < ends_s:
            self._revive()
            time.sleep(0.05)
        return self._delays

    def _revive(self) -> None:
        """What is known to be dead may live again."""
        for victim, killed_s in list(self._open.items()):
            noticed_s = self._noticed_s(victim, killed_s)
            if noticed_s is not None:
                self._delays.append(max(0.0, noticed_s - killed_s))
                del self._open[victim]
                self._start(victim)
                self._rests_until_s[victim] = time.monotonic() + REST_S


def _play(watchers: Sequence[Watcher], kills: int) -> None:
    dice = random.Random(SEED)
    for _ in range(kills):
        for watcher in dice.sample(watchers, len(watchers)):
            time.sleep(dice.uniform(*GAP_S))
            watcher.strike(dice)


def _idle(watchers: Sequence[Watcher]) -> dict[str, float]:
    before = {watcher.name: cpu_s(watcher.pid) for watcher in watchers}
    time.sleep(IDLE_S)
    return {w.name: 100 * (cpu_s(w.pid) - before[w.name]) / IDLE_S for w in watchers}


@contextmanager
def _kazid(folder: Path, count: int) -> Iterator[Watcher | None]:
    names = [f"victim-{number}" for number in range(count)]
    victims = Victims(folder / "victims", names)
    seen: dict[str, list[float]] = {name: [] for name in names}
    try:
        with Daemon(folder) as daemon:
            for name in names:
                daemon.apply(name, GOAL_FILE.format(name=name, pid_file=victims.pid_file(name)))

            def follow() -> None:
                for item in daemon.follow():
                    event = item.get("event", {})
                    if item["type"] == "predicate.observed" and event["verdict"]["status"] == "fail":
                        seen[item["goal_id"]].append(time.time())

            threading.Thread(target=follow, daemon=True).start()
            yield Watcher(
                "kazid",
                daemon.pid,
                names,
                kill=victims.kill,
                start=victims.start,
                noticed_s=lambda name, killed_s: next((at for at in seen[name] if at >= killed_s), None),
            )
    finally:
        victims.end()


@contextmanager
def _monit(folder: Path, count: int, report: Report) -> Iterator[Watcher | None]:
    program = shutil.which("monit")
    if program is None:
        report.skipped.append("monit: not found on PATH")
        yield None
        return
    names = [f"victim-{number}" for number in range(count)]
    victims = Victims(folder, names)
    told = {name: folder / f"{name}.told" for name in names}
    checks = (MONIT_CHECK.format(name=n, pid_file=victims.pid_file(n), told=told[n]) for n in names)
    control = folder / "monitrc"
    control.write_text(
        f"set daemon 1\nset log {folder}/log\nset pidfile {folder}/pid\nset idfile {folder}/id\n"
        f"set statefile {folder}/statefile\n{''.join(checks)}"
    )
    control.chmod(0o600)

    def noticed_s(name: str, killed_s: float) -> float | None:
        try:
            at_s = told[name].stat().st_mtime
        except FileNotFoundError:
            return None
        return at_s if at_s >= killed_s else None

    try:
        with _ended([program, "-I", "-c", str(control)], folder) as process:
            yield Watcher(
                "monit", process.pid, names, kill=victims.kill, start=victims.start, noticed_s=noticed_s
            )
    finally:
        victims.end()


@contextmanager
def _supervisord(folder: Path, count: int, report: Report) -> Iterator[Watcher | None]:
    program, control = shutil.which("supervisord"), shutil.which("supervisorctl")
    if program is None or control is None:
        report.skipped.append("supervisord: not found on PATH")
        yield None
        return
    folder.mkdir(parents=True)
    names = [f"victim-{number}" for number in range(count)]
    config, log = folder / "supervisord.conf", folder / "log"
    programs = "".join(SUPERVISED.format(name=name, sleep=shutil.which("sleep")) for name in names)
    config.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={log}\npidfile={folder}/pid\nloglevel=info\n"
        f"[unix_http_server]\nfile={folder}/s\n[supervisorctl]\nserverurl=unix://{folder}/s\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        f"{programs}"
    )

    def ask(*words: str) -> str:
        run = subprocess.run(
            [control, "-c", str(config), *words], capture_output=True, text=True, check=False
        )
        return run.stdout

    def kill(name: str) -> float:
        pid = int(ask("pid", name))
        at_s = time.time()
        subprocess.run(["kill", "-9", str(pid)], check=False)
        return at_s

    def start(name: str) -> None:
        ask("start", name)

    def noticed_s(name: str, killed_s: float) -> float | None:
        for line in log.read_text(errors="replace").splitlines():
            match = _EXITED.match(line)
            if match is not None and match[2] == name:
                at_s = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S,%f").timestamp()  # noqa: DTZ007
                if at_s >= killed_s - 0.001:  # it tells milliseconds
                    return at_s
        return None

    with _ended([program, "-c", str(config)], folder) as process:
        _await(lambda: ask("status").count("RUNNING") == count, "supervisord's processes run")
        yield Watcher(
            "supervisord",
            process.pid,
            names,
            kill=kill,
            start=start,
            noticed_s=noticed_s,
        )


@contextmanager
def _ended(argv: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A peer in the foreground, ended at the end."""
    with subprocess.Popen(
        argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        try:
            time.sleep(1.0)
            if process.poll() is not None:
                raise BenchFailed(f"{Path(argv[0]).name} did not start")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(claim: Callable[[], bool], what: str) -> None:
    ends_s = time.monotonic() + 30
    while not claim():
        if time.monotonic() > ends_s:
            raise BenchFailed(f"not in time: {what}")
        time.sleep(0.2)
