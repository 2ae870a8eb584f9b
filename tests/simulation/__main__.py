"""`make sim SEEDS=…`: many seeds, their figures, and for each that fails the one command that tells it again.

    python -m tests.simulation                      500 seeds
    python -m tests.simulation --seeds 2000         more of them, from 0
    python -m tests.simulation --seed 17            one, with its figures
    python -m tests.simulation --seed 17 --log      and with every log line of its daemons

A seed that fails goes into tests/simulation/regressions/seeds.txt, with a word on what it found.
"""

import argparse
import os
import sys
import time

from tests.simulation.batch import run_batch, summary
from tests.simulation.story import simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--horizon", type=float, help="hostile virtual seconds of each (else by seed)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--log", action="store_true", help="show what the daemons log")
    args = parser.parse_args()
    if args.seed is not None:
        if args.log:
            os.environ["KAZI_SIM_LOG"] = "1"
        print(simulate(args.seed, horizon_s=args.horizon))
        return 0
    began_s = time.monotonic()
    told = run_batch(range(args.first, args.first + args.seeds), horizon_s=args.horizon, jobs=args.jobs)
    print(summary(told, took_s=time.monotonic() - began_s, horizon_s=args.horizon))
    return 1 if told.failures else 0


if __name__ == "__main__":  # and not in the processes that a batch spawns
    sys.exit(main())
