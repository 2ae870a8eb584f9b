"""What `report` answers: rows by goal and by label, each the same shape."""

from collections.abc import Mapping, Sequence

import msgspec

from kazid.wire.names import SCHEMA_VERSION


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One goal's, or all goals' with one label. Null is unknown, never zero."""

    name: str
    goals: int
    statuses: Mapping[str, int]
    cause: str | None
    age_s: float
    predicates: int
    gaps: Sequence[str]
    drifts: int
    mended: int
    mended_s: float | None
    acts: int
    dispatches: int
    tokens: int | None
    cost_usd: float | None
    is_estimated: bool


class ReportReply(msgspec.Struct, frozen=True, kw_only=True):
    """From `since` to `until`, in wall seconds."""

    since: float
    until: float
    goals: Sequence[ReportRow]
    labels: Sequence[ReportRow]
    total: ReportRow
    schema_version: int = SCHEMA_VERSION
    exit_code: int = 0
