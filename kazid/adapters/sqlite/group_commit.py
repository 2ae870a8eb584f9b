"""Many appends, one commit: callers queue, and one task makes whatever waits durable together.

While one batch is on its way to the disk the next one gathers, so a busy daemon pays one fsync for many events and an
idle one no delay. A caller is answered after the commit, never before. The task is a system child: when it fails, the
process ends (DESIGN §4).
"""

import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias, assert_never

import anyio
import anyio.lowlevel

from kazid.adapters.sqlite.appends import Append, append_all
from kazid.adapters.sqlite.database import Database
from kazid.core.errors import Conflict, JournalUnavailable, JournalUnusable
from kazid.ports.journal import EVENTS_PER_APPEND_MAX, Receipt

QUEUED_APPENDS_MAX = 1024
"""Callers beyond it wait to queue: at 10,000 appends a second it is a tenth of a second of work."""
BATCH_EVENTS_MAX = 2048
"""Events a commit takes at most, so that nobody waits long behind it: some 50 ms."""
ANSWER_TIMEOUT_S = 35.0
"""How long an append waits for its turn, and then for its answer."""
ANSWERS_AT_ONCE = 16
"""Who is answered goes on at once, a goal with some 0.3 ms of folding: between so many everybody else has a turn."""

assert BATCH_EVENTS_MAX >= EVENTS_PER_APPEND_MAX, "every append fits into a batch"

_Outcome: TypeAlias = Receipt | Conflict | JournalUnavailable | JournalUnusable
_Work: TypeAlias = Callable[[sqlite3.Connection], list[Receipt | Conflict]]
_Write: TypeAlias = Callable[[_Work], Awaitable[list[Receipt | Conflict]]]


class _Request:
    """An append on its way, and what became of it."""

    __slots__ = ("answered", "append", "is_urgent", "is_withdrawn", "outcome")

    def __init__(self, append: Append, *, is_urgent: bool) -> None:
        self.append = append
        self.is_urgent = is_urgent
        self.is_withdrawn = False
        self.answered = anyio.Event()
        self.outcome: _Outcome | None = None

    def answer(self, outcome: _Outcome) -> None:
        self.outcome = outcome
        self.answered.set()


class GroupCommit:
    """The queue and the task that empties it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._send, self._receive = anyio.create_memory_object_stream[_Request](QUEUED_APPENDS_MAX)
        self._failure: JournalUnusable | None = None

    async def submit(self, append: Append, *, is_urgent: bool) -> Receipt:
        """Queue an append and wait until it is durable.

        Cancellable until it is queued; from then on it waits for its answer. An append that never left the queue is
        withdrawn at the deadline. Raises: Conflict, JournalUnavailable, JournalUnusable.
        """
        request = _Request(append, is_urgent=is_urgent)
        await self._queue(request)
        with anyio.move_on_after(ANSWER_TIMEOUT_S, shield=True):
            await request.answered.wait()
        match request.outcome:
            case Receipt() as receipt:
                return receipt
            case Conflict() as conflict:
                raise conflict
            case JournalUnavailable() | JournalUnusable() as refusal:
                raise _again(refusal) from refusal
            case None:
                request.is_withdrawn = True
                raise JournalUnavailable(f"the journal gave no answer in {ANSWER_TIMEOUT_S:g} s")
            case _:
                assert_never(request.outcome)

    async def _queue(self, request: _Request) -> None:
        """Put it into the queue, waiting for room only where there is none: a deadline costs as much as the rest."""
        try:
            try:
                self._send.send_nowait(request)
            except anyio.WouldBlock:
                with anyio.fail_after(ANSWER_TIMEOUT_S):
                    await self._send.send(request)
        except TimeoutError:
            raise JournalUnavailable("the journal's queue is full") from None
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise _again(self._closed_because()) from None

    async def run(self) -> None:
        """Commit what is queued until cancelled, and then what is queued still.

        Raises JournalUnusable when the file turns out to be damaged; everybody who waits is told so.
        """
        try:
            while (batch := await self._next_batch()) is not None:
                await self._commit(batch)
            assert self._failure is not None, "only `fail` closes the queue under a running writer"
            raise self._failure
        except anyio.get_cancelled_exc_class():
            self._send.close()
            with anyio.CancelScope(shield=True):
                while batch := self._gather([]):
                    await self._commit(batch)
            raise
        finally:
            self.close()

    def fail(self, failure: JournalUnusable) -> None:
        """Make `run` raise: somebody found the file damaged."""
        self._failure = failure
        self._send.close()

    def close(self) -> None:
        """Refuse everything from here on, and answer who still waits."""
        self._send.close()
        while left := self._gather([]):
            _refuse(left, self._closed_because())
        self._receive.close()

    def _closed_because(self) -> JournalUnavailable | JournalUnusable:
        return self._failure or JournalUnavailable("the journal is closed")

    async def _next_batch(self) -> list[_Request] | None:
        """The first request to come, and what waits behind it; None when there will be no more."""
        try:
            return self._gather([await self._receive.receive()])
        except anyio.EndOfStream:
            return None

    def _gather(self, batch: list[_Request]) -> list[_Request]:
        """What is queued now, up to a batch."""
        events = sum(len(request.append.bodies) for request in batch)
        while events + EVENTS_PER_APPEND_MAX <= BATCH_EVENTS_MAX:
            try:
                request = self._receive.receive_nowait()
            except (anyio.WouldBlock, anyio.EndOfStream, anyio.ClosedResourceError):
                break
            batch.append(request)
            events += len(request.append.bodies)
        return batch

    async def _commit(self, batch: list[_Request]) -> None:
        """Make a batch durable and answer everybody in it. On a full disk the urgent ones get the reserve's room."""
        waiting = [request for request in batch if not request.is_withdrawn]
        if not waiting:
            return
        try:
            refusal = await _commit_with(self._database.write, waiting)
            if refusal is not None:
                _refuse([request for request in waiting if not request.is_urgent], refusal)
                urgent = [request for request in waiting if request.is_urgent]
                refusal = await _commit_with(self._database.write_urgently, urgent) if urgent else None
                if refusal is not None:
                    _refuse(urgent, refusal)
        except JournalUnusable as error:
            self._failure = error
            raise
        finally:
            left = [request for request in waiting if not request.answered.is_set()]
            _refuse(left, self._failure or JournalUnavailable("the journal's writer failed"))


async def _commit_with(write: _Write, requests: list[_Request]) -> JournalUnavailable | None:
    """Write these and answer them; None when done, else why the disk refused, and nobody is answered."""
    try:
        outcomes = await write(partial(append_all, [request.append for request in requests]))
    except JournalUnavailable as error:
        return error
    for number, (request, outcome) in enumerate(zip(requests, outcomes, strict=True), start=1):
        request.answer(outcome)
        if number % ANSWERS_AT_ONCE == 0:
            await anyio.lowlevel.cancel_shielded_checkpoint()
    return None


def _again(refusal: JournalUnavailable | JournalUnusable) -> JournalUnavailable | JournalUnusable:
    """An exception of the caller's own: one that is shared collects the traceback of everybody who raises it."""
    return type(refusal)(str(refusal))


def _refuse(requests: list[_Request], refusal: JournalUnavailable | JournalUnusable) -> None:
    for request in requests:
        request.answer(refusal)
