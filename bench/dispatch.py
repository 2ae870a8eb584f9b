"""What a dispatch costs over the bare agent: seconds and CPU from an applied goal to a converged one.

The agent is a script that reads its prompt and mends one file, so that what is measured is kazid's share: its looks,
its journal, the shim. In turn with it the same script is started by hand on the same tree.
"""

import resource
import stat
import subprocess
import time
from pathlib import Path

from bench.daemon import BenchFailed, Daemon
from bench.figures import Beside, Options, Report, median

ROUNDS, QUICK_ROUNDS = 9, 3
AGENT = "#!/bin/sh\ncat > /dev/null\nsed -i 's/a - b/a + b/' calc.py\n"
BROKEN = "def add(a, b):\n    return a - b\n"
CONVERGED_S_MAX = 60.0
GOAL_FILE = """
id = "{name}"
[scope]
workspace = "{workspace}"
[[predicate]]
id = "adds"
provider = "custom_script"
cmd = "grep"
args = ["-q", "a + b", "calc.py"]
{tables}
[budget]
max_dispatches = 1
"""
"""`tables` says which agent works, and where."""
SCRIPTED = """
[harness]
id = "command"
command = "{agent}"
[workspace]
mode = "{mode}"
"""
MODES = ("worktree", "in_place")
"""The default, and in the workspace itself."""


def run(options: Options) -> Report:
    """Rounds of a dispatch and of the bare agent, in turn."""
    report = Report(bench="dispatch")
    agent = options.folder / "agent"
    agent.write_text(AGENT)
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    walls_s: dict[str, list[float]] = {mode: [] for mode in MODES}
    cpus_s: dict[str, list[float]] = {mode: [] for mode in MODES}
    bare_walls_s: list[float] = []
    bare_cpus_s: list[float] = []
    with Daemon(options.folder / "dispatch") as daemon:
        for number in range(QUICK_ROUNDS if options.quick else ROUNDS):
            for mode in MODES:
                name = f"goal-{mode.replace('_', '-')}-{number}"
                workspace = repository(options.folder / name)
                path = options.folder / f"{name}.toml"
                tables = SCRIPTED.format(agent=agent, mode=mode)
                path.write_text(GOAL_FILE.format(name=name, workspace=workspace, tables=tables))
                cpu_s, began_s = daemon.cpu_s(), time.monotonic()
                daemon.kazictl("apply", str(path))
                walls_s[mode].append(time.monotonic() - began_s)
                cpus_s[mode].append(daemon.cpu_s() - cpu_s)
                if "a + b" not in (workspace / "calc.py").read_text():
                    raise BenchFailed(f"{name} converged on a file that nobody mended")
            wall_s, spent_s = _bare(agent, repository(options.folder / f"bare-{number}"))
            bare_walls_s.append(wall_s)
            bare_cpus_s.append(spent_s)
    bare = Beside("the same script by hand", median(bare_walls_s) * 1000)
    bare_cpu = Beside("CPU of the script by hand", median(bare_cpus_s) * 1000)
    for mode in MODES:
        report.add(f"apply to converged, one dispatch, {mode}", median(walls_s[mode]) * 1000, "ms", bare)
        over_s = median(walls_s[mode]) - median(bare_walls_s)
        report.add(f"overhead of a dispatch, {mode}", over_s * 1000, "ms")
        cpu_s = median(cpus_s[mode]) * 1000
        report.add(f"CPU of the daemon per dispatched goal, {mode}", cpu_s, "ms", bare_cpu)
    report.notes.append(
        "kazictl's start, two looks, the journal, the tree's hashes and the shim are in the overhead"
    )
    return report


def repository(folder: Path) -> Path:
    """A repository with one file that is wrong, and what says so."""
    folder.mkdir()
    (folder / "calc.py").write_text(BROKEN)
    (folder / "test_calc.py").write_text("from calc import add\n\nassert add(1, 2) == 3\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "begin"]):
        subprocess.run(
            ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", *command],
            cwd=folder,
            check=True,
        )
    return folder


def _bare(agent: Path, workspace: Path) -> tuple[float, float]:
    """(seconds, CPU seconds) of the agent alone on the broken tree."""
    (workspace / "calc.py").write_text(BROKEN)
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([agent], cwd=workspace, input=b"prompt", check=True, timeout=CONVERGED_S_MAX)
    took_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took_s, (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
