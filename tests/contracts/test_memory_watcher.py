import itertools

import pytest

from kazid.adapters.memory.watcher import MemoryWatcher
from kazid.core.watch import FileSource, Source
from kazid.ports.watcher import Watcher

pytest.register_assert_rewrite("tests.contracts.watcher_contract")
from tests.contracts.watcher_contract import WatcherContract

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


@pytest.fixture
def watcher() -> MemoryWatcher:
    return MemoryWatcher()


class Told:
    """A world that is what the test says."""

    def __init__(self, watcher: MemoryWatcher) -> None:
        self._watcher = watcher
        self._pids = itertools.count(1)
        self.write = self.replace = self.remove = watcher.touch
        self.kill = watcher.end
        self.write_pid = watcher.write_pid

    def path(self, name: str) -> str:
        return f"/told/{name}"

    def start(self) -> int:
        return next(self._pids)

    def unwatchable(self, watcher: Watcher) -> Source:
        self._watcher.refused[source := FileSource("/refused")] = "because"
        return source


@pytest.fixture
def scenery(watcher: MemoryWatcher) -> Told:
    return Told(watcher)


class TestMemoryWatcher(WatcherContract):
    pass
