"""Says the audit trail's head where others keep it: in the log, which goes to the system's journal.

Who rewrites the whole trail cannot rewrite what was said before, so a head that was said is what the trail is held to.
"""

import structlog

from kazid.core.errors import JournalUnavailable
from kazid.ports.audit import AuditTrail
from kazid.ports.clock import Clock

log = structlog.get_logger(__name__)

EVERY_S = 3600.0


class AuditHead:
    """Told by housekeeping that time passes."""

    def __init__(self, trail: AuditTrail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock
        self._next_s = 0.0

    async def say(self) -> None:
        """Log the head, at the first call that finds one and once an hour."""
        now_s = self._clock.now().boot_s
        if now_s < self._next_s:
            return
        try:
            last = await self._trail.audit_last()
            found = await self._trail.audit_page(after=last - 1, limit=1) if last else ()
        except JournalUnavailable:
            return  # the next call says it
        for each in found:
            self._next_s = now_s + EVERY_S
            log.info("audit.head", head=f"{each.number}:{each.digest.hex()}")
