"""The dead man's switch: a sign of life to somebody outside, so that silence is an alarm.

Each beat is preceded by a durable write, so a daemon that runs and can store nothing falls silent, too.
"""

from collections.abc import Awaitable, Callable

import anyio
import structlog
from anyio.abc import TaskStatus

from kazid.core.errors import JournalUnavailable
from kazid.ports.journal import Journal
from kazid.ports.notifying import Delivered, Delivery

log = structlog.get_logger(__name__)

UNSET_S = 5.0
"""How often it is looked whether the settings name an address by now."""


class Heart:
    """A beat, and how often; nothing where the settings name no address."""

    def __init__(self, beat: Callable[[], Awaitable[Delivery]], *, every_s: float) -> None:
        self.beat = beat
        self.every_s = every_s


class Heartbeat:
    """Beats for as long as the daemon does its work."""

    def __init__(self, journal: Journal, heart: Heart | None) -> None:
        self._journal = journal
        self._heart = heart
        self._is_failing = False

    def take(self, heart: Heart | None) -> None:
        """Beat so from now on."""
        self._heart = heart

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Beat until cancelled."""
        task_status.started()
        while True:
            heart = self._heart
            if heart is not None:
                await self._beat(heart)
            await anyio.sleep(UNSET_S if heart is None else heart.every_s)

    async def _beat(self, heart: Heart) -> None:
        try:
            await self._journal.check_writable()
        except JournalUnavailable:
            return  # said by health and log; outside it is said by silence
        delivery = await heart.beat()
        is_failing = not isinstance(delivery, Delivered)
        if is_failing != self._is_failing:
            self._is_failing = is_failing
            reason = "" if isinstance(delivery, Delivered) else delivery.reason
            log.warning("heartbeat.failed" if is_failing else "heartbeat.resumed", reason=reason)
