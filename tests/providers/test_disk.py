"""`disk`: room as df counts it, the mount itself, and a file system that does not answer."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers import disk as disk_module
from kazid.providers.blocking import Stop
from kazid.providers.catalog import KINDS
from kazid.providers.disk import Disk, DiskOptions, Room, interpret, measure
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio
COMMANDS = ScriptedCommandRunner()


async def look(folder: Path, **options: Json) -> Verdict:
    return await Disk().evaluate(options, a_look(folder), COMMANDS)


class TestContract(ProviderContract):
    passing: Mapping[str, Json] = {"path": "/", "free_mb_min": 0.001}
    failing: Mapping[str, Json] = {"path": "/", "free_mb_min": 1e15}
    erring: Mapping[str, Json] = {"path": "/proc", "free_percent_min": 1}
    hanging: Mapping[str, Json] = {"path": "/hangs", "free_percent_min": 1}
    keys = tuple(DiskOptions.__struct_fields__)
    kind = KINDS["disk"]

    @pytest.fixture(autouse=True)
    def _made(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.provider = Disk()
        self.commands = COMMANDS
        whole = disk_module.measure

        def measure_or_hang(path: str, stop: Stop) -> Room | Verdict:
            while path == "/hangs" and not stop.is_set:  # as a dead network disk does
                time.sleep(0.01)
            return whole(path, stop)

        monkeypatch.setattr(disk_module, "measure", measure_or_hang)


GB = 10**9


def a_room(**others: Any) -> Room:
    fields: dict[str, Any] = {
        "size_bytes": 100 * GB, "free_bytes": 15 * GB, "used_bytes": 80 * GB, "inodes": 1000, "inodes_free": 50,
        "is_read_only": False, "is_mount_point": True,
    }  # fmt: skip
    return Room(**{**fields, **others})


@pytest.mark.parametrize(
    ("room", "options", "status", "reason"),
    [
        pytest.param(
            a_room(), {"free_percent_min": 15.78}, "pass", None, id="percent-of-what-users-can-have"
        ),
        pytest.param(a_room(), {"free_percent_min": 15.8}, "fail", "low_space", id="too-few-percent"),
        pytest.param(a_room(), {"free_mb_min": 15000}, "pass", None, id="exactly-enough"),
        pytest.param(a_room(), {"free_mb_min": 15000.1}, "fail", "low_space", id="too-few-bytes"),
        pytest.param(a_room(free_bytes=0), {"free_percent_min": 1}, "fail", "low_space", id="full"),
        pytest.param(a_room(), {"inodes_free_percent_min": 5}, "pass", None, id="inodes"),
        pytest.param(a_room(), {"inodes_free_percent_min": 6}, "fail", "low_inodes", id="too-few-inodes"),
        pytest.param(
            a_room(inodes=0, inodes_free=0),
            {"inodes_free_percent_min": 5},
            "unknown",
            "not_applicable",
            id="btrfs",
        ),
        pytest.param(
            a_room(is_mount_point=False), {"mount_point": True}, "fail", "not_mounted", id="not-mounted"
        ),
        pytest.param(a_room(is_mount_point=False), {"free_mb_min": 1}, "pass", None, id="mount-not-asked"),
        pytest.param(
            a_room(is_read_only=True), {"writable": True}, "fail", "read_only", id="read-only-after-an-error"
        ),
        pytest.param(
            a_room(free_bytes=0, used_bytes=0), {"free_percent_min": 1}, "error", "no_size", id="no-size"
        ),
        pytest.param(
            a_room(free_bytes=0, used_bytes=0), {"mount_point": True}, "pass", None, id="no-size-asked"
        ),
    ],
)
def test_room_is_judged(room: Room, options: Any, status: str, reason: str | None) -> None:
    verdict = interpret(room, DiskOptions(path="/data", **options), path="/data")
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict
    assert verdict.is_green or verdict.detail


async def test_it_agrees_with_df(tmp_path: Path) -> None:
    said = subprocess.run(
        ["df", "-B1", "--output=avail,size,pcent", str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()[1]
    available, size, used_percent = said.replace("%", "").split()
    room = measure(str(tmp_path), Stop())
    assert isinstance(room, Room)
    assert room.size_bytes == int(size)
    assert abs(room.free_bytes - int(available)) < 1e9, "others write meanwhile"
    assert room.free_percent is not None
    assert abs((100 - room.free_percent) - int(used_percent)) <= 1.5


async def test_no_such_path_is_red(tmp_path: Path) -> None:
    verdict = await look(tmp_path, path="none", free_percent_min=1)
    assert (verdict.status, verdict.reason) == (Status.FAIL, "absent")


async def test_a_folder_nothing_is_mounted_on_is_red(tmp_path: Path) -> None:
    assert (await look(tmp_path, path=".", mount_point=True)).reason == "not_mounted"
    assert (await look(tmp_path, path="/proc", mount_point=True)).is_green


def test_a_real_full_and_read_only_disk(tmp_path: Path) -> None:
    """A file system of its own, in a mount namespace that vanishes with the process."""
    if shutil.which("unshare") is None or os.system("unshare -rm true 2>/dev/null"):
        pytest.skip("this machine lets nobody mount in a namespace of their own (unshare -rm)")
    import sys

    script = f"""
import subprocess, anyio
from pathlib import Path
from kazid.providers.disk import Disk
from tests.providers.provider_contract import a_look
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=100", "none", {str(tmp_path)!r}], check=True)
def say(**options):
    verdict = anyio.run(lambda: Disk().evaluate({{"path": {str(tmp_path)!r}, **options}}, a_look(Path("/")), None))
    print(verdict.status.value, verdict.reason)
say(free_percent_min=50, inodes_free_percent_min=50, mount_point=True, writable=True)
for n in range(80): Path({str(tmp_path)!r}, f"f{{n}}").touch()
say(inodes_free_percent_min=50)
Path({str(tmp_path)!r}, "f0").write_bytes(b"x" * 3_500_000)
say(free_percent_min=50)
subprocess.run(["mount", "-o", "remount,ro", {str(tmp_path)!r}], check=True)
say(writable=True)
"""
    root = Path(__file__).resolve().parents[2]
    said = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", script], capture_output=True, text=True, cwd=root, timeout=60
    )
    assert said.stdout.splitlines() == ["pass None", "fail low_inodes", "fail low_space", "fail read_only"], (
        said.stderr
    )
