"""An incident file: one goal's journal in a form that travels, to be replayed where the goal never was.

A header line and then one line for each event, JSON, as the journal has them: redacted at capture, so no more secret
than `kazictl events`. Read strictly: a file that was cut or edited says where. Pure; files are the callers'.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from kazid.core.errors import KazidError
from kazid.core.event import Recorded, SnapshotTaken

FORMAT = "kazi-incident"
VERSION = 1


class IncidentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: whose journal it is, and which kazid wrote it."""

    format: str
    version: int
    kazid: str
    owner: str
    goal_id: str
    uid: str
    exported_wall_s: float
    last_seq: int
    """The file is whole when it ends with this one."""


class IncidentUnreadable(KazidError):
    """The file is not an incident, or not a whole one. The message names the line."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was read. `skipped`: events before the first that a fold can start from."""

    header: IncidentHeader
    records: Sequence[Recorded]
    skipped: int


_DECODER = msgspec.json.Decoder(Recorded)


def header_line(header: IncidentHeader) -> bytes:
    """The first line of the file."""
    return msgspec.json.encode(header) + b"\n"


def record_line(record: Recorded) -> bytes:
    """One event as a line."""
    return msgspec.json.encode(record) + b"\n"


def read_incident(lines: Iterable[bytes]) -> Incident:
    """The incident in these lines. Raises IncidentUnreadable."""
    numbered = ((n, line) for n, line in enumerate(lines, start=1) if line.strip())
    header = _header(numbered)
    records: list[Recorded] = []
    for number, line in numbered:
        record = _record(line, number)
        if record.uid != header.uid:
            raise IncidentUnreadable(f"line {number}: an event of another goal ({record.uid})")
        if records and record.seq != records[-1].seq + 1:
            raise IncidentUnreadable(f"line {number}: event {record.seq} follows {records[-1].seq}")
        records.append(record)
    last_seq = records[-1].seq if records else 0
    if last_seq < header.last_seq:
        raise IncidentUnreadable(f"it ends with event {last_seq}; the whole file has {header.last_seq}")
    start = next((i for i, r in enumerate(records) if _is_start(r)), None)
    if start is None:
        raise IncidentUnreadable("it holds neither the goal's first event nor a snapshot to start from")
    return Incident(header=header, records=records[start:], skipped=start)


def _header(numbered: Iterator[tuple[int, bytes]]) -> IncidentHeader:
    _, line = next(numbered, (1, b""))
    try:
        header = msgspec.json.decode(line, type=IncidentHeader)
    except msgspec.MsgspecError:
        raise IncidentUnreadable("line 1: not the header of an incident file") from None
    if header.format != FORMAT:
        raise IncidentUnreadable(f"line 1: not an incident file but {header.format!r}")
    if header.version > VERSION:
        raise IncidentUnreadable(
            f"line 1: written in format {header.version} by kazid {header.kazid}, this one reads up to {VERSION}"
        )
    return header


def _record(line: bytes, number: int) -> Recorded:
    try:
        return _DECODER.decode(line)
    except msgspec.MsgspecError as error:
        raise IncidentUnreadable(f"line {number}: {error}") from None


def _is_start(record: Recorded) -> bool:
    return record.seq == 1 or isinstance(record.event, SnapshotTaken)
