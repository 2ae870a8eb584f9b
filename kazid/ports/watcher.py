"""Watching things between looks, so that reality need not be polled alone.

Contract (each sentence has a test): after `watch` returned, a change of a watched thing calls `wake` with it at least
once, in the event loop, perhaps once for many changes, perhaps for none; what is not there yet is watched for; a thing
that is replaced, by renaming over it or by making it again, stays watched; the end of a process is a change, and so is
finding it gone; what cannot be watched is answered with the reason and costs the others nothing; `watch` puts the
sources of a key in the place of those it had; after `drop` nothing is woken; nothing raises for what is watched.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from kazid.core.ids import GoalUid, PredicateId
from kazid.core.watch import Source


class WatchKey(NamedTuple):
    """Whose sources they are."""

    uid: GoalUid
    predicate_id: PredicateId


class Watcher(Protocol):
    """One per daemon."""

    async def watch(
        self, key: WatchKey, sources: Sequence[Source], wake: Callable[[Source], None]
    ) -> Mapping[Source, str]:
        """Watch these for the key from now on, in the place of others. The answer: what cannot be, and why."""
        ...

    def drop(self, key: WatchKey) -> None:
        """Forget the key; a key nobody watches is nothing."""
        ...
