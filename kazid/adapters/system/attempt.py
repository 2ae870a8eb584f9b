"""One attempt as the daemon holds it: waiting for its end, asking for it, and making sure of it.

It waits on the pipe that only its shim holds where this process started it, else on the shim's pidfd with a look at the
folder now and then. Both can only say "look again"; the folder says what happened.
"""

import os
import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from signal import SIGKILL, SIGTERM

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec

from kazid.adapters.system import attempt_folder
from kazid.adapters.system.attempt_folder import Found, look, look_or_revoke, result_of
from kazid.core.ids import AttemptId
from kazid.ports.clock import Clock
from kazid.ports.runner import AttemptResult
from kazid.shim import control_group, proctree, protocol

CLAIM_POLL_S = 0.004
"""A shim claims some 20 ms after it was spawned."""

CLAIM_S = 20.0
"""A shim that has not claimed by then is revoked: the machine cannot run anything at the moment."""

TICK_S = 1.0
"""With the pipe, how often a cancellation that went unanswered is noticed."""

POLL_S = 0.2
"""Without the pipe, how often the folder is looked at: the shim of a product writes its result and stays."""

SETTLE_S = 0.02
"""Between the end of the pipe and the release of the lock lies an exit; looking sooner again would spin."""

RETRY_S = 1.0
"""How often a machine that cannot tell (no descriptor, a disk that takes no revocation) is asked again."""

ESCALATE_S = 15.0
"""From the request to end until the daemon ends the tree itself: beyond the shim's grace and its verification."""

SWEEP_GRACE_S = 1.0
REAP_S = 0.05
"""The moment an exit takes, for the shim of a product: it stays for the logs of what it left, or leaves at once."""

LEAVE_S = 5.0
"""A shim that has told the end, or was revoked, has nothing left to do; one that is still there then is killed."""

assert attempt_folder.KILL_GRACE_S + proctree.KILL_ROUNDS_MAX * proctree.ROUND_S < ESCALATE_S


class Shim(msgspec.Struct, frozen=True):
    """Who the shim is: pid and start time."""

    pid: int
    start_time: int | None

    def lives(self) -> bool:
        """True while this very process runs."""
        return self.start_time is not None and proctree.is_alive(self.pid, self.start_time)


class SystemAttempt:
    """Attempt port for one folder."""

    def __init__(
        self,
        folder: str,
        attempt_id: AttemptId,
        *,
        clock: Clock,
        threads: anyio.CapacityLimiter,
        on_end: Callable[[], None],
    ) -> None:
        self.result: AttemptResult | None = None
        self.shim: Shim | None = None
        self._folder = folder
        self._attempt_id = attempt_id
        self._clock = clock
        self._threads = threads
        self._on_end = on_end
        self._done_fd: int | None = None
        self._pidfd: int | None = None
        self._cancelled_s: float | None = None
        self._started_s: float | None = None
        self._turn = anyio.Lock()
        """Two tasks cannot wait for one descriptor; the second waits for the first."""

    def follow(self, shim_pid: int, *, done_fd: int) -> None:
        """Follow a shim that was just spawned here."""
        self.shim = Shim(shim_pid, proctree.start_time(shim_pid))
        self._done_fd = done_fd
        self._started_s = self._clock.now().boot_s

    async def until_claimed(self) -> None:
        """Return when the shim has claimed the attempt or ended; revoke it when it does neither in time."""
        with anyio.move_on_after(CLAIM_S):
            while True:
                with suppress(OSError):
                    if look(self._folder).state != attempt_folder.UNCLAIMED or self._is_pipe_closed():
                        return
                await anyio.sleep(CLAIM_POLL_S)

    async def inspect(self) -> None:
        """Take over what the folder tells; unless it runs, `wait` ends at once."""
        self._meet(await self._look(look_or_revoke))

    async def wait(self) -> AttemptResult:
        """The end. Cancelling this leaves the attempt as it is."""
        async with self._turn:
            if self.result is None:
                result = await self._until_over()
                # From here on no checkpoint: the result and the end of the bookkeeping belong together.
                self.result = result
                self._close()
                self._on_end()
        return self.result

    async def cancel(self) -> None:
        """Ask the shim to end the attempt; the product of one that ended already is not touched."""
        await anyio.lowlevel.checkpoint()
        if self.result is not None:
            return
        if self._cancelled_s is None:
            self._cancelled_s = self._clock.now().boot_s
        self._ask()

    def pids(self) -> Sequence[int]:
        """The tree below the shim, and the shim while it is alone; once over, what could not be killed."""
        if self.result is not None:
            return self.result.survivors
        if self.shim is None or not self.shim.lives():
            return ()
        return tuple(sorted(proctree.descendants(self.shim.pid))) or (self.shim.pid,)

    async def _until_over(self) -> AttemptResult:
        """Look whenever there may be news, until the folder says that it is over."""
        while True:
            found = await self._look(look_or_revoke if self._may_revoke() else look)
            state = None if found is None else found.state
            if found is not None and state == protocol.ENDED:
                is_product = partial(attempt_folder.is_product, self._folder, found)
                stays = await anyio.to_thread.run_sync(is_product, limiter=self._threads)
                await self._until_shim_left(stays=stays)
                return result_of(found)
            if state == protocol.NEVER_STARTED:
                await self._until_shim_left(stays=False)
                return self._never_ran()
            if state == protocol.KILLED:
                survivors = await self._sweep()
                if survivors is not None:
                    return self._killed(survivors)
                found = None
            if found is None:
                await anyio.sleep(RETRY_S)
                continue
            self._meet(found)
            if self._is_overdue():
                await self._escalate()
            await self._until_news()

    def _meet(self, found: Found | None) -> None:
        """Learn who the shim of a taken-over attempt is; what was asked of it meanwhile is passed on."""
        if (
            self.shim is not None
            or found is None
            or found.state != protocol.RUNNING
            or found.shim_pid is None
        ):
            return
        self.shim = Shim(found.shim_pid, found.shim_start_time)
        if self._cancelled_s is not None:
            self._ask()

    def _ask(self) -> None:
        """Ask the shim for the end, unless it is only there for the logs of a product."""
        if self.shim is None:
            return
        with suppress(OSError):
            if look(self._folder).state == protocol.ENDED:
                return
        proctree.signal_process(self.shim.pid, SIGTERM, self.shim.start_time)

    async def _look(self, how: Callable[[str], Found]) -> Found | None:
        """What the folder says; None while the machine cannot tell, or the disk refuses to revoke."""
        try:
            return await anyio.to_thread.run_sync(how, self._folder, limiter=self._threads)
        except OSError:
            return None

    def _may_revoke(self) -> bool:
        """An attempt that nobody claimed is revoked unless its shim, started here, is still on its way."""
        if self._done_fd is None:
            return True
        return self._is_pipe_closed() or self._is_late()

    def _is_late(self) -> bool:
        assert self._started_s is not None
        return self._clock.now().boot_s - self._started_s >= CLAIM_S

    async def _until_news(self) -> None:
        """Return when the pipe or the shim ended, or when it is time to look all the same."""
        if self._done_fd is not None:
            with anyio.move_on_after(TICK_S):
                await anyio.wait_readable(self._done_fd)
            if self._is_pipe_closed():
                os.close(self._done_fd)
                self._done_fd = None
            return
        pidfd = self._open_pidfd()
        if pidfd is None:
            await anyio.sleep(SETTLE_S if self.shim is not None else POLL_S)
            return
        with anyio.move_on_after(POLL_S):
            await anyio.wait_readable(pidfd)
            await anyio.sleep(SETTLE_S)

    def _open_pidfd(self) -> int | None:
        """A descriptor of the shim that becomes readable when it ends; None when it is gone already."""
        if self._pidfd is None and self.shim is not None and self.shim.lives():
            with suppress(OSError):
                self._pidfd = os.pidfd_open(self.shim.pid)
                if not self.shim.lives():  # the number was given to somebody else in between
                    os.close(self._pidfd)
                    self._pidfd = None
        return self._pidfd

    def _is_pipe_closed(self) -> bool:
        """True once the shim let go of the pipe: nothing is ever written to it."""
        if self._done_fd is None:
            return True
        poll = select.poll()
        poll.register(self._done_fd, select.POLLIN)
        return bool(poll.poll(0))

    def _never_ran(self) -> AttemptResult:
        """Nothing of it ran: nobody started it, or its shim broke before it claimed."""
        if self._started_s is None:
            return AttemptResult(ending="never_started")
        said = attempt_folder.shim_words(self._folder) or "the shim did not start the attempt"
        return AttemptResult(ending="not_started", reason=said, ended_s=self._clock.now().boot_s)

    async def _sweep(self, *, shim: Shim | None = None) -> list[int] | None:
        """End the attempt's processes; who is left, None when /proc cannot be read now (no descriptor)."""
        end = partial(end_tree, self._attempt_id, folder=self._folder, shim=shim)
        try:
            return await anyio.to_thread.run_sync(end, limiter=self._threads)
        except OSError:
            return None

    def _killed(self, survivors: Sequence[int]) -> AttemptResult:
        """The shim is gone and left no result; what it had left is ended."""
        now_s = self._clock.now().boot_s
        was_asked = self._cancelled_s is not None
        reason = "the shim did not answer and was killed" if was_asked else "the shim was killed"
        said = attempt_folder.shim_words(self._folder)
        return AttemptResult(
            ending="cancelled" if was_asked else "killed",
            duration_s=0.0 if self._started_s is None else now_s - self._started_s,
            ended_s=now_s,
            reason=f"{reason}: {said}" if said else reason,
            survivors=tuple(survivors),
        )

    def _is_overdue(self) -> bool:
        return self._cancelled_s is not None and self._clock.now().boot_s - self._cancelled_s >= ESCALATE_S

    async def _escalate(self) -> None:
        """End the tree in the shim's place, and then the shim."""
        await self._sweep(shim=self.shim)
        if self.shim is not None:
            proctree.signal_process(self.shim.pid, SIGKILL, self.shim.start_time)

    async def _until_shim_left(self, *, stays: bool) -> None:
        """See the shim leave: an attempt that is over has no process at all. `stays`: but for one that drains logs."""
        shim = self.shim
        if shim is None:
            return
        with anyio.move_on_after(REAP_S if stays else LEAVE_S):
            await self._until_gone(shim)
        if not stays and shim.lives():
            proctree.signal_process(shim.pid, SIGKILL, shim.start_time)
            with anyio.move_on_after(LEAVE_S):
                await self._until_gone(shim)

    async def _until_gone(self, shim: Shim) -> None:
        while shim.lives():
            pidfd = self._open_pidfd()
            if pidfd is None:
                await anyio.sleep(SETTLE_S)
            else:
                await anyio.wait_readable(pidfd)

    def _close(self) -> None:
        for descriptor in (self._done_fd, self._pidfd):
            if descriptor is not None:
                os.close(descriptor)
        self._done_fd = self._pidfd = None


def end_tree(attempt_id: AttemptId, *, folder: str, shim: Shim | None = None) -> list[int]:
    """End every process that carries the attempt's marker, descends from its shim or is in its control group.

    But for the shim. Answers who is left.

    Blocks, for at most the grace and the rounds of kill_tree.
    """

    group = attempt_folder.control_group_of(folder)

    def find() -> list[int]:
        found = set(proctree.marked(protocol.MARKER, attempt_id))
        if group is not None:
            found |= set(control_group.members(group))
        if shim is not None:
            found |= set(proctree.descendants(shim.pid)) if shim.lives() else set()
            found.discard(shim.pid)
        return list(found)

    kill_all = (lambda: None) if group is None else partial(control_group.kill, group)
    left = proctree.kill_tree(find, grace_s=SWEEP_GRACE_S, kill_all=kill_all)
    if group is not None:
        control_group.remove(group)
    return left
