"""What the orientation pack costs and gives, on and off: bytes of the prompt, and seconds before an agent starts.

In this repository's own tree (Python, with grimp), and in one of TypeScript (tree-sitter), for failures whose evidence
points at its sources. What it saves an agent is not measured here: a scripted model does not search.
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
from msgspec.structs import replace

from bench.figures import Beside, Options, Report, median
from kazid.adapters.system.briefer import SystemBriefer
from kazid.core.goal import Cadence, Goal, HarnessChoice, Predicate
from kazid.core.ids import GoalId, Owner, PredicateId
from kazid.core.instant import Now
from kazid.core.progress import PredicateState, Progress
from kazid.core.vector import assess
from kazid.core.verdict import failed
from kazid.harnesses.prompt import build_prompt

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, QUICK_ROUNDS = 9, 3
MODULES, FUNCTIONS = 300, 12
PLACES = ("kazid/core/stuck.py", "kazid/core/budget.py", "kazid/runtime/state.py")
ID = PredicateId("tests")
CHECK = Predicate(
    id=ID,
    provider="test_runner",
    cadence=Cadence(interval_s=None, deadline_s=600.0, confirm=1, recover=1, recheck_s=2.0),
    live=False,
)


def run(options: Options) -> Report:
    """Prompts for a few failures, with the pack and without."""
    report = Report(bench="orientation")
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    _measure(report, "this repository, Python", ROOT, PLACES, rounds)
    web = options.folder / "web"
    _measure(report, f"{MODULES} files of TypeScript", web, _typescript(web), rounds)
    return report


def _typescript(folder: Path) -> tuple[str, ...]:
    """A tree of modules that each call the one before; the files whose failures are asked about."""
    folder.mkdir()
    for number in range(MODULES):
        functions = [
            f"export function price{number}_{n}(items: number[]): number {{\n"
            f"  return before({number}) + price{max(number - 1, 0)}_{n}(items) * {n};\n}}\n"
            for n in range(FUNCTIONS)
        ]
        (folder / f"module{number}.ts").write_text("\n".join(functions))
    return tuple(f"module{number}.ts" for number in (7, MODULES // 2, MODULES - 9))


def _measure(report: Report, what: str, root: Path, places: Sequence[str], rounds: int) -> None:
    took_s: dict[bool, list[float]] = {True: [], False: []}
    size: dict[bool, list[float]] = {True: [], False: []}
    named: list[float] = []
    for _ in range(rounds):
        for file in places:
            for is_on in (True, False):
                began_s = time.monotonic()
                prompt, pack = anyio.run(_prompt, root, file, is_on)
                took_s[is_on].append(time.monotonic() - began_s)
                size[is_on].append(len(prompt.encode()))
                if is_on:
                    named.append(len(re.findall(r"^\S+: line|defined at|imported at", pack, re.MULTILINE)))
    off = Beside("off", median(took_s[False]) * 1000)
    report.add(f"{what}: briefing and prompt, pack on", median(took_s[True]) * 1000, "ms", off)
    report.add(f"{what}: prompt, pack on", median(size[True]), "bytes", Beside("off", median(size[False])))
    report.add(f"{what}: files, symbols and importers told of", median(named), "")


async def _prompt(root: Path, file: str, is_on: bool) -> tuple[str, str]:
    line = sum(1 for _ in (root / file).open()) // 2
    verdict = failed("exit", stderr=f'Traceback\n  File "{root}/{file}", line {line}, in f\nAssertionError\n')
    agent = HarnessChoice(id="command", command="agent", orientation=is_on)
    goal = Goal(id=GoalId("g"), owner=Owner("o"), predicates=(CHECK,), harness=agent, workspace=str(root))
    state = PredicateState(verdict=verdict, fails=9, looks=9)
    progress = replace(Progress(), predicates={ID: state})
    vector = assess(goal, progress, Now(boot_s=0.0, wall_s=0.0))
    briefing = await SystemBriefer().brief(goal, vector, [ID], folder=None)
    return build_prompt(goal, progress, vector, [ID], briefing), briefing.orientation
