"""Telling people: takes notices from the outbox, lets `core/receiver.py` decide, and has couriers carry what is due.

A child of its own that nothing waits for: the loop never knows whether a message went. Each step is stored before the
next is taken (notice → receiver's state → sent → done), so a crash at any of them repeats that one, with the same id.
Every receiver sends on its own; one that hangs delays no other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus

from kazid.core.errors import JournalUnavailable
from kazid.core.ids import Offset
from kazid.core.notice import Noticed
from kazid.core.receiver import (
    Facts,
    Outgoing,
    Receiver,
    ReceiverState,
    advanced,
    delivered,
    due_wall_s,
    failed,
    taken,
)
from kazid.ports.audit import AuditTrail
from kazid.ports.clock import Clock
from kazid.ports.notifying import NOTICES_PER_PAGE_MAX, Courier, Delivered, Outbox
from kazid.runtime.broadcast import Broadcaster
from kazid.runtime.health import Health
from kazid.runtime.wakeup import Change

log = structlog.get_logger(__name__)

TURN_S_MIN = 0.5
"""A busy journal wakes it no more often."""
TURN_S_MAX = 60.0
"""Wall time is looked at again at the latest after this, for it may have jumped."""
UNWANTED_S = 60.0
"""How often notices are dropped that nobody is to be told."""
RETRY_S = 5.0
"""After a disk that refused."""


class Target(NamedTuple):
    """One receiver and who carries for it."""

    receiver: Receiver
    courier: Courier


class Notifier:
    """All receivers. `facts_of` tells what a goal is selected by and has cost."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        trail: AuditTrail,
        clock: Clock,
        health: Health,
        broadcaster: Broadcaster,
        facts_of: Callable[[Noticed], Facts],
        new_message_id: Callable[[], str],
        targets: Sequence[Target] = (),
    ) -> None:
        self._outbox = outbox
        self._trail = trail
        self._clock = clock
        self._health = health
        self._broadcaster = broadcaster
        self._facts_of = facts_of
        self._new_message_id = new_message_id
        self._targets: dict[str, Target] = {t.receiver.name: t for t in targets}
        self._states: dict[str, ReceiverState] = {}
        self._stored: dict[str, ReceiverState] = {}
        self._taken = 0
        self._seen = Offset(0)
        self._sending: set[str] = set()
        self._saving = anyio.Lock()
        self._change = Change()

    @property
    def waiting(self) -> Mapping[str, Outgoing]:
        """By receiver: the message that nobody took yet, after at least one try."""
        states = self._states.items()
        return {name: s.outgoing for name, s in states if s.outgoing is not None and s.outgoing.tries}

    @property
    def names(self) -> Sequence[str]:
        """The receivers there are."""
        return tuple(self._targets)

    def take(self, targets: Sequence[Target]) -> None:
        """Go by these receivers from now on; one that is gone forgets what it had not told."""
        self._targets = {t.receiver.name: t for t in targets}
        self._change.bump()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Tell people, until cancelled."""
        task_status.started()
        await self._load()
        async with anyio.create_task_group() as group:
            while True:
                version = self._change.version
                try:
                    delay_s = await self._turn(group)
                except JournalUnavailable as error:
                    self._health.report_disk_error(str(error))
                    delay_s = RETRY_S
                with anyio.move_on_after(delay_s):
                    await self._news(version)
                await anyio.sleep(TURN_S_MIN)

    async def _load(self) -> None:
        while True:
            try:
                self._states = dict(await self._outbox.receiver_states())
                break
            except JournalUnavailable:
                await anyio.sleep(RETRY_S)
        self._stored = dict(self._states)
        self._taken = min((s.cursor for s in self._states.values()), default=0)

    async def _news(self, version: int) -> None:
        """Return when more was committed than was taken, or a delivery ended; with no receiver, when there is one."""
        if not self._targets:
            await self._change.wait_beyond(version)
            return
        async with anyio.create_task_group() as group:

            async def committed() -> None:
                await self._broadcaster.wait_beyond(self._seen)
                group.cancel_scope.cancel()

            group.start_soon(committed)
            await self._change.wait_beyond(version)
            group.cancel_scope.cancel()

    async def _turn(self, group: TaskGroup) -> float:
        """Take what is new, store what follows, send what is due; for how long nothing else is due."""
        self._seen = self._broadcaster.head
        if not self._targets:
            return await self._drop_unwanted()
        known = self._states
        self._states = {name: known.get(name) or ReceiverState(cursor=self._taken) for name in self._targets}
        await self._take_notices()
        head = await self._audit_head() if any(s.pending for s in self._states.values()) else ""
        now_wall_s = self._clock.now().wall_s
        for name, target in self._targets.items():
            self._states[name] = advanced(
                target.receiver,
                self._states[name],
                now_wall_s,
                message_id=self._new_message_id(),
                audit_head=head,
            )
        await self._save()
        dues: list[float] = []
        for name, target in self._targets.items():
            if name in self._sending:
                continue
            outgoing = self._states[name].outgoing
            due_s = due_wall_s(target.receiver, self._states[name])
            if outgoing is not None and outgoing.next_wall_s <= now_wall_s:
                self._sending.add(name)
                group.start_soon(self._send, target, outgoing)
            elif due_s is not None:
                dues.append(due_s - now_wall_s)
        return max(0.0, min([TURN_S_MAX, *dues]))

    async def _take_notices(self) -> None:
        while page := await self._outbox.notices(after=self._taken, limit=NOTICES_PER_PAGE_MAX):
            for noticed in page:
                facts = self._facts_of(noticed)
                for name, target in self._targets.items():
                    self._states[name] = taken(target.receiver, self._states[name], noticed, facts)
                self._taken = noticed.offset

    async def _drop_unwanted(self) -> float:
        """Nobody is to be told: notices go, now and then."""
        self._states, self._taken = {}, self._seen
        await self._outbox.save_receivers({}, taken=self._taken)
        self._stored = {}
        return UNWANTED_S

    async def _save(self) -> None:
        async with self._saving:
            if self._states != self._stored:
                states = dict(self._states)
                await self._outbox.save_receivers(states, taken=self._taken)
                self._stored = states

    async def _send(self, target: Target, outgoing: Outgoing) -> None:
        """One try of one message, and what became of it."""
        name, message = target.receiver.name, outgoing.message
        try:
            delivery = await target.courier.deliver(message, receiver=name)
            now_wall_s = self._clock.now().wall_s
            state = self._states.get(name)
            if state is None or state.outgoing != outgoing:
                return  # the receiver is another one by now
            facts = {
                "receiver": name,
                "message_id": message.id,
                "lines": len(message.lines),
                "tries": outgoing.tries + 1,
            }
            if isinstance(delivery, Delivered):
                log.info("notification.delivered", **facts)
                self._states[name] = delivered(state)
            else:
                log.warning("notification.failed", **facts, reason=delivery.reason)
                self._states[name] = failed(
                    state, now_wall_s, reason=delivery.reason, retry_after_s=delivery.retry_after_s
                )
            await self._save()
        except JournalUnavailable as error:
            self._health.report_disk_error(str(error))
        finally:
            self._sending.discard(name)
            self._change.bump()

    async def _audit_head(self) -> str:
        last = await self._trail.audit_last()
        found = await self._trail.audit_page(after=last - 1, limit=1) if last else ()
        return "".join(f"{each.number}:{each.digest.hex()}" for each in found)
