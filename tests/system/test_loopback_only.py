"""With a local model no byte leaves loopback: shown in a network namespace that has nothing but loopback."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.house import ROOT

pytestmark = pytest.mark.long


def why_not() -> str | None:
    """Why no namespace can be made here."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "there is no unshare (util-linux)"
    run = subprocess.run([unshare, "-n", "true"], capture_output=True, text=True, check=False)
    return None if run.returncode == 0 else f"unshare -n: {run.stderr.strip()}"


def test_a_goal_with_a_local_model_converges_where_there_is_only_loopback(base: Path) -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    run = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.system.loopback_only", str(base)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert (found["status"], found["interfaces"]) == ("converged", ["lo"]), found
    assert found["counts"] >= 1, "the kernel counts who tries to reach somebody else"
    assert found["tried"] == 0, "neither daemon, client, shim nor agent tried"
    assert found["delivered"] > 0, "the model was asked, on loopback"
