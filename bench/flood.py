"""One owner floods a daemon: what another owner notices of it, in the latency of `status` and of the repair of a drift.

A system daemon, and two owners of it: the one who runs the bench, and `nobody`, who submits goals that are always red,
are looked at every second by a command, and have a remedy that never helps. The same is measured before and during it,
on goals of the same kind, each broken once. Only root can be two users, so nobody else can run this one.
"""

import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.daemon import BIN, BenchFailed, Daemon
from bench.figures import SHARES, Beside, Options, Report, quantile

GOALS, QUICK_GOALS = 1000, 200
KEPT = 12
"""Of each phase, broken once each: a second repair soon after the first waits, as for a crash loop."""
STATUSES = 200
REPAIR_S_MAX = 60.0
SETTLE_S = 20.0
"""For the flood to be looked at and acted on."""
RATIO_MAX = 2.0
FLOODER = "nobody"
SETTINGS = f'[[role]]\nrole = "operator"\nusers = ["{FLOODER}"]\nowners = ["@me"]\n'
GOAL_FILE = """
id = "{name}"
standing = true
[observe]
interval = "1s"
[[predicate]]
id = "there"
provider = "custom_script"
cmd = "test"
args = ["-e", "{file}"]
live = true
confirm = 1
recover = 1
[[remedy]]
cmd = "{remedy}"
args = ["{file}"]
attempts = 3
"""
FLOOD = """
import http.client, json, os, socket, sys
path, uid, gid, count, text = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
os.setgroups([]); os.setgid(gid); os.setuid(uid)
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX); self.sock.settimeout(60); self.sock.connect(path)
for number in range(count):
    connection = Unix("kazid")
    body = {"goal_file": text.replace("NAME", f"flood-{number}"), "cwd": "/", "path": os.environ["PATH"]}
    body["allow_vacuous"] = True
    connection.request("POST", "/v1/goals", json.dumps(body), {"content-type": "application/json"})
    reply = connection.getresponse()
    said = reply.read()
    if reply.status not in (200, 201, 202):
        sys.exit(f"{reply.status} {said[:300]!r}")
    connection.close()
"""


def run(options: Options) -> Report:
    """Measure, flood, measure again."""
    report = Report(bench="flood")
    if os.getuid() != 0:
        report.skipped.append("only root can be two owners")
        return report
    count = QUICK_GOALS if options.quick else GOALS
    settings = options.folder / "kazid.toml"
    settings.write_text(SETTINGS)
    folder = options.folder / "flood"
    state = folder / "system"
    program = (sys.executable, "-c", _STARTER, str(BIN / "kazid"), str(settings), str(folder / "s"))
    with Daemon(folder, program=program, env={"STATE_DIRECTORY": str(state)}) as daemon:
        for path in (options.folder, folder):
            path.chmod(0o755)
        daemon.socket.chmod(0o666)
        for phase in ("quiet", "flooded"):
            for number in range(KEPT):
                name = f"{phase}-{number}"
                text = GOAL_FILE.format(name=name, file=_file(folder, name), remedy="touch")
                _file(folder, name).touch()
                daemon.apply(name, text)
        _await_holding(daemon, 2 * KEPT)
        quiet = _statuses_s(daemon), _repairs_s(folder, "quiet")
        began_s = time.monotonic()
        _flood(daemon, count)
        submitted_s = time.monotonic() - began_s
        time.sleep(SETTLE_S)
        acts = daemon.metrics()["kazi_acts_total"]
        flooded = _statuses_s(daemon), _repairs_s(folder, "flooded")
        acts = daemon.metrics()["kazi_acts_total"] - acts
    for what, unit, factor, before, during in (
        ("status", "ms", 1000.0, quiet[0], flooded[0]),
        ("break to repair of another owner's goal", "s", 1.0, quiet[1], flooded[1]),
    ):
        for name, share in SHARES[:2]:
            beside = Beside("without the flood", quantile(before, share) * factor, RATIO_MAX)
            report.add(
                f"{what} while one owner floods, {name}", quantile(during, share) * factor, unit, beside
            )
    report.notes.append(
        f"{count} goals of {FLOODER}, red at a look a second each, submitted in {submitted_s:.0f} s; "
        f"{acts:.0f} acts meanwhile"
    )
    return report


_STARTER = (
    "import os, sys; args = sys.argv; os.makedirs(os.environ['STATE_DIRECTORY'], exist_ok=True); "
    "os.execv(args[1], [args[1], '--config', args[2], '--socket', args[3]])"
)
"""A system daemon is told its state folder by the environment, and by nothing else."""


def _file(folder: Path, name: str) -> Path:
    return folder / f"kept-{name}"


def _await_holding(daemon: Daemon, count: int) -> None:
    deadline_s = time.monotonic() + REPAIR_S_MAX
    while time.monotonic() < deadline_s:
        goals = json.loads(daemon.get("/v1/goals"))["goals"]
        if sum(goal["status"] == "holding" for goal in goals) >= count:
            return
        time.sleep(0.2)
    raise BenchFailed("the kept goals never held")


def _statuses_s(daemon: Daemon) -> Sequence[float]:
    found: list[float] = []
    for _ in range(STATUSES):
        began_s = time.monotonic()
        daemon.get("/v1/goals/@me/quiet-0")
        found.append(time.monotonic() - began_s)
        time.sleep(0.01)
    return found


def _repairs_s(folder: Path, phase: str) -> Sequence[float]:
    """From taking a file away until the remedy has put it back, goal after goal."""
    found: list[float] = []
    for number in range(KEPT):
        file = _file(folder, f"{phase}-{number}")
        file.unlink()
        began_s = time.monotonic()
        while not file.exists():
            if time.monotonic() - began_s > REPAIR_S_MAX:
                raise BenchFailed(f"{file.name} was not repaired within {REPAIR_S_MAX:g} s")
            time.sleep(0.005)
        found.append(time.monotonic() - began_s)
    return found


def _flood(daemon: Daemon, count: int) -> None:
    account = pwd.getpwnam(FLOODER)
    text = GOAL_FILE.format(name="NAME", file="/nonexistent/flood", remedy="true")
    ran = subprocess.run(
        [
            sys.executable, "-I", "-c", FLOOD, str(daemon.socket), str(account.pw_uid), str(account.pw_gid),
            str(count), text,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode != 0:
        raise BenchFailed(f"the flood was refused: {ran.stderr[-500:]}")
