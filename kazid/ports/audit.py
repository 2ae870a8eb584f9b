"""Reading the audit trail, which the journal writes in the transaction of the events, and nobody else ever.

Contract: records are numbered from 1 without a gap, in commit order; a record never changes. Only a beginning is ever
dropped, and only where a later record (`audit.pruned`) says which, with the hash that it ended with.
"""

from collections.abc import AsyncIterable, Sequence
from typing import Protocol

import msgspec

RECORDS_PER_PAGE_MAX = 5_000


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it is stored: its place, its bytes, and its hash over them and the hash before it."""

    number: int
    record: bytes
    digest: bytes


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A file that holds records as `kazictl audit export` writes them."""

    path: str
    records: int
    sha256: str


class AuditExports(Protocol):
    """Where records are written before they are dropped. Adapter: a folder of the system."""

    async def write(self, name: str, pages: AsyncIterable[Sequence[AuditRecord]], *, head: bytes) -> Exported:
        """Write them durably, read them back and check that their chain ends with `head`.

        Raises OSError, and nothing of that name is left then.
        """
        ...


class AuditTrail(Protocol):
    """The trail, page by page. Adapter: sqlite."""

    async def audit_page(self, *, after: int, limit: int, goal: str | None = None) -> Sequence[AuditRecord]:
        """Records behind the place `after`, of one goal (`owner/id`) or all. Raises JournalUnavailable."""
        ...

    async def audit_last(self) -> int:
        """The place of the newest record there ever was; 0 when there was none."""
        ...

    async def audit_prune(self, *, through: int) -> int:
        """Drop the records up to `through`, all or none, where a later record says so; how many went.

        Raises JournalUnavailable.
        """
        ...
