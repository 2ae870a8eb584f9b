"""The round trip of `kazictl`, beside the bare interpreter that it starts in and beside `supervisorctl status`.

One process after another in turn, so that a slow moment of the machine hits all alike; medians. The daemon has as many
goals as supervisord has programs.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.daemon import BIN, BenchFailed, Daemon
from bench.figures import Beside, Options, Report, median

ROUNDS, QUICK_ROUNDS = 41, 15
GOALS = 10
BARE_RATIO_MAX = 2.5
SUPERVISORCTL_RATIO_MAX = 1 / 3
START_S_MAX = 15.0

GOAL_FILE = """
id = "{name}"
standing = true
[observe]
interval = "10m"
[[predicate]]
id = "there"
provider = "custom_script"
cmd = "true"
"""
SUPERVISORD = """
[unix_http_server]
file={folder}/s
[supervisord]
logfile={folder}/log
pidfile={folder}/pid
childlogdir={folder}
nodaemon=true
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/s
"""
PROGRAM = """
[program:goal-{number}]
command=/bin/sleep 1000
"""


class Timed:
    """Wall and CPU time of each run of one command."""

    def __init__(self, argv: Sequence[str | Path]) -> None:
        self.argv = [str(part) for part in argv]
        self.wall_s: list[float] = []
        self.cpu_s: list[float] = []

    def once(self, *, is_counted: bool) -> None:
        """Run it to its end. Raises BenchFailed when it fails."""
        silent = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        ]
        began_s = time.perf_counter()
        pid = os.posix_spawn(self.argv[0], self.argv, os.environ, file_actions=silent)
        _, status, usage = os.wait4(pid, 0)
        took_s = time.perf_counter() - began_s
        if os.waitstatus_to_exitcode(status) != 0:
            raise BenchFailed(f"{' '.join(self.argv)} ended with {os.waitstatus_to_exitcode(status)}")
        if is_counted:
            self.wall_s.append(took_s)
            self.cpu_s.append(usage.ru_utime + usage.ru_stime)


def run(options: Options) -> Report:
    """Everything once to warm up, then in turn."""
    report = Report(bench="client")
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(options.folder / "client"))
        for number in range(GOALS):
            daemon.apply(f"goal-{number}", GOAL_FILE.format(name=f"goal-{number}"))
        kazictl, socket = BIN / "kazictl", ("--socket", daemon.socket)
        timed: dict[str, Timed] = {
            "python3 -I -c pass": Timed([sys.executable, "-I", "-c", "pass"]),
            "kazictl status": Timed([kazictl, "status", *socket]),
            "kazictl status REF": Timed([kazictl, "status", "goal-0", *socket]),
            "kazictl list": Timed([kazictl, "list", *socket]),
            "kazictl version": Timed([kazictl, "version"]),
        }
        peer = _supervisor(report, stack, options.folder / "supervisor")
        if peer is not None:
            timed["supervisorctl status"] = peer
        for round_number in range(rounds + 1):
            for one in timed.values():
                one.once(is_counted=round_number > 0)
    _tell(report, timed, rounds)
    return report


def _tell(report: Report, timed: Mapping[str, Timed], rounds: int) -> None:
    bare = timed["python3 -I -c pass"]
    peer = timed.get("supervisorctl status")
    for name, one in timed.items():
        is_judged = name == "kazictl status"
        beside = []
        if one is not bare:
            beside.append(
                Beside("bare python", median(bare.wall_s) * 1000, BARE_RATIO_MAX if is_judged else None)
            )
        if peer is not None and name.startswith("kazictl "):
            limit = SUPERVISORCTL_RATIO_MAX if is_judged else None
            beside.append(Beside("supervisorctl status", median(peer.wall_s) * 1000, limit))
        report.add(name, median(one.wall_s) * 1000, "ms", *beside)
    for name in ("python3 -I -c pass", "kazictl status", "supervisorctl status"):
        if name in timed:
            spent_ms = median(timed[name].cpu_s) * 1000
            report.add(f"{name}, CPU", spent_ms, "ms", Beside("bare python", median(bare.cpu_s) * 1000))
    report.notes.append(f"medians of {rounds} runs each, in turn; {GOALS} goals, {GOALS} programs")


def _supervisor(report: Report, stack: ExitStack, folder: Path) -> Timed | None:
    programs = shutil.which("supervisord"), shutil.which("supervisorctl")
    if programs[0] is None or programs[1] is None:
        report.skipped.append("supervisor: supervisord and supervisorctl not found on PATH")
        return None
    stack.enter_context(supervisord(programs[0], folder))
    control = Timed([programs[1], "-c", folder / "conf", "status"])
    deadline_s = time.monotonic() + START_S_MAX
    while True:
        try:
            control.once(is_counted=False)
        except BenchFailed:
            if time.monotonic() > deadline_s:
                report.skipped.append("supervisor: its programs did not come up")
                return None
            time.sleep(0.2)
        else:
            return control


@contextmanager
def supervisord(program: str, folder: Path) -> Iterator[None]:
    """A supervisord with programs that sleep."""
    folder.mkdir()
    conf = folder / "conf"
    conf.write_text(
        SUPERVISORD.format(folder=folder) + "".join(PROGRAM.format(number=number) for number in range(GOALS))
    )
    with subprocess.Popen(
        [program, "-n", "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    ) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
