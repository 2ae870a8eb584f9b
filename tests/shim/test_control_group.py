"""An attempt's control group: what it limits it limits as a whole, and its end reaches what forks away from it.

Where this machine lets a test make groups, real ones are used, with the controllers there are; what the kernel would
read is checked on a folder with files of the same names besides.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from kazid.adapters.system.clock import SystemClock
from kazid.adapters.system.control_groups import (
    FRESH_S,
    PREFIX,
    ControlGroups,
    Delegated,
    delegated,
    own_group,
)
from kazid.adapters.system.doctor import limits_by
from kazid.adapters.system.runner import SystemRunner
from kazid.core.ids import AttemptId, GoalUid
from kazid.ports.runner import AttemptOrder
from kazid.shim import control_group, proctree
from tests.shim.shims import Shims, until

FORKER = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        os.environ.clear()
        if os.fork() == 0:
            os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"], {})
        os._exit(0)
time.sleep(600)
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def tree() -> Iterator[Delegated]:
    """A subtree that this test may use, with whatever controllers it can switch on."""
    own = own_group()
    if own is None:
        pytest.skip("no cgroup v2 is mounted here")
    folder = own / f"kazid-tests-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made in {own}: {error.strerror}")
    try:
        found = delegated(str(folder))
        if found.folder is None:
            pytest.skip(f"no process can be moved: {found.reason}")
        yield found
    finally:
        control_group.remove(str(folder))


def _fake(tmp_path: Path, *files: str) -> Path:
    """What `make` finds in a group that it made, where the kernel has these files."""
    group = tmp_path / "group"
    group.mkdir()
    for name in files:
        (group / name).touch()
    return group


@pytest.mark.parametrize(
    ("limits", "files", "held", "written"),
    [
        pytest.param(
            {"cpu": 2, "memory_bytes": 2**30, "pids": 50, "files": 64},
            ["cpu.max", "memory.max", "memory.swap.max", "pids.max"],
            {"cpu", "memory_bytes", "pids"},
            {"cpu.max": "200000 100000", "memory.max": str(2**30), "memory.swap.max": "0", "pids.max": "50"},
            id="all-controllers",
        ),
        pytest.param(
            {"memory_bytes": 2**30, "pids": 50}, ["pids.max"], {"pids"}, {"pids.max": "50"}, id="only-some"
        ),
        pytest.param(
            {"pids": 50},
            ["cpu.max", "memory.max", "pids.max"],
            {"pids"},
            {"cpu.max": "", "memory.max": "", "pids.max": "50"},
            id="what-is-not-asked-for-is-left",
        ),
        pytest.param({"cpu": 1}, [], set(), {}, id="none"),
    ],
)
def test_limits_are_written_where_the_kernel_has_a_file_for_them(
    tmp_path, monkeypatch, limits, files, held, written
) -> None:
    group = _fake(tmp_path, *files)
    monkeypatch.setattr(control_group.os, "mkdir", lambda *_, **__: None)
    assert control_group.make(str(group), limits) == held
    assert {name: (group / name).read_text() for name in written} == written


@pytest.mark.parametrize(
    ("cgroup", "mountinfo", "expected"),
    [
        pytest.param(
            "0::/system.slice/kazid.service/daemon\n",
            "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
            "/sys/fs/cgroup/system.slice/kazid.service/daemon",
            id="unified",
        ),
        pytest.param(
            "8:pids:/\n0::/\n",
            "29 23 0:25 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
            "30 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/unified",
            id="beside-version-1",
        ),
        pytest.param(
            "0::/box/inner\n",
            "30 23 0:26 /box /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/inner",
            id="a-container-that-sees-its-own-part",
        ),
        pytest.param(
            "0::/../other\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 c rw\n", None, id="out-of-sight"
        ),
        pytest.param(
            "8:pids:/\n", "29 23 0:25 / /sys/fs/cgroup rw - cgroup cgroup rw\n", None, id="version-1"
        ),
    ],
)
def test_the_own_group_is_found_where_it_is_mounted(tmp_path, cgroup, mountinfo, expected) -> None:
    (tmp_path / "cgroup").write_text(cgroup)
    (tmp_path / "mountinfo").write_text(mountinfo)
    assert own_group(tmp_path) == (None if expected is None else Path(expected))


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        pytest.param("off", "switched off by [cgroup] folder", id="off"),
        pytest.param("/nonexistent/group", "/nonexistent/group takes no group: No such file", id="not-there"),
    ],
)
def test_without_a_subtree_it_is_said_why(setting, reason) -> None:
    found = delegated(setting)
    assert found.folder is None
    assert found.reason.startswith(reason)


def test_a_folder_that_is_no_control_group_moves_nobody(tmp_path) -> None:
    found = delegated(str(tmp_path))
    assert found.folder is None
    assert found.reason.startswith(f"no process can be moved below {tmp_path}")
    assert list(tmp_path.iterdir()) == []


def test_a_group_that_nobody_marked_is_not_taken_for_delegated(tmp_path) -> None:
    own = own_group()
    if own is None:
        pytest.skip("no cgroup v2 is mounted here")
    try:
        is_marked = os.getxattr(own, "user.delegate") == b"1"
    except OSError:
        is_marked = False
    if is_marked:
        pytest.skip("the tests run in a delegated group")
    assert delegated().folder is None


@pytest.mark.parametrize(
    ("found", "uid", "state", "words"),
    [
        pytest.param(
            Delegated(folder="/g", controllers=frozenset({"cpu", "memory", "pids"}), kills=True),
            0,
            "ok",
            "[limits] cpu, memory and pids by cgroup, for an attempt as a whole; files by rlimit and CPU affinity, for "
            "each of its processes; what an attempt leaves is ended by cgroup.kill",
            id="all-delegated",
        ),
        pytest.param(
            Delegated(reason="no cgroup is delegated to the daemon"),
            1000,
            "ok",
            "[limits] cpu, memory, pids and files by rlimit and CPU affinity, for each of its processes "
            "(no cgroup is delegated to the daemon)",
            id="nothing-delegated",
        ),
        pytest.param(
            Delegated(
                folder="/g", controllers=frozenset({"memory"}), reason="not delegated there: cpu, pids"
            ),
            0,
            "warn",
            "[limits] memory by cgroup, for an attempt as a whole; cpu, pids and files by rlimit and CPU affinity, for "
            "each of its processes (not delegated there: cpu, pids); pids does not hold root",
            id="some-as-root",
        ),
    ],
)
def test_doctor_says_what_each_limit_holds_by(found, uid, state, words) -> None:
    finding = limits_by(found, uid=uid)
    assert (finding.state, finding.found) == (state, words)


def test_a_sweep_removes_old_empty_groups_only(tree: Delegated) -> None:
    groups = ControlGroups(tree)
    empty = groups.of_attempt(AttemptId("swept"))
    assert empty is not None
    control_group.make(empty, {})
    groups.sweep()
    assert Path(empty).exists(), "its command may be about to enter"
    groups.sweep(now_wall_s=time.time() + 2 * FRESH_S)
    assert not Path(empty).exists()


@pytest.mark.anyio
async def test_the_runner_gives_each_attempt_a_group_and_ends_it_where_the_shim_was_killed(
    tree: Delegated, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    groups = ControlGroups(tree)
    runner = SystemRunner(
        state_dir=str(state), clock=SystemClock(), base_environment=dict(os.environ), control_groups=groups
    )
    runner.write_identity()
    away = "import os, sys; os.setsid(); os.execve('/bin/sleep', ['sleep', '600'], {})"
    argv = (sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {away!r}])")
    order = AttemptOrder(
        uid=GoalUid("goal"),
        attempt_id=AttemptId("grouped"),
        argv=argv,
        cwd=str(tmp_path),
        path=os.environ["PATH"],
    )
    attempt = await runner.start(order)
    group = groups.of_attempt(order.attempt_id)
    assert group is not None
    with anyio.fail_after(60):
        while len(control_group.members(group)) < 2:
            await anyio.sleep(0.02)
    inside = control_group.members(group)
    assert attempt.shim is not None
    os.kill(attempt.shim.pid, signal.SIGKILL)
    with anyio.fail_after(60):
        result = await attempt.wait()
    assert (result.ending, result.survivors) == ("killed", ())
    assert not any(proctree.is_alive(pid) for pid in inside)
    assert not Path(group).exists()


def test_the_end_reaches_who_left_session_parent_and_mark(shims: Shims, tree: Delegated) -> None:
    assert tree.folder is not None
    group = f"{tree.folder}/{PREFIX}forks"
    shim = shims.python(FORKER, control_group=group, grace_s=0.2)
    until(lambda: len(control_group.members(group)) == 4)
    inside = control_group.members(group)
    assert shim.pid not in inside, "what ends the group is not in it"
    shim.cancel()
    assert shim.result()["survivors"] == []
    assert not any(proctree.is_alive(pid) for pid in inside)
    shim.wait()
    assert not Path(group).exists()


def test_a_killed_shims_attempt_is_ended_through_its_group(tree: Delegated, tmp_path: Path) -> None:
    assert tree.folder is not None
    if not tree.kills:
        pytest.skip("this kernel has no cgroup.kill")
    group = f"{tree.folder}/{PREFIX}orphan"
    control_group.make(group, {})
    pid = os.fork()
    if pid == 0:
        control_group.enter(group)
        signal.pause()
        os._exit(0)
    until(lambda: control_group.members(group) == [pid])
    assert control_group.kill(group)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    until(lambda: (control_group.remove(group), not Path(group).exists())[1])


def test_memory_is_one_bound_for_all_processes_together(shims: Shims, tree: Delegated) -> None:
    if "memory" not in tree.controllers:
        pytest.skip(f"the memory controller cannot be delegated here: {tree.reason}")
    script = (
        "import subprocess, sys\n"
        "part = \"x = bytearray(48 * 2**20); import time; print('held', flush=True); time.sleep(5)\"\n"
        "all_of_it = [subprocess.Popen([sys.executable, '-c', part]) for _ in range(3)]\n"
        "sys.exit(any([p.wait() for p in all_of_it]))\n"
    )
    group = f"{tree.folder}/{PREFIX}memory"
    shim = shims.python(script, control_group=group, limits={"memory_bytes": 100 * 2**20})
    result = shim.result()
    assert result["exit_code"] != 0
    assert "memory was used up" in result["reason"]


def test_processes_are_counted_over_the_attempt_and_root_is_bound_too(shims: Shims, tree: Delegated) -> None:
    if "pids" not in tree.controllers:
        pytest.skip(f"the pids controller cannot be delegated here: {tree.reason}")
    script = "import os, time\nfor _ in range(20):\n    if os.fork() == 0: time.sleep(30)\n"
    shim = shims.python(script, control_group=f"{tree.folder}/{PREFIX}pids", limits={"pids": 8}, grace_s=0.1)
    assert shim.result()["exit_code"] == 1
    assert b"Resource temporarily unavailable" in shim.log("stderr")


def test_where_no_group_can_be_made_resource_limits_hold(shims: Shims) -> None:
    script = "import resource; print(resource.getrlimit(resource.RLIMIT_DATA)[0])"
    shim = shims.python(script, control_group="/nonexistent/group", limits={"memory_bytes": 256 * 2**20})
    assert shim.result()["exit_code"] == 0
    assert int(shim.log()) == 256 * 2**20
