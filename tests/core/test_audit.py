"""What the audit trail keeps of each event: who and what, and of evidence only its hash."""

import hashlib
import json
from typing import Any

import msgspec
import pytest

from kazid.core.audit import NOT_KEPT, audited, record_bytes
from kazid.core.bundle import Bundle
from kazid.core.event import BundleLeft, Event, GoalParked, GoalSuspended, PredicateObserved, event_type
from kazid.core.ids import Epoch, Generation, PredicateId
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed
from tests.builders import act_ended
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


def kept(event: Event) -> dict[str, Any]:
    """What the trail has of an event."""
    content = audited(event)
    assert content is not None
    fields: dict[str, Any] = json.loads(content)["event"]
    return fields


def test_a_look_is_kept_with_its_verdicts_status_reason_and_hash() -> None:
    verdict = failed("status", SECRET)
    event = PredicateObserved(
        predicate_id=PredicateId("livez"),
        verdict=verdict,
        started_s=1.0,
        ended_s=2.0,
        generation=Generation(1),
    )
    sha256 = hashlib.sha256(msgspec.json.encode(verdict, order="sorted")).hexdigest()
    assert kept(event)["verdict"] == {"status": "fail", "reason": "status", "sha256": sha256}
    assert kept(event)["predicate_id"] == "livez"


BUNDLE = Bundle(
    status=GoalStatus.STUCK, cause=Cause.NO_PROGRESS, reason=SECRET, at_wall_s=1.0, generation=Generation(1)
)


@pytest.mark.parametrize(
    ("event", "name", "said"),
    [
        pytest.param(act_ended(at=1.0, text=SECRET), "text", SECRET, id="what-an-executor-printed"),
        pytest.param(act_ended(at=1.0, reason=SECRET), "reason", SECRET, id="why-it-ended"),
        pytest.param(BundleLeft(bundle=BUNDLE), "bundle", msgspec.to_builtins(BUNDLE), id="what-an-end-left"),
        pytest.param(GoalParked(traceback=SECRET, reason="r"), "traceback", SECRET, id="a-traceback"),
    ],
)
def test_what_only_its_owner_reads_is_kept_as_its_hash(event: Event, name: str, said: object) -> None:
    sha256 = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
    assert kept(event)[name] == {"sha256": sha256}
    assert SECRET not in json.dumps(kept(event))


def test_what_was_not_said_has_no_hash_and_the_rest_is_kept_as_it_is() -> None:
    ended = kept(act_ended(at=1.0, exit_code=3))
    assert (ended.get("text"), ended.get("reason")) == (None, None)
    assert (ended["attempt_id"], ended["ending"], ended["exit_code"]) == ("a1", "exited", 3)
    assert kept(GoalParked(traceback="t", reason="ValueError"))["reason"] == "ValueError"


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
