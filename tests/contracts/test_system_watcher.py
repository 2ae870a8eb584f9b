import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from kazid.adapters.system import watcher as system_watcher
from kazid.adapters.system.watcher import SystemWatcher
from kazid.core.watch import FileSource, ProcessSource, Source, UnitSource
from kazid.ports.watcher import Watcher

pytest.register_assert_rewrite("tests.contracts.watcher_contract")
from tests.contracts.watcher_contract import KEY, OTHER, Bell, WatcherContract

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def systemd(tmp_path: Path) -> Path:
    """What systemd keeps in /run, where it runs."""
    units = tmp_path / "systemd" / "units"
    units.mkdir(parents=True)
    return units


@pytest.fixture
async def watcher(systemd: Path) -> AsyncIterator[SystemWatcher]:
    made = SystemWatcher(units=str(systemd), systemd_runs=str(systemd.parent))
    async with anyio.create_task_group() as group:
        await group.start(made.run)
        yield made
        group.cancel_scope.cancel()


class Real:
    """Files and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._writes = 0

    def path(self, name: str) -> str:
        return str(self._folder / name)

    def write(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._writes += 1
        Path(path).write_text(str(self._writes))

    def replace(self, path: str) -> None:
        self.write(path + ".new")
        Path(path + ".new").replace(path)

    def remove(self, path: str) -> None:
        shutil.rmtree(Path(path).parent)

    def start(self) -> int:
        process = subprocess.Popen(["sleep", "600"])
        self.processes[process.pid] = process
        return process.pid

    def kill(self, pid: int) -> None:
        self.processes[pid].kill()
        self.processes[pid].wait()

    def write_pid(self, path: str, pid: int) -> None:
        Path(path).write_text(f"{pid}\n")

    def unwatchable(self, watcher: Watcher) -> Source:
        loop = Path(self.path("loop"))
        loop.symlink_to(loop)
        return FileSource(str(loop))


@pytest.fixture
def scenery(tmp_path: Path) -> Iterator[Real]:
    real = Real(tmp_path / "world")
    Path(real.path("")).mkdir()
    yield real
    for process in real.processes.values():
        process.kill()
        process.wait()


class TestSystemWatcher(WatcherContract):
    async def test_a_link_on_the_way_that_is_swapped_is_a_change(
        self, watcher: SystemWatcher, scenery: Real
    ) -> None:
        for release in ("one", "two"):
            scenery.write(scenery.path(f"{release}/app.conf"))
        link = Path(scenery.path("current"))
        link.symlink_to("one")
        source = FileSource(str(link / "app.conf"))
        bell = await self.watch(watcher, source)
        Path(scenery.path("next")).symlink_to("two")
        Path(scenery.path("next")).replace(link)
        await bell.rings(source)
        await bell.falls_silent()
        scenery.write(scenery.path("one/app.conf"))
        await anyio.sleep(0.05)
        assert not bell.rung, "the old release is not looked at any more"
        scenery.write(scenery.path("two/app.conf"))
        await bell.rings(source)

    async def test_a_name_in_a_watched_folder_is_a_change_and_one_beside_a_watched_file_is_none(
        self, watcher: SystemWatcher, scenery: Real
    ) -> None:
        folder, file = FileSource(scenery.path("folder")), FileSource(scenery.path("folder/a"))
        scenery.write(file.path)
        bell = await self.watch(watcher, folder, file)
        scenery.write(scenery.path("folder/b"))
        await bell.rings(folder)
        assert not bell.rung[file]

    async def test_a_folder_that_was_moved_as_a_whole_is_found_again_at_the_next_watch(
        self, watcher: SystemWatcher, scenery: Real
    ) -> None:
        source = FileSource(scenery.path("a/b/c/file"))
        scenery.write(source.path)
        await self.watch(watcher, source)
        Path(scenery.path("a")).rename(scenery.path("moved"))
        bell = await self.watch(watcher, source)
        scenery.write(source.path)
        await bell.rings(source)

    async def test_a_lost_event_queue_wakes_everybody(
        self, watcher: SystemWatcher, scenery: Real, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quiet = FileSource(scenery.path("quiet"))
        bell = await self.watch(watcher, quiet)
        lost = system_watcher.Event(-1, system_watcher.OVERFLOW, "")
        monkeypatch.setattr(system_watcher.Inotify, "read", lambda self: [lost, *_read(self)])
        await watcher.watch(OTHER, [other := FileSource(scenery.path("other"))], Bell())
        scenery.write(other.path)
        await bell.rings(quiet)

    async def test_a_unit_that_starts_or_stops_is_a_change(
        self, watcher: SystemWatcher, systemd: Path
    ) -> None:
        source = UnitSource("web.service")
        bell = await self.watch(watcher, source)
        link = systemd / "invocation:web.service"
        link.symlink_to("0123456789abcdef")
        await bell.rings(source)
        await bell.falls_silent()
        link.unlink()
        await bell.rings(source)

    async def test_without_systemd_a_unit_is_named_as_not_watched(self, tmp_path: Path) -> None:
        absent = SystemWatcher(systemd_runs=str(tmp_path / "nothing"))
        source = UnitSource("web.service")
        assert await absent.watch(KEY, [source], Bell()) == {source: "systemd does not run here"}

    async def test_watches_are_given_back_and_bounded(
        self, watcher: SystemWatcher, scenery: Real, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(system_watcher, "KERNEL_WATCHES_MAX", 10)
        monkeypatch.setattr(system_watcher, "PROCESSES_MAX", 1)
        pids = [ProcessSource(scenery.start()) for _ in range(2)]
        sources = [FileSource(scenery.path(f"folder-{n}/file")) for n in range(20)]
        for source in sources:
            scenery.write(source.path)
        answer = await watcher.watch(KEY, [*sources, *pids], Bell())
        assert set(answer.values()) == {system_watcher.TOO_MANY}
        assert watcher.counts == (10, 1)
        watcher.drop(KEY)
        assert watcher.counts == (0, 0)
        assert await watcher.watch(KEY, sources[:5], Bell()) == {}

    async def test_a_thousand_lines_are_a_few_wakes(self, watcher: SystemWatcher, scenery: Real) -> None:
        source = FileSource(scenery.path("app.log"))
        scenery.write(source.path)
        bell = await self.watch(watcher, source)
        with Path(source.path).open("a") as log:
            for _ in range(1000):
                log.write("a line\n")
                log.flush()
        await bell.rings(source)
        await anyio.sleep(0.05)
        assert bell.rung[source] <= 5

    async def test_no_thread_is_held_for_what_is_watched(self, watcher: SystemWatcher, scenery: Real) -> None:
        sources = [FileSource(scenery.path(f"file-{n}")) for n in range(30)]
        threads = len(os.listdir("/proc/self/task"))
        await self.watch(watcher, *sources)
        assert len(os.listdir("/proc/self/task")) <= threads + system_watcher.THREADS_MAX


_read = system_watcher.Inotify.read
