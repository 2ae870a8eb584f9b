"""Coverage-guided fuzzing of every parser of `tests/fuzz/targets.py`: `make fuzz`.

Each target runs in a process of its own, for its seconds, with a bound on memory, on the length of an input and on
the time of one; a crash prints the input and ends the run red. Nothing is kept: what was found becomes a seed.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INPUT_BYTES_MAX = 2048
INPUT_S_MAX = 5
MEMORY_MIB_MAX = 1024
START_S = 240
"""What a process may need beyond its seconds: instrumenting takes some."""


def main() -> int:
    """Run all targets, or those that are named; the exit code is how it went."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*")
    arguments = parser.parse_args()
    if arguments.inside:
        return _inside(arguments.targets[0], arguments.targets[1], arguments.seconds)
    from tests.fuzz.targets import TARGETS

    broken: list[str] = []
    for name in arguments.targets or sorted(TARGETS):
        said = _run(name, arguments.seconds)
        print(f"{'broken' if said else 'ok':7} {name}", flush=True)
        if said:
            broken.append(name)
            print(said, flush=True)
    print(f"{len(broken)} targets broken: {', '.join(broken)}" if broken else "no target is broken")
    return 1 if broken else 0


def _run(name: str, seconds: int) -> str:
    """What went wrong with the target, in the fuzzer's words; empty when nothing did."""
    with tempfile.TemporaryDirectory(prefix="kazi-fuzz-") as folder:
        inside = (sys.executable, "-m", "scripts.fuzz", "--inside", "--seconds", str(seconds), name, folder)
        try:
            done = subprocess.run(
                inside,
                cwd=ROOT,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds + START_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no end {START_S} s after its {seconds} s"
        return "" if done.returncode == 0 else f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def _inside(name: str, folder: str, seconds: int) -> int:
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["kazid.providers"]):
        from tests.fuzz.targets import RED, TARGETS
    target = TARGETS[name]
    corpus = Path(folder)
    for number, seed in enumerate((*target.seeds, *((RED[name],) if name in RED else ()))):
        (corpus / f"seed-{number}").write_bytes(seed)
    flags = (
        f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", f"-timeout={INPUT_S_MAX}",
        f"-rss_limit_mb={MEMORY_MIB_MAX}", f"-artifact_prefix={folder}/", "-verbosity=0", "-print_final_stats=0",
    )  # fmt: skip
    atheris.Setup([sys.argv[0], *flags, str(corpus)], lambda data: target.run(data) and None)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
