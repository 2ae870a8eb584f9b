"""What the audit trail keeps of each event: who and what, and of evidence only its hash."""

import json

import msgspec

from kazid.core.audit import NOT_KEPT, audited, record_bytes
from kazid.core.event import GoalSuspended, PredicateObserved, event_type
from kazid.core.ids import Epoch, Generation, PredicateId
from kazid.core.verdict import failed
from tests.core.test_event import EVENTS

SECRET = "what-the-check-saw"


def test_every_event_is_audited_or_named_as_one_that_is_not() -> None:
    for event in EVENTS.values():
        content = audited(event)
        assert (content is None) == isinstance(event, NOT_KEPT), event_type(event)
        assert content is None or json.loads(content)["type"] == event_type(event)


def test_evidence_is_kept_as_its_hash() -> None:
    verdict = failed("status", SECRET, body=SECRET)
    event = PredicateObserved(
        predicate_id=PredicateId("livez"),
        verdict=verdict,
        started_s=1.0,
        ended_s=2.0,
        generation=Generation(1),
    )
    content = audited(event)
    assert content is not None
    assert SECRET not in content.decode()
    other = msgspec.structs.replace(event, verdict=failed("status", SECRET, body="other"))
    assert audited(other) != content, "what is shown later can be compared with what was recorded"


def test_a_record_says_its_place_first() -> None:
    content = audited(GoalSuspended(epoch=Epoch(2), reason="tea", by="ada"))
    assert content is not None
    record = record_bytes(
        content, number=7, offset=9, uid="u", seq=3, goal='ada/we"b', at_wall_s=1.5, ran_as_uid=990
    )
    assert record.startswith(b'{"number":7,')
    assert json.loads(record) == {
        "number": 7,
        "offset": 9,
        "uid": "u",
        "seq": 3,
        "goal": 'ada/we"b',
        "at": 1.5,
        "ran_as_uid": 990,
        "type": "goal.suspended",
        "event": {"epoch": 2, "reason": "tea", "by": "ada"},
    }
