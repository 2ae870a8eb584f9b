"""Lets go of the audit trail's beginning after its time: exported, said in the trail itself, and only then dropped.

Kept for ever unless `[retention] audit_days` says otherwise. A crash in between leaves an export and a checkpoint for
records that are still there; the next time drops them. What cannot be exported is kept.
"""

from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec
import structlog

from kazid.core.errors import JournalUnavailable
from kazid.core.event import AuditPruned
from kazid.core.window import DAY_S
from kazid.ports.audit import AuditExports, AuditRecord, AuditTrail
from kazid.ports.clock import Clock
from kazid.runtime.fleet import Fleet

log = structlog.get_logger(__name__)

EVERY_S = DAY_S
PAGE = 1000
RECORDS_MIN = 100
"""Fewer are not worth a file and a checkpoint."""


class _Dated(msgspec.Struct):
    at: float


class AuditRetention:
    """Told by housekeeping that time passes."""

    def __init__(
        self,
        trail: AuditTrail,
        fleet: Fleet,
        clock: Clock,
        exports: AuditExports,
        *,
        days: Callable[[], int],
    ) -> None:
        self._trail = trail
        self._fleet = fleet
        self._clock = clock
        self._exports = exports
        self._days = days
        self._next_s = 0.0

    async def keep(self) -> None:
        """Prune what is older than it is kept, at the first call and once a day."""
        now, days = self._clock.now(), self._days()
        if days == 0 or now.boot_s < self._next_s:
            return
        self._next_s = now.boot_s + EVERY_S
        try:
            await self._prune(
                before_wall_s=now.wall_s - days * DAY_S, rule=f"[retention] audit_days = {days}"
            )
        except (OSError, JournalUnavailable) as error:
            log.error("audit.prune_failed", reason=str(error))

    async def _prune(self, *, before_wall_s: float, rule: str) -> None:
        first = next(iter(await self._trail.audit_page(after=0, limit=1)), None)
        last = await self._trail.audit_last()
        if first is None or first.number == last:
            return
        through = await self._last_before(before_wall_s, first=first.number, last=last - 1)
        if through is None or through.number - first.number + 1 < RECORDS_MIN:
            return
        name = f"audit-{first.number:012}-{through.number:012}.jsonl"
        pages = self._pages(after=first.number - 1, through=through.number)
        exported = await self._exports.write(name, pages, head=through.digest)
        await self._fleet.record_pruned(
            AuditPruned(
                through=through.number,
                hash=through.digest.hex(),
                records=exported.records,
                rule=rule,
                export=name,
                export_sha256=exported.sha256,
            )
        )
        dropped = await self._trail.audit_prune(through=through.number)
        log.info("audit.pruned", through=through.number, records=dropped, export=exported.path)

    async def _last_before(self, wall_s: float, *, first: int, last: int) -> AuditRecord | None:
        """The newest of these that is older, by halves: they come in the order of time, but for steps of the clock."""
        found: AuditRecord | None = None
        while first <= last:
            middle = (first + last) // 2
            (record,) = await self._trail.audit_page(after=middle - 1, limit=1)
            if msgspec.json.decode(record.record, type=_Dated).at < wall_s:
                found, first = record, record.number + 1
            else:
                last = middle - 1
        return found

    async def _pages(self, *, after: int, through: int) -> AsyncGenerator[Sequence[AuditRecord], None]:
        while after < through:
            page = await self._trail.audit_page(after=after, limit=min(PAGE, through - after))
            assert page, "records up to this one were there"
            yield page
            after = page[-1].number
