"""What a dispatch costs over the same real command line started by hand: seconds and CPU, in turn.

The agents are those that `make test-agents` installed at pinned versions; the model is scripted and on loopback, so the
work is the same each time. By hand it gets the argv, prompt and configuration that kazid gives it. Seconds are from
`apply` to converged beside from start to exit; CPU is of all processes: the agent's, and kazid's with the shim and git.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench.daemon import TICKS_PER_S, BenchFailed, Daemon
from bench.dispatch import CONVERGED_S_MAX, GOAL_FILE, repository
from bench.figures import Beside, Options, Report, median
from kazid.core.goal import HarnessChoice
from kazid.harnesses.builtin import BUILTIN
from kazid.harnesses.pointing import CONFIGURE, MODELS
from tests.agents.fake_model import FakeModel

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from agents import PINNED, bin_of, folder_of  # noqa: E402 - a script's folder is no package

AGENTS = ("claude", "codex", "pi")
ROUNDS, QUICK_ROUNDS = 7, 3
BY_HAND = (
    "add() in calc.py must add; `python3 test_calc.py` says whether it does. Make the smallest change.\n"
)


def run(options: Options) -> Report:
    """Rounds of each agent that is installed, by kazid and by hand, in turn."""
    report = Report(bench="agents")
    with FakeModel({}) as model:
        for agent in AGENTS:
            if not (folder_of(agent) / "installed").exists():
                report.skipped.append(f"{agent}: make test-agents AGENTS={agent} installs it")
                continue
            rounds = QUICK_ROUNDS if options.quick else ROUNDS
            _compare(report, agent, model.url("fix"), options.folder / agent, rounds)
    report.notes.append("in a worktree, the default; the agent runs once for each goal")
    return report


def _compare(report: Report, agent: str, url: str, folder: Path, rounds: int) -> None:
    home = folder / "home"
    home.mkdir(parents=True)
    (home / ".gitconfig").write_text('[user]\nname = "b"\nemail = "b@localhost"\n')
    environment = {
        **CONFIGURE[agent](home, url),
        "HOME": str(home),
        "PATH": f"{bin_of(agent)}:{os.environ['PATH']}",
        "TERM": "dumb",
    }
    choice = HarnessChoice(
        id=agent,
        command=agent,
        model=MODELS.get(agent),
        permission_mode="bypass" if agent == "codex" else None,
    )
    sent: list[tuple[float, float]] = []
    bare: list[tuple[float, float]] = []
    _by_hand(choice, repository(folder / "warm"), environment)  # its first start unpacks and writes caches
    with Daemon(folder / "kazid", env=environment) as daemon:
        for number in range(rounds):
            name = f"{agent}-{number}".replace("_", "-")
            sent.append(_by_kazid(daemon, name, choice, repository(folder / name), environment))
            bare.append(_by_hand(choice, repository(folder / f"bare-{number}"), environment))
    version = PINNED[agent].packages[0].rpartition("@")[2]
    by_hand = [median([pair[side] for pair in bare]) * 1000 for side in (0, 1)]
    by_kazid = [median([pair[side] for pair in sent]) * 1000 for side in (0, 1)]
    over = [median([s[side] - b[side] for s, b in zip(sent, bare, strict=True)]) * 1000 for side in (0, 1)]
    for side, what in enumerate(("apply to converged", "CPU of all processes")):
        beside = Beside("the same by hand", by_hand[side])
        report.add(f"{agent} {version}, {what}", by_kazid[side], "ms", beside)
        report.add(f"{agent}, {what}: over the bare one, median of the pairs", over[side], "ms")


def _by_kazid(
    daemon: Daemon, name: str, choice: HarnessChoice, workspace: Path, environment: Mapping[str, str]
) -> tuple[float, float]:
    """(seconds, CPU seconds of the daemon, of its children that ended and of kazictl) of one goal."""
    path = workspace.with_suffix(".toml")
    harness = f'[harness]\nid = "{choice.id}"\n'
    harness += f'model = "{choice.model}"\n' if choice.model else ""
    harness += f'permission_mode = "{choice.permission_mode}"\n' if choice.permission_mode else ""
    path.write_text(GOAL_FILE.format(name=name, workspace=workspace, tables=harness))
    cpu_s, client_s, began_s = _with_children_s(daemon.pid), _children_s(), time.monotonic()
    daemon.kazictl("apply", str(path), env=environment)
    took_s = time.monotonic() - began_s
    _check(workspace)
    return took_s, _with_children_s(daemon.pid) - cpu_s + _children_s() - client_s


def _by_hand(choice: HarnessChoice, workspace: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """(seconds, CPU seconds) of the agent alone."""
    invocation = BUILTIN[choice.id].build(choice, prompt=BY_HAND, cost_usd_max=None)
    cpu_s, began_s = _children_s(), time.monotonic()
    ran = subprocess.run(
        invocation.argv,
        cwd=workspace,
        env={**environment, **invocation.env},
        input=invocation.stdin_text or "",
        text=True,
        capture_output=True,
        timeout=CONVERGED_S_MAX,
        check=False,
    )
    took_s = time.monotonic() - began_s
    if "a + b" not in (workspace / "calc.py").read_text():
        raise BenchFailed(f"{choice.id} by hand mended nothing: {ran.stdout[-300:]}{ran.stderr[-300:]}")
    return took_s, _children_s() - cpu_s


def _check(workspace: Path) -> None:
    if "a + b" not in (workspace / "calc.py").read_text():
        raise BenchFailed(f"{workspace.name} converged on a file that nobody mended")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _with_children_s(pid: int) -> float:
    """CPU seconds of a process and of its descendants that ended and were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_PER_S
