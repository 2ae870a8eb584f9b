"""monit's CPU for one check of a kind: what the benches of single looks put beside kazid's.

A monit with nothing but CHECKS checks of that kind and a cycle of a second, in the foreground. One more check asks for
a page of the bench's own, and how often it was asked for tells how many cycles there were.
"""

import http.client
import json
import shutil
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

from bench.daemon import BenchFailed, cpu_s
from bench.figures import Report

CHECKS = 200
CYCLE_PAGE = "monit-cycle"
WARM_UP_S, MEASURED_S, QUICK_MEASURED_S = 4.0, 20.0, 8.0
KINDS = {
    "http": (
        "check host {name} with address 127.0.0.1\n"
        '  if failed port {port} protocol http request "/page/x" then alert\n'
    ),
    "tcp": "check host {name} with address 127.0.0.1\n  if failed port {port} type tcp then alert\n",
    "program": 'check program {name} with path "{program}"\n  if status != 0 then alert\n',
}


def monit_costs_ms(folder: Path, report: Report, port: int, *kinds: str, quick: bool) -> dict[str, float]:
    """CPU of monit per check, by kind; none, and said, where there is no monit. `port` is of a bench/pages.py."""
    program = shutil.which("monit")
    if program is None:
        report.skipped.append("monit: not found on PATH")
        return {}
    measured_s = QUICK_MEASURED_S if quick else MEASURED_S
    return {kind: _cost_s(program, folder / f"monit-{kind}", port, kind, measured_s) * 1000 for kind in kinds}


def _cost_s(program: str, folder: Path, port: int, kind: str, measured_s: float) -> float:
    folder.mkdir()
    true = shutil.which("true")
    checks = "".join(KINDS[kind].format(name=f"c{n}", port=port, program=true) for n in range(CHECKS))
    cycle = KINDS["http"].format(name="cycle", port=port).replace("/page/x", f"/page/{CYCLE_PAGE}")
    control = folder / "monitrc"
    control.write_text(
        f"set daemon 1\nset log {folder}/log\nset pidfile {folder}/pid\nset idfile {folder}/id\n"
        f"set statefile {folder}/statefile\n{checks}{cycle}"
    )
    control.chmod(0o600)
    argv = [program, "-I", "-c", str(control)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder) as process:
        try:
            time.sleep(WARM_UP_S)
            if process.poll() is not None:
                raise BenchFailed(f"monit did not start: {(folder / 'log').read_text()[-500:]}")
            _cycles(port)
            began_s = cpu_s(process.pid)
            time.sleep(measured_s)
            cycles, spent_s = _cycles(port), cpu_s(process.pid) - began_s
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
    if not cycles:
        raise BenchFailed(f"monit finished no cycle in {measured_s:g} s")
    return spent_s / (cycles * (CHECKS + 1))


def _cycles(port: int) -> int:
    """How often the page of the cycle was asked for since the last time."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/visits")
        visits: dict[str, list[float]] = json.loads(connection.getresponse().read())
        return len(visits.get(CYCLE_PAGE, ()))
