"""All benches, or those that are named: figures, and ratios to a peer or a limit that was measured in the same run.

    make bench ARGS='reaction client --quick --json figures.json'

Everything runs on loopback and in a temporary folder, is bounded in time, and is gone at the end. A peer that is not on
PATH is skipped and named. The exit code says whether the benches ran, not whether every target was met.
"""

import argparse
import datetime as dt
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench import (  # noqa: E402
    audit,
    client,
    commits,
    dispatch,
    flood,
    idle,
    kill,
    orientation,
    probe,
    reaction,
    real_agents,
    spawn,
    tcp_probe,
)
from bench.daemon import BenchFailed  # noqa: E402
from bench.figures import Figure, Options, Report, shown  # noqa: E402
from kazid.core.errors import JournalUnusable  # noqa: E402

BENCHES: Mapping[str, Callable[[Options], Report]] = {
    "client": client.run,
    "journal": commits.run,
    "audit": audit.run,
    "spawn": spawn.run,
    "tcp": tcp_probe.run,
    "reaction": reaction.run,
    "kill": kill.run,
    "probe": probe.run,
    "dispatch": dispatch.run,
    "agents": real_agents.run,
    "flood": flood.run,
    "orientation": orientation.run,
    "idle": idle.run,
}


def main() -> int:
    """Run them one after another; 1 when one of them could not."""
    arguments = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that whatever runs is ended
    reports: list[Report] = []
    failed = False
    machine = _machine()
    print(f"{machine}\n", flush=True)
    for name in arguments.names or BENCHES:
        # Short, because a socket's path must be.
        with tempfile.TemporaryDirectory(prefix=f"kazi-{name}-", dir=arguments.folder) as folder:
            options = Options(folder=Path(folder), quick=arguments.quick, profile=arguments.profile)
            began_s = time.monotonic()
            try:
                report = BENCHES[name](options)
            except (BenchFailed, JournalUnusable, OSError) as failure:
                failed = True
                print(f"== {name}\n   FAILED: {failure}\n", file=sys.stderr, flush=True)
                continue
            report.took_s = time.monotonic() - began_s
            reports.append(report)
            print("\n".join(shown(report)) + "\n", flush=True)
    _conclude(reports)
    if arguments.json is not None:
        arguments.json.write_bytes(
            msgspec.json.format(msgspec.json.encode(_document(machine, reports)), indent=2) + b"\n"
        )
    return 1 if failed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="BENCH", help=f"one of {', '.join(BENCHES)}; default: all"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and goals; the figures are rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="leave the figures as JSON")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="on the disk to measure (default: the usual temporary folder)",
    )
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="leave a cProfile of the idle bench's daemon"
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    return arguments


def _conclude(reports: list[Report]) -> None:
    judged = [(report.bench, f) for report in reports for f in report.figures if f.is_met is not None]
    missed = [f"{bench}: {figure.name}" for bench, figure in judged if not figure.is_met]
    print(
        f"{len(judged) - len(missed)} of {len(judged)} targets met"
        + "".join(f"\n   missed: {m}" for m in missed)
    )


def _document(machine: str, reports: list[Report]) -> dict[str, object]:
    return {
        "machine": machine,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "benches": [
            {
                "bench": report.bench,
                "took_s": round(report.took_s, 1),
                "figures": [_figure(figure) for figure in report.figures],
                "notes": report.notes,
                "skipped": report.skipped,
            }
            for report in reports
        ],
    }


def _figure(figure: Figure) -> dict[str, object]:
    beside = [
        {"name": b.name, "value": b.value, "ratio": figure.ratio(b), "ratio_max": b.ratio_max}
        for b in figure.beside
    ]
    return {**msgspec.to_builtins(figure), "beside": beside, "is_met": figure.is_met}


def _machine() -> str:
    peers = [name for name in ("monit", "supervisorctl") if shutil.which(name)]
    return (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()},"
        f" Linux {platform.release().split('-')[0]}; peers: {', '.join(peers) or 'none'}"
    )


if __name__ == "__main__":
    sys.exit(main())
