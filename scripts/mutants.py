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
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JUDGED = ROOT / "docs" / "mutants.md"
TARGET = 0.85
SAMPLE = 200
SURVIVED, UNTESTED = 0, 33
"""Exit codes that mutmut keeps: the tests passed, or none of them came by."""


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
        print(f"seed {chosen.seed}: planting faults; the first test run takes a minute", flush=True)
        _mutmut(
            copy, chosen.jobs, ["kazid.core.ids.*"]
        )  # makes all mutants, and learns which test runs which line
        names = sorted(n for n in _exit_codes(copy) if n.startswith(chosen.only))
        if not names:
            sys.exit(f"no fault begins with {chosen.only!r}")
        picked = random.Random(chosen.seed).sample(names, min(chosen.sample, len(names)))
        print(f"{len(picked)} of {len(names)} faults", flush=True)
        _mutmut(copy, chosen.jobs, picked)
        codes = {name: code for name, code in _exit_codes(copy).items() if name in set(picked)}
        return _report(copy, codes, seed=chosen.seed)


def _mutmut(copy: Path, jobs: int, names: Sequence[str]) -> None:
    """Run these; its own exit code says only that some survived."""
    command = [_program(), "run", "--max-children", str(jobs), *names]
    run = subprocess.run(
        command, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if not (copy / "mutants" / "mutmut-stats.json").exists():
        sys.exit(f"mutmut did not get to work:\n{run.stdout[-3000:]}")


def _program() -> str:
    return str(Path(sys.executable).with_name("mutmut"))


def _exit_codes(copy: Path) -> dict[str, int | None]:
    codes: dict[str, int | None] = {}
    for path in (copy / "mutants" / "kazid" / "core").glob("*.meta"):
        codes |= json.loads(path.read_text())["exit_code_by_key"]
    return codes


def _report(copy: Path, codes: Mapping[str, int | None], *, seed: int) -> int:
    unfinished = sorted(n for n, code in codes.items() if code is None)
    survivors = sorted(n for n, code in codes.items() if code in (SURVIVED, UNTESTED))
    judged = set(re.findall(r"`(kazid\.[\w.ǁ]+)`", JUDGED.read_text())) if JUDGED.exists() else set[str]()
    for name in survivors:
        shown = subprocess.run(
            [_program(), "show", name], cwd=copy, capture_output=True, text=True, check=False
        ).stdout
        mark = "judged harmless" if name in judged else "SURVIVED" if codes[name] == SURVIVED else "UNTESTED"
        print(f"\n{mark}  {name}")
        lines = shown.splitlines()[4:]
        print("\n".join(line for line in lines if line.startswith(("+", "-", "@"))))
    done = len(codes) - len(unfinished)
    killed = done - len(survivors)
    score = killed / done if done else 0.0
    harmless = sum(name in judged for name in survivors)
    print(f"\nseed {seed}: {killed} of {done} faults noticed, {score:.1%} (target {TARGET:.0%}); ", end="")
    print(f"{len(survivors)} survived, {harmless} of them judged harmless; {len(unfinished)} not run")
    return 0 if score >= TARGET and not unfinished else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
