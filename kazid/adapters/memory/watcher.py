"""Watching without a world: what a test says happens, happens; what it says cannot be watched, is refused."""

from collections.abc import Callable, Mapping, Sequence

import anyio.lowlevel

from kazid.core.watch import FileSource, PidFileSource, ProcessSource, Source, UnitSource
from kazid.ports.watcher import WatchKey


class MemoryWatcher:
    """The port in memory. `refused` holds what cannot be watched, by the words of why."""

    def __init__(self) -> None:
        self.refused: dict[Source, str] = {}
        self.gone: set[int] = set()
        """Processes that have ended."""
        self._keys: dict[WatchKey, tuple[tuple[Source, ...], Callable[[Source], None]]] = {}
        self._pid_files: dict[str, int] = {}

    async def watch(
        self, key: WatchKey, sources: Sequence[Source], wake: Callable[[Source], None]
    ) -> Mapping[Source, str]:
        """See the port."""
        await anyio.lowlevel.checkpoint()
        before = self._keys[key][0] if key in self._keys else ()
        self._keys[key] = (tuple(sources), wake)
        for source in sources:
            if isinstance(source, ProcessSource) and source.pid in self.gone and source not in before:
                wake(source)
        return {source: self.refused[source] for source in sources if source in self.refused}

    def drop(self, key: WatchKey) -> None:
        """See the port."""
        self._keys.pop(key, None)

    @property
    def watched(self) -> Mapping[WatchKey, tuple[Source, ...]]:
        """What is watched now, by whom."""
        return {key: sources for key, (sources, _) in self._keys.items()}

    def touch(self, path: str) -> None:
        """A file came, went or changed."""
        self._tell(lambda s: isinstance(s, FileSource | PidFileSource) and s.path == path)

    def write_pid(self, path: str, pid: int) -> None:
        """A pid file was written."""
        self._pid_files[path] = pid
        self.touch(path)

    def end(self, pid: int) -> None:
        """A process ended."""
        self.gone.add(pid)
        self._tell(
            lambda s: (
                (isinstance(s, ProcessSource) and s.pid == pid)
                or (isinstance(s, PidFileSource) and self._pid_files.get(s.path) == pid)
            )
        )

    def change(self, unit: str) -> None:
        """A unit started or stopped."""
        self._tell(lambda s: isinstance(s, UnitSource) and s.unit == unit)

    def _tell(self, is_meant: Callable[[Source], bool]) -> None:
        for sources, wake in list(self._keys.values()):
            for source in sources:
                if is_meant(source) and source not in self.refused:
                    wake(source)
