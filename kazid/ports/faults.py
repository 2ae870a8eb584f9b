"""Named places where things go wrong first: a simulation makes them go wrong, and in a daemon nothing is there.

FoundationDB calls it buggify. A place costs one look-up of a context variable, and only a simulation sets it. What a
place may do is wait, end the daemon there, or say that something small got lost; each is a thing that happens on real
machines anyway. Names are `subject.past_tense`, and every one is in `FAULT_POINTS`.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

FAULT_POINTS = frozenset(
    {
        "events.appended",  # durable, and memory does not know it yet
        "snapshot.due",  # after the fold, before the new starting point is durable
        "goal.created",  # its first event is durable, and nobody runs it yet
        "goal.loaded",  # read by a start, and not taken over yet
        "goal.forgotten",  # about to be
        "fence.recorded",  # durable, and not acknowledged yet
        "look.ended",  # the world was seen, and nobody was told
        "act.intended",  # the intent is durable, and nothing runs yet
        "act.started",  # it runs, and its task does not know it yet
        "act.ended",  # it is over, and its end is not durable yet
        "act.recovering",  # a new daemon is about to look for it
        "lease.released",  # free again, and whoever waits for it was not told
        "lease.wake_lost",  # and is not told at all
    }
)

Faults = Callable[[str], Awaitable[bool]]
"""Called at every place with its name; True: what the place is about gets lost, where the place says that it may."""

_faults: ContextVar[Faults | None] = ContextVar("faults", default=None)


async def fault_point(name: str) -> bool:
    """Pass this place; True when what it is about is to get lost. Does nothing and never waits in a daemon."""
    faults = _faults.get()
    return False if faults is None else await faults(name)


@contextmanager
def injected(faults: Faults) -> Generator[None]:
    """Everything started inside passes its places through `faults`."""
    token = _faults.set(faults)
    try:
        yield
    finally:
        _faults.reset(token)
