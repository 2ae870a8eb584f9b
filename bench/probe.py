"""What looking from outside costs: CPU of each HTTP and TCP probe, and whether 1,000 HTTP goals are looked at in time.

The CPU is the provider's alone, options to verdict, 20 probes at once against a page of 36 bytes; beside it, in turn,
an httpx client for each request (what the provider was before), then prometheus-blackbox-exporter and monit, where
they are on PATH.
Times of the 1,000 goals are read from the clock of the page they ask for: no goal may wait longer for its next look
than the interval, its spread and one deadline.
"""

import http.client
import itertools
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import anyio
import httpx

from bench.daemon import ROOT, BenchFailed, Daemon, cpu_s
from bench.figures import SHARES, Beside, Options, Report, median, quantile
from bench.idle import prepare
from bench.peer_monit import monit_costs_ms
from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.goal import Goal
from kazid.core.ids import Owner
from kazid.core.jitter import INTERVAL_SPREAD
from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.goalfile.load import Defaults, Source, load
from kazid.ports.provider import Look, Provider
from kazid.providers.catalog import BUILTIN_CATALOG
from kazid.providers.http_probe import HttpProbe
from kazid.providers.http_trust import trust_store
from kazid.providers.tcp import Tcp

AT_ONCE = 20
PROBES, QUICK_PROBES = 1000, 300
ROUNDS, QUICK_ROUNDS = 5, 2
FRESH_MS_MAX, KEPT_MS_MAX = 0.8, 0.4
GOALS, QUICK_GOALS = 1000, 200
INTERVAL_S, DEADLINE_S = 10.0, 2.0
SETTLE_S, MEASURED_S, QUICK_MEASURED_S = 35.0, 60.0, 25.0
BLACKBOX = "prometheus-blackbox-exporter"

GOAL_FILE = """
id = "page"
standing = true
[observe]
interval = "{interval:g}s"
timeout = "{deadline:g}s"
[[predicate]]
id = "up"
provider = "http_probe"
url = "{url}"
expect_status = 200
"""


def run(options: Options) -> Report:
    """The CPU of single probes first, then the goals."""
    report = Report(bench="probe")
    with pages() as port:
        _costs(report, options, port)
        _goals(report, options, port)
    return report


def _costs(report: Report, options: Options, port: int) -> None:
    url = f"http://127.0.0.1:{port}/page/x"
    http_probe, tcp, closed_port = HttpProbe(), Tcp(), _free_port()
    nobody = f"http://127.0.0.1:{closed_port}/"
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "fresh": partial(_look, http_probe, {"url": url, "expect_status": 200}),
        "kept": partial(_look, http_probe, {"url": url, "expect_status": 200, "keep_alive": True}),
        "json": partial(_look, http_probe, {"url": url, "expect_json": {"$.status": "ok"}}),
        "tcp": partial(_look, tcp, {"host": "127.0.0.1", "port": port}),
        "refused": partial(_look, http_probe, {"url": nobody}, is_green=False),
        "bare refused": partial(_refused, closed_port),
        "httpx": partial(_by_httpx, url, trust_store()),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    blackbox: list[float] = []
    count = QUICK_PROBES if options.quick else PROBES
    with _blackbox(options.folder, report) as exporter:
        for _ in range(QUICK_ROUNDS if options.quick else ROUNDS):
            for name, way in ways.items():
                spent[name].append(anyio.run(_cost_s, way, count) * 1000)
            if exporter is not None:
                blackbox.append(_blackbox_cost_s(*exporter, url, count) * 1000)
    cost = {name: median(each) for name, each in spent.items()}
    monit = monit_costs_ms(options.folder, report, port, "http", "tcp", quick=options.quick)
    peers = [Beside("an httpx client for each", cost["httpx"])]
    if blackbox:
        peers.append(Beside("blackbox exporter", median(blackbox)))
    peers += [Beside("monit", monit["http"])] if monit else []
    report.add("CPU per HTTP probe, fresh connection", cost["fresh"], "ms", *peers, target_max=FRESH_MS_MAX)
    report.add("CPU per HTTP probe, kept connection", cost["kept"], "ms", *peers, target_max=KEPT_MS_MAX)
    report.add("CPU per HTTP probe with a JSON assertion", cost["json"], "ms")
    tcp_peers = [Beside("monit", monit["tcp"])] if monit else []
    report.add("CPU per TCP probe", cost["tcp"], "ms", *tcp_peers)
    bare = Beside("connect, refused, a bare socket", cost["bare refused"])
    report.add("CPU per HTTP probe, connection refused", cost["refused"], "ms", bare)
    report.notes.append(f"medians of rounds of {count} probes, {AT_ONCE} at once, from options to verdict")


async def _cost_s(way: Callable[[], Awaitable[object]], count: int) -> float:
    async def some() -> None:
        for _ in range(count // AT_ONCE):
            await way()

    await way()
    began_s = time.process_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(some)
    return (time.process_time() - began_s) / (count // AT_ONCE * AT_ONCE)


async def _look(provider: Provider, options: dict[str, Json], *, is_green: bool = True) -> None:
    look = Look(predicate_id="p", workspace="/", deadline_s=10, path="", wall_s=0.0)
    verdict = await provider.evaluate(options, look, ScriptedCommandRunner())
    if verdict.is_green is not is_green or verdict.status is Status.ERROR:
        raise BenchFailed(f"a probe of the bench's own page: {verdict.reason} {verdict.detail}")


async def _refused(port: int) -> None:
    with socket.socket() as end:
        if end.connect_ex(("127.0.0.1", port)) == 0:
            raise BenchFailed("somebody listens where nobody should")


async def _by_httpx(url: str, context: object) -> None:
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:  # type: ignore[arg-type]
        (await client.get(url)).raise_for_status()


@contextmanager
def _blackbox(folder: Path, report: Report) -> Iterator[tuple[int, int] | None]:
    """The exporter's pid and port; None where there is none."""
    program = shutil.which(BLACKBOX)
    if program is None:
        report.skipped.append(f"{BLACKBOX}: not on PATH")
        yield None
        return
    config, port = folder / "blackbox.yml", _free_port()
    config.write_text("modules:\n  http_2xx:\n    prober: http\n")
    argv = [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
        try:
            _await_port(port)
            yield process.pid, port
        finally:
            process.terminate()


def _blackbox_cost_s(pid: int, port: int, url: str, count: int) -> float:
    """CPU of the exporter for each probe it is asked for, one after the other over one connection."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        began_s = cpu_s(pid)
        for _ in range(count):
            connection.request("GET", f"/probe?module=http_2xx&target={url}")
            if b"probe_success 1" not in connection.getresponse().read():
                raise BenchFailed("the blackbox exporter does not see the page")
        return (cpu_s(pid) - began_s) / count


def _goals(report: Report, options: Options, port: int) -> None:
    goals = QUICK_GOALS if options.quick else GOALS
    measured_s = QUICK_MEASURED_S if options.quick else MEASURED_S
    folder = options.folder / "goals"
    prepare(folder / "state", partial(_goal, port), goals)
    with Daemon(folder) as daemon:
        time.sleep(SETTLE_S)
        _visits(port)
        spent_s, looks = daemon.cpu_s(), daemon.metrics()["kazi_looks_total"]
        time.sleep(measured_s)
        spent_s = daemon.cpu_s() - spent_s
        looks = daemon.metrics()["kazi_looks_total"] - looks
        visits = _visits(port)
    waited_s = [later - earlier for times in visits.values() for earlier, later in itertools.pairwise(times)]
    in_time_s = INTERVAL_S * (1 + INTERVAL_SPREAD) + DEADLINE_S
    missed = sum(1 for wait_s in waited_s if wait_s > in_time_s) + (goals - len(visits))
    what = f"{goals} HTTP goals at {INTERVAL_S:g} s"
    report.add(f"{what}: looks that came too late", missed, "looks", target_max=0)
    for name, share in SHARES:
        report.add(
            f"{what}: from look to look, {name}", quantile(waited_s, share), "s", Beside("in time", in_time_s)
        )
    report.add(f"{what}: CPU", 100 * spent_s / measured_s, "% of a core")
    report.add(f"{what}: CPU per look, turn and journal included", 1000 * spent_s / looks, "ms")
    report.notes.append(
        f"{looks:.0f} looks in {measured_s:g} s; in time is the interval, its spread and a deadline"
    )


def _goal(port: int, number: int) -> Goal:
    text = GOAL_FILE.format(
        interval=INTERVAL_S, deadline=DEADLINE_S, url=f"http://127.0.0.1:{port}/page/{number}"
    )
    source = Source(owner=Owner("ops"), path="/etc/kazi/goals/goal.toml", caller_path="/usr/bin:/bin")
    loaded = load(text, source=source, catalog=BUILTIN_CATALOG, defaults=Defaults(), read_text=partial(str))
    return loaded.goal


def _visits(port: int) -> dict[str, list[float]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/visits")
        found: dict[str, list[float]] = json.loads(connection.getresponse().read())
        return found


@contextmanager
def pages() -> Iterator[int]:
    """The port of a page that answers at once."""
    port = _free_port()
    argv = [sys.executable, str(ROOT / "bench" / "pages.py"), str(port)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield port
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await_port(port: int) -> None:
    ends_s = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > ends_s:
                raise BenchFailed(f"nothing listens on port {port}") from None
            time.sleep(0.02)
        else:
            return
