"""What the audit trail keeps of an event: who, what, by which rule, with what result; never what a check saw. Pure.

Every event leaves a record but those that only repeat, and housekeeping. Evidence and output stay where their owner
reads them; a record has their hash, so that what is shown later can be compared with what was recorded.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.event import (
    ActEnded,
    BundleLeft,
    ClockStepped,
    Event,
    GoalParked,
    PredicateObserved,
    SnapshotTaken,
    SteadyObserved,
    event_type,
)
from kazid.core.json import Json

NOT_KEPT = (SteadyObserved, SnapshotTaken, ClockStepped)
"""Looks that repeated the one before them, starting points of the fold, and the machine's clocks."""

_encode = msgspec.json.Encoder(order="sorted").encode


def audited(event: Event) -> bytes | None:
    """The event's part of a record, as JSON with sorted keys; None for what leaves none."""
    if isinstance(event, NOT_KEPT):
        return None
    content: dict[str, Json] = {"event": _content(event), "type": event_type(event)}
    return _encode(content)


def _content(event: Event) -> Mapping[str, Json]:
    fields: dict[str, Json] = msgspec.to_builtins(event)
    del fields["type"]
    match event:
        case PredicateObserved(verdict=verdict):
            fields["verdict"] = {
                "status": verdict.status.value,
                "reason": verdict.reason,
                "sha256": _sha256(verdict),
            }
        case ActEnded():
            _replace_by_hash(fields, ("text", "reason"))
        case BundleLeft():
            _replace_by_hash(fields, ("bundle",))
        case GoalParked():
            _replace_by_hash(fields, ("traceback",))
        case _:
            pass
    return fields


def _replace_by_hash(fields: dict[str, Json], names: Sequence[str]) -> None:
    for name in names:
        if fields.get(name) is not None:
            fields[name] = {"sha256": _sha256(fields[name])}


def _sha256(value: object) -> str:
    return hashlib.sha256(_encode(value)).hexdigest()


def record_bytes(
    content: bytes,
    *,
    number: int,
    offset: int,
    uid: str,
    seq: int,
    goal: str | None,
    at_wall_s: float,
    ran_as_uid: int,
) -> bytes:
    """A whole record: its place first, then where the event is in the journal, then what happened."""
    head: dict[str, Json] = {
        "number": number,
        "offset": offset,
        "uid": uid,
        "seq": seq,
        "goal": goal,
        "at": at_wall_s,
        "ran_as_uid": ran_as_uid,
    }
    return msgspec.json.encode(head)[:-1] + b"," + content[1:]
