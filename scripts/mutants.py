"""How much of `kazid/core` the tests hold: small faults are planted one by one, and each should make a test fail.

    make mutants                                  a sample of 200 with a new seed
    make mutants ARGS='--seed 7 --sample 400'     that sample again, or a larger one
    make mutants ARGS='--only kazid.core.backoff' everything in one module

Works on a copy of what is committed, prints the seed, the score and every survivor. Survivors that change nothing that
matters are listed with the reason in docs/mutants.md; the others are work. Exit 1 when the score is below the target.
"""

import argparse
import json
import os
import random
import re
import secrets
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JUDGED = ROOT / "docs" / "mutants.md"
TARGET = 0.85
SAMPLE = 200
PLANT = """
from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants, setup_source_paths
from mutmut.mutation.trampoline import set_mutant_under_test

if __name__ == "__main__":
    set_mutant_under_test("mutant_generation")
    __import__("pathlib").Path("mutants").mkdir()
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    create_mutants(2)
"""
"""The first half of `mutmut run`. The other half starts pytest anew for every fault, some 15 s each."""


def main() -> int:
    """Sample, run, count."""
    parser = argparse.ArgumentParser(
        description="Plant faults in kazid/core and see whether the tests notice."
    )
    parser.add_argument("--sample", type=int, default=SAMPLE, help="how many faults (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="which ones (default: new)"
    )
    parser.add_argument("--only", default="", metavar="PREFIX", help="only faults whose name begins so")
    parser.add_argument("--jobs", type=int, default=2, help="at the same time (default: %(default)s)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kazi-mutants-") as folder:
        copy = Path(folder) / "kazi"
        subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(copy)], check=True)
        print(f"seed {chosen.seed}: planting faults; the first test run takes minutes", flush=True)
        names = sorted(n for n in _planted(copy) if n.startswith(chosen.only))
        if not names:
            sys.exit(f"no fault begins with {chosen.only!r}")
        picked = random.Random(chosen.seed).sample(names, min(chosen.sample, len(names)))
        print(f"{len(picked)} of {len(names)} faults", flush=True)
        return _report(copy, _outcomes(copy, picked, jobs=chosen.jobs), seed=chosen.seed)


def _planted(copy: Path) -> list[str]:
    """Make mutmut's copy with every fault in it, each switched off, and name them."""
    run = subprocess.run([sys.executable, "-c", PLANT], cwd=copy, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"mutmut did not get to work:\n{run.stderr[-3000:]}")
    paths = (copy / "mutants" / "kazid" / "core").glob("*.meta")
    return [name for path in paths for name in json.loads(path.read_text())["exit_code_by_key"]]


def _outcomes(copy: Path, faults: Sequence[str], *, jobs: int) -> dict[str, str]:
    """What became of each of these, by scripts/mutant_runs.py."""
    request, answer = copy / "request.json", copy / "answer.json"
    request.write_text(json.dumps({"faults": faults, "jobs": jobs}))
    chosen = tomllib.loads((copy / "pyproject.toml").read_text())["tool"]["mutmut"]
    tests = [*chosen["pytest_add_cli_args"], *chosen["pytest_add_cli_args_test_selection"]]
    command = [sys.executable, str(copy / "scripts" / "mutant_runs.py"), str(request), str(answer), "--"]
    subprocess.run([*command, *tests], cwd=copy / "mutants", check=True)
    outcomes: dict[str, str] = json.loads(answer.read_text())
    return outcomes


def _report(copy: Path, outcomes: Mapping[str, str], *, seed: int) -> int:
    survivors = sorted(n for n, outcome in outcomes.items() if outcome != "killed")
    judged = set(re.findall(r"`(kazid\.[\w.ǁ]+)`", JUDGED.read_text())) if JUDGED.exists() else set[str]()
    for name in survivors:
        shown = subprocess.run(
            [str(Path(sys.executable).with_name("mutmut")), "show", name],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        mark = "judged harmless" if name in judged else outcomes[name].upper()
        print(f"\n{mark}  {name}")
        lines = shown.splitlines()[4:]
        print("\n".join(line for line in lines if line.startswith(("+", "-", "@"))))
    killed = len(outcomes) - len(survivors)
    score = killed / len(outcomes) if outcomes else 0.0
    harmless = sum(name in judged for name in survivors)
    print(
        f"\nseed {seed}: {killed} of {len(outcomes)} faults noticed, {score:.1%} (target {TARGET:.0%}); ",
        end="",
    )
    print(f"{len(survivors)} survived, {harmless} of them judged harmless")
    return 0 if score >= TARGET else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
