"""`[limits]` around a real command: open files, memory, CPUs and processes, inherited by what it starts."""

import os

import pytest

from tests.shim.shims import Shims

SHOW = """
import os, resource, subprocess, sys
for kind in ("NOFILE", "DATA", "NPROC"):
    print(kind, resource.getrlimit(getattr(resource, f"RLIMIT_{kind}"))[0])
print("CPUS", len(os.sched_getaffinity(0)))
"""


def shown(shims: Shims, **limits: int) -> dict[str, int]:
    shim = shims.python(SHOW, limits=limits)
    assert shim.result()["exit_code"] == 0, shim.log("stderr")
    return {name: int(value) for name, value in (line.split() for line in shim.log().decode().splitlines())}


def test_each_limit_is_laid_on_the_command(shims: Shims) -> None:
    found = shown(shims, files=64, memory_bytes=512 * 2**20, pids=50, cpu=1)
    assert (found["NOFILE"], found["DATA"], found["CPUS"]) == (64, 512 * 2**20, 1)
    assert 50 < found["NPROC"] < 100_000, "what runs already is added"


def test_without_limits_the_command_has_what_the_shim_has(shims: Shims) -> None:
    assert shown(shims)["CPUS"] == len(os.sched_getaffinity(0))
    assert shown(shims, cpu=4096)["CPUS"] == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("script", "limits", "error"),
    [
        pytest.param(
            "import os\nfor _ in range(100): os.open('/dev/null', 0)", {"files": 32}, b"Too many open files", id="files"
        ),
        pytest.param("x = bytearray(2**30)", {"memory_bytes": 256 * 2**20}, b"MemoryError", id="memory"),
    ],
)  # fmt: skip
def test_what_is_beyond_is_refused_to_the_command_and_to_what_it_starts(
    shims: Shims, script: str, limits: dict[str, int], error: bytes
) -> None:
    inner = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {script!r}]).returncode)"
    for each in (script, inner):
        shim = shims.python(each, limits=limits)
        assert shim.result()["exit_code"] == 1
        assert error in shim.log("stderr")
