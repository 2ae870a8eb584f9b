"""What every watcher promises: each sentence of `ports/watcher.py` is a test with its words."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import anyio

from kazid.core.ids import GoalUid, PredicateId
from kazid.core.watch import FileSource, PidFileSource, ProcessSource, Source
from kazid.ports.watcher import Watcher, WatchKey

KEY = WatchKey(GoalUid("uid"), PredicateId("p"))
OTHER = WatchKey(GoalUid("uid"), PredicateId("other"))
SOON_S = 60.0
QUIET_S = 0.15
"""So long nothing has to come before it counts as nothing."""


class Scenery(Protocol):
    """The world that is watched: one that can be changed, in memory or for real."""

    def path(self, name: str) -> str: ...
    def write(self, path: str) -> None: ...
    def replace(self, path: str) -> None: ...
    def remove(self, path: str) -> None: ...
    def start(self) -> int: ...
    def kill(self, pid: int) -> None: ...
    def write_pid(self, path: str, pid: int) -> None: ...
    def unwatchable(self, watcher: Watcher) -> Source: ...


class Bell:
    """Counts wakes, and waits for the next."""

    def __init__(self) -> None:
        self.rung: Counter[Source] = Counter()

    def __call__(self, source: Source) -> None:
        self.rung[source] += 1

    async def rings(self, source: Source) -> None:
        with anyio.fail_after(SOON_S):
            while not self.rung[source]:
                await anyio.sleep(0.002)

    async def falls_silent(self) -> None:
        """What was on its way has come."""
        with anyio.fail_after(SOON_S):
            while True:
                self.rung.clear()
                await anyio.sleep(QUIET_S)
                if not self.rung:
                    return


class WatcherContract:
    """Inherit, and provide the fixtures `watcher`, `scenery` and `anyio_backend`."""

    async def watch(self, watcher: Watcher, *sources: Source) -> Bell:
        bell = Bell()
        assert await watcher.watch(KEY, sources, bell) == {}
        return bell

    async def test_a_change_of_a_watched_thing_calls_wake_at_least_once(
        self, watcher: Watcher, scenery: Scenery
    ) -> None:
        source = FileSource(scenery.path("a"))
        scenery.write(source.path)
        bell = await self.watch(watcher, source)
        scenery.write(source.path)
        await bell.rings(source)

    async def test_many_changes_may_wake_once_and_never_more_often_than_they_are(
        self, watcher: Watcher, scenery: Scenery
    ) -> None:
        source = FileSource(scenery.path("a"))
        scenery.write(source.path)
        bell = await self.watch(watcher, source)
        for _ in range(100):
            scenery.write(source.path)
        await bell.rings(source)
        assert bell.rung[source] <= 200

    async def test_what_is_not_there_yet_is_watched_for(self, watcher: Watcher, scenery: Scenery) -> None:
        source = FileSource(scenery.path("not/here/yet"))
        bell = await self.watch(watcher, source)
        scenery.write(source.path)
        await bell.rings(source)
        await bell.falls_silent()
        scenery.write(source.path)
        await bell.rings(source)

    async def test_a_thing_that_is_replaced_by_renaming_over_it_stays_watched(
        self, watcher: Watcher, scenery: Scenery
    ) -> None:
        source = FileSource(scenery.path("a"))
        scenery.write(source.path)
        bell = await self.watch(watcher, source)
        for _ in range(3):
            scenery.replace(source.path)
            await bell.rings(source)
            await bell.falls_silent()
        scenery.write(source.path)
        await bell.rings(source)

    async def test_a_thing_that_is_made_again_stays_watched(self, watcher: Watcher, scenery: Scenery) -> None:
        source = FileSource(scenery.path("folder/a"))
        scenery.write(source.path)
        bell = await self.watch(watcher, source)
        for change in (scenery.remove, scenery.write, scenery.write):
            change(source.path)
            await bell.rings(source)
            await bell.falls_silent()

    async def test_the_end_of_a_process_is_a_change(self, watcher: Watcher, scenery: Scenery) -> None:
        source = ProcessSource(scenery.start())
        bell = await self.watch(watcher, source)
        scenery.kill(source.pid)
        await bell.rings(source)

    async def test_the_end_of_the_process_that_a_pid_file_names_is_a_change(
        self, watcher: Watcher, scenery: Scenery
    ) -> None:
        source = PidFileSource(scenery.path("pid"))
        bell = await self.watch(watcher, source)
        for _ in range(2):
            pid = scenery.start()
            scenery.write_pid(source.path, pid)
            await bell.rings(source)
            await bell.falls_silent()
            scenery.kill(pid)
            await bell.rings(source)
            await bell.falls_silent()

    async def test_finding_a_process_gone_is_a_change_once(self, watcher: Watcher, scenery: Scenery) -> None:
        source = ProcessSource(scenery.start())
        scenery.kill(source.pid)
        bell = Bell()
        for _ in range(3):
            await watcher.watch(KEY, [source], bell)
            await anyio.sleep(0.01)
        assert bell.rung[source] == 1

    async def test_what_cannot_be_watched_is_answered_with_the_reason_and_costs_the_others_nothing(
        self, watcher: Watcher, scenery: Scenery
    ) -> None:
        refused, source = scenery.unwatchable(watcher), FileSource(scenery.path("a"))
        bell = Bell()
        answer = await watcher.watch(KEY, [refused, source], bell)
        assert list(answer) == [refused]
        assert answer[refused]
        scenery.write(source.path)
        await bell.rings(source)

    async def test_watch_puts_the_sources_of_a_key_in_the_place_of_those_it_had(
        self, watcher: Watcher, scenery: Scenery
    ) -> None:
        old, new = FileSource(scenery.path("old")), FileSource(scenery.path("new"))
        await self.watch(watcher, old)
        bell = await self.watch(watcher, new)
        scenery.write(old.path)
        scenery.write(new.path)
        await bell.rings(new)
        assert not bell.rung[old]

    async def test_after_drop_nothing_is_woken(self, watcher: Watcher, scenery: Scenery) -> None:
        sources: Sequence[Source] = (FileSource(scenery.path("a")), ProcessSource(pid := scenery.start()))
        bell, kept = await self.watch(watcher, *sources), Bell()
        await watcher.watch(OTHER, sources, kept)
        watcher.drop(KEY)
        watcher.drop(KEY)
        scenery.write(scenery.path("a"))
        scenery.kill(pid)
        for source in sources:
            await kept.rings(source)
        assert not bell.rung

    async def test_nothing_raises_for_what_is_watched(self, watcher: Watcher, scenery: Scenery) -> None:
        odd = ["", "/", "relative", "/proc/self/fd/9999/x", "/dev/null/x", "a\0b", "/" + "x" * 5000, "\udcff"]
        sources: list[Source] = [*map(FileSource, odd), *map(PidFileSource, odd), ProcessSource(1)]
        await watcher.watch(KEY, sources, Bell())
        await watcher.watch(KEY, [], Bell())
