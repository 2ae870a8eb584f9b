"""How many looks that start a process one daemon makes, and what each costs it; beside the machine's own limit.

Goals of `custom_script` with `true` ask for more than is possible. In turn with them, and with the daemon stopped
meanwhile, posix_spawn of the same program, two at once: nothing on this machine starts processes faster. Then monit,
with checks of the same program, where it is on PATH.
"""

import os
import shutil
import signal
import time
from collections import deque

from bench.daemon import Daemon
from bench.figures import Beside, Options, Report, median
from bench.peer_monit import monit_costs_ms
from bench.probe import pages

GOALS = 64
INTERVAL = "50ms"
SLICES, QUICK_SLICES = 5, 2
SLICE_S, LIMIT_S = 3.0, 1.0
WARM_UP_S = 3.0

GOAL_FILE = """
id = "{name}"
standing = true
[observe]
interval = "{interval}"
timeout = "10s"
[[predicate]]
id = "true"
provider = "custom_script"
cmd = "true"
live = true
"""


def run(options: Options) -> Report:
    """Slices of the daemon and of the limit, in turn."""
    report = Report(bench="spawn")
    program = shutil.which("true")
    assert program is not None
    rates, costs_s, limits, limit_costs_s = [], [], [], []
    with Daemon(options.folder / "spawn") as daemon:
        for number in range(GOALS):
            daemon.apply(f"goal-{number}", GOAL_FILE.format(name=f"goal-{number}", interval=INTERVAL))
        time.sleep(WARM_UP_S)
        for _ in range(QUICK_SLICES if options.quick else SLICES):
            looks, cpu_s, began_s = daemon.metrics()["kazi_looks_total"], daemon.cpu_s(), time.monotonic()
            time.sleep(SLICE_S)
            took_s, spent_s = time.monotonic() - began_s, daemon.cpu_s() - cpu_s
            looks = daemon.metrics()["kazi_looks_total"] - looks
            rates.append(looks / took_s)
            costs_s.append(spent_s / looks)
            os.kill(daemon.pid, signal.SIGSTOP)
            try:
                rate, cost_s = spawn_limit(program, LIMIT_S)
            finally:
                os.kill(daemon.pid, signal.SIGCONT)
            limits.append(rate)
            limit_costs_s.append(cost_s)
    limit = median(limits)
    with pages() as port:
        monit = monit_costs_ms(options.folder, report, port, "program", quick=options.quick)
    peers = [Beside("the spawning side of posix_spawn", median(limit_costs_s) * 1000)]
    peers += [Beside("monit's check of a program", monit["program"])] if monit else []
    report.add(
        "custom_script looks, one daemon",
        median(rates),
        "/s",
        Beside("posix_spawn, two at once", limit),
    )
    report.add(
        "CPU of the daemon per look, the turn included",
        median(costs_s) * 1000,
        "ms",
        *peers,
    )
    report.notes.append(f"{GOALS} goals that ask for a look every {INTERVAL}; 16 processes at once at most")
    return report


def spawn_limit(program: str, seconds: float) -> tuple[float, float]:
    """Processes per second, two at once, and CPU seconds of the starter for each."""
    began_s, spent_s, started = time.monotonic(), time.process_time(), 0
    running: deque[int] = deque()
    while time.monotonic() - began_s < seconds:
        while len(running) < 2:
            running.append(os.posix_spawn(program, [program], {}))
            started += 1
        os.waitpid(running.popleft(), 0)
    for pid in running:
        os.waitpid(pid, 0)
    return started / (time.monotonic() - began_s), (time.process_time() - spent_s) / started
