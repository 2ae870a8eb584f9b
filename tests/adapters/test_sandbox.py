"""Bounds around an agent, as this kernel and bubblewrap enforce them: outside is denied, inside works."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kazid.adapters.system.commands import SystemCommandRunner
from kazid.adapters.system.sandbox import SystemSandbox
from kazid.core.confinement import SCRATCH, Capabilities, Confinement, confinement_of, unenforceable
from kazid.core.goal import Sandbox
from kazid.shim import confine
from tests.builders import a_goal, a_harness

pytestmark = pytest.mark.anyio
LANDLOCK = pytest.param(
    "landlock", marks=pytest.mark.skipif(confine.abi() < 4, reason="this kernel has no landlock 4")
)
BWRAP = pytest.param(
    "bwrap", marks=pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bubblewrap installed")
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _sandbox(kind: str) -> SystemSandbox:
    sandbox = SystemSandbox(SystemCommandRunner(environ=dict(os.environ), state_id="t"))
    known = await sandbox.capabilities()
    if kind == "bwrap" and known.bubblewrap is None:
        pytest.skip(f"bubblewrap: {known.bubblewrap_reason}")
    if kind == "landlock":
        sandbox._known = msgspec.structs.replace(known, bubblewrap=None)
    return sandbox


def _run(
    sandbox: SystemSandbox, bounds: Confinement, code: str, cwd: Path
) -> subprocess.CompletedProcess[str]:
    line = sandbox.wrap((sys.executable, "-c", code), bounds, cwd=str(cwd))
    return subprocess.run(line, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


def _bounds(goal_sandbox: Sandbox, tree: Path) -> Confinement:
    goal = msgspec.structs.replace(a_goal(harness=a_harness()), sandbox=goal_sandbox)
    found = confinement_of(goal, folders=(str(tree),))
    assert found is not None
    return msgspec.structs.replace(found, writes=[w for w in found.writes if w not in SCRATCH])


@pytest.mark.parametrize("kind", [LANDLOCK, BWRAP])
@pytest.mark.parametrize("mode", ["worktree", "strict"])
async def test_an_agent_writes_to_its_tree_and_to_nothing_else(kind: str, mode: str, tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    tree.mkdir()
    outside.mkdir()
    (outside / "mine").write_text("mine")
    sandbox = await _sandbox(kind)
    bounds = _bounds(Sandbox(mode=mode), tree)
    inside = _run(sandbox, bounds, "open('a', 'w').write('x'); print(open('a').read())", tree)
    assert inside.stdout == "x\n", inside.stderr
    for code in (f"open({str(outside / 'new')!r}, 'w')", f"import os; os.unlink({str(outside / 'mine')!r})"):
        assert _run(sandbox, bounds, code, tree).returncode != 0
    assert [p.name for p in outside.iterdir()] == ["mine"]
    reads = _run(sandbox, bounds, f"print(open({str(outside / 'mine')!r}).read())", tree)
    assert (reads.returncode == 0) is (mode == "worktree")


async def test_only_the_listed_ports_can_be_reached(tmp_path: Path) -> None:
    if confine.abi() < 4:
        pytest.skip("this kernel has no landlock 4")
    sandbox = await _sandbox("landlock")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [s.getsockname()[1] for s in (one, other)]
        bounds = _bounds(Sandbox(mode="worktree", network="ports", ports=(ports[0],)), tmp_path)
        codes = [
            _run(
                sandbox, bounds, f"import socket; socket.create_connection(('127.0.0.1', {p}))", tmp_path
            ).returncode
            for p in ports
        ]
    assert codes == [0, 1]


@pytest.mark.parametrize("kind", [BWRAP])
async def test_offline_is_without_any_network(kind: str, tmp_path: Path) -> None:
    sandbox = await _sandbox(kind)
    bounds = _bounds(Sandbox(mode="worktree", network="off"), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        run = _run(
            sandbox, bounds, f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)", tmp_path
        )
    assert run.returncode != 0


@pytest.mark.parametrize(
    ("asked", "can", "refused"),
    [
        pytest.param(
            {"mode": "worktree"}, {"landlock_abi": 0, "bubblewrap": None}, "neither", id="nothing-here"
        ),
        pytest.param({"mode": "strict"}, {"landlock_abi": 0, "bubblewrap": "/b"}, None, id="bubblewrap"),
        pytest.param(
            {"mode": "strict"}, {"landlock_abi": 3, "bubblewrap": None}, None, id="landlock-is-the-floor"
        ),
        pytest.param(
            {"network": "off"}, {"landlock_abi": 7, "bubblewrap": None}, "bubblewrap", id="no-namespace"
        ),
        pytest.param(
            {"network": "ports"}, {"landlock_abi": 3, "bubblewrap": "/b"}, "landlock 4", id="no-port-rules"
        ),
    ],
)
def test_what_cannot_be_enforced_is_refused(
    asked: dict[str, Any], can: dict[str, Any], refused: str | None
) -> None:
    goal = msgspec.structs.replace(a_goal(harness=a_harness()), sandbox=Sandbox(**asked))
    said = unenforceable(goal, Capabilities(**can))
    assert (said is None) is (refused is None)
    assert refused is None or refused in (said or "")
