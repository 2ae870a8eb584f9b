"""Reading the audit trail, which the journal writes in the transaction of the events, and nobody else ever.

Contract: records are numbered from 1 without a gap, in commit order; a record never changes and none is ever dropped.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

RECORDS_PER_PAGE_MAX = 5_000


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it is stored: its place, its bytes, and its hash over them and the hash before it."""

    number: int
    record: bytes
    digest: bytes


class AuditTrail(Protocol):
    """The trail, page by page. Adapter: sqlite."""

    async def audit_page(self, *, after: int, limit: int, goal: str | None = None) -> Sequence[AuditRecord]:
        """Records behind the place `after`, of one goal (`owner/id`) or all. Raises JournalUnavailable."""
        ...

    async def audit_last(self) -> int:
        """The place of the newest record there ever was; 0 when there was none."""
        ...
